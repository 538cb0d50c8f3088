"""Roots: the folders of a server, and the paths that clients name in them. Reads no file content.

With one root, paths are relative to it. With several, they begin with the name of a root.
"""

# Paths stay the text that clients sent, so os.path and not pathlib:
# ruff: noqa: PTH112, PTH117, PTH118, PTH119, PTH120

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Final

import msgspec

from kubekeep.model.errors import RequestError
from kubekeep.model.text import visible

_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|file:|[\w.-]+@[\w.-]+:", re.ASCII)
"""Beginning of a URL, or of an SSH address of a repository."""
_WINDOWS_ABSOLUTE: Final = re.compile(r"[A-Za-z]:|[\\/]")
_PATTERN: Final = re.compile(r"[*?[]")


def is_below(real: str, folder: str) -> bool:
    """Return True if a path is a folder or in it; both are absolute and without links."""
    return PurePath(real).is_relative_to(folder)


class PathRefusedError(RequestError):
    """A path that the server does not read; the message says why, and what to use instead."""


class RootPath(msgspec.Struct, frozen=True):
    """A path in a root: `name` is relative to `folder`, and is the path that clients see."""

    folder: str
    name: str

    @property
    def absolute(self) -> str:
        """The absolute path."""
        return os.path.join(self.folder, self.name)


class Roots:
    """The folders that paths of clients may be in."""

    def __init__(self, folders: Iterable[str]) -> None:
        """Resolve the folders. Raises RequestError for one that does not exist, and for equal names."""
        self.folders: dict[str, str] = {}
        for folder in folders:
            real = os.path.realpath(folder)
            if not os.path.isdir(real):
                raise RequestError(f"--root {folder}: not a folder")
            name = os.path.basename(real) or real
            if self.folders.setdefault(name, real) != real:
                raise RequestError(f"--root {folder}: there is another root with the name {name}; rename one folder")

    @property
    def description(self) -> str:
        """A sentence for clients on how to name paths."""
        if len(self.folders) == 1:
            return "Paths are relative to the root folder of the server; `.` is all of it."
        return f"Paths begin with the name of a root: {', '.join(map(visible, self.folders))}."

    def resolve(self, text: str) -> RootPath:
        """Return the path in a root that a client named. Raises PathRefusedError."""
        shown = visible(text)
        if "\0" in text:
            raise PathRefusedError(f"{shown}: not a path")
        if _ADDRESS.match(text):
            raise PathRefusedError(f"{shown}: addresses are not read here; name a path in a root. {self.description}")
        if _WINDOWS_ABSOLUTE.match(text) or text.startswith("~"):
            raise PathRefusedError(f"{shown}: absolute paths are refused. {self.description}{self._suggest(text)}")
        if ".." in re.split(r"[\\/]", text):
            raise PathRefusedError(f"{shown}: paths with `..` are refused. {self.description}")
        folder, name = self._split(os.path.normpath(text or os.curdir), shown)
        path = RootPath(folder, name)
        if not self.contains(path.absolute):
            raise PathRefusedError(f"{shown}: the path leads out of the roots through a symbolic link; name its target")
        if not os.path.lexists(path.absolute):
            hint = "patterns are not expanded; name a file or folder" if _PATTERN.search(text) else self.description
            raise PathRefusedError(f"{shown}: no such file or folder. {hint}")
        return path

    def contains(self, path: str) -> bool:
        """Return True if `path`, with all its links followed, is in a root."""
        real = os.path.realpath(path)
        return any(is_below(real, folder) for folder in self.folders.values())

    def _split(self, path: str, shown: str) -> tuple[str, str]:
        """Return the folder to start from and the path relative to it."""
        if len(self.folders) == 1:
            return next(iter(self.folders.values())), path
        root = self.folders.get(path.split(os.sep, maxsplit=1)[0])
        if root is None:
            raise PathRefusedError(f"{shown}: no root has this name. {self.description}")
        return os.path.dirname(root), path

    def _suggest(self, text: str) -> str:
        """Return the relative form of an absolute path in a root, as a further sentence."""
        if not os.path.isabs(text) or not self.contains(text):
            return ""
        for root in self.folders.values():
            base = root if len(self.folders) == 1 else os.path.dirname(root)
            if is_below(os.path.realpath(text), root):
                return f" Use {visible(os.path.relpath(os.path.realpath(text), base))}."
        return ""
