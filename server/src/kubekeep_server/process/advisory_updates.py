"""Updates of the advisory database in the background, as the settings require: from its sources, or from a folder of bundles.

A failure is logged and stored, and changes no file of the database. Without the setting, nothing uses the network.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import Final

import structlog

from kubekeep_server.advisories.updates import BundleState, build_import, build_update, list_bundles, run_command
from kubekeep_server.settings import Settings
from kubekeep_server.store.advisory_state import load_status, record_error, record_update
from kubekeep_server.store.errors import StoreUnavailableError
from kubekeep_server.store.lanes import MatchingLock, ReadingPool, WritingLane

_PAUSE_SECONDS: Final = 2.0
_RETRY: Final = dt.timedelta(minutes=15)
_log: Final = structlog.get_logger("kubekeep.server")


class AdvisoryUpdates:
    """The updates of one process, while it has the lock."""

    def __init__(self, settings: Settings, writing: WritingLane, reading: ReadingPool, lock: MatchingLock) -> None:
        self._settings = settings
        self._folder = settings.advisory_database
        self._interval = dt.timedelta(hours=settings.advisories_hours)
        self._writing = writing
        self._reading = reading
        self._lock = lock
        self._next: float | None = None
        """Time of the next update, of the clock of the loop."""
        self._seen: frozenset[BundleState] = frozenset()
        self._imported: frozenset[BundleState] = frozenset()

    async def run(self) -> None:
        """Update until the task is cancelled."""
        while True:
            try:
                if self._lock.is_held:
                    await (self._update() if self._settings.advisories == "automatic" else self._import_bundles())
            except StoreUnavailableError as error:
                _log.warning("updates wait for the database", reason=str(error))
            except OSError as error:
                await self._report(f"{self._settings.bundles_folder}: {error.strerror}")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _update(self) -> None:
        loop = asyncio.get_running_loop()
        if self._next is None:
            self._next = loop.time() + await self._compute_delay()
        if loop.time() < self._next:
            return
        error = await run_command(build_update(self._folder))
        pause = min(_RETRY, self._interval) if error else self._interval
        self._next = loop.time() + pause.total_seconds()
        await self._report(error)

    async def _compute_delay(self) -> float:
        """Return the seconds until the first update: none without a database or a recent update of it."""
        updated = (await self._reading.run(load_status)).updated
        age = dt.datetime.now(dt.UTC) - updated if updated is not None and self._folder.is_dir() else self._interval
        # The clock may have been changed since.
        return max(0.0, (self._interval - age).total_seconds()) if age >= dt.timedelta() else 0.0

    async def _import_bundles(self) -> None:
        """Import new files that no longer grow."""
        present = list_bundles(Path(self._settings.bundles_folder))
        complete = [state for state in present if state in self._seen and state not in self._imported]
        self._seen = frozenset(present)
        for state in complete:
            error = await run_command(build_import(Path(state[0]), self._folder))
            self._imported |= {state}
            await self._report(error)

    async def _report(self, error: str) -> None:
        now = dt.datetime.now(dt.UTC)
        if error:
            _log.warning("the advisories were not updated", reason=error)
            await self._writing.run(record_error, error, now)
        else:
            _log.info("advisories updated")
            await self._writing.run(record_update, now)
