"""Transactions of the store: its synchronous functions run beside the event loop of the caller.

On SQLite they run in threads, with the driver of the standard library: one that passes each statement to another thread takes twice the
processor time. On PostgreSQL they run in greenlets of the event loop (`AsyncConnection.run_sync`). Knows no table.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy.engine import URL

from kubekeep_server.store.engine import open_file_engine, open_server_engine, parse_url

T = TypeVar("T")
_READERS: Final = 8
"""Transactions that read a file of SQLite at a time; others wait."""
_WRITERS: Final = 1


class Database(Protocol):
    """A database. Ended by `close`. is_file: True for SQLite."""

    is_file: bool

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a function that gets a connection and the arguments, after its transaction has ended."""

    async def close(self) -> None:
        """Wait for the transactions that run, and close the connections."""


def open_database(url: str, *, is_reading: bool = False) -> Database:
    """Return the database of `sqlite:///FILE` or `postgresql://...`; opens no connection yet.

    is_reading: transactions can write nothing, and read one state. Raises ValueError for another database.
    """
    parsed = parse_url(url)
    if parsed.drivername == "sqlite":
        return _FileDatabase(parsed, is_reading=is_reading)
    return _ServerDatabase(parsed, is_reading=is_reading)


class _FileDatabase:
    is_file = True

    def __init__(self, url: URL, *, is_reading: bool) -> None:
        self._engine = open_file_engine(url, is_reading=is_reading)
        self._threads = concurrent.futures.ThreadPoolExecutor(_READERS if is_reading else _WRITERS, "sqlite")

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._transact, function, arguments)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()

    def _transact(self, function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        with self._engine.begin() as connection:
            return function(connection, *arguments)


class _ServerDatabase:
    is_file = False

    def __init__(self, url: URL, *, is_reading: bool) -> None:
        self._engine = open_server_engine(url, is_reading=is_reading)

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(function, *arguments)

    async def close(self) -> None:
        await self._engine.dispose()
