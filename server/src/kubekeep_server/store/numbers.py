"""Times and keys as the store has them: whole numbers of 64 bits. Values only."""

from __future__ import annotations

import datetime as dt
from typing import Final

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_SIGN: Final = 1 << 63
SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
"""Microseconds of a second and of a day."""


def to_number(moment: dt.datetime) -> int:
    """Return microseconds since 1970. A time without a zone is in UTC."""
    return ((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)) - _EPOCH) // _MICROSECOND


def to_key(text: str) -> int:
    """Return 16 hexadecimal digits as a signed number."""
    number = int(text, 16)
    return number - 2 * _SIGN if number >= _SIGN else number


def format_key(key: int) -> str:
    """Return a signed number as 16 hexadecimal digits, as submissions have it."""
    return f"{key % (2 * _SIGN):016x}"


def to_moment(number: int) -> dt.datetime:
    """Return the time of microseconds since 1970, in UTC."""
    return _EPOCH + number * _MICROSECOND


def to_optional_moment(number: int | None) -> dt.datetime | None:
    """Return the time of microseconds since 1970, in UTC; None without a number."""
    return None if number is None else to_moment(number)
