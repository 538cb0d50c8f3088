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

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location
from kubekeep.model.text import visible

_LFS: Final = b"version https://git-lfs.github.com/spec/"
_LFS_POINTER_BYTES: Final = 1024
_MANIFESTS: Final = (".yaml", ".yml", ".json", ".tgz", ".tf", ".tofu", ".yaml.gz", ".yml.gz", ".json.gz")
_SEARCHED_BYTES: Final = 1 << 20
_OUTSIDE_REFERENCE: Final = re.compile(rb"\.\./|argoproj\.io|fluxcd\.io")
"""Text that refers to other files of the repository: `../base` of an overlay, and applications."""


def _list_files(path: str) -> Iterator[os.DirEntry[str] | str]:
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


def refers_outside(path: str) -> bool:
    """Return True if `path`, or a file below it, is a link or may refer to other files of the repository."""
    return any(
        os.path.islink(file) or _OUTSIDE_REFERENCE.search(_read_head(file, _SEARCHED_BYTES))
        for file in _list_files(path)
    )


def find_lfs_pointers(path: str, root: str) -> Iterator[UnreadInput]:
    """Yield an UnreadInput for each manifest stored in Git LFS."""
    for file in _list_files(path):
        name = os.fspath(file)
        if (
            name.lower().endswith(_MANIFESTS)
            and not os.path.islink(name)
            and _read_head(file, _LFS_POINTER_BYTES).startswith(_LFS)
        ):
            yield UnreadInput(Location(visible(os.path.relpath(name, root))), "stored in Git LFS: not read")


def _read_head(file: os.DirEntry[str] | str, size: int) -> bytes:
    with open(file, "rb") as stream:
        return stream.read(size)
