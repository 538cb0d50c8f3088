"""Nodes of a document put together: values and, at the same pace, the marks of their places.

Knows mappings (duplicate keys, merge keys), not the syntax that they were read from.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.location import NUMBERS, Marks
from kubekeep.sources.scalars import ScalarError, json_key

MAXIMUM_BYTES: Final = 32 * 1024 * 1024


class Limits(msgspec.Struct, frozen=True):
    """What a file may cost before the rest of it is refused.

    `bytes` of one file; `depth` of nested collections in one document; `aliased`, the nodes that aliases may add
    to one file (go-yaml allows about as many to a small document); `documents` of one file.
    """

    bytes: int = MAXIMUM_BYTES
    depth: int = 500
    aliased: int = 400_000
    documents: int = 100_000


DEFAULT_LIMITS: Final = Limits()


class Problem(msgspec.Struct, frozen=True):
    """Something of a file that could not be read, or that is read but doubtful, and the index where it stands."""

    message: str
    at: int


class TextError(Exception):
    """A document that cannot be read. `ends` says that nothing after it can be read either."""

    def __init__(self, message: str, at: int, *, ends: bool = False) -> None:
        super().__init__(message)
        self.problem = Problem(message, at)
        self.ends = ends


class Document(msgspec.Struct, frozen=True):
    """One document of a file: its value, the marks of that value, and what is doubtful about it."""

    value: Any
    marks: Marks
    problems: tuple[Problem, ...] = ()


class Merge:
    """The key `<<`, which stands for the entries of its value."""


MERGE: Final = Merge()


class Nodes:
    """The nodes of one document, as they are read.

    `numbers` are those of `Marks` for everything in the text, and only grow. Nodes that the value does not have
    (overridden entries, merge keys) are noted and left out at the end in one go: moving the others at once would
    cost a hostile document the square of its size.
    """

    def __init__(self, lines: array[int]) -> None:
        self.numbers: list[int] = []
        self.problems: list[Problem] = []
        self.dropped: list[tuple[int, int]] = []
        self._after_dropped: dict[int, int] = {}
        self._lines = lines

    def mapping(self, children: list[Any], start: int) -> dict[str, Any]:
        """The mapping of `children` (key, value, key, value, ...), whose own node is at `start`.

        As in go-yaml v2 the entries are set one after the other, whether merged or not: the last one holds.
        Raises TextError for a key that is no scalar and for a merge of something else than mappings.
        """
        pairs = iter(children)
        try:
            value = dict(zip(pairs, pairs, strict=True))
            # The quickest way to see that all keys are text: joining anything else is a TypeError, as is
            # a collection as key.
            "".join(value)
        except TypeError:
            value = {}
        if len(value) * 2 == len(children):
            return value
        return self._irregular(children, start + NUMBERS)

    def _irregular(self, children: list[Any], at: int) -> dict[str, Any]:
        entries: dict[str, tuple[Any, int]] = {}
        own: dict[str, int] = {}
        for key, value in zip(children[::2], children[1::2], strict=True):
            value_at = self._after(at)
            if key is MERGE:
                self._merge(entries, value, at)
            else:
                text = self._text(key, at)
                if text in own:
                    self._duplicate(text, own[text], at)
                own.setdefault(text, at)
                self._set(entries, text, value, at)
            at = self._after(value_at)
        return {key: value for key, (value, _) in entries.items()}

    def _set(self, entries: dict[str, tuple[Any, int]], key: str, value: Any, at: int) -> None:
        if key in entries:
            _, before = entries.pop(key)
            self.drop(before, self._after(self._after(before)))
        entries[key] = (value, at)

    def _merge(self, entries: dict[str, tuple[Any, int]], value: Any, key_at: int) -> None:
        at = self._after(key_at)
        self.drop(key_at, at + NUMBERS)
        if isinstance(value, dict):
            for key, item, place in self._entries(value, at):
                self._set(entries, key, item, place)
        elif isinstance(value, list) and all(isinstance(item, dict) for item in value):
            taken: set[str] = set()
            at += NUMBERS
            for mapping in value:
                self.drop(at, at + NUMBERS)
                for key, item, place in self._entries(mapping, at):
                    # Of several mappings the first one wins.
                    if key in taken:
                        self.drop(place, self._after(self._after(place)))
                    else:
                        self._set(entries, key, item, place)
                taken.update(mapping)
                at = self._after(at)
        else:
            raise TextError("a merge key (<<) needs a mapping or a list of mappings", self.numbers[at])

    def _entries(self, mapping: dict[str, Any], at: int) -> Iterator[tuple[str, Any, int]]:
        """The entries of a finished mapping whose own node is at `at`, with the places of their keys."""
        at += NUMBERS
        for key, value in mapping.items():
            while at in self._after_dropped:
                at = self._after_dropped[at]
            place, at = at, self._after(self._after(at))
            yield key, value, place

    def _after(self, at: int) -> int:
        """The place after the subtree of the node at `at`."""
        return at + NUMBERS * self.numbers[at + NUMBERS - 1]

    def _text(self, key: Any, at: int) -> str:
        try:
            return json_key(key)
        except ScalarError as error:
            raise TextError(str(error), self.numbers[at]) from None

    def _duplicate(self, key: str, first: int, at: int) -> None:
        line = bisect_right(self._lines, self.numbers[first])
        message = f"duplicate key {key[:80]!r}, first on line {line}: the last value is assessed, as kubectl takes it"
        self.problems.append(Problem(message, self.numbers[at]))

    def drop(self, start: int, end: int) -> None:
        """Leave the nodes from `start` to `end` out of the marks."""
        self.dropped.append((start, end))
        self._after_dropped[start] = end

    def document(self, value: Any) -> Document:
        """The finished document; its problems in the order of the text, though they are met from the inside out."""
        numbers = array("I", self.numbers)
        if self.dropped:
            numbers = _without(numbers, self.dropped)
        problems = sorted(self.problems, key=lambda problem: problem.at)
        return Document(value, Marks(numbers, self._lines), tuple(problems))


def _without(numbers: array[int], dropped: list[tuple[int, int]]) -> array[int]:
    """The numbers without some ranges, which may contain each other, and the sizes of subtrees corrected."""
    starts, ends, before = [0], [0], [0]
    for start, end in sorted(dropped):
        if end > ends[-1]:
            first = max(start, ends[-1])
            before.append(before[-1] + end - first)
            starts.append(first)
            ends.append(end)
    kept = array("I")
    for at, end in zip(ends, [*starts[1:], len(numbers)], strict=True):
        for node in range(at, end, NUMBERS):
            size = numbers[node + NUMBERS - 1]
            if size > 1:
                last = bisect_right(starts, node + NUMBERS * (size - 1)) - 1
                size -= (before[last] - before[bisect_right(starts, node) - 1]) // NUMBERS
            kept.extend((numbers[node], numbers[node + 1], size))
    return kept
