"""Reader of bolt databases (go.etcd.io/bbolt, format version 2): single values, and all entries of a bucket.

Reads while another process writes: pages of a transaction stay unchanged until the next one has been written, so a
value is valid if the transaction is still the newest one afterwards. Never writes and takes no lock.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import msgspec

from kubekeep.confinement import open_descriptor
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import visible

_MAGIC: Final = 0xED0CDAED
_VERSION: Final = 2
_META: Final = struct.Struct("<16xIIIIQQQQQQ")
"""Magic, version, page size, flags, root page, sequence, free list, number of pages, transaction, checksum."""
_CHECKED: Final = 56
"""Bytes of the meta page that its checksum covers, after the head of the page."""
_PAGE: Final = struct.Struct("<QHHI")
_BRANCH: Final = struct.Struct("<IIQ")
_LEAF: Final = struct.Struct("<IIII")
_BUCKET: Final = struct.Struct("<QQ")
_IS_BRANCH, _IS_LEAF, _IS_BUCKET = 1, 2, 1
_PAGE_SIZES: Final = frozenset(1 << power for power in range(9, 17))
_LARGEST_PAGE: Final = 16 << 20
_MOST_BYTES: Final = 1 << 30
"""Maximum number of bytes to read for one value."""
_LAST_PAGE: Final = 1 << 40
_DEEPEST: Final = 24
_ATTEMPTS: Final = 5
_FNV_OFFSET, _FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3


T = TypeVar("T")


class _Meta(msgspec.Struct, frozen=True):
    page_size: int
    root: int
    transaction: int


def read_database(path: Path, read: Callable[[BoltBucket], T]) -> T:
    """Return the result of `read` on the root bucket, as of one transaction. Raises ImageAccessError and OSError."""
    with _Pages(path) as pages:
        for _ in range(_ATTEMPTS):
            meta = pages.read_meta()
            try:
                result = read(BoltBucket(pages, meta.root))
            except (ValueError, struct.error) as error:
                if pages.read_meta() == meta:
                    raise ImageAccessError(f"{visible(str(path))} is damaged: {visible(str(error))}") from error
                continue
            if pages.read_meta() == meta:
                return result
    raise ImageAccessError(f"{visible(str(path))} changes while it is read; try again")


@contextlib.contextmanager
def open_database(path: Path, most_bytes: int) -> Iterator[BoltBucket]:
    """Yield the root bucket of a file that no process writes, to read up to `most_bytes`. Raises as `read_database`."""
    with _Pages(path, most_bytes) as pages:
        meta = pages.read_meta()
        try:
            yield BoltBucket(pages, meta.root)
        except (ValueError, struct.error) as error:
            raise ImageAccessError(f"{visible(str(path))} is damaged: {visible(str(error))}") from error
        if pages.read_meta() != meta:
            raise ImageAccessError(f"{visible(str(path))} changes while it is read; copy it first")


class BoltBucket:
    """A bucket at the transaction in which it was read."""

    def __init__(self, pages: _Pages, root: int, inline: bytes = b"") -> None:
        """Refer to the root page; small buckets are inline in the value of their parent."""
        self._pages = pages
        self._root = root
        self._inline = inline

    def get_bucket(self, key: bytes) -> BoltBucket | None:
        """Return the bucket of a key, or None."""
        match self._find(key):
            case (value, True):
                return self._open(value)
            case _:
                return None

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        match self._find(key):
            case (value, False):
                return value
            case _:
                return None

    def list_keys(self) -> Iterator[bytes]:
        """Yield all keys in order."""
        for page in self._list_leaves(self._load(self._root), 0):
            for key, _, _ in _parse_leaf(page):
                yield key

    def list_values(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values in order, without those of buckets."""
        for page in self._list_leaves(self._load(self._root), 0):
            yield from ((key, value) for key, value, is_bucket in _parse_leaf(page) if not is_bucket)

    def list_buckets(self) -> Iterator[tuple[bytes, BoltBucket]]:
        """Yield keys and buckets in order."""
        for page in self._list_leaves(self._load(self._root), 0):
            yield from ((key, self._open(value)) for key, value, is_bucket in _parse_leaf(page) if is_bucket)

    def _open(self, value: bytes) -> BoltBucket:
        root, _ = _BUCKET.unpack_from(value)
        return BoltBucket(self._pages, root, b"" if root else value[_BUCKET.size :])

    def _load(self, number: int) -> bytes:
        return self._inline if not number else self._pages.read_page(number)

    def _list_leaves(self, page: bytes, depth: int) -> Iterator[bytes]:
        if _check_depth(page, depth) == _IS_LEAF:
            yield page
            return
        for _, child in _parse_branch(page):
            yield from self._list_leaves(self._pages.read_page(child), depth + 1)

    def _find(self, key: bytes) -> tuple[bytes, bool] | None:
        """Return the value of a key, and True for a bucket."""
        page = self._load(self._root)
        for depth in range(_DEEPEST):
            if _check_depth(page, depth) == _IS_LEAF:
                return next(((value, is_bucket) for name, value, is_bucket in _parse_leaf(page) if name == key), None)
            # The child whose first key is the last one that is not greater.
            children = [child for name, child in _parse_branch(page) if name <= key]
            if not children:
                return None
            page = self._pages.read_page(children[-1])
        raise ValueError("the tree is too deep")


