"""Assembly of an assessment from the results of a scan or of a watch. Never evaluates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec

from kubekeep import _native
from kubekeep.model.assessment import Assessment, SubjectResult, Target, UnassessedInput, UnreadInput
from kubekeep.model.attack import Attacks
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.enforcement import Enforcement
from kubekeep.model.exception import ExceptionUse
from kubekeep.model.git import GitRepository
from kubekeep.model.location import Location
from kubekeep.model.permissions import ClusterPermissions
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.scanned_source import ScannedSource
from kubekeep.posture.coverage_gaps import find_affected_controls
from kubekeep.posture.select import Selection
from kubekeep.posture.summary import summarise


class EvaluationFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about one evaluation that are copied to the assessment."""

    target: Target
    started: dt.datetime
    finished: dt.datetime
    kubernetes_minor: int
    selection: Selection
    resource_selection: ResourceSelection
    enforcement: Mapping[str, tuple[Enforcement, ...]]
    permissions: ClusterPermissions | None = None
    gaps: Sequence[CoverageGap] = ()
    files: int = 0
    notes: tuple[str, ...] = ()
    unassessed: tuple[UnassessedInput, ...] = ()
    has_matches: bool = True
    """True if `resource_selection` matches some resource."""


def unread_gaps(gaps: Sequence[CoverageGap]) -> tuple[UnreadInput, ...]:
    """Return coverage gaps as parts of the input that were not read, each once."""
    return tuple(dict.fromkeys(UnreadInput(Location(gap.permission), gap.text) for gap in gaps))


def assemble(
    facts: EvaluationFacts,
    results: Sequence[SubjectResult],
    *,
    unread: Sequence[UnreadInput] = (),
    unknown_fields: Sequence[UnreadInput] = (),
    exceptions: tuple[ExceptionUse, ...] = (),
    attacks: Attacks | None = None,
    repository: GitRepository | None = None,
    source: ScannedSource | None = None,
) -> Assessment:
    """Return the assessment of `results`, with sums by control and framework."""
    selection = facts.selection
    affected = find_affected_controls(facts.gaps, selection, selection.provider)
    totals = summarise(results, selection, affected, facts.enforcement)
    return Assessment(
        target=facts.target,
        started=facts.started,
        finished=facts.finished,
        version=_native.VERSION,
        kubernetes_version=f"1.{facts.kubernetes_minor}",
        results=tuple(results),
        unread=tuple(unread),
        unknown_fields=tuple(unknown_fields),
        unassessed=facts.unassessed,
        files=facts.files,
        notes=facts.notes,
        exceptions=exceptions,
        attacks=attacks,
        repository=repository,
        source=source,
        permissions=facts.permissions,
        has_matches=facts.has_matches,
        resource_selection=facts.resource_selection,
        params=selection.params,
        **{field: getattr(totals, field) for field in totals.__struct_fields__},
    )
