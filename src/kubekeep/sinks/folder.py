"""Folders that are there whole or not at all. Never merges into one, never judges whether one may be replaced."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path


@contextlib.contextmanager
def whole(path: Path, files: Mapping[str, bytes]) -> Iterator[Path]:
    """A new folder with `files` that becomes `path` when the block ends well, and leaves no trace otherwise.

    It is written beside `path` under another name. What is at `path` then must be nothing or a folder, which is
    replaced as a whole: two renames, as no portable call exchanges folders, and when the second fails the first is
    undone. Raises OSError as the file system does.
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
        # Only a folder that did not become `path` is still there.
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
