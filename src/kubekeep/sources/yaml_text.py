"""YAML text as documents with the place of every node.

PyYAML's C parser (libyaml) gives events, `scalars` their meaning, `tree` the mappings. Never recursive, so no
document can exhaust the stack; aliases share their value, and what they add is limited.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any, Final

from yaml import MarkedYAMLError, YAMLError
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from yaml.reader import ReaderError

from kubekeep.model.location import NUMBERS
from kubekeep.sources import scalars
from kubekeep.sources.tree import MERGE, Document, Limits, Nodes, Problem, TextError

_SHORT: Final = 64
_KNOWN: Final = 50_000


_UNKNOWN: Final = object()


class _Anchor:
    """A node with a name: its place among the nodes and among those dropped, and its value once that is known."""

    __slots__ = ("dropped", "end", "start", "value")

    def __init__(self, start: int, dropped: int) -> None:
        self.start, self.end = start, -1
        self.dropped = slice(dropped, dropped)
        self.value: Any = None


_Frame = tuple[list[Any], int, bool, _Anchor | None]
"""Of a collection that is open: the children around it, its place in the marks, whether a mapping, its anchor."""


def documents(text: str, lines: array[int], limits: Limits) -> Iterator[Document | Problem | None]:
    """The documents of a YAML text in order.

    A document that cannot be read is a Problem; after an error of syntax the rest of the text is not read.
    A document without content is None: it counts, and holds nothing.
    """
    reader = _Reader(text, lines, limits)
    try:
        while reader.advance():
            try:
                yield reader.document()
            except TextError as error:
                yield error.problem
                if error.ends:
                    return
                reader.skip()
    except TextError as error:
        yield error.problem
    except YAMLError as error:
        yield _syntax(error, text)


def _syntax(error: YAMLError, text: str) -> Problem:
    """The parser's error in one line, with its place."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        parts = [part for part in (error.context, error.problem) if part]
        return Problem(f"not YAML: {', '.join(parts)}", error.problem_mark.index)
    if isinstance(error, ReaderError):
        return Problem(f"not YAML: {error.reason}", len(text.encode()[: error.position].decode(errors="replace")))
    return Problem(f"not YAML: {error}", 0)


