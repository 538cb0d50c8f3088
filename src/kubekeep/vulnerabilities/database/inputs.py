"""Advisory files: zip archives, JSON Lines, JSON objects and arrays, folders of them, compressed or not.

Records that cannot be read are counted and reported. Files of KEV and EPSS are recognised by their content. Never uses the
network, and memory does not depend on the size of the input.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

import msgspec

from kubekeep.model.text import visible
from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.database.compression import MAX_RECORD, zstd
from kubekeep.vulnerabilities.database.errors import AdvisoryInputError
from kubekeep.vulnerabilities.database.json_stream import JsonText, split_lines, split_objects
from kubekeep.vulnerabilities.database.records import RecordError, decode_record
from kubekeep.vulnerabilities.database.zip_archive import ZipArchive, ZipError

_NAMES: Final = (".json", ".jsonl", ".ndjson", ".zip", ".json.gz", ".jsonl.gz", ".ndjson.gz", ".csv", ".csv.gz",
                 ".json.zst", ".jsonl.zst", ".ndjson.zst", ".csv.zst")  # fmt: skip
"""Names of files that are read in a folder; a file that is named itself may have any name."""
_LINES: Final = (".jsonl", ".ndjson")
_HEAD: Final = 4096
_MOST_PROBLEMS: Final = 100
"""Unread records that are reported with their location; all are counted."""
_TOLERATED: Final = 100
_TOLERATED_SHARE: Final = 0.01
"""A source with more unread records than these two is refused: it is probably damaged, or of another kind."""
_MOST_UNREAD: Final = 10_000
"""Unread records after which reading ends: a damaged or hostile file may have hundreds of millions."""
_RATIO: Final = 200
_FREE_BYTES: Final = 32 << 20
"""Limits of decompression, as for zip archives."""
STREAM_ERRORS: Final = (OSError, EOFError, ZipError, zlib.error, zstd.ZstdError, ValueError)
"""Errors of reading a file that may be compressed."""


class UnreadRecord(msgspec.Struct, frozen=True):
    """A record that could not be read. line: 0 if the file has one record."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}{f':{self.line}' if self.line else ''}: {self.reason}"


