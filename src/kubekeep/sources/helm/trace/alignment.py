"""Split a template's output into documents, and align a document with another rendering or with its template's text.

Works on lines and indexes; never parses YAML.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate
from typing import Final

import msgspec

from kubekeep.model.location import Region, line_starts
from kubekeep.sources.helm.trace.template import TemplateFile, TextNode, walk_nodes

_SEPARATOR: Final = re.compile(r"(?:^|\n)---\s*")
"""Separator of Helm's pkg/releaseutil: any line that begins with three dashes."""
_HEAD: Final = re.compile(r"^(?:kind|metadata|  name|  namespace):.*", re.MULTILINE)
_MIN_LIKENESS: Final = 0.2
"""Minimum likeness of documents with the same name; low, because a long certificate may be new in each rendering."""
_MAX_COMPARED: Final = 1000
_LITERAL_LINE: Final = re.compile(r"(?:^|(?<=\n))[^\n]*\S[^\n]*")
_LITERAL_KEY: Final = re.compile(r"[ ]*(?:- )*[^\s:#-][^:\n]*:(?=\s|$)")
_MOST_LINES: Final = 2000
_MIN_MATCHED: Final = 0.3


class Piece(msgspec.Struct, frozen=True, gc=False):
    """One document: its trimmed text, and the index of that text in the output."""

    at: int
    text: str


def split_pieces(text: str) -> list[Piece]:
    """Split a template's output into its documents."""
    split: list[Piece] = []
    whole = text.strip()
    start = text.index(whole)
    last = 0
    for match in (*_SEPARATOR.finditer(whole), None):
        piece = whole[last : match.start() if match else len(whole)]
        own = piece.strip()
        if own:
            split.append(Piece(start + last + piece.index(own), own))
        last = match.end() if match else last
    return split


class Alignment:
    """Mapping of indexes in a text to indexes in another text with nearly the same lines.

    Lines with the same key are aligned even if their values differ. `likeness` is the share of lines with a
    counterpart.
    """

    def __init__(self, text: str, other: str) -> None:
        ours, theirs = text.splitlines(keepends=True), other.splitlines(keepends=True)
        self._starts = list(accumulate(map(len, ours[:-1]), initial=0))
        others = list(accumulate(map(len, theirs[:-1]), initial=0))
        self._other = [-1] * len(self._starts)
        for number, partner in _pair_lines(ours, theirs):
            self._other[number] = others[partner]
        self.likeness = sum(partner >= 0 for partner in self._other) / len(self._starts)

    def index(self, index: int) -> int | None:
        """Return the index in the other text; None if the line has no counterpart."""
        line = bisect_right(self._starts, index) - 1
        partner = self._other[line]
        return None if partner < 0 else partner + index - self._starts[line]


def _pair_lines(ours: list[str], theirs: list[str]) -> Iterator[tuple[int, int]]:
    mine, others = [_line_key(line) for line in ours], [_line_key(line) for line in theirs]
    if len(ours) == len(theirs):
        same = [(number, number) for number, key in enumerate(mine) if key == others[number]]
        if len(same) > _MIN_LIKENESS * len(ours):
            yield from same
            return
    if max(len(ours), len(theirs)) > _MAX_COMPARED:
        return
    for first, begin, size in SequenceMatcher(None, mine, others, autojunk=False).get_matching_blocks():
        yield from ((first + number, begin + number) for number in range(size))


def _line_key(line: str) -> str:
    """Return the part of a line before its value."""
    return "".join(line.partition(":")[:2])


def match_documents(
    documents: Sequence[str], candidates: Sequence[Piece]
) -> list[tuple[Piece, Alignment | None] | None]:
    """Find for each document the same piece of another rendering, or a similar one with its alignment."""
    free: dict[str, list[Piece]] = {}
    for piece in candidates:
        free.setdefault(piece.text, []).append(piece)
    result: list[tuple[Piece, Alignment | None] | None] = []
    for document in documents:
        own = document.strip()
        result.append((free[own].pop(0), None) if free.get(own) else None)
    rest: dict[str, list[Piece]] = {}
    for piece in (piece for unused in free.values() for piece in unused):
        rest.setdefault(_signature(piece.text), []).append(piece)
    for number, document in enumerate(documents):
        similar = rest.get(_signature(document)) if result[number] is None else None
        if similar:
            piece = similar.pop(0)
            alignment = Alignment(document, piece.text)
            result[number] = (piece, alignment) if alignment.likeness >= _MIN_LIKENESS else None
    return result


def _signature(document: str) -> str:
    """Return the lines that identify an object, as text."""
    return "\n".join(match[0] for match, _ in zip(_HEAD.finditer(document), range(4), strict=False))


_Line = tuple[str, int, int]


class Outline:
    """Lines of one document found in the text of its template by key; used where instrumentation did not render.

    Only literal lines of the template itself with the same indentation and key are matched, never lines of helpers or
    values. In a template with several objects, the object with the most matches is used.
    """

    def __init__(self, file: TemplateFile, document: str) -> None:
        self._file = file
        self._starts = line_starts(document)
        lines = document.split("\n")
        matches = [
            _match_lines(lines, part) for part in _list_literal_lines(file) if max(len(lines), len(part)) <= _MOST_LINES
        ]
        most_lines = max(map(len, matches), default=0)
        best = [match for match in matches if len(match) == most_lines]
        # Objects with equally many matches cannot be told apart.
        self._matches = best[0] if len(best) == 1 and most_lines >= _MIN_MATCHED * len(lines) else {}

    def region(self, index: int) -> Region | None:
        """Return the template's line for a character of the document; None if there is no unique line."""
        line = self._matches.get(bisect_right(self._starts, index) - 1)
        return self._file.region(line[1], line[2]) if line else None


def _list_literal_lines(file: TemplateFile) -> list[list[_Line]]:
    """List the literal lines of a template by object: text to compare, start, end of line.

    The text is the whole line, or its key if an action prints part of the rest.
    """
    parts: list[list[_Line]] = [[]]
    for node in walk_nodes(file.body):
        if not isinstance(node, TextNode):
            continue
        for match in _LITERAL_LINE.finditer(node.text):
            line = match[0].rstrip()
            if line.startswith("---"):
                parts.append([])
                continue
            at = node.at + match.start() + len(line) - len(line.lstrip())
            ends = match.end() < len(node.text) or file.source.startswith("\n", node.at + match.end())
            parts[-1].append((line if ends else _literal_key(line), at, node.at + match.end()))
    return parts


def _literal_key(line: str) -> str:
    match = _LITERAL_KEY.match(line)
    return match[0] if match else line


def _match_lines(lines: list[str], part: list[_Line]) -> dict[int, _Line]:
    """Match lines in order, and lines that occur once in the template anywhere (for loops)."""
    counted = Counter(text for text, _, _ in part)
    ours = [line if line in counted else _literal_key(line) for line in map(str.rstrip, lines)]
    theirs = [text for text, _, _ in part]
    matches: dict[int, _Line] = {}
    for first, begin, size in SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks():
        matches.update((first + number, part[begin + number]) for number in range(size))
    once = {line[0]: line for line in part if counted[line[0]] == 1}
    for number, text in enumerate(ours):
        if number not in matches and text in once:
            matches[number] = once[text]
    return matches
