"""Deletion of the least recently used files of a cache. Deletes only in the given folder, never below it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_ABANDONED_SECONDS: Final = 86_400


def prune(folder: Path, limit: int, is_entry: Callable[[str], bool], temporary: str) -> None:
    """Delete the least recently used entries beyond `limit` bytes, and files that an interrupted run left.

    Entries are files whose names `is_entry` accepts; names of unfinished files start with `temporary`. Raises OSError if
    the folder cannot be listed.
    """
    entries: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            status = path.lstat()
            if is_entry(path.name):
                entries.append((status.st_mtime, status.st_size, path))
            elif path.name.startswith(temporary) and status.st_mtime < time.time() - _ABANDONED_SECONDS:
                path.unlink()
    remaining = limit
    for _, size, path in sorted(entries, reverse=True):
        remaining -= size
        if remaining < 0:
            with contextlib.suppress(OSError):
                path.unlink()
