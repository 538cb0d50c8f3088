"""Failed resources for people, each with the controls that it fails: the worst resource first."""

from __future__ import annotations

from typing import Final

from kubekeep.model.assessment import Assessment, ControlSummary
from kubekeep.model.finding import Status, Verdict
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.reports.format import Options
from kubekeep.reports.pretty.findings import made_by, place_span, write_more
from kubekeep.reports.shared.terminal import Span, Terminal

_SHOWN: Final = 10
"""How many resources, and controls of a resource, are shown unless all are asked for."""
_LINES: Final = 3
"""How many lines of a file are named for one control."""
_SHORT: Final = 40
"""Characters of lines and places that are not broken over two lines."""


def write_resources(terminal: Terminal, assessment: Assessment, options: Options) -> None:
    """Write every failed resource with its controls."""
    summaries = {summary.control.slug: summary for summary in assessment.controls}
    failed: list[tuple[Resource, list[tuple[ControlSummary, Verdict]]]] = []
    for result in assessment.results:
        found = [
            (summaries[slug], verdict.standing)
            for slug, verdict in result.verdicts.items()
            if verdict.status is Status.FAILED
        ]
        if found:
            found.sort(key=lambda pair: (not pair[1].has_new, -pair[0].control.severity, pair[0].control.id))
            failed.append((result.resource, found))
    failed.sort(key=lambda pair: _weight(pair[1]), reverse=True)
    shown = failed if options.verbose else failed[:_SHOWN]
    for resource, found in shown:
        _write_resource(terminal, assessment.target.base, resource, found, options)
    write_more(terminal, len(failed) - len(shown), "resource", indent=0)
    if shown:
        terminal.line()


def _weight(found: list[tuple[ControlSummary, Verdict]]) -> tuple[bool, float, int]:
    new = any(verdict.has_new for _, verdict in found)
    return new, max(summary.control.severity for summary, _ in found), len(found)


def _write_resource(
    terminal: Terminal,
    base: str,
    resource: Resource,
    found: list[tuple[ControlSummary, Verdict]],
    options: Options,
) -> None:
    head = resource.locate(())
    place: list[Span | str] = ["  ", place_span(str(head), head, base)] if head else []
    count = f"  {len(found)} control{'' if len(found) == 1 else 's'} {'fails' if len(found) == 1 else 'fail'}"
    name = Span(f"✖ {resource.label}", "bold", whole=True)
    terminal.line(name, *place, *made_by(resource), Span(count, "dim"))
    shown = found if options.verbose else found[:_SHOWN]
    for summary, verdict in shown:
        control = summary.control
        where = _where(verdict, head)
        at: list[Span | str] = ["  ", Span(where, "dim", whole=len(where) < _SHORT)] if where else []
        terminal.line(
            Span(f"{control.level.label.upper():8}", f"bold {control.level.colour}", whole=True),
            "  ",
            Span(control.id, "cyan", whole=True, url=control.link),
            "  ",
            *([Span("NEW ", "bold red")] if verdict.has_new else []),
            control.title,
            *at,
            indent=2,
            hang=20,
        )
    write_more(terminal, len(found) - len(shown), "control", indent=2)


def _where(verdict: Verdict, head: Location | None) -> str:
    """The lines of the resource's own file, and the places in others: `lines 12, 15 and 3 more places`."""
    places = list(dict.fromkeys(item.location for item in verdict.evidence if item.location is not None))
    lines = sorted(
        {
            place.region.start.line
            for place in places
            if place.region is not None and head is not None and place.file == head.file
        }
    )
    others = list(dict.fromkeys(str(place) for place in places if head is None or place.file != head.file))
    said = [f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines[:_LINES]))}"] if lines else []
    said += others[: max(0, _LINES - len(lines))]
    more = len(lines) + len(others) - min(len(lines), _LINES) - len(others[: max(0, _LINES - len(lines))])
    if more:
        said.append(f"{more} more place{'s' if more > 1 else ''}")
    return " and ".join(filter(None, (", ".join(said[:-1]), said[-1]))) if said else ""
