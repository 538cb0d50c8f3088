"""Locks of PostgreSQL that no row has. SQLite has one writing transaction at a time, and needs none."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, func, select

_ACCOUNTS: Final = 0x6B6B6163
_DEFINITIONS: Final = 0x6B6B6465
_LOG: Final = 0x6B6B6C67
_MATCHING: Final = 0x6B6B6D61
_MIGRATION: Final = 0x6B6B6D67
_RETENTION: Final = 0x6B6B7274
"""Numbers of the locks in the database."""


def lock_definitions(connection: Connection, *, is_exclusive: bool) -> bool:
    """Wait until ratings are stable, or with `is_exclusive` until no other transaction counts findings by them.

    Until the end of the transaction. Returns True if another one may have changed them since this one began. A transaction
    waits for its source before, and after it for images, packages and repositories, each in the order of their keys.
    """
    if connection.dialect.name != "postgresql":
        return False
    lock = func.pg_advisory_xact_lock if is_exclusive else func.pg_advisory_xact_lock_shared
    connection.execute(select(lock(_DEFINITIONS)))
    return True


def lock_accounts(connection: Connection) -> None:
    """Wait until no other transaction creates a local user."""
    _wait(connection, _ACCOUNTS)


def lock_log(connection: Connection) -> None:
    """Wait until no other transaction adds an entry to the log of the organisation, which gives it its number."""
    _wait(connection, _LOG)


def lock_migration(connection: Connection) -> None:
    """Wait until no other process changes the tables."""
    _wait(connection, _MIGRATION)


def lock_report(connection: Connection, digest: bytes) -> None:
    """Wait until no other transaction adds a part to a report. digest: 8 bytes of its identity."""
    _wait(connection, int.from_bytes(digest, signed=True))


def try_lock_matching(connection: Connection) -> bool:
    """Return True if this connection has the right to match images, until its end. PostgreSQL only."""
    return bool(connection.execute(select(func.pg_try_advisory_lock(_MATCHING))).scalar_one())


def try_lock_retention(connection: Connection) -> bool:
    """Return True if no other process removes expired results at this moment. Until the end of the transaction."""
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(_RETENTION))).scalar_one())


def _wait(connection: Connection, number: int) -> None:
    """Wait for a lock, and keep it until the end of the transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(number)))
