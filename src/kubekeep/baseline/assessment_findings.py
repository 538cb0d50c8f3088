"""Conversion of an assessment to a record that can be compared with another scan. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from kubekeep.model.assessment import Assessment, ControlSummary, ResourceResult
from kubekeep.model.comparison import RESOURCE_SELECTION, TARGETS, TOOL, RecordedFinding, ReportLocation, ScanRecord
from kubekeep.model.finding import Evidence, Status, Verdict
from kubekeep.model.fingerprint import Identity, format_stable_path


def record_assessment(assessment: Assessment, name: str = "this scan") -> ScanRecord:
    """Record the findings and the coverage of an assessment."""
    controls = {summary.control.slug: summary for summary in assessment.controls}
    findings: list[RecordedFinding] = []
    accepted: list[RecordedFinding] = []
    gaps: dict[Identity, set[str]] = {}
    resources: dict[Identity, set[str]] = {}
    for result, identity, copy in number_results(assessment.results):
        file = result.resource.source.path if result.resource.source else ""
        resources.setdefault(identity, set()).add(file)
        for slug, verdict in result.verdicts.items():
            summary = controls[slug]
            if verdict.status is Status.NOT_EVALUATED:
                gaps.setdefault(identity, set()).add(summary.control.id)
            elif verdict.status is Status.FAILED or verdict.is_excepted:
                head = RecordedFinding(
                    control=summary.control.id,
                    identity=identity,
                    file=file,
                    copy=copy,
                    title=summary.control.title,
                    level=summary.control.level,
                )
                if verdict.status is Status.FAILED:
                    findings += _list_findings(head, result, verdict.unexcepted)
                if (excepted := verdict.excepted).evidence:
                    accepted += _list_findings(head, result, excepted)
    return ScanRecord(
        name=name,
        findings=tuple(findings),
        accepted=tuple(accepted),
        controls={summary.control.id: _get_reason(summary) for summary in assessment.controls},
        gaps=gaps,
        resources=resources,
        unread=frozenset(unread_file.location.file for unread_file in assessment.unread),
        settings=_list_settings(assessment),
        pseudonyms=assessment.pseudonyms,
    )


def number_results(results: Iterable[ResourceResult]) -> Iterator[tuple[ResourceResult, Identity, int]]:
    """Yield each result with the identity of its resource and the number of that identity in its file, from 0."""
    seen: Counter[tuple[Identity, str]] = Counter()
    for result in results:
        identity = Identity.of(result.resource)
        key = identity, result.resource.source.path if result.resource.source else ""
        yield result, identity, seen[key]
        seen[key] += 1


def _list_findings(head: RecordedFinding, result: ResourceResult, verdict: Verdict) -> Iterator[RecordedFinding]:
    """Yield a finding for each piece of evidence; a failure without evidence is one finding of the whole resource."""
    name = result.resource.id
    for evidence in verdict.evidence or (Evidence("", exists=False),):
        location = evidence.location or result.resource.locate(())
        place = ReportLocation(evidence.path, _get_report_key(evidence), name, location)
        path = format_stable_path(result.resource, evidence.path)
        exception = evidence.exception.name if evidence.exception else ""
        yield msgspec.structs.replace(head, path=path, place=place, exception=exception)


def _get_report_key(evidence: Evidence) -> str:
    if evidence.fix is not None:
        return "fixPath"
    return "deletePath" if evidence.delete else "reviewPath"


def _get_reason(summary: ControlSummary) -> str:
    """Return the reason if a control was evaluated on no resource, else "". Single verdicts have their own reasons."""
    if not summary.is_gap or summary.counts.not_evaluated:
        return ""
    return (summary.reason.text if summary.reason else "") or "no reason is known"


def _list_settings(assessment: Assessment) -> dict[str, str]:
    return {
        TOOL: f"kubekeep {assessment.version}",
        "frameworks": ", ".join(sorted(summary.framework.name for summary in assessment.frameworks)),
        "Kubernetes version": assessment.kubernetes_version,
        TARGETS: ", ".join(assessment.target.paths),
        RESOURCE_SELECTION: str(assessment.resource_selection),
        "parameters": format_params(assessment.set_params),
    }


def format_params(params: Mapping[str, Sequence[str]]) -> str:
    """Format control parameters as a setting."""
    return "; ".join(f"{name}={','.join(values)}" for name, values in sorted(params.items()) if values)