class _Pages:
    """The pages of a file. Methods raise ValueError for a damaged one."""

    def __init__(self, path: Path, most_bytes: int = _MOST_BYTES) -> None:
        """Open the file. Raises OSError and ImageAccessError."""
        self._path = path
        self._most_bytes = most_bytes
        self._descriptor = open_descriptor(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self._page_size = 0
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def read_meta(self) -> _Meta:
        """Return the newest meta page that is complete; a writer changes the older of the two."""
        first = _parse_meta(os.pread(self._descriptor, _META.size, 0))
        sizes = (first.page_size,) if first else _PAGE_SIZES
        others = (_parse_meta(os.pread(self._descriptor, _META.size, size)) for size in sizes)
        metas = [meta for meta in (first, *others) if meta]
        if not metas:
            raise ImageAccessError(f"{visible(str(self._path))} is not a bolt database, or damaged")
        newest = max(metas, key=lambda meta: meta.transaction)
        self._page_size = newest.page_size
        return newest

    def read_page(self, number: int) -> bytes:
        """Return a page with its overflow pages."""
        if self._bytes > self._most_bytes or not 0 < number < _LAST_PAGE:
            raise ValueError(f"page {number} is invalid, or there are too many pages")
        offset = number * self._page_size
        page = os.pread(self._descriptor, self._page_size, offset)
        own_number, _, _, overflow = _PAGE.unpack_from(page)
        size = (overflow + 1) * self._page_size
        self._bytes += size
        if own_number != number or size > _LARGEST_PAGE:
            raise ValueError(f"page {number} is invalid")
        return page + os.pread(self._descriptor, size - self._page_size, offset + self._page_size)


def _parse_meta(content: bytes) -> _Meta | None:
    """Return the meta page, or None if it is incomplete."""
    if len(content) < _META.size:
        return None
    magic, version, page_size, _, root, _, _, _, transaction, checksum = _META.unpack(content)
    digest = _FNV_OFFSET
    for byte in content[_PAGE.size : _PAGE.size + _CHECKED]:
        digest = (digest ^ byte) * _FNV_PRIME & 0xFFFFFFFFFFFFFFFF
    if (magic, version, checksum) != (_MAGIC, _VERSION, digest) or page_size not in _PAGE_SIZES:
        return None
    return _Meta(page_size, root, transaction)


def _check_depth(page: bytes, depth: int) -> int:
    """Return the kind of a page in a tree. Raises ValueError."""
    _, kind, _, _ = _PAGE.unpack_from(page)
    if kind not in (_IS_BRANCH, _IS_LEAF) or depth >= _DEEPEST:
        raise ValueError("a page has the wrong kind")
    return int(kind)


def _parse_branch(page: bytes) -> list[tuple[bytes, int]]:
    """Return the first keys of the child pages with their numbers."""
    _, _, count, _ = _PAGE.unpack_from(page)
    children = []
    for start in range(_PAGE.size, _PAGE.size + count * _BRANCH.size, _BRANCH.size):
        position, key_size, number = _BRANCH.unpack_from(page, start)
        children.append((_cut(page, start + position, key_size), number))
    return children


def _parse_leaf(page: bytes) -> list[tuple[bytes, bytes, bool]]:
    """Return keys and values; True for a bucket."""
    _, _, count, _ = _PAGE.unpack_from(page)
    entries = []
    for start in range(_PAGE.size, _PAGE.size + count * _LEAF.size, _LEAF.size):
        flags, position, key_size, value_size = _LEAF.unpack_from(page, start)
        key = _cut(page, start + position, key_size)
        entries.append((key, _cut(page, start + position + key_size, value_size), bool(flags & _IS_BUCKET)))
    return entries


def _cut(page: bytes, start: int, size: int) -> bytes:
    if start + size > len(page):
        raise ValueError("an entry ends outside of its page")
    return page[start : start + size]
