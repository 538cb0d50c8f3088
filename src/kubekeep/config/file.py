"""The configuration file of a folder of manifests: discovery, parsing and the location of every value.

Reads one file and checks paths named in it; never interprets a key.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH100, PTH112, PTH116, PTH117, PTH118, PTH120

from __future__ import annotations

import os
import re
import stat
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path as FilePath
from typing import Any, Final

import msgspec

from kubekeep.model.errors import KubekeepError
from kubekeep.model.location import Path, Position, SourceMap, line_starts
from kubekeep.model.paths import display_path, error_reason
from kubekeep.model.similar_names import find_similar
from kubekeep.model.text import visible
from kubekeep.sources.files import open_file
from kubekeep.sources.tree import LAST_WINS, Document, Limits, Problem
from kubekeep.sources.yaml_text import parse_documents

NAMES: Final = ("kubekeep.yaml", ".kubekeep.yaml", "kubekeep.yml")
"""Names of the file; a folder may contain one of them."""

_LIMITS: Final = Limits(bytes=1 << 20, depth=32, aliased=10_000, documents=2, nodes=100_000)
_DOCUMENT_LIMITS: Final = Limits(bytes=1 << 20, depth=64, aliased=10_000, documents=1001, nodes=200_000)
_REMOTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[^/:]+@[^/:]+:")
_GIT_FOLDER: Final = ".git"
_SHARED_MODE: Final = stat.S_IWOTH | stat.S_ISVTX
_TYPE_NAMES: Final = (
    (bool, "true or false"),
    (int | float, "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "a mapping"),
)


class ConfigurationError(KubekeepError, ValueError):
    """A configuration file that cannot be used. The message starts with its location and has no control characters."""


class Configuration(msgspec.Struct, frozen=True):
    """The values of a configuration file by key, with their locations.

    path: the file relative to the working folder. is_explicit: given on the command line; a file found in a folder of
    manifests is as untrusted as the manifests and may only name files inside its folder.
    """

    path: str
    is_explicit: bool
    values: dict[str, Any]
    source_map: SourceMap | None = None

    def locate(self, at: Path) -> Position:
        """Return the position of the value at a path, or of its nearest ancestor."""
        return self.source_map.region(self.values, at).start if self.source_map else Position(1, 1)

    def create_error(self, at: Path, message: str) -> ConfigurationError:
        """Create an error about the value at a path, with its location."""
        return _make_error(self.path, message, self.locate(at))

    def check_keys(self, mapping: dict[str, Any], at: Path, names: Iterable[str]) -> None:
        """Check the keys of a mapping. Raises ConfigurationError with a suggestion for an unknown key."""
        for key in mapping:
            if key not in names:
                similar = find_similar(key.lower().replace("_", "-"), names)
                hint = f"did you mean {similar}?" if similar else f"known keys: {', '.join(names)}"
                raise self.create_error((*at, key), f"unknown key {key[:80]}: {hint}")

    def resolve_path(self, name: str, at: Path) -> str:
        """Resolve a path relative to the folder of this file.

        Raises ConfigurationError for an invalid path and, without `is_explicit`, for a path outside of its folder: by
        `..`, absolute or through a symbolic link.
        """
        if not name or not name.isprintable():
            raise self.create_error(at, "a path is empty or has characters that cannot be printed")
        folder = os.path.dirname(self.path)
        path = os.path.normpath(os.path.join(folder, name))
        root = os.path.realpath(folder)
        if not (self.is_explicit or _is_inside(path, root)):
            raise self.create_error(at, f"{path} is outside of {root}: allowed only in a file named with --config")
        return os.path.join(os.curdir, path) if path.startswith("-") else path


def find_configuration(target: str, home: str | None = None) -> str | None:
    """Find the configuration file for a target in its folder or the nearest parent that has one; None if there is none.

    Stops at the root of a repository (with `.git`), at `home`, or at the root of the file system. Folders that all
    users may write to, such as /tmp, and URLs have no configuration. Raises ConfigurationError for two files in one
    folder.
    """
    if _REMOTE.match(target):
        return None
    for folder in list_configuration_folders(target, home):
        names = [name for name in NAMES if os.path.lexists(os.path.join(folder, name))]
        if names:
            shown_folder = folder if os.path.isabs(target) else os.path.relpath(folder)
            if len(names) > 1:
                raise _make_error(shown_folder, f"there are {' and '.join(names)}: keep one")
            return os.path.normpath(os.path.join(shown_folder, names[0]))
    return None


def list_configuration_folders(target: str, home: str | None = None) -> Iterator[str]:
    """Yield the folders that may contain the configuration file for a path, the nearest first; see `find_configuration`."""
    last = os.path.realpath(home) if home else None
    for folder in _list_parents(os.path.abspath(target)):
        if _is_shared(folder):
            return
        yield folder
        if os.path.lexists(os.path.join(folder, _GIT_FOLDER)) or os.path.realpath(folder) == last:
            return


def read_configuration(path: str, *, is_explicit: bool) -> Configuration:
    """Read the configuration file at path; see `Configuration`.

    Raises ConfigurationError if it is unreadable, or no mapping with unique keys.
    """
    text = _read_text(path, is_explicit=is_explicit)
    lines = line_starts(text)
    parsed = list(_parse(path, text, lines, _LIMITS))
    if len(parsed) > 1:
        raise _make_error(path, "more than one document")
    values = [document for document in parsed if document.value is not None]
    if not values:
        return Configuration(path, is_explicit, {})
    configuration = Configuration(path, is_explicit, values[0].value, values[0].source_map)
    if not isinstance(values[0].value, dict):
        raise configuration.create_error((), f"keys and values expected, found {describe_type(values[0].value)}")
    return configuration


class ConfigurationDocument(msgspec.Struct, frozen=True):
    """One document of a file with several, of any type."""

    path: str
    content: Any
    source_map: SourceMap

    def locate(self, at: Path) -> Position:
        """Return the position of the value at a path, or of its nearest ancestor."""
        return self.source_map.region(self.content, at).start

    def format_location(self, at: Path) -> str:
        """Return file, line and column of the value at a path."""
        position = self.locate(at)
        return f"{display_path(self.path)}:{position.line}:{position.column}"

    def create_error(self, at: Path, message: str) -> ConfigurationError:
        """Create an error about the value at a path, with its location."""
        return _make_error(self.path, message, self.locate(at))


def read_documents(path: str) -> tuple[ConfigurationDocument, ...]:
    """Read a file with several documents, which users named. Raises ConfigurationError if one cannot be read."""
    text = _read_text(path, is_explicit=True)
    lines = line_starts(text)
    documents = tuple(_parse(path, text, lines, _DOCUMENT_LIMITS))
    if len(documents) >= _DOCUMENT_LIMITS.documents:
        raise _make_error(path, f"more than {_DOCUMENT_LIMITS.documents - 1} documents")
    return tuple(
        ConfigurationDocument(path, each.value, each.source_map) for each in documents if each.value is not None
    )


def _parse(path: str, text: str, lines: array[int], limits: Limits) -> Iterator[Document]:
    """Yield the documents that are not empty. Raises ConfigurationError for a problem in one."""
    for document in parse_documents(text, lines, limits):
        if document is None:
            continue
        problems = (document,) if isinstance(document, Problem) else document.problems
        for problem in problems:
            line = bisect_right(lines, problem.at)
            position = Position(line, problem.at - lines[line - 1] + 1)
            raise _make_error(path, problem.message.removesuffix(LAST_WINS), position)
        if isinstance(document, Document):
            yield document


def describe_type(value: Any) -> str:
    """Return a description of the type of a YAML value."""
    return next((words for types, words in _TYPE_NAMES if isinstance(value, types)), "nothing")


def _read_text(path: str, *, is_explicit: bool) -> str:
    try:
        if not (is_explicit or _is_inside(path, os.path.realpath(os.path.dirname(path)))):
            raise _make_error(path, "not read: it is a symbolic link to a file outside of its folder")
        with open_file(path) as stream:
            content = stream.read(_LIMITS.bytes + 1)
    except OSError as error:
        raise _make_error(path, error_reason(error)) from error
    if len(content) > _LIMITS.bytes:
        raise _make_error(path, f"not read: larger than {_LIMITS.bytes} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _make_error(path, f"not UTF-8 text: {error.reason}") from error


def _make_error(path: str, message: str, position: Position | None = None) -> ConfigurationError:
    where = f"{display_path(path)}:{position.line}:{position.column}" if position else display_path(path)
    return ConfigurationError(f"{where}: {visible(message)}")


def _list_parents(path: str) -> Iterator[str]:
    """Yield the folder at path, or of the file there, and its parents."""
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    while True:
        yield folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent


def _is_shared(folder: str) -> bool:
    """Return True if all users may write to folder: files of other users must not affect the results."""
    try:
        return os.stat(folder).st_mode & _SHARED_MODE == _SHARED_MODE
    except (OSError, ValueError):
        return False


def _is_inside(path: str, root: str) -> bool:
    return FilePath(os.path.realpath(path)).is_relative_to(root)
