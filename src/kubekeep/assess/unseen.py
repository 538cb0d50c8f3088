"""What a cluster did not show, and which controls that leaves without an answer. Never takes unseen for absent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from kubekeep.assess.select import Selection
from kubekeep.model.cluster import Gap
from kubekeep.model.control import SUBJECT, Control, Provider
from kubekeep.model.finding import Cause, Reason

_NODES = frozenset({"Node"})
"""What tells which managed platform a cluster is."""


class Unseen(msgspec.Struct, frozen=True):
    """Why controls cannot be trusted, by slug.

    Of those in `related` no verdict can, as they compare with what was not shown; of those in `targeted` the verdicts
    on what was seen are true, but they are not all.
    """

    related: Mapping[str, Reason] = {}
    targeted: Mapping[str, Reason] = {}


NOTHING = Unseen()


def unseen(gaps: Sequence[Gap], selection: Selection, provider: Provider | None) -> Unseen:
    """What `gaps` mean for the controls of `selection`; `provider` is the platform, as far as it is known."""
    if not gaps:
        return NOTHING
    named = [(gap, gap.names) for gap in gaps]
    related: dict[str, Reason] = {}
    targeted: dict[str, Reason] = {}
    judged = {control.slug for control in selection.judged}
    for control in selection.controls:
        looks_at = frozenset(control.targets)
        # A rule that gets all objects of its kinds at once may compare any of them.
        compares = frozenset(control.relates) | _joined(control) | (looks_at if control.slug in judged else frozenset())
        if control.providers and provider is None and control.slug not in selection.named:
            compares |= _NODES
        if missing := [gap for gap, names in named if names & compares]:
            related[control.slug] = _reason(missing)
        if missing := [gap for gap, names in named if names & (looks_at | compares)]:
            targeted[control.slug] = _reason(missing)
    return Unseen(related, targeted)


def _joined(control: Control) -> frozenset[str]:
    """Subjects are made of bindings and roles: without one of them there are others, or none."""
    return frozenset({SUBJECT}) & frozenset(control.targets)


def _reason(gaps: Iterable[Gap]) -> Reason:
    gaps = list(gaps)
    missing = list(dict.fromkeys(gap.permission for gap in gaps))
    text = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    if all(gap.needs for gap in gaps):
        return Reason(Cause.NEEDS_CLOUD_DATA, f"the cloud did not tell everything of the cluster: {text}")
    return Reason(Cause.NEEDS_ACCESS, f"the cluster did not show everything: {text}")
