"""What a report for people says, whatever it is printed on: figures, frameworks by section, findings worst first.

Plain values from an assessment, in the order in which a reader wants them. Never formats, escapes or shortens
anything: texts are as the model has them, and whoever shows them makes them harmless.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.model.assessment import Assessment, ControlSummary, FrameworkSummary
from kubekeep.model.exception import AppliedException
from kubekeep.model.finding import Evidence, Status, Verdict
from kubekeep.model.framework import is_in_section
from kubekeep.model.location import Location
from kubekeep.model.resource import FileType, Resource
from kubekeep.model.severity import Severity
from kubekeep.reports.shared.wording import number

LEVELS: Final = tuple(sorted(Severity, reverse=True))
"""The severities, worst first."""
GOOD: Final = 80
"""Percent from which a compliance score is good."""
FAIR: Final = 50
"""Percent from which it is fair; below it is poor."""


class SeverityCount(msgspec.Struct, frozen=True):
    """How many controls of a severity failed, and how many findings they make: one a resource."""

    level: Severity
    controls: int
    findings: int


class StatusCount(msgspec.Struct, frozen=True):
    """How many controls failed, passed, wait for something (`gaps`) or had nothing to look at (`idle`)."""

    failed: int
    passed: int
    gaps: int
    idle: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.failed + self.passed + self.gaps + self.idle


class Finding(msgspec.Struct, frozen=True):
    """One control on one resource: its evidence from top to bottom, and the place to name first, if there is any."""

    resource: Resource
    evidence: tuple[Evidence, ...]
    place: Location | None

    @property
    def exceptions(self) -> tuple[AppliedException, ...]:
        """The decisions to accept it; none for a finding that stands."""
        return tuple(dict.fromkeys(item.exception for item in self.evidence if item.exception is not None))


class ControlFindings(msgspec.Struct, frozen=True):
    """One control with what it found, in the order read."""

    summary: ControlSummary
    findings: tuple[Finding, ...]


class RequirementPart(msgspec.Struct, frozen=True):
    """One requirement of a framework with the controls that serve it, none if it is not covered.

    Where a framework numbers nothing each control is a requirement. `title` is empty if the framework has none.
    """

    id: str
    title: str
    controls: tuple[ControlSummary, ...]


class SectionPart(msgspec.Struct, frozen=True):
    """A section of a framework; `id` and `title` are empty for what stands in none."""

    id: str
    title: str
    requirements: tuple[RequirementPart, ...]


class FrameworkPart(msgspec.Struct, frozen=True):
    """A framework with its sections and how its controls came out."""

    summary: FrameworkSummary
    counts: StatusCount
    sections: tuple[SectionPart, ...]


class CoverageGap(msgspec.Struct, frozen=True):
    """Controls that were not evaluated for the same reason."""

    text: str
    controls: tuple[ControlSummary, ...]


class Content(msgspec.Struct, frozen=True):
    """All that is said. `findings` and `waived` are the worst control first.

    `gaps` are the reasons that keep the most controls waiting first; `idle` the controls that had nothing to look at.
    """

    assessment: Assessment
    counts: StatusCount
    severities: tuple[SeverityCount, ...]
    frameworks: tuple[FrameworkPart, ...]
    findings: tuple[ControlFindings, ...]
    excepted: tuple[ControlFindings, ...]
    gaps: tuple[CoverageGap, ...]
    idle: tuple[ControlSummary, ...]

    @property
    def title(self) -> str:
        """What was scanned, in a line; the folder of the scan by its name."""
        target = self.assessment.target
        if target.cluster is not None:
            return ", ".join(target.names)
        folder = target.base.rstrip("/").rpartition("/")[2] or target.base
        return ", ".join(folder if path in (".", "./") else path for path in target.paths) or folder

    @property
    def total(self) -> int:
        """How many findings stand."""
        return sum(len(item.findings) for item in self.findings)

    @property
    def cautions(self) -> tuple[str, ...]:
        """What a reader must know before the figures: a sentence each, none where nothing was left out."""
        assessment, counts = self.assessment, self.counts
        sentences = []
        if assessment.unread:
            where = number(len(assessment.unread), "place")
            sentences.append(f"Input was not read in {where}: nothing is known of what stands there.")
        if counts.gaps:
            apply = counts.total - counts.idle
            share = f"of {number(apply, 'control')} that {'applies' if apply == 1 else 'apply'}"
            they = "it counts" if counts.gaps == 1 else "they count"
            sentences.append(f"{counts.gaps} {share} could not be evaluated; {they} neither as passed nor as failed.")
        if not assessment.results:
            sentences.append("Nothing was assessed: the input holds no resource that a control applies to.")
        return tuple(sentences)


def content(assessment: Assessment) -> Content:
    """What to say of `assessment`."""
    by_slug = {item.control.slug: item for item in assessment.controls}
    ordered = sorted(assessment.controls, key=lambda item: (-item.control.severity, -item.counts.failed))
    findings = tuple(_grouped(ordered, assessment.failures()))
    return Content(
        assessment=assessment,
        counts=count(assessment.controls),
        severities=tuple(_severities(findings)),
        frameworks=tuple(_framework(item, by_slug) for item in assessment.frameworks),
        findings=findings,
        excepted=tuple(_grouped(ordered, assessment.excepted())),
        gaps=_gaps(assessment.controls),
        idle=tuple(item for item in assessment.controls if is_idle(item)),
    )


def count(controls: Iterable[ControlSummary]) -> StatusCount:
    """How `controls` came out."""
    counts = Counter("gap" if item.is_gap else "idle" if is_idle(item) else item.status.value for item in controls)
    return StatusCount(counts[Status.FAILED], counts[Status.PASSED], counts["gap"], counts["idle"])


def is_idle(summary: ControlSummary) -> bool:
    """Whether nothing in the input is of the kinds that it looks at."""
    return summary.status is Status.NOT_EVALUATED and not summary.is_gap


def _grouped(
    ordered: Iterable[ControlSummary], found: Mapping[str, list[tuple[Resource, Verdict]]]
) -> Iterator[ControlFindings]:
    for summary in ordered:
        if pairs := found.get(summary.control.slug):
            yield ControlFindings(summary, tuple(_finding(*pair) for pair in pairs))


def _finding(resource: Resource, verdict: Verdict) -> Finding:
    evidence = tuple(sorted(verdict.evidence, key=top_down))
    first = evidence[0].location if evidence else None
    return Finding(resource, evidence, first or resource.locate(()))


def top_down(evidence: Evidence) -> tuple[bool, str, int, int]:
    """What to sort evidence by: top to bottom through the files; what has no place comes last."""
    location = evidence.location
    if location is None:
        return True, "", 0, 0
    start = location.region.start if location.region else None
    return False, location.file, start.line if start else 0, start.column if start else 0


def _severities(findings: Iterable[ControlFindings]) -> Iterator[SeverityCount]:
    """All but unknown are there even if nothing is of them, so that charts look alike from scan to scan."""
    controls: Counter[Severity] = Counter()
    total: Counter[Severity] = Counter()
    for item in findings:
        controls[item.summary.control.level] += 1
        total[item.summary.control.level] += len(item.findings)
    for level in LEVELS:
        if level or controls[level]:
            yield SeverityCount(level, controls[level], total[level])


def _gaps(controls: Iterable[ControlSummary]) -> tuple[CoverageGap, ...]:
    by_reason: dict[str, list[ControlSummary]] = {}
    for summary in controls:
        if summary.is_gap:
            text = summary.reason.text if summary.reason else "no reason is known"
            by_reason.setdefault(text, []).append(summary)
    found = (CoverageGap(text, tuple(items)) for text, items in by_reason.items())
    return tuple(sorted(found, key=lambda gap: -len(gap.controls)))


def _framework(summary: FrameworkSummary, by_slug: Mapping[str, ControlSummary]) -> FrameworkPart:
    members = [by_slug[slug] for slug in summary.controls]
    return FrameworkPart(summary, count(members), tuple(_sections(summary, members)))


def _sections(summary: FrameworkSummary, members: Sequence[ControlSummary]) -> Iterator[SectionPart]:
    """The sections in the framework's order, each with its requirements in theirs; what is in none by its outcome."""
    framework = summary.framework
    titles = {section.id: section.title for section in framework.sections}
    cited: dict[str, list[ControlSummary]] = {}
    for member in members:
        for text in member.control.satisfies.get(framework.slug, ()):
            cited.setdefault(text, []).append(member)
    loose = sorted((item for item in members if not item.control.satisfies.get(framework.slug)), key=_outcome)
    uncovered = [section for section in titles if not any(is_in_section(text, section) for text in cited)]
    parts: dict[str, list[RequirementPart]] = {}
    for text in sorted((*cited, *uncovered), key=framework.sort_key):
        part = RequirementPart(text, titles.get(text, ""), tuple(cited.get(text, ())))
        parts.setdefault(framework.find_section(text), []).append(part)
    for section, requirements in parts.items():
        yield SectionPart(section, titles.get(section, ""), tuple(requirements))
    if loose:
        yield SectionPart("", "", tuple(RequirementPart("", "", (member,)) for member in loose))


