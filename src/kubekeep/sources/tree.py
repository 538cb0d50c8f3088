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


def in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """The problems of a document, which are met from the inside outwards, as a reader of the file meets them."""
    return tuple(sorted(problems, key=lambda problem: problem.at))


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


class Mapping:
    """One mapping whose keys are not all different texts, in construction."""

    def __init__(self, numbers: list[int], start: int, lines: array[int]) -> None:
        """Take over the mapping whose own node begins at index `start` of `numbers`, up to the end of them."""
        self._numbers = numbers
        self._lines = lines
        self._start = start
        self._entries: dict[str, tuple[Any, int, int]] = {}
        self._own: dict[str, int] = {}
        self.problems: list[Problem] = []

    def build(self, children: list[Any]) -> dict[str, Any]:
        """The mapping of `children` (key, value, key, value, ...), and `numbers` put in its order.

        As in go-yaml v2 the entries are set one after the other, whether merged or not: the last one holds.
        Raises TextError for a merge of something else than mappings.
        """
        at = self._start + NUMBERS
        for key, value in zip(children[::2], children[1::2], strict=True):
            value_at = self._after(at)
            end = self._after(value_at)
            if key is MERGE:
                self._merge(value, value_at)
            else:
                self._set(self._text(key, at), value, at, end)
            at = end
        packed: list[int] = []
        for _, first, last in self._entries.values():
            packed.extend(self._numbers[first:last])
        self._numbers[self._start + NUMBERS :] = packed
        return {key: value for key, (value, _, _) in self._entries.items()}

    def _after(self, at: int) -> int:
        return at + NUMBERS * self._numbers[at + NUMBERS - 1]

    def _text(self, key: Any, at: int) -> str:
        try:
            return json_key(key)
        except ScalarError as error:
            raise TextError(str(error), self._numbers[at]) from None

    def _set(self, key: str, value: Any, at: int, end: int) -> None:
        index = self._numbers[at]
        if key in self._own:
            before = bisect_right(self._lines, self._own[key])
            message = (
                f"duplicate key {key[:80]!r}, first on line {before}: the last value is assessed, as kubectl takes it"
            )
            self.problems.append(Problem(message, index))
        else:
            self._own[key] = index
        self._entries[key] = (value, at, end)

    def _merge(self, value: Any, at: int) -> None:
        if isinstance(value, dict):
            self._take(value, at)
        elif isinstance(value, list) and all(isinstance(item, dict) for item in value):
            # Backwards: of several mappings the first one wins.
            for item, place in reversed(list(zip(value, self._items(at), strict=False))):
                self._take(item, place)
        else:
            raise TextError("a merge key (<<) needs a mapping or a list of mappings", self._numbers[at])

    def _items(self, at: int) -> Iterator[int]:
        end = self._after(at)
        at += NUMBERS
        while at < end:
            yield at
            at = self._after(at)

    def _take(self, mapping: dict[str, Any], at: int) -> None:
        at += NUMBERS
        for key, value in mapping.items():
            end = self._after(at + NUMBERS)
            self._entries[key] = (value, at, end)
            at = end
