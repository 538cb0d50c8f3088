"""Streaming reader of zip archives: one entry of the directory at a time, within limits. Never extracts to disk.

The standard library loads the whole directory, which takes 150 MB for an archive of 300,000 records. Names of entries are
only shown.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

_END: Final = struct.Struct("<4s4H2IH")
_END_64_LOCATOR: Final = struct.Struct("<4sIQI")
_END_64: Final = struct.Struct("<4sQ2H2I4Q")
_ENTRY: Final = struct.Struct("<4s6H3I5H2I")
_LOCAL: Final = struct.Struct("<4s5H3I2H")
_LONGEST_COMMENT: Final = 0xFFFF
_UNKNOWN: Final = 0xFFFFFFFF
_UNKNOWN_COUNT: Final = 0xFFFF
_ENCRYPTED: Final = 1
_STORED: Final = 0
_DEFLATED: Final = 8
_CHUNK: Final = 1 << 18
_LONGEST_ENTRY: Final = _ENTRY.size + 3 * 0xFFFF
_RATIO: Final = 200
"""Maximum ratio of the content to the archive; records of advisories have about ten."""
_FREE_BYTES: Final = 32 << 20
"""Bytes of content that every archive may have."""


class ZipError(ValueError):
    """The archive or an entry is damaged, has an unsupported feature, or exceeds a limit."""


class ZipEntry(msgspec.Struct, frozen=True):
    """An entry of the directory of an archive."""

    name: str
    method: int
    flags: int
    crc: int
    compressed_size: int
    size: int
    offset: int


class ZipArchive:
    """An open archive. Methods raise ZipError and OSError."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read the end of the archive; `stream` can seek."""
        self._stream = stream
        self._size = stream.seek(0, io.SEEK_END)
        self._start, self._length, self._base = self._find_directory()

    def list_entries(self) -> Iterator[ZipEntry]:
        """Yield the entries of the directory. Raises ZipError for more content than an archive of advisories has."""
        position, end = self._start, self._start + self._length
        compressed = total = 0
        buffer, start = b"", 0
        while position < end:
            if len(buffer) - start < _LONGEST_ENTRY:
                self._stream.seek(position)
                buffer, start = self._stream.read(min(_CHUNK * 2, end - position)), 0
            entry, length = _parse_entry(buffer, start)
            start, position = start + length, position + length
            compressed += entry.compressed_size
            total += entry.size
            if compressed > self._size or total > max(_FREE_BYTES, _RATIO * self._size):
                raise ZipError("the archive has more content than an archive of advisories can have")
            yield entry

    def read(self, entry: ZipEntry, limit: int) -> bytes:
        """Return the content of an entry of at most `limit` bytes."""
        if entry.size > limit or entry.compressed_size > limit:
            raise ZipError(f"{entry.size:,} bytes; the limit is {limit:,}")
        self._seek(entry)
        data = self._stream.read(entry.compressed_size)
        if entry.method == _DEFLATED:
            try:
                data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, entry.size + 1)
            except zlib.error as error:
                raise ZipError(str(error)) from error
        if len(data) != entry.size or zlib.crc32(data) != entry.crc:
            raise ZipError("the content has another size or checksum than the directory says")
        return data

    def open(self, entry: ZipEntry) -> BinaryIO:
        """Return the content of an entry as a stream."""
        self._seek(entry)
        return io.BufferedReader(_EntryStream(self._stream, entry), _CHUNK)

    def _seek(self, entry: ZipEntry) -> None:
        """Go to the content of an entry."""
        if entry.flags & _ENCRYPTED or entry.method not in (_STORED, _DEFLATED):
            raise ZipError("the entry is encrypted or has an unknown compression")
        self._stream.seek(self._base + entry.offset)
        header = self._stream.read(_LOCAL.size)
        if len(header) < _LOCAL.size or header[:4] != b"PK\3\4":
            raise ZipError("the header of the entry is missing")
        name_length, extra_length = _LOCAL.unpack(header)[-2:]
        self._stream.seek(name_length + extra_length, io.SEEK_CUR)

    def _find_directory(self) -> tuple[int, int, int]:
        """Return the position and length of the directory, and the position to which offsets are relative."""
        tail_start = max(0, self._size - _END.size - _LONGEST_COMMENT)
        self._stream.seek(tail_start)
        tail = self._stream.read()
        start = tail.rfind(b"PK\5\6")
        if start < 0 or len(tail) - start < _END.size:
            raise ZipError("the end of the archive is missing: it is incomplete or not a zip archive")
        position = tail_start + start
        _, _, _, _, count, length, offset, _ = _END.unpack_from(tail, start)
        if _UNKNOWN in (length, offset) or count == _UNKNOWN_COUNT:
            position, length, offset = self._read_end_64(position, length, offset)
        base = position - length - offset
        if base < 0:
            raise ZipError("the directory of the archive is incomplete")
        return base + offset, length, base

    def _read_end_64(self, position: int, length: int, offset: int) -> tuple[int, int, int]:
        self._stream.seek(max(0, position - _END_64_LOCATOR.size))
        locator = self._stream.read(_END_64_LOCATOR.size)
        if locator[:4] != b"PK\6\7":
            return position, length, offset
        end = _END_64_LOCATOR.unpack(locator)[2]
        self._stream.seek(min(end, self._size))
        fields = self._stream.read(_END_64.size)
        if len(fields) < _END_64.size or fields[:4] != b"PK\6\6":
            raise ZipError("the end of the archive is damaged")
        unpacked = _END_64.unpack(fields)
        return end, unpacked[-2], unpacked[-1]


