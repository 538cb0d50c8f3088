"""Parts of reports until all have arrived, at any process. Those of an interrupted report are deleted after a time.

A part belongs to its sender: nobody else can add one to the report or read it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, func, select

from kubekeep_server.store.compression import compress, decompress
from kubekeep_server.store.locks import lock_report
from kubekeep_server.store.numbers import to_number
from kubekeep_server.store.report_schema import report_part
from kubekeep_server.store.upsert import replace_rows

LIFETIME: Final = dt.timedelta(hours=1)
MOST_PARTS: Final = 10_000
"""Parts of a sender that may wait."""
_COLUMNS: Final = ("is_last", "received", "size", "content")


class TooManyPartsError(Exception):
    """Parts with more bytes, or more parts, than may wait."""


class ReportKey(msgspec.Struct, frozen=True):
    """A report of a sender. sender: digest of the token. name: kind and identity of the report."""

    sender: bytes
    name: str


class PartPosition(msgspec.Struct, frozen=True):
    """The number of a part, from 0, and True for the last one."""

    number: int
    is_last: bool


def add_part(
    connection: Connection, key: ReportKey, position: PartPosition, document: bytes, now: dt.datetime, limit: int
) -> list[PartPosition]:
    """Store a part, also in place of an earlier one with its number, and return the positions of all parts of the report.

    limit: bytes of all parts of a sender that wait. Raises TooManyPartsError.
    """
    # Otherwise, of the last two parts that arrive at once, neither would see the other.
    lock_report(connection, hashlib.blake2b(key.sender + key.name.encode(), digest_size=8).digest())
    table = report_part
    connection.execute(delete(table).where(table.c.received < to_number(now - LIFETIME)))
    row = {
        "sender": key.sender,
        "report": key.name,
        "number": position.number,
        "is_last": position.is_last,
        "received": to_number(now),
        "size": len(document),
        "content": compress(document),
    }
    replace_rows(connection, table, _COLUMNS, [row])
    totals = select(func.count().label("parts"), func.sum(table.c.size).label("size"))
    waiting = connection.execute(totals.where(table.c.sender == key.sender)).one()
    if waiting.parts > MOST_PARTS or waiting.size > limit:
        raise TooManyPartsError(f"{MOST_PARTS} parts with {limit} bytes may wait for the rest of their reports")
    query = select(table.c.number, table.c.is_last).where(table.c.sender == key.sender, table.c.report == key.name)
    return [PartPosition(number, is_last) for number, is_last in connection.execute(query.order_by(table.c.number))]


def load_parts(connection: Connection, key: ReportKey) -> list[bytes]:
    """Return the parts of a report in their order."""
    table = report_part
    query = select(table.c.content).where(table.c.sender == key.sender, table.c.report == key.name)
    return [decompress(content) for content in connection.scalars(query.order_by(table.c.number))]


def delete_parts(connection: Connection, key: ReportKey) -> None:
    """Delete the parts of a report."""
    table = report_part
    connection.execute(delete(table).where(table.c.sender == key.sender, table.c.report == key.name))
