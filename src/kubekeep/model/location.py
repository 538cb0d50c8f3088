"""Where something stands: paths into a document, regions of a file, and the marks that join the two.

Pure values; never opens a file.
"""

from __future__ import annotations

import re
from array import array
from typing import Any, Final

import msgspec

Path = tuple[str | int, ...]
"""Steps from the root of a document: mapping keys and 0-based sequence indexes."""

_STEP: Final = re.compile(r"""\.?(?:\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.\[\]]+))""")
_PLAIN: Final = re.compile(r"[^.\[\]\"]+")


def parse_path(text: str) -> Path:
    """The steps of `spec.containers[0].image` or `metadata.annotations["a.b/c"]`.

    Raises ValueError for text that is not such a path.
    """
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise ValueError(f"not a path: {text!r}")
        index, quoted, plain = match.groups()
        if index is not None:
            steps.append(int(index))
        elif quoted is not None:
            steps.append(re.sub(r"\\(.)", r"\1", quoted))
        else:
            steps.append(plain)
        at = match.end()
    return tuple(steps)


def format_path(path: Path) -> str:
    """The text of `path`, which `parse_path` reads back. Keys with dots, brackets or quotes are quoted."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _PLAIN.fullmatch(step):
            parts.append(f".{step}" if parts else step)
        else:
            escaped = step.replace("\\", "\\\\").replace('"', '\\"')
            parts.append(f'["{escaped}"]')
    return "".join(parts)


def value_at(document: Any, path: Path) -> Any:
    """The value at `path`; raises LookupError where the document has none."""
    value = document
    for step in path:
        if isinstance(value, dict):
            value = value[step]
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
        else:
            raise LookupError(format_path(path))
    return value


def has_path(document: Any, path: Path) -> bool:
    """Whether `path` leads to a value of `document`."""
    try:
        value_at(document, path)
    except LookupError:
        return False
    return True


class Position(msgspec.Struct, frozen=True, order=True):
    """A place in a text file. Lines and columns count from 1; columns are Unicode code points."""

    line: int
    column: int


class Region(msgspec.Struct, frozen=True):
    """A stretch of a file; `end` is the place after the last character, as SARIF counts."""

    start: Position
    end: Position


class Location(msgspec.Struct, frozen=True):
    """A file, as it is shown to people, and the region in it; no region where a file has no lines."""

    file: str
    region: Region | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.region.start.line}" if self.region else self.file


class Marks:
    """The place of every node of one document, packed.

    Four numbers a node, in document order with each mapping key before its value: start line, start
    column, end line, end column, from 0 as the parser counts. Sixteen bytes a node keep all places of a
    large corpus in memory, where a dict of paths would cost a hundred times that.
    """

    __slots__ = ("_numbers",)

    def __init__(self, numbers: array[int]) -> None:
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers) // 4

    def region(self, document: Any, path: Path) -> Region:
        """The region of `path`, or of its nearest ancestor that the document has.

        A mapping entry spans its key, and its value too if that is a scalar; a sequence item its
        scalar, or its first key or dash where it is a collection.
        """
        node, owner, value = 0, -1, document
        for step in path:
            found = _child(value, node, step)
            if found is None:
                break
            owner, node, value = found
        return self._entry(owner, node, value)

    def _entry(self, owner: int, node: int, value: Any) -> Region:
        first = owner if owner >= 0 else node
        start, end = self._at(first)
        if not isinstance(value, dict | list):
            end = self._at(node)[1]
        elif owner < 0:
            end = self._head(node, value) or start
        return Region(start, end)

    def _head(self, node: int, value: Any) -> Position | None:
        return self._at(node + 1)[1] if value else None

    def _at(self, node: int) -> tuple[Position, Position]:
        at = node * 4
        line, column, end_line, end_column = self._numbers[at : at + 4]
        return Position(line + 1, column + 1), Position(end_line + 1, end_column + 1)


def _child(value: Any, node: int, step: str | int) -> tuple[int, int, Any] | None:
    """The (key node or -1, node, value) that `step` leads to, or None."""
    if isinstance(value, dict):
        at = node + 1
        for key, child in value.items():
            if key == step:
                return at, at + 1, child
            at += 1 + _size(child)
    elif isinstance(value, list) and isinstance(step, int) and step < len(value):
        return -1, node + 1 + sum(map(_size, value[:step])), value[step]
    return None


def _size(value: Any) -> int:
    """How many nodes `value` takes in the marks."""
    total, todo = 0, [value]
    while todo:
        item = todo.pop()
        total += 1
        if isinstance(item, dict):
            total += len(item)
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
    return total
