"""String functions: the cel-go strings extension at the version Kubernetes uses, `format`, and regular expressions.

Positions count code points. Regular expressions have Go's syntax and match in linear time; Python's `re` is never used
on input. Locales are ignored.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from kubekeep._native import Pattern
from kubekeep.engine.cel.functions import FunctionRegistry
from kubekeep.engine.cel.operators import format_double, to_text
from kubekeep.engine.cel.types import CelType
from kubekeep.engine.cel.values import CelError, Duration, Timestamp, TypeValue, Uint, create_overload_error, type_name

STRINGS: Final = FunctionRegistry()

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
_MAX_LENGTH: Final = 10_000_000


@functools.lru_cache(maxsize=512)
def compile_pattern(text: str) -> Pattern:
    """Compile a regular expression. Raises CelError if Go would reject it."""
    try:
        return Pattern(text)
    except ValueError as error:
        raise CelError(f"error parsing regexp: {error}") from None


@STRINGS.function("matches", "string, string -> bool")
@STRINGS.member("matches", "string, string -> bool")
def _matches(text: str, expression: str) -> bool:
    return compile_pattern(expression).matches(text)


@STRINGS.member("find", "string, string -> string")
def _find(text: str, expression: str) -> str:
    return compile_pattern(expression).find(text) or ""


@STRINGS.member("findAll", "string, string -> list(string)", "string, string, int -> list(string)")
def _find_all(text: str, expression: str, limit: int = -1) -> list[str]:
    return compile_pattern(expression).find_all(text, len(text) + 1 if limit < 0 else min(limit, len(text) + 1))


@STRINGS.member("charAt", "string, int -> string")
def _char_at(text: str, at: int) -> str:
    if not 0 <= at <= len(text):
        raise CelError(f"index out of range: {at}")
    return text[at : at + 1]


@STRINGS.member("indexOf", "string, string -> int", "string, string, int -> int")
def _index_of(text: str, part: str, start: int = 0) -> int:
    if start < 0:
        raise CelError(f"index out of range: {start}")
    return text.find(part, start) if start <= len(text) else -1


@STRINGS.member("lastIndexOf", "string, string -> int", "string, string, int -> int")
def _last_index_of(text: str, part: str, last: int | None = None) -> int:
    if last is None:
        return text.rfind(part)
    if last < 0:
        raise CelError(f"index out of range: {last}")
    return text.rfind(part, 0, last + len(part)) if last < len(text) else -1 if part else len(text)


@STRINGS.member("join", "list(string) -> string", "list(string), string -> string")
def _join(texts: list[Any], separator: str = "") -> str:
    if not all(isinstance(text, str) for text in texts):
        raise create_overload_error("join")
    return limit_length(separator.join(texts))


def limit_length(text: str) -> str:
    """Return the text. Raises CelError if it exceeds the maximum length."""
    if len(text) > _MAX_LENGTH:
        raise CelError("the text is too long")
    return text


STRINGS.member("lowerAscii", "string -> string")(lambda text: text.translate(_LOWER))
STRINGS.member("upperAscii", "string -> string")(lambda text: text.translate(_UPPER))
STRINGS.member("trim", "string -> string")(lambda text: text.strip(_SPACE))


@STRINGS.member("replace", "string, string, string -> string", "string, string, string, int -> string")
def _replace(text: str, old: str, new: str, limit: int = -1) -> str:
    count = text.count(old) if limit < 0 else min(limit, text.count(old))
    if len(text) + count * len(new) > _MAX_LENGTH:
        raise CelError("the text is too long")
    return text.replace(old, new, limit)


@STRINGS.member("split", "string, string -> list(string)", "string, string, int -> list(string)")
def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit in (0, 1):
        return [text] if limit else []
    if separator:
        return text.split(separator, limit - 1 if limit > 0 else -1)
    if limit < 0 or limit >= len(text):
        return list(text)
    return [*text[: limit - 1], text[limit - 1 :]]


@STRINGS.member("substring", "string, int -> string", "string, int, int -> string")
def _substring(text: str, start: int, end: int | None = None) -> str:
    last = len(text) if end is None else end
    if not 0 <= start <= len(text) or not 0 <= last <= len(text):
        raise CelError(f"index out of range: {start if not 0 <= start <= len(text) else last}")
    if start > last:
        raise CelError(f"invalid substring range. start: {start}, end: {last}")
    return text[start:last]


@STRINGS.function("strings.quote", "string -> string")
def quote(text: str) -> str:
    """Return the text as a string literal of the language."""
    return f'"{"".join(_QUOTED.get(letter, letter) for letter in text)}"'


_CLAUSE: Final = re.compile(r"%(?:(%)|(?:\.(\d+))?(.)|$)", re.DOTALL)
_CLAUSE_NAMES: Final = {
    "d": "decimal",
    "f": "fixed-point",
    "e": "scientific",
    "b": "binary",
    "x": "hex",
    "X": "hex",
    "o": "octal",
}
_ALLOWED_TYPES: Final = {
    "d": ("int", "uint"),
    "f": ("double",),
    "e": ("double",),
    "b": ("int", "uint", "bool"),
    "x": ("int", "uint", "string", "bytes"),
    "X": ("int", "uint", "string", "bytes"),
    "o": ("int", "uint"),
}
_ALLOWED_TEXT: Final = {
    "d": "integers",
    "f": "doubles",
    "e": "doubles",
    "b": "integers and bools",
    "x": "integers, byte buffers, and strings",
    "X": "integers, byte buffers, and strings",
    "o": "integers",
}
_PRINTABLE_TYPES: Final = frozenset(
    [
        "list",
        "map",
        "int",
        "uint",
        "double",
        "bool",
        "string",
        "bytes",
        "type",
        "null_type",
        "google.protobuf.Timestamp",
        "google.protobuf.Duration",
    ]
)


def _parse_clauses(pattern: str) -> Iterator[tuple[str, str, int | None]]:
    """Yield (preceding text, letter, precision) of each clause, then the remaining text with an empty letter."""
    at = 0
    for match in _CLAUSE.finditer(pattern):
        preceding = pattern[at : match.start()]
        at = match.end()
        if match[1]:
            yield preceding + "%", "", None
            continue
        letter = match[3] or ""
        if not letter or letter not in "sdfebxXo":
            raise CelError(f'could not parse formatting clause: unrecognized formatting clause "{letter}"')
        yield preceding, letter, int(match[2][:4]) if match[2] else None
    yield pattern[at:], "", None


def _check_clause(letter: str, kind: str) -> None:
    if kind in _ALLOWED_TYPES.get(letter, (kind,)) and (letter != "s" or kind in _PRINTABLE_TYPES):
        return
    clause = _CLAUSE_NAMES.get(letter, "string")
    allowed = _ALLOWED_TEXT.get(
        letter, "strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps"
    )
    raise CelError(f"error during formatting: {clause} clause can only be used on {allowed}, was given {kind}")


def check_format(pattern: str, kinds: Sequence[CelType]) -> None:
    """Raise CelError if `pattern` cannot format values of these types; `dyn` is checked at run time."""
    used = 0
    for _, letter, _ in _parse_clauses(pattern):
        if not letter:
            continue
        if used >= len(kinds):
            raise CelError(f"index {used} out of range")
        if kinds[used][0] not in ("dyn", "?"):
            _check_clause(letter, kinds[used][0])
        used += 1
    if used < len(kinds):
        raise CelError(f"too many arguments supplied to string.format (expected {used}, got {len(kinds)})")


@STRINGS.member("format", "string, list(dyn) -> string")
def _format(pattern: str, values: list[Any]) -> str:
    parts: list[str] = []
    used = 0
    for preceding, letter, precision in _parse_clauses(pattern):
        parts.append(preceding)
        if not letter:
            continue
        if used >= len(values):
            raise CelError(f"index {used} out of range")
        _check_clause(letter, type_name(values[used]))
        parts.append(_PRINTERS[letter](values[used], precision))
        used += 1
    return limit_length("".join(parts))


def _format_number(value: float, precision: int | None, letter: str) -> str:
    if math.isinf(value) or math.isnan(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    digits = 6 if precision is None else min(precision, 1000)
    if letter == "f":
        return f"{value:,.{digits}f}"
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    superscript = str(int(exponent)).rjust(2, "0").translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}\u202f\u00d7\u202f10{superscript}"


def _format_hexadecimal(value: Any, upper: bool) -> str:  # noqa: FBT001 - one of two letters
    match value:
        case str():
            digits = value.encode().hex()
        case bytes():
            digits = value.hex()
        case _:
            digits = f"{int(value):x}"
    return digits.upper() if upper else digits


_PRINTERS: Final[dict[str, Callable[[Any, int | None], str]]] = {
    "s": lambda value, _: _format_value(value),
    "d": lambda value, _: str(int(value)),
    "f": lambda value, precision: _format_number(value, precision, "f"),
    "e": lambda value, precision: _format_number(value, precision, "e"),
    "b": lambda value, _: f"{int(value):b}",
    "o": lambda value, _: f"{int(value):o}",
    "x": lambda value, _: _format_hexadecimal(value, upper=False),
    "X": lambda value, _: _format_hexadecimal(value, upper=True),
}


def _format_value(value: Any) -> str:
    """Format a value for `%s`."""
    match value:
        case list():
            return f"[{', '.join(map(_format_element, value))}]"
        case dict():
            entries = sorted((_format_element(key), _format_element(element)) for key, element in value.items())
            return f"{{{', '.join(f'{key}:{element}' for key, element in entries)}}}"
        case None:
            return "null"
        case TypeValue(name=name):
            return name
        case _:
            return str(to_text(value))


def _format_element(value: Any) -> str:  # noqa: PLR0911 - one case a type
    """Format an element of a list or map, as a literal of the language."""
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False)
        case bytes():
            return f"b{json.dumps(value.decode(errors='replace'), ensure_ascii=False)}"
        case bool() | None:
            return _format_value(value)
        case float() if not (math.isinf(value) or math.isnan(value)):
            return f"{value:.6f}"
        case float():
            return json.dumps(format_double(value))
        case Timestamp():
            return f'timestamp("{to_text(value)}")'
        case Duration():
            return f'duration("{to_text(value)}")'
        case Uint() | int():
            return str(int(value))
        case _ if type_name(value) in _PRINTABLE_TYPES:
            return _format_value(value)
        case _:
            raise CelError(f"no formatting function for {type_name(value)}")
