"""The configuration file of a tree of manifests: where it is, and what it says with the place of every value.

Reads one file and looks at paths that it names; never decides what a key means.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH100, PTH112, PTH116, PTH117, PTH118, PTH120

from __future__ import annotations

import difflib
import os
import re
import stat
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path as FilePath
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path, Position, SourceMap, line_starts
from kubekeep.model.paths import display_path, error_reason
from kubekeep.model.text import visible
from kubekeep.sources.manifests import opened
from kubekeep.sources.tree import LAST_WINS, Document, Limits, Problem
from kubekeep.sources.yaml_text import documents

NAMES: Final = ("kubekeep.yaml", ".kubekeep.yaml", "kubekeep.yml")
"""What the file may be called; one in a folder."""

_LIMITS: Final = Limits(bytes=1 << 20, depth=32, aliased=10_000, documents=2, nodes=100_000)
_REMOTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[^/:]+@[^/:]+:")
_REPOSITORY: Final = ".git"
_SHARED: Final = stat.S_IWOTH | stat.S_ISVTX
_KINDS: Final = (
    (bool, "true or false"),
    (int | float, "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "a mapping"),
)


class ConfigurationError(ValueError):
    """A configuration file that cannot be used; the message starts with its place and steers no terminal."""


class Configuration(msgspec.Struct, frozen=True):
    """What a configuration file says: each key with its value, as YAML has it, and the place of everything.

    `path` is the file as people would type it. One that was not `named` on the command line but found beside the
    manifests is as foreign as they are: it may name only what is inside its own folder.
    """

    path: str
    named: bool
    values: dict[str, Any]
    source_map: SourceMap | None = None

    def place(self, at: Path) -> Position:
        """Where the value at `at` is written, or its nearest ancestor."""
        return self.source_map.region(self.values, at).start if self.source_map else Position(1, 1)

    def error(self, at: Path, message: str) -> ConfigurationError:
        """The error that `message` is about the value at `at`."""
        return _error(self.path, message, self.place(at))

    def known(self, mapping: dict[str, Any], at: Path, names: Iterable[str]) -> None:
        """Hold the keys of `mapping`, the value at `at`, to `names`. Raises ConfigurationError with the nearest one."""
        for key in mapping:
            if key not in names:
                near = difflib.get_close_matches(key.lower().replace("_", "-"), names, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
                raise self.error((*at, key), f"unknown key {key[:80]}: {hint}")

    def file(self, said: str, at: Path) -> str:
        """The path that `said` means, relative to the folder of this file, as people would type it.

        Raises ConfigurationError for what cannot be a path and, in a file that was found, for what leads out of
        its folder: by `..`, an absolute path or a symbolic link.
        """
        if not said or not said.isprintable():
            raise self.error(at, "a path is empty or has characters that cannot be printed")
        folder = os.path.dirname(self.path)
        path = os.path.normpath(os.path.join(folder, said))
        root = os.path.realpath(folder)
        if not (self.named or _is_inside(path, root)):
            raise self.error(at, f"{path} is outside of {root}: only a file given with --config may name it")
        return os.path.join(os.curdir, path) if path.startswith("-") else path


def find(target: str, home: str | None = None) -> str | None:
    """The configuration file for what is scanned at `target`, or None: in its folder or the nearest one above.

    The last folder to be looked into is the root of a repository (it holds `.git`), `home`, or the file system's
    root. A folder that all users share, such as /tmp, is not looked into, nor is anything for a URL. Raises
    ConfigurationError for two files in one folder.
    """
    if _REMOTE.match(target):
        return None
    last = os.path.realpath(home) if home else None
    for folder in _upward(os.path.abspath(target)):
        if _is_shared(folder):
            return None
        found = [name for name in NAMES if os.path.lexists(os.path.join(folder, name))]
        if found:
            shown = folder if os.path.isabs(target) else os.path.relpath(folder)
            if len(found) > 1:
                raise _error(shown, f"there are {' and '.join(found)}: keep one")
            return os.path.normpath(os.path.join(shown, found[0]))
        if os.path.lexists(os.path.join(folder, _REPOSITORY)) or os.path.realpath(folder) == last:
            return None
    return None


def read(path: str, *, named: bool) -> Configuration:
    """The configuration in the file at `path`; see `Configuration`.

    Raises ConfigurationError for what cannot be read, or is no mapping of keys that are each said once.
    """
    text = _text(path, named=named)
    lines = line_starts(text)
    found = [item for item in documents(text, lines, _LIMITS) if item is not None]
    for problem in (each for item in found for each in ([item] if isinstance(item, Problem) else item.problems)):
        line = bisect_right(lines, problem.at)
        place = Position(line, problem.at - lines[line - 1] + 1)
        raise _error(path, problem.message.removesuffix(LAST_WINS), place)
    if len(found) > 1:
        raise _error(path, "more than one document")
    said = [item for item in found if isinstance(item, Document) and item.value is not None]
    if not said:
        return Configuration(path, named, {})
    configuration = Configuration(path, named, said[0].value, said[0].source_map)
    if not isinstance(said[0].value, dict):
        raise configuration.error((), f"keys and values expected, found {kind(said[0].value)}")
    return configuration


def kind(value: Any) -> str:
    """What a value of YAML is, for people."""
    return next((words for types, words in _KINDS if isinstance(value, types)), "nothing")


def _text(path: str, *, named: bool) -> str:
    try:
        if not (named or _is_inside(path, os.path.realpath(os.path.dirname(path)))):
            raise _error(path, "a symbolic link out of its folder: not read")
        with opened(path) as stream:
            data = stream.read(_LIMITS.bytes + 1)
    except OSError as error:
        raise _error(path, error_reason(error)) from error
    if len(data) > _LIMITS.bytes:
        raise _error(path, f"larger than {_LIMITS.bytes} bytes: not read")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _error(path, f"not UTF-8 text: {error.reason}") from error


def _error(path: str, message: str, place: Position | None = None) -> ConfigurationError:
    where = f"{display_path(path)}:{place.line}:{place.column}" if place else display_path(path)
    return ConfigurationError(f"{where}: {visible(message)}")


def _upward(path: str) -> Iterator[str]:
    """The folder at `path`, or that of the file there, and every one above it."""
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    while True:
        yield folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent


def _is_shared(folder: str) -> bool:
    """Whether every user may put files into `folder`: theirs must not decide how ours are judged."""
    try:
        return os.stat(folder).st_mode & _SHARED == _SHARED
    except (OSError, ValueError):
        return False


def _is_inside(path: str, root: str) -> bool:
    return FilePath(os.path.realpath(path)).is_relative_to(root)
