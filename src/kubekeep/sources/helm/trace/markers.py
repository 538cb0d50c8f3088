"""Markers in rendered text: short character sequences that record the execution of a template.

They are printable, so Go's quoting keeps them, and not white space, so trimming keeps them. Text after a marker on the
same line was printed there. Reading a marked text yields Helm's output without markers, and the recorded events in
order. Knows nothing of templates: a marker holds a kind and a number.
"""

from __future__ import annotations

import enum
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

import msgspec

_BLOCKS: Final = (0x2800, 0xA000, 0x1400, 0x13000)
"""Braille, Yi, Canadian syllabics, hieroglyphs: 256 assigned, printable characters from each of these code points."""
_BASE: Final = 240
_FIRST_DIGIT: Final = 16


class MarkerKind(enum.IntEnum):
    """Event recorded by a marker: start of text, start or end of an action, case taken, iteration of a loop."""

    TEXT = 1
    BEGIN = 2
    END = 3
    CASE = 4
    ITERATION = 5


_KEY_END: Final = 6


class MarkerAlphabet:
    """Markers of one chart, in characters that do not occur in its texts; numbers are below `count`."""

    def __init__(self, texts: Iterable[str], count: int) -> None:
        self.first = _find_unused_block(texts)
        self._digits = [chr(self.first + _FIRST_DIGIT + digit) for digit in range(_BASE)]
        self._width = 1
        while _BASE**self._width < count:
            self._width += 1
        kinds = f"[{chr(self.first + MarkerKind.TEXT)}-{chr(self.first + MarkerKind.CASE)}]"
        digits = f"([{chr(self.first + _FIRST_DIGIT)}-{chr(self.first + 255)}]{{{self._width}}})"
        iteration, end = chr(self.first + MarkerKind.ITERATION), chr(self.first + _KEY_END)
        self._pattern = re.compile(f"({kinds}){digits}|{iteration}{digits}([^{end}]*){end}")

    @property
    def pattern(self) -> str:
        """One marker, or a part of one, as a Go regular expression without groups."""
        iteration, end = chr(self.first + MarkerKind.ITERATION), chr(self.first + _KEY_END)
        return f"{iteration}[^{end}]*{end}|[{chr(self.first)}-{chr(self.first + 255)}]"

    def encode_number(self, number: int) -> str:
        """Encode a number for use in markers."""
        digits = ""
        for _ in range(self._width):
            number, digit = divmod(number, _BASE)
            digits += self._digits[digit]
        return digits

    def create_marker(self, kind: MarkerKind, digits: str) -> str:
        """Return a marker; for an iteration, the key and `key_end` follow it."""
        return chr(self.first + kind) + digits

    @property
    def key_end(self) -> str:
        """Character that ends the key of an iteration."""
        return chr(self.first + _KEY_END)

    def read(self, marked: str, count: int) -> MarkedText:
        """Split a marked text into text and events. Markers with a number of `count` or more are text."""
        parts: list[str] = []
        events = ExecutionEvents()
        at = length = 0
        for match in self._pattern.finditer(marked):
            number = self._decode_number(match[2] or match[3])
            if number >= count:
                continue
            piece = marked[at : match.start()]
            at = match.end()
            length += len(piece)
            parts.append(piece)
            if match[1]:
                events.add(length, ord(match[1]) - self.first, number, "")
            else:
                events.add(length, MarkerKind.ITERATION, number, match[4])
        parts.append(marked[at:])
        return MarkedText("".join(parts), events)

    def _decode_number(self, digits: str) -> int:
        number = 0
        for digit in reversed(digits):
            number = number * _BASE + ord(digit) - self.first - _FIRST_DIGIT
        return number


def _find_unused_block(texts: Iterable[str]) -> int:
    """Return the first character of a block that no text uses; the last block if all are used, which never matches."""
    non_ascii_texts = [text for text in texts if not text.isascii()]
    for first in _BLOCKS[:-1]:
        pattern = re.compile(f"[{chr(first)}-{chr(first + 255)}]")
        if not any(pattern.search(text) for text in non_ascii_texts):
            return first
    return _BLOCKS[-1]


