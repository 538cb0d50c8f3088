"""Path patterns that the shell did not expand: quoted patterns, and all patterns on Windows. Reads no file.

Follows bash with globstar: `*`, `?` and `[...]` match within one folder, `**` matches any number of folders but follows
no link, and hidden names match only patterns that begin with a dot. Kubescape instead matches the last part of a pattern
in all folders below.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH112, PTH114, PTH118, PTH206

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from fnmatch import translate
from typing import Final

from kubekeep.confinement import list_names

_MAGIC: Final = re.compile(r"[*?[]")
_SEPARATORS: Final = re.compile(f"[{re.escape(os.sep + (os.altsep or ''))}]+")
_FOLDERS: Final = "**"


def expand(text: str) -> list[str] | None:
    """Return the paths that match a pattern, sorted by their parts; None if `text` is a path.

    An existing path is never a pattern. A trailing `**` matches the folder itself, because folders are scanned with
    everything below them.
    """
    if not _MAGIC.search(text) or os.path.lexists(text):
        return None
    drive, rest = os.path.splitdrive(text)
    absolute = _SEPARATORS.match(rest)
    parts = [part for part in _SEPARATORS.split(rest) if part]
    while len(parts) > 1 and parts[-1] == parts[-2] == _FOLDERS:
        parts.pop()
    matches = {os.path.normpath(path) for path in _list_matches(drive + (absolute[0] if absolute else ""), parts)}
    return sorted(matches, key=lambda path: path.split(os.sep))


def _list_matches(folder: str, parts: list[str]) -> Iterator[str]:
    """Yield the paths below `folder` (empty for the working folder) that match the parts of a pattern."""
    folders = {folder}
    for part in parts[:-1]:
        folders = {path for parent in folders for path in _match_part(parent, part, os.path.isdir)}
    for parent in folders:
        yield from [parent or os.curdir] if parts[-1] == _FOLDERS else _match_part(parent, parts[-1], os.path.lexists)


def _match_part(folder: str, part: str, accept: Callable[[str], bool]) -> Iterator[str]:
    if part == _FOLDERS:
        yield from _list_folders(folder)
    elif _MAGIC.search(part):
        matches_part = re.compile(translate(part.replace("[^", "[!"))).match
        hidden = part.startswith(".")
        for name in _list_names(folder):
            path = os.path.join(folder, name)
            if matches_part(name) and (hidden or not name.startswith(".")) and accept(path):
                yield path
    elif accept(path := os.path.join(folder, part)):
        yield path


def _list_folders(folder: str) -> Iterator[str]:
    """Yield `folder` and all folders below it, except hidden ones and links."""
    todo = [folder]
    while todo:
        parent = todo.pop()
        yield parent
        for name in _list_names(parent):
            path = os.path.join(parent, name)
            if not name.startswith(".") and os.path.isdir(path) and not os.path.islink(path):
                todo.append(path)


def _list_names(folder: str) -> list[str]:
    try:
        return list_names(folder or os.curdir)
    except (OSError, ValueError):
        # As in a shell, an unreadable folder or invalid name matches nothing; patterns without a match are reported.
        return []
