"""Where something stands: paths into a document, regions of a file, and the marks that join the two.

Pure values; never opens a file.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, count
from operator import add
from typing import Any, Final, Protocol

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
        if isinstance(value, dict):  # noqa: SIM114 - two types for mypy
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


class Position(msgspec.Struct, frozen=True, order=True, gc=False):
    """A place in a text file. Lines and columns count from 1; columns are Unicode code points."""

    line: int
    column: int


class Region(msgspec.Struct, frozen=True, gc=False):
    """A stretch of a file; `end` is the place after the last character, as SARIF counts."""

    start: Position
    end: Position


class Setting(msgspec.Struct, frozen=True, gc=False):
    """A value that a template took over: its key, and the file and region that set it.

    `file` is a values file as shown to people, or the option of the command line (`--set`), which has no region.
    """

    key: str
    file: str
    region: Region | None = None

    def __str__(self) -> str:
        return f"{_shown(self.file, self.region)} {self.key}"


class Location(msgspec.Struct, frozen=True, gc=False):
    """A file, as it is shown to people, and the region in it; no region where a file has no lines.

    `setting` is the value that the file took over there, if the file is a template.
    """

    file: str
    region: Region | None = None
    setting: Setting | None = None

    def __str__(self) -> str:
        return _shown(self.file, self.region)


def _shown(file: str, region: Region | None) -> str:
    return f"{file}:{region.start.line}" if region else file


class LazySourceMap(Protocol):
    """What knows where a person wrote the values of a document that stands in no file as it is.

    Such documents are rendered from templates, built from overlays or converted from another language.
    """

    def locate(self, document: Any, path: Path) -> Location:
        """The place of `path`, a path from the document's root, or of its nearest ancestor with a place.

        Never raises, and never names a file that has no part in the value: the file of the whole document is the
        least it gives.
        """


NUMBERS: Final = 3
"""How many numbers `Marks` takes for a node."""

_LINE_END: Final = re.compile(r"\r\n?|\n")


def line_starts(text: str) -> array[int]:
    """The index of the first character of every line, as editors and SARIF count lines: after LF, CR LF and CR."""
    if "\r" in text:
        return array("I", [0, *(match.end() for match in _LINE_END.finditer(text))])
    lengths = map(len, text.split("\n"))
    # Each line is one longer than its text, but the first starts at 0.
    return array("I", map(add, accumulate(lengths, initial=0), count()))[:-1]


class SourceMap:
    """The place of every node of one document, packed.

    Three numbers a node, in document order with each mapping key before its value: the index in the file of its
    first character, that after its last one, and the number of nodes of its subtree, itself included. Twelve
    bytes a node keep all places of a large corpus in memory, where a dict of paths would cost a hundred times
    that. The order is that of the value: entries of a dict as they are stored. `lines` are the `line_starts` of
    the file, which its documents share.
    """

    __slots__ = ("_items", "_lines", "_numbers", "_regions")

    def __init__(self, numbers: array[int], lines: array[int]) -> None:
        self._numbers = numbers
        self._lines = lines
        self._items: dict[int, list[int]] = {}
        self._regions: dict[tuple[int, int], Region] = {}

    def __len__(self) -> int:
        return len(self._numbers) // NUMBERS

    def region(self, document: Any, path: Path) -> Region:
        """The region of `path`, or of its nearest ancestor that the document has.

        - An entry of a mapping spans its key and, if that is a scalar on the key's right, its value: `image: nginx`.
          The entry of a collection is its key alone, so that a finding does not underline half a file.
        - An item of a sequence spans its scalar; a collection there, and the root of the document, spans its
          first key or item. Empty collections (`{}`, `[]`) and aliased ones (`*name`) span their own text.
        - What an alias stands for has the place of the alias; what is inside it, or merged in by `<<`, the
          place where a person wrote it.
        """
        node, owner, value = 0, -1, document
        for step in path:
            found = self._child(value, node, step)
            if found is None:
                break
            owner, node, value = found
        return self._region(*self._shown(node, owner, value))

    def extents(self, document: Any, path: Path) -> tuple[int, int, int, int]:
        """The indexes where the region of `path` starts and ends, and where the value itself does.

        A block collection begins at its first key or dash. Raises LookupError where the document has no such path.
        """
        node, owner, value = 0, -1, document
        for step in path:
            found = self._child(value, node, step)
            if found is None:
                raise LookupError(format_path(path))
            owner, node, value = found
        return *self._shown(node, owner, value), *self._span(node)

    def find_alias_lines(self, document: Any, path: Path) -> tuple[int, ...]:
        """The lines on which the text around the value at `path` takes it from elsewhere, from 1.

        Those of the first alias on the way, with its key, or of the mapping that has the merge key: its own key or
        dash, and what of it no other entry stands on. Empty for a value that stands in its own place. As in `region`,
        a path that the document lacks means its nearest ancestor.
        """
        node, owner, value = 0, -1, document
        for step in path:
            found = self._child(value, node, step)
            if found is None:
                break
            if found[1] not in self._direct(value, node, found[1]):
                return self._own_lines(value, node, owner)
            owner, node, value = found
        return ()

    def _direct(self, value: Any, node: int, only: int = -1) -> dict[int, tuple[int, int]]:
        """The children that stand in the text of their collection, and in no other child's; with their stretches.

        Of a sequence, where nothing is merged, `only` one child need be looked at.
        """
        first, last = self._span(node)
        if isinstance(value, list):
            nodes = [only] if only >= 0 else self._rows(node, len(value))
            spans = [(*self._span(at), at) for at in nodes]
        else:
            spans = [(self._span(at - 1)[0], self._span(at)[1], at) for _, _, at in self.entries(value, node)]
        found: dict[int, tuple[int, int]] = {}
        taken = first
        for start, end, at in sorted(spans):
            if taken <= start <= last:
                found[at] = start, end
                taken = max(end, taken)
        return found

    def _own_lines(self, value: Any, node: int, owner: int) -> tuple[int, ...]:
        start, end = self._span(node)
        lines = self._line_range(start, end)
        for stretch in self._direct(value, node).values():
            lines -= self._line_range(*stretch)
        if node:
            lines.add(self._position(start if owner < 0 else self._span(owner)[0]).line)
        return tuple(sorted(lines))

    def _line_range(self, start: int, end: int) -> set[int]:
        return set(range(self._position(start).line, self._position(max(end - 1, start)).line + 1))

    def _shown(self, node: int, owner: int, value: Any) -> tuple[int, int]:
        """The stretch that stands for a node and its key, if it has one."""
        start, end = self._span(node if owner < 0 else owner)
        if owner >= 0:
            if not isinstance(value, dict | list):
                end = max(end, self._span(node)[1])
        elif isinstance(value, dict | list) and value:
            head, head_end = self._span(node + 1)
            if start <= head < end:
                end = head_end
        return start, end

    def scalars(self) -> list[tuple[int, int]]:
        """Where scalars, aliases and empty collections start and end, by index and in that order."""
        numbers = self._numbers
        spans = {(numbers[at], numbers[at + 1]) for at in range(0, len(numbers), NUMBERS) if numbers[at + 2] == 1}
        return sorted(spans)

    def entries(self, value: Any, node: int = 0) -> Iterator[tuple[str | int, Any, int]]:
        """What the value of a node holds: step, value and node; nothing for a scalar. The root is node 0."""
        if isinstance(value, dict):
            at = node + 1
            for key, child in value.items():
                yield key, child, at + 1
                at += 1 + self._size(at + 1)
        elif isinstance(value, list):
            at = node + 1
            for index, child in enumerate(value):
                yield index, child, at
                at += self._size(at)

    def span(self, node: int) -> tuple[int, int]:
        """The indexes where a node that `entries` gave starts and ends."""
        return self._span(node)

    def extract(self, document: Any, path: Path) -> SourceMap | None:
        """The marks of the value at `path` alone, in the same file; None where the document has none."""
        node, value = 0, document
        for step in path:
            found = self._child(value, node, step)
            if found is None:
                return None
            _, node, value = found
        return SourceMap(self._numbers[node * NUMBERS : (node + self._size(node)) * NUMBERS], self._lines)

    def shift(self, lines: int) -> SourceMap:
        """The marks of the same text where `lines` lines of a file stand before it."""
        return SourceMap(self._numbers, array("I", [0]) * lines + self._lines)

    def _region(self, start: int, end: int) -> Region:
        """One value a stretch: dozens of controls miss something at the same place."""
        region = self._regions.get((start, end))
        if region is None:
            region = self._regions[start, end] = Region(self._position(start), self._position(end))
        return region

    def _child(self, value: Any, node: int, step: str | int) -> tuple[int, int, Any] | None:
        """The (key node or -1, node, value) that `step` leads to, or None."""
        if isinstance(value, dict):
            at = node + 1
            for key, child in value.items():
                if key == step:
                    return at, at + 1, child
                at += 1 + self._size(at + 1)
        elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
            return -1, self._rows(node, len(value))[step], value[step]
        return None

    def _rows(self, node: int, count: int) -> list[int]:
        """The nodes of a sequence's items; kept, because every finding of a long List asks for them."""
        rows = self._items.get(node)
        if rows is None:
            rows, at = [], node + 1
            for _ in range(count):
                rows.append(at)
                at += self._size(at)
            self._items[node] = rows
        return rows

    def _size(self, node: int) -> int:
        return self._numbers[node * NUMBERS + 2]

    def _span(self, node: int) -> tuple[int, int]:
        return self._numbers[node * NUMBERS], self._numbers[node * NUMBERS + 1]

    def _position(self, index: int) -> Position:
        line = bisect_right(self._lines, index)
        return Position(line, index - self._lines[line - 1] + 1)