class AdvisoryReader:
    """Reads records and counts.

    records: number of records that were read. unread: number of those that could not be, of which `problems` has the
    first ones. signal_files: files of KEV and EPSS, which are not read here.
    """

    def __init__(self) -> None:
        self.records = 0
        self.unread = 0
        self.problems: list[UnreadRecord] = []
        self.signal_files: list[Path] = []

    def read(self, path: Path) -> Iterator[Advisory]:
        """Yield the records of a file or folder. Raises AdvisoryInputError if there are none, or too many unread ones."""
        records, unread = self.records, self.unread
        if not path.exists():
            raise AdvisoryInputError(f"{visible(str(path))} does not exist")
        if not (path.is_file() or path.is_dir()):
            raise AdvisoryInputError(f"{visible(str(path))} is neither a file nor a folder")
        files = self._list_files(path) if path.is_dir() else [path]
        signals = len(self.signal_files)
        for file in files:
            yield from self._read_file(file)
        records, unread = self.records - records, self.unread - unread
        if not records and not unread and len(self.signal_files) == signals:
            raise AdvisoryInputError(
                f"{visible(str(path))} has no advisories: expected OSV records in JSON or zip files"
            )
        if unread and (not records or unread > max(_TOLERATED, _TOLERATED_SHARE * records)):
            raise AdvisoryInputError(
                f"{visible(str(path))}: {unread:,} of {records + unread:,} records cannot be read, such as "
                f"{self.problems[0] if self.problems else ''}"
            )

    def decode(self, content: bytes, file: str, line: int = 0) -> Iterator[Advisory]:
        """Yield the record in a text, or report it."""
        try:
            advisory = decode_record(content)
        except RecordError as error:
            self._report(file, line, str(error))
            return
        self.records += 1
        yield advisory

    def _list_files(self, folder: Path) -> list[Path]:
        """Return the advisory files in a folder in a fixed order. Hidden ones are skipped; others that cannot be read are reported."""
        real_folder = os.path.realpath(folder)
        files = []
        for root, folders, names in os.walk(folder, onerror=self._report_folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            entries = sorted(
                Path(root, name) for name in (*folders, *names) if name in folders or _is_advisory_name(name)
            )
            for entry in entries:
                # Targets in the folder are read by their own names.
                if not Path(os.path.realpath(entry)).is_relative_to(real_folder):
                    self._report(visible(str(entry)), 0, "a link out of the folder is not followed")
                elif entry.is_file():
                    files.append(entry)
                elif not entry.is_dir():
                    self._report(visible(str(entry)), 0, "neither a file nor a link to one")
        return files

    def _report_folder(self, error: OSError) -> None:
        self._report(visible(str(error.filename)), 0, _describe(error))

    def _read_file(self, path: Path) -> Iterator[Advisory]:
        name = visible(str(path))
        try:
            with path.open("rb") as file:
                if file.read(4)[:2] == b"PK":
                    yield from self._read_archive(file, name)
                    return
            with open_stream(path) as stream:
                head = stream.peek(_HEAD)[:_HEAD]
                if is_signal_file(head):
                    self.signal_files.append(path)
                    return
                yield from self._read_stream(stream, name, _strip_compression(path.name))
        except STREAM_ERRORS as error:
            self._report(name, 0, _describe(error))

    def _read_archive(self, file: BinaryIO, name: str) -> Iterator[Advisory]:
        archive = ZipArchive(file)
        for entry in archive.list_entries():
            entry_name = f"{name}!{visible(entry.name)}"
            if not entry.name.lower().endswith((".json", *_LINES)):
                continue
            try:
                if entry.size > MAX_RECORD or not entry.name.endswith(".json"):
                    yield from self._read_stream(_buffer(archive.open(entry)), entry_name, entry.name)
                else:
                    yield from self._read_small(archive.read(entry, MAX_RECORD), entry_name)
            except STREAM_ERRORS as error:
                self._report(entry_name, 0, _describe(error))

    def _read_small(self, content: bytes, name: str) -> Iterator[Advisory]:
        """Read a file of usually one record."""
        with contextlib.suppress(RecordError):
            advisory = decode_record(content)
            self.records += 1
            yield advisory
            return
        yield from self._read_stream(_buffer(io.BytesIO(content)), name, ".json")

    def _read_stream(self, stream: io.BufferedReader, name: str, file_name: str) -> Iterator[Advisory]:
        is_lines = file_name.lower().endswith(_LINES) or _has_lines(stream.peek(_HEAD))
        text: JsonText
        for text in split_lines(stream) if is_lines else split_objects(stream):
            if text.problem:
                self._report(name, text.line, text.problem)
            else:
                yield from self.decode(text.content, name, text.line)

    def _report(self, file: str, line: int, reason: str) -> None:
        self.unread += 1
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(UnreadRecord(file, line, reason))
        if self.unread > _MOST_UNREAD:
            raise AdvisoryInputError(
                f"{file}: more than {_MOST_UNREAD:,} records cannot be read, such as {self.problems[0]}"
            )


def _is_advisory_name(name: str) -> bool:
    # The index of a mirror is no file of EPSS.
    return not name.startswith(".") and name.lower().endswith(_NAMES) and name != "modified_id.csv"


def is_signal_file(head: bytes) -> bool:
    """Return True for the beginning of the catalogue of known exploited vulnerabilities or of EPSS scores."""
    return is_exploited_catalogue(head) or is_epss(head)


def is_exploited_catalogue(head: bytes) -> bool:
    """Return True for the beginning of CISA's catalogue."""
    return head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{") and b'"catalogVersion"' in head


def is_epss(head: bytes) -> bool:
    """Return True for the beginning of a file of EPSS scores."""
    return head.startswith(b"#model_version") or head.lower().startswith(b"cve,epss")


@contextlib.contextmanager
def open_stream(path: Path) -> Iterator[io.BufferedReader]:
    """Yield the content of a file, decompressed. Reading raises OSError, EOFError, zlib.error or ZstdError."""
    with path.open("rb") as file:
        magic = file.peek(4)[:4]
        limit = max(_FREE_BYTES, _RATIO * path.stat().st_size)
        if magic[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield _buffer(cast("BinaryIO", unpacked), limit)
        elif magic == b"\x28\xb5\x2f\xfd":
            with zstd.ZstdFile(file) as unpacked_zstd:
                yield _buffer(cast("BinaryIO", unpacked_zstd), limit)
        else:
            yield file


def _buffer(stream: BinaryIO, limit: int | None = None) -> io.BufferedReader:
    if limit is None and isinstance(stream, io.BufferedReader):
        return stream
    return io.BufferedReader(_LimitedStream(stream, limit), 1 << 18)


class _LimitedStream(io.RawIOBase):
    """A stream of at most `limit` bytes; more are an error."""

    def __init__(self, stream: BinaryIO, limit: int | None) -> None:
        self._stream = stream
        self._remaining = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        content = self._stream.read(len(buffer))
        if self._remaining is not None:
            self._remaining -= len(content)
            if self._remaining < 0:
                raise OSError("the content is much larger than its compressed form: probably a decompression bomb")
        buffer[: len(content)] = content
        return len(content)


def _has_lines(head: bytes) -> bool:
    """Return True if the first line is an object of its own."""
    line, newline, rest = head.partition(b"\n")
    line = line.strip()
    return bool(newline and rest.strip()) and line.startswith(b"{") and line.endswith(b"}")


def _strip_compression(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".zst")


def _describe(error: Exception) -> str:
    return visible(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def report_problems(problems: Iterable[UnreadRecord], unread: int) -> list[str]:
    """Return lines for people about unread records."""
    lines = [str(problem) for problem in problems]
    if unread > len(lines):
        lines.append(f"and {unread - len(lines):,} more")
    return lines
