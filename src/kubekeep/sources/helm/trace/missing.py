"""Which of the branches that were not taken would have written into a mapping of the output: by place and column.

Only indexes of the output and columns; never parses YAML. What a branch holds is told by `unwritten`.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

import msgspec

from kubekeep.model.location import Path
from kubekeep.sources.helm.trace.evaluate import Evaluator
from kubekeep.sources.helm.trace.marks import MarkedText
from kubekeep.sources.helm.trace.skipped import Skipped
from kubekeep.sources.helm.trace.unwritten import Found, Unwritten

_BLANK: Final = re.compile(r"(?:\s|(?<=\s)#[^\n]*)*")
"""White space and comments, which belong to no mapping."""


class Block(msgspec.Struct, frozen=True, gc=False):
    """A block mapping in the output: the index of its first key, one on its last line, and the column of its keys."""

    start: int
    last: int
    column: int


class Missing:
    """The branches that one template did not take, in the order in which it passed them."""

    def __init__(self, text: MarkedText, skipped: Sequence[Skipped], evaluator: Evaluator) -> None:
        self._text = text
        self._skipped = skipped
        self._events = [one.event for one in skipped]
        self._evaluator = evaluator
        self._read: dict[int, Unwritten] = {}

    def writing(self, block: Block, steps: Path) -> list[Found]:
        """All that would have written a path into a block. Raises TooMuch beyond the budget."""
        plain, offsets = self._text.plain, self._text.events.offsets
        line_end = plain.find("\n", block.last)
        blank = _BLANK.match(plain, line_end) if line_end >= 0 else None
        following = blank.end() if blank else len(plain)
        first = block.start
        while first and plain[first - 1].isspace():
            first -= 1
        if "\n" not in plain[first : block.start] and block.start:
            # A dash stands before the first key, so no other key can.
            first = block.start + 1
        found: list[Found] = []
        earliest = bisect_left(self._events, bisect_left(offsets, first))
        latest = bisect_right(self._events, bisect_right(offsets, following))
        for number in range(earliest, latest):
            event = self._events[number]
            at = offsets[event] if event < len(offsets) else len(plain)
            if first <= at <= following:
                found += self._unwritten(number).writing(steps, block.column)
        return found

    def _unwritten(self, number: int) -> Unwritten:
        read = self._read.get(number)
        if read is None:
            read = self._read[number] = Unwritten(self._evaluator, self._skipped[number])
        return read
