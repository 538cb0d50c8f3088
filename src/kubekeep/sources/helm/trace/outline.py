"""Lines of a document found again in its template by their keys, where no marks tell: without twins.

Only literal lines of the template itself, with the same indentation and key; what helpers and values printed is not
found. In a template with several objects the one with the most such lines is taken. Never names another file.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from difflib import SequenceMatcher
from typing import Final

from kubekeep.model.location import Region, line_starts
from kubekeep.sources.helm.trace.template import Text, inside
from kubekeep.sources.helm.trace.units import Unit

_LINE: Final = re.compile(r"(?:^|(?<=\n))[^\n]*\S[^\n]*")
_KEY: Final = re.compile(r"[ ]*(?:- )*[^\s:#-][^:\n]*:(?=\s|$)")
_MOST: Final = 2000
_LEAST: Final = 0.3

_Line = tuple[str, int, int]


class Outline:
    """The lines of one document that its template has too."""

    def __init__(self, unit: Unit, document: str) -> None:
        self._unit = unit
        self._starts = line_starts(document)
        lines = document.split("\n")
        found = [_matched(lines, part) for part in _parts(unit) if max(len(lines), len(part)) <= _MOST]
        most = max(map(len, found), default=0)
        best = [one for one in found if len(one) == most]
        # Two objects that look the same to this may be either.
        self._found = best[0] if len(best) == 1 and most >= _LEAST * len(lines) else {}

    def region(self, index: int) -> Region | None:
        """The template's line for a character of the document; None where there is none to be sure of."""
        line = self._found.get(bisect_right(self._starts, index) - 1)
        return self._unit.region(line[1], line[2]) if line else None


def _parts(unit: Unit) -> list[list[_Line]]:
    """The literal lines of a template, object by object: what must be the same, where that starts and the line ends.

    That is the whole line, or the key alone if an action prints some of the rest.
    """
    parts: list[list[_Line]] = [[]]
    for node in inside(unit.body):
        if not isinstance(node, Text):
            continue
        for match in _LINE.finditer(node.text):
            line = match[0].rstrip()
            if line.startswith("---"):
                parts.append([])
                continue
            at = node.at + match.start() + len(line) - len(line.lstrip())
            ends = match.end() < len(node.text) or unit.source.startswith("\n", node.at + match.end())
            parts[-1].append((line if ends else _key(line), at, node.at + match.end()))
    return parts


def _key(line: str) -> str:
    match = _KEY.match(line)
    return match[0] if match else line


def _matched(lines: list[str], part: list[_Line]) -> dict[int, _Line]:
    """Lines in the same order, and those of a loop, if the template has such a line only once."""
    counted = Counter(text for text, _, _ in part)
    ours = [line if line in counted else _key(line) for line in map(str.rstrip, lines)]
    theirs = [text for text, _, _ in part]
    found: dict[int, _Line] = {}
    for first, begin, size in SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks():
        found.update((first + number, part[begin + number]) for number in range(size))
    once = {line[0]: line for line in part if counted[line[0]] == 1}
    for number, text in enumerate(ours):
        if number not in found and text in once:
            found[number] = once[text]
    return found
