"""The operators and conversions of the language itself. Never wraps around: what does not fit is an error."""

from __future__ import annotations

import decimal
import math
from typing import Any, Final

from kubekeep.engine.cel.functions import Functions
from kubekeep.engine.cel.moments import duration_of, duration_text, ranged, timestamp_of, timestamp_text
from kubekeep.engine.cel.values import (
    INT_MAX,
    INT_MIN,
    UINT_MAX,
    CelError,
    CelType,
    Duration,
    Timestamp,
    Uint,
    no_overload,
    type_name,
)

OPERATORS: Final = Functions()

_EXPONENT: Final = 6
_ORDERED: Final = ("bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration")
_NUMERIC: Final = ("int", "uint", "double")
_SAME: Final = tuple(f"{kind}, {kind} -> bool" for kind in _ORDERED)
_CROSS: Final = tuple(f"{one}, {other} -> bool" for one in _NUMERIC for other in _NUMERIC if one != other)

OPERATORS.declare(
    {
        "_<_": lambda a, b: a < b,
        "_<=_": lambda a, b: a <= b,
        "_>_": lambda a, b: a > b,
        "_>=_": lambda a, b: a >= b,
    },
    *_SAME,
    *_CROSS,
)


def whole(value: int) -> int:
    """An int, if it is one. Raises CelError for a number too large."""
    if not INT_MIN <= value <= INT_MAX:
        raise CelError("integer overflow")
    return value


def unsigned(value: int) -> Uint:
    """A uint, if it is one. Raises CelError for a number too large or below zero."""
    if not 0 <= value <= UINT_MAX:
        raise CelError("unsigned integer overflow")
    return Uint(value)


def _divide(a: int, b: int) -> int:
    if b == 0:
        raise CelError("division by zero")
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _modulo(a: int, b: int) -> int:
    if b == 0:
        raise CelError("modulus by zero")
    return a - b * _divide(a, b)


def _divide_doubles(a: float, b: float) -> float:
    if b:
        return a / b
    return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1, b)


OPERATORS.function("_+_", "int, int -> int")(lambda a, b: whole(a + b))
OPERATORS.function("_-_", "int, int -> int")(lambda a, b: whole(a - b))
OPERATORS.function("_*_", "int, int -> int")(lambda a, b: whole(a * b))
OPERATORS.function("_/_", "int, int -> int")(lambda a, b: whole(_divide(a, b)))
OPERATORS.function("_%_", "int, int -> int")(_modulo)
OPERATORS.function("-_", "int -> int")(lambda a: whole(-a))
OPERATORS.function("_+_", "uint, uint -> uint")(lambda a, b: unsigned(int(a) + b))
OPERATORS.function("_-_", "uint, uint -> uint")(lambda a, b: unsigned(int(a) - b))
OPERATORS.function("_*_", "uint, uint -> uint")(lambda a, b: unsigned(int(a) * b))
OPERATORS.function("_/_", "uint, uint -> uint")(lambda a, b: unsigned(_divide(a, b)))
OPERATORS.function("_%_", "uint, uint -> uint")(lambda a, b: unsigned(_modulo(a, b)))
OPERATORS.function("_+_", "double, double -> double", "string, string -> string", "bytes, bytes -> bytes")(
    lambda a, b: a + b
)
OPERATORS.function("_+_", "list(A), list(A) -> list(A)")(lambda a, b: [*a, *b])
OPERATORS.function("_-_", "double, double -> double")(lambda a, b: a - b)
OPERATORS.function("_*_", "double, double -> double")(lambda a, b: a * b)
OPERATORS.function("_/_", "double, double -> double")(_divide_doubles)
OPERATORS.function("-_", "double -> double")(lambda a: -a)
OPERATORS.function("!_", "bool -> bool")(lambda a: not a)
OPERATORS.function("_+_", "timestamp, duration -> timestamp")(lambda a, b: ranged(a.ns + b.ns))
OPERATORS.function("_+_", "duration, timestamp -> timestamp")(lambda a, b: ranged(a.ns + b.ns))
OPERATORS.function("_+_", "duration, duration -> duration")(lambda a, b: Duration(whole(a.ns + b.ns)))
OPERATORS.function("_-_", "timestamp, timestamp -> duration", "duration, duration -> duration")(
    lambda a, b: Duration(whole(a.ns - b.ns))
)
OPERATORS.function("_-_", "timestamp, duration -> timestamp")(lambda a, b: ranged(a.ns - b.ns))
_SIZED: Final = ("string -> int", "bytes -> int", "list(A) -> int", "map(A, B) -> int")
OPERATORS.function("size", *_SIZED)(len)
OPERATORS.member("size", *_SIZED)(len)
OPERATORS.function("type", "A -> type(A)")(lambda value: CelType(type_name(value)))
OPERATORS.function("dyn", "A -> dyn")(lambda value: value)
OPERATORS.member("startsWith", "string, string -> bool")(str.startswith)
OPERATORS.member("endsWith", "string, string -> bool")(str.endswith)
OPERATORS.member("contains", "string, string -> bool")(lambda text, part: part in text)


