"""Operators and conversions of the language. Arithmetic never wraps around: overflow is an error."""

from __future__ import annotations

import decimal
import math
from typing import Any, Final

from kubekeep.engine.cel.functions import FunctionRegistry
from kubekeep.engine.cel.moments import check_timestamp, format_duration, format_timestamp, to_duration, to_timestamp
from kubekeep.engine.cel.values import (
    INT_MAX,
    INT_MIN,
    UINT_MAX,
    CelError,
    Duration,
    Timestamp,
    TypeValue,
    Uint,
    create_overload_error,
    type_name,
)

OPERATORS: Final = FunctionRegistry()

_MAX_PLAIN_EXPONENT: Final = 6
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


def check_int(value: int) -> int:
    """Return the value if it fits an int. Raises CelError for overflow."""
    if not INT_MIN <= value <= INT_MAX:
        raise CelError("integer overflow")
    return value


def check_uint(value: int) -> Uint:
    """Return the value as a uint. Raises CelError for overflow and negative numbers."""
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


OPERATORS.function("_+_", "int, int -> int")(lambda a, b: check_int(a + b))
OPERATORS.function("_-_", "int, int -> int")(lambda a, b: check_int(a - b))
OPERATORS.function("_*_", "int, int -> int")(lambda a, b: check_int(a * b))
OPERATORS.function("_/_", "int, int -> int")(lambda a, b: check_int(_divide(a, b)))
OPERATORS.function("_%_", "int, int -> int")(_modulo)
OPERATORS.function("-_", "int -> int")(lambda a: check_int(-a))
OPERATORS.function("_+_", "uint, uint -> uint")(lambda a, b: check_uint(int(a) + b))
OPERATORS.function("_-_", "uint, uint -> uint")(lambda a, b: check_uint(int(a) - b))
OPERATORS.function("_*_", "uint, uint -> uint")(lambda a, b: check_uint(int(a) * b))
OPERATORS.function("_/_", "uint, uint -> uint")(lambda a, b: check_uint(_divide(a, b)))
OPERATORS.function("_%_", "uint, uint -> uint")(lambda a, b: check_uint(_modulo(a, b)))
OPERATORS.function("_+_", "double, double -> double", "string, string -> string", "bytes, bytes -> bytes")(
    lambda a, b: a + b
)
OPERATORS.function("_+_", "list(A), list(A) -> list(A)")(lambda a, b: [*a, *b])
OPERATORS.function("_-_", "double, double -> double")(lambda a, b: a - b)
OPERATORS.function("_*_", "double, double -> double")(lambda a, b: a * b)
OPERATORS.function("_/_", "double, double -> double")(_divide_doubles)
OPERATORS.function("-_", "double -> double")(lambda a: -a)
OPERATORS.function("!_", "bool -> bool")(lambda a: not a)
OPERATORS.function("_+_", "timestamp, duration -> timestamp")(lambda a, b: check_timestamp(a.ns + b.ns))
OPERATORS.function("_+_", "duration, timestamp -> timestamp")(lambda a, b: check_timestamp(a.ns + b.ns))
OPERATORS.function("_+_", "duration, duration -> duration")(lambda a, b: Duration(check_int(a.ns + b.ns)))
OPERATORS.function("_-_", "timestamp, timestamp -> duration", "duration, duration -> duration")(
    lambda a, b: Duration(check_int(a.ns - b.ns))
)
OPERATORS.function("_-_", "timestamp, duration -> timestamp")(lambda a, b: check_timestamp(a.ns - b.ns))
_SIZED: Final = ("string -> int", "bytes -> int", "list(A) -> int", "map(A, B) -> int")
OPERATORS.function("size", *_SIZED)(len)
OPERATORS.member("size", *_SIZED)(len)
OPERATORS.function("type", "A -> type(A)")(lambda value: TypeValue(type_name(value)))
OPERATORS.function("dyn", "A -> dyn")(lambda value: value)
OPERATORS.member("startsWith", "string, string -> bool")(str.startswith)
OPERATORS.member("endsWith", "string, string -> bool")(str.endswith)
OPERATORS.member("contains", "string, string -> bool")(lambda text, part: part in text)


def _conversion_error(kind: str, target: str) -> CelError:
    return CelError(f"type conversion error from '{kind}' to '{target}'")


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
            return check_int(_parse_digits(value, "int"))
        case _:
            return check_int(int(value))


@OPERATORS.function("uint", "uint -> uint", "int -> uint", "double -> uint", "string -> uint")
def _uint(value: Any) -> Uint:
    match value:
        case float():
            if not -1 < value < 2.0**64:
                raise CelError("unsigned integer overflow")
            return Uint(int(value))
        case str():
            return check_uint(_parse_digits(value, "uint"))
        case _:
            return check_uint(int(value))


def _parse_digits(text: str, target: str) -> int:
    bare = text[1:] if target == "int" and text[:1] in ("-", "+") else text
    if not (bare.isascii() and bare.isdigit()) or len(bare) > 30:
        raise _conversion_error("string", target)
    return int(text)


@OPERATORS.function("double", "double -> double", "int -> double", "uint -> double", "string -> double")
def _double(value: Any) -> float:
    if isinstance(value, str) and (value != value.strip() or "_" in value):
        raise _conversion_error("string", "double")
    try:
        return float(value)
    except ValueError:
        raise _conversion_error("string", "double") from None


_BOOLS: Final = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


@OPERATORS.function("bool", "bool -> bool", "string -> bool")
def _bool(value: Any) -> bool:
    converted = value if isinstance(value, bool) else _BOOLS.get(value)
    if converted is None:
        raise _conversion_error("string", "bool")
    return bool(converted)


@OPERATORS.function("bytes", "bytes -> bytes", "string -> bytes")
def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")


@OPERATORS.function(
    "string",
    *(f"{kind} -> string" for kind in _ORDERED),
)
def to_text(value: Any) -> str:  # noqa: PLR0911 - one case a type
    """Convert a scalar to text."""
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return format_double(value)
        case int():
            return str(int(value))
        case str():
            return value
        case bytes():
            return _decode(value)
        case Timestamp():
            return format_timestamp(value)
        case Duration():
            return format_duration(value)
        case _:
            raise create_overload_error("string")


def _decode(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise CelError("invalid UTF-8 in bytes, cannot convert to string") from None


def format_double(value: float) -> str:
    """Format a double like Go's `%g` with the fewest digits: exponent notation below 1e-4 and from 1e6."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, power = decimal.Decimal(repr(value)).normalize().as_tuple()
    exponent = len(digits) - 1 + int(power)
    if -4 <= exponent < _MAX_PLAIN_EXPONENT:
        return f"{value!r}".removesuffix(".0")
    text = "".join(map(str, digits))
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{'-' if sign else ''}{text[0]}{fraction}e{exponent:+03d}"


OPERATORS.function("timestamp", "timestamp -> timestamp", "string -> timestamp", "int -> timestamp")(to_timestamp)
OPERATORS.function("duration", "duration -> duration", "string -> duration")(to_duration)
