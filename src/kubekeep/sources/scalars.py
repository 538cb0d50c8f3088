"""What a YAML scalar means to kubectl: go-yaml v2's reading of YAML 1.1, then JSON's.

kubectl parses with sigs.k8s.io/yaml, whose go-yaml v2 decides what a scalar is (`resolve.go`), turns the result
into JSON and reads that into int64 and float64. So `yes` is true, `0644` is 420, `12:30` is text and `1e3` is
the integer 1000. The differential test holds this module to the Go code. Never looks at more than one scalar.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import math
import re
import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

Scalar = str | bool | int | float | None

_TAG: Final = "tag:yaml.org,2002:"
_INT64: Final = range(-(2**63), 2**63)
_WORDS: Final[Mapping[str, bool | float | None]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_SPECIAL: Final = frozenset("+-0123456789.yYnNtTfFoO~")
_NUMERIC: Final = frozenset("+-0123456789")
_INTEGER: Final = re.compile(
    r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]([0-7]+)|(?:0([0-7]*))|([1-9][0-9]{0,19}))", re.ASCII
)
_SIGNED_BINARY: Final = re.compile(r"0b([-+][01]+)", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_POINT_FLOAT: Final = re.compile(r"\.[0-9](?:_?[0-9])*(?:[eE][-+]?[0-9](?:_?[0-9])*)?", re.ASCII)
_DATE: Final = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:[Tt ]([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?(Z|[-+][0-9]{2}:[0-9]{2})?)?",
    re.ASCII,
)


class ScalarError(ValueError):
    """A scalar that kubectl refuses."""


def plain(text: str) -> Scalar:
    """The meaning of a scalar without quotes or tag; floats may be infinite, integers reach 2**64 - 1."""
    if text and text[0] not in _SPECIAL:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text[0] == ".":
        return _finite(text.replace("_", ""), text) if _POINT_FLOAT.fullmatch(text) else text
    return _number(text) if text[0] in _NUMERIC else text


def tagged(tag: str, text: str) -> Scalar:
    """The meaning of a scalar with an explicit tag; tags that YAML does not define leave the text as it is.

    Raises ScalarError for text that the tag does not allow.
    """
    name = tag.removeprefix(_TAG) if tag.startswith(_TAG) else ""
    match name:
        case "str":
            return text
        case "binary":
            return _binary(text)
        case "timestamp" if _is_timestamp(text):
            return text
        case "bool" | "int" | "float" | "null" | "timestamp":
            return _as_tagged(name, text)
        case _:
            return text


def json_value(scalar: Scalar) -> Scalar:
    """The scalar after its passage through JSON: integers within 64 bits stay, larger ones become floats.

    Raises ScalarError for numbers that JSON cannot hold.
    """
    if isinstance(scalar, float):
        return _json_float(scalar)
    if isinstance(scalar, int) and scalar not in _INT64:
        return float(scalar)
    return scalar


def is_settled(scalar: Scalar) -> bool:
    """Whether the scalar means the same as a key, made text by `json_key`, before and after `json_value`."""
    return scalar.__class__ is not float and (scalar.__class__ is not int or scalar in _INT64)


def json_key(scalar: object) -> str:
    """The text of a mapping key, as sigs.k8s.io/yaml writes it.

    Raises ScalarError for collections, null and integers beyond int64.
    """
    match scalar:
        case str():
            return scalar
        case bool():
            return "true" if scalar else "false"
        case int() if scalar in _INT64:
            return str(scalar)
        case float():
            return _key_of_float(scalar)
        case _:
            kinds = {dict: "a mapping", list: "a list", type(None): "null"}
            raise ScalarError(f"a mapping key must be text, not {kinds.get(type(scalar), str(scalar))}")


def _number(text: str) -> Scalar:
    digits = text.replace("_", "")
    if match := _INTEGER.fullmatch(digits):
        value = _integer(match)
        # strconv.ParseInt takes a sign, ParseUint does not.
        if value in _INT64 or (not match[1] and 0 <= value < 2**64):
            return value
    if _FLOAT.fullmatch(digits):
        return _finite(digits, text)
    if match := _SIGNED_BINARY.fullmatch(digits):
        value = int(match[1], 2)
        return value if value in _INT64 else text
    return text


def _integer(match: re.Match[str]) -> int:
    sign, hexadecimal, binary, octal, old_octal, decimal = match.groups()
    if decimal is not None:
        value = int(decimal)
    elif hexadecimal is not None:
        value = int(hexadecimal, 16)
    elif binary is not None:
        value = int(binary, 2)
    else:
        value = int(octal or old_octal or "0", 8)
    return -value if sign == "-" else value


def _finite(digits: str, text: str) -> Scalar:
    """The float, or the text where it is too large for one (strconv.ParseFloat fails)."""
    value = float(digits)
    return text if math.isinf(value) else value


def _as_tagged(name: str, text: str) -> Scalar:
    value = plain(text)
    kinds: dict[type, str] = {bool: "bool", int: "int", float: "float", type(None): "null"}
    kind = kinds.get(type(value))
    if kind == name:
        return value
    if name == "float" and kind == "int" and value in _INT64:
        return float(value)  # type: ignore[arg-type]
    raise ScalarError(f"{text[:40]!r} is not a !!{name}")


def _is_timestamp(text: str) -> bool:
    """Whether go-yaml takes the text for a timestamp (which then stays text, but no other tag may claim it)."""
    match = _DATE.fullmatch(text)
    if match is None:
        return False
    year, month, day, hour, minute, second, zone = match.groups()
    if hour is not None and (text[len(year) + len(month) + len(day) + 2] == " ") == (zone is not None):
        return False
    try:
        # Go knows a year 0, and it was a leap year like 2000.
        dt.datetime(int(year) or 2000, int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))  # noqa: DTZ001
    except ValueError:
        return False
    return True


def _binary(text: str) -> str:
    try:
        data = base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        raise ScalarError("!!binary value is not base64") from None
    # encoding/json writes one replacement character for each byte that is not UTF-8.
    return re.sub("[\udc80-\udcff]", "\ufffd", data.decode("utf-8", "surrogateescape"))


def _json_float(value: float) -> int | float:
    """The number that int64-or-float64 decoding makes of a float which encoding/json has written.

    encoding/json writes no exponent below 1e21, so a whole number is read back as an integer when it fits.
    """
    if not math.isfinite(value):
        raise ScalarError(f"JSON has no number {str(value).replace('inf', 'infinity')}")
    if value.is_integer() and abs(value) < 1e21:
        # The shortest text that reads back as the float, not the float's exact value.
        whole = int(Decimal(repr(value)))
        return whole if whole in _INT64 else value
    return value


def _key_of_float(value: float) -> str:
    """strconv.FormatFloat(value, 'g', -1, 32): the shortest text that reads back as the same 32-bit float."""
    try:
        single = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        single = math.copysign(math.inf, value)
    if not math.isfinite(single):
        return ".nan" if math.isnan(single) else ".inf" if single > 0 else "-.inf"
    if single == 0:
        return "-0" if math.copysign(1, single) < 0 else "0"
    for digits in range(9):
        text = f"{single:.{digits}e}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == single:
            break
    mantissa, _, exponent = text.partition("e")
    # An exponent is written from 1e6 on and below 1e-4, in at least two digits.
    if -4 <= int(exponent) < 6:
        return f"{Decimal(text):f}"
    return f"{mantissa}e{exponent}"
