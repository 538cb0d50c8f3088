"""Blobs in a folder `blobs/sha256`: OCI layouts and the content store of containerd.

Only regular files inside of the folder are opened. Never writes.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from kubekeep.confinement import open_descriptor
from kubekeep.images.access.documents import LARGEST_DOCUMENT, ImageDescriptor
from kubekeep.images.access.opened import FileRange, LayerReference
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import visible

_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class BlobFolder:
    """The blobs below `root`/blobs, with the digest as path."""

    def __init__(self, root: Path) -> None:
        """Resolve links in `root` itself, which the user chose."""
        self.root = Path(os.path.realpath(root))

    def read_blob(self, descriptor: ImageDescriptor) -> bytes:
        """Return the content of a small blob."""
        return read_file(self._resolve(descriptor.digest), LARGEST_DOCUMENT)

    def has_blob(self, descriptor: ImageDescriptor) -> bool:
        """Return True if the blob exists."""
        return self._path(descriptor.digest).is_file()

    def locate_layer(self, layer: LayerReference) -> FileRange:
        """Return the file of a layer. Raises ImageAccessError if it is missing or has another size."""
        path = self._resolve(layer.digest)
        size = check_regular(path)
        if size != layer.size:
            raise ImageAccessError(f"{visible(str(path))} has {size:,} bytes; the manifest says {layer.size:,}")
        return FileRange(str(path), 0, size)

    def _path(self, digest: str) -> Path:
        algorithm, _, value = digest.partition(":")
        return self.root / "blobs" / algorithm / value

    def _resolve(self, digest: str) -> Path:
        """Return the path of a blob without links. Raises ImageAccessError for one outside of the folder."""
        path = self._path(digest)
        resolved = Path(os.path.realpath(path))
        if not resolved.is_relative_to(self.root):
            raise ImageAccessError(f"{visible(str(path))} is a link to a path outside of {visible(str(self.root))}")
        if not os.path.lexists(resolved):
            raise ImageAccessError(f"the blob {digest} is missing in {visible(str(self.root))}")
        return resolved


def check_regular(path: Path) -> int:
    """Return the size of a regular file. Raises ImageAccessError for anything else."""
    try:
        status = path.stat()
    except OSError as error:
        raise ImageAccessError(f"{visible(str(path))}: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise ImageAccessError(f"{visible(str(path))} is not a regular file")
    return status.st_size


def read_file(path: Path, limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes. Raises ImageAccessError."""
    try:
        # A pipe would block without O_NONBLOCK before its type is known.
        with os.fdopen(open_descriptor(path, _OPEN), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise ImageAccessError(f"{visible(str(path))} is not a regular file")
            content = stream.read(limit + 1)
    except OSError as error:
        raise ImageAccessError(f"{visible(str(path))}: {error.strerror}") from error
    if len(content) > limit:
        raise ImageAccessError(f"{visible(str(path))} is larger than {limit:,} bytes")
    return content
