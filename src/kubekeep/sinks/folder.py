"""Atomically written folders. Never merges into an existing one; the caller decides if it may be replaced."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path


@contextlib.contextmanager
def atomic_folder(path: Path, files: Mapping[str, bytes]) -> Iterator[Path]:
    """Create a folder with `files` (content by relative path) that replaces `path` when the block succeeds.

    The new folder is written beside `path` under a temporary name, and removed if the block fails. An existing folder at
    `path` is replaced as a whole by two renames, since no portable call exchanges folders; if the second fails, the
    first is undone. Raises OSError as the file system does.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".kubekeep-{os.urandom(8).hex()}.tmp")
    temporary.mkdir()
    try:
        for name, content in files.items():
            file = temporary / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        yield temporary
        _rename(temporary, target)
    finally:
        # Exists only if the folder has not become `path`.
        shutil.rmtree(temporary, ignore_errors=True)


def _rename(temporary: Path, target: Path) -> None:
    if not target.exists():
        temporary.rename(target)
        return
    previous = temporary.with_suffix(".old")
    target.rename(previous)
    try:
        temporary.rename(target)
    except OSError:
        previous.rename(target)
        raise
    shutil.rmtree(previous, ignore_errors=True)
