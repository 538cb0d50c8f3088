"""Index of the built-in library: its controls, frameworks, rules and byte code in one file, made with the package.

An index of other files than those of the library is ignored: then the library is read file by file, and all its rules
are interpreted. Compiles and evaluates nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from kubekeep import _native
from kubekeep.model.control import Control
from kubekeep.model.framework import Framework

SEALED: Final = b""
"""State in the index of an installed package, whose files do not change."""
_FILE: Final = "index.msgpack"
_FOLDERS: Final = ("controls", "frameworks", "lib")
_CASES: Final = "cases"


class Rule(msgspec.Struct, frozen=True):
    """Rego of a control: its file, its text and properties of the text."""

    path: str
    """Path relative to the library, so that it does not depend on the installation; absolute for a custom rule."""
    source: str
    libraries: frozenset[str]
    """Names of the shared modules that it imports, directly or through others."""
    rules: tuple[Rule, ...]
    """Rules of other controls that it imports."""
    outcomes: frozenset[str]
    """Defined results: a subset of `violation`, `applies` and `not_evaluated`."""
    reads_object: bool
    """True if it reads more than the workload view, so that verdicts for equal workloads may differ."""
    is_custom: bool
    """True if a file outside of the built-in library defines it."""


class Program(msgspec.Struct, frozen=True, array_like=True):
    """Byte code of the rules with some names."""

    rules: tuple[str, ...]
    byte_code: bytes


class LibraryIndex(msgspec.Struct, frozen=True, array_like=True):
    """Content of the file; `state` is that of the files that it was made from."""

    state: bytes
    controls: dict[str, Control]
    frameworks: dict[str, Framework]
    rules: dict[str, Rule]
    modules: dict[str, str]
    programs: tuple[Program, ...]


def read_index(root: Path) -> LibraryIndex | None:
    """Return the index of the library in `root`, or None if there is none for its present files."""
    try:
        content = (root / _FILE).read_bytes()
        state = msgspec.msgpack.decode(content, type=_Head).state
        if state not in (SEALED, compute_state(root)):
            return None
        return msgspec.msgpack.decode(content, type=LibraryIndex)
    except (OSError, ValueError):
        return None


class _Head(msgspec.Struct, array_like=True):
    state: bytes


def write_index(root: Path, index: LibraryIndex) -> None:
    """Write the index of the library in `root`. Raises OSError."""
    import tempfile  # noqa: PLC0415 - scans write no index

    with tempfile.NamedTemporaryFile(dir=root, prefix=f".{_FILE}-", delete=False) as stream:
        stream.write(msgspec.msgpack.encode(index))
    Path(stream.name).chmod(0o644)
    Path(stream.name).replace(root / _FILE)


def compute_state(root: Path) -> bytes:
    """Return a digest of the names, sizes and times of the library's files and of the native module."""
    digest = hashlib.blake2b(digest_size=16)
    for path in (*_list_files(root), str(_native.__file__)):
        status = os.stat(path)  # noqa: PTH116 - pathlib takes longer, and the library has a thousand files
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.digest()


def _list_files(root: Path) -> Iterator[str]:
    folders = [str(root / name) for name in _FOLDERS]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if not entry.is_dir():
                    yield entry.path
                elif entry.name != _CASES:
                    folders.append(entry.path)
