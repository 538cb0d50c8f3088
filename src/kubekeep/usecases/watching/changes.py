"""The latest assessment of a watch, and the verdicts that changed since the one before. No I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec

from kubekeep.model.assessment import Assessment, SubjectResult, Target
from kubekeep.model.cluster import ClusterFacts, CoverageGap
from kubekeep.model.enforcement import Enforcement
from kubekeep.model.exception import ExceptionUse
from kubekeep.model.permissions import ClusterPermissions
from kubekeep.model.scanned_source import ScannedSource
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Status, Verdict
from kubekeep.model.watch import VerdictChange, VerdictChanged
from kubekeep.posture.select import Selection
from kubekeep.usecases.assemble import EvaluationFacts, assemble, unread_gaps
from kubekeep.usecases.request import ScanRequest


class CurrentAssessment(msgspec.Struct, frozen=True):
    """The parts of the latest assessment."""

    started: dt.datetime
    finished: dt.datetime
    selection: Selection
    minor: int
    facts: ClusterFacts
    results: tuple[SubjectResult, ...]
    uses: tuple[ExceptionUse, ...]
    enforcement: Mapping[str, tuple[Enforcement, ...]]
    source: ScannedSource | None = None
    """The identity of the cluster, on request."""
    permissions: ClusterPermissions | None = None
    """Its roles and bindings, with `source`."""

    def assessment(self, request: ScanRequest) -> Assessment:
        """Return the assessment for reports."""
        context = EvaluationFacts(
            target=Target((), "", self.facts),
            started=self.started,
            finished=self.finished,
            kubernetes_minor=self.minor,
            selection=self.selection,
            resource_selection=request.evaluation.resource_selection,
            enforcement=self.enforcement,
            gaps=self.facts.gaps,
            permissions=self.permissions,
        )
        return assemble(
            context,
            self.results,
            unread=unread_gaps(self.facts.gaps),
            exceptions=self.uses,
            source=self.source,
        )


def list_changes(
    previous_results: Mapping[str, SubjectResult], results: Mapping[str, SubjectResult], current: CurrentAssessment
) -> tuple[VerdictChanged, ...]:
    """Return the changed verdicts, the most severe first; results are by key.

    A verdict that disappears because of a gap of `current` is unknown instead of gone.
    """
    controls = {control.slug: control for control in current.selection.controls}
    changes: list[VerdictChanged] = []
    for key in previous_results.keys() | results.keys():
        previous, result = previous_results.get(key), results.get(key)
        any_result = result or previous
        if previous is result or any_result is None:
            continue
        old = previous.verdicts if previous else {}
        new = result.verdicts if result else {}
        disappearance = (
            VerdictChange.UNKNOWN
            if result is None and _is_hidden(any_result.subject, current.facts.gaps)
            else VerdictChange.GONE
        )
        for slug in old.keys() | new.keys():
            change = _compare_verdicts(old.get(slug), new.get(slug), disappearance)
            if change is not None and slug in controls:
                changes.append(
                    VerdictChanged(current.finished, change, controls[slug], any_result.subject, new.get(slug))
                )
    changes.sort(key=lambda changed: (-changed.control.severity, changed.resource.id, changed.control.id))
    return tuple(changes)


def _is_hidden(resource: Subject, gaps: Sequence[CoverageGap]) -> bool:
    """Return True if one of `gaps` hides `resource` or one of its related objects."""
    parts = resource.related or (resource,)
    return any(gap.may_hide(part.group, part.kind, part.namespace, part.name) for part in parts for gap in gaps)


def _compare_verdicts(
    previous_results: Verdict | None, after: Verdict | None, disappearance: VerdictChange
) -> VerdictChange | None:
    """Return the change of a verdict, `disappearance` if it has disappeared; None if it is not reported."""
    was = None if previous_results is None else previous_results.status
    status = None if after is None else after.status
    if status is Status.FAILED:
        return VerdictChange.FAILED if was is not Status.FAILED else None
    if status is Status.NOT_EVALUATED:
        return VerdictChange.UNKNOWN if was in (Status.PASSED, Status.FAILED) else None
    if was is not Status.FAILED:
        return None
    if after is None:
        return disappearance
    return VerdictChange.EXCEPTED if after.is_excepted else VerdictChange.FIXED
