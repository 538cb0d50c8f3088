"""Baseline files: saved findings, in a form that is easy to review.

One finding a line, sorted, deterministic, without secrets. Coverage gaps, and other files with a resource that fails,
are saved too: else a compliant copy of a failing resource could start to fail and be taken for the known one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from kubekeep.baseline.report_findings import get_canonical_id, record_report
from kubekeep.library.load import builtin
from kubekeep.model.comparison import RecordedFinding, ScanRecord
from kubekeep.model.fingerprint import VERSION, Identity
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_text, visible
from kubekeep.reports.kubescape_v2.read import ReportError, decode, read_bytes

_FORMAT, _FINDINGS_ONLY = 2, 1
"""File formats that can be read: the present one, and one without other files and coverage."""


class _ResourceRecord(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    kind: str
    name: str
    namespace: str = ""
    group: str = ""
    related: list[_ResourceRecord] = []

    @classmethod
    def from_identity(cls, identity: Identity) -> _ResourceRecord:
        related = list(map(cls.from_identity, identity.related))
        return cls(identity.kind, identity.name, identity.namespace, identity.group, related)

    @property
    def identity(self) -> Identity:
        related = tuple(resource.identity for resource in self.related)
        return Identity(self.group, self.kind, self.namespace, self.name, related)


class _FindingRecord(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    control: str
    severity: str
    resource: _ResourceRecord
    path: str = ""
    file: str = ""
    copy: int = 0


class _OtherFile(msgspec.Struct, forbid_unknown_fields=True):
    """A file without findings that contains a resource which fails in another file."""

    file: str
    resource: _ResourceRecord


class _GapRecord(msgspec.Struct, forbid_unknown_fields=True):
    """A control that could not be evaluated on a resource."""

    control: str
    resource: _ResourceRecord


class _FormatVersion(msgspec.Struct):
    format: int | None = msgspec.field(name="kubekeepBaseline", default=None)
    paths: str = ""


class _FindingsFile(msgspec.Struct, forbid_unknown_fields=True):
    format: int = msgspec.field(name="kubekeepBaseline")
    paths: str
    settings: dict[str, str]
    controls: list[str]
    unevaluated: list[str] = msgspec.field(name="notEvaluated")
    findings: list[_FindingRecord]


class _BaselineFile(_FindingsFile, forbid_unknown_fields=True):
    unread: list[str] = msgspec.field(name="notRead")
    gaps: list[_GapRecord] = msgspec.field(name="notEvaluatedOn")
    other_files: list[_OtherFile] = msgspec.field(name="alsoIn")
    pseudonyms: str = ""


def read_baseline_or_report(path: Path) -> ScanRecord:
    """Read a baseline, or a report in JSON v2 by Kubekeep or Kubescape. Raises ReportError."""
    document = read_bytes(path)
    head = decode(path, document, _FormatVersion, "a baseline or a report in JSON v2")
    if head.format is None:
        return record_report(path)
    if head.format not in (_FORMAT, _FINDINGS_ONLY) or head.paths != VERSION:
        raise ReportError(
            f"{visible(str(path))}: a baseline of another release: create it again with `kubekeep baseline create`"
        )
    baseline = decode(path, document, _BaselineFile if head.format == _FORMAT else _FindingsFile, "a baseline")
    titles = {control.id: control.title for control in builtin().controls.values()}
    controls = dict.fromkeys(map(get_canonical_id, baseline.controls), "")
    for number in baseline.unevaluated:
        controls[get_canonical_id(number)] = "unknown reason"
    try:
        findings = tuple(_make_finding(finding, titles) for finding in baseline.findings)
    except ValueError as error:
        raise ReportError(f"{visible(str(path))}: not a baseline: {visible(str(error))}") from error
    record = ScanRecord(name=visible(str(path)), findings=findings, controls=controls, settings=baseline.settings)
    return _add_coverage(record, baseline) if isinstance(baseline, _BaselineFile) else record


def _add_coverage(record: ScanRecord, baseline: _BaselineFile) -> ScanRecord:
    """Return the record with the coverage from the baseline."""
    resources: dict[Identity, set[str]] = {}
    for finding in record.findings:
        resources.setdefault(finding.identity, set()).add(finding.file)
    for other in baseline.other_files:
        resources.setdefault(other.resource.identity, set()).add(other.file)
    gaps: dict[Identity, set[str]] = {}
    for gap in baseline.gaps:
        gaps.setdefault(gap.resource.identity, set()).add(get_canonical_id(gap.control))
    return msgspec.structs.replace(
        record,
        resources=resources,
        only_failing=True,
        gaps=gaps,
        unread=frozenset(baseline.unread),
        pseudonyms=visible(baseline.pseudonyms),
    )


def _make_finding(record: _FindingRecord, titles: dict[str, str]) -> RecordedFinding:
    number = get_canonical_id(record.control)
    return RecordedFinding(
        control=number,
        identity=record.resource.identity,
        path=record.path,
        file=record.file,
        copy=record.copy,
        title=titles.get(number, ""),
        level=Severity.parse(record.severity) if record.severity != Severity.UNKNOWN.label else Severity.UNKNOWN,
    )


def format_baseline(record: ScanRecord) -> Iterator[str]:
    """Format a scan record as a baseline, in pieces of text."""
    head: dict[str, Any] = {"kubekeepBaseline": _FORMAT, "paths": VERSION}
    if record.pseudonyms:
        head["pseudonyms"] = record.pseudonyms
    head |= {
        "settings": dict(sorted(record.settings.items())),
        "controls": sorted(number for number, reason in record.controls.items() if not reason),
        "notEvaluated": sorted(number for number, reason in record.controls.items() if reason),
        "notRead": sorted(record.unread),
    }
    lists = {
        "findings": map(_make_record, record.findings),
        "alsoIn": _list_other_files(record),
        "notEvaluatedOn": _list_gaps(record),
    }
    yield "{"
    yield ",".join(f"\n  {json_text(key)}: {json_text(value)}" for key, value in head.items())
    for key, entries in lists.items():
        yield f",\n  {json_text(key)}: ["
        lines = sorted(json_text(msgspec.to_builtins(entry)) for entry in entries)
        yield ",".join(f"\n    {line}" for line in lines)
        yield "\n  ]" if lines else "]"
    yield "\n}\n"


def _list_other_files(record: ScanRecord) -> Iterator[_OtherFile]:
    """Yield the other files of failing resources; only for these resources it matters if a file is new."""
    failing: dict[Identity, set[str]] = {}
    for finding in record.findings:
        failing.setdefault(finding.identity, set()).add(finding.file)
    for identity, files in failing.items():
        for file in (record.resources or {}).get(identity, frozenset()) - files:
            yield _OtherFile(file, _ResourceRecord.from_identity(identity))


def _list_gaps(record: ScanRecord) -> Iterator[_GapRecord]:
    for identity, numbers in record.gaps.items():
        for number in numbers:
            yield _GapRecord(number, _ResourceRecord.from_identity(identity))


def _make_record(finding: RecordedFinding) -> _FindingRecord:
    return _FindingRecord(
        control=finding.control,
        severity=finding.level.label,
        resource=_ResourceRecord.from_identity(finding.identity),
        path=finding.path,
        file=finding.file,
        copy=finding.copy,
    )
