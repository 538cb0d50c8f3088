"""The files of a VEX repository: in a tar archive (gzip, bzip2, xz), a zip archive or a folder, within limits.

No file is written under a name of the archive, and links lead to files of the same archive or folder only.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import posixpath
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from kubekeep.images.access.tar_index import TarIndex
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import visible
from kubekeep.vulnerabilities.database.errors import AdvisoryInputError
from kubekeep.vulnerabilities.database.vex_repositories.index import INDEX
from kubekeep.vulnerabilities.database.zip_archive import ZipArchive, ZipEntry, ZipError

MAX_ARCHIVE: Final = 256 << 20
_MOST_BYTES: Final = 1 << 30
"""Bytes of an unpacked archive."""
_RATIO: Final = 200
_FREE_BYTES: Final = 32 << 20
"""Limits of decompression, as for archives of advisories."""
_MOST_FILES: Final = 100_000
_MOST_XZ_MEMORY: Final = 128 << 20
"""Bytes: twice the memory of `xz -9`."""
_CHUNK: Final = 1 << 18
_TAR: Final = b"ustar"
_TAR_OFFSET: Final = 257
_HEAD: Final = 512
_DAMAGE: Final = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)


class RepositoryFiles(Protocol):
    """The files of a repository."""

    def list_indexes(self) -> Iterable[str]:
        """Return the paths of files with the name of the index."""

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a file of at most `limit` bytes. Raises AdvisoryInputError."""


@contextlib.contextmanager
def open_repository(path: Path, staging: Path) -> Iterator[RepositoryFiles]:
    """Yield the files of an archive or a folder. staging: a private folder for temporary files.

    Raises AdvisoryInputError.
    """
    if path.is_dir():
        yield _FolderFiles(path)
        return
    try:
        with path.open("rb") as file:
            if file.seek(0, io.SEEK_END) > MAX_ARCHIVE:
                raise AdvisoryInputError(f"the archive has more than {MAX_ARCHIVE:,} bytes")
            file.seek(0)
            head = file.read(_HEAD)
            file.seek(0)
            if head.startswith(b"PK"):
                yield _ZipFiles(file)
                return
            unpacked = staging / "repository.tar"
            try:
                _unpack(_decompress(file, head), unpacked, path.stat().st_size)
                yield _TarFiles(unpacked)
            finally:
                unpacked.unlink(missing_ok=True)
    except _DAMAGE as error:
        raise AdvisoryInputError(f"the archive cannot be read: {visible(str(error))}") from error


def find_root(files: RepositoryFiles, folder: str = "") -> str:
    """Return the folder with the index: the named one, else the root or the only folder in the root.

    Raises AdvisoryInputError without one.
    """
    indexes = set(files.list_indexes())
    if folder:
        expected = posixpath.normpath(folder)
        if f"{expected}/{INDEX}" not in indexes:
            raise AdvisoryInputError(f"there is no {INDEX} in the folder {visible(folder)}")
        return expected
    if INDEX in indexes:
        return ""
    roots = [path.partition("/")[0] for path in indexes if path.count("/") == 1]
    if len(roots) != 1:
        raise AdvisoryInputError(f"there is no {INDEX} in the root: not a VEX repository")
    return roots[0]


class _FolderFiles:
    """A repository that is unpacked already."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._real_path = os.path.realpath(path)

    def list_indexes(self) -> Iterable[str]:
        """Return the path of the index."""
        return [INDEX] if (self._path / INDEX).is_file() else []

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a file. Raises AdvisoryInputError."""
        target = self._path / path
        if not Path(os.path.realpath(target)).is_relative_to(self._real_path):
            raise AdvisoryInputError(f"{visible(path)} is a link out of the folder")
        if not target.is_file():
            raise AdvisoryInputError(f"{visible(path)} is missing in the folder")
        try:
            with target.open("rb") as file:
                content = file.read(limit + 1)
        except OSError as error:
            raise AdvisoryInputError(f"{visible(path)}: {error.strerror}") from error
        if len(content) > limit:
            raise AdvisoryInputError(f"{visible(path)} has more than {limit:,} bytes")
        return content


