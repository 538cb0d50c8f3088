"""What a report in JSON v2 found and looked at, ready to be compared with another scan. Never reads what it scanned."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from kubekeep.baseline.assessment_findings import said_params
from kubekeep.library.load import builtin
from kubekeep.model.comparison import RESOURCE_SELECTION, TARGETS, TOOL, RecordedFinding, ReportLocation, ScanRecord
from kubekeep.model.fingerprint import Identity, format_stable_path
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.resource import Resource
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.severity import Severity
from kubekeep.model.text import visible
from kubekeep.reports.kubescape_v2.read import (
    ControlResult,
    PathEntry,
    Report,
    ReportedLocation,
    ReportedResource,
    RuleResult,
    decode,
    read_report,
)

_FAILED, _PASSED, _SKIPPED, _IRRELEVANT, _EXCEPTED = "failed", "passed", "skipped", "irrelevant", "w/exceptions"
_RELATED: Final = "relatedObjects"


def findings_of(path: Path) -> ScanRecord:
    """What the report at `path` found. Raises ReportError."""
    report = read_report(path)
    known = {item.id: item for item in report.resources or ()}
    findings: list[RecordedFinding] = []
    accepted: list[RecordedFinding] = []
    gaps: dict[Identity, set[str]] = {}
    resources: dict[Identity, set[str]] = {}
    seen: Counter[tuple[Identity, str]] = Counter()
    controls = _controls(report)
    for result in report.results or ():
        item = known.get(result.id) or ReportedResource(result.id)
        resource = _resource(path, item)
        identity = Identity.of(resource) if resource else _identity(result.id)
        file = item.source.relative_path if item.source else ""
        resources.setdefault(identity, set()).add(file)
        copy = seen[identity, file]
        seen[identity, file] += 1
        head = RecordedFinding("", identity, file=file, copy=copy)
        for outcome in result.controls or ():
            number = canonical(outcome.number)
            controls.setdefault(number, "")
            told = _told(report, head, outcome)
            accepted += _at(told, resource, _accepted(result.id, outcome))
            if outcome.status.status == _FAILED:
                findings += _at(told, resource, _failed(result.id, outcome))
            elif outcome.status.status == _SKIPPED and outcome.status.sub_status != _IRRELEVANT:
                gaps.setdefault(identity, set()).add(number)
    return ScanRecord(
        name=visible(str(path)),
        findings=tuple(findings),
        accepted=tuple(accepted),
        controls=controls,
        gaps=gaps,
        resources=resources,
        unread=frozenset(_unread(report)),
        settings=_settings(report),
        pseudonyms=visible(report.own.pseudonyms) if report.own else "",
    )


@functools.cache
def _numbers() -> Mapping[str, str]:
    """The id of each control of the library by every number and slug it has."""
    return {name: control.id for control in builtin().controls.values() for name in (control.slug, *control.ids)}


def canonical(number: str) -> str:
    """The id that reports print for the control called `number`: one control may have several numbers."""
    return _numbers().get(number, number)


def _controls(report: Report) -> dict[str, str]:
    """The controls of the report, with why one was not evaluated on anything."""
    said = {}
    for number, summary in (report.summary.controls or {}).items():
        status = summary.status
        skipped = status.status == _SKIPPED and status.sub_status != _IRRELEVANT and not summary.counters.skipped
        reason = status.info or status.sub_status or "no reason is told"
        said[canonical(number)] = visible(reason) if skipped else ""
    for item in (report.coverage.controls if report.coverage else None) or ():
        if item.number and not said.get(canonical(item.number)) and item.number not in (report.summary.controls or {}):
            said[canonical(item.number)] = visible(item.reason) or "no reason is told"
    return said


def _unread(report: Report) -> Iterator[str]:
    """Files that were not read, and what stands for kinds that could not be fetched from a cluster."""
    if report.own:
        yield from (item.file for item in report.own.unread or ())
    if report.coverage and report.coverage.pulls:
        yield f"{len(report.coverage.pulls)} kinds of objects"


def _settings(report: Report) -> dict[str, str]:
    scan, own = report.metadata.scan, report.own
    settings = {TOOL: f"kubekeep {own.version}" if own else f"kubescape {scan.version}".strip()}
    if scan.target_type:
        settings["frameworks"] = ", ".join(sorted(scan.targets or ())) if scan.target_type == "Framework" else ""
    choice = ResourceSelection(
        include_namespaces=tuple(scan.included or ()), exclude_namespaces=tuple(scan.excluded or ())
    )
    settings[RESOURCE_SELECTION] = str(choice)
    if own:
        settings["Kubernetes version"] = own.kubernetes
        if own.targets is not None:
            settings[TARGETS] = ", ".join(own.targets)
        if own.choice is not None:
            settings[RESOURCE_SELECTION] = own.choice
        if own.parameters is not None:
            settings["parameters"] = said_params(own.parameters)
    return {name: visible(text) for name, text in settings.items()}


def _resource(path: Path, item: ReportedResource) -> Resource | None:
    """The object of an entry; a joined one has no metadata, and what it joins beside it. None without an object."""
    text = bytes(item.object)
    if text == b"null":
        return None
    found = decode(path, text, dict[str, Any], "a report in JSON v2")
    joined = found.get(_RELATED)
    if not isinstance(joined, list) or "metadata" in found:
        return Resource(found)
    related = tuple(Resource(each) for each in joined if isinstance(each, dict))
    return Resource(found, related=related)


def _identity(name: str) -> Identity:
    """The identity in a resource's id, `path=.../api=group/version/namespace/kind/name`, as far as it tells."""
    parts = (name.partition("/api=")[2] or name).split("/", 4)
    if len(parts) < 5 or "path=" in parts[4]:
        return Identity("", "", "", name)
    group, _, namespace, kind, own = parts
    return Identity(group, kind, namespace, own)


