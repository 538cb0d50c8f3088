"""Connections to the database: SQLite for one process, PostgreSQL for any number. Makes and changes tables by migrations.

Store functions are synchronous and get a connection; `AsyncConnection.run_sync` runs them on both drivers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import alembic.command
import alembic.config
from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_DRIVERS: Final = {"postgresql": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_BUSY_MILLISECONDS: Final = 30_000
_SETTINGS: Final = (
    "journal_mode = WAL",
    # What was acknowledged survives a loss of power.
    "synchronous = FULL",
    "foreign_keys = ON",
    "trusted_schema = OFF",
    f"busy_timeout = {_BUSY_MILLISECONDS}",
)


def open_engine(url: str) -> AsyncEngine:
    """Return the engine for `sqlite:///FILE` or `postgresql://...`. Raises ValueError for another database."""
    parsed = make_url(url)
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise ValueError(f"{parsed.drivername}: use sqlite:///FILE or postgresql://HOST/NAME")
    engine = create_async_engine(parsed.set(drivername=driver))
    if parsed.drivername == "sqlite":
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_writing)
    return engine


def upgrade(connection: Connection) -> None:
    """Make the tables, or change those of an earlier version."""
    config = alembic.config.Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")


def _prepare_sqlite(connection: Any, record: Any) -> None:
    del record
    # The driver would begin transactions by itself, and too late for one that reads before it writes.
    connection.isolation_level = None
    cursor = connection.cursor()
    for setting in _SETTINGS:
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _begin_writing(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