class _Reader:
    """One text on its way through the parser."""

    def __init__(self, text: str, lines: array[int], limits: Limits) -> None:
        self._next: Any = CParser(text).get_event
        self._lines = lines
        self._limits = limits
        self._spare = limits.aliased
        self._known: dict[str, Any] = {}
        self._event: Any = None
        self._count = 0
        self._nodes = Nodes(lines)
        self._anchors: dict[str, _Anchor] = {}

    @property
    def at(self) -> int:
        """The index that the parser has come to."""
        index: int = self._event.start_mark.index
        return index

    def advance(self) -> bool:
        """Go to the start of the next document; False where there is none."""
        while self._event.__class__ is not StreamEndEvent:
            self._event = self._next()
            if self._event.__class__ is DocumentStartEvent:
                self._count += 1
                if self._count > self._limits.documents:
                    raise TextError(f"more than {self._limits.documents} documents: the rest was not read", self.at)
                return True
        return False

    def skip(self) -> None:
        """Go to the end of the document."""
        while self._event.__class__ is not DocumentEndEvent:
            self._event = self._next()

    def document(self) -> Document | None:
        """The document that the parser is in."""
        self._nodes, self._anchors = Nodes(self._lines), {}
        value = self._tree()
        return None if value is None else self._nodes.document(value)

    def _tree(self) -> Any:
        """The value of a document. One long loop: a call for each node would cost half as much again."""
        following, known, numbers = self._next, self._known, self._nodes.numbers
        add = numbers.extend
        children: list[Any] = []
        stack: list[_Frame] = []
        end = 0
        while True:
            event = following()
            kind = event.__class__
            if kind is ScalarEvent:
                end = event.end_mark.index
                add((event.start_mark.index, end, 1))
                value = event.value
                if event.implicit[0]:
                    value = known.get(value, _UNKNOWN)
                if value is _UNKNOWN or event.tag is not None:
                    value = self._scalar(event, is_key=_is_key(stack, children))
                if event.anchor is not None:
                    self._named(event.anchor, len(numbers) - NUMBERS, value)
                children.append(value)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                anchor = self._open(event, len(stack))
                stack.append((children, len(numbers), kind is MappingStartEvent, anchor))
                add((event.start_mark.index, event.end_mark.index, 0))
                children = []
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                children, end = self._close(event, children, stack.pop(), end)
            elif kind is AliasEvent:
                end = event.end_mark.index
                children.append(self._alias(event))
            else:
                self._event = event
                return children[0]

    def _scalar(self, event: Any, *, is_key: bool) -> Any:
        """The value of a scalar that is met for the first time, or has a tag."""
        text, tag = event.value, event.tag
        is_plain = tag is None
        if is_key and text == "<<" and (event.implicit[0] or tag == "tag:yaml.org,2002:merge"):
            return MERGE
        try:
            scalar = scalars.plain(text) if is_plain else scalars.tagged(tag, text)
            if not scalars.is_settled(scalar):
                return scalars.json_key(scalar) if is_key else scalars.json_value(scalar)
        except scalars.ScalarError as error:
            self._event = event
            raise TextError(str(error), self.at) from None
        if is_plain and len(text) <= _SHORT and len(self._known) < _KNOWN and text != "<<":
            self._known[text] = scalar
        return scalar

    def _open(self, event: Any, depth: int) -> _Anchor | None:
        if depth >= self._limits.depth:
            self._event = event
            raise TextError(f"nested deeper than {self._limits.depth} levels", self.at, ends=True)
        if event.anchor is None:
            return None
        anchor = self._anchors[event.anchor] = _Anchor(len(self._nodes.numbers), len(self._nodes.dropped))
        return anchor

    def _named(self, name: str, start: int, value: Any) -> None:
        anchor = self._anchors[name] = _Anchor(start, len(self._nodes.dropped))
        anchor.value, anchor.end = value, start + NUMBERS

    def _close(self, event: Any, children: list[Any], frame: _Frame, end: int) -> tuple[list[Any], int]:
        """The children of the collection around the one that ends, and the index where this one ends."""
        outer, start, is_mapping, anchor = frame
        numbers = self._nodes.numbers
        value = self._nodes.mapping(children, start) if is_mapping else children
        # The parser sees the end of a block only at the next token; its last node knows better.
        if event.start_mark.index != event.end_mark.index:
            end = event.end_mark.index
        elif end < numbers[start + 1]:
            end = numbers[start + 1]
        numbers[start + 1] = end
        numbers[start + 2] = (len(numbers) - start) // NUMBERS
        if anchor is not None:
            anchor.value, anchor.end = value, len(numbers)
            anchor.dropped = slice(anchor.dropped.start, len(self._nodes.dropped))
        outer.append(value)
        return outer, end

    def _alias(self, event: Any) -> Any:
        """The value that an alias stands for; the places inside it are those of the anchor."""
        self._event = event
        anchor = self._anchors.get(event.anchor)
        if anchor is None:
            raise TextError(f"unknown anchor {event.anchor!r}", self.at)
        if anchor.end < 0:
            raise TextError(f"anchor {event.anchor!r} contains itself", self.at)
        self._spare -= (anchor.end - anchor.start) // NUMBERS
        if self._spare < 0:
            raise TextError(f"excessive aliasing: aliases add more than {self._limits.aliased} nodes", self.at)
        numbers = self._nodes.numbers
        moved = len(numbers) - anchor.start
        numbers.extend((event.start_mark.index, event.end_mark.index, numbers[anchor.start + 2]))
        numbers.extend(numbers[anchor.start + NUMBERS : anchor.end])
        for start, end in self._nodes.dropped[anchor.dropped]:
            self._nodes.drop(start + moved, end + moved)
        return anchor.value


def _is_key(stack: list[_Frame], children: list[Any]) -> bool:
    return bool(stack) and stack[-1][2] and not len(children) % 2
