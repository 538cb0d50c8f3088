"""Removal of what is older than the retention, in transactions small enough for others to go on meanwhile.

Never removes the state of a source, open findings of images that a source has, or entries of a log.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Table, delete, exists, insert, select, update

from kubekeep_server.store.background_schema import retention_clock
from kubekeep_server.store.batches import lock_rows
from kubekeep_server.store.control_states import ControlState
from kubekeep_server.store.deletion import remove_images, remove_rows
from kubekeep_server.store.evaluations import remove_unused
from kubekeep_server.store.framework_schema import control_interval
from kubekeep_server.store.image_schema import failed_scan, image, image_finding, image_name, repository_finding
from kubekeep_server.store.locks import try_lock_retention
from kubekeep_server.store.numbers import DAY, to_moment, to_number
from kubekeep_server.store.schema import blob, day, finding, scan, source, subject

_IMAGES: Final = 100
"""Images of a transaction."""
_CLOSED: Final = 20_000
"""Closed problems of a transaction."""
_LONGEST_STEP: Final = 2 * DAY
"""The clock is read once a day; more is a jump of it, or a stop of all processes."""


class Retention(msgspec.Struct, frozen=True):
    """Times since which results are kept. scans: of scans, and of images that no source has. history: of closed findings."""

    scans: dt.datetime
    history: dt.datetime


def advance_clock(connection: Connection, now: dt.datetime) -> dt.datetime:
    """Return the time that the retention goes by. now: of the clock of the server. Raises AnotherProcessError.

    It follows the clock, and stays where it is if the clock has jumped: one that is a year ahead by mistake would remove
    everything. After a long stop it goes twice as fast as the clock until it has caught up.
    """
    _lock(connection)
    table, shown = retention_clock, to_number(now)
    row = connection.execute(select(table)).first()
    if row is None:
        connection.execute(insert(table), [{"id": 1, "checked": shown, "moment": shown}])
        return now
    elapsed = shown - row.checked
    moment = row.moment
    if 0 <= elapsed <= _LONGEST_STEP:
        moment = max(moment, min(shown, moment + 2 * elapsed))
    connection.execute(update(table).values(checked=shown, moment=moment))
    return to_moment(moment)


class AnotherProcessError(Exception):
    """Another process removes at this moment."""


def list_numbers(connection: Connection) -> Sequence[int]:
    """Return the numbers of all sources."""
    return connection.execute(select(source.c.id).order_by(source.c.id)).scalars().all()


def remove_of_source(connection: Connection, number: int, retention: Retention) -> None:
    """Remove scans, closed findings and subjects, failed scans of images, and numbers of days of a source. Raises AnotherProcessError."""
    _lock(connection)
    query = select(source.c.scan).where(source.c.id == number).with_for_update(key_share=True)
    row = connection.execute(query).first()
    if row is None:
        return
    _remove_scans(connection, number, row.scan, to_number(retention.scans))
    limit = to_number(retention.history)
    connection.execute(delete(finding).where(finding.c.source == number, finding.c.closed < limit))
    has_findings = exists().where(finding.c.source == subject.c.source, finding.c.subject == subject.c.id)
    connection.execute(delete(subject).where(subject.c.source == number, subject.c.closed < limit, ~has_findings))
    _remove_states(connection, number, limit)
    failures = failed_scan.c.source == number, failed_scan.c.moment < to_number(retention.scans)
    connection.execute(delete(failed_scan).where(*failures))
    connection.execute(delete(day).where(day.c.source == number, day.c.day < limit // DAY))


def _remove_states(connection: Connection, number: int, limit: int) -> None:
    """Remove intervals of controls that ended before a time. Before the first one that is left, nothing is known."""
    table = control_interval
    connection.execute(delete(table).where(table.c.source == number, table.c.until < limit))
    is_first = (table.c.source == number, table.c.since < limit, table.c.before != ControlState.NOT_EVALUATED)
    connection.execute(update(table).where(*is_first).values(before=ControlState.NOT_EVALUATED))


def remove_of_images(connection: Connection, retention: Retention) -> int:
    """Remove images that no source has, and return their number; 0 at the end. Raises AnotherProcessError."""
    _lock(connection)
    is_named = exists().where(image_name.c.image == image.c.id)
    has_findings = exists().where(image_finding.c.image == image.c.id)
    unused = (image.c.sources == 0, image.c.created < to_number(retention.scans), is_named | has_findings)
    candidates = connection.execute(select(image.c.id).where(*unused).limit(_IMAGES)).scalars().all()
    lock_rows(connection, image, candidates)
    # A source may have one of them since.
    current = select(image.c.id).where(image.c.id.in_(candidates), *unused)
    numbers = connection.execute(current).scalars().all()
    remove_images(connection, numbers, to_number(retention.scans))
    return len(numbers)


def remove_of_history(connection: Connection, retention: Retention, size: int = _CLOSED) -> int:
    """Remove closed problems of images and repositories, and return their number; 0 at the end.

    size: the number after which a transaction ends. What one transaction has closed is removed in one.
    Raises AnotherProcessError.
    """
    _lock(connection)
    limit = to_number(retention.history)
    return sum(_remove_closed(connection, table, limit, size) for table in (image_finding, repository_finding))


def _remove_closed(connection: Connection, table: Table, limit: int, size: int) -> int:
    """Remove the rows that were closed first, and return their number."""
    closed = table.c.closed
    query = select(closed).where(closed < limit).order_by(closed).offset(size - 1).limit(1)
    last = connection.execute(query).scalar()
    expired = closed < limit if last is None else closed <= last
    return connection.execute(delete(table).where(expired)).rowcount


def _lock(connection: Connection) -> None:
    if not try_lock_retention(connection):
        raise AnotherProcessError


def _remove_scans(connection: Connection, number: int, last: str, limit: int) -> None:
    """Remove scans but the last one, and those whose document is the dictionary of one that stays."""
    query = select(scan.c.id, scan.c.finished, scan.c.document, scan.c.evaluation, blob.c.base).join(
        blob, blob.c.digest == scan.c.document
    )
    rows: list[Any] = list(connection.execute(query.where(scan.c.source == number)))
    kept = [row for row in rows if row.finished >= limit or row.id == last]
    required = {row.document for row in kept} | {row.base for row in kept}
    removed = [row for row in rows if row.document not in required]
    remove_rows(connection, scan, "id", [row.id for row in removed], scan.c.source == number)
    remove_rows(connection, blob, "digest", [row.document for row in removed])
    remove_unused(connection, {row.evaluation for row in removed if row.evaluation is not None})