class ExecutionEvents:
    """Recorded events in order: offset in the text, kind and number; keys of iterations by index."""

    __slots__ = ("keys", "kinds", "numbers", "offsets")

    def __init__(self) -> None:
        self.offsets = array("L")
        self.kinds = bytearray()
        self.numbers = array("L")
        self.keys: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.kinds)

    def add(self, offset: int, kind: int, number: int, key: str) -> None:
        """Append an event."""
        if kind == MarkerKind.ITERATION:
            self.keys[len(self.kinds)] = key
        self.offsets.append(offset)
        self.kinds.append(kind)
        self.numbers.append(number)


class CharacterOrigin(msgspec.Struct, frozen=True, gc=False):
    """Origin of a character of a marked text.

    `number` is the number of the literal text or of the action that printed it, -1 for white space between markers.
    `offset` is the offset from the marker for literal text, else -1. `event` is the index of the marker that began the
    innermost surrounding action (for literal text, the call that printed it), -1 for none.
    """

    number: int
    offset: int
    event: int


class MarkedText:
    """A text, `plain`, and the markers removed from it."""

    def __init__(self, plain: str, events: ExecutionEvents) -> None:
        self.plain = plain
        self.events = events
        self._enclosing = array("l")
        self._outer: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        stack: list[int] = []
        for index, kind in enumerate(events.kinds):
            if kind == MarkerKind.BEGIN:
                self._outer[index] = stack[-1] if stack else -1
                stack.append(index)
            elif kind == MarkerKind.END and stack:
                self._ends[stack.pop()] = events.offsets[index]
            self._enclosing.append(stack[-1] if stack else -1)

    def find_origin(self, offset: int) -> CharacterOrigin:
        """Return the origin of the character at an index of `plain`."""
        return self._find_origin(bisect_right(self.events.offsets, offset) - 1, offset)

    def list_actions(self, start: int, end: int) -> list[int]:
        """List the events of the innermost actions that printed text, or nothing, between two offsets."""
        offsets, kinds = self.events.offsets, self.events.kinds
        index = max(bisect_right(offsets, start) - 1, 0)
        while index > 0 and offsets[index] == start:
            index -= 1
        actions: dict[int, None] = {}
        while index < len(kinds) and (offsets[index] < end or offsets[index] == start):
            is_inner = (
                kinds[index] == MarkerKind.BEGIN and index + 1 < len(kinds) and kinds[index + 1] == MarkerKind.END
            )
            if is_inner and (offsets[index + 1] > start or offsets[index] >= start):
                actions[index] = None
            index += 1
        return list(actions)

    def get_outer(self, event: int) -> int:
        """Return the event of the surrounding action, or -1."""
        return self._outer.get(event, -1)

    def find_caller(self, event: int) -> int:
        """Return the outermost action with the same output as an event's action; the event itself if there is none."""
        offsets, plain = self.events.offsets, self.plain
        start, end = offsets[event], self._ends.get(event, offsets[event])
        outer = self._outer.get(event, -1)
        while outer >= 0:
            around = plain[offsets[outer] : start] + plain[end : self._ends.get(outer, end)]
            if around and not around.isspace():
                break
            event, outer = outer, self._outer.get(outer, -1)
        return event

    def _find_origin(self, index: int, offset: int) -> CharacterOrigin:
        """Find the origin; markers of cases and iterations are skipped, since they are no text."""
        kinds = self.events.kinds
        while index >= 0 and kinds[index] in (MarkerKind.CASE, MarkerKind.ITERATION):
            index -= 1
        if index < 0:
            return CharacterOrigin(-1, -1, -1)
        number, around = self.events.numbers[index], self._enclosing[index]
        match kinds[index]:
            case MarkerKind.TEXT:
                return CharacterOrigin(number, offset - self.events.offsets[index], around)
            case MarkerKind.BEGIN:
                return CharacterOrigin(number, -1, around)
        return CharacterOrigin(-1, -1, around)
