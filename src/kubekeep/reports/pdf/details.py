"""Findings as data for print: by control, and in the tables of frameworks. Bounded, and says what it leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from kubekeep.model.assessment import ControlSummary
from kubekeep.model.control import Control
from kubekeep.model.exception import AppliedException
from kubekeep.model.finding import Evidence, Excerpt, Status
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.reports.pdf.printed import LONGEST_PROSE, code_line, line, paragraphs
from kubekeep.reports.shared.content import (
    ControlFindings,
    Finding,
    FrameworkPart,
    RequirementPart,
    grade,
    is_idle,
    made_by,
)
from kubekeep.reports.shared.wording import command, enforced, percent

ROOM: Final = 3000
"""Resources that are printed in all, shared out fairly among the controls: beyond it nobody reads on."""
_PLACES: Final = 12
"""Places of a resource that are printed."""
_EXCERPTS: Final = 2
"""Resources of a control whose text is printed, and places of each: those after them look alike."""
_CITED: Final = 3
"""Resources that a row in the table of a framework names."""
_LONGEST_URL: Final = 2000


class Bounds:
    """How much is printed of each control's findings; everything if `whole`."""

    def __init__(self, groups: Iterable[ControlFindings], *, whole: bool) -> None:
        sizes = [len(group.findings) for group in groups]
        self.whole = whole
        self.resources = max(sizes, default=0) if whole else share(sizes, ROOM)

    def places(self, evidence: Sequence[Evidence]) -> Sequence[Evidence]:
        """The places of one resource that are printed."""
        return evidence if self.whole else evidence[:_PLACES]

    def excerpts(self, evidence: Iterable[Evidence], number: int) -> list[Excerpt]:
        """The texts that are printed with a control's resource of that number, none of them twice."""
        found = list(dict.fromkeys(item.excerpt for item in evidence if item.excerpt is not None))
        return found if self.whole else found[:_EXCERPTS] if number < _EXCERPTS else []


def share(sizes: Iterable[int], room: int) -> int:
    """The most that each may take so that all together take no more than `room`; at least one."""
    ordered = sorted(sizes)
    for number, size in enumerate(ordered):
        left = len(ordered) - number
        if size * left > room:
            return max(1, room // left)
        room -= size
    return max([1, *ordered])


def head(summary: ControlSummary) -> dict[str, Any]:
    """What every mention of a control tells: its names, its severity and how it came out."""
    control, counts = summary.control, summary.counts
    return {
        "id": line(control.id),
        "title": line(control.title),
        "link": _url(control),
        "level": control.level.label,
        "ink": control.level.ink,
        "status": status(summary),
        "failed": counts.failed,
        "evaluated": counts.passed + counts.failed,
        "waived": counts.excepted,
        "anchor": f"control-{control.slug}",
    }


def status(summary: ControlSummary) -> str:
    """`failed`, `passed`, `not evaluated`, or `nothing to look at`."""
    if is_idle(summary):
        return "nothing to look at"
    return "not evaluated" if summary.status is Status.NOT_EVALUATED else summary.status.value


def _url(control: Control) -> str:
    return control.link if control.link.startswith("https://") and len(control.link) < _LONGEST_URL else ""


def group(item: ControlFindings, bounds: Bounds) -> dict[str, Any]:
    """One control with its texts and the resources that fail, and how many of these are left out."""
    control = item.summary.control
    shown = item.findings[: bounds.resources]
    return {
        **head(item.summary),
        "chapters": [{"title": title, "text": paragraphs(text)} for title, text in _chapters(item.summary)],
        "references": [line(link) for link in control.references],
        "findings": [_finding(entry, bounds, number) for number, entry in enumerate(shown)],
        "more": len(item.findings) - len(shown),
    }


def _chapters(summary: ControlSummary) -> Iterator[tuple[str, str]]:
    yield from summary.control.chapters
    if summary.enforcement:
        yield "In the cluster", "\n\n".join(map(enforced, summary.enforcement))


def _finding(finding: Finding, bounds: Bounds, number: int) -> dict[str, Any]:
    shown = bounds.places(finding.evidence)
    excerpts = bounds.excerpts(shown, number)
    return {
        "place": line(str(finding.place)) if finding.place else "",
        "name": name(finding.resource),
        "made_by": line(made_by(finding.resource)),
        "evidence": [_evidence(item, finding, excerpts) for item in shown],
        "more": len(finding.evidence) - len(shown),
        "waivers": [exception(item) for item in finding.exceptions],
    }


def exception(item: AppliedException) -> dict[str, Any]:
    """A decision to accept a finding: the reason, until when it holds, and where it is written."""
    where = f" in {item.location}" if item.location else ""
    return {
        "name": line(item.name),
        "reason": line(item.reason, LONGEST_PROSE),
        "until": item.expires.date().isoformat() if item.expires else "",
        "source": line(f"{item.source.value}{where}"),
    }


def name(resource: Resource) -> str:
    """What people call it: `Deployment shop/web`."""
    return line(resource.label)


def _evidence(evidence: Evidence, finding: Finding, excerpts: list[Excerpt]) -> dict[str, Any]:
    """One place. Takes its text out of `excerpts`, so that it is printed where it is met first."""
    commit = evidence.commit
    told = f"{commit.hash[:10]} {commit.date:%Y-%m-%d} {commit.author}: {commit.subject}" if commit else ""
    return {
        "place": line(_elsewhere(evidence.location, finding.place)),
        "change": line(command(evidence, finding.resource)),
        "note": line(evidence.note),
        "commit": line(told),
        "excerpt": _excerpt(evidence, excerpts),
    }


def _elsewhere(location: Location | None, head: Location | None) -> str:
    """Where a place is, if it is not the one that the resource's line names."""
    if location is None or str(location) == str(head):
        return ""
    if head is not None and location.file == head.file and location.region is not None:
        return f"line {location.region.start.line}"
    return str(location)


def _excerpt(evidence: Evidence, excerpts: list[Excerpt]) -> list[dict[str, Any]]:
    excerpt = evidence.excerpt
    if excerpt is None or excerpt not in excerpts:
        return []
    excerpts.remove(excerpt)
    region = evidence.location.region if evidence.location else None
    marked = range(region.start.line, region.end.line + 1) if region else range(0)
    return [
        {"number": number, "text": code_line(text), "marked": number in marked}
        for number, text in enumerate(excerpt.lines, start=excerpt.first)
    ]


def framework(part: FrameworkPart, found: Mapping[str, ControlFindings]) -> dict[str, Any]:
    """A framework with its sections as rows, each a control under the requirement that it serves."""
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
                "rows": [row for requirement in section.requirements for row in _rows(requirement, found)],
            }
            for section in part.sections
        ],
    }


def _rows(requirement: RequirementPart, found: Mapping[str, ControlFindings]) -> Iterator[dict[str, Any]]:
    told = line(" ".join(filter(None, (requirement.id, requirement.title))))
    if not requirement.controls:
        yield {"requirement": told, "control": None, "failing": [], "more": 0}
    for number, summary in enumerate(requirement.controls):
        group = found.get(summary.control.slug)
        findings = group.findings if group else ()
        yield {
            "requirement": "" if number else told,
            "control": head(summary),
            "failing": [
                {"name": name(item.resource), "place": line(str(item.place)) if item.place else ""}
                for item in findings[:_CITED]
            ],
            "more": max(0, len(findings) - _CITED),
        }
