"""Past scans of a source: their times and changes, and the submissions as they were received.

A submission has all namespaces of its source: who sees only some of them sees no scan.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, false, select, true, tuple_

from kubekeep_server.store.numbers import to_moment
from kubekeep_server.store.queries.pages import Document, Page, cut_page, read_cursor
from kubekeep_server.store.schema import blob, scan, source
from kubekeep_server.store.scopes import Scope

_ORDER: Final = "received"


class ScanRow(Document, frozen=True):
    """A scan. received: by the server. is_applied: False if a later one was received before it. opened, closed: findings.

    size: bytes of the submission.
    """

    id: str
    started: dt.datetime
    finished: dt.datetime
    received: dt.datetime
    is_applied: bool
    opened: int
    closed: int
    size: int


class _Position(msgspec.Struct, frozen=True, array_like=True):
    received: int
    id: str


class StoredScan(msgspec.Struct, frozen=True):
    """The document of a scan. digest: its SHA-256. size: its bytes. memory: bytes that are needed to read it."""

    digest: bytes
    size: int
    memory: int


def list_scans(connection: Connection, scope: Scope, number: int, cursor: str, limit: int) -> Page[ScanRow]:
    """Return a page of the scans of a source, the last one first. Raises LookupError if it is not in the scope."""
    _check_source(connection, scope, number)
    query = select(scan, blob.c.size).join(blob, blob.c.digest == scan.c.document).where(scan.c.source == number)
    position = read_cursor(cursor, _ORDER, _Position)
    if position is not None:
        query = query.where(tuple_(scan.c.received, scan.c.id) < (position.received, position.id))
    rows = connection.execute(query.order_by(scan.c.received.desc(), scan.c.id.desc()).limit(limit + 1)).all()
    page, after = cut_page(rows, limit, _ORDER, lambda row: (row.received, row.id))
    return Page(tuple(map(_describe, page)), after)


def find_scan(connection: Connection, scope: Scope, number: int, name: str) -> StoredScan:
    """Return the document of a scan. Raises LookupError if there is none in the scope."""
    query: Select[tuple[bytes, int, bytes | None]] = (
        select(blob.c.digest, blob.c.size, blob.c.base)
        .join(scan, scan.c.document == blob.c.digest)
        .where(scan.c.source == number, scan.c.id == name, _shows_all(scope, scan.c.source))
    )
    row = connection.execute(query).first()
    if row is None:
        raise LookupError(f"source {number} has no scan {name}")
    base = connection.execute(select(blob.c.size).where(blob.c.digest == row.base)).scalar() if row.base else None
    return StoredScan(row.digest, row.size, row.size + (base or 0))


def _check_source(connection: Connection, scope: Scope, number: int) -> None:
    query = select(source.c.id).where(source.c.id == number, _shows_all(scope, source.c.id))
    if connection.execute(query).first() is None:
        raise LookupError(f"there is no source {number} whose namespaces are all in the scope")


def _shows_all(scope: Scope, number: ColumnElement[int]) -> ColumnElement[bool]:
    if scope.whole is None:
        return true()
    return number.in_(sorted(scope.whole)) if scope.whole else false()


def _describe(row: Row[tuple[object, ...]]) -> ScanRow:
    return ScanRow(
        row.id,
        to_moment(row.started),
        to_moment(row.finished),
        to_moment(row.received),
        row.is_applied,
        row.opened,
        row.closed,
        row.size,
    )
