"""Functions on strings: the extension of cel-go in the version of Kubernetes, and regular expressions.

A position is one of code points. Regular expressions are Go's, matched in linear time; never Python's own.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from kubekeep._native import Pattern
from kubekeep.engine.cel.functions import Functions
from kubekeep.engine.cel.values import CelError, no_overload

TEXT: Final = Functions()

_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER: Final = {code + 32: code for code in _LOWER}
_QUOTED: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}
_LONGEST: Final = 10_000_000


@functools.lru_cache(maxsize=512)
def pattern(text: str) -> Pattern:
    """A regular expression. Raises CelError for one that Go would refuse."""
    try:
        return Pattern(text)
    except ValueError as error:
        raise CelError(f"error parsing regexp: {error}") from None


@TEXT.function("matches", "string, string -> bool")
@TEXT.member("matches", "string, string -> bool")
def _matches(text: str, expression: str) -> bool:
    return pattern(expression).matches(text)


@TEXT.member("find", "string, string -> string")
def _find(text: str, expression: str) -> str:
    return pattern(expression).find(text) or ""


@TEXT.member("findAll", "string, string -> list(string)", "string, string, int -> list(string)")
def _find_all(text: str, expression: str, limit: int = -1) -> list[str]:
    return pattern(expression).find_all(text, len(text) + 1 if limit < 0 else min(limit, len(text) + 1))


@TEXT.member("charAt", "string, int -> string")
def _char_at(text: str, at: int) -> str:
    if not 0 <= at <= len(text):
        raise CelError(f"index out of range: {at}")
    return text[at : at + 1]


@TEXT.member("indexOf", "string, string -> int", "string, string, int -> int")
def _index_of(text: str, part: str, start: int = 0) -> int:
    if start < 0:
        raise CelError(f"index out of range: {start}")
    return text.find(part, start) if start <= len(text) else -1


@TEXT.member("lastIndexOf", "string, string -> int", "string, string, int -> int")
def _last_index_of(text: str, part: str, last: int | None = None) -> int:
    if last is None:
        return text.rfind(part)
    if last < 0:
        raise CelError(f"index out of range: {last}")
    return text.rfind(part, 0, last + len(part)) if last < len(text) else -1 if part else len(text)


@TEXT.member("join", "list(string) -> string", "list(string), string -> string")
def _join(items: list[Any], separator: str = "") -> str:
    if not all(isinstance(item, str) for item in items):
        raise no_overload("join")
    return bounded(separator.join(items))


def bounded(text: str) -> str:
    """The text, unless it is longer than any expression may make. Raises CelError."""
    if len(text) > _LONGEST:
        raise CelError("the text is too long")
    return text


TEXT.member("lowerAscii", "string -> string")(lambda text: text.translate(_LOWER))
TEXT.member("upperAscii", "string -> string")(lambda text: text.translate(_UPPER))
TEXT.member("trim", "string -> string")(lambda text: text.strip(_SPACE))


@TEXT.member("replace", "string, string, string -> string", "string, string, string, int -> string")
def _replace(text: str, old: str, new: str, limit: int = -1) -> str:
    found = text.count(old) if limit < 0 else min(limit, text.count(old))
    if len(text) + found * len(new) > _LONGEST:
        raise CelError("the text is too long")
    return text.replace(old, new, limit)


@TEXT.member("split", "string, string -> list(string)", "string, string, int -> list(string)")
def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit in (0, 1):
        return [text] if limit else []
    if separator:
        return text.split(separator, limit - 1 if limit > 0 else -1)
    if limit < 0 or limit >= len(text):
        return list(text)
    return [*text[: limit - 1], text[limit - 1 :]]


@TEXT.member("substring", "string, int -> string", "string, int, int -> string")
def _substring(text: str, start: int, end: int | None = None) -> str:
    last = len(text) if end is None else end
    if not 0 <= start <= len(text) or not 0 <= last <= len(text):
        raise CelError(f"index out of range: {start if not 0 <= start <= len(text) else last}")
    if start > last:
        raise CelError(f"invalid substring range. start: {start}, end: {last}")
    return text[start:last]


@TEXT.function("strings.quote", "string -> string")
def quote(text: str) -> str:
    """The text as a literal of the language."""
    return f'"{"".join(_QUOTED.get(letter, letter) for letter in text)}"'
