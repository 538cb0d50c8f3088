"""Documents of a template's output: cut as Helm cuts them, and the same document found again in another rendering.

Only texts and indexes; never parses YAML.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate
from typing import Final

import msgspec

_SEPARATOR: Final = re.compile(r"(?:^|\n)---\s*")
"""The separator of Helm's pkg/releaseutil, which takes any line that begins with three dashes."""
_HEAD: Final = re.compile(r"^(?:kind|metadata|  name|  namespace):.*", re.MULTILINE)
_LIKE: Final = 0.2
"""Of an object with the same name: a certificate of many lines may be new each time."""
_COMPARED: Final = 1000


class Piece(msgspec.Struct, frozen=True, gc=False):
    """One document: where its trimmed text begins in the whole output, and that text."""

    at: int
    text: str


def pieces(text: str) -> list[Piece]:
    """The documents of a template's output, in its order."""
    found: list[Piece] = []
    whole = text.strip()
    start = text.index(whole)
    last = 0
    for match in (*_SEPARATOR.finditer(whole), None):
        piece = whole[last : match.start() if match else len(whole)]
        own = piece.strip()
        if own:
            found.append(Piece(start + last + piece.index(own), own))
        last = match.end() if match else last
    return found


class Alignment:
    """Where indexes of one text stand in another that has nearly the same lines.

    A line whose value differs is still the same line, if its key is the same. `likeness` is the part of the lines
    that have a partner.
    """

    def __init__(self, text: str, other: str) -> None:
        ours, theirs = text.splitlines(keepends=True), other.splitlines(keepends=True)
        self._starts = list(accumulate(map(len, ours[:-1]), initial=0))
        others = list(accumulate(map(len, theirs[:-1]), initial=0))
        self._other = [-1] * len(self._starts)
        for number, partner in _pairs(ours, theirs):
            self._other[number] = others[partner]
        self.likeness = sum(partner >= 0 for partner in self._other) / len(self._starts)

    def index(self, index: int) -> int | None:
        """The index in the other text of an index in the first; None where the line has no partner."""
        line = bisect_right(self._starts, index) - 1
        partner = self._other[line]
        return None if partner < 0 else partner + index - self._starts[line]


def _pairs(ours: list[str], theirs: list[str]) -> Iterator[tuple[int, int]]:
    mine, others = [_key(line) for line in ours], [_key(line) for line in theirs]
    if len(ours) == len(theirs):
        same = [(number, number) for number, key in enumerate(mine) if key == others[number]]
        if len(same) > _LIKE * len(ours):
            yield from same
            return
    if max(len(ours), len(theirs)) > _COMPARED:
        return
    for first, begin, size in SequenceMatcher(None, mine, others, autojunk=False).get_matching_blocks():
        yield from ((first + number, begin + number) for number in range(size))


def _key(line: str) -> str:
    """What of a line does not change with its value."""
    return "".join(line.partition(":")[:2])


def matched(documents: Sequence[str], found: Sequence[Piece]) -> list[tuple[Piece, Alignment | None] | None]:
    """For each document the piece of another rendering that is it, or is like it (then with the alignment)."""
    free: dict[str, list[Piece]] = {}
    for piece in found:
        free.setdefault(piece.text, []).append(piece)
    result: list[tuple[Piece, Alignment | None] | None] = []
    for document in documents:
        own = document.strip()
        result.append((free[own].pop(0), None) if free.get(own) else None)
    rest: dict[str, list[Piece]] = {}
    for piece in (piece for pieces in free.values() for piece in pieces):
        rest.setdefault(_signature(piece.text), []).append(piece)
    for number, document in enumerate(documents):
        alike = rest.get(_signature(document)) if result[number] is None else None
        if alike:
            piece = alike.pop(0)
            alignment = Alignment(document, piece.text)
            result[number] = (piece, alignment) if alignment.likeness >= _LIKE else None
    return result


def _signature(document: str) -> str:
    """What names an object, as it is written."""
    return "\n".join(match[0] for match, _ in zip(_HEAD.finditer(document), range(4), strict=False))
