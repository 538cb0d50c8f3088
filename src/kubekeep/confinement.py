"""Confinement of file access to some folders, for servers whose clients or workspaces are not trusted.

In a confinement, files are opened below one of the folders, part by part and without following links, so that a link that is put
in the place of a folder meanwhile leads nowhere. Without one, files are opened as usual. Never reads the content of a file.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH100, PTH118, PTH119, PTH120, PTH208

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Final

_FOLDER: Final = (
    os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
)
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_HAS_DESCRIPTORS: Final = os.open in os.supports_dir_fd
_folders: tuple[str, ...] = ()
"""Real paths of the folders of the confinement of this process; empty without one."""
_refused: list[str] = []
"""Paths outside of the folders that were to be opened in the present confinement."""


_exempt_thread = 0
"""Identifier of a thread that is not confined; 0 for none."""


@contextlib.contextmanager
def confine(folders: Iterable[str], *, exempt_thread: int = 0) -> Iterator[None]:
    """Confine the process to folders: meanwhile, opening a file elsewhere raises PermissionError.

    exempt_thread: identifier of a thread that goes on with other work and is not confined.
    """
    global _folders, _refused, _exempt_thread
    before = _folders, _refused, _exempt_thread
    _folders, _refused, _exempt_thread = tuple(map(os.path.realpath, folders)), [], exempt_thread
    try:
        yield
    finally:
        _folders, _refused, _exempt_thread = before


def list_refused() -> tuple[str, ...]:
    """Return the paths outside of the folders that were to be opened in the present confinement."""
    return tuple(_refused)


def is_confined() -> bool:
    """Return True in a confinement: no other program may then open files by their paths."""
    return bool(_folders) and threading.get_ident() != _exempt_thread


def open_descriptor(path: str | os.PathLike[str], flags: int, mode: int = 0o777) -> int:
    """Open a path as `os.open` does, usable as the `opener` of `open`.

    In a confinement, raises PermissionError for a path that leads out of its folders, and OSError if a part of the path is replaced
    by a link meanwhile.
    """
    if not is_confined():
        return os.open(path, flags, mode)
    text = os.path.abspath(path)
    if flags & _NO_LINK:
        # The caller refuses a link as the last part.
        real = os.path.join(os.path.realpath(os.path.dirname(text)), os.path.basename(text))
    else:
        real = os.path.realpath(text)
    folder = next((folder for folder in _folders if PurePath(real).is_relative_to(folder)), None)
    if folder is None:
        _refused.append(os.fspath(path))
        raise PermissionError(errno.EACCES, "outside of the folders that this server reads", os.fspath(path))
    if not _HAS_DESCRIPTORS:
        return os.open(real, flags, mode)
    return open_below(folder, PurePath(real).relative_to(folder).parts, flags, mode)


def list_names(folder: str) -> list[str]:
    """Return the names of the entries of a folder, as `os.listdir` does. Raises as `open_descriptor`."""
    if not is_confined() or not _HAS_DESCRIPTORS:
        return os.listdir(folder)
    descriptor = open_descriptor(folder, _FOLDER & ~_NO_LINK)
    try:
        return os.listdir(descriptor)
    finally:
        os.close(descriptor)


def scan_folder(folder: str) -> list[os.DirEntry[str]]:
    """Return the entries of a folder, as `os.scandir` does. Raises as `open_descriptor`."""
    # Entries need the path, which may lead elsewhere by now: only names of the folder itself remain.
    names = set(list_names(folder)) if is_confined() else None
    with os.scandir(folder) as entries:
        return [entry for entry in entries if names is None or entry.name in names]


def open_below(folder: str, parts: tuple[str, ...], flags: int, mode: int) -> int:
    """Open `parts` below a real folder, each without following a link."""
    if not parts:
        return os.open(folder, flags | _NO_LINK, mode)
    descriptor = os.open(folder, _FOLDER)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        return os.open(parts[-1], flags | _NO_LINK, mode, dir_fd=descriptor)
    finally:
        os.close(descriptor)
