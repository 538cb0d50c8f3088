"""Reports in JSON v2, of ours and of Kubescape's, read into values; hostile ones end in an error that names the file.

Reads the parts that tell what was found and what was looked at; never says what follows from them.
"""

from __future__ import annotations

import datetime as dt
import os
import stat
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from kubekeep.model.paths import error_reason
from kubekeep.model.text import visible

T = TypeVar("T")

MAXIMUM_BYTES: Final = 1 << 30
"""Reports are larger than manifests: 100,000 resources make half of this."""


class ReportError(ValueError):
    """A report that cannot be used, and why; the message starts with the file and steers no terminal."""


class Source(msgspec.Struct):
    """Where an object came from: the folder of the scan, and its file."""

    path: str = ""
    relative_path: str = msgspec.field(name="relativePath", default="")


class Item(msgspec.Struct):
    """One object of a report; decoded only when somebody asks for it."""

    id: str = msgspec.field(name="resourceID")
    object: msgspec.Raw = msgspec.Raw(b"null")
    source: Source | None = None


class StatusInfo(msgspec.Struct):
    """passed, failed or skipped, and more words about it."""

    status: str = ""
    sub_status: str = msgspec.field(name="subStatus", default="")
    info: str = ""


class Fix(msgspec.Struct):
    """A path and what to set there."""

    path: str = ""
    value: str = ""


class Lines(msgspec.Struct):
    """Where a place is; ours alone has it."""

    file: str = ""
    start_line: int | None = msgspec.field(name="startLine", default=None)
    start_column: int | None = msgspec.field(name="startColumn", default=None)
    end_line: int | None = msgspec.field(name="endLine", default=None)
    end_column: int | None = msgspec.field(name="endColumn", default=None)


class Entry(msgspec.Struct):
    """One entry of `paths`."""

    failed: str = msgspec.field(name="failedPath", default="")
    review: str = msgspec.field(name="reviewPath", default="")
    delete: str = msgspec.field(name="deletePath", default="")
    fix: Fix | None = msgspec.field(name="fixPath", default=None)
    command: str = msgspec.field(name="fixCommand", default="")
    location: Lines | None = None
    exception: Any = None
    """What accepts the place; ours alone tells it place by place."""


class Rule(msgspec.Struct):
    """What one rule of a control says of a resource."""

    status: str = ""
    sub_status: str = msgspec.field(name="subStatus", default="")
    paths: list[Entry] | None = None
    exceptions: Any = msgspec.field(name="exception", default=None)
    """What accepts all of it; ours lists what accepts some of it, too."""


class Outcome(msgspec.Struct):
    """What a control says of a resource."""

    number: str = msgspec.field(name="controlID")
    name: str = ""
    severity: str = ""
    status: StatusInfo = msgspec.field(default_factory=StatusInfo)
    rules: list[Rule] | None = None


class Result(msgspec.Struct):
    """What the controls say of one resource."""

    id: str = msgspec.field(name="resourceID")
    controls: list[Outcome] | None = None


class Counters(msgspec.Struct):
    """Resources by what a control says of them."""

    skipped: int = msgspec.field(name="skippedResources", default=0)


class Summary(msgspec.Struct):
    """One control over all resources."""

    name: str = ""
    severity: str = ""
    status: StatusInfo = msgspec.field(name="statusInfo", default_factory=StatusInfo)
    counters: Counters = msgspec.field(name="ResourceCounters", default_factory=Counters)


class Details(msgspec.Struct):
    """The sums of a report."""

    controls: dict[str, Summary] | None


class ScanMetadata(msgspec.Struct):
    """How the scan was asked for."""

    version: str = msgspec.field(name="kubescapeVersion", default="")
    target_type: str = msgspec.field(name="targetType", default="")
    targets: list[str] | None = msgspec.field(name="targetNames", default=None)
    excluded: list[str] | None = msgspec.field(name="excludedNamespaces", default=None)
    included: list[str] | None = msgspec.field(name="includeNamespaces", default=None)


class Metadata(msgspec.Struct):
    """What the report says of itself."""

    scan: ScanMetadata = msgspec.field(name="scanMetadata", default_factory=ScanMetadata)
    encryption: Any = msgspec.field(name="encryptionMetadata", default=None)


class Unevaluated(msgspec.Struct):
    """A control that could not be evaluated."""

    number: str = msgspec.field(name="controlID", default="")
    reason: str = ""


class Coverage(msgspec.Struct):
    """What was not looked at."""

    controls: list[Unevaluated] | None = msgspec.field(name="notEvaluatedControls", default=None)
    pulls: list[Any] | None = msgspec.field(name="failedGVRPulls", default=None)


class UnreadFile(msgspec.Struct):
    """A file that could not be read."""

    file: str = ""


class Own(msgspec.Struct):
    """Our addition to the report."""

    version: str = ""
    kubernetes: str = msgspec.field(name="kubernetesVersion", default="")
    unread: list[UnreadFile] | None = None
    targets: list[str] | None = None
    choice: str | None = None
    parameters: dict[str, list[str]] | None = None
    pseudonyms: str = ""


class Report(msgspec.Struct):
    """A report in JSON v2. Without sums and results it is none, however empty it may be."""

    summary: Details = msgspec.field(name="summaryDetails")
    results: list[Result] | None
    resources: list[Item] | None = None
    generated: dt.datetime | None = msgspec.field(name="generationTime", default=None)
    metadata: Metadata = msgspec.field(default_factory=Metadata)
    coverage: Coverage | None = msgspec.field(name="scanCoverage", default=None)
    own: Own | None = msgspec.field(name="kubekeep", default=None)


def read_report(path: Path) -> Report:
    """The report at `path`. Raises ReportError."""
    report = decoded(path, content(path), Report, "a report in JSON v2")
    if report.metadata.encryption:
        raise ReportError(f"{visible(str(path))}: the report is encrypted: open it by `kubekeep decrypt` first")
    return report


def content(path: Path) -> bytes:
    """The bytes of the regular file at `path`, which may be large but not endless. Raises ReportError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise ReportError(f"{visible(str(path))}: no regular file")
            if found.st_size > MAXIMUM_BYTES:
                raise ReportError(f"{visible(str(path))}: larger than {MAXIMUM_BYTES} bytes")
            data = stream.read(MAXIMUM_BYTES)
    except OSError as error:
        raise ReportError(f"{visible(str(path))}: {error_reason(error)}") from error
    return data.removeprefix(b"\xef\xbb\xbf")


def decoded(path: Path, data: bytes, shape: type[T], what: str) -> T:
    """`data` of the file at `path` in that `shape`, which messages call `what`. Raises ReportError."""
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReportError(f"{visible(str(path))}: not {what}: {visible(str(error))}") from error
