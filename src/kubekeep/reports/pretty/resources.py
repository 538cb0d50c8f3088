"""Failed resources in the terminal report, each with its failed controls: the worst resource first."""

from __future__ import annotations

from typing import Final

from kubekeep.model.assessment import Assessment, ControlSummary
from kubekeep.model.finding import Status, Verdict
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.pretty.findings import kustomization_spans, location_span, write_more
from kubekeep.reports.shared.terminal import Span, Terminal

_SHOWN: Final = 10
"""Maximum number of resources, and of controls of a resource, unless verbose."""
_LINES: Final = 3
"""Maximum number of lines of a file per control."""
_SHORT: Final = 40
"""Maximum characters of lines and locations that are kept on one line."""


def write_resources(terminal: Terminal, assessment: Assessment, options: ReportOptions) -> None:
    """Write every failed resource with its controls."""
    summaries = {summary.control.slug: summary for summary in assessment.controls}
    failed: list[tuple[Resource, list[tuple[ControlSummary, Verdict]]]] = []
    for result in assessment.results:
        failures = [
            (summaries[slug], verdict.unexcepted)
            for slug, verdict in result.verdicts.items()
            if verdict.status is Status.FAILED
        ]
        if failures:
            failures.sort(key=lambda pair: (not pair[1].has_new, -pair[0].control.severity, pair[0].control.id))
            failed.append((result.resource, failures))
    failed.sort(key=lambda pair: _weight(pair[1]), reverse=True)
    shown = failed if options.verbose else failed[:_SHOWN]
    for resource, failures in shown:
        _write_resource(terminal, assessment.target.base, resource, failures, options)
    write_more(terminal, len(failed) - len(shown), "resource", indent=0)
    if shown:
        terminal.line()


def _weight(failures: list[tuple[ControlSummary, Verdict]]) -> tuple[bool, float, int]:
    new = any(verdict.has_new for _, verdict in failures)
    return new, max(summary.control.severity for summary, _ in failures), len(failures)


def _write_resource(
    terminal: Terminal,
    base: str,
    resource: Resource,
    failures: list[tuple[ControlSummary, Verdict]],
    options: ReportOptions,
) -> None:
    head = resource.locate(())
    place: list[Span | str] = ["  ", location_span(str(head), head, base)] if head else []
    count = f"  {len(failures)} control{'' if len(failures) == 1 else 's'} {'fails' if len(failures) == 1 else 'fail'}"
    name = Span(f"✖ {resource.label}", "bold", whole=True)
    terminal.line(name, *place, *kustomization_spans(resource), Span(count, "dim"))
    shown = failures if options.verbose else failures[:_SHOWN]
    for summary, verdict in shown:
        control = summary.control
        locations = _describe_locations(verdict, head)
        at: list[Span | str] = ["  ", Span(locations, "dim", whole=len(locations) < _SHORT)] if locations else []
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
    write_more(terminal, len(failures) - len(shown), "control", indent=2)


def _describe_locations(verdict: Verdict, head: Location | None) -> str:
    """Return the lines in the resource's file and other locations: `lines 12, 15 and 3 more places`."""
    places = list(dict.fromkeys(evidence.location for evidence in verdict.evidence if evidence.location is not None))
    lines = sorted(
        {
            place.region.start.line
            for place in places
            if place.region is not None and head is not None and place.file == head.file
        }
    )
    others = list(dict.fromkeys(str(place) for place in places if head is None or place.file != head.file))
    parts = [f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines[:_LINES]))}"] if lines else []
    parts += others[: max(0, _LINES - len(lines))]
    more = len(lines) + len(others) - min(len(lines), _LINES) - len(others[: max(0, _LINES - len(lines))])
    if more:
        parts.append(f"{more} more place{'s' if more > 1 else ''}")
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))) if parts else ""
