"""Documents of a file of any syntax: values, source maps and problems.

Documents are assembled by the native code; this module has no syntax.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.location import SourceMap

MAXIMUM_BYTES: Final = 32 * 1024 * 1024
LAST_WINS: Final = ": the last value is used, as in kubectl"
"""End of the message about a duplicate key."""


class Limits(msgspec.Struct, frozen=True):
    """Limits of a file.

    bytes: of the file. depth: of nested collections in a document. aliased: nodes added by aliases in a file, and entries
    added by merge keys (similar to go-yaml for a small document). documents: of the file. nodes: keys and values of the
    file.
    """

    bytes: int = MAXIMUM_BYTES
    depth: int = 500
    aliased: int = 400_000
    documents: int = 100_000
    nodes: int = 4_000_000


DEFAULT_LIMITS: Final = Limits()


class Problem(msgspec.Struct, frozen=True):
    """An error or a warning in a file; `at` is its index in the text."""

    message: str
    at: int


class Document(msgspec.Struct, frozen=True):
    """One document of a file: its value, source map and warnings."""

    value: Any
    source_map: SourceMap
    problems: tuple[Problem, ...] = ()


def build_document(value: Any, marks: bytes, duplicates: Sequence[tuple[str, int, int]], lines: array[int]) -> Document:
    """Build a document from the output of the native code.

    marks: numbers of the source map. duplicates: key, index of its first occurrence, index of the duplicate. lines:
    start of each line. Warnings are sorted by their position.
    """
    numbers = array("I")
    numbers.frombytes(marks)
    problems = [_duplicate(bisect_right(lines, first), at) for _, first, at in duplicates]
    return Document(value, SourceMap(numbers, lines), tuple(sorted(problems, key=lambda problem: problem.at)))


def _duplicate(line: int, at: int) -> Problem:
    # Without the key, which may be a secret: its location is part of the problem.
    return Problem(f"duplicate key, first on line {line}{LAST_WINS}", at)