def _parse_entry(buffer: bytes, start: int) -> tuple[ZipEntry, int]:
    """Return the entry at a position of `buffer`, and its length."""
    if len(buffer) - start < _ENTRY.size or buffer[start : start + 4] != b"PK\1\2":
        raise ZipError("the directory of the archive is damaged")
    fields = _ENTRY.unpack_from(buffer, start)
    flags, method, crc, compressed_size, size = fields[3], fields[4], fields[7], fields[8], fields[9]
    name_length, extra_length, comment_length, offset = fields[10], fields[11], fields[12], fields[16]
    name_start = start + _ENTRY.size
    end = name_start + name_length
    name = buffer[name_start:end].decode("utf-8", "replace")
    if _UNKNOWN in (size, compressed_size, offset):
        size, compressed_size, offset = _read_extra(buffer[end : end + extra_length], size, compressed_size, offset)
    entry = ZipEntry(name, method, flags, crc, compressed_size, size, offset)
    return entry, _ENTRY.size + name_length + extra_length + comment_length


def _read_extra(extra: bytes, *values: int) -> tuple[int, int, int]:
    """Return values of which those that need 64 bits come from the extra field."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == 1:
            numbers = iter(struct.unpack_from(f"<{len(field) // 8}Q", field))
            size, compressed_size, offset = (
                next(numbers, _UNKNOWN) if value == _UNKNOWN else value for value in values
            )
            return size, compressed_size, offset
    raise ZipError("the directory of the archive is damaged")


class _EntryStream(io.RawIOBase):
    """The content of an entry, decompressed while it is read; its size and checksum are verified at its end."""

    def __init__(self, stream: BinaryIO, entry: ZipEntry) -> None:
        self._stream = stream
        self._entry = entry
        self._remaining = entry.compressed_size
        self._position = stream.tell()
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == _DEFLATED else None
        self._size = 0
        self._crc = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        content = self._next(len(buffer))
        self._size += len(content)
        self._crc = zlib.crc32(content, self._crc)
        if self._size > self._entry.size or (not content and (self._size, self._crc) != self._get_expected()):
            raise ZipError("the content has another size or checksum than the directory says")
        buffer[: len(content)] = content
        return len(content)

    def _get_expected(self) -> tuple[int, int]:
        return self._entry.size, self._entry.crc

    def _next(self, limit: int) -> bytes:
        """Return the next bytes, at most `limit`; empty at the end."""
        if self._inflater is None:
            return self._read(limit)
        while not self._inflater.eof:
            data = self._inflater.unconsumed_tail or self._read(_CHUNK)
            try:
                content = self._inflater.decompress(data, limit)
            except zlib.error as error:
                raise ZipError(str(error)) from error
            if content or not data:
                return content
        return b""

    def _read(self, limit: int) -> bytes:
        self._stream.seek(self._position)
        data = self._stream.read(min(limit, self._remaining))
        self._position += len(data)
        self._remaining -= len(data)
        return data
