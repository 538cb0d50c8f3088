"""Findings as data for print: by control, and in the tables of frameworks. Limited in number; omissions are counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from kubekeep.model.assessment import DefinitionSummary
from kubekeep.model.definition import Definition
from kubekeep.model.exception import AppliedException
from kubekeep.model.finding import Finding
from kubekeep.model.severity import Severity
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Evidence, Excerpt, Status
from kubekeep.reports.pdf.printed import LONGEST_PROSE, code_line, line, paragraphs
from kubekeep.reports.shared.content import (
    ControlFindings,
    FrameworkPart,
    RequirementPart,
    describe_source,
    grade,
    is_idle,
)
from kubekeep.reports.shared.urgency import describe_priority, priority_level
from kubekeep.reports.shared.wording import describe_enforcement, describe_fix, percent, relative_location

MAX_RESOURCES: Final = 3000
"""Maximum number of resources to print in all, divided fairly among the controls."""
_MAX_LOCATIONS: Final = 12
"""Maximum number of locations of a resource."""
_MAX_EXCERPTS: Final = 2
"""Maximum number of resources of a control with excerpts, and of excerpts of each; further ones look similar."""
_MAX_FAILING: Final = 3
"""Maximum number of resources in a row of a framework's table."""
_LONGEST_URL: Final = 2000


class Bounds:
    """Limits on the printed findings of each control; no limits if `whole`."""

    def __init__(self, groups: Iterable[ControlFindings], *, whole: bool) -> None:
        sizes = [len(control_entry.findings) for control_entry in groups]
        self.whole = whole
        self.resources = max(sizes, default=0) if whole else fair_share(sizes, MAX_RESOURCES)

    def limit_evidence(self, evidence: Sequence[Evidence]) -> Sequence[Evidence]:
        """Return the printed locations of a resource."""
        return evidence if self.whole else evidence[:_MAX_LOCATIONS]

    def excerpts(self, evidence: Iterable[Evidence], number: int) -> list[Excerpt]:
        """Return the printed excerpts of a control's resource with that number, without duplicates."""
        excerpts = list(dict.fromkeys(entry.excerpt for entry in evidence if entry.excerpt is not None))
        return excerpts if self.whole else excerpts[:_MAX_EXCERPTS] if number < _MAX_EXCERPTS else []


