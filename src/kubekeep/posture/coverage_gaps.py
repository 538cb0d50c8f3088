"""Coverage gaps of a live cluster and the controls they affect. A resource that could not be listed is never absent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.library.params import CONTROL_INPUT
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.control import Control, Provider
from kubekeep.model.verdict import Cause, Reason
from kubekeep.posture.rule_scope import cluster_wide_kinds, is_scope_verified
from kubekeep.posture.select import Selection

_CONTROL_PLANE: Final = "kube-system"
_NODES: Final = frozenset({"Node"})
"""The kinds that identify the managed platform of a cluster."""
_OF_CLUSTER_ROLES: Final = frozenset({"ClusterRole", "ClusterRoleBinding"})
"""Kinds of RBAC that cannot bind a Role: only RoleBindings of its namespace do."""
_SETTINGS: Final = frozenset({CONTROL_INPUT})
"""The kinds that override default parameters."""


class AffectedControls(msgspec.Struct, frozen=True):
    """Reasons to withhold verdicts because of coverage gaps, by slug.

    Controls in `unreliable` compare with missing resources, so none of their verdicts is reliable; `unreliable_for`
    lists controls with unreliable verdicts on some targets, by slug and target. Controls in `exempting` have unreliable
    failures, those that a missing resource could exempt. Controls in `incomplete` have reliable verdicts, but not on all
    resources.
    """

    unreliable: Mapping[str, Reason] = {}
    unreliable_for: Mapping[str, Mapping[str, Reason]] = {}
    exempting: Mapping[str, Reason] = {}
    incomplete: Mapping[str, Reason] = {}


NO_GAPS: Final = AffectedControls()


def find_affected_controls(
    gaps: Sequence[CoverageGap], selection: Selection, provider: Provider | None
) -> AffectedControls:
    """Map coverage gaps to the controls of `selection` they affect. provider: detected platform, or None if unknown."""
    if not gaps:
        return NO_GAPS
    names_by_gap = [(gap, gap.names) for gap in gaps]
    unreliable: dict[str, Reason] = {}
    unreliable_for: dict[str, dict[str, Reason]] = {}
    exempting: dict[str, Reason] = {}
    incomplete: dict[str, Reason] = {}
    for control in selection.controls:
        targets = frozenset(control.targets)
        compared = _compared_kinds(control, selection, provider)
        # A gap in another namespace affects only controls with cluster-wide scope.
        cluster_wide = compared - (frozenset(control.relates) - cluster_wide_kinds(control))
        exempts = frozenset(control.exempting) if is_scope_verified(control) else frozenset()
        conditional = _partial_kinds(control).keys() | exempts
        for reasons, kinds, kinds_elsewhere in (
            (unreliable, compared - conditional, cluster_wide - conditional),
            (exempting, exempts, cluster_wide & exempts),
            (incomplete, targets | compared, cluster_wide),
        ):
            missing = [
                gap for gap, names in names_by_gap if names & _list_relevant_kinds(gap, control, kinds, kinds_elsewhere)
            ]
            if missing:
                reasons[control.slug] = _build_reason(missing)
        if by_target := _explain_by_target(control, names_by_gap, cluster_wide):
            unreliable_for[control.slug] = by_target
    return AffectedControls(unreliable, unreliable_for, exempting, incomplete)


def _partial_kinds(control: Control) -> Mapping[str, tuple[str, ...]]:
    """Return the kinds that `control` compares with for some of its targets only, with the targets."""
    return control.only_for if is_scope_verified(control) else {}


def _explain_by_target(
    control: Control, names_by_gap: Iterable[tuple[CoverageGap, frozenset[str]]], cluster_wide: frozenset[str]
) -> dict[str, Reason]:
    """Return the reasons to withhold verdicts of `control` on some targets, by target."""
    gaps: dict[str, list[CoverageGap]] = {}
    for gap, names in names_by_gap:
        for kind, targets in _partial_kinds(control).items():
            if names & _list_relevant_kinds(gap, control, frozenset({kind}), cluster_wide & {kind}):
                for target in targets:
                    if target != "Role" or gap.kind not in _OF_CLUSTER_ROLES:
                        gaps.setdefault(target, []).append(gap)
    return {target: _build_reason(dict.fromkeys(missing)) for target, missing in gaps.items()}


def _list_relevant_kinds(
    gap: CoverageGap, control: Control, compared: frozenset[str], cluster_wide: frozenset[str]
) -> frozenset[str]:
    """Return the kinds through which `gap` can affect `control`.

    `compared` are the kinds that the control reads in evaluated namespaces; `cluster_wide` the kinds that it reads in
    other namespaces too.
    """
    if gap.name and gap.kind != "Namespace":
        # The gap is one object outside the evaluated namespaces.
        return frozenset({gap.kind}) if control.within.get(gap.kind) == _CONTROL_PLANE else cluster_wide
    return cluster_wide if gap.is_outside_selection else compared


def _compared_kinds(control: Control, selection: Selection, provider: Provider | None) -> frozenset[str]:
    """Return the kinds without which no verdict of `control` is reliable."""
    kinds = frozenset(control.relates)
    if control in selection.third_party_controls:
        # A rule that gets all objects of its kinds at once may compare any of them.
        kinds |= frozenset(control.targets)
    if control.providers and provider is None and control.slug not in selection.requested_controls:
        kinds |= _NODES
    if control.params.keys() - selection.requested_params:
        kinds |= _SETTINGS
    return kinds


def _build_reason(gaps: Iterable[CoverageGap]) -> Reason:
    gaps = list(gaps)
    missing = list(dict.fromkeys(gap.permission for gap in gaps))
    if all(gap.next_step for gap in gaps):
        return Reason(
            Cause.NEEDS_CLOUD_DATA, f"some data of the cloud provider could not be read: {_join_permissions(missing)}"
        )
    return build_access_reason(missing)


def build_access_reason(permissions: Sequence[str]) -> Reason:
    """Return the reason for a verdict that is withheld because `permissions` are missing."""
    return Reason(Cause.NEEDS_ACCESS, f"some resources could not be listed: {_join_permissions(permissions)}")


def _join_permissions(permissions: Sequence[str]) -> str:
    return ", ".join(permissions[:3]) + (f" and {len(permissions) - 3} more" if len(permissions) > 3 else "")
