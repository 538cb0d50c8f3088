"""The text of suppression comments: finding them in a file, and parsing controls, `until=` and `reason=`.

Knows no file syntax and no controls. Unknown words are problems: a word intended as an expiry must never be ignored.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from kubekeep.exceptions.inline.comment import MARKER, PRODUCT
from kubekeep.exceptions.policy_exception import parse_expiry
from kubekeep.model.similar_names import find_similar

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
"""Invisible characters that are not white space."""
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
"""An expiry in prose, which only people read: `until the end of 2027`."""
_DAY: Final = re.compile(r"\W*(?:\d{4}\W\d\d?|\d\d?[./]\d\d?[./]\d\d|\d{8}\b)")
_CUTOFF: Final = 0.75
_LONGEST: Final = 1000
"""Maximum length of a comment in characters; comparing words of longer ones would take long."""


def is_marked(text: str) -> bool:
    """Return True if a text may have suppression comments; cheaper than reading it."""
    return PRODUCT in text.lower() and next(find_candidates(text), None) is not None


class CommentCandidate(msgspec.Struct, frozen=True):
    """A possible suppression comment: its start, its sign, and the range of its text.

    opening: empty if other text precedes it on the line. numbered: the number of a control follows. problem: the error
    in its spelling.
    """

    start: int
    opening: str
    text_start: int
    end: int
    numbered: bool
    problem: str = ""


def find_candidates(text: str) -> Iterator[CommentCandidate]:
    """Yield possible suppression comments in order; of a line with very many only the first."""
    line_end, remaining = 0, _MOST
    for call in _CALL.finditer(text):
        if call.start() >= line_end:
            line_end = next((match.start() for match in [LINE_END.search(text, call.end())] if match), len(text))
            remaining = _MOST
        candidate = _make_candidate(text, call, line_end) if remaining else None
        if candidate is not None:
            remaining -= 1
            yield candidate


def _make_candidate(text: str, call: re.Match[str], end: int) -> CommentCandidate | None:
    """Return the candidate for a match, None for other mentions of the product."""
    sign, word = call[1].strip(), call[2].casefold()
    rest = text[call.end() : min(end, call.end() + _NEAR)]
    is_similar = _is_misspelt(word)
    if not is_similar and not (sign and (_NUMBERED.match(rest) or (call[1] == ":" and _NAMED.match(rest)))):
        return None
    numbered = _NUMBER.search(rest) is not None
    if is_similar and not (sign or word == _IGNORE or numbered):
        return None
    start, opening = _find_opening(text, call.start())
    if word == _IGNORE and sign == ":" and (not rest[:1].strip() or rest[0] in ",:"):
        colon = re.match(r"\s*:", rest)
        return CommentCandidate(start, opening, call.end() + (colon.end() if colon else 0), end, numbered)
    return CommentCandidate(start, opening, call.end(), end, numbered, _SPELT)


def _find_opening(text: str, at: int) -> tuple[int, str]:
    """Return the start and the sign of a comment from the index of its first word; no sign after other text."""
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


def _is_misspelt(word: str) -> bool:
    """Return True if a word is probably a misspelling of `ignore`: at most one letter is missing."""
    return word[0] == _IGNORE[0] and len(word) in _LENGTHS and len(set(_IGNORE) - set(word)) <= 1


class CommentFields(msgspec.Struct, frozen=True):
    """The parsed fields of a suppression comment. With a `problem` the other fields are empty."""

    names: tuple[str, ...] = ()
    until: dt.datetime | None = None
    reason: str = ""
    problem: str = ""


def parse_comment_text(text: str) -> CommentFields:
    """Parse the text after the marker.

    Names of controls, `until=` and `reason=` in any order, separated by spaces or commas. A value may be quoted; an
    unquoted reason takes the rest of the text.
    """
    parser = _CommentParser(text)
    try:
        return parser.parse()
    except _InvalidCommentError as error:
        return CommentFields(problem=str(error))


def continues(text: str) -> bool:
    """Return True if the text of a comment looks like the continuation of a suppression: `until=2027-01-31`."""
    return _ASSIGNED.match(text.strip("{#/*-, \t")) is not None


class _InvalidCommentError(ValueError):
    """A comment that cannot be understood."""


class _CommentParser:
    """Parser of one comment text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._names: list[str] = []
        self._until: dt.datetime | None = None
        self._reason: str | None = None

    def parse(self) -> CommentFields:
        """Parse the text; see `parse_comment_text`. Raises _InvalidCommentError."""
        at = 0
        if len(self._text) > _LONGEST:
            raise _InvalidCommentError(f"it is longer than {_LONGEST} characters")
        while (word := _WORD.match(self._text, at)) is not None:
            at = word.end()
            if word["name"] is not None:
                self._names.append(_check_name(word["name"]))
            elif word["key"].casefold() == "until":
                self._set_until(word["value"])
            elif word["key"].casefold() == "reason":
                at = self._set_reason(word.start("value"))
            else:
                raise _InvalidCommentError(f"{word['key']}= is unknown; use until= and reason=")
        reason = self._reason or ""
        if self._until is None and (_ASSIGNED.search(reason) or _PROSE.search(reason)):
            raise _InvalidCommentError(f"an expiry inside of the reason has no effect: write {EXAMPLE} before reason=")
        return CommentFields(tuple(dict.fromkeys(self._names)), self._until, reason)

    def _set_until(self, value: str) -> None:
        if self._until is not None:
            raise _InvalidCommentError("until= occurs twice")
        try:
            self._until = parse_expiry(value.strip("\"'") if value[:1] == value[-1:] else value)
        except ValueError as error:
            raise _InvalidCommentError(f"until={value} is not a date, as in {EXAMPLE}") from error

    def _set_reason(self, start: int) -> int:
        """Parse the reason from an index and return the index after it."""
        if self._reason is not None:
            raise _InvalidCommentError("reason= occurs twice")
        quote = self._text[start : start + 1]
        if quote not in {'"', "'"}:
            self._reason = self._text[start:].strip()
            if _ASSIGNED.search(self._reason):
                raise _InvalidCommentError("write until= before reason=, or quote the reason")
            return len(self._text)
        end = self._text.find(quote, start + 1)
        if end < 0:
            raise _InvalidCommentError("the quote of its reason is not closed")
        if not re.match(r"[\s,]|\Z", self._text[end + 1 :]):
            raise _InvalidCommentError("text follows the closing quote of its reason without a space")
        self._reason = self._text[start + 1 : end]
        return end + 1


def _check_name(word: str) -> str:
    """Return a word that may be the name of a control. Raises _InvalidCommentError for any other word."""
    if _DAY.match(word):
        raise _InvalidCommentError(f"{word} is not a control; write a date as {EXAMPLE}")
    if _OPTION.match(word) or _is_key(word.strip("\"'()[]{}<>:;.!-").casefold()):
        raise _InvalidCommentError(
            f"{word} is not a control; write {EXAMPLE} and reason= without spaces around the equals sign"
        )
    return word


@functools.lru_cache(maxsize=1024)
def _is_key(word: str) -> bool:
    """Return True if a word looks like a key without its sign."""
    return find_similar(word, _KEYS, cutoff=_CUTOFF) is not None
