"""Ends the states of sources that were not scanned for too long, every hour. Any process may do so at any time."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Final

import structlog

from kubekeep_server.api.server_state import ServerState
from kubekeep_server.process.logs import log_failures
from kubekeep_server.store.control_states import end_silent, has_silent

_PAUSE_SECONDS: Final = 3_600
_log: Final = structlog.get_logger("kubekeep.server")


async def keep_states(state: ServerState) -> None:
    """End states until the task is cancelled. An error ends one round, and is logged."""
    while True:
        with log_failures(_log, "states of silent sources"):
            now = dt.datetime.now(dt.UTC)
            # Reading first: SQLite has one writing transaction at a time.
            while await state.reading.run(has_silent, now):
                number = await state.writing.run(end_silent, now, is_long=True)
                _log.info("sources are no longer evaluated", number=number)
        await asyncio.sleep(_PAUSE_SECONDS)
