"""Failed controls for people: worst first, where exactly, what stands there, and the change that mends it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from kubekeep.model.assessment import Assessment, ControlSummary
from kubekeep.model.comparison import FindingChange
from kubekeep.model.finding import Evidence, Verdict
from kubekeep.model.location import Location, parse_path, value_at
from kubekeep.model.redaction import MASK, redact
from kubekeep.model.resource import FileType, Resource
from kubekeep.model.text import json_text
from kubekeep.reports.format import Options
from kubekeep.reports.shared.content import top_down
from kubekeep.reports.shared.terminal import Span, Terminal, file_url
from kubekeep.reports.shared.wording import enforced, worst_first

_SHOWN: Final = 5
"""How many resources of a control, and places of a resource, are shown unless all are asked for."""
_SWITCH: Final = ("true", "false")
"""Where one of them is the fix, the other is what stands there."""
_RELATED: Final = re.compile(r"relatedObjects\[(\d+)\]\.?(.*)", re.DOTALL)
_LONGEST: Final = 40
"""Characters of a present value that are worth their space on the line."""


def write_findings(terminal: Terminal, assessment: Assessment, options: Options) -> None:
    """Write every failed control with its resources."""
    failures = assessment.failures()
    for summary in worst_first(assessment):
        found = sorted(failures.get(summary.control.slug, []), key=lambda pair: not pair[1].has_new)
        _write_head(terminal, summary, sum(verdict.has_new for _, verdict in found))
        shown = found if options.verbose else found[:_SHOWN]
        for resource, verdict in shown:
            _write_resource(terminal, assessment.target.base, resource, verdict, options)
        write_more(terminal, len(found) - len(shown), "resource", indent=2)
        advice = _advice(summary.control.fix, code_style=options.colour)
        terminal.line(Span("Fix: ", "bold green"), *advice, indent=2, hang=5)
        terminal.line()


def _advice(text: str, *, code_style: bool) -> Iterator[Span | str]:
    """The first paragraph of how to fix it, on one line; `kubekeep explain` tells the rest.

    Code in backticks gets a colour for them where there are colours.
    """
    paragraph = " ".join(text.strip().partition("\n\n")[0].split())
    if not code_style or paragraph.count("`") % 2:
        yield paragraph
        return
    for number, part in enumerate(paragraph.split("`")):
        yield Span(part, "cyan" if number % 2 else "")


def _write_head(terminal: Terminal, summary: ControlSummary, new: int) -> None:
    control, counts = summary.control, summary.counts
    evaluated = counts.passed + counts.failed
    many = "resource" if evaluated == 1 else "resources"
    verb = "fails" if counts.failed == 1 else "fail"
    terminal.line(
        Span(f"✖ {control.level.label.upper()}", f"bold {control.level.colour}", whole=True),
        "  ",
        Span(control.title, "bold"),
        "  ",
        Span(control.id, "cyan", whole=True, url=control.link),
        Span(f"  {counts.failed} of {evaluated} {many} {verb}", "dim"),
        *([Span(f"  {new} new", "bold red", whole=True)] if new else []),
    )
    for item in summary.enforcement:
        terminal.line(Span(enforced(item), "dim"), indent=2)


def _write_resource(terminal: Terminal, base: str, resource: Resource, verdict: Verdict, options: Options) -> None:
    evidence = sorted(verdict.evidence, key=lambda item: (item.change is not FindingChange.NEW, *top_down(item)))
    head = evidence[0].location if evidence else None
    head = head or resource.locate(())
    place: list[Span | str] = [place_span(str(head), head, base), "  "] if head else []
    kustomization = made_by(resource)
    terminal.line(*place, Span(resource.label, "bold", whole=True), *kustomization, indent=2)
    shown = evidence if options.verbose else evidence[:_SHOWN]
    safe = redact(resource) if any(item.exists for item in shown) else {}
    for item in shown:
        where = _elsewhere(item.location, head, base)
        if item.change is FindingChange.NEW:
            where.insert(0, Span("NEW ", "bold red"))
        terminal.line(*where, *_change(item, resource, safe), indent=4)
        _write_setting(terminal, base, item.location)
        if item.commit is not None:
            commit = item.commit
            told = f"{commit.hash[:10]} {commit.date:%Y-%m-%d} {commit.author}: {commit.subject}"
            terminal.line(Span(f"last changed in {told}", "dim"), indent=6)
    write_more(terminal, len(evidence) - len(shown), "place", indent=4)


def place_span(text: str, location: Location, base: str) -> Span:
    """`text`, which leads to the file of `location` where the terminal can follow."""
    return Span(text, "underline", whole=True, url=file_url(base, location.file))


def _elsewhere(location: Location | None, head: Location | None, base: str) -> list[Span | str]:
    """Where a place is, if it is not the one that the resource's line names."""
    if location is None or str(location) == str(head):
        return []
    if head is not None and location.file == head.file and location.region is not None:
        return [place_span(f"line {location.region.start.line}", location, base), ": "]
    return [place_span(str(location), location, base), ": "]


