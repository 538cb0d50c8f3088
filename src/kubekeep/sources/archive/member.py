"""Members of archives, limits and errors, shared by all formats. Reads nothing itself."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from kubekeep.model.paths import display_path
from kubekeep.sources.tree import MAXIMUM_BYTES

CHUNK: Final = 1 << 16
_SHOWN: Final = 120


class ArchiveLimits(msgspec.Struct, frozen=True):
    """Limits of an archive.

    bytes: of the archive, and of its unpacked content. ratio: unpacked to packed bytes, if the content has more than
    `free` bytes (text packs 5 to 30 times smaller, a bomb 1,000 times or more). entries: files and folders. name:
    characters of a path. depth: parts of a path. file: bytes of a file; larger files are omitted.
    """

    bytes: int = 512 << 20
    free: int = 32 << 20
    ratio: int = 200
    entries: int = 50_000
    name: int = 512
    depth: int = 64
    file: int = MAXIMUM_BYTES

    def maximum_size(self, packed: int) -> int:
        """Return the maximum unpacked size of an archive of `packed` bytes."""
        return min(self.bytes, max(self.free, packed * self.ratio))


class ArchiveError(Exception):
    """A damaged or rejected archive; the message names the member."""

    def __init__(self, message: str, member: str = "") -> None:
        super().__init__(f"{display_path(member[:_SHOWN])}: {message}" if member else message)


class Member(msgspec.Struct, frozen=True):
    """A file or folder of an archive; its content can be read once, before the next member is requested."""

    name: str
    is_folder: bool
    size: int
    content: Iterator[bytes] = iter(())


class Bounded(io.RawIOBase):
    """A file that returns at most `most` bytes per read, because libraries read sizes named by headers."""

    def __init__(self, file: BinaryIO, maximum_size: int) -> None:
        self._file = file
        self._most = maximum_size

    def read(self, size: int = -1, /) -> bytes:
        """Read at most `size` bytes. Raises ArchiveError above the limit."""
        if size > self._most or (size < 0 and self._left() > self._most):
            raise ArchiveError(f"table of contents larger than {self._most} bytes")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Seek in the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position in the file."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Return True, as zipfile requires."""
        return True

    def _left(self) -> int:
        at = self._file.tell()
        end = self._file.seek(0, io.SEEK_END)
        self._file.seek(at)
        return end - at
