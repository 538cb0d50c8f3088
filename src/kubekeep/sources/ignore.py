"""Exclusions of a scan: `.kubescapeignore`, `.kubekeepignore` and the patterns of the command line.

Ignore files follow gitignore, in the scanned folder and in every folder below it (Kubescape reads only the top one).
Content of an ignored folder cannot be included again. Never follows a link, never lists a folder.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH118

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from typing import BinaryIO, Final

import msgspec

from kubekeep.model.assessment import Unread
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.paths import display_path, error_reason
from kubekeep.sources.gitignore import Pattern, Rules, parse

NAMES: Final = (".kubescapeignore", ".kubekeepignore")
"""Ignore files of a folder, in order of precedence."""
MOST_BYTES: Final = 1 << 20
"""Maximum size of an ignore file."""
MOST_PATTERNS: Final = 10_000
"""Maximum number of patterns in all ignore files of a scanned folder."""
_MOST_REPORTED: Final = 10
"""Maximum number of invalid lines reported individually per ignore file."""
_OPTION: Final = "--exclude-path"


class IgnoredCounts(msgspec.Struct):
    """Number of ignored files, and of ignored folders with their content."""

    files: int = 0
    folders: int = 0


class _Layer(msgspec.Struct, frozen=True):
    """The rules of one folder, and the index at which a relative path continues below it."""

    start: int
    rules: Rules


class Ignores:
    """Exclusions below one scanned folder.

    root: the folder as named by the user. patterns: of the command line, relative to root, with precedence over all ignore
    files. files: False to read no ignore files. problems: unreadable files and invalid patterns so far. counts: ignored
    files and folders so far.
    """

    def __init__(self, root: str, patterns: Sequence[str] = (), *, files: bool = True) -> None:
        self.problems: list[Unread] = []
        self.counts = IgnoredCounts()
        self._root = os.path.normpath(root)
        self._below = len("" if self._root == os.curdir else os.path.join(self._root, ""))
        self._reads = files
        self._left = MOST_PATTERNS
        own = self._parsed(Location(_OPTION), patterns, numbered=False)
        self._strongest = (_Layer(0, Rules(own)),) if own else ()
        # Layers by queried folder, in descending precedence; None for an ignored folder.
        self._folders: dict[str, tuple[_Layer, ...] | None] = {}

    def ignored(self, path: str, *, is_folder: bool) -> bool:
        """Return True if `path` or a folder above it is ignored.

        path: the normalised path of the scanned folder joined with names, as in a walk; the folder itself is never ignored.
        Query folders before their content. Every ignored folder is counted once, a file on every query.
        """
        relative = path[self._below :].replace(os.sep, "/")
        if is_folder:
            return self._inside(relative) is None
        layers = self._inside(_parent(relative))
        if layers is None:
            return True
        is_ignored = _verdict(layers, relative, is_folder=False)
        self.counts.files += is_ignored
        return is_ignored

    def _inside(self, folder: str) -> tuple[_Layer, ...] | None:
        """Return the layers for the entries of a folder; None if it is ignored."""
        missing: list[str] = []
        while folder not in self._folders:
            missing.append(folder)
            if not folder:
                break
            folder = _parent(folder)
        for name in reversed(missing):
            self._folders[name] = self._entered(name)
        return self._folders[missing[0] if missing else folder]

    def _entered(self, folder: str) -> tuple[_Layer, ...] | None:
        if not folder:
            return (*self._strongest, *self._own(folder))
        above = self._folders[_parent(folder)]
        if above is None:
            return None
        if _verdict(above, folder, is_folder=True):
            self.counts.folders += 1
            return None
        own = self._own(folder)
        strongest = len(self._strongest)
        return (*above[:strongest], *own, *above[strongest:]) if own else above

    def _own(self, folder: str) -> tuple[_Layer, ...]:
        """Return the layer of the ignore files of one folder, if any."""
        if not self._reads:
            return ()
        patterns: list[Pattern] = []
        for name in NAMES:
            file = os.path.join(self._root, *folder.split("/"), name) if folder else os.path.join(self._root, name)
            try:
                text = _content(file)
            except OSError as error:
                self.problems.append(Unread(Location(_shown(file)), f"ignores nothing: {error_reason(error)}"))
            else:
                patterns += self._parsed(Location(_shown(file)), text.split("\n"), numbered=True)
        start = len(folder) + 1 if folder else 0
        return (_Layer(start, Rules(patterns)),) if patterns else ()

    def _parsed(self, place: Location, lines: Iterable[str], *, numbered: bool) -> list[Pattern]:
        accepted: list[Pattern] = []
        problems: list[Unread] = []
        for number, line in enumerate(lines, 1):
            at = _on_line(place, number) if numbered else place
            try:
                pattern = parse(line.removesuffix("\r") if numbered else line)
            except ValueError as error:
                problems.append(Unread(at, f"this pattern ignores nothing: {display_path(line[:80])}: {error}"))
                continue
            if pattern is None:
                continue
            if numbered and self._left == 0:
                problems.append(Unread(at, f"more than {MOST_PATTERNS} patterns: the rest of them ignores nothing"))
                break
            self._left -= numbered
            accepted.append(pattern)
        self.problems += problems[:_MOST_REPORTED]
        if len(problems) > _MOST_REPORTED:
            self.problems.append(Unread(place, f"{len(problems) - _MOST_REPORTED} more patterns that ignore nothing"))
        return accepted


def _verdict(layers: tuple[_Layer, ...], path: str, *, is_folder: bool) -> bool:
    for layer in layers:
        verdict = layer.rules.verdict(path[layer.start :], is_folder=is_folder)
        if verdict is not None:
            return verdict
    return False


def _parent(path: str) -> str:
    return path[: max(path.rfind("/"), 0)]


def _shown(file: str) -> str:
    return display_path(os.path.normpath(file))


def _on_line(place: Location, number: int) -> Location:
    position = Position(number, 1)
    return Location(place.file, Region(position, position))


def _content(file: str) -> str:
    """Read an ignore file; empty if it does not exist. Raises OSError for links and files that are not regular."""
    try:
        # The size is not queried, because it may change while the file is read.
        with _opened(file) as stream:
            data = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return ""
    if len(data) > MOST_BYTES:
        raise OSError(f"larger than {MOST_BYTES} bytes")
    # As in file names: bytes that are no UTF-8 match themselves.
    return data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")


def _opened(file: str) -> BinaryIO:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(file, flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError("symbolic link: not followed") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("not a regular file")
    return os.fdopen(descriptor, "rb")
