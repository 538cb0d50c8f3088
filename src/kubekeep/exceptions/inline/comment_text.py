"""What the words of a comment that waives say: the controls, `until=` and `reason=`. Knows no control and no file.

The grammar is small, and what it does not know is a problem: a word that was meant to end a waiver must never be taken
for one that does not matter.
"""

from __future__ import annotations

import datetime as dt
import difflib
import functools
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from kubekeep.exceptions.policy_exception import expiry

MARKER: Final = "kubekeep:ignore"
"""What such a comment begins with, in any case and with blanks around the colon."""
PRODUCT: Final = "kubekeep"
"""What a text without such comments does not hold in lower case."""

LINE_END: Final = re.compile(r"\r\n?|\n")
_CALL: Final = re.compile(r"kubekeep(_|[^\w\r\n]{0,8})(\w+)", re.IGNORECASE)
_IGNORE: Final = "ignore"
_LENGTHS: Final = range(4, 10)
_NUMBER: Final = re.compile(r"\bC\W?\d{2}", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"[:=\s,(]+C\W?\d{2}", re.IGNORECASE)
_NAMED: Final = re.compile(r"[:\s,]+[a-z]+-[a-z-]+", re.IGNORECASE)
_NEAR: Final = 200
_MOST: Final = 8
_INVISIBLE: Final = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
"""Characters that nobody sees, and that are no space."""
_SPELT: Final = f"write it as {MARKER} C-0057"
EXAMPLE: Final = "until=2027-01-31"
_KEYS: Final = ("until", "reason")
_WORD: Final = re.compile(
    r"""[\s,]*(?:(?P<key>[^\s,="']*)=(?P<value>"[^"]*"|'[^']*'|[^\s,]*)|(?P<name>[^\s,]+))""",
)
_ENDS: Final = r"(?:un)?till?|expir\w*|end[-_ ]?date|deadline|valid[-_ ]?(?:to|thru|through|till?|until)"
_OPTION: Final = re.compile(rf"\W*(?:{_ENDS}|ends?|reason|because)(?:\W*\Z|:)", re.IGNORECASE)
_ASSIGNED: Final = re.compile(
    rf"""(?<![\w-])(?:{_ENDS})\s*[=:]|\w\s*[=:]\s*["']?(?:19|20)\d\d-\d""",
    re.IGNORECASE,
)
_PROSE: Final = re.compile(
    rf"(?<![\w-])(?:(?:{_ENDS})(?!\w)\W+(?:\w+\W+){{0,3}}?(?<![^\W\d]-)(?:19|20)\d\d(?!\d)"
    r"|(?:by|before|through|thru|due|end(?:s|ing)?)\W+(?:19|20)\d\d-\d)",
    re.IGNORECASE,
)
"""An end that people read and nothing else does: `until the end of 2027`."""
_DAY: Final = re.compile(r"\W*(?:\d{4}\W\d\d?|\d\d?[./]\d\d?[./]\d\d|\d{8}\b)")
_ALIKE: Final = 0.75
_LONGEST: Final = 1000
"""Characters of a comment: nobody writes longer ones, and what compares words would take long."""


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
    if is_alike and not (sign or word == _IGNORE or numbered):
        return None
    start, opening = _opening(text, call.start())
    if word == _IGNORE and sign == ":" and (not rest[:1].strip() or rest[0] in ",:"):
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
    return word[0] == _IGNORE[0] and len(word) in _LENGTHS and len(set(_IGNORE) - set(word)) <= 1


class Said(msgspec.Struct, frozen=True):
    """What a comment says. With a `problem` nothing else of it counts."""

    names: tuple[str, ...] = ()
    until: dt.datetime | None = None
    reason: str = ""
    problem: str = ""


def said(text: str) -> Said:
    """What the text behind the marker says.

    Names of controls, `until=` and `reason=` in any order, with spaces or commas between. A value may stand in quotes;
    a reason without them takes the rest of the text.
    """
    reader = _Reader(text)
    try:
        return reader.read()
    except _UnclearError as error:
        return Said(problem=str(error))


def continues(text: str) -> bool:
    """Whether the text of another comment looks like the end of a waiver: `until=2027-01-31`."""
    return _ASSIGNED.match(text.strip("{#/*-, \t")) is not None


class _UnclearError(ValueError):
    """What was meant cannot be told."""


class _Reader:
    """One text, read from its start to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._names: list[str] = []
        self._until: dt.datetime | None = None
        self._reason: str | None = None

    def read(self) -> Said:
        """See `said`. Raises _UnclearError."""
        at = 0
        if len(self._text) > _LONGEST:
            raise _UnclearError(f"it is longer than {_LONGEST} characters")
        while (word := _WORD.match(self._text, at)) is not None:
            at = word.end()
            if word["name"] is not None:
                self._names.append(_name(word["name"]))
            elif word["key"].casefold() == "until":
                self._set_until(word["value"])
            elif word["key"].casefold() == "reason":
                at = self._set_reason(word.start("value"))
            else:
                raise _UnclearError(f"{word['key']}= is not known: until= and reason= are")
        reason = self._reason or ""
        if self._until is None and (_ASSIGNED.search(reason) or _PROSE.search(reason)):
            raise _UnclearError(f"its reason names an end that does not count: write {EXAMPLE} before reason=")
        return Said(tuple(dict.fromkeys(self._names)), self._until, reason)

    def _set_until(self, value: str) -> None:
        if self._until is not None:
            raise _UnclearError("until= is said twice")
        try:
            self._until = expiry(value.strip("\"'") if value[:1] == value[-1:] else value)
        except ValueError as error:
            raise _UnclearError(f"until={value} is no day, as in {EXAMPLE}") from error

    def _set_reason(self, start: int) -> int:
        """Take a reason from an index on, and say where it ends."""
        if self._reason is not None:
            raise _UnclearError("reason= is said twice")
        quote = self._text[start : start + 1]
        if quote not in {'"', "'"}:
            self._reason = self._text[start:].strip()
            if _ASSIGNED.search(self._reason):
                raise _UnclearError("until= has to stand before reason=, or the reason in quotes")
            return len(self._text)
        end = self._text.find(quote, start + 1)
        if end < 0:
            raise _UnclearError("the quote of its reason is not closed")
        if not re.match(r"[\s,]|\Z", self._text[end + 1 :]):
            raise _UnclearError("something stands right behind the quote of its reason")
        self._reason = self._text[start + 1 : end]
        return end + 1


def _name(word: str) -> str:
    """A word that may be the name of a control. Raises _UnclearError for one that looks like anything else."""
    if _DAY.match(word):
        raise _UnclearError(f"{word} is no control; a day is written {EXAMPLE}")
    if _OPTION.match(word) or _is_key(word.strip("\"'()[]{}<>:;.!-").casefold()):
        raise _UnclearError(f"{word} is no control; write {EXAMPLE} and reason=, each in one word with its sign")
    return word


@functools.lru_cache(maxsize=1024)
def _is_key(word: str) -> bool:
    """Whether a word looks like a key without its sign."""
    return bool(difflib.get_close_matches(word, _KEYS, 1, _ALIKE))
