"""Findings of an assessment by file and range: at the line of a template, and at the values that cause them. No I/O."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from lsprotocol import types

from kubekeep.lsp.positions import ClientText
from kubekeep.model.assessment import Assessment, UnassessedInput, UnreadInput
from kubekeep.model.exception import ExceptionSource, ExceptionStatus
from kubekeep.model.finding import Finding
from kubekeep.model.location import Location
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import Evidence
from kubekeep.reports.shared.urgency import describe_priority, priority_level
from kubekeep.reports.shared.wording import count_noun
from kubekeep.sources.terraform.names import UNKNOWN

SOURCE: Final = "kubekeep"
_UPGRADES: Final = 3
"""Maximum number of upgrades that the message about an image names."""
_SEVERITIES: Final[Mapping[Severity, types.DiagnosticSeverity]] = {
    Severity.CRITICAL: types.DiagnosticSeverity.Error,
    Severity.HIGH: types.DiagnosticSeverity.Error,
    Severity.MEDIUM: types.DiagnosticSeverity.Warning,
    Severity.LOW: types.DiagnosticSeverity.Information,
    Severity.UNKNOWN: types.DiagnosticSeverity.Hint,
}


class FileFinding(msgspec.Struct, frozen=True):
    """A piece of evidence of a finding at one location.

    location: in the file of the document. related: further locations with a message. others: findings of controls that
    report the same field for the same reason, and of resources with the same line.
    """

    finding: Finding
    evidence: Evidence
    location: Location
    related: tuple[tuple[Location, str], ...] = ()
    others: tuple[Finding, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings that it is evidence for."""
        return (self.finding, *self.others)

    @property
    def merged(self) -> tuple[str, ...]:
        """Numbers of the other controls that report it."""
        return tuple(dict.fromkeys(other.id for other in self.others if other.id != self.finding.id))

    @property
    def controls(self) -> tuple[str, ...]:
        """Numbers of all controls that report it."""
        return (self.finding.id, *self.merged)

    @property
    def message(self) -> str:
        """The observed problem and its context, in one line."""
        text = self.evidence.message or self.finding.title
        facts = describe_priority(self.finding.priority)
        return f"{text} ({facts})" if facts else text


def list_findings(assessment: Assessment, minimum: Severity | None) -> dict[str, list[FileFinding]]:
    """Return the findings by file, those below the minimum severity left out."""
    by_file: dict[str, list[FileFinding]] = {}
    images: dict[int, list[Finding]] = {}
    for finding in assessment.findings:
        if finding.containers and finding.definition.concerns_packages:
            images.setdefault(id(finding.subject), []).append(finding)
            continue
        if minimum is not None and finding.severity < minimum:
            continue
        for evidence in finding.evidence:
            for entry in _locate(finding, evidence):
                by_file.setdefault(entry.location.file, []).append(entry)
    for group in images.values():
        for entry in _locate_image(group, minimum):
            by_file.setdefault(entry.location.file, []).append(entry)
    return {file: _merge(entries) for file, entries in by_file.items()}


def _locate_image(findings: Sequence[Finding], minimum: Severity | None) -> Iterator[FileFinding]:
    """Yield one entry for each line that refers to an image: its most urgent vulnerability stands for all."""
    ordered = sorted(findings, key=lambda finding: (-finding.priority.score, finding.id))
    first = ordered[0]
    if minimum is not None and max(finding.severity for finding in ordered) < minimum:
        return
    counts = Counter(priority_level(finding) for finding in ordered)
    levels = ", ".join(f"{counts[level]} {level.label.lower()}" for level in sorted(counts, reverse=True))
    upgrades = dict.fromkeys(
        f"{package.name} {package.version} to {package.fixed_version}"
        for finding in ordered
        for evidence in finding.evidence
        if (package := evidence.package) is not None and package.fixed_version
    )
    more = f" and {len(upgrades) - _UPGRADES} more" if len(upgrades) > _UPGRADES else ""
    advice = f"; upgrade {', '.join(list(upgrades)[:_UPGRADES])}{more}" if upgrades else ""
    text = f"{first.subject.name} has {count_noun(len(ordered), 'vulnerability')}: {levels}{advice}"
    for container in first.containers:
        if container.location is not None:
            evidence = Evidence("", exists=True, location=container.location, message=text)
            yield from _list_places(first, evidence, container.location, (), container.label)


def _locate(finding: Finding, evidence: Evidence) -> Iterator[FileFinding]:
    resource = finding.subject
    location = evidence.location or resource.locate(())
    if location is None:
        return
    related = [
        (part_location, f"{part.kind} {part.name}")
        for part in resource.related
        if part.missing is None
        and (part_location := part.locate(())) is not None
        and str(part_location) != str(location)
    ]
    yield from _list_places(finding, evidence, location, related, resource.label)


def _list_places(
    finding: Finding, evidence: Evidence, location: Location, related: Sequence[tuple[Location, str]], label: str
) -> Iterator[FileFinding]:
    """Yield the finding at a location and at the setting, such as a value of a chart, that caused it."""
    setting = location.setting
    if setting is not None and setting.region is not None:
        cause = Location(setting.file, setting.region)
        yield FileFinding(finding, evidence, cause, ((location, f"rendered here, in {label}"), *related))
        related = ((cause, f"set by {setting.key}"), *related)
    yield FileFinding(finding, evidence, location, tuple(related))


