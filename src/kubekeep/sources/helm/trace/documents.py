"""Documents of a template's output: cut as Helm cuts them, and the same document found again in another rendering.

Only texts and indexes; never parses YAML.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

import msgspec

_SEPARATOR: Final = re.compile(r"(?:^|\s*\n)---\s*")
"""The separator of Helm's pkg/releaseutil, which takes any line that begins with three dashes."""
_LIKE: Final = 0.5


class Piece(msgspec.Struct, frozen=True, gc=False):
    """One document: where its trimmed text begins in the whole output, and that text."""

    at: int
    text: str


def pieces(text: str) -> list[Piece]:
    """The documents of a template's output, in its order."""
    found: list[Piece] = []
    at = len(text) - len(text.lstrip())
    whole = text.strip()
    last = 0
    for match in (*_SEPARATOR.finditer(whole), None):
        piece = whole[last : match.start() if match else len(whole)]
        own = piece.strip()
        if own:
            found.append(Piece(at + last + piece.index(own), own))
        last = match.end() if match else last
    return found


class Alignment:
    """Where indexes of one text stand in another that has nearly the same lines."""

    def __init__(self, text: str, other: str) -> None:
        ours, theirs = text.splitlines(keepends=True), other.splitlines(keepends=True)
        self._starts, self._lines = _starts(ours), ours
        self._other = [-1] * len(ours)
        others = _starts(theirs)
        same = 0
        for tag, first, last, begin, end in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
            if tag == "equal" or (tag == "replace" and last - first == end - begin):
                for number in range(last - first):
                    if tag == "equal" or _key(ours[first + number]) == _key(theirs[begin + number]):
                        self._other[first + number] = others[begin + number]
                        same += 1
        self.likeness = same / max(len(ours), 1)

    def index(self, index: int) -> int | None:
        """The index in the other text of an index in the first; None where the line has no partner."""
        low, high = 0, len(self._starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._starts[middle] <= index else (low, middle)
        start = self._other[low]
        return None if start < 0 else start + index - self._starts[low]


def matched(documents: Sequence[str], found: Sequence[Piece]) -> list[tuple[Piece, Alignment | None] | None]:
    """For each document the piece of another rendering that is it, or is like it (then with the alignment)."""
    free: dict[str, list[Piece]] = {}
    for piece in found:
        free.setdefault(piece.text, []).append(piece)
    result: list[tuple[Piece, Alignment | None] | None] = []
    for document in documents:
        own = document.strip()
        result.append((free[own].pop(0), None) if free.get(own) else None)
    rest = [piece for pieces in free.values() for piece in pieces]
    for number, document in enumerate(documents):
        if result[number] is None and rest:
            result[number] = _likest(document, rest)
    return result


def _likest(document: str, rest: list[Piece]) -> tuple[Piece, Alignment] | None:
    """The most similar of the pieces, if it is similar at all; it is taken out of them."""
    aligned = [(Alignment(document, piece.text), piece) for piece in rest]
    alignment, piece = max(aligned, key=lambda pair: pair[0].likeness)
    if alignment.likeness < _LIKE:
        return None
    rest.remove(piece)
    return piece, alignment


def _starts(lines: list[str]) -> list[int]:
    starts, at = [], 0
    for line in lines:
        starts.append(at)
        at += len(line)
    return starts


def _key(line: str) -> str:
    """What a line is about when its value may differ."""
    key, colon, _ = line.partition(":")
    return key if colon else line[: len(line) - len(line.lstrip())]
