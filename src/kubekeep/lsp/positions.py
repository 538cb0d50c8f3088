"""Positions of a text in the units of the client: UTF-16 by default, or the negotiated encoding. No I/O."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from lsprotocol import types

from kubekeep.model.location import Position, Region, line_starts

_START: Final = types.Position(0, 0)


class ClientText:
    """A text with its lines as the client counts them. Line ends are LF, CR LF and CR, as in the protocol."""

    def __init__(self, text: str, encoding: types.PositionEncodingKind | str) -> None:
        self.text = text
        self._encoding = encoding
        self._lines = line_starts(text)

    def find_position(self, index: int) -> types.Position:
        """Return the position of a character by its index in the text."""
        line = bisect_right(self._lines, index)
        start = self._lines[line - 1]
        return types.Position(line - 1, self._count_units(self.text[start:index]))

    def convert(self, position: Position) -> types.Position:
        """Return a position of the model, limited to the text."""
        return self.find_position(self.find_index(position))

    def find_index(self, position: Position) -> int:
        """Return the index of a position of the model, limited to the text."""
        if position.line > len(self._lines):
            return len(self.text)
        start = self._lines[position.line - 1]
        end = self._lines[position.line] if position.line < len(self._lines) else len(self.text)
        return min(start + position.column - 1, end)

    def convert_region(self, region: Region | None) -> types.Range:
        """Return a region of the model; the first line for none."""
        if region is None:
            return self.find_line(0)
        start, end = self.convert(region.start), self.convert(region.end)
        return types.Range(start, end) if start != end else types.Range(start, self.find_line(start.line).end)

    def find_line(self, line: int) -> types.Range:
        """Return the range of a line (from 0) without its line end."""
        if line >= len(self._lines):
            return types.Range(_START, _START)
        start = self._lines[line]
        end = self._lines[line + 1] if line + 1 < len(self._lines) else len(self.text)
        content = self.text[start:end].rstrip("\r\n")
        return types.Range(types.Position(line, 0), types.Position(line, self._count_units(content)))

    def find_client_index(self, position: types.Position) -> int:
        """Return the index in the text of a position of the client."""
        if position.line >= len(self._lines):
            return len(self.text)
        start = self._lines[position.line]
        end = self._lines[position.line + 1] if position.line + 1 < len(self._lines) else len(self.text)
        index, units = start, 0
        while index < end and units < position.character:
            units += self._count_units(self.text[index])
            index += 1
        return index

    def _count_units(self, text: str) -> int:
        if self._encoding == types.PositionEncodingKind.Utf32:
            return len(text)
        if text.isascii():
            return len(text)
        if self._encoding == types.PositionEncodingKind.Utf8:
            return len(text.encode("utf-8", "surrogatepass"))
        return len(text) + sum(character > "\uffff" for character in text)


def overlaps(one: types.Range, other: types.Range) -> bool:
    """Return True if two ranges share a position; touching ranges do."""
    return _key(one.start) <= _key(other.end) and _key(other.start) <= _key(one.end)


def contains(area: types.Range, position: types.Position) -> bool:
    """Return True if a position is in a range, its end included."""
    return _key(area.start) <= _key(position) <= _key(area.end)


def _key(position: types.Position) -> tuple[int, int]:
    return position.line, position.character
