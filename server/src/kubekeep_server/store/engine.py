"""Connections to the database: SQLite for one process, PostgreSQL for any number. Makes and changes tables by migrations.

A writing engine of SQLite begins writing transactions, a reading engine can write nothing. Functions of the store are synchronous and
get a connection: `store.database` runs them on both drivers.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import alembic.command
import alembic.config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kubekeep_server.store.errors import StoreUnavailableError
from kubekeep_server.store.locks import lock_migration

_DRIVERS: Final = ("postgresql", "sqlite")
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_BUSY_MILLISECONDS: Final = 30_000
_COPIES: Final = 2
"""A migration writes a changed table into the log of SQLite, and then into the file, before pages of the old one are free."""
_SETTINGS: Final = (
    "journal_mode = WAL",
    # What was acknowledged survives a loss of power.
    "synchronous = FULL",
    "foreign_keys = ON",
    "trusted_schema = OFF",
    f"busy_timeout = {_BUSY_MILLISECONDS}",
)


def parse_url(url: str) -> URL:
    """Return the parsed `sqlite:///FILE` or `postgresql://...`. Raises ValueError for another database."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        # Without the text, which may contain a password.
        raise ValueError("no URL: use sqlite:///FILE or postgresql://HOST/NAME") from error
    if parsed.drivername not in _DRIVERS:
        raise ValueError(f"{parsed.drivername}: use sqlite:///FILE or postgresql://HOST/NAME")
    return parsed


def open_file_engine(url: URL | str, *, is_reading: bool = False) -> Engine:
    """Return the engine for a file of SQLite. is_reading: its transactions read one state of the database."""
    engine = create_engine(url)
    event.listen(engine, "connect", _prepare_sqlite)
    if is_reading:
        event.listen(engine, "connect", _forbid_writing)
    event.listen(engine, "begin", _begin_reading if is_reading else _begin_writing)
    return engine


def open_server_engine(url: URL, *, is_reading: bool = False) -> AsyncEngine:
    """Return the engine for PostgreSQL. is_reading: its transactions read one state of the database."""
    engine = create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        pool_pre_ping=True,
        # To compile an expression takes longer than all rows of a page.
        connect_args={"server_settings": {"jit": "off"}},
    )
    if is_reading:
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Make the tables, or change those of an earlier version, all or nothing. Another process that does this waits.

    Raises StoreUnavailableError if a file of SQLite may not have enough space for it.
    """
    lock_migration(connection)
    if is_outdated(connection):
        _check_space(connection)
    config = _configure_migrations()
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, revision)


def get_revision(connection: Connection) -> str:
    """Return the revision of the tables; empty without tables."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def is_outdated(connection: Connection) -> bool:
    """Return True for tables of an earlier version."""
    revision = get_revision(connection)
    head = ScriptDirectory.from_config(_configure_migrations()).get_current_head()
    return revision not in ("", head) and is_known_revision(revision)


def is_known_revision(revision: str) -> bool:
    """Return True for a revision of this version or an earlier one."""
    scripts = ScriptDirectory.from_config(_configure_migrations())
    return any(script.revision == revision for script in scripts.walk_revisions())


def _check_space(connection: Connection) -> None:
    file = connection.engine.url.database
    if connection.dialect.name != "sqlite" or not file:
        # Only its administrator can see the disk of PostgreSQL.
        return
    required, free = _COPIES * Path(file).stat().st_size, shutil.disk_usage(Path(file).parent).free
    if free < required:
        raise StoreUnavailableError(
            f"{file}: a change of the tables may need {required:,} bytes, and {free:,} are free: delete other files, or move "
            "the folder to a larger disk"
        )


def _configure_migrations() -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def _prepare_sqlite(connection: Any, record: Any) -> None:
    del record
    # The driver would begin transactions by itself, and too late for one that reads before it writes.
    connection.isolation_level = None
    cursor = connection.cursor()
    for setting in _SETTINGS:
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _forbid_writing(connection: Any, record: Any) -> None:
    del record
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only = ON")
    cursor.close()


def _begin_writing(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
