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

    start: int
    text: str


def split_pieces(text: str) -> list[Piece]:
    """Split a template's output into its documents."""
    pieces: list[Piece] = []
    trimmed = text.strip()
    start = text.index(trimmed)
    last = 0
    for match in (*_SEPARATOR.finditer(trimmed), None):
        piece = trimmed[last : match.start() if match else len(trimmed)]
        stripped = piece.strip()
        if stripped:
            pieces.append(Piece(start + last + piece.index(stripped), stripped))
        last = match.end() if match else last
    return pieces


class Alignment:
    """Mapping of indexes in a text to indexes in another text with nearly the same lines.

    Lines with the same key are aligned even if their values differ. `likeness` is the share of lines with a
    counterpart.
    """

    def __init__(self, text: str, other: str) -> None:
        lines, other_lines = text.splitlines(keepends=True), other.splitlines(keepends=True)
        self._starts = list(accumulate(map(len, lines[:-1]), initial=0))
        other_starts = list(accumulate(map(len, other_lines[:-1]), initial=0))
        self._other = [-1] * len(self._starts)
        for number, other_line in _pair_lines(lines, other_lines):
            self._other[number] = other_starts[other_line]
        self.likeness = sum(other_line >= 0 for other_line in self._other) / len(self._starts)

    def map_index(self, index: int) -> int | None:
        """Return the index in the other text; None if the line has no counterpart."""
        line = bisect_right(self._starts, index) - 1
        other_line = self._other[line]
        return None if other_line < 0 else other_line + index - self._starts[line]


def _pair_lines(lines: list[str], other_lines: list[str]) -> Iterator[tuple[int, int]]:
    keys, other_keys = [_line_key(line) for line in lines], [_line_key(line) for line in other_lines]
    if len(lines) == len(other_lines):
        same = [(number, number) for number, key in enumerate(keys) if key == other_keys[number]]
        if len(same) > _MIN_LIKENESS * len(lines):
            yield from same
            return
    if max(len(lines), len(other_lines)) > _MAX_COMPARED:
        return
    for first, begin, size in SequenceMatcher(None, keys, other_keys, autojunk=False).get_matching_blocks():
        yield from ((first + number, begin + number) for number in range(size))


def _line_key(line: str) -> str:
    """Return the part of a line before its value."""
    return "".join(line.partition(":")[:2])


def match_documents(
    documents: Sequence[str], candidates: Sequence[Piece]
) -> list[tuple[Piece, Alignment | None] | None]:
    """Find for each document the same piece of another rendering, or a similar one with its alignment."""
    unmatched: dict[str, list[Piece]] = {}
    for piece in candidates:
        unmatched.setdefault(piece.text, []).append(piece)
    result: list[tuple[Piece, Alignment | None] | None] = []
    for document in documents:
        stripped = document.strip()
        result.append((unmatched[stripped].pop(0), None) if unmatched.get(stripped) else None)
    rest: dict[str, list[Piece]] = {}
    for piece in (piece for unused in unmatched.values() for piece in unused):
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
            start = node.at + match.start() + len(line) - len(line.lstrip())
            ends = match.end() < len(node.text) or file.source.startswith("\n", node.at + match.end())
            parts[-1].append((line if ends else _literal_key(line), start, node.at + match.end()))
    return parts


def _literal_key(line: str) -> str:
    match = _LITERAL_KEY.match(line)
    return match[0] if match else line


def _match_lines(lines: list[str], part: list[_Line]) -> dict[int, _Line]:
    """Match lines in order, and lines that occur once in the template anywhere (for loops)."""
    counted = Counter(text for text, _, _ in part)
    compared_lines = [line if line in counted else _literal_key(line) for line in map(str.rstrip, lines)]
    other_lines = [text for text, _, _ in part]
    matches: dict[int, _Line] = {}
    for first, begin, size in SequenceMatcher(None, compared_lines, other_lines, autojunk=False).get_matching_blocks():
        matches.update((first + number, part[begin + number]) for number in range(size))
    unique_lines = {line[0]: line for line in part if counted[line[0]] == 1}
    for number, text in enumerate(compared_lines):
        if number not in matches and text in unique_lines:
            matches[number] = unique_lines[text]
    return matches
