"""Which files of the paths that a person names hold manifests. Reads no content, follows no link out of a folder.

Folders are walked in the order of names, so that results do not depend on the file system.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH100, PTH109, PTH112, PTH113, PTH114, PTH116, PTH117, PTH118

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

import msgspec

EXTENSIONS: Final = (".yaml", ".yml", ".json")
CHART: Final = "Chart.yaml"
_TEMPLATES: Final = "templates"
CHART_MESSAGE: Final = "Helm chart: not rendered, its templates were not assessed"


class File(msgspec.Struct, frozen=True):
    """A file to read: its path for the system, as it is shown to people, and the absolute folder of the scan."""

    path: str
    shown: str
    base: str


class Skipped(msgspec.Struct, frozen=True):
    """A path that is not read although it was named, or may hold manifests."""

    shown: str
    message: str


def shown_path(path: str) -> str:
    """The path as a terminal and a report can hold it: bytes that are not UTF-8 and control characters escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Walk:
    """The files below some paths, each once."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._charts: set[str] = set()

    def files(self, path: str) -> Iterator[File | Skipped]:
        """The files of one named path: itself, whatever its extension, or those below it if it is a folder.

        The shown path is the named one, with what is below it joined as a person would type it; the base is the
        folder itself, or the working folder for a named file. A link that is named is followed.
        """
        named = os.path.normpath(path)
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError) as error:
            yield Skipped(shown_path(named), reason(error))
            return
        absolute = os.path.abspath(path)
        if (chart := _chart_of(absolute)) is not None:
            shown = os.path.relpath(chart) if not os.path.isabs(path) else chart
            yield from self._chart(chart, shown)
        elif stat.S_ISDIR(mode):
            yield from self._folder(named, absolute)
        else:
            yield from self._once(path, named, os.getcwd())

    def _once(self, path: str, shown: str, base: str) -> Iterator[File | Skipped]:
        real = os.path.realpath(path)
        if real not in self._seen:
            self._seen.add(real)
            yield File(path, shown_path(shown), base)

    def _chart(self, folder: str, shown: str) -> Iterator[Skipped]:
        real = os.path.realpath(folder)
        if real not in self._charts:
            self._charts.add(real)
            yield Skipped(shown_path(os.path.join(shown, CHART)), CHART_MESSAGE)

    def _folder(self, named: str, base: str) -> Iterator[File | Skipped]:
        root = os.path.realpath(base)
        todo = [named]
        while todo:
            path = todo.pop()
            if os.path.isdir(path) and not (os.path.islink(path) and path != named):
                yield from self._entries(path, todo)
            elif os.path.islink(path):
                yield from self._link(path, root, base)
            else:
                yield from self._once(path, path, base)

    def _entries(self, folder: str, todo: list[str]) -> Iterator[Skipped]:
        """Put what is to be looked at in `folder` on `todo`, the first name last."""
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            yield Skipped(shown_path(folder), reason(error))
            return
        names = {entry.name for entry in found}
        for entry in found:
            if entry.name == _TEMPLATES and CHART in names and entry.is_dir():
                yield from self._chart(folder, folder)
            elif _may_be_folder(entry):
                if not entry.name.startswith("."):
                    todo.append(_below(folder, entry.name))
            elif entry.name.lower().endswith(EXTENSIONS):
                todo.append(_below(folder, entry.name))

    def _link(self, path: str, root: str, base: str) -> Iterator[File | Skipped]:
        real = os.path.realpath(path)
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            yield Skipped(shown_path(path), f"symbolic link: {reason(error)}")
            return
        if os.path.commonpath((root, real)) != root:
            yield Skipped(shown_path(path), "symbolic link out of the scanned folder: not followed")
        elif not stat.S_ISDIR(mode):
            yield from self._once(path, path, base)
        elif any(part.startswith(".") for part in PurePath(os.path.relpath(real, root)).parts):
            yield Skipped(shown_path(path), "symbolic link to a hidden folder: not followed")


def reason(error: OSError | ValueError) -> str:
    """What the system says about a path, for people."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text[:1].lower() + text[1:]


def _below(folder: str, name: str) -> str:
    return name if folder == os.curdir else os.path.join(folder, name)


def _may_be_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _chart_of(path: str) -> str | None:
    """The chart whose template this is, if it is one."""
    for parent in (PurePath(path), *PurePath(path).parents):
        if parent.name == _TEMPLATES and os.path.isfile(parent.parent / CHART):
            return str(parent.parent)
    return None
