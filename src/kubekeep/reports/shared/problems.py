"""Problems to fix first: findings merged by field and by the line that a person wrote, with the number that share it.

Overlays, loops of a template and bindings of one role repeat the same line: it is one problem. Formats no text except causes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from kubekeep.model.assessment import Assessment, DefinitionSummary
from kubekeep.model.finding import Finding
from kubekeep.model.location import Location
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Evidence
from kubekeep.reports.shared.content import file_order
from kubekeep.reports.shared.wording import describe_fix

FAILED: Final = "failed: "
"""Beginning of a title, which in the library states the good state."""
PER_RESOURCE: Final = 3
"""Maximum number of problems of one resource."""
_PER_CONTROL: Final = 2
"""Maximum number of problems with the same most urgent control, so that one control does not hide the others."""
_EVERYWHERE: Final = 4
"""Minimum number of resources of a control that fails on all of them."""


class MergedProblem(msgspec.Struct, frozen=True):
    """Findings of one resource that report the same field, the most urgent first, with the evidence of that one."""

    findings: tuple[Finding, ...]

    @property
    def first(self) -> Finding:
        """The most urgent finding."""
        return self.findings[0]

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The evidence of the most urgent finding, in the order of the file."""
        evidence = self.first.evidence
        return evidence if len(evidence) < 2 else tuple(sorted(evidence, key=file_order))

    @property
    def location(self) -> Location | None:
        """The first location of the evidence, else that of the resource."""
        for evidence in self.evidence:
            if evidence.location is not None:
                return evidence.location
        return self.first.subject.locate(())


class SharedProblem(msgspec.Struct, frozen=True):
    """The problems of several resources at the same line, the most urgent first."""

    problems: tuple[MergedProblem, ...]

    @property
    def problem(self) -> MergedProblem:
        """The most urgent problem, which stands for the others."""
        return self.problems[0]

    @property
    def first(self) -> Finding:
        """The most urgent finding."""
        return self.problem.first

    @property
    def findings(self) -> Iterator[Finding]:
        """All findings."""
        return (finding for problem in self.problems for finding in problem.findings)

    @property
    def resources(self) -> int:
        """Number of resources with different names; overlays of a resource are one."""
        return len({(problem.first.subject.kind, problem.first.subject.name) for problem in self.problems})

    @property
    def overlays(self) -> int:
        """Number of kustomizations that build a resource with the line."""
        folders = (list_folders(problem.first.subject) for problem in self.problems)
        return len({folder for names in folders for folder in names})


class EverywhereProblem(msgspec.Struct, frozen=True):
    """A control that fails on every resource that it evaluates. example: the most urgent problem."""

    example: MergedProblem
    findings: tuple[Finding, ...]

    @property
    def first(self) -> Finding:
        """The most urgent finding."""
        return self.example.first


def describe_problem(finding: Finding, evidence: Evidence | None) -> str:
    """Return the cause of a finding: the message of the rule, else the fix, else the title as failed."""
    if evidence is None:
        return f"{FAILED}{finding.title}"
    return evidence.message or describe_fix(evidence, finding.subject)


def describe_cause(problem: MergedProblem) -> str:
    """Return the cause of a problem: the step that makes it critical, else the cause of its most urgent finding."""
    return problem.first.priority.step or describe_problem(problem.first, next(iter(problem.evidence), None))


def describe_context(problems: Iterable[SharedProblem]) -> str:
    """Return the facts about a resource that raise the priority of its findings."""
    findings = (finding for problem in problems for finding in problem.problem.findings)
    reasons = (reason for finding in findings for reason in finding.priority.reasons)
    return ", ".join(dict.fromkeys(reasons))


def list_folders(subject: Subject) -> Iterator[str]:
    """Yield the kustomizations that build a resource or its parts."""
    for part in (subject, *subject.related):
        source = part.source
        if source is not None and source.origin is not None and source.file_type.shares_files:
            yield source.origin.folder


def merge_problems(findings: Iterable[Finding]) -> list[MergedProblem]:
    """Return the problems of one resource, most urgent first: findings of the same field are one problem.

    Findings are merged if they share a path or if one control declares that it overlaps with the other.
    """
    groups: list[list[Finding]] = []
    by_path: dict[str, int] = {}
    by_control: dict[str, int] = {}
    by_overlap: dict[str, int] = {}
    for finding in sorted(findings, key=_urgency):
        control = finding.definition
        # The empty path is the resource as a whole, about which unrelated controls report different problems.
        paths = {evidence.path for evidence in finding.evidence if evidence.path}
        matches = [
            *(by_path[path] for path in paths if path in by_path),
            *(by_control[slug] for slug in control.overlaps if slug in by_control),
            *([by_overlap[control.slug]] if control.slug in by_overlap else []),
        ]
        number = min(matches, default=len(groups))
        if number == len(groups):
            groups.append([])
        groups[number].append(finding)
        for key, numbers in ((paths, by_path), ((control.slug,), by_control), (control.overlaps, by_overlap)):
            for name in key:
                numbers[name] = min(number, numbers.get(name, number))
    return [MergedProblem(tuple(group)) for group in groups]


