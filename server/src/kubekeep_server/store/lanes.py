"""Access of a server to the store: a lane of its own for writing, and a pool of connections for reading.

Functions of the store are synchronous and may take long. Those that write run in a thread with an event loop of its own, one
at a time on SQLite, so that other requests are answered meanwhile. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from kubekeep_server.store.database import open_database
from kubekeep_server.store.engine import open_server_engine, parse_url
from kubekeep_server.store.errors import StoreUnavailableError, translate_errors
from kubekeep_server.store.locks import try_lock_matching

T = TypeVar("T")
_SQLITE_WRITERS: Final = 1


class WritingLane:
    """Transactions that write. Ended by `close`."""

    def __init__(self, url: str, writers: int) -> None:
        """Start the thread. writers: transactions at a time on PostgreSQL. Raises ValueError for another database."""
        self._database = open_database(url)
        number = _SQLITE_WRITERS if self._database.is_file else writers
        self._all = asyncio.Semaphore(number)
        # At most this many long ones are before a short one.
        self._long = asyncio.Semaphore(number)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="writing lane", daemon=True)
        self._thread.start()

    async def run(self, function: Callable[..., T], *arguments: Any, is_long: bool = False) -> T:
        """Return the result of a function that gets a connection and the arguments, after its changes are durable.

        Raises what the function raises, and StoreUnavailableError.
        """
        future = asyncio.run_coroutine_threadsafe(self._transact(function, arguments, is_long=is_long), self._loop)
        # The end of the caller, such as a lost connection, does not end the transaction.
        return await asyncio.shield(asyncio.wrap_future(future))

    def close(self) -> None:
        """End after the transactions that run or wait."""
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _transact(self, function: Callable[..., T], arguments: tuple[Any, ...], *, is_long: bool) -> T:
        async with self._long if is_long else contextlib.nullcontext(), self._all:
            with translate_errors():
                return await self._database.run(function, *arguments)

    async def _finish(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)
        await self._database.close()


class ReadingPool:
    """Transactions that read, many at a time."""

    def __init__(self, url: str) -> None:
        """Open no connection yet. Raises ValueError for another database."""
        self._database = open_database(url, is_reading=True)

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a function that gets a connection and the arguments. Raises StoreUnavailableError."""
        with translate_errors():
            return await self._database.run(function, *arguments)

    async def close(self) -> None:
        """Close the connections."""
        await self._database.close()


class MatchingLock:
    """The right of one process of several to match images, as long as its connection lives. SQLite has one process."""

    def __init__(self, url: str) -> None:
        """Open no connection yet. Raises ValueError for another database."""
        parsed = parse_url(url)
        self._engine = None if parsed.drivername == "sqlite" else open_server_engine(parsed)
        self._connection: AsyncConnection | None = None
        self.is_held = False

    async def acquire(self) -> bool:
        """Return True if this process has the lock, also if it had it before. Raises StoreUnavailableError."""
        if self._engine is None:
            self.is_held = True
            return True
        try:
            with translate_errors():
                if self._connection is None:
                    self._connection = await self._engine.connect()
                    await self._connection.execution_options(isolation_level="AUTOCOMMIT")
                self.is_held = await self._connection.run_sync(try_lock_matching)
        except StoreUnavailableError:
            await self._disconnect()
            raise
        return self.is_held

    async def close(self) -> None:
        """Let another process have the lock."""
        self.is_held = False
        await self._disconnect()
        if self._engine is not None:
            await self._engine.dispose()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # Its session has the lock, and a pool would keep it.
            await connection.invalidate()
            await connection.close()


@contextlib.asynccontextmanager
async def open_lanes(url: str, writers: int) -> AsyncIterator[tuple[WritingLane, ReadingPool]]:
    """Yield both for a database, and close them. Raises ValueError for another database."""
    writing, reading = WritingLane(url, writers), ReadingPool(url)
    try:
        yield writing, reading
    finally:
        await asyncio.to_thread(writing.close)
        await reading.close()
