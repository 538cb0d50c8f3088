"""What a scan leaves out: `.kubescapeignore`, `.kubekeepignore` and the patterns of the command line.

Ignore files have gitignore's syntax and meaning, in the scanned folder and in every folder below it; Kubescape reads only
the one at the top. What is below an ignored folder cannot be taken back in. Never follows a link, never lists a folder.
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
"""The ignore files of a folder; the later one is the stronger."""
MOST_BYTES: Final = 1 << 20
"""Of one ignore file."""
MOST_PATTERNS: Final = 10_000
"""Of all ignore files of a scanned folder together."""
_MOST_TOLD: Final = 10
"""Bad lines of one ignore file that are told one by one."""
_OPTION: Final = "--exclude-path"


class Counts(msgspec.Struct):
    """How many files were ignored, and how many folders with all that is in them."""

    files: int = 0
    folders: int = 0


class _Layer(msgspec.Struct, frozen=True):
    """The rules of one folder, and where a path continues below it."""

    start: int
    rules: Rules


class Ignores:
    """What is ignored below one scanned folder.

    `root` is the folder as the user named it; `patterns` are those of the command line, relative to it and stronger
    than every ignore file. Without `files`, ignore files are not read. `problems` are what could not be read or means
    nothing, found so far: whoever takes them empties the list. `counts` is what was ignored so far.
    """

    def __init__(self, root: str, patterns: Sequence[str] = (), *, files: bool = True) -> None:
        self.problems: list[Unread] = []
        self.counts = Counts()
        self._root = os.path.normpath(root)
        self._below = len("" if self._root == os.curdir else os.path.join(self._root, ""))
        self._reads = files
        self._left = MOST_PATTERNS
        own = self._parsed(Location(_OPTION), patterns, numbered=False)
        self._strongest = (_Layer(0, Rules(own)),) if own else ()
        # The layers of each folder that was asked about, the strongest first; None for an ignored one.
        self._folders: dict[str, tuple[_Layer, ...] | None] = {}

    def ignored(self, path: str, *, is_folder: bool) -> bool:
        """Whether `path` is ignored, itself or with a folder above it.

        `path` is that of the scanned folder, normalised, with names joined to it (no `./` before them), as a walk has
        it; the scanned folder itself is never ignored. Cheap when folders are asked about before what is in them; each is counted once, a file every
        time it is asked about.
        """
        relative = path[self._below :].replace(os.sep, "/")
        if is_folder:
            return self._inside(relative) is None
        layers = self._inside(_parent(relative))
        if layers is None:
            return True
        found = _verdict(layers, relative, is_folder=False)
        self.counts.files += found
        return found

    def _inside(self, folder: str) -> tuple[_Layer, ...] | None:
        """The layers that hold for the entries of a folder; None if it is ignored."""
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
        """The layer of the ignore files of one folder, if it has some."""
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
        found: list[Pattern] = []
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
            found.append(pattern)
        self.problems += problems[:_MOST_TOLD]
        if len(problems) > _MOST_TOLD:
            self.problems.append(Unread(place, f"{len(problems) - _MOST_TOLD} more patterns that ignore nothing"))
        return found


def _verdict(layers: tuple[_Layer, ...], path: str, *, is_folder: bool) -> bool:
    for layer in layers:
        found = layer.rules.verdict(path[layer.start :], is_folder=is_folder)
        if found is not None:
            return found
    return False


def _parent(path: str) -> str:
    return path[: max(path.rfind("/"), 0)]


def _shown(file: str) -> str:
    return display_path(os.path.normpath(file))


def _on_line(place: Location, number: int) -> Location:
    position = Position(number, 1)
    return Location(place.file, Region(position, position))


def _content(file: str) -> str:
    """The text of an ignore file; empty if there is none. Raises OSError for a link, and for what is no file."""
    try:
        # The size of the file may change while it is read, so it is not asked for.
        with _opened(file) as stream:
            data = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return ""
    if len(data) > MOST_BYTES:
        raise OSError(f"larger than {MOST_BYTES} bytes")
    # As the names of files come: bytes that are no UTF-8 match themselves.
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
