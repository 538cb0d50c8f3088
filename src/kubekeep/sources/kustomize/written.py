"""What people wrote for a build: the documents of files, and those inside a text value, such as an inline patch.

Each file is read once and kept with its places. Never builds anything, never follows a reference.
"""

# Paths are text here, as kustomize takes them:
# ruff: noqa: PTH123

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.location import Location, Path, Position, Region, SourceMap, line_starts, value_at
from kubekeep.sources import yaml_text
from kubekeep.sources.tree import Document, Limits, Problem

_DEPTH: Final = 100
"""Nested collections in a document whose places are wanted: they are walked by functions that call themselves."""
_BLOCK: Final = re.compile(r"[|>](?:[+-]?[1-9]?|[1-9][+-])[ \t]*(?:#.*)?$")
_LINE_END: Final = re.compile(r"\r\n?|\n")
_START: Final = Position(1, 1)


class Written:
    """One document: its value, its file, and how the places of its values are those of the file.

    `shift` is added to the line and column of each place; `whole` stands for all of them where a text value is
    written in a style that does not keep its lines, or in a language other than YAML.
    """

    __slots__ = ("_marks", "_shift", "_whole", "file", "value")

    def __init__(
        self,
        file: str,
        value: Any,
        marks: SourceMap | None = None,
        *,
        shift: tuple[int, int] = (0, 0),
        whole: Region | None = None,
    ) -> None:
        self.file = file
        self.value = value
        self._marks = marks
        self._shift = shift
        self._whole = whole

    def region(self, path: Path) -> Region | None:
        """The region of `path` or of its nearest ancestor; None where the file has no lines."""
        if self._whole is not None or self._marks is None:
            return self._whole
        found = self._marks.region(self.value, path)
        return found if self._shift == (0, 0) else Region(self._moved(found.start), self._moved(found.end))

    def _moved(self, place: Position) -> Position:
        lines, columns = self._shift
        return Position(place.line + lines, place.column + columns)


class Spot(msgspec.Struct, frozen=True, gc=False):
    """A place in a document that a person wrote."""

    written: Written
    path: Path = ()

    def below(self, *steps: str | int) -> Spot:
        """The place that `steps` lead to from here."""
        return Spot(self.written, self.path + steps)

    @property
    def value(self) -> Any:
        """What stands there; None if nothing does."""
        try:
            return value_at(self.written.value, self.path)
        except LookupError:
            return None

    def location(self, shown: str) -> Location:
        """The place in the file, which people know as `shown`."""
        return Location(shown, self.written.region(self.path))


class Page(msgspec.Struct, frozen=True):
    """A file that was read: its text, its documents that are there and could be read, and why others could not."""

    text: str
    documents: tuple[Written, ...]
    problem: Problem | None
    lines: array[int]


class Pages:
    """Files by their real path, each read and parsed once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = msgspec.structs.replace(limits, depth=min(limits.depth, _DEPTH))
        self._pages: dict[str, Page] = {}

    def page(self, file: str) -> Page:
        """The file at `file`; one that cannot be read has no text and no documents."""
        page = self._pages.get(file)
        if page is None:
            page = self._pages[file] = self._read(file)
        return page

    def inline(self, spot: Spot) -> tuple[Written, ...]:
        """The documents inside the text value at `spot`, with the places they have in the file around them."""
        text = spot.value
        if not isinstance(text, str):
            return ()
        shift = self._block_shift(spot, text)
        whole = spot.written.region(spot.path) if shift is None else None
        return tuple(
            Written(spot.written.file, found.value, found.source_map, shift=shift or (0, 0), whole=whole)
            for found in self._parsed(text, line_starts(text))
            if isinstance(found, Document)
        )

    def lines(self, file: str) -> Iterator[tuple[str, Spot]]:
        """Each line of a file that is not YAML, with its place."""
        for number, line in enumerate(_LINE_END.split(self.page(file).text), 1):
            region = Region(Position(number, 1), Position(number, len(line) + 1))
            yield line, Spot(Written(file, line, whole=region))

    def start(self, file: str) -> Spot:
        """The first line of a file that is taken over whole."""
        return Spot(Written(file, None, whole=Region(_START, _START)))

    def _read(self, file: str) -> Page:
        try:
            with open(file, "rb") as stream:
                data = stream.read(self._limits.bytes + 1)
            text = data.decode("utf-8").removeprefix("\ufeff") if len(data) <= self._limits.bytes else ""
        except (OSError, ValueError):
            text = ""
        lines = line_starts(text)
        found = list(self._parsed(text, lines))
        documents = tuple(Written(file, item.value, item.source_map) for item in found if isinstance(item, Document))
        problem = next((item for item in found if isinstance(item, Problem)), None)
        return Page(text, documents, problem, lines)

    def _parsed(self, text: str, lines: array[int]) -> Iterator[Document | Problem | None]:
        return yaml_text.documents(text, lines, self._limits)

    def _block_shift(self, spot: Spot, text: str) -> tuple[int, int] | None:
        """How far the lines of a block scalar stand from those of its text; None for other styles."""
        region = spot.written.region(spot.path)
        lines = _LINE_END.split(self.page(spot.written.file).text)
        content = _LINE_END.split(text)
        if region is None or region.start.line > len(lines):
            return None
        head = lines[region.start.line - 1]
        match = _BLOCK.search(head)
        first = next((n for n, line in enumerate(content) if line.strip()), None)
        if match is None or first is None or region.start.line + first >= len(lines):
            return None
        ours, theirs = content[first], lines[region.start.line + first]
        # A folded scalar joins lines: its places are right only where nothing was joined.
        folded = head[match.start()] == ">" and text.rstrip("\n").count("\n") > 0
        if folded or not theirs.endswith(ours):
            return None
        return region.start.line, len(theirs) - len(ours)
