"""Content of the human-readable reports: figures, frameworks by section, and findings with the most urgent first.

Plain values derived from an assessment, in reading order. Does not format, escape or shorten text.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.model.assessment import Assessment, DefinitionSummary, FrameworkSummary
from kubekeep.model.finding import Finding
from kubekeep.model.framework import is_in_section
from kubekeep.model.severity import Severity
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Evidence, Status
from kubekeep.reports.shared.urgency import count_priorities, priority_level, sort_findings
from kubekeep.reports.shared.wording import count_noun, group_by_reason, percent

LEVELS: Final = tuple(sorted(Severity, reverse=True))
"""Severities, worst first."""
_GOOD: Final = 80
"""Lowest compliance percentage that counts as good."""
_FAIR: Final = 50
"""Lowest compliance percentage that counts as fair; lower is poor."""


class LevelCount(msgspec.Struct, frozen=True):
    """Numbers of findings (one per resource) with a priority, and of failed controls and findings of the same severity."""

    level: Severity
    urgent: int
    controls: int
    findings: int


class StatusCount(msgspec.Struct, frozen=True):
    """Numbers of controls: failed, passed, not evaluated (`gaps`), and without a resource to evaluate (`idle`)."""

    failed: int
    passed: int
    gaps: int
    idle: int

    @property
    def total(self) -> int:
        """Number of all controls."""
        return self.failed + self.passed + self.gaps + self.idle


class ControlFindings(msgspec.Struct, frozen=True):
    """A control with its findings, the most urgent first; the evidence of each is in file order."""

    summary: DefinitionSummary
    findings: tuple[Finding, ...]

    @property
    def level(self) -> Severity:
        """The highest priority of the findings."""
        return max(map(priority_level, self.findings))


class RequirementPart(msgspec.Struct, frozen=True):
    """A requirement of a framework with the controls that cover it; no controls if it is not covered.

    In a framework without numbered requirements, each control is a requirement. `title` is empty if there is none.
    """

    id: str
    title: str
    controls: tuple[DefinitionSummary, ...]


class SectionPart(msgspec.Struct, frozen=True):
    """A section of a framework; `id` and `title` are empty for requirements outside any section."""

    id: str
    title: str
    requirements: tuple[RequirementPart, ...]


class FrameworkPart(msgspec.Struct, frozen=True):
    """A framework with its sections and the results of its controls."""

    summary: FrameworkSummary
    counts: StatusCount
    sections: tuple[SectionPart, ...]


class ReasonGroup(msgspec.Struct, frozen=True):
    """Controls that were not evaluated for the same reason."""

    text: str
    controls: tuple[DefinitionSummary, ...]


class ReportContent(msgspec.Struct, frozen=True):
    """Complete content of a report. `findings` and `excepted` list the control with the most urgent finding first.

    `gaps` lists the reasons that affect most controls first; `idle` the controls without a resource to evaluate.
    """

    assessment: Assessment
    counts: StatusCount
    levels: tuple[LevelCount, ...]
    frameworks: tuple[FrameworkPart, ...]
    findings: tuple[ControlFindings, ...]
    excepted: tuple[ControlFindings, ...]
    gaps: tuple[ReasonGroup, ...]
    idle: tuple[DefinitionSummary, ...]

    @property
    def title(self) -> str:
        """One-line name of the scanned target; `.` is shown as the name of the folder."""
        target = self.assessment.target
        if target.cluster is not None:
            return ", ".join(target.names)
        folder = target.base.rstrip("/").rpartition("/")[2] or target.base
        return ", ".join(folder if path in (".", "./") else path for path in target.paths) or folder

    @property
    def total(self) -> int:
        """Number of open findings."""
        return sum(len(group.findings) for group in self.findings)

    @property
    def cautions(self) -> tuple[str, ...]:
        """Warnings to show before the figures, one sentence each; empty for a complete scan."""
        assessment, counts = self.assessment, self.counts
        sentences = []
        if assessment.unread:
            count_text = count_noun(len(assessment.unread), "location")
            sentences.append(f"Input was not read in {count_text}, so problems there are not in this report.")
        if counts.gaps:
            relevant = counts.total - counts.idle
            subject = "It counts" if counts.gaps == 1 else "They count"
            sentences.append(
                f"{counts.gaps} of {count_noun(relevant, 'applicable control')} could not be evaluated. "
                f"{subject} neither as passed nor as failed."
            )
        if not assessment.results:
            sentences.append("Nothing was evaluated: the input has no resource that a control applies to.")
        return tuple(sentences)


def build_content(assessment: Assessment) -> ReportContent:
    """Return the content of a report on the assessment."""
    by_slug = {summary.definition.slug: summary for summary in assessment.summaries}
    ordered = sorted(assessment.summaries, key=lambda summary: (-summary.definition.severity, -summary.counts.failed))
    findings = tuple(_group_findings(ordered, assessment.group_findings()))
    return ReportContent(
        assessment=assessment,
        counts=count(assessment.summaries),
        levels=tuple(_count_levels(findings)),
        frameworks=tuple(_framework(summary, by_slug) for summary in assessment.frameworks),
        findings=findings,
        excepted=tuple(_group_findings(ordered, assessment.group_excepted_findings())),
        gaps=_gaps(assessment.summaries),
        idle=tuple(summary for summary in assessment.summaries if is_idle(summary)),
    )


def count(controls: Iterable[DefinitionSummary]) -> StatusCount:
    """Count the controls by result."""
    counts = Counter(
        "gap" if summary.is_gap else "idle" if is_idle(summary) else summary.status.value for summary in controls
    )
    return StatusCount(counts[Status.FAILED], counts[Status.PASSED], counts["gap"], counts["idle"])


def is_idle(summary: DefinitionSummary) -> bool:
    """Return True if the input has no resource of the kinds that the control evaluates."""
    return summary.status is Status.NOT_EVALUATED and not summary.is_gap


def _group_findings(
    ordered: Iterable[DefinitionSummary], by_control: Mapping[str, list[Finding]]
) -> list[ControlFindings]:
    """Return the controls with findings, the one with the most urgent finding first, then in the order given."""
    groups = [
        ControlFindings(summary, tuple(map(_sort_evidence, sort_findings(findings))))
        for summary in ordered
        if (findings := by_control.get(summary.definition.slug))
    ]
    return sorted(groups, key=lambda group: (not group.findings[0].has_new, -group.findings[0].priority.score))


def _sort_evidence(finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, evidence=tuple(sorted(finding.evidence, key=file_order)))


def file_order(evidence: Evidence) -> tuple[bool, str, int, int]:
    """Return a sort key that orders evidence by file and position; evidence without a location comes last."""
    location = evidence.location
    if location is None:
        return True, "", 0, 0
    start = location.region.start if location.region else None
    return False, location.file, start.line if start else 0, start.column if start else 0


def _count_levels(findings: Sequence[ControlFindings]) -> Iterator[LevelCount]:
    """Yield every known level even if its numbers are zero, so that charts have the same rows in every scan."""
    urgent = count_priorities(finding for group in findings for finding in group.findings)
    controls: Counter[Severity] = Counter()
    total: Counter[Severity] = Counter()
    for group in findings:
        controls[group.summary.definition.level] += 1
        total[group.summary.definition.level] += len(group.findings)
    for level in LEVELS:
        if level or urgent[level] or controls[level]:
            yield LevelCount(level, urgent[level], controls[level], total[level])


def _gaps(controls: Iterable[DefinitionSummary]) -> tuple[ReasonGroup, ...]:
    groups = (ReasonGroup(text, tuple(members)) for text, members in group_by_reason(controls).items())
    return tuple(sorted(groups, key=lambda group: -len(group.controls)))


def _framework(summary: FrameworkSummary, by_slug: Mapping[str, DefinitionSummary]) -> FrameworkPart:
    members = [by_slug[slug] for slug in summary.controls]
    return FrameworkPart(summary, count(members), tuple(_sections(summary, members)))


def _sections(summary: FrameworkSummary, members: Sequence[DefinitionSummary]) -> Iterator[SectionPart]:
    """Yield the sections in the framework's order, then the controls outside any requirement, sorted by result."""
    framework = summary.framework
    titles = {section.id: section.title for section in framework.sections}
    by_requirement: dict[str, list[DefinitionSummary]] = {}
    for member in members:
        for text in member.definition.satisfies.get(framework.slug, ()):
            by_requirement.setdefault(text, []).append(member)
    unnumbered = sorted(
        (member for member in members if not member.definition.satisfies.get(framework.slug)), key=_result_order
    )
    uncovered = [section for section in titles if not any(is_in_section(text, section) for text in by_requirement)]
    parts: dict[str, list[RequirementPart]] = {}
    for text in sorted((*by_requirement, *uncovered), key=framework.sort_key):
        part = RequirementPart(text, titles.get(text, ""), tuple(by_requirement.get(text, ())))
        parts.setdefault(framework.find_section(text), []).append(part)
    for section, requirements in parts.items():
        yield SectionPart(section, titles.get(section, ""), tuple(requirements))
    if unnumbered:
        yield SectionPart("", "", tuple(RequirementPart("", "", (member,)) for member in unnumbered))