class _TarFiles:
    """The files of an unpacked tar archive."""

    def __init__(self, path: Path) -> None:
        try:
            self._index = TarIndex(str(path))
        except ImageAccessError as error:
            raise AdvisoryInputError(f"the archive cannot be read: {_strip(error, path)}") from error

    def list_indexes(self) -> Iterable[str]:
        """Return the paths of files with the name of the index."""
        return (name for name in self._index.list_names() if posixpath.basename(name) == INDEX)

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a file. Raises AdvisoryInputError."""
        try:
            return self._index.read(path, limit)
        except ImageAccessError as error:
            raise AdvisoryInputError(_strip(error, Path(self._index.path))) from error


class _ZipFiles:
    """The files of a zip archive."""

    def __init__(self, file: BinaryIO) -> None:
        self._archive = ZipArchive(file)
        if not any(self.list_indexes()):
            # The directory of another archive may be much larger than that of a repository.
            raise AdvisoryInputError(f"the archive has no {INDEX}: not a VEX repository")
        self._entries: dict[str, ZipEntry] = {}
        for entry in self._archive.list_entries():
            self._entries[posixpath.normpath(entry.name)] = entry
            if len(self._entries) > _MOST_FILES:
                raise AdvisoryInputError(f"the archive has more than {_MOST_FILES:,} files")

    def list_indexes(self) -> Iterable[str]:
        """Return the paths of files with the name of the index."""
        names = (posixpath.normpath(entry.name) for entry in self._archive.list_entries())
        return (name for name in names if posixpath.basename(name) == INDEX)

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a file. Raises AdvisoryInputError."""
        entry = self._entries.get(path)
        if entry is None:
            raise AdvisoryInputError(f"{visible(path)} is missing in the archive")
        try:
            return self._archive.read(entry, limit)
        except ZipError as error:
            raise AdvisoryInputError(f"{visible(path)}: {visible(str(error))}") from error


class _ReadableStream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _unpack(stream: _ReadableStream, target: Path, size: int) -> None:
    """Write a decompressed tar archive. Raises AdvisoryInputError for other content and beyond the limits."""
    limit = min(_MOST_BYTES, max(_FREE_BYTES, _RATIO * size))
    total = 0
    with target.open("xb") as file:
        while chunk := stream.read(_CHUNK):
            if not total and not chunk[_TAR_OFFSET:].startswith(_TAR):
                raise AdvisoryInputError("it is neither a tar nor a zip archive")
            total += len(chunk)
            if total > limit:
                raise AdvisoryInputError(f"the archive has more than {limit:,} bytes when unpacked")
            file.write(chunk)
    if not total:
        raise AdvisoryInputError("the archive is empty")


def _decompress(file: BinaryIO, head: bytes) -> _ReadableStream:
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if head.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if head.startswith(b"\xfd7zXZ\0"):
        return _XzStream(file)
    return file


class _XzStream:
    """Decompression of xz with a memory limit, which the standard library's file does not have."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decompressor = _create_decompressor()

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, fewer only at the end of the file."""
        content = b""
        while len(content) < size:
            packed = b""
            if self._decompressor.eof:
                packed = (self._decompressor.unused_data or self._file.read(_CHUNK)).lstrip(b"\0")
                if not packed:
                    break
                self._decompressor = _create_decompressor()
            elif self._decompressor.needs_input:
                packed = self._file.read(_CHUNK)
                if not packed:
                    raise EOFError("it is truncated")
            content += self._decompressor.decompress(packed, size - len(content))
        return content


def _create_decompressor() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_XZ_MEMORY)


def _strip(error: Exception, path: Path) -> str:
    """Return the message of an error without the path of a temporary file."""
    return str(error).removeprefix(visible(str(path))).lstrip(": ")
