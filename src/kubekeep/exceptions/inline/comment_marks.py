"""Where a text calls for a waiver, also where that is spelt in another way than it is read. Knows no syntax of files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

MARKER: Final = "kubekeep:ignore"
"""What such a comment begins with, in any case and with blanks around the colon."""
PRODUCT: Final = "kubekeep"
"""What a text without such comments does not hold in lower case."""

LINE_END: Final = re.compile(r"\r\n?|\n")
_CALL: Final = re.compile(r"kubekeep(_|[^\w\r\n]{0,8})(\w+)", re.IGNORECASE)
_WORD: Final = "ignore"
_LENGTHS: Final = range(4, 10)
_NUMBER: Final = re.compile(r"\bC\W?\d{2}", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"[:=\s,(]+C\W?\d{2}", re.IGNORECASE)
_NAMED: Final = re.compile(r"[:\s,]+[a-z]+-[a-z-]+", re.IGNORECASE)
_NEAR: Final = 200
_MOST: Final = 8
_INVISIBLE: Final = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
"""Characters that nobody sees, and that are no space."""
_SPELT: Final = f"write it as {MARKER} C-0057"


def is_marked(text: str) -> bool:
    """Whether a text has what looks like such a comment, for those to whom reading it costs more than this."""
    return PRODUCT in text.lower() and next(marks(text), None) is not None


class Mark(msgspec.Struct, frozen=True):
    """What looks like a comment: where it starts, with what, and from where to where it speaks.

    Without an `opening` something else stands before it on its line. `numbered` says whether the number of a control
    follows, and `problem` what is wrong with how it is spelt.
    """

    start: int
    opening: str
    said: int
    end: int
    numbered: bool
    problem: str = ""


def marks(text: str) -> Iterator[Mark]:
    """What may be a comment that waives, in order; of a line with very many only the first."""
    line_end, left = 0, _MOST
    for call in _CALL.finditer(text):
        if call.start() >= line_end:
            line_end = next((found.start() for found in [LINE_END.search(text, call.end())] if found), len(text))
            left = _MOST
        mark = _mark(text, call, line_end) if left else None
        if mark is not None:
            left -= 1
            yield mark


def _mark(text: str, call: re.Match[str], end: int) -> Mark | None:
    """What a call is if it is meant as one; what else is said of the product is left."""
    sign, word = call[1].strip(), call[2].casefold()
    rest = text[call.end() : min(end, call.end() + _NEAR)]
    is_alike = _is_alike(word)
    if not is_alike and not (sign and (_NUMBERED.match(rest) or (call[1] == ":" and _NAMED.match(rest)))):
        return None
    numbered = _NUMBER.search(rest) is not None
    if is_alike and not (sign or word == _WORD or numbered):
        return None
    start, opening = _opening(text, call.start())
    if word == _WORD and sign == ":" and (not rest[:1].strip() or rest[0] in ",:"):
        colon = re.match(r"\s*:", rest)
        return Mark(start, opening, call.end() + (colon.end() if colon else 0), end, numbered)
    return Mark(start, opening, call.end(), end, numbered, _SPELT)


def _opening(text: str, at: int) -> tuple[int, str]:
    """Where a comment begins whose first word is at an index, and with what sign; empty if something else is before it."""
    back = at
    while back and text[back - 1] not in "\r\n" and (text[back - 1].isspace() or text[back - 1] in _INVISIBLE):
        back -= 1
    start = back
    while start and text[start - 1] == "#":
        start -= 1
    if start < back:
        return start, "#"
    sign = text[max(back - 2, 0) : back]
    return (back - len(sign), sign) if sign in {"//", "/*"} else (back, "")


def _is_alike(word: str) -> bool:
    """Whether a word may be a slip of the pen: it has all letters but one."""
    return word[0] == _WORD[0] and len(word) in _LENGTHS and len(set(_WORD) - set(word)) <= 1
