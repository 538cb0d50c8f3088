"""Marks in a rendered text: short runs of characters that nobody uses, which tell what of a template ran there.

They are printable, so that no quoting of Go escapes them, and no white space, so that no trimming eats them. What
stands after a mark on its line was printed there. Reading a marked text gives the text that Helm would have printed
without them, and what ran, in order. Never knows templates: a mark carries a kind and a number.
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
"""Braille, Yi, Canadian syllabics, hieroglyphs: 256 assigned, printable characters from each of these on."""
_BASE: Final = 240
_FIRST_DIGIT: Final = 16


class Kind(enum.IntEnum):
    """What a mark says: text that begins, an action that begins or ends, a branch taken, a turn of a loop."""

    TEXT = 1
    BEGIN = 2
    END = 3
    CASE = 4
    TURN = 5


_KEY_END: Final = 6


class Alphabet:
    """The marks of one chart: written with characters that none of its texts has; numbers stay below `count`."""

    def __init__(self, texts: Iterable[str], count: int) -> None:
        self.first = _unused(texts)
        self._digits = [chr(self.first + _FIRST_DIGIT + digit) for digit in range(_BASE)]
        self._width = 1
        while _BASE**self._width < count:
            self._width += 1
        kinds = f"[{chr(self.first + Kind.TEXT)}-{chr(self.first + Kind.CASE)}]"
        digits = f"([{chr(self.first + _FIRST_DIGIT)}-{chr(self.first + 255)}]{{{self._width}}})"
        turn, end = chr(self.first + Kind.TURN), chr(self.first + _KEY_END)
        self._pattern = re.compile(f"({kinds}){digits}|{turn}{digits}([^{end}]*){end}")

    @property
    def pattern(self) -> str:
        """One mark, or a part of one, as a regular expression of Go that has no groups."""
        turn, end = chr(self.first + Kind.TURN), chr(self.first + _KEY_END)
        return f"{turn}[^{end}]*{end}|[{chr(self.first)}-{chr(self.first + 255)}]"

    def digits(self, number: int) -> str:
        """A number as it stands in marks."""
        digits = ""
        for _ in range(self._width):
            number, digit = divmod(number, _BASE)
            digits += self._digits[digit]
        return digits

    def mark(self, kind: Kind, digits: str) -> str:
        """The characters of a mark; after that of a turn come the key of the turn and `key_end`."""
        return chr(self.first + kind) + digits

    @property
    def key_end(self) -> str:
        """What closes the key of a turn."""
        return chr(self.first + _KEY_END)

    def read(self, marked: str, count: int) -> MarkedText:
        """The text without its marks, and these; what looks like one but has a number from `count` on is text."""
        pieces: list[str] = []
        events = Events()
        at = length = 0
        for match in self._pattern.finditer(marked):
            number = self._number(match[2] or match[3])
            if number >= count:
                continue
            piece = marked[at : match.start()]
            at = match.end()
            length += len(piece)
            pieces.append(piece)
            if match[1]:
                events.add(length, ord(match[1]) - self.first, number, "")
            else:
                events.add(length, Kind.TURN, number, match[4])
        pieces.append(marked[at:])
        return MarkedText("".join(pieces), events)

    def _number(self, digits: str) -> int:
        number = 0
        for digit in reversed(digits):
            number = number * _BASE + ord(digit) - self.first - _FIRST_DIGIT
        return number


def _unused(texts: Iterable[str]) -> int:
    """The first character of a block that no text uses; the last one if all are used, and then nothing will match."""
    held = [text for text in texts if not text.isascii()]
    for first in _BLOCKS[:-1]:
        pattern = re.compile(f"[{chr(first)}-{chr(first + 255)}]")
        if not any(pattern.search(text) for text in held):
            return first
    return _BLOCKS[-1]


class Events:
    """What ran, in order: where in the text, the kind, the number, and the keys of turns by index."""

    __slots__ = ("keys", "kinds", "numbers", "offsets")

    def __init__(self) -> None:
        self.offsets = array("L")
        self.kinds = bytearray()
        self.numbers = array("L")
        self.keys: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.kinds)

    def add(self, offset: int, kind: int, number: int, key: str) -> None:
        """One more."""
        if kind == Kind.TURN:
            self.keys[len(self.kinds)] = key
        self.offsets.append(offset)
        self.kinds.append(kind)
        self.numbers.append(number)


class Printed(msgspec.Struct, frozen=True, gc=False):
    """What stands at some place of a marked text.

    `number` is that of the literal text or of the action that printed it, -1 for white space between marks. For text,
    `within` is how far behind its mark the place is, else -1. `event` is the index of the mark that began the
    innermost action around it, -1 outside of all: for text, the call that printed it.
    """

    number: int
    within: int
    event: int


class MarkedText:
    """A text and the marks that were in it. `plain` is the text without them."""

    def __init__(self, plain: str, events: Events) -> None:
        self.plain = plain
        self.events = events
        self._around = array("l")
        self._outer: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        stack: list[int] = []
        for index, kind in enumerate(events.kinds):
            if kind == Kind.BEGIN:
                self._outer[index] = stack[-1] if stack else -1
                stack.append(index)
            elif kind == Kind.END and stack:
                self._ends[stack.pop()] = events.offsets[index]
            self._around.append(stack[-1] if stack else -1)

    def at(self, offset: int) -> Printed:
        """What stands at an index of `plain`."""
        return self._printed(bisect_right(self.events.offsets, offset) - 1, offset)

    def actions(self, start: int, end: int) -> list[int]:
        """The events that began the innermost actions which printed something, or nothing, from `start` to `end`."""
        offsets, kinds = self.events.offsets, self.events.kinds
        index = max(bisect_right(offsets, start) - 1, 0)
        while index > 0 and offsets[index] == start:
            index -= 1
        found: dict[int, None] = {}
        while index < len(kinds) and (offsets[index] < end or offsets[index] == start):
            is_inner = kinds[index] == Kind.BEGIN and index + 1 < len(kinds) and kinds[index + 1] == Kind.END
            if is_inner and (offsets[index + 1] > start or offsets[index] >= start):
                found[index] = None
            index += 1
        return list(found)

    def outer(self, event: int) -> int:
        """The event that began the action around the one that `event` began, or -1."""
        return self._outer.get(event, -1)

    def caller(self, event: int) -> int:
        """The outermost action that printed nothing but what the one that `event` began did; that itself if none."""
        offsets, plain = self.events.offsets, self.plain
        start, end = offsets[event], self._ends.get(event, offsets[event])
        outer = self._outer.get(event, -1)
        while outer >= 0:
            around = plain[offsets[outer] : start] + plain[end : self._ends.get(outer, end)]
            if around and not around.isspace():
                break
            event, outer = outer, self._outer.get(outer, -1)
        return event

    def _printed(self, index: int, offset: int) -> Printed:
        """Marks of branches and turns are no text: the one that counts is before them."""
        kinds = self.events.kinds
        while index >= 0 and kinds[index] in (Kind.CASE, Kind.TURN):
            index -= 1
        if index < 0:
            return Printed(-1, -1, -1)
        number, around = self.events.numbers[index], self._around[index]
        match kinds[index]:
            case Kind.TEXT:
                return Printed(number, offset - self.events.offsets[index], around)
            case Kind.BEGIN:
                return Printed(number, -1, around)
        return Printed(-1, -1, around)
