"""Parts of reports: Kubescape and its image scanner send long reports in numbered parts, in any order. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from kubekeep_server.foreign.decoding import MAX_BYTES, ForeignDocumentError, decode, shorten


class PageMarks(msgspec.Struct, frozen=True):
    """The number of a part, from 0, and true for the last one."""

    number: int = msgspec.field(name="chunkNumber", default=0)
    is_last: bool = msgspec.field(name="isLastChunk", default=False)


class ReportPart(Protocol):
    """A decoded part of a report. marks: None in a file, which is whole."""

    @property
    def report(self) -> str:
        """Identity of the report that the part belongs to."""

    @property
    def marks(self) -> PageMarks | None:
        """Position of the part in the report."""


P = TypeVar("P", bound=ReportPart)


class PartHeader(msgspec.Struct, frozen=True):
    """The identity of a report, by which its parts are collected, the name of its cluster, and the position of one of them.

    Parts of `/k8s/v2/postureReport` have `reportGUID`, those of `/k8s/v2/containerScan` have `containersScanID`.
    """

    posture_report: str = msgspec.field(name="reportGUID", default="")
    container_scan: str = msgspec.field(name="containersScanID", default="")
    cluster: str = msgspec.field(name="clusterName", default="")
    marks: PageMarks | None = msgspec.field(name="paginationInfo", default=None)

    @property
    def report(self) -> str:
        """The identity of the report; empty in a file."""
        return self.posture_report or self.container_scan


def read_header(document: bytes) -> PartHeader:
    """Return the header of a part. Raises ForeignDocumentError."""
    return decode(document, PartHeader, "a part of a report")


def is_complete(headers: Sequence[PartHeader]) -> bool:
    """Return True if these are all parts of a report, each once."""
    return _find_problem(headers) == ""


def decode_parts(documents: Sequence[bytes], kind: type[P], description: str) -> list[P]:
    """Return all parts of one report in their order. Raises ForeignDocumentError if one is missing."""
    if sum(map(len, documents)) > MAX_BYTES:
        raise ForeignDocumentError(f"the parts of {description} may have {MAX_BYTES >> 20} MiB together")
    # A sender that gets no answer sends a part again.
    parts = [decode(document, kind, description) for document in dict.fromkeys(documents)]
    if problem := _find_problem(parts):
        raise ForeignDocumentError(f"{description}: {problem}")
    return sorted(parts, key=lambda part: part.marks.number if part.marks else 0)


def _find_problem(parts: Sequence[ReportPart]) -> str:
    """Return the reason why the parts are no whole report; empty if they are one."""
    reports = sorted({part.report for part in parts})
    if len(reports) != 1:
        return f"parts of several reports: {shorten(', '.join(reports))}" if reports else "there is no part"
    marks = [part.marks for part in parts if part.marks is not None]
    if not marks:
        return "" if len(parts) == 1 else "several documents without paginationInfo"
    return _find_missing_part(marks, len(parts))


def _find_missing_part(marks: Sequence[PageMarks], count: int) -> str:
    numbers = {mark.number for mark in marks}
    missing = next((number for number in range(count) if number not in numbers), None)
    if missing is not None:
        return f"part {missing} is missing, send all parts"
    last = [mark.number for mark in marks if mark.is_last]
    return "" if last == [count - 1] else f"the part after {count - 1} is missing, send all parts"
