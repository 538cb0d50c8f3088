"""Conversion of a report in JSON v2, by Kubekeep or Kubescape, to a record that can be compared.

Never reads the scanned files.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from kubekeep.baseline.assessment_findings import format_params
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


def record_report(path: Path) -> ScanRecord:
    """Read the report at path and record its findings and coverage. Raises ReportError."""
    report = read_report(path)
    known = {entry.id: entry for entry in report.resources or ()}
    findings: list[RecordedFinding] = []
    excepted: list[RecordedFinding] = []
    gaps: dict[Identity, set[str]] = {}
    resources: dict[Identity, set[str]] = {}
    seen: Counter[tuple[Identity, str]] = Counter()
    controls = _list_controls(report)
    for result in report.results or ():
        entry = known.get(result.id) or ReportedResource(result.id)
        resource = _parse_object(path, entry)
        identity = Identity.from_subject(resource) if resource else _parse_identity(result.id)
        file = entry.source.relative_path if entry.source else ""
        resources.setdefault(identity, set()).add(file)
        copy = seen[identity, file]
        seen[identity, file] += 1
        head = RecordedFinding("", identity, file=file, copy=copy)
        for outcome in result.controls or ():
            number = get_canonical_id(outcome.number)
            controls.setdefault(number, "")
            finding = _add_control(report, head, outcome)
            excepted += _locate(finding, resource, _list_excepted(result.id, outcome))
            if outcome.status.status == _FAILED:
                findings += _locate(finding, resource, _list_failed(result.id, outcome))
            elif outcome.status.status == _SKIPPED and outcome.status.sub_status != _IRRELEVANT:
                gaps.setdefault(identity, set()).add(number)
    return ScanRecord(
        name=visible(str(path)),
        findings=tuple(findings),
        excepted=tuple(excepted),
        controls=controls,
        gaps=gaps,
        resources=resources,
        unread=frozenset(_list_unread(report)),
        settings=_list_settings(report),
        pseudonyms=visible(report.kubekeep.pseudonyms) if report.kubekeep else "",
    )


@functools.cache
def _list_ids() -> Mapping[str, str]:
    """Return the id of each library control by each of its numbers and slugs."""
    return {name: control.id for control in builtin().controls.values() for name in (control.slug, *control.ids)}


def get_canonical_id(number: str) -> str:
    """Return the id that reports print for a control number: a control may have several numbers."""
    return _list_ids().get(number, number)


def _list_controls(report: Report) -> dict[str, str]:
    """Return the controls of the report; the value is the reason if a control was evaluated on no resource, else ""."""
    reasons = {}
    for number, summary in (report.summary.controls or {}).items():
        status = summary.status
        skipped = status.status == _SKIPPED and status.sub_status != _IRRELEVANT and not summary.counters.skipped
        reason = status.info or status.sub_status or "unknown reason"
        reasons[get_canonical_id(number)] = visible(reason) if skipped else ""
    for control in (report.coverage.controls if report.coverage else None) or ():
        if (
            control.number
            and not reasons.get(get_canonical_id(control.number))
            and control.number not in (report.summary.controls or {})
        ):
            reasons[get_canonical_id(control.number)] = visible(control.reason) or "unknown reason"
    return reasons


def _list_unread(report: Report) -> Iterator[str]:
    """Yield files that were not read, and a text for resource types that could not be listed."""
    if report.kubekeep:
        yield from (unread.file for unread in report.kubekeep.unread or ())
    if report.coverage and report.coverage.pulls:
        yield f"{len(report.coverage.pulls)} kinds of objects"


def _list_settings(report: Report) -> dict[str, str]:
    scan, own = report.metadata.scan, report.kubekeep
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
            settings["parameters"] = format_params(own.parameters)
    return {name: visible(text) for name, text in settings.items()}


def _parse_object(path: Path, entry: ReportedResource) -> Resource | None:
    """Return the object of an entry with its related objects (then it has no metadata); None without an object."""
    text = bytes(entry.object)
    if text == b"null":
        return None
    document = decode(path, text, dict[str, Any], "a report in JSON v2")
    joined = document.get(_RELATED)
    if not isinstance(joined, list) or "metadata" in document:
        return Resource(document)
    related = tuple(Resource(each) for each in joined if isinstance(each, dict))
    return Resource(document, related=related)


def _parse_identity(name: str) -> Identity:
    """Parse the identity from a resource id, `path=.../api=group/version/namespace/kind/name`, as far as present."""
    parts = (name.partition("/api=")[2] or name).split("/", 4)
    if len(parts) < 5 or "path=" in parts[4]:
        return Identity("", "", "", name)
    group, _, namespace, kind, own = parts
    return Identity(group, kind, namespace, own)


def _add_control(report: Report, head: RecordedFinding, outcome: ControlResult) -> RecordedFinding:
    """Return the finding with id, title and severity of its control, without evidence."""
    summary = (report.summary.controls or {}).get(outcome.number)
    return msgspec.structs.replace(
        head,
        control=get_canonical_id(outcome.number),
        title=outcome.name or (summary.name if summary else ""),
        level=_parse_severity(outcome.severity or (summary.severity if summary else "")),
    )


def _locate(
    finding: RecordedFinding, resource: Resource | None, locations: Iterable[tuple[ReportLocation, str]]
) -> Iterator[RecordedFinding]:
    """Yield the finding at each location, with the name of the exception there."""
    for location, exception in locations:
        path = format_stable_path(resource, location.path) if resource else location.path
        yield msgspec.structs.replace(finding, path=path, report_location=location, exception=exception)


def _parse_severity(text: str) -> Severity:
    try:
        return Severity.parse(text)
    except ValueError:
        return Severity.UNKNOWN


def _list_failed(resource: str, outcome: ControlResult) -> Iterator[tuple[ReportLocation, str]]:
    """Yield the locations that are not excepted; a failure without locations is one of the whole resource."""
    rules = [rule for rule in outcome.rules or () if rule.status in (_FAILED, "")]
    entries = [[entry for entry in rule.paths or () if not entry.exception] for rule in rules]
    locations = [location for each in entries for location in _list_locations(resource, each)]
    yield from ((location, "") for location in locations or [ReportLocation(resource=resource)])


def _list_excepted(resource: str, outcome: ControlResult) -> Iterator[tuple[ReportLocation, str]]:
    """Yield the excepted locations with the name of the exception; without locations the whole resource is excepted."""
    whole = outcome.status.status == _PASSED and outcome.status.sub_status == _EXCEPTED
    many = False
    for rule in outcome.rules or ():
        excused = whole or rule.sub_status == _EXCEPTED
        by_name: dict[str, list[PathEntry]] = {}
        for entry in rule.paths or ():
            if entry.exception or excused:
                by_name.setdefault(_get_exception_name(entry, rule), []).append(entry)
        for name, entries in by_name.items():
            many = True
            yield from ((location, name) for location in _list_locations(resource, entries))
    if whole and not many:
        yield ReportLocation(resource=resource), ""


def _get_exception_name(entry: PathEntry, rule: RuleResult) -> str:
    """Return the name of the exception of an entry, else of the first exception of its rule; "" if none has a name."""
    several = rule.exceptions if isinstance(rule.exceptions, list) else [rule.exceptions]
    names = [exception.get("name") for exception in (entry.exception, *several) if isinstance(exception, dict)]
    return next((visible(name) for name in names if isinstance(name, str)), "")


def _list_locations(resource: str, entries: Iterable[PathEntry]) -> list[ReportLocation]:
    """Return the locations of entries. A location may have two entries: the failed path, and its remediation."""
    locations: list[ReportLocation] = []
    paths = [(*_get_path(entry), entry.location) for entry in entries]
    failed: Counter[str] = Counter(path for path, key, _ in paths if key == "failedPath")
    for path, key, lines in paths:
        if key != "failedPath":
            failed[path] -= 1
            locations.append(ReportLocation(path, key, resource, _parse_location(lines)))
    for path, key, lines in paths:
        if key == "failedPath" and failed[path] > 0:
            failed[path] -= 1
            locations.append(ReportLocation(path, key, resource, _parse_location(lines)))
    return locations


def _get_path(entry: PathEntry) -> tuple[str, str]:
    """Return the path of an entry and the key it is stored under."""
    fix = entry.fix.path if entry.fix else ""
    paths = (
        (entry.delete, "deletePath"),
        (fix, "fixPath"),
        (entry.review, "reviewPath"),
        (entry.command, "fixCommand"),
        (entry.failed, "failedPath"),
    )
    return next(((path, key) for path, key in paths if path), ("", ""))


def _parse_location(lines: ReportedLocation | None) -> Location | None:
    if lines is None or not lines.file:
        return None
    line, column = lines.start_line, lines.start_column
    if line is None or column is None:
        return Location(lines.file)
    end = Position(lines.end_line or line, lines.end_column or column)
    return Location(lines.file, Region(Position(line, column), end))
