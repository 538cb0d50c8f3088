"""The Berkeley DB hash file of rpm databases up to RHEL 8 and Fedora 32 (`Packages`). Reads records, never indexes.

All pages are read in order, so that no damaged bucket hides a package. No page is read more often than the file has pages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

_MAGIC: Final = 0x061561
_HASH_PAGES: Final = (2, 13)
"""Types of pages with records: unsorted (Berkeley DB 4.2 to 4.5) and sorted."""
_OVERFLOW_PAGE: Final = 7
_PAGE_HEADER: Final = 26
_INLINE, _OFF_PAGE = 1, 3


def iterate_hash_records(content: memoryview) -> Iterator[bytes]:
    """Yield the records with package headers. Raises ValueError if the file is no hash file or damaged."""
    if len(content) < 512:
        raise ValueError("Berkeley DB file of less than 512 bytes")
    order = "<" if struct.unpack_from("<I", content, 12)[0] == _MAGIC else ">"
    magic, _, page_size, encryption = struct.unpack_from(f"{order}IIIB", content, 12)
    if magic != _MAGIC:
        raise ValueError("not a hash file of Berkeley DB")
    if page_size not in (512 << shift for shift in range(8)) or encryption:
        raise ValueError(f"Berkeley DB file with pages of {page_size} bytes, or encrypted")
    for start in range(page_size, len(content) - page_size + 1, page_size):
        entry_count, _, _, kind = struct.unpack_from(f"{order}HHBB", content, start + 20)
        if kind in _HASH_PAGES:
            page = bytes(content[start : start + page_size])
            yield from _iterate_page(content, page, entry_count, order)


def _iterate_page(content: memoryview, page: bytes, entry_count: int, order: str) -> Iterator[bytes]:
    """Yield the values of a page: keys and values alternate, from the end of the page to its start."""
    if _PAGE_HEADER + 2 * entry_count > len(page) or entry_count % 2:
        raise ValueError(f"Berkeley DB page with {entry_count} entries")
    offsets = (len(page), *struct.unpack_from(f"{order}{entry_count}H", page, _PAGE_HEADER))
    for end, key, value in zip(offsets[0::2], offsets[1::2], offsets[2::2], strict=False):
        if not _PAGE_HEADER < value < key < end <= len(page):
            raise ValueError(f"Berkeley DB page with an entry outside of it at {value}")
        # The key 0 has the number of the next package; other keys are the numbers of packages.
        if page[key] == _INLINE and not any(page[key + 1 : end]):
            continue
        if page[value] == _OFF_PAGE:
            if key - value < 12:
                raise ValueError("Berkeley DB entry of less than 12 bytes")
            number, size = struct.unpack_from(f"{order}II", page, value + 4)
            yield _join_overflow(content, len(page), number, size, order)
        elif page[value] == _INLINE:
            yield page[value + 1 : key]


def _join_overflow(content: memoryview, page_size: int, number: int, size: int, order: str) -> bytes:
    """Return a value on a chain of pages, each with the number of the next one."""
    if size > len(content):
        raise ValueError(f"Berkeley DB value of {size} bytes in a file of {len(content)} bytes")
    parts: list[memoryview] = []
    while size > 0:
        start = number * page_size
        if not 0 < start <= len(content) - page_size:
            raise ValueError(f"Berkeley DB file has no page {number}")
        number, _, length, _, kind = struct.unpack_from(f"{order}IHHBB", content, start + 16)
        if kind != _OVERFLOW_PAGE or not 0 < length <= page_size - _PAGE_HEADER:
            raise ValueError(f"Berkeley DB page of type {kind} and {length} bytes in a chain of pages")
        parts.append(content[start + _PAGE_HEADER : start + _PAGE_HEADER + min(length, size)])
        size -= length
    return b"".join(parts)
