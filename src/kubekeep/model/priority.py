"""Priorities of findings: the urgency of a finding in the context of its resource. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from kubekeep.model.severity import Severity


class ResourceContext(msgspec.Struct, frozen=True):
    """Facts about a resource that make its findings more urgent, each as a clause for people; empty if not known.

    `exposure`: how the resource can be reached from outside the cluster. `power`: the access that control of the
    resource gives, to a node or to the whole cluster. `rights`: access to Secrets by its service account, if it has no such
    power. `steps`: by slug, the failed controls that give this access.
    """

    exposure: str = ""
    power: str = ""
    rights: str = ""
    steps: Mapping[str, str] = {}


class Priority(msgspec.Struct, frozen=True):
    """Urgency of a finding: level and score from 0 to 10, with the facts behind it as clauses.

    `step`: the access that the failed control itself gives, to a node or the cluster. `reasons`: the facts about the
    resource, most important first.
    """

    level: Severity
    score: float
    step: str = ""
    reasons: tuple[str, ...] = ()


NO_CONTEXT: Final = ResourceContext()
UNKNOWN_PRIORITY: Final = Priority(Severity.UNKNOWN, 0.0)
