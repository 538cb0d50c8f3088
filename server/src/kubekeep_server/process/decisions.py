"""Ends expired decisions, announces ends, and refreshes the images that a change of a decision concerns. Any process may do so at any time."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Final

import structlog

from kubekeep_server.api.server_state import ServerState
from kubekeep_server.process.logs import log_failures
from kubekeep_server.store.decisions import announce_ends, expire_decisions, has_work, refresh_images

_PAUSE_SECONDS: Final = 5.0
_log: Final = structlog.get_logger("kubekeep.server")


async def keep_decisions(state: ServerState) -> None:
    """Follow the decisions until the task is cancelled. An error ends one round, and is logged."""
    while True:
        with log_failures(_log, "decisions"):
            await _follow(state)
        await asyncio.sleep(_PAUSE_SECONDS)


async def _follow(state: ServerState) -> None:
    # Reading first: SQLite has one writing transaction at a time.
    if not await state.reading.run(has_work, dt.datetime.now(dt.UTC)):
        return
    if number := await state.writing.run(expire_decisions, dt.datetime.now(dt.UTC)):
        _log.info("decisions have expired", number=number)
    await state.writing.run(announce_ends, dt.datetime.now(dt.UTC))
    while await state.writing.run(refresh_images, dt.datetime.now(dt.UTC), is_long=True):
        pass
