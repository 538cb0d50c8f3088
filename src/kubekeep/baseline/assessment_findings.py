"""Conversion of an assessment to a record that can be compared with another scan. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kubekeep.model.assessment import Assessment, DefinitionSummary, SubjectResult
from kubekeep.model.comparison import RESOURCE_SELECTION, TARGETS, TOOL, RecordedFinding, ReportLocation, ScanRecord
from kubekeep.model.finding import Finding
from kubekeep.model.fingerprint import Identity, format_stable_path
from kubekeep.model.verdict import Evidence, Status


def record_assessment(assessment: Assessment, name: str = "this scan") -> ScanRecord:
    """Record the findings and the coverage of an assessment."""
    controls = {summary.definition.slug: summary.definition for summary in assessment.summaries}
    findings: list[RecordedFinding] = []
    excepted: list[RecordedFinding] = []
    gaps: dict[Identity, set[str]] = {}
    resources: dict[Identity, set[str]] = {}
    # Reports have no results without verdicts.
    for result, identity, copy in number_results([result for result in assessment.results if result.verdicts]):
        resource = result.subject
        file = resource.source.path if resource.source else ""
        resources.setdefault(identity, set()).add(file)
        for slug, verdict in result.verdicts.items():
            control = controls[slug]
            if verdict.status is Status.NOT_EVALUATED:
                gaps.setdefault(identity, set()).add(control.id)
            if verdict.status is Status.FAILED:
                findings += _record(Finding(control, resource, verdict.unexcepted.evidence), identity, file, copy)
            if verdict.excepted.evidence:
                excepted += _record(Finding(control, resource, verdict.excepted.evidence), identity, file, copy)
    return ScanRecord(
        name=name,
        findings=tuple(findings),
        excepted=tuple(excepted),
        controls={summary.definition.id: _get_reason(summary) for summary in assessment.summaries},
        gaps=gaps,
        resources=resources,
        unread=frozenset(unread_file.location.file for unread_file in assessment.unread),
        settings=_list_settings(assessment),
        pseudonyms=assessment.pseudonyms,
    )


def number_results(results: Iterable[SubjectResult]) -> Iterator[tuple[SubjectResult, Identity, int]]:
    """Yield each result with the identity of its resource and the number of that identity in its file, from 0."""
    seen: Counter[tuple[Identity, str]] = Counter()
    for result in results:
        identity = Identity.from_subject(result.subject)
        key = identity, result.subject.source.path if result.subject.source else ""
        yield result, identity, seen[key]
        seen[key] += 1


def _record(finding: Finding, identity: Identity, file: str, copy: int) -> Iterator[RecordedFinding]:
    """Yield a record for each piece of evidence; a failure without evidence is one record of the whole resource."""
    resource = finding.subject
    for evidence in finding.evidence or (Evidence("", exists=False),):
        yield RecordedFinding(
            control=finding.id,
            identity=identity,
            path=format_stable_path(resource, evidence.path),
            file=file,
            copy=copy,
            title=finding.title,
            level=finding.severity,
            report_location=ReportLocation(
                path=evidence.path,
                entry=_get_report_key(evidence),
                resource=resource.id,
                location=evidence.location or resource.locate(()),
            ),
            exception=evidence.exception.name if evidence.exception else "",
        )


def _get_report_key(evidence: Evidence) -> str:
    if evidence.fix is not None:
        return "fixPath"
    return "deletePath" if evidence.delete else "reviewPath"


def _get_reason(summary: DefinitionSummary) -> str:
    """Return the reason if a control was evaluated on no resource, else "". Single verdicts have their own reasons."""
    if not summary.is_gap or summary.counts.not_evaluated:
        return ""
    return (summary.reason.text if summary.reason else "") or "unknown reason"


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
