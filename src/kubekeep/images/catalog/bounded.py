"""Content of files of a layer: texts of a bounded size, databases with random access. Opens only `spill` files."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from kubekeep.images.content import LayerFile
from kubekeep.model.package import Package

MAX_TEXT: Final = 64 * 2**20
"""Largest text in bytes; the status file of a Debian desktop has 5 MB."""
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
MAX_PACKAGES: Final = 100_000
"""Most packages in one database; all of Debian has fewer."""
MAX_FILES: Final = 2_000_000
"""Most installed files of all packages in one database."""
MAX_OWNED: Final = 64 * 2**20
"""Most characters of all paths of installed files; a hostile database could repeat a long folder."""
MAX_PROVIDERS: Final = 8
"""Most packages that one dependency is resolved to; a hostile database could square its size with more."""
MAX_DEPENDENCIES: Final = 200_000
"""Most dependencies of all packages in one database."""
MAX_FIELD: Final = 64 * 2**10
"""Longest value in characters of a field that is kept."""


def read_content(file: LayerFile, limit: int = MAX_TEXT) -> bytes:
    """Return the content of a file, which large files have in a temporary one. Raises ValueError above `limit` bytes."""
    content = file.content
    if file.spill:
        with Path(file.spill).open("rb") as stream:
            content = stream.read(limit + 1)
    check_size(content, limit)
    return content


def read_text(file: LayerFile, limit: int = MAX_TEXT) -> str:
    """Return the text of a file; bytes that are no UTF-8 become U+FFFD. Raises ValueError above `limit` bytes."""
    return decode_text(read_content(file, limit))


def decode_text(content: bytes) -> str:
    """Return the text of bytes, without a byte order mark; bytes that are no UTF-8 become U+FFFD."""
    return content.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace")


def check_size(content: bytes, limit: int) -> None:
    """Raise ValueError above `limit` bytes."""
    if len(content) > limit:
        raise ValueError(f"text of more than {limit} bytes")


def split_paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a database of text. Raises ValueError if there are more than packages may be."""
    if text.count("\n\n") > MAX_PACKAGES:
        raise ValueError(f"more than {MAX_PACKAGES} packages")
    return [paragraph for paragraph in text.split("\n\n") if not paragraph.isspace() and paragraph]


def is_cut(text: str, fields: Iterable[str]) -> bool:
    """Return True if the end of a database of text is missing.

    Package managers end each record with an empty line. Other tools may not: they do not write all of `fields` either.
    """
    if not text.strip("\n") or text.endswith("\n\n"):
        return False
    return not text.endswith("\n") or all(f"\n{field}:" in text for field in fields)


_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def has_control_characters(text: str) -> bool:
    """Return True for characters that no record contains, as zeros in place of a lost block."""
    return _CONTROL.search(text) is not None


def find_broken_line(name: str, lines: str, pattern: re.Pattern[str]) -> str:
    """Return the reason if a record has control characters or a line that is no field; empty for a well-formed one.

    pattern: of a line that is no field, with the line feed before it.
    """
    if has_control_characters(lines):
        return f"of {name} has control characters"
    return f"of {name} has a line without a field" if pattern.search(lines) else ""


class RecordDamage:
    """The damaged records of a database, for the message about them."""

    def __init__(self) -> None:
        self._count = 0
        self._first = ""

    def add(self, number: int, reason: str) -> None:
        """Count a damaged record; `number` is its 1-based position."""
        self._count += 1
        self._first = self._first or f"record {number} {reason}"

    def describe(self, *, is_cut: bool) -> str:
        """Return the message; empty if no record is damaged. `is_cut`: the end of the file is missing."""
        parts = []
        if self._count:
            noun = "1 record is" if self._count == 1 else f"{self._count} records are"
            parts.append(f"{noun} damaged: {self._first}")
        if is_cut:
            parts.append("the file does not end with a complete record")
        return f"packages may be missing: {'; '.join(parts)}" if parts else ""


def check_file_count(count: int) -> None:
    """Raise ValueError if a database lists too many installed files."""
    if count > MAX_FILES:
        raise ValueError(f"more than {MAX_FILES} files")


@contextlib.contextmanager
def open_content(file: LayerFile) -> Iterator[memoryview]:
    """Open a file for random access. Raises ValueError if it is empty."""
    if not file.spill:
        yield memoryview(file.content)
        return
    import mmap  # noqa: PLC0415 - only large databases need it

    with (
        Path(file.spill).open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content,
        memoryview(content) as view,
    ):
        yield view


def collect_packages(packages: Iterable[Package]) -> tuple[Package, ...]:
    """Return the packages of one database. Raises ValueError for more packages or dependencies than the limits."""
    collected = []
    dependency_count = 0
    for package in packages:
        collected.append(package)
        dependency_count += len(package.dependencies)
        if len(collected) > MAX_PACKAGES:
            raise ValueError(f"more than {MAX_PACKAGES} packages")
        if dependency_count > MAX_DEPENDENCIES:
            raise ValueError(f"more than {MAX_DEPENDENCIES} dependencies")
    return tuple(collected)


def list_providers(provided: Iterable[tuple[str, Iterable[str]]]) -> dict[str, list[str]]:
    """Return package names by capability; `provided` has each package with the names that it provides."""
    providers: dict[str, list[str]] = {}
    for package, names in provided:
        for name in names:
            known = providers.setdefault(name, [])
            if len(known) < MAX_PROVIDERS and package not in known:
                known.append(package)
    return providers


def resolve_names(package: str, names: Iterable[str], providers: dict[str, list[str]]) -> tuple[str, ...]:
    """Return the names of the other packages that provide the required names."""
    resolved = {provider for name in names for provider in providers.get(name, ())}
    resolved.discard(package)
    return tuple(sorted(resolved))