def fair_share(sizes: Iterable[int], available: int) -> int:
    """Return the largest limit per entry for which the sum of all entries stays within `available`; at least one."""
    ordered = sorted(sizes)
    for number, size in enumerate(ordered):
        remaining = len(ordered) - number
        if size * remaining > available:
            return max(1, available // remaining)
        available -= size
    return max([1, *ordered])


def control_head(summary: DefinitionSummary) -> dict[str, Any]:
    """Return the data of every mention of a control: names, severity and result."""
    control, counts = summary.definition, summary.counts
    return {
        "id": line(control.id),
        "title": line(control.title),
        "link": _url(control),
        "level": control.level.label,
        "ink": control.level.print_colour,
        "status": status(summary),
        "failed": counts.failed,
        "evaluated": counts.passed + counts.failed,
        "excepted": counts.excepted,
        "anchor": f"control-{control.slug}",
    }


def status(summary: DefinitionSummary) -> str:
    """Return `failed`, `passed`, `not evaluated`, or `no matching resources`."""
    if is_idle(summary):
        return "no matching resources"
    return "not evaluated" if summary.status is Status.NOT_EVALUATED else summary.status.value


def _url(control: Definition) -> str:
    return control.link if control.link.startswith("https://") and len(control.link) < _LONGEST_URL else ""


def control_entry(findings: ControlFindings, bounds: Bounds) -> dict[str, Any]:
    """Return a control with its texts, its failed resources, and the number of omitted ones."""
    control = findings.summary.definition
    printed_findings = findings.findings[: bounds.resources]
    return {
        **control_head(findings.summary),
        "priority": level_entry(findings.level),
        "chapters": [{"title": title, "text": paragraphs(text)} for title, text in _chapters(findings.summary)],
        "references": [line(link) for link in control.references],
        "findings": [_finding(finding, bounds, number) for number, finding in enumerate(printed_findings)],
        "more": len(findings.findings) - len(printed_findings),
    }


def _chapters(summary: DefinitionSummary) -> Iterator[tuple[str, str]]:
    yield from summary.definition.chapters
    if summary.enforcement:
        yield "In the cluster", "\n\n".join(map(describe_enforcement, summary.enforcement))


def _finding(finding: Finding, bounds: Bounds, number: int) -> dict[str, Any]:
    printed_evidence = bounds.limit_evidence(finding.evidence)
    excerpts = bounds.excerpts(printed_evidence, number)
    return {
        "place": line(str(finding.location)) if finding.location else "",
        "name": display_name(finding.subject),
        "made_by": line(describe_source(finding.subject)),
        "priority": level_entry(priority_level(finding)),
        "reasons": line(describe_priority(finding.priority)),
        "evidence": [_evidence(evidence, finding, excerpts) for evidence in printed_evidence],
        "more": len(finding.evidence) - len(printed_evidence),
        "exceptions": [exception_entry(exception) for exception in finding.suppressions],
    }


def exception_entry(exception: AppliedException) -> dict[str, Any]:
    """Return an exception: reason, end date, and source."""
    location_text = f" in {exception.location}" if exception.location else ""
    return {
        "name": line(exception.name),
        "reason": line(exception.reason, LONGEST_PROSE),
        "until": exception.expires.date().isoformat() if exception.expires else "",
        "source": line(f"{exception.source.value}{location_text}"),
    }


def display_name(resource: Subject) -> str:
    """Return the display name of a resource: `Deployment shop/web`."""
    return line(resource.label)


def _evidence(evidence: Evidence, finding: Finding, excerpts: list[Excerpt]) -> dict[str, Any]:
    """Return one location. Removes its excerpt from `excerpts`, so that it is printed only once."""
    commit = evidence.commit
    commit_text = f"{commit.hash[:10]} {commit.date:%Y-%m-%d} {commit.author}: {commit.subject}" if commit else ""
    return {
        "place": line(relative_location(evidence.location, finding.location)),
        "change": line(describe_fix(evidence, finding.subject)),
        "note": line(evidence.note),
        "commit": line(commit_text),
        "excerpt": _excerpt(evidence, excerpts),
    }


def _excerpt(evidence: Evidence, excerpts: list[Excerpt]) -> list[dict[str, Any]]:
    excerpt = evidence.excerpt
    if excerpt is None or excerpt not in excerpts:
        return []
    excerpts.remove(excerpt)
    region = evidence.location.region if evidence.location else None
    marked_lines = range(region.start.line, region.end.line + 1) if region else range(0)
    return [
        {"number": number, "text": code_line(text), "marked": number in marked_lines}
        for number, text in enumerate(excerpt.lines, start=excerpt.first)
    ]


def framework_entry(
    part: FrameworkPart, findings_by_control: Mapping[str, ControlFindings], *, full: bool
) -> dict[str, Any]:
    """Return a framework, if `full` with its sections as rows, each a control under its requirement."""
    summary, counts = part.summary, part.counts
    return {
        "name": line(summary.framework.name),
        "title": line(summary.framework.title),
        "text": paragraphs(summary.framework.description)
        if summary.framework.description != summary.framework.title
        else [],
        "compliance": percent(summary.compliance),
        "coverage": percent(summary.coverage),
        "share": summary.compliance or 0.0,
        "grade": grade(summary.compliance),
        "failed": counts.failed,
        "passed": counts.passed,
        "gaps": counts.gaps,
        "idle": counts.idle,
        "sections": [
            {
                "title": line(" ".join(filter(None, (section.id, section.title)))),
                "rows": [
                    row for requirement in section.requirements for row in _rows(requirement, findings_by_control)
                ],
            }
            for section in (part.sections if full else ())
        ],
    }


def level_entry(level: Severity) -> dict[str, str]:
    """Return the label of a severity or priority with its colour."""
    return {"label": level.label, "ink": level.print_colour}


def brief_entry(group: ControlFindings) -> dict[str, Any]:
    """Return a failed control in a row: its priority, and its most urgent resources with the number of the others."""
    return {
        **control_head(group.summary),
        "priority": level_entry(group.level),
        "failing": [_failing(finding) for finding in group.findings[:_MAX_FAILING]],
        "more": max(0, len(group.findings) - _MAX_FAILING),
    }


def _failing(finding: Finding) -> dict[str, str]:
    location = line(str(finding.location)) if finding.location else ""
    return {"name": display_name(finding.subject), "place": location}


def _rows(requirement: RequirementPart, findings_by_control: Mapping[str, ControlFindings]) -> Iterator[dict[str, Any]]:
    requirement_text = line(" ".join(filter(None, (requirement.id, requirement.title))))
    if not requirement.controls:
        yield {"requirement": requirement_text, "control": None, "failing": [], "more": 0}
    for number, summary in enumerate(requirement.controls):
        group = findings_by_control.get(summary.definition.slug)
        findings = group.findings if group else ()
        yield {
            "requirement": "" if number else requirement_text,
            "control": control_head(summary),
            "failing": [_failing(finding) for finding in findings[:_MAX_FAILING]],
            "more": max(0, len(findings) - _MAX_FAILING),
        }
