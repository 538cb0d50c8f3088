"""Patterns for paths that the shell left as they are: quoted ones, and all of them on Windows. Reads no file.

They mean what they mean to a shell (bash with globstar), so that quoting changes nothing: `*`, `?` and `[...]` stay within
one folder, `**` stands for any number of folders, and hidden names match only what starts with a dot. Kubescape looks
for the last part of a pattern in all folders below. `**` follows no link.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH112, PTH114, PTH118, PTH206, PTH208

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from fnmatch import translate
from typing import Final

_MAGIC: Final = re.compile(r"[*?[]")
_SEPARATORS: Final = re.compile(f"[{re.escape(os.sep + (os.altsep or ''))}]+")
_FOLDERS: Final = "**"


def expand(text: str) -> list[str] | None:
    """The paths that `text` matches, sorted by their parts, empty if there is none; None if it is a path, no pattern.

    A path that exists is a path, whatever is in its name. A `**` at the end stands for the folder itself, as all that is
    below a folder is scanned with it.
    """
    if not _MAGIC.search(text) or os.path.lexists(text):
        return None
    drive, rest = os.path.splitdrive(text)
    absolute = _SEPARATORS.match(rest)
    parts = [part for part in _SEPARATORS.split(rest) if part]
    while len(parts) > 1 and parts[-1] == parts[-2] == _FOLDERS:
        parts.pop()
    found = {os.path.normpath(path) for path in _matches(drive + (absolute[0] if absolute else ""), parts)}
    return sorted(found, key=lambda path: path.split(os.sep))


def _matches(folder: str, parts: list[str]) -> Iterator[str]:
    """The paths below `folder`, empty for the working folder, that match the parts of a pattern one by one."""
    folders = {folder}
    for part in parts[:-1]:
        folders = {path for above in folders for path in _step(above, part, os.path.isdir)}
    for above in folders:
        yield from [above or os.curdir] if parts[-1] == _FOLDERS else _step(above, parts[-1], os.path.lexists)


def _step(folder: str, part: str, is_wanted: Callable[[str], bool]) -> Iterator[str]:
    if part == _FOLDERS:
        yield from _folders(folder)
    elif _MAGIC.search(part):
        matches = re.compile(translate(part.replace("[^", "[!"))).match
        hidden = part.startswith(".")
        for name in _names(folder):
            path = os.path.join(folder, name)
            if matches(name) and (hidden or not name.startswith(".")) and is_wanted(path):
                yield path
    elif is_wanted(path := os.path.join(folder, part)):
        yield path


def _folders(folder: str) -> Iterator[str]:
    """`folder` and all folders below it that are neither hidden nor links."""
    todo = [folder]
    while todo:
        above = todo.pop()
        yield above
        for name in _names(above):
            path = os.path.join(above, name)
            if not name.startswith(".") and os.path.isdir(path) and not os.path.islink(path):
                todo.append(path)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder or os.curdir)
    except (OSError, ValueError):
        # As in a shell, what cannot be listed, or is no name at all, matches nothing; a pattern that matches nothing at all is told.
        return []
