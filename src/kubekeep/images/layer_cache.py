"""Cache of the content of layers: one file per layer, so that images with a common base read it once.

An entry is named after the digest of the layer's uncompressed archive and is valid for one version of the program and for
one kind of reading, with or without a search for secrets: both stand in its head, so that no entry passes for another. It
contains names of files and packages and kinds and lines of secrets, never file content. Entries may be deleted at any
time; damaged ones, those of other users and those that others may write are ignored.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from kubekeep import _native
from kubekeep.images.cache_pruning import prune
from kubekeep.images.content import LayerContent

_FORMAT: Final = b"kubekeep layer 2\n"
_DIGEST: Final = 32
_LIMIT: Final = 512 << 20
_MAX_ENTRY: Final = 256 << 20
"""Bytes of an entry after decompression."""
_SIZE: Final = 4
_DIFF_ID: Final = re.compile(r"sha256:([0-9a-f]{64})")
_SUFFIX: Final = ".layer"
_TEMPORARY: Final = ".new-"
_NO_LINKS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH


class LayerCache:
    """Cached layers in a folder, which is created with the first entry.

    `program` identifies the version of the program, `limit` is the number of bytes of all entries: the least recently
    used ones are deleted.
    """

    def __init__(self, folder: Path, program: bytes, limit: int = _LIMIT) -> None:
        """Open the cache without reading it."""
        self._folder = folder
        self._program = program
        self._limit = limit

    def get(self, diff_id: str, *, secrets: bool) -> LayerContent | None:
        """Return the content of a layer, searched for secrets if requested, or None if there is no valid entry."""
        for has_secrets in (True,) if secrets else (True, False):
            path = self._find_path(diff_id, secrets=has_secrets)
            if path is None:
                return None
            try:
                content = self._read(path, secrets=has_secrets)
            except (OSError, ValueError, MemoryError, RecursionError):
                continue
            if content is not None and content.diff_id == diff_id:
                with contextlib.suppress(OSError):
                    os.utime(path)
                return content
        return None

    def has(self, diff_id: str, *, secrets: bool) -> bool:
        """Return True if there is an entry, which may turn out to be invalid."""
        paths = (
            self._find_path(diff_id, secrets=has_secrets) for has_secrets in ((True,) if secrets else (True, False))
        )
        return any(path is not None and path.exists() for path in paths)

    def put(self, content: LayerContent, *, secrets: bool) -> None:
        """Write an entry, then delete the least recently used ones beyond the limit. Raises OSError.

        `secrets` is True if the layer was searched for secrets.
        """
        path = self._find_path(content.diff_id, secrets=secrets)
        if path is None:
            return
        entry = encode_entry(content, self._program, secrets=secrets)
        if entry is None or len(entry) > self._limit:
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _is_private(self._folder.lstat()):
            raise PermissionError(f"{self._folder} belongs to another user or others may write it")
        descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=self._folder)
        try:
            with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor has no path
                stream.write(entry)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
        prune(self._folder, self._limit, _is_entry, _TEMPORARY)

    def store(self, content: LayerContent, *, secrets: bool) -> None:
        """Write an entry as `put`; a layer that cannot be cached is read again by the next scan."""
        with contextlib.suppress(OSError):
            self.put(content, secrets=secrets)

    def _find_path(self, diff_id: str, *, secrets: bool) -> Path | None:
        match = _DIFF_ID.fullmatch(diff_id)
        return self._folder / f"{match[1]}{'-secrets' if secrets else ''}{_SUFFIX}" if match else None

    def _read(self, path: Path, *, secrets: bool) -> LayerContent | None:
        if not _is_private(self._folder.lstat()):
            return None
        descriptor = os.open(path, os.O_RDONLY | _NO_LINKS | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor has no path
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or not _is_private(status) or status.st_size > self._limit:
                return None
            return decode_entry(stream.read(), self._program, secrets=secrets)


def _is_entry(name: str) -> bool:
    return name.endswith(_SUFFIX)


def encode_entry(content: LayerContent, program: bytes, *, secrets: bool) -> bytes | None:
    """Return an entry; None for content that is too large to be cached."""
    text = msgspec.msgpack.encode(content)
    if len(text) > _MAX_ENTRY:
        return None
    body = _native.pack(text)
    return _create_head(program, secrets=secrets) + hashlib.blake2b(body, digest_size=_DIGEST).digest() + body


def decode_entry(entry: bytes, program: bytes, *, secrets: bool) -> LayerContent | None:
    """Return the content of an entry; None if it is damaged, of another version, or of another kind of reading.

    Raises ValueError for content that no version writes.
    """
    head = _create_head(program, secrets=secrets)
    if not entry.startswith(head):
        return None
    digest, body = entry[len(head) : len(head) + _DIGEST], entry[len(head) + _DIGEST :]
    if hashlib.blake2b(body, digest_size=_DIGEST).digest() != digest:
        return None
    if int.from_bytes(body[:_SIZE], "little") > _MAX_ENTRY:
        return None
    return msgspec.msgpack.decode(_native.unpack(body), type=LayerContent)


def _create_head(program: bytes, *, secrets: bool) -> bytes:
    kind = b"secrets\n" if secrets else b"packages\n"
    return _FORMAT + kind + hashlib.blake2b(program, digest_size=_DIGEST).digest()


def _is_private(status: os.stat_result) -> bool:
    """Return True if only this user may write a file or folder."""
    if os.name != "posix":
        return True
    return status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & _WRITABLE
