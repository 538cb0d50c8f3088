"""Values of Terraform expressions: plain Python values whose collections know the locations of their entries.

An `UnknownValue` is a value known only after `terraform apply`; any value computed from it is unknown too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from kubekeep.model.location import Location, Path, Position, Region, SourceMap


class UnknownValue(msgspec.Struct, frozen=True):
    """A value that is not in the files, and the reason. is_error: Terraform itself would report an error."""

    reason: str
    is_error: bool = False


class LocatedMapping(dict[str, Any]):
    """An object or map with the locations of its entries."""

    def __init__(self, pairs: Iterable[tuple[str, Any]] = ()) -> None:
        super().__init__(pairs)
        self._locations: dict[str, Location] = {}

    def put(self, key: str, value: Any, location: Location | None) -> None:
        """Set an entry with its location."""
        self[key] = value
        if location is not None:
            self._locations[key] = location

    def location(self, key: str | int) -> Location | None:
        """Return the location of an entry, None if it has none."""
        return self._locations.get(str(key))


class LocatedList(list[Any]):
    """A list, tuple or set with the locations of its entries."""

    def __init__(self, elements: Iterable[Any] = ()) -> None:
        super().__init__(elements)
        self._locations: dict[int, Location] = {}

    def add(self, value: Any, location: Location | None) -> None:
        """Append an entry with its location."""
        if location is not None:
            self._locations[len(self)] = location
        self.append(value)

    def location(self, index: str | int) -> Location | None:
        """Return the location of an entry, None if it has none."""
        return self._locations.get(index) if isinstance(index, int) else None


class LocatedText(str):
    """Text of several lines of a file: a heredoc, or the result of `file`.

    lines: for each line, its line number in file. indent: number of characters removed from the start of each line.
    """

    __slots__ = ("file", "indent", "lines")

    file: str
    indent: int
    lines: list[int]

    @classmethod
    def from_lines(cls, text: str, file: str, lines: list[int], indent: int = 0) -> LocatedText:
        """Return a text with its line numbers."""
        located = cls(text)
        located.file, located.lines, located.indent = file, lines, indent
        return located


class DecodedDocument(msgspec.Struct, frozen=True):
    """A YAML or JSON document decoded from a text, with its source map. Locations are looked up on request."""

    document: Any
    source_map: SourceMap
    text: LocatedText

    def value(self) -> Any:
        """Return the document with collections that know their locations."""
        return self._value(self.document, ())

    def _value(self, value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            pairs = ((key, self._value(child, (*path, key))) for key, child in value.items())
            return DecodedMapping(pairs, self, path)
        if isinstance(value, list):
            children = (self._value(child, (*path, index)) for index, child in enumerate(value))
            return DecodedList(children, self, path)
        return value

    def location(self, path: Path) -> Location:
        """Return the location of a node in the file of the text."""
        region = self.source_map.region(self.document, path)
        return Location(self.text.file, Region(self._position(region.start), self._position(region.end)))

    def _position(self, position: Position) -> Position:
        line = self.text.lines[min(position.line, len(self.text.lines)) - 1]
        return Position(line, position.column + self.text.indent)


class DecodedMapping(LocatedMapping):
    """A mapping of a decoded document."""

    def __init__(self, pairs: Iterable[tuple[str, Any]], source: DecodedDocument, path: Path) -> None:
        super().__init__(pairs)
        self._source = source
        self._path = path

    def location(self, key: str | int) -> Location | None:
        """Return the location of an entry, None if it does not exist."""
        return self._source.location((*self._path, key)) if key in self else None


class DecodedList(LocatedList):
    """A list of a decoded document."""

    def __init__(self, elements: Iterable[Any], source: DecodedDocument, path: Path) -> None:
        super().__init__(elements)
        self._source = source
        self._path = path

    def location(self, index: str | int) -> Location | None:
        """Return the location of an entry, None if it does not exist."""
        return self._source.location((*self._path, index)) if isinstance(index, int) and index < len(self) else None


def list_entries(value: Any) -> Iterator[tuple[Any, Any, Location | None]]:
    """Return key or index, value and location of each entry; raises ValueError for a scalar."""
    if isinstance(value, LocatedMapping):
        return ((key, child, value.location(key)) for key, child in value.items())
    if isinstance(value, LocatedList):
        return ((index, child, value.location(index)) for index, child in enumerate(value))
    raise ValueError(f"{type_name(value)} is not a collection")


def find_unknown(value: Any) -> UnknownValue | None:
    """Return an unknown value anywhere in a value, None if there is none."""
    pending = [value]
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        if isinstance(current, UnknownValue):
            return current
        if isinstance(current, dict | list) and id(current) not in seen:
            # Visit shared values only once.
            seen.add(id(current))
            pending.extend(current.values() if isinstance(current, dict) else current)
    return None


def count_values(values: Iterable[Any], limit: int) -> int:
    """Count values and 16-character units of text, shared values once per use; at most limit.

    A few lines of nested lists can represent more values than fit in memory.
    """
    total = 0
    pending = list(values)
    while pending and total < limit:
        current = pending.pop()
        total += 1
        if isinstance(current, str):
            total += len(current) // 16
        elif isinstance(current, dict | list):
            if len(current) + total >= limit:
                return limit
            pending.extend(current.values() if isinstance(current, dict) else current)
    return min(total, limit)


def type_name(value: Any) -> str:
    """Return Terraform's name of a value's type, with an article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a bool"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an object" if isinstance(value, dict) else "a list"


def to_text(value: Any) -> str:
    """Convert a scalar to a string as Terraform does; raises ValueError if it cannot be converted."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    raise ValueError(f"expected a string, not {type_name(value)}")


def to_number(value: Any) -> int | float:
    """Convert a number or numeric text to a number; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"expected a number, not {type_name(value)}")
    if not isinstance(value, str):
        return value
    if len(value) > _MAX_DIGITS:
        raise ValueError("the number has too many digits")
    try:
        number = int(value) if value.lstrip("-").isdecimal() else float(value)
    except ValueError:
        # The original message would contain the text, which may be secret.
        raise ValueError("expected a number, not text") from None
    if isinstance(number, float) and not math.isfinite(number):
        raise ValueError("the number is infinite or too large")
    return number


_MAX_DIGITS = 300


def to_bool(value: Any) -> bool:
    """Convert a bool or its text to a bool; raises ValueError."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise ValueError(f"expected a bool, not {type_name(value)}")
