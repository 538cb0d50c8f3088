"""Changes of sources for the connections of a process: one query a second for all of them, and none without a connection.

What has changed is kept as a set for each connection, so that a slow client needs no more memory than a fast one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

import structlog

from kubekeep_server.store.changes import load_changes
from kubekeep_server.store.errors import StoreUnavailableError
from kubekeep_server.store.lanes import ReadingPool

MOST_CONNECTIONS: Final = 200
MOST_OF_SENDER: Final = 6
"""Connections of a process, and those of one user or token."""
_PAUSE_SECONDS: Final = 1.0
_OVERLAP: Final = 300_000_000
"""Microseconds: the time of a change is that of its request, which may end later than others that began after it."""
_log: Final = structlog.get_logger("kubekeep.server")


class TooManyConnectionsError(Exception):
    """More connections than a process, or one sender, may have."""


class Subscription:
    """The changes that one connection has not sent. is_ended: True when the process stops."""

    def __init__(self, sender: object) -> None:
        self.sender = sender
        self.is_ended = False
        self._wake = asyncio.Event()
        self._sources: set[int] = set()

    def add(self, sources: set[int]) -> None:
        """Add sources that have changed."""
        self._sources |= sources
        self._wake.set()

    def end(self) -> None:
        """End the connection."""
        self.is_ended = True
        self._wake.set()

    async def take(self, seconds: float) -> set[int]:
        """Return sources that have changed, as soon as there are any; none after a time, or at the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()
        sources, self._sources = self._sources, set()
        return sources


class ChangeFeed:
    """The subscriptions of a process. position: time of the last known change, which a client names to resume."""

    def __init__(self, reading: ReadingPool) -> None:
        self._reading = reading
        self._subscriptions: set[Subscription] = set()
        self._changes: dict[int, int] | None = None
        self._is_ended = False
        # Of two reads at once, the later one could become the state to compare with, and a change between both be lost.
        self._reads = asyncio.Lock()

    @property
    def position(self) -> int:
        """The time of the last change in microseconds since 1970; 0 without any."""
        return max((self._changes or {}).values(), default=0)

    @contextlib.contextmanager
    def subscribe(self, sender: object) -> Iterator[Subscription]:
        """Yield a subscription. sender: key of the user or token. Raises TooManyConnectionsError."""
        own = sum(other.sender == sender for other in self._subscriptions)
        if self._is_ended or own >= MOST_OF_SENDER or len(self._subscriptions) >= MOST_CONNECTIONS:
            raise TooManyConnectionsError
        subscription = Subscription(sender)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def list_since(self, position: int) -> set[int]:
        """Return the sources that have changed since a position. Raises StoreUnavailableError."""
        async with self._reads:
            changes = await self._reading.run(load_changes)
            if self._changes is None:
                self._changes = changes
        # One of a clock that was ahead says nothing about the time since.
        earliest = position - _OVERLAP if position <= max(changes.values(), default=0) + _OVERLAP else 0
        return {source for source, changed in changes.items() if changed >= earliest}

    async def run(self) -> None:
        """Poll until the task is cancelled."""
        while True:
            await asyncio.sleep(_PAUSE_SECONDS)
            if not self._subscriptions:
                self._changes = None
                continue
            try:
                await self._poll()
            except StoreUnavailableError as error:
                _log.warning("changes wait for the database", reason=str(error))

    def end(self) -> None:
        """End all connections, and accept no others."""
        self._is_ended = True
        for subscription in self._subscriptions:
            subscription.end()

    async def _poll(self) -> None:
        async with self._reads:
            changes, before = await self._reading.run(load_changes), self._changes
            self._changes = changes
        if before is None:
            return
        changed = {source for source, moment in changes.items() if before.get(source) != moment}
        for subscription in self._subscriptions if changed else ():
            subscription.add(changed)