def _told(report: Report, head: RecordedFinding, outcome: ControlResult) -> RecordedFinding:
    """`head` with what a report says of the control, still without a place."""
    summary = (report.summary.controls or {}).get(outcome.number)
    return msgspec.structs.replace(
        head,
        control=canonical(outcome.number),
        title=outcome.name or (summary.name if summary else ""),
        level=_level(outcome.severity or (summary.severity if summary else "")),
    )


def _at(
    told: RecordedFinding, resource: Resource | None, places: Iterable[tuple[ReportLocation, str]]
) -> Iterator[RecordedFinding]:
    """`told` at each of the places, with what accepts it there."""
    for place, exception in places:
        path = format_stable_path(resource, place.path) if resource else place.path
        yield msgspec.structs.replace(told, path=path, place=place, exception=exception)


def _level(text: str) -> Severity:
    try:
        return Severity.named(text)
    except ValueError:
        return Severity.UNKNOWN


def _failed(resource: str, outcome: ControlResult) -> Iterator[tuple[ReportLocation, str]]:
    """The places that stand; a failure without any is one of the whole resource."""
    rules = [rule for rule in outcome.rules or () if rule.status in (_FAILED, "")]
    entries = [[entry for entry in rule.paths or () if not entry.exception] for rule in rules]
    found = [place for each in entries for place in _places(resource, each)]
    yield from ((place, "") for place in found or [ReportLocation(resource=resource)])


def _accepted(resource: str, outcome: ControlResult) -> Iterator[tuple[ReportLocation, str]]:
    """The places that exceptions cover, with their names; what is covered without any is the whole resource."""
    whole = outcome.status.status == _PASSED and outcome.status.sub_status == _EXCEPTED
    many = False
    for rule in outcome.rules or ():
        excused = whole or rule.sub_status == _EXCEPTED
        by_name: dict[str, list[PathEntry]] = {}
        for entry in rule.paths or ():
            if entry.exception or excused:
                by_name.setdefault(_exception(entry, rule), []).append(entry)
        for name, entries in by_name.items():
            many = True
            yield from ((place, name) for place in _places(resource, entries))
    if whole and not many:
        yield ReportLocation(resource=resource), ""


def _exception(entry: PathEntry, rule: RuleResult) -> str:
    """The name of the exception that covers an entry, or else of the first of its rule; empty if none has a name."""
    several = rule.exceptions if isinstance(rule.exceptions, list) else [rule.exceptions]
    said = [item.get("name") for item in (entry.exception, *several) if isinstance(item, dict)]
    return next((visible(name) for name in said if isinstance(name, str)), "")


def _places(resource: str, entries: Iterable[PathEntry]) -> list[ReportLocation]:
    """The places of entries. One place may have two: that it failed there, and what to do there."""
    found: list[ReportLocation] = []
    paths = [(*_path(entry), entry.location) for entry in entries]
    failed: Counter[str] = Counter(path for path, key, _ in paths if key == "failedPath")
    for path, key, lines in paths:
        if key != "failedPath":
            failed[path] -= 1
            found.append(ReportLocation(path, key, resource, _location(lines)))
    for path, key, lines in paths:
        if key == "failedPath" and failed[path] > 0:
            failed[path] -= 1
            found.append(ReportLocation(path, key, resource, _location(lines)))
    return found


def _path(entry: PathEntry) -> tuple[str, str]:
    """The path of an entry and the key that holds it."""
    fix = entry.fix.path if entry.fix else ""
    said = (
        (entry.delete, "deletePath"),
        (fix, "fixPath"),
        (entry.review, "reviewPath"),
        (entry.command, "fixCommand"),
        (entry.failed, "failedPath"),
    )
    return next(((path, key) for path, key in said if path), ("", ""))


def _location(lines: ReportedLocation | None) -> Location | None:
    if lines is None or not lines.file:
        return None
    line, column = lines.start_line, lines.start_column
    if line is None or column is None:
        return Location(lines.file)
    end = Position(lines.end_line or line, lines.end_column or column)
    return Location(lines.file, Region(Position(line, column), end))
