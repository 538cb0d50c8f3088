"""Members of a zip archive, in the order of its table of contents. Writes nothing, supports no passwords."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final, cast

from kubekeep.sources.archive.member import CHUNK, ArchiveError, Bounded, Member

MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06")
_MOST_TABLE: Final = 8 << 20
"""Maximum bytes of the table of contents, which zipfile reads at once: at least 80,000 names."""
_ENCRYPTED: Final = 0x1
_UTF8: Final = 0x800
_LOCAL_HEADER: Final = 30
"""Bytes of a local header without its name (APPNOTE 4.3.7)."""


def read_members(file: BinaryIO, limit: int) -> Iterator[Member]:
    """Yield the members of an archive; limit: maximum unpacked bytes. Raises ArchiveError."""
    try:
        with zipfile.ZipFile(cast("BinaryIO", Bounded(file, _MOST_TABLE))) as archive:
            infos = archive.infolist()
            _check(infos, archive.start_dir, limit)
            for info in infos:
                yield Member(info.orig_filename, info.is_dir(), info.file_size, _read_content(archive, info))
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError) as error:
        raise ArchiveError(f"damaged or not an archive: {error}") from error
    except (RuntimeError, ValueError, OverflowError) as error:
        raise ArchiveError(f"cannot be read: {error}") from error


def _check(infos: Sequence[zipfile.ZipInfo], next_start: int, limit: int) -> None:
    total = 0
    for info in sorted(infos, key=lambda info: info.header_offset, reverse=True):
        name = info.orig_filename
        _check_kind(info)
        total += info.file_size
        if total > limit:
            raise ArchiveError(f"larger than {limit} bytes when unpacked", name)
        length = len(name.encode("utf-8" if info.flag_bits & _UTF8 else "cp437", "replace"))
        # Members that share content could make a small archive endless.
        if info.header_offset + _LOCAL_HEADER + length + info.compress_size > next_start:
            raise ArchiveError("overlaps with another entry", name)
        next_start = info.header_offset


def _check_kind(info: zipfile.ZipInfo) -> None:
    name = info.orig_filename
    if info.flag_bits & _ENCRYPTED:
        raise ArchiveError("encrypted", name)
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        # Other methods decompress whole blocks of any size.
        raise ArchiveError("unsupported compression method: only stored and deflated entries are supported", name)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise ArchiveError("symbolic link: only regular files and folders are supported", name)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise ArchiveError("special file: only regular files and folders are supported", name)
    if info.is_dir() and info.file_size:
        raise ArchiveError("folder with content", name)


def _read_content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    left = info.file_size
    try:
        with archive.open(info) as stream:
            while chunk := stream.read(CHUNK):
                left -= len(chunk)
                yield chunk
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError) as error:
        raise ArchiveError(f"damaged: {error}", info.orig_filename) from error
    if left:
        raise ArchiveError("damaged: size differs from the table of contents", info.orig_filename)
