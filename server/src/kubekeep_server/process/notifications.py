"""Notifications in the background: compares events with rules, and sends the messages. Several processes share the work.

A message is claimed for a time, sent, then marked. A process that ends in between leaves a message that is sent once more, with the same
identity. Requests never wait for a destination.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from kubekeep_server.api.server_state import ServerState
from kubekeep_server.notifications.addresses import AddressPolicy
from kubekeep_server.notifications.errors import DeliveryError
from kubekeep_server.notifications.kinds import build_destination
from kubekeep_server.notifications.network import Network
from kubekeep_server.process.message_loading import READERS, load_message
from kubekeep_server.store.deliveries import (
    Delivery,
    DeliveryState,
    claim_deliveries,
    end_delivery,
    finish_event,
    postpone_delivery,
    queue_deliveries,
    release_leases,
    remove_old,
)
from kubekeep_server.store.destinations import StoredDestination, find_destination
from kubekeep_server.store.errors import StoreUnavailableError
from kubekeep_server.store.notification_rules import find_rule, list_rules
from kubekeep_server.store.outbox import load_pending
from kubekeep_server.store.rule_evaluation import plan_deliveries, plan_due, plan_silent

MOST_ATTEMPTS: Final = 10
_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
_CLOCK_SECONDS: Final = 60.0
_REMOVAL_SECONDS: Final = 3_600.0
_FIRST_RETRY_SECONDS: Final = 10.0
_LONGEST_RETRY_SECONDS: Final = 3_600.0
_EVENTS: Final = 100
_log: Final = structlog.get_logger("kubekeep.server.notifications")


class NotificationJob:
    """The notifications of one process. address: of the server for its users."""

    def __init__(self, state: ServerState, address: str) -> None:
        """Start nothing yet."""
        self._state = state
        self._address = address.rstrip("/")
        self._network = Network(AddressPolicy(state.settings.notification_networks))
        self._sending: dict[int, asyncio.Task[None]] = {}
        """Tasks by the destination to which they send."""

    async def run(self) -> None:
        """Compare and send until the task is cancelled."""
        if not self._state.settings.database:
            # The only process that uses the file: claims are those of one that has ended.
            await self._repeat_until_stored(release_leases)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat(self._compare, _PAUSE_SECONDS))
            tasks.create_task(self._repeat(self._send, _PAUSE_SECONDS))
            tasks.create_task(self._repeat(self._watch_clock, _CLOCK_SECONDS))
            tasks.create_task(self._repeat(self._remove, _REMOVAL_SECONDS))

    async def _repeat_until_stored(self, function: Callable[..., Any], *arguments: Any) -> None:
        while True:
            try:
                await self._state.writing.run(function, *arguments)
            except StoreUnavailableError:
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return

    async def _repeat(self, step: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Repeat a step; a failure is logged, and the next attempt follows."""
        pause = seconds
        while True:
            try:
                await step()
                pause = seconds
            except StoreUnavailableError as error:
                _log.warning("notifications wait for the database", reason=str(error))
                pause = min(2 * pause, max(seconds, _LONGEST_PAUSE_SECONDS))
            except (LookupError, OSError, SQLAlchemyError, ValueError) as error:
                _log.error("notifications are delayed", exc_info=error)
                pause = max(seconds, _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)

    async def _compare(self) -> None:
        """Queue the messages of events."""
        while events := await self._state.reading.run(load_pending, _EVENTS):
            now = _now()
            rules = await self._state.reading.run(list_rules, now)
            for event in events:
                planned = await self._state.reading.run(plan_deliveries, event, rules, READERS, now)
                await self._state.writing.run(finish_event, event.id, planned, now)

    async def _watch_clock(self) -> None:
        """Queue the messages that no change causes: about silent sources, and what is due."""
        now = _now()
        rules = await self._state.reading.run(list_rules, now)
        planned = await self._state.reading.run(plan_silent, rules, READERS, now)
        planned += plan_due(rules, now)
        if planned:
            await self._state.writing.run(queue_deliveries, planned, now)

    async def _remove(self) -> None:
        await self._state.writing.run(remove_old, _now(), is_long=True)

    async def _send(self) -> None:
        """Send the next messages, to each destination one at a time."""
        claimed = await self._state.writing.run(claim_deliveries, tuple(self._sending), _now())
        for delivery in claimed:
            task = asyncio.create_task(self._deliver(delivery))
            self._sending[delivery.destination] = task
            task.add_done_callback(functools.partial(self._forget, delivery.destination))

    def _forget(self, destination: int, task: asyncio.Task[None]) -> None:
        del task
        self._sending.pop(destination, None)

    async def _deliver(self, delivery: Delivery) -> None:
        """Send a claimed message."""
        try:
            await self._deliver_one(delivery)
        except StoreUnavailableError as error:
            _log.warning("a message waits for the database", delivery=delivery.id, reason=str(error))
            release = functools.partial(postpone_delivery, is_attempt=False)
            await self._repeat_until_stored(release, delivery, "", str(error), _now())
        except (LookupError, OSError, SQLAlchemyError, ValueError) as error:
            # The claim ends by itself.
            _log.warning("a message waits for its next attempt", delivery=delivery.id, exc_info=error)

    async def _deliver_one(self, delivery: Delivery) -> None:
        reading, writing, now = self._state.reading, self._state.writing, _now()
        if (quiet := await self._find_quiet_end(delivery, now)) is not None:
            due, text = quiet, "waits for the end of the quiet hours"
            await writing.run(
                lambda connection: postpone_delivery(connection, delivery, "", text, due, is_attempt=False)
            )
            return
        message = await reading.run(load_message, delivery, self._address, now)
        if message is None:
            text = "nothing is left to send: the findings have changed, or are not in the scope of the rule's author"
            await writing.run(end_delivery, delivery, DeliveryState.SKIPPED, "", text, now)
            return
        stored = await reading.run(find_destination, delivery.destination)
        try:
            await build_destination(stored.kind, stored.settings, self._open(stored)).send(message, self._network)
        except DeliveryError as error:
            await self._record_failure(delivery, message.title, error)
        except ValueError as error:
            await self._record_failure(delivery, message.title, DeliveryError(str(error), is_final=True))
        else:
            _log.info("message sent", delivery=delivery.id, destination=stored.name, notification=delivery.event)
            # As long as its claim is in the database, no other process sends it again.
            await self._repeat_until_stored(end_delivery, delivery, DeliveryState.SENT, message.title, "", _now())

    async def _find_quiet_end(self, delivery: Delivery, now: dt.datetime) -> dt.datetime | None:
        """Return the end of the quiet hours of a rule; None outside of them."""
        if delivery.rule is None:
            return None
        rule = await self._state.reading.run(find_rule, delivery.rule, now)
        end = rule.document.leave_quiet_hours(now)
        return end if end > now else None

    def _open(self, stored: StoredDestination) -> dict[str, str]:
        """Return the secrets of a destination. Raises ValueError without the key."""
        box = self._state.secrets
        if box is None and stored.secrets:
            raise ValueError("secret_key_file is not set on this server, and the destination has secrets")
        return box.open(stored.secrets) if box is not None else {}

    async def _record_failure(self, delivery: Delivery, title: str, error: DeliveryError) -> None:
        """Postpone a message, or give it up."""
        now, text = _now(), str(error)
        if error.is_final or delivery.attempts >= MOST_ATTEMPTS:
            _log.warning("a message is given up", delivery=delivery.id, reason=text)
            await self._state.writing.run(end_delivery, delivery, DeliveryState.DEAD, title, text, now)
            return
        due = now + dt.timedelta(seconds=compute_pause(delivery.attempts, error.retry_after, random.random()))  # noqa: S311
        await self._state.writing.run(postpone_delivery, delivery, title, text, due)


def compute_pause(attempts: int, retry_after: float, chance: float) -> float:
    """Return the seconds until the next attempt: twice as long after each, by half more or less, and what the destination asks for."""
    pause: float = min(_FIRST_RETRY_SECONDS * 2 ** (attempts - 1), _LONGEST_RETRY_SECONDS)
    return max(pause * (0.5 + chance), retry_after)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
