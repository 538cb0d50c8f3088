"""Cache of manifests and configurations by digest: those of one image in memory, and those of all in a folder.

Registries limit how many manifests a client may fetch. Files may be deleted at any time. Never holds layers.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from kubekeep.images.access.blob_files import read_file
from kubekeep.images.access.documents import LARGEST_DOCUMENT
from kubekeep.images.errors import ImageAccessError
from kubekeep.registry.manifest import compute_digest


class ManifestCache:
    """Manifests and configurations by digest; without a folder it stays empty. Errors of files are ignored."""

    def __init__(self, folder: str) -> None:
        """Use a folder, which is created on the first write."""
        self._folder = Path(folder) if folder else None
        self._contents: dict[str, bytes] = {}

    @property
    def is_enabled(self) -> bool:
        """True if there is a folder."""
        return self._folder is not None

    def get(self, digest: str) -> bytes | None:
        """Return verified content, or None."""
        if digest in self._contents or self._folder is None:
            return self._contents.get(digest)
        try:
            content = read_file(self._path(self._folder, digest), LARGEST_DOCUMENT)
        except ImageAccessError:
            return None
        return content if compute_digest(content) == digest else None

    def put(self, content: bytes) -> None:
        """Store content under its digest, completely or not at all."""
        digest = compute_digest(content)
        self._contents[digest] = content
        if self._folder is None:
            return
        path = self._path(self._folder, digest)
        temporary = path.with_name(f".{os.urandom(8).hex()}.tmp")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(content)
                temporary.replace(path)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise

    @staticmethod
    def _path(folder: Path, digest: str) -> Path:
        algorithm, _, value = digest.partition(":")
        return folder / algorithm / value
