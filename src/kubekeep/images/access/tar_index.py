"""The members of a tar archive with their positions (POSIX pax, GNU and ustar formats). Reads heads, never content.

The module `tarfile` reads names of any length into memory; here, everything is limited.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from kubekeep.confinement import open_descriptor
from kubekeep.images.access.blob_files import check_regular
from kubekeep.images.access.opened import FileRange
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import visible

_BLOCK: Final = 512
_MOST_MEMBERS: Final = 100_000
_LONGEST_HEAD: Final = 1 << 20
"""Maximum size in bytes of an extended head."""
_LONGEST_NAME: Final = 4096
"""Maximum length of a path on Linux."""
_KEPT: Final = (b"path", b"linkpath", b"size")
"""Keys of extended heads (POSIX pax) that matter here."""
_MOST_LINKS: Final = 8
_LARGEST: Final = 1 << 62
_REGULAR: Final = (b"0", b"\0", b"7")
_LINKS: Final = (b"1", b"2")
_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK = b"x", b"g", b"L", b"K"
_SPARSE: Final = b"S"


class TarMember(msgspec.Struct, frozen=True, gc=False):
    """A file in an archive, or a link to another member."""

    offset: int
    size: int
    target: str = ""
    is_sparse: bool = False


class TarIndex:
    """The files of an archive by path, without `./`; of equal paths, the last one counts."""

    def __init__(self, path: str) -> None:
        """Read all heads. Raises ImageAccessError for a damaged archive or one with too many members."""
        self.path = os.path.abspath(path)  # noqa: PTH100 - a text
        self._members: dict[str, TarMember] = {}
        size = check_regular(Path(path))
        try:
            with open(path, "rb", opener=open_descriptor) as stream:
                _Reader(stream, size, self._members).read()
        except OSError as error:
            raise ImageAccessError(f"{visible(path)}: {error.strerror}") from error

    def __contains__(self, name: str) -> bool:
        return posixpath.normpath(name) in self._members

    def list_names(self) -> Iterable[str]:
        """Return the paths of all files and links."""
        return self._members.keys()

    def locate(self, name: str) -> FileRange:
        """Return the position of a file; follows links to other members. Raises ImageAccessError."""
        current = posixpath.normpath(name)
        for _ in range(_MOST_LINKS):
            member = self._members.get(current)
            if member is None:
                raise ImageAccessError(f"{visible(name)} is missing in the archive")
            if member.is_sparse:
                raise ImageAccessError(f"{visible(name)} is a sparse file: such archives are not read")
            if not member.target:
                return FileRange(self.path, member.offset, member.size)
            current = member.target
        raise ImageAccessError(f"{visible(name)} is a link to itself")

    def read(self, name: str, limit: int) -> bytes:
        """Return the content of a small file. Raises ImageAccessError."""
        position = self.locate(name)
        if position.size is None or position.size > limit:
            raise ImageAccessError(f"{visible(name)} is larger than {limit:,} bytes")
        with open(self.path, "rb", opener=open_descriptor) as stream:
            stream.seek(position.offset)
            return stream.read(position.size)


class _Reader:
    """Reads the heads of one archive into `members`."""

    def __init__(self, stream: BinaryIO, size: int, members: dict[str, TarMember]) -> None:
        self._stream = stream
        self._size = size
        self._members = members
        self._extension: dict[str, str] = {}

    def read(self) -> None:
        offset = 0
        for _ in range(_MOST_MEMBERS):
            self._stream.seek(offset)
            head = self._stream.read(_BLOCK)
            # Some programs leave out the two empty blocks at the end.
            if not head or head == bytes(_BLOCK):
                return
            if len(head) < _BLOCK or _checksum(head) != _number(head[148:156]):
                raise ImageAccessError(f"{visible(self._name())} is not a tar archive, or damaged at byte {offset:,}")
            offset += _BLOCK
            size = self._read_member(head, offset)
            offset += (size + _BLOCK - 1) // _BLOCK * _BLOCK
        raise ImageAccessError(f"the archive has more than {_MOST_MEMBERS:,} members")

    def _read_member(self, head: bytes, offset: int) -> int:
        """Add a member; return the size of its content."""
        kind = head[156:157]
        extension = self._extension
        if kind in (_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK):
            size = self._check_size(_number(head[124:136]), offset)
            if size > _LONGEST_HEAD:
                raise ImageAccessError(f"the archive has a head of {size:,} bytes")
            self._extend(kind, self._stream.read(size))
            return size
        self._extension = {}
        size = self._check_size(_decimal(extension["size"]) if "size" in extension else _number(head[124:136]), offset)
        is_link = kind in _LINKS
        if kind not in (*_REGULAR, *_LINKS, _SPARSE):
            return size
        name = extension.get("path") or _full_name(head)
        if len(name) > _LONGEST_NAME:
            raise ImageAccessError(f"the archive has a name of {len(name):,} characters")
        target = (extension.get("linkpath") or _text(head[157:257]))[:_LONGEST_NAME]
        if kind == b"2":
            # A symbolic link is relative to its folder, a hard link to the archive.
            target = posixpath.join(posixpath.dirname(name), target)
        self._members[_normalise(name)] = TarMember(
            offset,
            size,
            _normalise(target) if is_link else "",
            kind == _SPARSE or "sparse" in extension,
        )
        return 0 if is_link else size

    def _extend(self, kind: bytes, content: bytes) -> None:
        if kind == _LONG_NAME:
            self._extension["path"] = _text(content)
        elif kind == _LONG_LINK:
            self._extension["linkpath"] = _text(content)
        elif kind == _PAX:
            self._extension |= _parse_pax(content)

    def _check_size(self, size: int, offset: int) -> int:
        if not 0 <= size <= self._size - offset:
            raise ImageAccessError(f"the archive ends before a member of {size:,} bytes: it is damaged or incomplete")
        return size

    def _name(self) -> str:
        return str(self._stream.name)


def _parse_pax(content: bytes) -> dict[str, str]:
    r"""Parse the records `LENGTH KEY=VALUE\n` of an extended head. Raises ImageAccessError."""
    values = {}
    position = 0
    while position < len(content):
        digits, space, _ = content[position : position + 20].partition(b" ")
        length = int(digits) if space and digits.isdigit() else 0
        record = content[position + len(digits) + 1 : position + length]
        key, equals, value = record.partition(b"=")
        if not length or not equals or not value.endswith(b"\n"):
            raise ImageAccessError("the archive has a damaged extended head")
        if key in _KEPT:
            values[key.decode()] = _text(value[:-1])
        elif key.startswith(b"GNU.sparse"):
            values["sparse"] = "yes"
        position += length
    return values


def _checksum(head: bytes) -> int:
    return sum(head) - sum(head[148:156]) + 8 * 32


def _number(field: bytes) -> int:
    """Return an octal number, or a binary one as GNU tar writes for large values; -1 if it is none."""
    if field[0] & 0x80:
        return int.from_bytes(field, signed=True) & (_LARGEST - 1) if field[0] == 0x80 else -1
    digits = field.strip(b" \0")
    try:
        return int(digits or b"0", 8)
    except ValueError:
        return -1


def _decimal(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1


def _full_name(head: bytes) -> str:
    prefix = _text(head[345:500]) if head[257:263] == b"ustar\0" else ""
    return f"{prefix}/{_text(head[:100])}" if prefix else _text(head[:100])


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="surrogateescape")


def _normalise(name: str) -> str:
    """Return a path relative to the root of the archive; `..` cannot lead out of it."""
    return posixpath.normpath(f"/{name}").lstrip("/")
