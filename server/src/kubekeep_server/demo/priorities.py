"""Priorities of the demo's findings in the context of their workloads, by the formula of `docs/scores.md`. Values only."""

from __future__ import annotations

from typing import Final, NamedTuple

from kubekeep.model.finding_document import PriorityDocument
from kubekeep.model.severity import Severity
from kubekeep.model.submission import DefinitionEntry

_AVAILABILITY: Final = frozenset(("C-0018", "C-0056", "C-0073", "C-0268", "C-0269", "C-0271"))
"""Weaknesses that give an attacker nothing, so that the context does not change them."""
STEPS: Final = {
    "C-0048": "container app mounts the whole file system of its node",
    "C-0057": "container app is privileged",
}
"""Weaknesses that give access to the node."""
_TAKEOVER: Final = 9.0
_ADDED: Final = 1.0
_HIGHEST: Final = 10.0


class Context(NamedTuple):
    """The context of a workload: how it can be reached, and its access to a node; empty without any."""

    exposure: str = ""
    power: str = ""


NO_CONTEXT: Final = Context()


def prioritise(definition: DefinitionEntry, context: Context) -> PriorityDocument | None:
    """Return the priority of a finding; None if it is that of its control."""
    if context == NO_CONTEXT or definition.id in _AVAILABILITY:
        return None
    step = STEPS.get(definition.id, "") if context.power else ""
    score = max(definition.score, _TAKEOVER) if step else definition.score + _ADDED * bool(context.power)
    score += _ADDED * bool(context.exposure)
    # Only a control that gives access itself becomes critical.
    most = _HIGHEST if step or definition.score >= _TAKEOVER else _TAKEOVER - 0.1
    score = round(min(score, most), 1)
    reasons = (step or context.power, context.exposure)
    return PriorityDocument(Severity.from_score(score).name.lower(), score, tuple(filter(None, reasons)))
