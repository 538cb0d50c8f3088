"""Removes what is older than the retention, at the start and once a day. Of several processes, one removes at a time."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Final

import structlog

from kubekeep_server.api.server_state import ServerState
from kubekeep_server.process.logs import log_failures
from kubekeep_server.store.retention import (
    AnotherProcessError,
    Retention,
    advance_clock,
    list_numbers,
    remove_of_history,
    remove_of_images,
    remove_of_source,
)

_INTERVAL_SECONDS: Final = 86_400
_log: Final = structlog.get_logger("kubekeep.server.retention")


async def keep_removing(state: ServerState) -> None:
    """Remove until the task is cancelled. An error ends one run, and is logged."""
    while True:
        try:
            with log_failures(_log, "expired results"):
                await remove_expired(state, dt.datetime.now(dt.UTC))
        except AnotherProcessError:
            _log.info("another process removes expired results")
        await asyncio.sleep(_INTERVAL_SECONDS)


async def remove_expired(state: ServerState, now: dt.datetime) -> None:
    """Remove what is older than the settings at a time say, in many transactions. Raises AnotherProcessError."""
    settings = state.settings
    now = await state.writing.run(advance_clock, now)
    retention = Retention(now - dt.timedelta(days=settings.scan_days), now - dt.timedelta(days=settings.history_days))
    for number in await state.reading.run(list_numbers):
        await state.writing.run(remove_of_source, number, retention, is_long=True)
    while await state.writing.run(remove_of_images, retention, is_long=True):
        pass
    while await state.writing.run(remove_of_history, retention, is_long=True):
        pass
    _log.info("expired results are removed")
