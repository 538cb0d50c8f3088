"""Files that only this user can read, written atomically. Knows no content."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

TEMPORARY: Final = ".new-"
"""Beginning of the names of files that are being written; a killed process leaves one."""


@contextlib.contextmanager
def write_private(path: Path) -> Iterator[BinaryIO]:
    """Open a stream that replaces the file `path` (mode 0600) when the block succeeds, and leaves no trace otherwise.

    Creates the folder (mode 0700). Once the block is left, the file is on the disk. Raises OSError as the file system does.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor has no path
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    finally:
        # Exists only if it has not replaced the file.
        Path(name).unlink(missing_ok=True)
    _sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a file that another process may have removed. Raises OSError as the file system does."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Sync a folder to the disk: without this, a power failure may undo a renaming."""
    if os.name == "nt":  # Windows cannot open folders.
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
