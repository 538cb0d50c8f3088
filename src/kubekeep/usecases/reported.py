"""The findings that a report in JSON names, so that they can be found again. Never trusts its values: a scan tells those.

Reads our own format and Kubescape's version 2, which it follows.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH113, PTH116, PTH118

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import msgspec

from kubekeep.model.control import Control
from kubekeep.model.resource import Resource


class ReportError(ValueError):
    """A report that cannot be used, and why."""


class _Source(msgspec.Struct):
    path: str = ""
    relative_path: str = msgspec.field(name="relativePath", default="")


class _Object(msgspec.Struct):
    id: str = msgspec.field(name="resourceID")
    source: _Source | None = None


class _Status(msgspec.Struct):
    status: str = ""


class _Verdict(msgspec.Struct):
    number: str = msgspec.field(name="controlID")
    status: _Status = msgspec.field(default_factory=_Status)


class _Result(msgspec.Struct):
    id: str = msgspec.field(name="resourceID")
    controls: list[_Verdict] | None = None


class _Report(msgspec.Struct):
    generated: dt.datetime = msgspec.field(name="generationTime")
    resources: list[_Object] | None = None
    results: list[_Result] | None = None


class Reported(msgspec.Struct, frozen=True):
    """What failed: files that are to be scanned again, the controls, and which control failed for which object."""

    files: tuple[str, ...]
    stale: tuple[str, ...]
    """Files that have changed since the report was made."""
    controls: tuple[str, ...]
    findings: frozenset[tuple[str, str, str]]

    def has(self, resource: Resource, control: Control) -> bool:
        """Whether the report says that `control` failed for `resource`."""
        if resource.source is None:
            return any(self.has(item, control) for item in resource.related)
        file = os.path.realpath(resource.source.path)
        return any((file, resource.identity, number) in self.findings for number in (*control.ids, control.slug))


def reported(path: Path) -> Reported:
    """What the report at `path` says. Raises ReportError."""
    try:
        report = msgspec.json.decode(path.read_bytes(), type=_Report)
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: not a report in JSON v2: {error}") from error
    findings = _findings(report)
    failing = sorted({file for file, *_ in findings})
    made = report.generated if report.generated.tzinfo else report.generated.replace(tzinfo=dt.UTC)
    stale = [file for file in failing if _changed(file) > made.timestamp() + 1]
    return Reported(
        files=tuple(_shown(file) for file in failing if file not in stale),
        stale=tuple(_shown(file) for file in stale),
        controls=tuple(sorted({number for *_, number in findings})),
        findings=frozenset(findings),
    )


def _findings(report: _Report) -> set[tuple[str, str, str]]:
    """File, identity of the object and number of the control of each failure."""
    files = {item.id: file for item in report.resources or () if (file := _file(item))}
    return {
        (files[result.id], result.id.partition("/api=")[2] or result.id, verdict.number)
        for result in report.results or ()
        if result.id in files
        for verdict in result.controls or ()
        if verdict.status.status == "failed"
    }


def _file(item: _Object) -> str:
    """The file of an object: below the folder that was scanned, or as it was named then."""
    if item.source is None or not item.source.relative_path:
        return ""
    places: list[Any] = [item.source.relative_path, os.path.join(item.source.path, item.source.relative_path)]
    return next((os.path.realpath(place) for place in places if os.path.isfile(place)), "")


def _changed(file: str) -> float:
    return os.stat(file).st_mtime


def _shown(file: str) -> str:
    near = os.path.relpath(file)
    return file if near.startswith(os.pardir) else near
