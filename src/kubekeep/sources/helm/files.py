"""The files of a chart, from a folder or a packed chart, in memory. Hostile input meets its limits here.

Links are followed where they stay below the scanned folder; packed charts hold files and nothing else. Never writes.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH110, PTH112, PTH114, PTH118, PTH208

from __future__ import annotations

import gzip
import io
import os
import posixpath
import re
import stat
import tarfile
import zlib
from collections.abc import Iterator
from typing import Final

from kubekeep.model.paths import display_path, error_reason
from kubekeep.sources.helm.ignore import Ignore
from kubekeep.sources.helm.limits import Budget, ChartError

IGNORE_FILE: Final = ".helmignore"
_DRIVE: Final = re.compile(r"[A-Za-z]:/")
_UNSPEAKABLE: Final = re.compile("[\x00-\x1f\x7f\\\\\ud800-\udfff]")
"""What no name in a chart may hold: Helm prints names in lines, and takes a backslash for a slash."""
_TAR_OVERHEAD: Final = 2
"""A tar file may be this many times its content, and a kilobyte an entry, for its headers and padding."""


def read_file(path: str, shown: str, budget: Budget) -> bytes:
    """The content of a regular file, counted; raises ChartError for anything else, and never waits for a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ChartError(shown, "not a regular file")
            data = stream.read(min(budget.limits.file_bytes, budget.bytes_left) + 1)
    except (OSError, ValueError) as error:
        raise ChartError(shown, error_reason(error)) from error
    budget.take(len(data), shown)
    return data


def folder(path: str, shown: str, root: str, budget: Budget) -> dict[str, bytes]:
    """The files below a chart's folder by their path in it, without those that `.helmignore` leaves out.

    `root` is the real path of the folder that links may not lead out of. Raises ChartError.
    """
    return dict(_Folder(path, shown, root, budget).files())


class _Folder:
    def __init__(self, path: str, shown: str, root: str, budget: Budget) -> None:
        self._path = path
        self._shown = shown
        self._root = root
        self._budget = budget
        self._ignore = self._rules()

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Depth first, in the order of names, as Helm walks."""
        todo: list[tuple[str, tuple[str, ...]]] = [("", (os.path.realpath(self._path),))]
        while todo:
            name, within = todo.pop()
            if within:
                todo.extend(self._entries(name, within))
            else:
                shown = self._shown_of(name)
                yield name, read_file(os.path.join(self._path, name), shown, self._budget)

    def _rules(self) -> Ignore:
        path = os.path.join(self._path, IGNORE_FILE)
        if not os.path.lexists(path):
            return Ignore("")
        shown = self._shown_of(IGNORE_FILE)
        self._check_link(path, shown)
        try:
            return Ignore(read_file(path, shown, self._budget).decode("utf-8", "surrogateescape"))
        except ValueError as error:
            raise ChartError(shown, str(error)) from error

    def _shown_of(self, name: str) -> str:
        return display_path(os.path.join(self._shown, name))

    def _check_link(self, path: str, shown: str) -> str:
        """The real path of what `path` names; raises ChartError where it leads out or nowhere."""
        real = os.path.realpath(path)
        if os.path.islink(path):
            if os.path.commonpath((self._root, real)) != self._root:
                raise ChartError(shown, "symbolic link out of the scanned folder: not followed, the chart not read")
            if not os.path.exists(real):
                raise ChartError(shown, "symbolic link that leads nowhere or in a circle")
        return real

    def _entries(self, name: str, within: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
        """What is in a folder, the first name last; `within` are the real folders that lead to it."""
        shown = self._shown_of(name)
        try:
            names = sorted(os.listdir(within[-1]), reverse=True)
        except OSError as error:
            raise ChartError(shown, error_reason(error)) from error
        found: list[tuple[str, tuple[str, ...]]] = []
        for entry in names:
            below = f"{name}/{entry}" if name else entry
            if _UNSPEAKABLE.search(entry):
                raise ChartError(shown, f"{display_path(entry)[:200]!r} is no name for a file of a chart: not read")
            path = os.path.join(self._path, below)
            self._budget.entry(shown)
            is_folder = os.path.isdir(path)
            if self._ignore.leaves_out(below, folder=is_folder):
                continue
            real = self._check_link(path, self._shown_of(below))
            if is_folder and real in within:
                raise ChartError(self._shown_of(below), "symbolic link to a folder it is in: a circle")
            found.append((below, (*within, real) if is_folder else ()))
        return found


def archive(data: bytes, shown: str, budget: Budget) -> dict[str, bytes]:
    """The files of a packed chart by their path in it. Raises ChartError for all that Helm would not pack."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=_Unzipped(data, shown, budget), mode="r|", errorlevel=2) as tar:
            for member in tar:
                budget.entry(shown)
                if member.isdir():
                    continue
                name = _member_name(member, shown)
                budget.take(member.size, f"{shown}/{name}")
                stream = tar.extractfile(member)
                content = b"" if stream is None else stream.read()
                if len(content) != member.size:
                    raise ChartError(shown, "not a packed chart: it ends in the middle of a file")
                files[name] = content
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise ChartError(shown, f"not a packed chart: {error_reason(ValueError(str(error)))}") from error
    if not files:
        raise ChartError(shown, "not a packed chart: there are no files in it")
    return files


def _member_name(member: tarfile.TarInfo, shown: str) -> str:
    """The path in the chart of a member; raises ChartError for links, devices and paths that lead out."""
    quoted = display_path(member.name)[:200]
    if not member.isreg() or member.issparse():
        what = "link" if member.issym() or member.islnk() else "special file"
        raise ChartError(shown, f"{quoted!r} in this packed chart is a {what}: not read")
    full = member.name.replace("\\", "/")
    top, _, name = full.partition("/")
    clean = posixpath.normpath(name) if name else ""
    leads_out = full.startswith("/") or top in ("", "..") or clean in ("", ".") or ".." in name.split("/")
    if leads_out or clean.startswith("/") or _DRIVE.match(clean) or _UNSPEAKABLE.search(clean):
        raise ChartError(shown, f"{quoted!r} in this packed chart is no path below the chart's folder: not read")
    return clean


class _Unzipped(io.RawIOBase):
    """The tar file in a packed chart, unpacked as it is read and never beyond the limits."""

    def __init__(self, data: bytes, shown: str, budget: Budget) -> None:
        super().__init__()
        self._stream = gzip.GzipFile(fileobj=io.BytesIO(data))
        self._shown = shown
        self._left = budget.bytes_left * _TAR_OVERHEAD + 1024 * budget.limits.entries
        self._limit = budget.limits.bytes

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ChartError(self._shown, f"this packed chart unpacks to more than {self._limit} bytes: not read")
        return data
