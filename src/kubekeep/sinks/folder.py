"""Atomically written folders. Never merges into an existing one; the caller decides if it may be replaced."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path


@contextlib.contextmanager
def atomic_folder(path: Path, files: Mapping[str, bytes]) -> Iterator[Path]:
    """Create a folder with `files` that replaces `path` when the block succeeds, and leaves no trace otherwise.

    It is written beside `path` under a temporary name. An existing folder at `path` is replaced as a whole by two
    renames, since no portable call exchanges folders; if the second fails, the first is undone. Raises OSError as the
    file system does.
    """
    target = Path(os.path.realpath(path))
    fresh = target.with_name(f".kubekeep-{secrets.token_hex(8)}.tmp")
    fresh.mkdir()
    try:
        for name, content in files.items():
            file = fresh / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        yield fresh
        _rename(fresh, target)
    finally:
        # Exists only if the folder has not become `path`.
        shutil.rmtree(fresh, ignore_errors=True)


def _rename(fresh: Path, target: Path) -> None:
    if not target.exists():
        fresh.rename(target)
        return
    before = fresh.with_suffix(".old")
    target.rename(before)
    try:
        fresh.rename(target)
    except OSError:
        before.rename(target)
        raise
    shutil.rmtree(before, ignore_errors=True)