def _refused(kind: str, wanted: str) -> CelError:
    return CelError(f"type conversion error from '{kind}' to '{wanted}'")


@OPERATORS.function(
    "int", "int -> int", "uint -> int", "double -> int", "string -> int", "timestamp -> int", "duration -> int"
)
def _int(value: Any) -> int:
    match value:
        case Timestamp():
            return value.ns // 1_000_000_000
        case Duration():
            return value.ns
        case float():
            if not -(2.0**63) < value < 2.0**63:
                raise CelError("integer overflow")
            return int(value)
        case str():
            return whole(_digits(value, "int"))
        case _:
            return whole(int(value))


@OPERATORS.function("uint", "uint -> uint", "int -> uint", "double -> uint", "string -> uint")
def _uint(value: Any) -> Uint:
    match value:
        case float():
            if not -1 < value < 2.0**64:
                raise CelError("unsigned integer overflow")
            return Uint(int(value))
        case str():
            return unsigned(_digits(value, "uint"))
        case _:
            return unsigned(int(value))


def _digits(text: str, wanted: str) -> int:
    bare = text[1:] if wanted == "int" and text[:1] in ("-", "+") else text
    if not (bare.isascii() and bare.isdigit()) or len(bare) > 30:
        raise _refused("string", wanted)
    return int(text)


@OPERATORS.function("double", "double -> double", "int -> double", "uint -> double", "string -> double")
def _double(value: Any) -> float:
    if isinstance(value, str) and (value != value.strip() or "_" in value):
        raise _refused("string", "double")
    try:
        return float(value)
    except ValueError:
        raise _refused("string", "double") from None


_BOOLS: Final = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


@OPERATORS.function("bool", "bool -> bool", "string -> bool")
def _bool(value: Any) -> bool:
    found = value if isinstance(value, bool) else _BOOLS.get(value)
    if found is None:
        raise _refused("string", "bool")
    return bool(found)


@OPERATORS.function("bytes", "bytes -> bytes", "string -> bytes")
def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")


@OPERATORS.function(
    "string",
    *(f"{kind} -> string" for kind in _ORDERED),
)
def text_of(value: Any) -> str:  # noqa: PLR0911 - one case a type
    """The text of a scalar."""
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return double_text(value)
        case int():
            return str(int(value))
        case str():
            return value
        case bytes():
            return _decoded(value)
        case Timestamp():
            return timestamp_text(value)
        case Duration():
            return duration_text(value)
        case _:
            raise no_overload("string")


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise CelError("invalid UTF-8 in bytes, cannot convert to string") from None


def double_text(value: float) -> str:
    """A double as Go's `%g` writes it in the fewest digits: with an exponent below 1e-4 and from 1e6 on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, power = decimal.Decimal(repr(value)).normalize().as_tuple()
    exponent = len(digits) - 1 + int(power)
    if -4 <= exponent < _EXPONENT:
        return f"{value!r}".removesuffix(".0")
    text = "".join(map(str, digits))
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{'-' if sign else ''}{text[0]}{fraction}e{exponent:+03d}"


OPERATORS.function("timestamp", "timestamp -> timestamp", "string -> timestamp", "int -> timestamp")(timestamp_of)
OPERATORS.function("duration", "duration -> duration", "string -> duration")(duration_of)
