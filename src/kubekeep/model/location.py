"""Locations: paths into a document, regions of a file, and source maps from paths to regions. Never opens a file."""

from __future__ import annotations

import functools
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from kubekeep import _native
from kubekeep.model.text_lines import find_block_lines

Path = tuple[str | int, ...]
"""Steps from the root of a document: mapping keys and 0-based sequence indexes."""

_STEP: Final = re.compile(r"""\.?(?:\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.\[\]]+))""")
_PLAIN: Final = re.compile(r"[^.\[\]\"]+")


def parse_path(text: str) -> Path:
    """Parse a path such as `spec.containers[0].image` or `metadata.annotations["a.b/c"]`.

    Raises ValueError for text that is not a path.
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
    """Format `path` so that `parse_path` can read it. Keys with dots, brackets or quotes are quoted."""
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
    """Return the value at `path`. Raises LookupError if the document has none."""
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
    """Return True if the document has a value at `path`."""
    try:
        value_at(document, path)
    except LookupError:
        return False
    return True


class Position(msgspec.Struct, frozen=True, order=True, gc=False):
    """A position in a text file. Lines and columns count from 1; columns are Unicode code points."""

    line: int
    column: int


class Region(msgspec.Struct, frozen=True, gc=False):
    """A range of a file; `end` is the position after the last character, as in SARIF."""

    start: Position
    end: Position


class Setting(msgspec.Struct, frozen=True, gc=False):
    """A value that a template inserted: its key, and the file and region that set it.

    `file` is the display path of a values file, or a command-line option (`--set`), which has no region.
    """

    key: str
    file: str
    region: Region | None = None

    def __str__(self) -> str:
        return f"{_format_location(self.file, self.region)} {self.key}"


class Location(msgspec.Struct, frozen=True, gc=False):
    """A file, by its display path, and a region in it; no region if the file has no lines.

    `setting` is the value that the file inserted there, if the file is a template.
    """

    file: str
    region: Region | None = None
    setting: Setting | None = None

    def __str__(self) -> str:
        return _format_location(self.file, self.region)


def _format_location(file: str, region: Region | None) -> str:
    return f"{file}:{region.start.line}" if region else file


class LazySourceMap(Protocol):
    """Source map of a document that was generated: rendered from templates, built from overlays or converted.

    Locations are looked up on demand, in the files that a person wrote.
    """

    def locate(self, document: Any, path: Path) -> Location:
        """Return the location of `path`, or of its nearest ancestor with a known location.

        `path` begins at the root of the document. Never raises, and never returns a file unrelated to the value; the
        fallback is the file of the whole document.
        """


@runtime_checkable
class LineSourceMap(LazySourceMap, Protocol):
    """Lazy source map that knows the lines of texts, such as a configuration file in a ConfigMap."""

    def locate_line(self, document: Any, path: Path, line: int) -> Location | None:
        """Return the location of a line, from 1, of the text at `path`; None if unknown."""


NUMBERS: Final = 3
"""Count of integers that `SourceMap` stores for a node."""


def line_starts(text: str) -> array[int]:
    """Return the index of the first character of every line. Lines end with LF, CR LF or CR, as in SARIF."""
    return array("I", _native.line_starts(text))


class SourceMap:
    """Locations of all nodes of one document, in compact form.

    Three integers per node, in document order with each mapping key before its value: start index in the file, end
    index, and the number of nodes in its subtree, itself included. Twelve bytes per node, about four when packed, keep all
    locations of a large corpus in memory; a dict of paths would need hundreds of times as much. The order is that of
    the value: dict entries as they are stored. `lines` are the `line_starts` of the file, shared by its documents.
    """

    __slots__ = ("_content", "_lines")

    def __init__(self, numbers: array[int], lines: array[int]) -> None:
        self._content: array[int] | bytes = numbers
        self._lines = lines

    def pack_in_place(self) -> None:
        """Compress the integers, except those of large documents: they are few, and decompressing one takes long."""
        content = self._content
        if not isinstance(content, bytes) and len(content) <= _MOST_PACKED:
            self._content = _pack_numbers(content)

    @property
    def _numbers(self) -> array[int]:
        content = self._content
        return _unpack_numbers(content) if isinstance(content, bytes) else content

    def __len__(self) -> int:
        return len(self._numbers) // NUMBERS

    def region(self, document: Any, path: Path) -> Region:
        """Return the region of `path`, or of its nearest existing ancestor.

        - An entry of a mapping spans its key and, if the value is a scalar to the right of the key, the value:
          `image: nginx`. The entry of a collection is its key alone, so that a finding does not underline half a file.
        - An element of a sequence spans its scalar; a collection there, and the root of the document, spans its first
          key or element. Empty collections (`{}`, `[]`) and aliases (`*name`) span their own text.
        - The value of an alias has the location of the alias; values inside it, or merged in by `<<`, have the location
          of the original text.
        """
        return self.find_fields(document, (), (path,))[0][0]

    def find_fields(self, document: Any, root: Path, paths: Sequence[Path]) -> list[tuple[Region, bool]]:
        """Return for each path below `root` the region, as `region` does, and true if the document has the path."""
        regions = _get_recent_regions(self)
        fields = []
        for start, end, exists in _native.find_fields(self._numbers, document, root, paths):
            region = regions.get((start, end))
            if region is None:
                # Dozens of controls report the same span.
                region = regions[start, end] = Region(self._position(start), self._position(end))
            fields.append((region, exists))
        return fields

    def find_extents(self, document: Any, path: Path) -> tuple[int, int, int, int]:
        """Return the start and end index of the region of `path`, and the start and end index of the value itself.

        A block collection begins at its first key or dash. Raises LookupError if the document has no such path.
        """
        node, owner, value = 0, -1, document
        for step in path:
            child = self._find_child(value, node, step)
            if child is None:
                raise LookupError(format_path(path))
            owner, node, value = child
        return *self._display_span(node, owner, value), *self.span(node)

    def find_line(self, document: Any, path: Path, line: int) -> tuple[int, int] | None:
        """Return the start and end index of a line, from 1, of the text at `path`; None unless it is a block scalar."""
        try:
            text = value_at(document, path)
            _, _, start, end = self.find_extents(document, path)
        except LookupError:
            return None
        if not isinstance(text, str):
            return None
        lines = _get_recent_lines(self)
        key = start, end, text
        if key not in lines:
            lines[key] = self._find_lines(start, end, text)
        return lines[key].get(line)

    def _find_lines(self, start: int, end: int, text: str) -> dict[int, tuple[int, int]]:
        """Return the start and end index of each line, from 1, of a text with this span; empty unless a block scalar."""
        header = bisect_right(self._lines, start)
        following = bisect_right(self._lines, end - 1)
        starts = self._lines[header:following]
        ends = [start - 1 for start in self._lines[header + 1 : following + 1] if start <= end]
        if len(ends) < len(starts):
            if following < len(self._lines):
                # Only a block scalar ends with its last line; at the end of the file, the line may have no end.
                return {}
            ends.append(end)
        lengths = [last - first for first, last in zip(starts, ends, strict=True)]
        return {line: (starts[at], ends[at]) for line, at in find_block_lines(lengths, text).items()}

    def line_region(self, document: Any, path: Path, line: int) -> Region | None:
        """Return the region of a line, as `find_line` does its indexes."""
        span = self.find_line(document, path, line)
        return None if span is None else Region(self._position(span[0]), self._position(span[1]))

    def find_alias_lines(self, document: Any, path: Path) -> tuple[int, ...]:
        """Return the 1-based lines of the alias or merge key through which the value at `path` is inserted.

        These are the lines of the first alias on the path, with its key; for a merge key, the lines of the mapping that
        has it: its own key or dash, and its lines without those of other entries. Empty for a value written in place.
        As in `region`, a missing path stands for its nearest ancestor.
        """
        node, owner, value = 0, -1, document
        for step in path:
            child = self._find_child(value, node, step)
            if child is None:
                break
            if child[1] not in self._find_direct_children(value, node, child[1]):
                return self._list_own_lines(value, node, owner)
            owner, node, value = child
        return ()

    def _find_direct_children(self, value: Any, node: int, only: int = -1) -> dict[int, tuple[int, int]]:
        """Return the spans of children written inside their collection, and not inside the text of another child.

        In a sequence, which has no merge keys, only the child `only` needs to be checked.
        """
        first, last = self.span(node)
        if isinstance(value, list):
            nodes = [only] if only >= 0 else self._element_nodes(node, len(value))
            spans = [(*self.span(at), at) for at in nodes]
        else:
            spans = [(self.span(at - 1)[0], self.span(at)[1], at) for _, _, at in self.iterate_children(value, node)]
        spans_by_node: dict[int, tuple[int, int]] = {}
        next_free = first
        for start, end, at in sorted(spans):
            if next_free <= start <= last:
                spans_by_node[at] = start, end
                next_free = max(end, next_free)
        return spans_by_node

    def _list_own_lines(self, value: Any, node: int, owner: int) -> tuple[int, ...]:
        start, end = self.span(node)
        lines = self._line_range(start, end)
        for span in self._find_direct_children(value, node).values():
            lines -= self._line_range(*span)
        if node:
            lines.add(self._position(start if owner < 0 else self.span(owner)[0]).line)
        return tuple(sorted(lines))

    def _line_range(self, start: int, end: int) -> set[int]:
        return set(range(self._position(start).line, self._position(max(end - 1, start)).line + 1))

    def _display_span(self, node: int, owner: int, value: Any) -> tuple[int, int]:
        """Return the span of a node together with its key, if it has one."""
        start, end = self.span(node if owner < 0 else owner)
        if owner >= 0:
            if not isinstance(value, dict | list):
                end = max(end, self.span(node)[1])
        elif isinstance(value, dict | list) and value:
            head, head_end = self.span(node + 1)
            if start <= head < end:
                end = head_end
        return start, end

    def list_scalars(self) -> list[tuple[int, int]]:
        """Return the sorted start and end indexes of scalars, aliases and empty collections."""
        numbers = self._numbers
        spans = {(numbers[at], numbers[at + 1]) for at in range(0, len(numbers), NUMBERS) if numbers[at + 2] == 1}
        return sorted(spans)

    def iterate_children(self, value: Any, node: int = 0) -> Iterator[tuple[str | int, Any, int]]:
        """Yield step, value and node of each child of `node`; nothing for a scalar. The root is node 0."""
        numbers = self._numbers
        if isinstance(value, dict):
            at = node + 1
            for key, child in value.items():
                yield key, child, at + 1
                at += 1 + numbers[(at + 1) * NUMBERS + 2]
        elif isinstance(value, list):
            at = node + 1
            for index, child in enumerate(value):
                yield index, child, at
                at += numbers[at * NUMBERS + 2]

    def span(self, node: int) -> tuple[int, int]:
        """Return the start and end index of a node that `iterate_children` yielded."""
        return self._numbers[node * NUMBERS], self._numbers[node * NUMBERS + 1]

    def extract(self, document: Any, path: Path) -> SourceMap | None:
        """Return the source map of the value at `path`, in the same file; None if the document has no such value."""
        node, value = 0, document
        for step in path:
            child = self._find_child(value, node, step)
            if child is None:
                return None
            _, node, value = child
        return SourceMap(self._numbers[node * NUMBERS : (node + self._size(node)) * NUMBERS], self._lines)

    def shift(self, lines: int) -> SourceMap:
        """Return the source map of the same text with `lines` lines inserted before it."""
        return SourceMap(self._numbers, array("I", [0]) * lines + self._lines)

    def _find_child(self, value: Any, node: int, step: str | int) -> tuple[int, int, Any] | None:
        """Return (key node or -1, node, value) of the child at `step`, or None."""
        if isinstance(value, dict):
            at = node + 1
            for key, child in value.items():
                if key == step:
                    return at, at + 1, child
                at += 1 + self._size(at + 1)
        elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
            return -1, self._element_nodes(node, len(value))[step], value[step]
        return None

    def _element_nodes(self, node: int, count: int) -> list[int]:
        """Return the nodes of the elements of a sequence; cached, as every finding in a long List needs them."""
        nodes_by_sequence = _get_recent_nodes(self)
        rows = nodes_by_sequence.get(node)
        if rows is None:
            rows, at = [], node + 1
            for _ in range(count):
                rows.append(at)
                at += self._size(at)
            nodes_by_sequence[node] = rows
        return rows

    def _size(self, node: int) -> int:
        return self._numbers[node * NUMBERS + 2]

    def _position(self, index: int) -> Position:
        line = bisect_right(self._lines, index)
        return _share_position(line, index - self._lines[line - 1] + 1)


_MOST_PACKED: Final = 1 << 14
"""Maximum number of integers of a source map that is compressed."""
_BYTES: Final = array("I").itemsize


def _pack_numbers(numbers: array[int]) -> bytes:
    """Compress integers: first their lowest bytes, then the next ones, which are nearly equal, and so on."""
    content = numbers.tobytes()
    return _native.pack(b"".join([content[number::_BYTES] for number in range(_BYTES)]))


@functools.lru_cache(maxsize=2)
def _unpack_numbers(packed: bytes) -> array[int]:
    text = _native.unpack(packed)
    count = len(text) // _BYTES
    content = bytearray(len(text))
    for number in range(_BYTES):
        content[number::_BYTES] = text[number * count : (number + 1) * count]
    return array("I", bytes(content))


_share_position: Final = functools.lru_cache(maxsize=1 << 14)(Position)
"""Return a position. Files have few lines and columns, so that many positions are equal."""


@functools.lru_cache(maxsize=2)
def _get_recent_nodes(source_map: SourceMap) -> dict[int, list[int]]:  # noqa: ARG001 - key of the cache
    """Return the nodes of the elements of sequences by the node of the sequence, to be filled."""
    return {}


@functools.lru_cache(maxsize=2)
def _get_recent_regions(source_map: SourceMap) -> dict[tuple[int, int], Region]:  # noqa: ARG001 - key of the cache
    """Return the regions of a source map by their span, to be filled; only those of resources in turn are kept."""
    return {}


@functools.lru_cache(maxsize=2)
def _get_recent_lines(
    source_map: SourceMap,  # noqa: ARG001 - key of the cache
) -> dict[tuple[int, int, str], dict[int, tuple[int, int]]]:
    """Return the lines of texts by their span, to be filled; a document may have a finding in each of many lines."""
    return {}
