"""Numbers of attempts to guess a secret, for all processes of one database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy import Connection, delete, select

from kubekeep_server.store.identity_schema import attempt
from kubekeep_server.store.numbers import to_number
from kubekeep_server.store.upsert import add_to_rows

WINDOW: Final = dt.timedelta(minutes=15)


def count_attempt(connection: Connection, limits: Mapping[str, int], now: dt.datetime) -> bool:
    """Count an attempt for each key and return True if none of them has more than its limit in this window."""
    start = to_number(now) // (WINDOW // dt.timedelta(microseconds=1))
    # Those of a clock that was ahead count nothing. Clocks of two processes may be in windows side by side.
    connection.execute(delete(attempt).where(~attempt.c.start.between(start, start + 1)))
    add_to_rows(connection, attempt, ("number",), [{"key": key, "start": start, "number": 1} for key in sorted(limits)])
    rows = connection.execute(select(attempt).where(attempt.c.key.in_(limits), attempt.c.start == start))
    return all(row.number <= limits[row.key] for row in rows)


def forget_attempts(connection: Connection, keys: Collection[str]) -> None:
    """Delete the attempts for keys, after a valid secret."""
    connection.execute(delete(attempt).where(attempt.c.key.in_(keys)))
