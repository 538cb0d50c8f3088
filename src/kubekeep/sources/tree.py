"""Documents of a file, whatever they were written in: values, the marks of their places, and what is doubtful.

The native part puts the nodes together; this module never sees syntax.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.location import SourceMap

MAXIMUM_BYTES: Final = 32 * 1024 * 1024
LAST_WINS: Final = ": the last value is assessed, as kubectl takes it"
"""How the message about a duplicate key ends."""


class Limits(msgspec.Struct, frozen=True):
    """What a file may cost before the rest of it is refused.

    `bytes` of one file; `depth` of nested collections in one document; `aliased`, the nodes that aliases may add
    to one file, and the entries that merge keys may (go-yaml allows about as many to a small document);
    `documents` of one file; `nodes`, the keys and values of one file.
    """

    bytes: int = MAXIMUM_BYTES
    depth: int = 500
    aliased: int = 400_000
    documents: int = 100_000
    nodes: int = 4_000_000


DEFAULT_LIMITS: Final = Limits()


class Problem(msgspec.Struct, frozen=True):
    """Something of a file that could not be read, or that is read but doubtful, and the index where it stands."""

    message: str
    at: int


class Document(msgspec.Struct, frozen=True):
    """One document of a file: its value, the marks of that value, and what is doubtful about it."""

    value: Any
    source_map: SourceMap
    problems: tuple[Problem, ...] = ()


def finished(value: Any, marks: bytes, duplicates: Sequence[tuple[str, int, int]], lines: array[int]) -> Document:
    """The document of what the native part gives: the numbers of `Marks`, and each key said twice with its places.

    Its problems are in the order of the text, though they are met from the inside out.
    """
    numbers = array("I")
    numbers.frombytes(marks)
    problems = [_duplicate(key, bisect_right(lines, first), at) for key, first, at in duplicates]
    return Document(value, SourceMap(numbers, lines), tuple(sorted(problems, key=lambda problem: problem.at)))


def _duplicate(key: str, line: int, at: int) -> Problem:
    message = f"duplicate key {key[:80]!r}, first on line {line}{LAST_WINS}"
    return Problem(message, at)
