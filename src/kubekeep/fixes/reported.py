"""Failures listed in a JSON v2 report of Kubekeep or Kubescape, to find them again in a new scan.

Only locates failures; values and fixes in the report are never used.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH113, PTH116, PTH118

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import msgspec

from kubekeep.model.definition import Definition
from kubekeep.model.resource import Resource
from kubekeep.model.text import visible
from kubekeep.reports.kubescape_v2.read import Report, ReportedResource, ReportError, read_report


class ReportedFailures(msgspec.Struct, frozen=True):
    """Failures of a report: the unchanged files to scan again, the controls, and (file, object, control) per failure."""

    files: tuple[str, ...]
    stale: tuple[str, ...]
    """Files changed since the report was made."""
    controls: tuple[str, ...]
    findings: frozenset[tuple[str, str, str]]

    def contains(self, resource: Resource, control: Definition) -> bool:
        """Return True if the report contains a failure of the control for the resource."""
        if resource.source is None:
            return any(self.contains(related, control) for related in resource.related)
        file = os.path.realpath(resource.source.path)
        return any((file, resource.identity, number) in self.findings for number in (*control.ids, control.slug))


def read_reported_failures(path: Path) -> ReportedFailures:
    """Read the failures of a report. Raises ReportError."""
    report = read_report(path)
    created = report.generated
    if created is None:
        raise ReportError(f"{visible(str(path))}: not a report in JSON v2: it has no time stamp")
    findings = _list_failures(report)
    failing = sorted({file for file, *_ in findings})
    created = created if created.tzinfo else created.replace(tzinfo=dt.UTC)
    stale = [file for file in failing if _get_modification_time(file) > created.timestamp() + 1]
    return ReportedFailures(
        files=tuple(_shorten(file) for file in failing if file not in stale),
        stale=tuple(_shorten(file) for file in stale),
        controls=tuple(sorted({number for *_, number in findings})),
        findings=frozenset(findings),
    )


def _list_failures(report: Report) -> set[tuple[str, str, str]]:
    """Return file, object identity and control number of each failure."""
    files = {resource.id: file for resource in report.resources or () if (file := _find_file(resource))}
    return {
        (files[result.id], result.id.partition("/api=")[2] or result.id, verdict.number)
        for result in report.results or ()
        if result.id in files
        for verdict in result.controls or ()
        if verdict.status.status == "failed"
    }


def _find_file(resource: ReportedResource) -> str:
    """Return the real path of the file of an object: relative to the working or the scanned folder; "" if missing."""
    if resource.source is None or not resource.source.relative_path:
        return ""
    candidates: list[Any] = [
        resource.source.relative_path,
        os.path.join(resource.source.path, resource.source.relative_path),
    ]
    return next((os.path.realpath(candidate) for candidate in candidates if os.path.isfile(candidate)), "")


def _get_modification_time(file: str) -> float:
    return os.stat(file).st_mtime


def _shorten(file: str) -> str:
    relative = os.path.relpath(file)
    return file if relative.startswith(os.pardir) else relative