def _urgency(finding: Finding) -> tuple[bool, float, bool, str]:
    """Sort key: new findings first, then by priority; of equal ones, controls that others overlap with first."""
    definition = finding.definition
    return not finding.has_new, -finding.priority.score, bool(definition.overlaps), definition.id


def select_problems(
    assessment: Assessment, findings: Iterable[Finding]
) -> tuple[list[list[SharedProblem]], list[EverywhereProblem]]:
    """Return the problems to fix first by resource, and the controls that fail everywhere, the most urgent first.

    At most two problems have the same control, and at most three the same resource.
    """
    shared = _share(findings)
    everywhere = _find_everywhere(assessment, shared)
    groups: dict[tuple[str, str, str], list[SharedProblem]] = {}
    control_counts: Counter[str] = Counter()
    for problem in shared:
        slug = problem.first.definition.slug
        if slug in everywhere or control_counts[slug] == _PER_CONTROL:
            continue
        group = groups.setdefault(_identify_resource(problem.first.subject), [])
        if len(group) < PER_RESOURCE:
            control_counts[slug] += 1
            group.append(problem)
    return list(groups.values()), list(everywhere.values())


def _share(findings: Iterable[Finding]) -> list[SharedProblem]:
    """Return the problems by control and line, the most urgent first, and those of the most urgent resource first."""
    by_resource: dict[int, list[Finding]] = {}
    for finding in findings:
        by_resource.setdefault(id(finding.subject), []).append(finding)
    by_place: dict[tuple[str, str], list[MergedProblem]] = {}
    for group in sorted(by_resource.values(), key=_resource_urgency):
        for problem in merge_problems(group):
            by_place.setdefault((problem.findings[0].definition.slug, _describe_place(problem)), []).append(problem)
    for problems in by_place.values():
        if len(problems) > 1:
            problems.sort(key=lambda problem: _urgency(problem.findings[0]))
    ordered = sorted(by_place.values(), key=lambda problems: _urgency(problems[0].findings[0])[:2])
    return [SharedProblem(tuple(problems)) for problems in ordered]


def _resource_urgency(findings: Sequence[Finding]) -> tuple[bool, list[float], str]:
    """Sort key: resources with new findings first, then by their most urgent findings, compared one by one."""
    scores = sorted(-finding.priority.score for finding in findings)[: PER_RESOURCE * 2]
    # With the zero, a resource with more findings comes before one with fewer.
    return not any(finding.has_new for finding in findings), [*scores, 0.0], findings[0].subject.label


def _describe_place(problem: MergedProblem) -> str:
    """Return the line that a person wrote: that of the value which a template inserts, else that of the field."""
    location = problem.location
    if location is None:
        return f"resource {id(problem.first.subject)}"
    setting = location.setting
    if setting is not None and setting.region is not None:
        location = Location(setting.file, setting.region)
    return f"{location.file}:{location.region.start.line if location.region else 0}"


def _identify_resource(subject: Subject) -> tuple[str, str, str]:
    location = subject.locate(())
    return subject.kind, subject.name, location.file if location else ""


def _find_everywhere(assessment: Assessment, shared: Iterable[SharedProblem]) -> dict[str, EverywhereProblem]:
    """Return the controls that fail on every resource, each in a line of its own, by slug."""
    summaries = {summary.definition.slug: summary for summary in assessment.summaries if _fails_everywhere(summary)}
    groups: dict[str, list[SharedProblem]] = {}
    for problem in shared:
        if problem.first.definition.slug in summaries:
            groups.setdefault(problem.first.definition.slug, []).append(problem)
    return {
        slug: EverywhereProblem(
            problems[0].problem, tuple(finding for problem in problems for finding in problem.findings)
        )
        for slug, problems in groups.items()
        # One line that all share is an entry like any other.
        if len(problems) > 1
    }


def _fails_everywhere(summary: DefinitionSummary) -> bool:
    counts = summary.counts
    return counts.failed >= _EVERYWHERE and counts.failed == counts.total
