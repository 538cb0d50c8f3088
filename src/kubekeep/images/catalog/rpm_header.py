"""Headers of rpm packages: the binary records of an rpm database (format of rpm 4 and 6).

Every count and offset is checked against the size of the header. Never verifies a signature.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

MAX_ENTRIES: Final = 0xFFFF
"""Most index entries, as rpm itself allows."""
MAX_COUNT: Final = 1_000_000
"""Most values of one entry; the package with the most files has fewer than 200,000."""
MAX_FOLDER: Final = 4096
"""Longest path of a folder in bytes, as Linux allows."""

NAME, VERSION, RELEASE, EPOCH = 1000, 1001, 1002, 1003
VENDOR, LICENCE, ARCHITECTURE = 1011, 1014, 1022
OLD_PATHS, SOURCE_RPM, PROVIDES, REQUIRES = 1027, 1044, 1047, 1049
FOLDER_INDEXES, FILE_NAMES, FOLDERS = 1116, 1117, 1118
MODULARITY = 5096
"""Tags of the index; OLD_PATHS are complete paths, in packages that rpm 3 built."""

_TEXTS: Final = frozenset((NAME, VERSION, RELEASE, VENDOR, LICENCE, ARCHITECTURE, SOURCE_RPM, MODULARITY))
_LISTS: Final = frozenset((OLD_PATHS, PROVIDES, REQUIRES, FILE_NAMES, FOLDERS))
_NUMBERS: Final = frozenset((EPOCH, FOLDER_INDEXES))
_INT32, _STRING, _STRING_ARRAY, _TRANSLATED_STRING = 4, 6, 8, 9


class RpmHeader(msgspec.Struct, frozen=True, gc=False):
    """Fields of an installed package by their tags. Texts are not decoded yet."""

    texts: dict[int, bytes]
    lists: dict[int, list[bytes]]
    numbers: dict[int, tuple[int, ...]]

    def text(self, tag: int) -> str:
        """Return the text of a tag; bytes that are no UTF-8 become U+FFFD. Empty if the header does not have it."""
        return self.texts.get(tag, b"").decode("utf-8", "replace")

    def take_paths(self, limit: int) -> list[bytes]:
        """Remove the parts of the installed paths and return the paths without a leading slash. Raises ValueError above `limit` bytes in all."""
        folders = [folder.lstrip(b"/") for folder in self.lists.pop(FOLDERS, ())]
        names, indexes = self.lists.pop(FILE_NAMES, ()), self.numbers.pop(FOLDER_INDEXES, ())
        old_paths = self.lists.pop(OLD_PATHS, ())
        if len(indexes) != len(names):
            raise ValueError(f"rpm header has {len(names)} names of files but {len(indexes)} folders for them")
        if any(len(folder) > MAX_FOLDER for folder in folders):
            raise ValueError(f"rpm header has a folder of more than {MAX_FOLDER} bytes")
        try:
            # Few folders are repeated for many files: the size is known before memory is needed.
            if sum([len(folders[index]) for index in indexes]) > limit:
                raise ValueError(f"paths of files with more than {limit} bytes")
            paths = [folders[index] + name for index, name in zip(indexes, names, strict=True)]
        except IndexError:
            raise ValueError("rpm header names a folder that it does not list") from None
        return paths or [path.lstrip(b"/") for path in old_paths]


def read_header(content: bytes) -> RpmHeader:
    """Return the fields of a header without its magic number. Raises ValueError if its structure is damaged."""
    if len(content) < 8:
        raise ValueError("rpm header of less than 8 bytes")
    entry_count, size = struct.unpack_from(">II", content)
    start = 8 + 16 * entry_count
    if not 0 < entry_count <= MAX_ENTRIES or start + size > len(content):
        raise ValueError(f"rpm header with {entry_count} entries and {size} bytes of data in {len(content)} bytes")
    # Records may be longer than their header, never the other way round.
    store = content[start : start + size]
    header = RpmHeader({}, {}, {})
    for tag, kind, offset, count in struct.iter_unpack(">IIII", content[8:start]):
        if tag in _TEXTS:
            header.texts.setdefault(tag, _read_text(store, kind, offset))
        elif tag in _LISTS:
            if tag not in header.lists:
                header.lists[tag] = _read_list(store, kind, offset, count)
        elif tag in _NUMBERS and tag not in header.numbers:
            header.numbers[tag] = _read_numbers(store, kind, offset, count)
    return header


def _read_text(store: bytes, kind: int, offset: int) -> bytes:
    if kind not in (_STRING, _TRANSLATED_STRING, _STRING_ARRAY):
        raise ValueError(f"rpm header has a text of type {kind}")
    return _read_list(store, _STRING_ARRAY, offset, 1)[0]


def _read_list(store: bytes, kind: int, offset: int, count: int) -> list[bytes]:
    if kind not in (_STRING, _STRING_ARRAY):
        raise ValueError(f"rpm header has a list of texts of type {kind}")
    if offset >= len(store) or count > min(len(store) - offset, MAX_COUNT):
        raise ValueError(f"rpm header has a list outside of its data: {count} texts at offset {offset}")
    if count == 1:
        end = store.find(b"\0", offset)
        texts = [store[offset:end]] if end >= 0 else []
    else:
        texts = store[offset:].split(b"\0", count)[:-1]
    if len(texts) < count:
        raise ValueError(f"rpm header has a list that does not end: {count} texts at offset {offset}")
    return texts


def _read_numbers(store: bytes, kind: int, offset: int, count: int) -> tuple[int, ...]:
    if kind != _INT32 or offset + 4 * count > len(store) or count > MAX_COUNT:
        raise ValueError(f"rpm header has numbers outside of its data: {count} of type {kind} at offset {offset}")
    return struct.unpack_from(f">{count}I", store, offset)
