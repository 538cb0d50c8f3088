"""The log of changes of users and rights: append-only, each entry chained to the one before by its digest."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import Connection, insert, select

from kubekeep_server.store.hash_chain import chain_entry, compute_digest
from kubekeep_server.store.identity_schema import organisation_log
from kubekeep_server.store.locks import lock_log
from kubekeep_server.store.numbers import to_number


def append_entry(connection: Connection, now: dt.datetime, actor: str, action: str, **details: Any) -> None:
    """Add an entry: who did what. Details contain no secrets.

    The end of the transaction lets others append.
    """
    lock_log(connection)
    table = organisation_log
    last = connection.execute(select(table.c.number, table.c.digest).order_by(table.c.number.desc()).limit(1)).first()
    moment = to_number(now)
    entry = chain_entry(last, moment, actor, action, details)
    connection.execute(insert(table), [{"moment": moment, **entry._asdict()}])


def list_entries(connection: Connection, before: int, limit: int) -> list[Any]:
    """Return rows, the newest first. before: a number; 0 for the newest."""
    table = organisation_log
    query = select(table).order_by(table.c.number.desc()).limit(limit)
    return list(connection.execute(query.where(table.c.number < before) if before else query))


def verify_log(connection: Connection) -> int | None:
    """Return the number of the first entry that was changed or is missing; None for a complete log."""
    previous, expected = b"", 1
    for row in connection.execute(select(organisation_log).order_by(organisation_log.c.number)):
        if row.number != expected or row.digest != compute_digest(previous, row.entry):
            return expected
        previous, expected = row.digest, expected + 1
    return None
