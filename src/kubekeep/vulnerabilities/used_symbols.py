"""Functions that are linked into the Go executables of an image, for the comparison with records of vulnerabilities.

An executable without known functions makes the answer for all its packages unknown. Never opens an image.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from kubekeep.model.package import GoSymbols, Package

_MAX_TEXT: Final = 64 << 20
_FROZEN: Final = re.compile(r"^(crypto/internal/fips140)/v\d[^/]*")
"""Paths of a frozen version of Go's cryptography (GOFIPS140); records name them without the version."""


class ImageSymbols:
    """The linked functions of all Go executables of an image."""

    def __init__(self, symbols: Iterable[GoSymbols]) -> None:
        self._symbols = {entry.path: entry for entry in symbols}
        self._linked: dict[str, LinkedPaths | None] = {}

    def get_imports(self, package: Package) -> ExecutableImports | None:
        """Return the functions by import path of the executables with the package; None if one of them is unknown."""
        return self.find_imports(sorted({location.path for location in package.locations}))

    def find_imports(self, paths: Iterable[str]) -> ExecutableImports | None:
        """Return the functions by import path of the executables at some paths; None if one of them is unknown."""
        linked = [self._get_linked(path) for path in paths]
        known = [entry for entry in linked if entry is not None]
        return ExecutableImports(known) if known and len(known) == len(linked) else None

    def _get_linked(self, path: str) -> LinkedPaths | None:
        if path not in self._linked:
            entry = self._symbols.get(path)
            text = None if entry is None else _decompress(entry.text)
            self._linked[path] = None if entry is None or text is None else LinkedPaths(entry, text)
        return self._linked[path]


class LinkedPaths:
    """The functions of one executable by import path, in lower case; a text is split only for the paths that are needed."""

    def __init__(self, symbols: GoSymbols, text: str) -> None:
        self._has_functions = symbols.has_functions
        self._lines: dict[str, list[str]] = {}
        for line in text.lower().split("\n"):
            path, _, functions = line.partition("\t")
            for name in _list_names(path, symbols.aliases):
                self._lines.setdefault(name, []).append(functions)

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def find(self, path: str) -> frozenset[str] | None:
        """Return the functions of a path; None if only the path is known."""
        lines = self._lines.get(path, ())
        if path and lines and not self._has_functions:
            return None
        return frozenset(name for line in lines for group in line.split("\t") for name in _split(group))


class ExecutableImports(Mapping[str, frozenset[str] | None]):
    """The functions of one or more executables by import path; None for a path whose functions are unknown."""

    def __init__(self, executables: Iterable[LinkedPaths]) -> None:
        self._executables = tuple(executables)
        self._paths = {path for executable in self._executables for path in executable}

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, path: str) -> frozenset[str] | None:
        if path not in self._paths:
            raise KeyError(path)
        parts = [executable.find(path) for executable in self._executables]
        known = [part for part in parts if part is not None]
        return frozenset().union(*known) if len(known) == len(parts) else None


def _decompress(data: bytes) -> str | None:
    """Return the text of a zlib stream; None if it is damaged or larger than the native reader writes."""
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(data, _MAX_TEXT).decode()
    except (zlib.error, ValueError):
        return None
    return text if inflater.eof else None


def _list_names(path: str, aliases: Iterable[tuple[str, str]]) -> set[str]:
    """Return the paths under which records may name an import path, in lower case."""
    names = {path, _FROZEN.sub(r"\1", path)}
    for linked, named in aliases:
        prefix = linked.lower()
        if path == prefix or path.startswith(prefix + "/"):
            names.add(named.lower() + path[len(prefix) :])
    return names


def _split(group: str) -> list[str]:
    """Return `["t.a", "t.b"]` for the group `t.a,b`."""
    receiver, _, names = group.partition(".")
    return [f"{receiver}.{name}" if receiver else name for name in names.split(",")]
