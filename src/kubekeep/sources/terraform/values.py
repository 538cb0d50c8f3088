"""Values of Terraform's expressions: plain Python values that also know where their entries were written.

An `Unknown` stands for what nobody knows before `terraform apply`. It is contagious: what is made of it is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from kubekeep.model.location import Location, Path, Position, Region, SourceMap


class Unknown(msgspec.Struct, frozen=True):
    """A value that is not in the files, and why; `failed` if Terraform itself would call it an error."""

    why: str
    failed: bool = False


class Mapping(dict[str, Any]):
    """An object or map, and the place of each entry that has one."""

    def __init__(self, entries: Iterable[tuple[str, Any]] = ()) -> None:
        super().__init__(entries)
        self._places: dict[str, Location] = {}

    def put(self, key: str, value: Any, place: Location | None) -> None:
        """Set an entry, with its place."""
        self[key] = value
        if place is not None:
            self._places[key] = place

    def place(self, key: str | int) -> Location | None:
        """Where an entry was written."""
        return self._places.get(str(key))


class Sequence(list[Any]):
    """A list, tuple or set, and the place of each item that has one."""

    def __init__(self, items: Iterable[Any] = ()) -> None:
        super().__init__(items)
        self._places: dict[int, Location] = {}

    def add(self, value: Any, place: Location | None) -> None:
        """Append an item, with its place."""
        if place is not None:
            self._places[len(self)] = place
        self.append(value)

    def place(self, index: str | int) -> Location | None:
        """Where an item was written."""
        return self._places.get(index) if isinstance(index, int) else None


class Text(str):
    """Text that stands in a file line by line: a heredoc, or what `file` read.

    `lines` has, for each of its lines, the number of the line of `file` it stands on; `indent` is how many characters
    were taken from the start of each.
    """

    __slots__ = ("file", "indent", "lines")

    file: str
    indent: int
    lines: list[int]

    @classmethod
    def of(cls, text: str, file: str, lines: list[int], indent: int = 0) -> Text:
        """The text with its lines."""
        made = cls(text)
        made.file, made.lines, made.indent = file, lines, indent
        return made


class Decoded(msgspec.Struct, frozen=True):
    """A YAML or JSON document that was decoded from a text, with the marks of its nodes; its places are looked up late."""

    document: Any
    source_map: SourceMap
    text: Text

    def value(self) -> Any:
        """The document, each collection of which knows its places."""
        return self._value(self.document, ())

    def _value(self, value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            entries = ((key, self._value(item, (*path, key))) for key, item in value.items())
            return DecodedMapping(entries, self, path)
        if isinstance(value, list):
            items = (self._value(item, (*path, index)) for index, item in enumerate(value))
            return DecodedSequence(items, self, path)
        return value

    def place(self, path: Path) -> Location:
        """Where a node of the document stands in the file of the text."""
        region = self.source_map.region(self.document, path)
        return Location(self.text.file, Region(self._position(region.start), self._position(region.end)))

    def _position(self, position: Position) -> Position:
        line = self.text.lines[min(position.line, len(self.text.lines)) - 1]
        return Position(line, position.column + self.text.indent)


class DecodedMapping(Mapping):
    """A mapping of a decoded document."""

    def __init__(self, entries: Iterable[tuple[str, Any]], source: Decoded, path: Path) -> None:
        super().__init__(entries)
        self._source = source
        self._path = path

    def place(self, key: str | int) -> Location | None:
        """Where an entry was written."""
        return self._source.place((*self._path, key)) if key in self else None


class DecodedSequence(Sequence):
    """A sequence of a decoded document."""

    def __init__(self, items: Iterable[Any], source: Decoded, path: Path) -> None:
        super().__init__(items)
        self._source = source
        self._path = path

    def place(self, index: str | int) -> Location | None:
        """Where an item was written."""
        return self._source.place((*self._path, index)) if isinstance(index, int) and index < len(self) else None


def entries(value: Any) -> Iterator[tuple[Any, Any, Location | None]]:
    """Key or index, value and place of each entry of a collection; raises ValueError for anything else."""
    if isinstance(value, Mapping):
        return ((key, item, value.place(key)) for key, item in value.items())
    if isinstance(value, Sequence):
        return ((index, item, value.place(index)) for index, item in enumerate(value))
    raise ValueError(f"{type_name(value)} is no collection")


def unknown_inside(value: Any) -> Unknown | None:
    """An unknown anywhere in a value, if there is one."""
    todo = [value]
    seen: set[int] = set()
    while todo:
        found = todo.pop()
        if isinstance(found, Unknown):
            return found
        if isinstance(found, dict | list) and id(found) not in seen:
            # What is shared a million times is looked at once.
            seen.add(id(found))
            todo.extend(found.values() if isinstance(found, dict) else found)
    return None


def weight(values: Iterable[Any], most: int) -> int:
    """How many values and characters there are if what is shared is counted each time; `most` if there are more.

    A few lines of lists of lists can stand for more values than a machine has bytes.
    """
    total = 0
    todo = list(values)
    while todo and total < most:
        found = todo.pop()
        total += 1
        if isinstance(found, str):
            total += len(found) // 16
        elif isinstance(found, dict | list):
            if len(found) + total >= most:
                return most
            todo.extend(found.values() if isinstance(found, dict) else found)
    return min(total, most)


def type_name(value: Any) -> str:
    """What Terraform calls the type of a value."""
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
    """A scalar as Terraform puts it into a string; raises ValueError for what it would not take."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    raise ValueError(f"{type_name(value)} where a string is needed")


def to_number(value: Any) -> int | float:
    """A number, or text that is one; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{type_name(value)} where a number is needed")
    if not isinstance(value, str):
        return value
    if len(value) > _LONGEST_NUMBER:
        raise ValueError("a number of too many digits")
    try:
        return int(value) if value.lstrip("-").isdecimal() else float(value)
    except ValueError:
        # Its own message would show the text, which may be secret.
        raise ValueError("text where a number is needed") from None


_LONGEST_NUMBER = 300


def to_bool(value: Any) -> bool:
    """A bool, or the text of one; raises ValueError."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise ValueError(f"{type_name(value)} where a bool is needed")
