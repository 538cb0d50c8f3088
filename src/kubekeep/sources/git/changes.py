"""Changed and deleted files of a repository, by path. Runs no git and reads no content of files."""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH100, PTH118, PTH119, PTH120

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec


class Changes(msgspec.Struct, frozen=True):
    """Absolute paths below the real path of a repository, as spelled by git; nested repositories as their folder.

    changed: existing files, renamed ones by their new name. deleted: missing files, renamed ones by their old name.
    """

    changed: frozenset[str]
    deleted: frozenset[str]

    def __contains__(self, path: str) -> bool:
        """Return True if a file is new or changed: itself, the target of a link, or the nested repository it is in."""
        return any(name in self.changed for start in _list_spellings(path) for name in _list_parents(start))


def _list_spellings(path: str) -> tuple[str, str, str]:
    """Return an absolute path as it is, with links resolved, and with the links of its folder resolved."""
    absolute = os.path.abspath(path)
    folder = os.path.realpath(os.path.dirname(absolute))
    return absolute, os.path.realpath(absolute), os.path.join(folder, os.path.basename(absolute))


def _list_parents(path: str) -> Iterator[str]:
    while True:
        yield path
        parent = os.path.dirname(path)
        if parent == path:
            return
        path = parent
