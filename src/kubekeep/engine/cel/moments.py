"""Timestamps and durations: parsing, formatting and calendar fields in any time zone. Never reads the clock."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Callable
from typing import Any, Final

from kubekeep.engine.cel.functions import FunctionRegistry
from kubekeep.engine.cel.values import INT_MAX, INT_MIN, CelError, Duration, Timestamp

MOMENTS: Final = FunctionRegistry()

_SECOND: Final = 1_000_000_000
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3600 * _SECOND,
}
_PART: Final = re.compile(r"(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_OFFSET: Final = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)


def to_timestamp(value: Any) -> Timestamp:
    """Convert RFC 3339 text or seconds to a timestamp. Raises CelError."""
    if isinstance(value, Timestamp):
        return value
    if isinstance(value, int):
        return check_timestamp(value * _SECOND)
    match = _RFC3339.fullmatch(value)
    if match is None:
        raise CelError("type conversion error from 'string' to 'google.protobuf.Timestamp'")
    *numbers, fraction, sign, hours, minutes = match.groups()
    try:
        moment = dt.datetime(*map(int, numbers), tzinfo=dt.UTC)  # type: ignore[arg-type,misc]
    except ValueError:
        raise CelError("type conversion error from 'string' to 'google.protobuf.Timestamp'") from None
    offset = (int(hours) * 3600 + int(minutes) * 60) * (-1 if sign == "-" else 1) if sign else 0
    seconds = (moment - _EPOCH) // dt.timedelta(seconds=1) - offset
    return check_timestamp(seconds * _SECOND + int((fraction or "0")[:9].ljust(9, "0")))


def check_timestamp(ns: int) -> Timestamp:
    """Return a timestamp in the years 1 to 9999. Raises CelError outside this range."""
    if not -62135596800 * _SECOND <= ns < 253402300800 * _SECOND:
        raise CelError("timestamp overflow")
    return Timestamp(ns)


def format_timestamp(value: Timestamp) -> str:
    """Format as RFC 3339 in UTC, with the fraction of a second only as long as needed."""
    seconds, ns = divmod(value.ns, _SECOND)
    moment = _EPOCH + dt.timedelta(seconds=seconds)
    fraction = f".{ns:09d}".rstrip("0") if ns else ""
    return f"{moment.strftime('%Y-%m-%dT%H:%M:%S').rjust(19, '0')}{fraction}Z"


def to_duration(value: Any) -> Duration:
    """Parse a duration such as `1h30m`. Raises CelError."""
    if isinstance(value, Duration):
        return value
    sign = -1 if value[:1] == "-" else 1
    rest = value[1:] if value[:1] in ("-", "+") else value
    total, at = 0, 0
    while at < len(rest) and (match := _PART.match(rest, at)) and (match[1] or match[2]):
        unit = _UNITS[match[3]]
        fraction = match[2] or ""
        total += int(match[1] or 0) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)
        at = match.end()
    if rest == "0":
        return Duration(0)
    if not rest or at < len(rest) or not INT_MIN <= sign * total <= INT_MAX:
        raise CelError("type conversion error from 'string' to 'google.protobuf.Duration'")
    return Duration(sign * total)


def format_duration(value: Duration) -> str:
    """Format as seconds, with the fraction only as long as needed: `90s`, `1.5s`."""
    seconds, ns = divmod(abs(value.ns), _SECOND)
    fraction = f".{ns:09d}".rstrip("0") if ns else ""
    return f"{'-' if value.ns < 0 else ''}{seconds}{fraction}s"


def _parse_zone(name: str) -> dt.tzinfo:
    match = _OFFSET.fullmatch(name)
    if match:
        minutes = int(match[2]) * 60 + int(match[3])
        return dt.timezone(dt.timedelta(minutes=-minutes if match[1] == "-" else minutes))
    try:
        return zoneinfo.ZoneInfo(name or "UTC")
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise CelError(f"unknown time zone {name}") from None


def _create_getter(select: Callable[[dt.datetime], int]) -> Callable[..., int]:
    def part(value: Timestamp, zone: str = "UTC") -> int:
        try:
            moment = _EPOCH + dt.timedelta(seconds=value.ns // _SECOND)
            return select(moment.astimezone(_parse_zone(zone)))
        except (OverflowError, ValueError):
            raise CelError("timestamp overflow") from None

    return part


MOMENTS.declare(
    {
        "getFullYear": _create_getter(lambda moment: moment.year),
        "getMonth": _create_getter(lambda moment: moment.month - 1),
        "getDate": _create_getter(lambda moment: moment.day),
        "getDayOfMonth": _create_getter(lambda moment: moment.day - 1),
        "getDayOfWeek": _create_getter(lambda moment: moment.isoweekday() % 7),
        "getDayOfYear": _create_getter(lambda moment: moment.timetuple().tm_yday - 1),
        "getHours": _create_getter(lambda moment: moment.hour),
        "getMinutes": _create_getter(lambda moment: moment.minute),
        "getSeconds": _create_getter(lambda moment: moment.second),
    },
    "timestamp -> int",
    "timestamp, string -> int",
    member=True,
)
MOMENTS.member("getMilliseconds", "timestamp -> int", "timestamp, string -> int")(
    lambda value, _parse_zone="": value.ns % _SECOND // 1_000_000
)


def _truncate_to(unit: int) -> Callable[[Duration], int]:
    return lambda value: abs(value.ns) // unit * (1 if value.ns >= 0 else -1)


MOMENTS.member("getHours", "duration -> int")(_truncate_to(3600 * _SECOND))
MOMENTS.member("getMinutes", "duration -> int")(_truncate_to(60 * _SECOND))
MOMENTS.member("getSeconds", "duration -> int")(_truncate_to(_SECOND))
MOMENTS.member("getMilliseconds", "duration -> int")(_truncate_to(1_000_000))
