"""References in the files of a checkout: to other files of the repository, and to Git LFS.

Reads the beginnings of files; follows no link and never writes.
"""

# Paths are text from git and for git, so os.path and not pathlib:
# ruff: noqa: PTH112, PTH114, PTH123

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from kubekeep.model.assessment import Unread
from kubekeep.model.location import Location
from kubekeep.model.text import visible

_LFS: Final = b"version https://git-lfs.github.com/spec/"
_LFS_SIZE: Final = 1024
_MANIFESTS: Final = (".yaml", ".yml", ".json", ".tgz", ".tf")
_LOOK_SIZE: Final = 1 << 20
_REACHING: Final = re.compile(rb"\.\./|argoproj\.io|fluxcd\.io")
"""Text that refers to other files of the repository: `../base` of an overlay, and applications."""


def _files(path: str) -> Iterator[os.DirEntry[str] | str]:
    """Yield the files and links at or below a path, except those of git."""
    if not os.path.isdir(path):
        yield path
        return
    todo = [path]
    while todo:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False) and entry.name != ".git":
                    todo.append(entry.path)
                elif not entry.is_dir(follow_symlinks=False):
                    yield entry


def reaches_out(path: str) -> bool:
    """Return True if a file at or below `path` may need other files of the repository, as links do."""
    return any(os.path.islink(file) or _REACHING.search(_head(file, _LOOK_SIZE)) for file in _files(path))


def pointers(path: str, root: str) -> Iterator[Unread]:
    """Yield an Unread for each manifest stored in Git LFS."""
    for file in _files(path):
        name = os.fspath(file)
        if name.lower().endswith(_MANIFESTS) and not os.path.islink(name) and _head(file, _LFS_SIZE).startswith(_LFS):
            yield Unread(
                Location(visible(os.path.relpath(name, root))), "kept in Git LFS, which is not asked: not read"
            )


def _head(file: os.DirEntry[str] | str, size: int) -> bytes:
    with open(file, "rb") as stream:
        return stream.read(size)