def _result_order(summary: DefinitionSummary) -> tuple[int, float]:
    """Return a sort key: failed first, controls without resources last, each group by descending severity."""
    if summary.status is Status.NOT_EVALUATED:
        return 3 if is_idle(summary) else 2, -summary.definition.severity
    return int(summary.status is Status.PASSED), -summary.definition.severity


def describe_source(resource: Subject) -> str:
    """Return the source of a rendered resource such as `chart web with prod.yaml`, or an empty text for plain files."""
    source = resource.source
    if source is None or source.origin is None:
        return ""
    origin = source.origin
    name = "/".join(filter(None, (origin.chart, origin.subchart))) or origin.folder
    values = f" with {', '.join(origin.values)}" if origin.values else ""
    return f"{source.file_type.origin} {name}{values}".lstrip()


def grade(compliance: float | None) -> str:
    """Return `good`, `fair`, `poor`, or `unknown` if nothing was evaluated."""
    if compliance is None:
        return "unknown"
    return "good" if compliance >= _GOOD else "fair" if compliance >= _FAIR else "poor"


def known_score(assessment: Assessment) -> float | None:
    """Return the risk score, or None if nothing was evaluated."""
    return None if assessment.compliance is None else assessment.score


def risk(value: float | None) -> str:
    """Return a risk score with one decimal, rounded up so that only a score of zero shows as 0.0."""
    if value is None:
        return percent(None)
    return f"{math.ceil(round(value * 10, 6)) / 10:.1f}"
