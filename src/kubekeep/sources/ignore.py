"""Exclusions of a scan: `.kubescapeignore`, `.kubekeepignore` and the patterns of the command line.

Ignore files follow gitignore(5), in the scanned folder and in every folder below it (Kubescape reads only the top one).
Content of an ignored folder cannot be included again. The Rust crate `ignore` matches the patterns (ADR 22), in linear
time. Never follows a link, never lists a folder.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH118

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from typing import BinaryIO, Final

import msgspec

from kubekeep._native import IgnorePatterns
from kubekeep.confinement import open_descriptor
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.paths import display_path, error_reason

NAMES: Final = (".kubescapeignore", ".kubekeepignore")
"""Ignore files of a folder, in order of precedence."""
MOST_BYTES: Final = 1 << 20
"""Maximum size of an ignore file."""
MOST_PATTERNS: Final = 10_000
"""Maximum number of patterns in all ignore files of a scanned folder."""
MOST_WILDCARDS: Final = 20_000
"""Maximum number of wildcards in all ignore files of a scanned folder; compiled ones take up to a kilobyte each."""
MOST_PATTERN: Final = 1024
"""Maximum number of characters of a pattern."""
_MOST_REPORTED: Final = 10
"""Maximum number of invalid lines reported individually per ignore file."""
_OPTION: Final = "--exclude-path"
_UNDECODED: Final = {0xDC00 + byte: 0xF0000 + byte for byte in range(0x80, 0x100)}
"""Private characters for the bytes of names that are not UTF-8: the matcher takes valid text only."""


class IgnoredCounts(msgspec.Struct):
    """Number of ignored files, and of ignored folders with their content."""

    files: int = 0
    folders: int = 0


class _Layer(msgspec.Struct, frozen=True):
    """The patterns of one folder, and the index at which a relative path continues below it."""

    start: int
    patterns: IgnorePatterns


class Ignores:
    """Exclusions below one scanned folder.

    root: the folder as named by the user. patterns: of the command line, relative to root, with precedence over all ignore
    files. files: False to read no ignore files. problems: unreadable files and invalid patterns so far. counts: ignored
    files and folders so far.
    """

    def __init__(self, root: str, patterns: Sequence[str] = (), *, files: bool = True) -> None:
        self.problems: list[UnreadInput] = []
        self.counts = IgnoredCounts()
        self._root = os.path.normpath(root)
        self._below = len("" if self._root == os.curdir else os.path.join(self._root, ""))
        self._reads = files
        self._patterns_left = MOST_PATTERNS
        self._wildcards_left = MOST_WILDCARDS
        self._strongest = self._layer(Location(_OPTION), patterns, 0) if patterns else ()
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
        """Return the layers of the ignore files of one folder, in descending precedence."""
        layers: tuple[_Layer, ...] = ()
        for name in NAMES if self._reads else ():
            file = os.path.join(self._root, *folder.split("/"), name) if folder else os.path.join(self._root, name)
            location = Location(display_path(os.path.normpath(file)))
            try:
                lines = [line.removesuffix("\r") for line in _content(file).split("\n")]
            except FileNotFoundError:
                continue
            except OSError as error:
                self.problems.append(UnreadInput(location, f"cannot be read, has no effect: {error_reason(error)}"))
            else:
                layers = (*self._layer(location, lines, len(folder) + 1 if folder else 0), *layers)
        return layers

    def _layer(self, location: Location, lines: Sequence[str], start: int) -> tuple[_Layer, ...]:
        """Return the layer of the lines of a file, none if it cannot be compiled; report the lines without effect."""
        reasons: dict[int, str] = {}
        usable_lines: list[str] = []
        for index, line in enumerate(lines):
            if not line.strip(" ") or line.startswith("#"):
                usable_lines.append("")
                continue
            self._patterns_left -= 1
            self._wildcards_left -= sum(map(line.count, "*?["))
            if self._patterns_left < 0 or self._wildcards_left < 0:
                limit = f"{MOST_PATTERNS} patterns" if self._patterns_left < 0 else f"{MOST_WILDCARDS} wildcards"
                message = f"more than {limit}: the remaining patterns have no effect"
                self.problems.append(UnreadInput(_on_line(location, index), message))
                break
            if len(line) > MOST_PATTERN:
                reasons[index] = f"longer than {MOST_PATTERN} characters"
            elif not line.strip("!/ "):
                reasons[index] = "the pattern is empty"
            usable_lines.append("" if index in reasons else _matchable(line))
        try:
            patterns, invalid = IgnorePatterns.parse(usable_lines)
        except ValueError as error:
            self.problems.append(UnreadInput(location, f"has no effect: its patterns are too large: {error}"))
            return ()
        reasons |= dict(invalid)
        for index in sorted(reasons)[:_MOST_REPORTED]:
            message = f"this pattern has no effect: {display_path(lines[index][:80])}: {reasons[index]}"
            self.problems.append(UnreadInput(_on_line(location, index), message))
        if len(reasons) > _MOST_REPORTED:
            message = f"{len(reasons) - _MOST_REPORTED} more patterns without effect"
            self.problems.append(UnreadInput(location, message))
        return (_Layer(start, patterns),)


def _verdict(layers: tuple[_Layer, ...], path: str, *, is_folder: bool) -> bool:
    path = _matchable(path)
    for layer in layers:
        verdict = layer.patterns.verdict(path[layer.start :], is_folder)
        if verdict is not None:
            return verdict
    return False


def _parent(path: str) -> str:
    return path[: max(path.rfind("/"), 0)]


def _on_line(location: Location, index: int) -> Location:
    if location.file == _OPTION:
        return location
    position = Position(index + 1, 1)
    return Location(location.file, Region(position, position))


def _matchable(text: str) -> str:
    return text if text.isascii() else text.translate(_UNDECODED)


def _content(file: str) -> str:
    """Read an ignore file. Raises OSError for links and files that are not regular."""
    # The size is not queried, because it may change while the file is read.
    with _opened(file) as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise OSError(f"larger than {MOST_BYTES} bytes")
    # As in file names: bytes that are no UTF-8 match themselves.
    return content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")


def _opened(file: str) -> BinaryIO:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = open_descriptor(file, flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError("symbolic link: not followed") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("not a regular file")
    return os.fdopen(descriptor, "rb")
