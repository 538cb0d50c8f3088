"""Order of findings in reports for people: new findings first, then by priority, then by severity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from kubekeep.model.assessment import Assessment, DefinitionSummary
from kubekeep.model.finding import Finding
from kubekeep.model.priority import UNKNOWN_PRIORITY, Priority
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import Status


def priority_level(finding: Finding) -> Severity:
    """Return the level of the priority, or the severity if the priority is unknown."""
    return finding.priority.level or finding.severity


def priority_score(finding: Finding) -> float:
    """Return the score of the priority, or the severity score if the priority is unknown."""
    return finding.priority.score if finding.priority.level else finding.score


def count_priorities(findings: Iterable[Finding]) -> Counter[Severity]:
    """Return the number of findings of each priority."""
    return Counter(map(priority_level, findings))


def describe_priority(priority: Priority) -> str:
    """Return the facts behind a priority, the most important first; empty if there are none."""
    return ", ".join(filter(None, (priority.step, *priority.reasons)))


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings, the most urgent first; equally urgent ones keep their order."""
    return sorted(findings, key=lambda finding: order_findings((finding,)))


def order_findings(findings: Sequence[Finding]) -> tuple[bool, float, float]:
    """Return the sort key of findings that are shown together: that of the most urgent one."""
    return min((not finding.has_new, -finding.priority.score, -finding.score) for finding in findings)


def top_priorities(assessment: Assessment) -> dict[str, Priority]:
    """Return the highest priority among the findings of each failed control, by slug."""
    summaries = {summary.definition.slug: summary for summary in assessment.summaries}
    top: dict[str, Priority] = {}
    for result in assessment.results:
        for slug, verdict in result.verdicts.items():
            if verdict.status is Status.FAILED and slug in summaries:
                priority = result.get_priority(summaries[slug])
                if slug not in top or priority.score > top[slug].score:
                    top[slug] = priority
    return top


def sort_failed(assessment: Assessment) -> list[DefinitionSummary]:
    """Return the failed controls: with new findings first, then by their most urgent finding, then by severity."""
    failed = [summary for summary in assessment.summaries if summary.status is Status.FAILED]
    new = {difference.finding.control for difference in (assessment.baseline.new if assessment.baseline else ())}
    top = top_priorities(assessment)
    return sorted(
        failed,
        key=lambda summary: (
            summary.definition.id not in new,
            -top.get(summary.definition.slug, UNKNOWN_PRIORITY).score,
            -summary.definition.severity,
            -summary.counts.failed,
        ),
    )
