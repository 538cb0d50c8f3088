"""Matching of images in the background: follows the advisory database in its folder, and matches what it may affect.

One process of several matches. A failure is logged and stored, and the next attempt follows; requests never wait for it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from kubekeep.model.errors import KubekeepError
from kubekeep_server.advisories.database import (
    FolderState,
    ServerAdvisories,
    UnusableAdvisoriesError,
    open_after,
    read_folder_state,
)
from kubekeep_server.advisories.matcher import ImageMatcher
from kubekeep_server.store.advisory_state import clear_error, load_known, record_change, record_error
from kubekeep_server.store.errors import StoreUnavailableError
from kubekeep_server.store.lanes import MatchingLock, ReadingPool, WritingLane
from kubekeep_server.store.matching import store_batch
from kubekeep_server.store.pending_matches import load_pending

T = TypeVar("T")
_PAUSE_SECONDS: Final = 2.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
_BATCH: Final = 25
"""Images of a transaction."""
_log: Final = structlog.get_logger("kubekeep.server")


class MatchingJob:
    """The matching of one process."""

    def __init__(self, folder: Path, writing: WritingLane, reading: ReadingPool, lock: MatchingLock) -> None:
        self._folder = folder
        self._writing = writing
        self._reading = reading
        self._lock = lock
        self._state: FolderState = {}
        self._advisories: ServerAdvisories | None = None
        self._version = 0
        # Files of the database are used by the thread that opened them.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="matching")

    async def run(self) -> None:
        """Match until the task is cancelled."""
        pause = _PAUSE_SECONDS
        try:
            while True:
                try:
                    await self._step()
                    pause = _PAUSE_SECONDS
                except StoreUnavailableError as error:
                    _log.warning("matching waits for the database", reason=str(error))
                    pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                except (KubekeepError, LookupError, OSError, SQLAlchemyError, ValueError) as error:
                    _log.error("images cannot be matched", exc_info=error)
                    pause = _LONGEST_PAUSE_SECONDS
                await asyncio.sleep(pause)
        finally:
            self._thread.submit(self._replace, None)
            self._thread.shutdown(wait=False)

    async def _step(self) -> None:
        if not await self._lock.acquire():
            # The process with the lock may change the version.
            self._state = {}
            return
        await self._follow()
        while await self._match_some():
            pass

    async def _follow(self) -> None:
        """Use the database of the folder if it is another one than before."""
        state = await self._run(read_folder_state, self._folder)
        if not state or state == self._state:
            return
        now = dt.datetime.now(dt.UTC)
        known = await self._reading.run(load_known)
        try:
            advisories, after, changes = await self._run(open_after, self._folder, known)
        except UnusableAdvisoriesError as error:
            _log.warning("the advisories cannot be used", reason=str(error))
            self._state = state
            await self._writing.run(record_error, str(error), now)
            return
        await self._run(self._replace, advisories)
        if after is not known:
            if not await self._writing.run(record_change, known.version, after, changes, now, is_long=True):
                # Another process was faster.
                return
            _log.info("advisories changed", version=after.version)
        self._state, self._version = state, after.version
        if advisories.problems:
            problems = "; ".join(advisories.problems)
            _log.warning("advisories are damaged", reason=problems)
            await self._writing.run(record_error, problems, now)
        elif after is not known:
            await self._writing.run(clear_error)

    async def _match_some(self) -> bool:
        """Match some images; return False if none is left, or the advisories have changed."""
        pending = await self._reading.run(load_pending, _BATCH)
        if not pending or self._advisories is None or not self._state:
            return False
        now = dt.datetime.now(dt.UTC)
        matcher = ImageMatcher(self._advisories.source, self._version)
        batch = await self._run(matcher.match, pending, now.date())
        counts = await self._writing.run(store_batch, batch, now, is_long=True)
        _log.info("images matched", images=counts.images, opened=counts.opened, closed=counts.closed)
        return counts.images > 0

    async def _run(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _replace(self, advisories: ServerAdvisories | None) -> None:
        if self._advisories is not None:
            self._advisories.close()
        self._advisories = advisories
