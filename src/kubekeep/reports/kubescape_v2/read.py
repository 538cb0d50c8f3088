"""Reader of JSON v2 reports of Kubekeep and Kubescape. Invalid reports raise an error that names the file.

Decodes only the parts about results and coverage; draws no conclusions from them.
"""

from __future__ import annotations

import datetime as dt
import os
import stat
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from kubekeep.model.errors import KubekeepError
from kubekeep.model.paths import error_reason
from kubekeep.model.text import visible

T = TypeVar("T")

MAXIMUM_BYTES: Final = 1 << 30
"""Maximum size of a report; 100,000 resources need half of this."""


class ReportError(KubekeepError, ValueError):
    """An unusable report; the message starts with the file and contains no control characters."""


class ReportedSource(msgspec.Struct):
    """The origin of a resource: the folder of the scan, and the file."""

    path: str = ""
    relative_path: str = msgspec.field(name="relativePath", default="")


class ReportedResource(msgspec.Struct):
    """A resource of a report; its object is decoded only on demand."""

    id: str = msgspec.field(name="resourceID")
    object: msgspec.Raw = msgspec.Raw(b"null")
    source: ReportedSource | None = None


class StatusInfo(msgspec.Struct):
    """A status (passed, failed or skipped) with its details."""

    status: str = ""
    sub_status: str = msgspec.field(name="subStatus", default="")
    info: str = ""


class FixPath(msgspec.Struct):
    """A path and the value to set there."""

    path: str = ""
    value: str = ""


class ReportedLocation(msgspec.Struct):
    """The location of evidence; only in our reports."""

    file: str = ""
    start_line: int | None = msgspec.field(name="startLine", default=None)
    start_column: int | None = msgspec.field(name="startColumn", default=None)
    end_line: int | None = msgspec.field(name="endLine", default=None)
    end_column: int | None = msgspec.field(name="endColumn", default=None)


class PathEntry(msgspec.Struct):
    """An entry of `paths`."""

    failed: str = msgspec.field(name="failedPath", default="")
    review: str = msgspec.field(name="reviewPath", default="")
    delete: str = msgspec.field(name="deletePath", default="")
    fix: FixPath | None = msgspec.field(name="fixPath", default=None)
    command: str = msgspec.field(name="fixCommand", default="")
    message: str = ""
    """Only in our reports."""
    location: ReportedLocation | None = None
    exception: Any = None
    """Exceptions of this path; only our reports list them per path."""


class RuleResult(msgspec.Struct):
    """The result of one rule of a control for a resource."""

    status: str = ""
    sub_status: str = msgspec.field(name="subStatus", default="")
    paths: list[PathEntry] | None = None
    exceptions: Any = msgspec.field(name="exception", default=None)
    """Exceptions of the whole result; our reports also list those of single paths here."""


class ControlResult(msgspec.Struct):
    """The result of a control for a resource."""

    number: str = msgspec.field(name="controlID")
    name: str = ""
    severity: str = ""
    status: StatusInfo = msgspec.field(default_factory=StatusInfo)
    rules: list[RuleResult] | None = None


class ReportedResult(msgspec.Struct):
    """The results of all controls for a resource."""

    id: str = msgspec.field(name="resourceID")
    controls: list[ControlResult] | None = None


class Counters(msgspec.Struct):
    """Numbers of resources by result of a control."""

    skipped: int = msgspec.field(name="skippedResources", default=0)


class ControlTotals(msgspec.Struct):
    """The summary of a control over all resources."""

    name: str = ""
    severity: str = ""
    status: StatusInfo = msgspec.field(name="statusInfo", default_factory=StatusInfo)
    counters: Counters = msgspec.field(name="ResourceCounters", default_factory=Counters)


class SummaryDetails(msgspec.Struct):
    """The totals of a report."""

    controls: dict[str, ControlTotals] | None


class ScanMetadata(msgspec.Struct):
    """Options of the scan."""

    version: str = msgspec.field(name="kubescapeVersion", default="")
    target_type: str = msgspec.field(name="targetType", default="")
    targets: list[str] | None = msgspec.field(name="targetNames", default=None)
    excluded: list[str] | None = msgspec.field(name="excludedNamespaces", default=None)
    included: list[str] | None = msgspec.field(name="includeNamespaces", default=None)


class Metadata(msgspec.Struct):
    """Metadata of the report."""

    scan: ScanMetadata = msgspec.field(name="scanMetadata", default_factory=ScanMetadata)
    encryption: Any = msgspec.field(name="encryptionMetadata", default=None)


class Unevaluated(msgspec.Struct):
    """A control that could not be evaluated."""

    number: str = msgspec.field(name="controlID", default="")
    reason: str = ""


class Coverage(msgspec.Struct):
    """Coverage gaps of the scan."""

    controls: list[Unevaluated] | None = msgspec.field(name="notEvaluatedControls", default=None)
    pulls: list[Any] | None = msgspec.field(name="failedGVRPulls", default=None)


class UnreadFile(msgspec.Struct):
    """A file that could not be read."""

    file: str = ""


class KubekeepSection(msgspec.Struct):
    """The `kubekeep` object: facts that Kubescape's keys do not cover."""

    version: str = ""
    kubernetes: str = msgspec.field(name="kubernetesVersion", default="")
    unread: list[UnreadFile] | None = None
    targets: list[str] | None = None
    choice: str | None = None
    parameters: dict[str, list[str]] | None = None
    pseudonyms: str = ""


class Report(msgspec.Struct):
    """A report in JSON v2. Raises a decoding error without totals and results, even if both are empty."""

    summary: SummaryDetails = msgspec.field(name="summaryDetails")
    results: list[ReportedResult] | None
    resources: list[ReportedResource] | None = None
    generated: dt.datetime | None = msgspec.field(name="generationTime", default=None)
    metadata: Metadata = msgspec.field(default_factory=Metadata)
    coverage: Coverage | None = msgspec.field(name="scanCoverage", default=None)
    kubekeep: KubekeepSection | None = msgspec.field(name="kubekeep", default=None)


def read_report(path: Path) -> Report:
    """Read and decode the report at a path. Raises ReportError."""
    report = decode(path, read_bytes(path), Report, "a report in JSON v2")
    if report.metadata.encryption:
        raise ReportError(f"{visible(str(path))}: the report is encrypted: open it by `kubekeep decrypt` first")
    return report


def read_bytes(path: Path) -> bytes:
    """Return the bytes of the regular file at a path, up to `MAXIMUM_BYTES`. Raises ReportError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ReportError(f"{visible(str(path))}: no regular file")
            if status.st_size > MAXIMUM_BYTES:
                raise ReportError(f"{visible(str(path))}: larger than {MAXIMUM_BYTES} bytes")
            content = stream.read(MAXIMUM_BYTES)
    except OSError as error:
        raise ReportError(f"{visible(str(path))}: {error_reason(error)}") from error
    return content.removeprefix(b"\xef\xbb\xbf")


def decode(path: Path, content: bytes, document_type: type[T], description: str) -> T:
    """Decode the bytes of a file as `document_type`, called `description` in messages. Raises ReportError."""
    try:
        return msgspec.json.decode(content, type=document_type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReportError(f"{visible(str(path))}: not {description}: {visible(str(error))}") from error
