"""Baselines: what is already known and accepted for now, as a small file that reads well in a review.

One finding a line, sorted, without anything that a scan of the same files would not say again; never a secret. What
was not looked at, and where else a resource stands that fails, is in it too: without these a good twin of a bad resource
could turn bad and be taken for the known one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from kubekeep.baseline.report_findings import canonical, findings_of
from kubekeep.library.load import builtin
from kubekeep.model.comparison import RecordedFinding, ScanRecord
from kubekeep.model.fingerprint import VERSION, Identity
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_text, visible
from kubekeep.reports.kubescape_v2.read import ReportError, decode, read_bytes

_FORM, _WITHOUT_TWINS = 2, 1
"""The forms of the file that can be read: what is written, and one that names nothing but findings."""


class _Object(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    kind: str
    name: str
    namespace: str = ""
    group: str = ""
    related: list[_Object] = []

    @classmethod
    def of(cls, identity: Identity) -> _Object:
        related = list(map(cls.of, identity.related))
        return cls(identity.kind, identity.name, identity.namespace, identity.group, related)

    @property
    def identity(self) -> Identity:
        related = tuple(item.identity for item in self.related)
        return Identity(self.group, self.kind, self.namespace, self.name, related)


class _Known(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    control: str
    severity: str
    resource: _Object
    path: str = ""
    file: str = ""
    copy: int = 0


class _Twin(msgspec.Struct, forbid_unknown_fields=True):
    """A file without a finding in which a resource stands that fails in another one."""

    file: str
    resource: _Object


class _Gap(msgspec.Struct, forbid_unknown_fields=True):
    """A control that could not be evaluated on a resource."""

    control: str
    resource: _Object


class _Head(msgspec.Struct):
    form: int | None = msgspec.field(name="kubekeepBaseline", default=None)
    paths: str = ""


class _Findings(msgspec.Struct, forbid_unknown_fields=True):
    form: int = msgspec.field(name="kubekeepBaseline")
    paths: str
    settings: dict[str, str]
    controls: list[str]
    unevaluated: list[str] = msgspec.field(name="notEvaluated")
    findings: list[_Known]


class _Baseline(_Findings, forbid_unknown_fields=True):
    unread: list[str] = msgspec.field(name="notRead")
    gaps: list[_Gap] = msgspec.field(name="notEvaluatedOn")
    twins: list[_Twin] = msgspec.field(name="alsoIn")
    pseudonyms: str = ""


def read_known(path: Path) -> ScanRecord:
    """What the file at `path` knows: a baseline, or a report in JSON v2 of ours or of Kubescape's. Raises ReportError."""
    data = read_bytes(path)
    head = decode(path, data, _Head, "a baseline or a report in JSON v2")
    if head.form is None:
        return findings_of(path)
    if head.form not in (_FORM, _WITHOUT_TWINS) or head.paths != VERSION:
        raise ReportError(
            f"{visible(str(path))}: a baseline of another release: make it anew by `kubekeep baseline create`"
        )
    found = decode(path, data, _Baseline if head.form == _FORM else _Findings, "a baseline")
    titles = {control.id: control.title for control in builtin().controls.values()}
    controls = dict.fromkeys(map(canonical, found.controls), "")
    for number in found.unevaluated:
        controls[canonical(number)] = "no reason is kept"
    try:
        findings = tuple(_finding(item, titles) for item in found.findings)
    except ValueError as error:
        raise ReportError(f"{visible(str(path))}: not a baseline: {visible(str(error))}") from error
    known = ScanRecord(name=visible(str(path)), findings=findings, controls=controls, settings=found.settings)
    return _looked_at(known, found) if isinstance(found, _Baseline) else known


def _looked_at(known: ScanRecord, found: _Baseline) -> ScanRecord:
    """`known` with what a baseline says besides its findings."""
    resources: dict[Identity, set[str]] = {}
    for item in known.findings:
        resources.setdefault(item.identity, set()).add(item.file)
    for twin in found.twins:
        resources.setdefault(twin.resource.identity, set()).add(twin.file)
    gaps: dict[Identity, set[str]] = {}
    for gap in found.gaps:
        gaps.setdefault(gap.resource.identity, set()).add(canonical(gap.control))
    return msgspec.structs.replace(
        known,
        resources=resources,
        only_failing=True,
        gaps=gaps,
        unread=frozenset(found.unread),
        pseudonyms=visible(found.pseudonyms),
    )


def _finding(item: _Known, titles: dict[str, str]) -> RecordedFinding:
    number = canonical(item.control)
    return RecordedFinding(
        control=number,
        identity=item.resource.identity,
        path=item.path,
        file=item.file,
        copy=item.copy,
        title=titles.get(number, ""),
        level=Severity.named(item.severity) if item.severity != Severity.UNKNOWN.label else Severity.UNKNOWN,
    )


def baseline_text(found: ScanRecord) -> Iterator[str]:
    """The text, in pieces, of the baseline that knows all that was `found`."""
    head: dict[str, Any] = {"kubekeepBaseline": _FORM, "paths": VERSION}
    if found.pseudonyms:
        head["pseudonyms"] = found.pseudonyms
    head |= {
        "settings": dict(sorted(found.settings.items())),
        "controls": sorted(number for number, reason in found.controls.items() if not reason),
        "notEvaluated": sorted(number for number, reason in found.controls.items() if reason),
        "notRead": sorted(found.unread),
    }
    lists = {"findings": map(_known, found.findings), "alsoIn": _twins(found), "notEvaluatedOn": _gaps(found)}
    yield "{"
    yield ",".join(f"\n  {json_text(key)}: {json_text(value)}" for key, value in head.items())
    for key, items in lists.items():
        yield f",\n  {json_text(key)}: ["
        lines = sorted(json_text(msgspec.to_builtins(item)) for item in items)
        yield ",".join(f"\n    {line}" for line in lines)
        yield "\n  ]" if lines else "]"
    yield "\n}\n"


def _twins(found: ScanRecord) -> Iterator[_Twin]:
    """The files of resources that fail elsewhere: only for those does it matter whether a file is a new one."""
    failing: dict[Identity, set[str]] = {}
    for item in found.findings:
        failing.setdefault(item.identity, set()).add(item.file)
    for identity, files in failing.items():
        for file in (found.resources or {}).get(identity, frozenset()) - files:
            yield _Twin(file, _Object.of(identity))


def _gaps(found: ScanRecord) -> Iterator[_Gap]:
    for identity, numbers in found.gaps.items():
        for number in numbers:
            yield _Gap(number, _Object.of(identity))


def _known(item: RecordedFinding) -> _Known:
    return _Known(
        control=item.control,
        severity=item.level.label,
        resource=_Object.of(item.identity),
        path=item.path,
        file=item.file,
        copy=item.copy,
    )
