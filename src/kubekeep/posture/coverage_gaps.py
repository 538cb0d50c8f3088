"""What a cluster did not show, and which controls that leaves without an answer. Never takes unseen for absent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from kubekeep.library.params import CONTROL_INPUT
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.control import Control, Provider
from kubekeep.model.finding import Cause, Reason
from kubekeep.posture.reach import is_declared, wide
from kubekeep.posture.select import Selection

_CONTROL_PLANE = "kube-system"
_NODES = frozenset({"Node"})
"""What tells which managed platform a cluster is."""


_SETTINGS = frozenset({CONTROL_INPUT})
"""What may set parameters otherwise than by default."""


class Unseen(msgspec.Struct, frozen=True):
    """Why controls cannot be trusted, by slug.

    Of those in `related` no verdict can, as they compare with what was not shown; of those in `partly` none on objects of
    the targets there; of those in `targeted` the verdicts on what was seen are true, but they are not all.
    """

    related: Mapping[str, Reason] = {}
    partly: Mapping[str, Mapping[str, Reason]] = {}
    targeted: Mapping[str, Reason] = {}


NOTHING = Unseen()


def unseen(gaps: Sequence[CoverageGap], selection: Selection, provider: Provider | None) -> Unseen:
    """What `gaps` mean for the controls of `selection`; `provider` is the platform, as far as it is known."""
    if not gaps:
        return NOTHING
    named = [(gap, gap.names) for gap in gaps]
    related: dict[str, Reason] = {}
    partly: dict[str, dict[str, Reason]] = {}
    targeted: dict[str, Reason] = {}
    for control in selection.controls:
        looks_at = frozenset(control.targets)
        compares = _compared(control, selection, provider)
        # What lacks elsewhere alone is missed by who looks elsewhere.
        beyond = compares - (frozenset(control.relates) - wide(control))
        some = _some(control)
        always = compares - some.keys()
        if missing := [gap for gap, names in named if names & _far(gap, control, always, beyond - some.keys())]:
            related[control.slug] = _reason(missing)
        if found := _partly(control, named, beyond):
            partly[control.slug] = found
        if missing := [gap for gap, names in named if names & _far(gap, control, looks_at | compares, beyond)]:
            targeted[control.slug] = _reason(missing)
    return Unseen(related, partly, targeted)


def _some(control: Control) -> Mapping[str, tuple[str, ...]]:
    """The kinds that `control` compares with only for objects of some targets, with these."""
    return control.only_for if is_declared(control) else {}


def _partly(
    control: Control, named: Iterable[tuple[CoverageGap, frozenset[str]]], beyond: frozenset[str]
) -> dict[str, Reason]:
    """Why no verdict of `control` on objects of some targets can be trusted, by target."""
    gaps: dict[str, list[CoverageGap]] = {}
    for gap, names in named:
        for kind, targets in _some(control).items():
            if names & _far(gap, control, frozenset({kind}), beyond & {kind}):
                for target in targets:
                    gaps.setdefault(target, []).append(gap)
    return {target: _reason(dict.fromkeys(missing)) for target, missing in gaps.items()}


def _far(gap: CoverageGap, control: Control, anywhere: frozenset[str], beyond: frozenset[str]) -> frozenset[str]:
    """The kinds by which `control` misses `gap`: those it looks at `anywhere`, or only those that it looks at `beyond`."""
    if gap.name and gap.kind != "Namespace":
        # One object of another namespace than those that are judged.
        return frozenset({gap.kind}) if control.within.get(gap.kind) == _CONTROL_PLANE else beyond
    return beyond if gap.inside else anywhere


def _compared(control: Control, selection: Selection, provider: Provider | None) -> frozenset[str]:
    """The kinds without which no verdict of `control` can be trusted."""
    compares = frozenset(control.relates)
    if control in selection.judged:
        # A rule that gets all objects of its kinds at once may compare any of them.
        compares |= frozenset(control.targets)
    if control.providers and provider is None and control.slug not in selection.named:
        compares |= _NODES
    if control.params.keys() - selection.given:
        compares |= _SETTINGS
    return compares


def _reason(gaps: Iterable[CoverageGap]) -> Reason:
    gaps = list(gaps)
    missing = list(dict.fromkeys(gap.permission for gap in gaps))
    text = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    if all(gap.needs for gap in gaps):
        return Reason(Cause.NEEDS_CLOUD_DATA, f"the cloud did not tell everything of the cluster: {text}")
    return Reason(Cause.NEEDS_ACCESS, f"the cluster did not show everything: {text}")
