"""What archives have in common: their members, the limits on them, and the error. Reads nothing by itself."""

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
    """What an archive may cost before it is refused.

    `bytes` of the archive itself, and of all that is in it; `ratio`, how much larger than the archive that may be, once
    it is more than `free` bytes (text packs 5 to 30 times smaller, a bomb 1,000 times or more); `entries`, files and
    folders; `name` characters of a path and `depth`, its parts. A file of more than `file` bytes is left out.
    """

    bytes: int = 512 << 20
    free: int = 32 << 20
    ratio: int = 200
    entries: int = 50_000
    name: int = 512
    depth: int = 64
    file: int = MAXIMUM_BYTES

    def most(self, packed: int) -> int:
        """How many bytes may be in an archive of `packed` bytes."""
        return min(self.bytes, max(self.free, packed * self.ratio))


class ArchiveError(Exception):
    """An archive that is damaged, or that must not be unpacked; the message names the member."""

    def __init__(self, message: str, member: str = "") -> None:
        super().__init__(f"{display_path(member[:_SHOWN])}: {message}" if member else message)


class Member(msgspec.Struct, frozen=True):
    """A file or a folder of an archive; its content can be taken once, before the next member is asked for."""

    name: str
    is_folder: bool
    size: int
    content: Iterator[bytes] = iter(())


class Bounded(io.RawIOBase):
    """A file that gives no more than `most` bytes at a time; libraries ask for more only when a header says so."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = file
        self._most = most

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes. Raises ArchiveError for more than is allowed."""
        if size > self._most or (size < 0 and self._left() > self._most):
            raise ArchiveError(f"a table of contents of more than {self._most} bytes")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """As of any file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As of any file."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Always."""
        return True

    def _left(self) -> int:
        at = self._file.tell()
        end = self._file.seek(0, io.SEEK_END)
        self._file.seek(at)
        return end - at
