"""Task of the tool `scan`: evaluate controls and list the evidence of findings by priority."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec

from kubekeep.mcp.answers import (
    ControlCounts,
    EvidenceText,
    FindingEntry,
    MissingEvaluation,
    ScanAnswer,
    ScanTotals,
    UntrustedText,
    Urgency,
)
from kubekeep.mcp.tasks.task_input import TaskInput, check_confined, open_input
from kubekeep.mcp.text import clean
from kubekeep.model.assessment import Assessment, UnreadInput
from kubekeep.model.finding import Finding
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import Evidence, Status
from kubekeep.reports.shared.urgency import count_priorities, priority_level
from kubekeep.reports.shared.vulnerability_text import describe_container
from kubekeep.reports.shared.wording import group_by_reason
from kubekeep.usecases.request import RuleOptions, ScanRequest
from kubekeep.usecases.scan import scan

MAX_ENTRIES: Final = 20_000
"""Maximum number of entries of one scan."""
_MAX_GROUPS: Final = 8
_MAX_LISTED: Final = 5
_MESSAGE, _NAME, _REMEDIATION, _CLAUSE = 600, 300, 500, 200
"""Maximum characters of texts."""
_LevelName = Literal["unknown", "low", "medium", "high", "critical"]
_LEVELS: Final[tuple[_LevelName, ...]] = ("unknown", "low", "medium", "high", "critical")
"""Names of severities in rising order."""


class ScanTask(msgspec.Struct, frozen=True, kw_only=True):
    """The controls to evaluate, and the lowest severity of entries."""

    frameworks: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    min_severity: str = "low"


def run_scan(task_input: TaskInput, task: ScanTask) -> ScanAnswer:
    """Return the answer with all entries."""
    with open_input(task_input) as source:
        rules = RuleOptions(frameworks=task.frameworks, controls=task.controls)
        assessment = scan(ScanRequest(source, rules))
    check_confined(assessment, task_input)
    lowest = Severity.parse(task.min_severity)
    findings = assessment.findings
    entries = [
        _make_entry(finding, evidence)
        for finding in sorted(findings, key=_rank)
        if finding.severity >= lowest
        for evidence in finding.evidence or (Evidence("", exists=True),)
    ]
    return ScanAnswer(
        total_entries=min(len(entries), MAX_ENTRIES),
        totals=_count(assessment, findings),
        not_evaluated=list(_group_unevaluated(assessment)),
        untrusted_unread=describe_unread(assessment.unread),
        entries_left_out=max(len(entries) - MAX_ENTRIES, 0),
        notes=[clean(note, _NAME) for note in assessment.notes[:_MAX_LISTED]],
        entries=entries[:MAX_ENTRIES],
    )


def describe_unread(unread: Iterable[UnreadInput]) -> list[UntrustedText]:
    """Return the first parts of the input that could not be read."""
    return [
        UntrustedText(text=clean(part.message, _NAME), file=clean(str(part.location), _NAME))
        for part in list(unread)[:_MAX_LISTED]
    ]


def _rank(finding: Finding) -> tuple[float, float, str]:
    return -finding.priority.score, -finding.score, finding.id


def _make_entry(finding: Finding, evidence: Evidence) -> FindingEntry:
    location = evidence.location or finding.location
    region = location.region if location else None
    return FindingEntry(
        control=finding.id,
        title=clean(finding.title, _NAME),
        severity=_name(finding.severity),
        priority=Urgency(level=_name(priority_level(finding)), score=finding.priority.score),
        remediation=clean(finding.remediation, _REMEDIATION),
        fixable=evidence.delete or evidence.fix is not None,
        untrusted=EvidenceText(
            resource=clean(finding.subject.label, _NAME),
            file=clean(location.file, _NAME) if location else "",
            line=region.start.line if region else None,
            field=clean(evidence.path, _NAME),
            message=clean(evidence.note, _MESSAGE),
            context=[clean(reason, _CLAUSE) for reason in finding.priority.reasons[:3]],
            workloads=[clean(describe_container(container), _NAME) for container in finding.containers[:_MAX_LISTED]],
        ),
    )


def _name(severity: Severity) -> _LevelName:
    return _LEVELS[severity]


def _count(assessment: Assessment, findings: Iterable[Finding]) -> ScanTotals:
    levels = count_priorities(findings)
    statuses = Counter(summary.status for summary in assessment.summaries)
    gaps = sum(summary.is_gap for summary in assessment.summaries)
    unevaluated = sum(
        verdict.status is Status.NOT_EVALUATED for result in assessment.results for verdict in result.verdicts.values()
    )
    return ScanTotals(
        files=assessment.files,
        resources=assessment.counts.total,
        findings=levels.total(),
        critical=levels[Severity.CRITICAL],
        high=levels[Severity.HIGH],
        medium=levels[Severity.MEDIUM],
        low=levels[Severity.LOW],
        excepted=len(assessment.excepted_findings),
        controls=ControlCounts(
            passed=statuses[Status.PASSED],
            failed=statuses[Status.FAILED],
            not_evaluated=gaps,
            irrelevant=statuses[Status.NOT_EVALUATED] - gaps,
        ),
        resource_verdicts_not_evaluated=unevaluated,
        compliance=assessment.compliance,
        coverage=assessment.coverage,
        unread=len(assessment.unread),
    )


def _group_unevaluated(assessment: Assessment) -> Iterator[MissingEvaluation]:
    groups = group_by_reason(summary for summary in assessment.summaries if summary.is_gap)
    for reason, summaries in list(groups.items())[:_MAX_GROUPS]:
        yield MissingEvaluation(
            controls=len(summaries),
            reason=clean(reason, _NAME),
            examples=[summary.definition.id for summary in summaries[:_MAX_LISTED]],
        )
