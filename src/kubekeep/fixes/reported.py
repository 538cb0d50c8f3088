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
from kubekeep.model.text import visible
from kubekeep.reports.kubescape_v2.read import Report, ReportedResource, ReportError, read_report


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
    report = read_report(path)
    made = report.generated
    if made is None:
        raise ReportError(f"{visible(str(path))}: not a report in JSON v2: it does not say when it was made")
    findings = _findings(report)
    failing = sorted({file for file, *_ in findings})
    made = made if made.tzinfo else made.replace(tzinfo=dt.UTC)
    stale = [file for file in failing if _changed(file) > made.timestamp() + 1]
    return Reported(
        files=tuple(_shown(file) for file in failing if file not in stale),
        stale=tuple(_shown(file) for file in stale),
        controls=tuple(sorted({number for *_, number in findings})),
        findings=frozenset(findings),
    )


def _findings(report: Report) -> set[tuple[str, str, str]]:
    """File, identity of the object and number of the control of each failure."""
    files = {item.id: file for item in report.resources or () if (file := _file(item))}
    return {
        (files[result.id], result.id.partition("/api=")[2] or result.id, verdict.number)
        for result in report.results or ()
        if result.id in files
        for verdict in result.controls or ()
        if verdict.status.status == "failed"
    }


def _file(item: ReportedResource) -> str:
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