def _outcome(summary: ControlSummary) -> tuple[int, float]:
    """What failed first, what had nothing to look at last, and each the worst first."""
    if summary.status is Status.NOT_EVALUATED:
        return 3 if is_idle(summary) else 2, -summary.control.severity
    return int(summary.status is Status.PASSED), -summary.control.severity


def made_by(resource: Resource) -> str:
    """What an object is made from that stands in no file as it is: `chart web, values prod.yaml`; else empty."""
    source = resource.source
    if source is None or source.origin is None:
        return ""
    origin = source.origin
    if source.file_type is FileType.KUSTOMIZE:
        return f"kustomization {origin.folder}"
    name = "/".join(filter(None, (origin.chart, origin.subchart))) or origin.folder
    values = f" with {', '.join(origin.values)}" if origin.values else ""
    return f"{'chart ' if source.file_type is FileType.HELM else ''}{name}{values}"


def grade(compliance: float | None) -> str:
    """`good`, `fair`, `poor`, or `unknown` where nothing was evaluated."""
    if compliance is None:
        return "unknown"
    return "good" if compliance >= GOOD else "fair" if compliance >= FAIR else "poor"


def risk(value: float) -> str:
    """A risk score with one decimal, rounded up, so that only what has none shows as 0.0."""
    return f"{math.ceil(round(value * 10, 6)) / 10:.1f}"
