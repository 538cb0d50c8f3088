"""`format`: the clauses of a pattern, and what each makes of a value. Never knows a locale."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from kubekeep.engine.cel.functions import Functions
from kubekeep.engine.cel.operators import double_text, text_of
from kubekeep.engine.cel.text import bounded
from kubekeep.engine.cel.types import Type
from kubekeep.engine.cel.values import CelError, CelType, Duration, Timestamp, Uint, type_name

PRINTING: Final = Functions()

_CLAUSE: Final = re.compile(r"%(?:(%)|(?:\.(\d+))?(.)|$)", re.DOTALL)
_WORDS: Final = {
    "d": "decimal",
    "f": "fixed-point",
    "e": "scientific",
    "b": "binary",
    "x": "hex",
    "X": "hex",
    "o": "octal",
}
_TAKEN: Final = {
    "d": ("int", "uint"),
    "f": ("double",),
    "e": ("double",),
    "b": ("int", "uint", "bool"),
    "x": ("int", "uint", "string", "bytes"),
    "X": ("int", "uint", "string", "bytes"),
    "o": ("int", "uint"),
}
_ASKED: Final = {
    "d": "integers",
    "f": "doubles",
    "e": "doubles",
    "b": "integers and bools",
    "x": "integers, byte buffers, and strings",
    "X": "integers, byte buffers, and strings",
    "o": "integers",
}
_PRINTED: Final = frozenset(
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


def _clauses(pattern: str) -> Iterator[tuple[str, str, int | None]]:
    """(text before it, letter, precision) of each clause, at last the rest of the text without a letter."""
    at = 0
    for match in _CLAUSE.finditer(pattern):
        before = pattern[at : match.start()]
        at = match.end()
        if match[1]:
            yield before + "%", "", None
            continue
        letter = match[3] or ""
        if not letter or letter not in "sdfebxXo":
            raise CelError(f'could not parse formatting clause: unrecognized formatting clause "{letter}"')
        yield before, letter, int(match[2][:4]) if match[2] else None
    yield pattern[at:], "", None


def _check(letter: str, kind: str) -> None:
    if kind in _TAKEN.get(letter, (kind,)) and (letter != "s" or kind in _PRINTED):
        return
    clause = _WORDS.get(letter, "string")
    asked = _ASKED.get(letter, "strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps")
    raise CelError(f"error during formatting: {clause} clause can only be used on {asked}, was given {kind}")


def check_format(pattern: str, kinds: Sequence[Type]) -> None:
    """Raise CelError if `pattern` cannot print values of these types; those of `dyn` are seen later."""
    used = 0
    for _, letter, _ in _clauses(pattern):
        if not letter:
            continue
        if used >= len(kinds):
            raise CelError(f"index {used} out of range")
        if kinds[used][0] not in ("dyn", "?"):
            _check(letter, kinds[used][0])
        used += 1
    if used < len(kinds):
        raise CelError(f"too many arguments supplied to string.format (expected {used}, got {len(kinds)})")


@PRINTING.member("format", "string, list(dyn) -> string")
def _format(pattern: str, values: list[Any]) -> str:
    out: list[str] = []
    used = 0
    for before, letter, precision in _clauses(pattern):
        out.append(before)
        if not letter:
            continue
        if used >= len(values):
            raise CelError(f"index {used} out of range")
        _check(letter, type_name(values[used]))
        out.append(_PRINTERS[letter](values[used], precision))
        used += 1
    return bounded("".join(out))


def _number(value: float, precision: int | None, letter: str) -> str:
    if math.isinf(value) or math.isnan(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    places = 6 if precision is None else min(precision, 1000)
    if letter == "f":
        return f"{value:,.{places}f}"
    mantissa, _, exponent = f"{value:.{places}e}".partition("e")
    superscript = str(int(exponent)).rjust(2, "0").translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}\u202f\u00d7\u202f10{superscript}"


def _hexadecimal(value: Any, upper: bool) -> str:  # noqa: FBT001 - one of two letters
    match value:
        case str():
            found = value.encode().hex()
        case bytes():
            found = value.hex()
        case _:
            found = f"{int(value):x}"
    return found.upper() if upper else found


_PRINTERS: Final[dict[str, Callable[[Any, int | None], str]]] = {
    "s": lambda value, _: _shown(value),
    "d": lambda value, _: str(int(value)),
    "f": lambda value, precision: _number(value, precision, "f"),
    "e": lambda value, precision: _number(value, precision, "e"),
    "b": lambda value, _: f"{int(value):b}",
    "o": lambda value, _: f"{int(value):o}",
    "x": lambda value, _: _hexadecimal(value, upper=False),
    "X": lambda value, _: _hexadecimal(value, upper=True),
}


def _shown(value: Any) -> str:
    """What `%s` makes of a value."""
    match value:
        case list():
            return f"[{', '.join(map(_inner, value))}]"
        case dict():
            entries = sorted((_inner(key), _inner(item)) for key, item in value.items())
            return f"{{{', '.join(f'{key}:{item}' for key, item in entries)}}}"
        case None:
            return "null"
        case CelType(name=name):
            return name
        case _:
            return str(text_of(value))


def _inner(value: Any) -> str:  # noqa: PLR0911 - one case a type
    """What it makes of a part of a list or map: a literal of the language."""
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False)
        case bytes():
            return f"b{json.dumps(value.decode(errors='replace'), ensure_ascii=False)}"
        case bool() | None:
            return _shown(value)
        case float() if not (math.isinf(value) or math.isnan(value)):
            return f"{value:.6f}"
        case float():
            return json.dumps(double_text(value))
        case Timestamp():
            return f'timestamp("{text_of(value)}")'
        case Duration():
            return f'duration("{text_of(value)}")'
        case Uint() | int():
            return str(int(value))
        case _ if type_name(value) in _PRINTED:
            return _shown(value)
        case _:
            raise CelError(f"no formatting function for {type_name(value)}")
