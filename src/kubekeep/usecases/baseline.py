"""Baselines: what is already known and accepted for now, as a small file that reads well in a review.

One finding a line, sorted, without anything that a scan of the same files would not say again; never a secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from kubekeep.library.load import builtin
from kubekeep.model.comparison import Finding, Scanned
from kubekeep.model.fingerprint import VERSION, Identity
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_text, visible
from kubekeep.usecases.findings import canonical, findings_of
from kubekeep.usecases.json_report import ReportError, content, decoded

_FORM = 1
"""The form of the file; a reader refuses others."""


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


class _Head(msgspec.Struct):
    form: int | None = msgspec.field(name="kubekeepBaseline", default=None)
    paths: str = ""


class _Baseline(msgspec.Struct, forbid_unknown_fields=True):
    form: int = msgspec.field(name="kubekeepBaseline")
    paths: str
    settings: dict[str, str]
    controls: list[str]
    unevaluated: list[str] = msgspec.field(name="notEvaluated")
    findings: list[_Known]


def read_known(path: Path) -> Scanned:
    """What the file at `path` knows: a baseline, or a report in JSON v2 of ours or of Kubescape's. Raises ReportError."""
    data = content(path)
    head = decoded(path, data, _Head, "a baseline or a report in JSON v2")
    if head.form is None:
        return findings_of(path)
    if head.form != _FORM or head.paths != VERSION:
        raise ReportError(
            f"{visible(str(path))}: a baseline of another release: make it anew by `kubekeep baseline create`"
        )
    found = decoded(path, data, _Baseline, "a baseline")
    titles = {control.id: control.title for control in builtin().controls.values()}
    controls = dict.fromkeys(map(canonical, found.controls), "")
    for number in found.unevaluated:
        controls[canonical(number)] = "no reason is kept"
    try:
        findings = tuple(_finding(item, titles) for item in found.findings)
    except ValueError as error:
        raise ReportError(f"{visible(str(path))}: not a baseline: {visible(str(error))}") from error
    return Scanned(name=visible(str(path)), findings=findings, controls=controls, settings=found.settings)


def _finding(item: _Known, titles: dict[str, str]) -> Finding:
    number = canonical(item.control)
    return Finding(
        control=number,
        identity=item.resource.identity,
        path=item.path,
        file=item.file,
        copy=item.copy,
        title=titles.get(number, ""),
        level=Severity.named(item.severity) if item.severity != Severity.UNKNOWN.label else Severity.UNKNOWN,
    )


def baseline_text(found: Scanned) -> Iterator[str]:
    """The lines of the baseline that accepts all that was `found`, each with its line feed."""
    head = {
        "kubekeepBaseline": _FORM,
        "paths": VERSION,
        "settings": dict(sorted(found.settings.items())),
        "controls": sorted(number for number, reason in found.controls.items() if not reason),
        "notEvaluated": sorted(number for number, reason in found.controls.items() if reason),
    }
    yield "{\n"
    yield from (f"  {json_text(key)}: {json_text(value)},\n" for key, value in head.items())
    yield '  "findings": ['
    lines = sorted(json_text(msgspec.to_builtins(_known(item))) for item in found.findings)
    yield from (f"{',' if index else ''}\n    {line}" for index, line in enumerate(lines))
    yield "\n  ]\n}\n"


def _known(item: Finding) -> _Known:
    return _Known(
        control=item.control,
        severity=item.level.label,
        resource=_Object.of(item.identity),
        path=item.path,
        file=item.file,
        copy=item.copy,
    )
