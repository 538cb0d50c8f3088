"""Members of a tar archive, compressed or not, in order. Reads forward only, and writes nothing.

tarfile parses the headers from a bounded stream, because it reads headers (long names, pax records, sparse maps) of any
size into memory. Only files and folders are members; links, devices and sparse files are rejected.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final, Protocol, cast

from kubekeep.sources.archive.member import CHUNK, ArchiveError, Member

GZIP: Final = b"\x1f\x8b"
_BZIP2: Final = b"BZh"
_XZ: Final = b"\xfd7zXZ\x00"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_END: Final = bytes(tarfile.BLOCKSIZE)
_MOST_HEADER: Final = 1 << 20
"""Maximum bytes of all headers of one member."""
_MOST_GLOBAL: Final = 100
"""Maximum number of global pax records; git writes one."""
_MOST_XZ_MEMORY: Final = 128 << 20
"""Bytes: twice the memory of `xz -9`."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def read_members(file: BinaryIO, head: bytes, limit: int) -> Iterator[Member]:
    """Yield the members of an archive; head: its first bytes; limit: maximum unpacked bytes.

    Raises ArchiveError at the member with the error.
    """
    stream = _Forward(_decompress(file, head), limit)
    try:
        yield from _members(stream)
    except tarfile.TarError as error:
        raise ArchiveError(f"damaged or not an archive: {error}") from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise ArchiveError("damaged: invalid header") from error


def _members(stream: _Forward) -> Iterator[Member]:
    # tarfile only reads and seeks.
    with tarfile.TarFile(fileobj=cast("BinaryIO", stream), mode="r") as tar:
        name = ""
        while (member := tar.next()) is not None:
            if member.name == "" or member.size < 0:
                raise ArchiveError("damaged: invalid header", name)
            name = member.name
            if len(tar.pax_headers) > _MOST_GLOBAL:
                raise ArchiveError(f"more than {_MOST_GLOBAL} global header records", name)
            if not (member.isreg() or member.isdir()) or member.issparse():
                raise ArchiveError(f"{_describe_kind(member)}: only regular files and folders are supported", name)
            yield Member(name, member.isdir(), member.size, stream.content(member.size, name))
            # tarfile keeps all members in memory.
            tar.members.clear()  # type: ignore[attr-defined]  # typeshed leaves it out
            stream.begin_header()
        stream.finish(name)


def _describe_kind(member: tarfile.TarInfo) -> str:
    if member.issym():
        return "symbolic link"
    if member.islnk():
        return "hard link"
    if member.issparse():
        return "sparse file"
    return "device or pipe" if member.isdev() else "special file"


class _Forward:
    """Forward-only stream for tarfile, with limits on headers and the total size."""

    def __init__(self, stream: _Readable, limit: int) -> None:
        self._stream = stream
        self._most = limit
        self._at = 0
        self._header_left = _MOST_HEADER
        self._last = b""

    def begin_header(self) -> None:
        """Reset the limit for the headers of the next member."""
        self._header_left = _MOST_HEADER

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int) -> int:
        """Skip to `offset`, or to the end of the stream."""
        if offset < self._at:
            raise ArchiveError("damaged: invalid size")
        while self._at < offset and self._read_chunk(min(CHUNK, offset - self._at)):
            pass
        return self._at

    def read(self, size: int) -> bytes:
        """Read blocks of headers."""
        if not 0 <= size <= self._header_left:
            raise ArchiveError(f"header larger than {_MOST_HEADER} bytes")
        self._header_left -= size
        self._last = self._read_whole(size)
        return self._last

    def content(self, size: int, name: str) -> Iterator[bytes]:
        """Yield the content of the member after its header was read."""
        while size:
            chunk = self._read_chunk(min(CHUNK, size))
            if not chunk:
                raise ArchiveError("truncated", name)
            size -= len(chunk)
            yield chunk

    def finish(self, name: str) -> None:
        """Read to the end, to verify checksums; tarfile takes any invalid header for the end."""
        if self._last != _END:
            raise ArchiveError("damaged or truncated after this entry" if name else "not an archive", name)
        while chunk := self._read_chunk(CHUNK):
            if chunk.strip(b"\0"):
                raise ArchiveError("content after the end of the archive")

    def _read_whole(self, size: int) -> bytes:
        parts = []
        while size and (chunk := self._read_chunk(size)):
            parts.append(chunk)
            size -= len(chunk)
        return b"".join(parts)

    def _read_chunk(self, size: int) -> bytes:
        try:
            chunk = self._stream.read(size)
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            raise ArchiveError(f"damaged or truncated: {error}") from error
        self._at += len(chunk)
        if self._at > self._most:
            raise ArchiveError(f"larger than {self._most} bytes when unpacked")
        return chunk


def _decompress(file: BinaryIO, head: bytes) -> _Readable:
    """Return the decompressed stream; the compression is detected by the first bytes."""
    if head.startswith(GZIP):
        return gzip.GzipFile(fileobj=file, mode="rb")
    if head.startswith(_BZIP2):
        return bz2.BZ2File(file)
    if head.startswith(_XZ):
        return _Xz(file)
    if head.startswith(_ZSTD):
        raise ArchiveError("Zstandard compression is not supported: unpack the archive, or use gzip or xz")
    return file


class _Xz:
    """Decompressor of xz with a memory limit, which lzma.LZMAFile does not have."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._input = b""
        self._inner = self._new()

    def read(self, size: int, /) -> bytes:
        while True:
            if self._inner.eof:
                self._input = (self._inner.unused_data or self._file.read(CHUNK)).lstrip(b"\0")
                if not self._input:
                    return b""
                self._inner = self._new()
            elif self._inner.needs_input and not self._input:
                self._input = self._file.read(CHUNK)
                if not self._input:
                    raise EOFError("truncated")
            data = self._inner.decompress(self._input, size)
            self._input = b""
            if data:
                return data

    @staticmethod
    def _new() -> _Decompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_XZ_MEMORY)
