"""Cache of manifests and configurations by digest: those of one image in memory, and those of all in a folder.

Registries limit how many manifests a client may fetch. Files may be deleted at any time; the least recently used ones
are deleted here beyond a limit. Never holds layers.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Final

from kubekeep.images.access.blob_files import read_file
from kubekeep.images.access.documents import LARGEST_DOCUMENT
from kubekeep.images.cache_pruning import prune
from kubekeep.images.errors import ImageAccessError
from kubekeep.registry.manifest import compute_digest

_LIMIT: Final = 64 << 20
"""Bytes of all files; manifest and configuration of an image have about ten thousand."""
_PRUNED: Final = "0"
"""First digit of the digests whose files cause a deletion: the folder is not listed for each of them."""
_TEMPORARY: Final = ".new-"
_VALUE: Final = re.compile(r"[0-9a-f]{64}")


class ManifestCache:
    """Manifests and configurations by digest; without a folder it stays empty. Errors of files are ignored.

    `limit` is the number of bytes of all files, which is exceeded by a few of them at times.
    """

    def __init__(self, folder: str, limit: int = _LIMIT) -> None:
        """Use a folder, which is created on the first write."""
        self._folder = Path(folder) if folder else None
        self._limit = limit
        self._contents: dict[str, bytes] = {}

    @property
    def is_enabled(self) -> bool:
        """True if there is a folder."""
        return self._folder is not None

    def get(self, digest: str) -> bytes | None:
        """Return verified content, or None."""
        if digest in self._contents or self._folder is None:
            return self._contents.get(digest)
        path = self._path(self._folder, digest)
        try:
            content = read_file(path, LARGEST_DOCUMENT)
        except ImageAccessError:
            return None
        if compute_digest(content) != digest:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return content

    def put(self, content: bytes) -> None:
        """Store content under its digest, completely or not at all."""
        digest = compute_digest(content)
        self._contents[digest] = content
        if self._folder is None:
            return
        path = self._path(self._folder, digest)
        temporary = path.with_name(f"{_TEMPORARY}{os.urandom(8).hex()}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(content)
                temporary.replace(path)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
            if path.name.startswith(_PRUNED):
                prune(path.parent, self._limit, _has_digest, _TEMPORARY)

    @staticmethod
    def _path(folder: Path, digest: str) -> Path:
        algorithm, _, value = digest.partition(":")
        return folder / algorithm / value


def _has_digest(name: str) -> bool:
    return _VALUE.fullmatch(name) is not None