def made_by(resource: Resource) -> list[Span | str]:
    """Which kustomization an object is built by: several may build it from the same file."""
    source = resource.source
    if source is None or source.origin is None or source.file_type is not FileType.KUSTOMIZE:
        return []
    return [Span(f"  in {source.origin.folder}", "dim")]


def _write_setting(terminal: Terminal, base: str, location: Location | None) -> None:
    """Write which value the template took over at a place, if it did."""
    setting = location.setting if location else None
    if setting is not None:
        url = file_url(base, setting.file) if setting.region else ""
        terminal.line("from ", Span(str(setting), "underline", whole=True, url=url), indent=6)


def _change(evidence: Evidence, resource: Resource, document: dict[str, Any]) -> Iterator[Span | str]:
    path = list(_named_path(evidence.path, resource))
    if evidence.fix is not None:
        value = Span(evidence.fix, "green", whole=len(evidence.fix) <= _LONGEST)
        yield from ("set ", *path, " to ", value) if evidence.exists else ("add ", *path, ": ", value)
    else:
        yield from (("delete " if evidence.delete else "review "), *path)
    notes = "; ".join(filter(None, (_present(evidence, document), evidence.message)))
    if notes:
        yield Span(f"  ({notes})", "dim")


def _named_path(text: str, resource: Resource) -> Iterator[Span | str]:
    """The path; one into a related object as `rules[0] of Role reader`, for nobody knows those by number."""
    match = _RELATED.match(text)
    if match is None or int(match[1]) >= len(resource.related):
        yield Span(text, "cyan", whole=True) if text else "the whole resource"
        return
    owner = resource.related[int(match[1])]
    if match[2]:
        yield from (Span(match[2], "cyan", whole=True), " of ")
    yield f"{owner.kind} {owner.name}"


def _present(evidence: Evidence, document: dict[str, Any]) -> str:
    """What stands at the place: `now true`; nothing for long values and what is redacted."""
    if not evidence.path:
        return ""
    if not evidence.exists:
        return "" if evidence.fix or evidence.message else "not set"
    try:
        value = value_at(document, parse_path(evidence.path))
    except (LookupError, ValueError):
        return ""
    text = value if isinstance(value, str) else json_text(value)
    if MASK in text:
        return ""
    if evidence.fix in _SWITCH and text in _SWITCH:
        return ""
    return f"now {text}" if 0 < len(text) <= _LONGEST else ""


def write_more(terminal: Terminal, count: int, noun: str, *, indent: int) -> None:
    """Say that there are `count` more of `noun`, if there are."""
    if count > 0:
        terminal.line(
            Span(f"… and {count} more {noun}{'s' if count > 1 else ''} (use --verbose)", "dim"), indent=indent
        )