def _merge(entries: Sequence[FileFinding]) -> list[FileFinding]:
    """Merge the findings of overlapping controls on one field: the most urgent one names the others."""
    merged: list[FileFinding] = []
    by_field: dict[tuple[int, str, Location], list[int]] = {}
    seen: dict[tuple[str, str, Location], int] = {}
    for entry in sorted(entries, key=_urgency):
        # Overlays of one base, and loops of a template, report the same line many times.
        identity = (entry.finding.definition.slug, entry.message, entry.location)
        if identity in seen:
            _add(merged, seen[identity], entry)
            continue
        key = (id(entry.finding.subject), entry.evidence.path, entry.location)
        numbers = by_field.setdefault(key, [])
        match = next((number for number in numbers if _overlap(merged[number], entry)), None)
        if match is None:
            match = len(merged)
            numbers.append(match)
            merged.append(entry)
        else:
            _add(merged, match, entry)
        seen[identity] = match
    return sorted(merged, key=_order)


def _add(merged: list[FileFinding], number: int, entry: FileFinding) -> None:
    target = merged[number]
    if not any(finding is entry.finding for finding in target.findings):
        merged[number] = msgspec.structs.replace(target, others=(*target.others, entry.finding))


def _overlap(one: FileFinding, other: FileFinding) -> bool:
    first, second = one.finding.definition, other.finding.definition
    return first.slug in second.overlaps or second.slug in first.overlaps or first.slug == second.slug


def _urgency(entry: FileFinding) -> tuple[float, bool, str]:
    return -entry.finding.priority.score, bool(entry.finding.definition.overlaps), entry.finding.id


def _order(entry: FileFinding) -> tuple[int, int, float, str]:
    region = entry.location.region
    line, column = (region.start.line, region.start.column) if region else (0, 0)
    return line, column, -entry.finding.priority.score, entry.finding.id


def create_diagnostic(
    entry: FileFinding, text: ClientText, related: Sequence[types.DiagnosticRelatedInformation]
) -> types.Diagnostic:
    """Return the diagnostic of a finding. The priority is in its data, because two priorities share a severity.

    So are the findings that it stands for: a client that counts findings counts different ids.
    """
    page = entry.finding.definition.page
    priority = priority_level(entry.finding)
    return types.Diagnostic(
        range=text.convert_region(entry.location.region),
        message=entry.message,
        severity=_SEVERITIES[priority],
        code=entry.finding.id,
        code_description=types.CodeDescription(page) if page else None,
        source=SOURCE,
        related_information=list(related) or None,
        data={
            "controls": list(entry.controls),
            "path": entry.evidence.path,
            "priority": priority.label.lower(),
            "findings": [
                {"id": _create_id(each), "control": each.id, "priority": priority_level(each).label.lower()}
                for each in entry.findings
            ],
        },
    )


def _create_id(finding: Finding) -> str:
    """Return an identifier of one control on one resource, the same in each evaluation."""
    text = f"{finding.definition.slug} {finding.subject.id}"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def list_problems(assessment: Assessment) -> Iterator[tuple[UnreadInput, types.DiagnosticSeverity]]:
    """Yield the parts of the input that were not read, and unknown fields, with their severity."""
    for unread in assessment.unread:
        yield unread, _rate(unread)
    for unread in assessment.unknown_fields:
        yield unread, types.DiagnosticSeverity.Warning
    for use in assessment.exceptions:
        location, is_comment = use.exception.location, use.exception.source is ExceptionSource.COMMENT
        if location is None or use.status is ExceptionStatus.MATCHED:
            continue
        if is_comment and use.status is ExceptionStatus.UNUSED:
            text = f"this comment covers no finding{f': {use.text}' if use.text else ''}"
            yield UnreadInput(location, text), types.DiagnosticSeverity.Information
        elif use.status is not ExceptionStatus.UNUSED:
            text = f"this exception has no effect: {use.text or use.status.value}"
            yield UnreadInput(location, text), types.DiagnosticSeverity.Warning


def _rate(unread: UnreadInput) -> types.DiagnosticSeverity:
    """Return the severity of an unread part: a missing program is no error of the document, nor is a value of the cloud."""
    is_expected = needs_package(unread.message) or UNKNOWN in unread.message or isinstance(unread, UnassessedInput)
    return types.DiagnosticSeverity.Information if is_expected else types.DiagnosticSeverity.Error


def needs_package(message: str) -> bool:
    """Return True if a message says which package to install."""
    return "install" in message and "kubekeep[" in message


def create_problem(message: str, area: types.Range, severity: types.DiagnosticSeverity) -> types.Diagnostic:
    """Return the diagnostic of a problem that is no finding of a control."""
    return types.Diagnostic(range=area, message=message, severity=severity, source=SOURCE)


def count_levels(findings: Iterable[Finding]) -> str:
    """Return the number of findings by priority, `2 critical, 1 high`; empty without findings."""
    counts: dict[Severity, int] = {}
    for finding in findings:
        level = priority_level(finding)
        counts[level] = counts.get(level, 0) + 1
    return ", ".join(f"{counts[level]} {level.label.lower()}" for level in sorted(counts, reverse=True))
