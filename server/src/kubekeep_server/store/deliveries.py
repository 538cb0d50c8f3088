"""Messages to destinations: planned from events, claimed for a time by one process, then sent, repeated or given up.

A message is written when it is sent, from the events that it is about: it shows what is still true. Never contacts a destination.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, select, update

from kubekeep_server.store.batches import is_key, split
from kubekeep_server.store.notification_schema import delivery, delivery_event, outbox
from kubekeep_server.store.numbers import SECOND, to_moment, to_number, to_optional_moment
from kubekeep_server.store.outbox import Event, read_events
from kubekeep_server.store.upsert import insert_missing

LEASE_SECONDS: Final = 120
"""Time in which a message must be sent; then another process may send it."""
_KEPT: Final = dt.timedelta(days=30)
_LONGEST_ERROR: Final = 500


class DeliveryState(enum.StrEnum):
    """States of a delivery. Skipped: nothing was left to send."""

    QUEUED = "queued"
    SENT = "sent"
    SKIPPED = "skipped"
    DEAD = "dead"


_NEW: Final = {"state": DeliveryState.QUEUED.value, "leased": 0, "attempts": 0, "error": ""}
"""Columns of a message that nobody has tried to send."""


class PlannedDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message for an event. due: the first time at which it may be sent. window: time between messages of a group.

    event: a `RuleEvent`, `digest` or `test`. subject: distinguishes messages without an event of the outbox.
    """

    rule: int
    destination: int
    event: str
    source: int | None
    definition: str = ""
    due: dt.datetime
    window: dt.timedelta = dt.timedelta()
    subject: str = ""
    title: str = ""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery. definition: empty for several. lease: the end of the claim, microseconds since 1970."""

    id: int
    rule: int | None
    destination: int
    event: str
    source: int | None
    definition: str
    state: DeliveryState
    created: dt.datetime
    due: dt.datetime
    lease: int
    attempts: int
    title: str
    error: str
    ended: dt.datetime | None


def finish_event(connection: Connection, event: int, planned: Iterable[PlannedDelivery], now: dt.datetime) -> bool:
    """Queue the messages of an event, all or nothing. Return False if another process was faster."""
    moment = to_number(now)
    statement = update(outbox).where(outbox.c.id == event, outbox.c.evaluated.is_(None)).values(evaluated=moment)
    if connection.execute(statement).rowcount != 1:
        return False
    for plan in planned:
        number = (None if _is_single(plan) else _find_open(connection, plan, moment)) or _queue(
            connection, plan, str(event), moment
        )
        insert_missing(connection, delivery_event, [{"delivery": number, "event": event}])
    return True


def queue_deliveries(connection: Connection, planned: Iterable[PlannedDelivery], now: dt.datetime) -> None:
    """Queue messages without an event of the outbox, those that do not exist."""
    moment = to_number(now)
    for plan in planned:
        if _is_single(plan) or _find_open(connection, plan, moment) is None:
            _queue(connection, plan, plan.subject, moment)


def _is_single(plan: PlannedDelivery) -> bool:
    """Return True for a message that no other event joins."""
    return bool(plan.title)


def _find_open(connection: Connection, plan: PlannedDelivery, moment: int) -> int | None:
    """Return the message of the same group that no process has tried to send."""
    query = (
        select(delivery.c.id)
        .where(
            _is_same_group(plan),
            delivery.c.state == DeliveryState.QUEUED.value,
            delivery.c.attempts == 0,
            delivery.c.error == "",
        )
        .where(delivery.c.leased <= moment, delivery.c.destination == plan.destination)
    )
    return connection.execute(query.order_by(delivery.c.id).limit(1).with_for_update()).scalar()


def _queue(connection: Connection, plan: PlannedDelivery, subject: str, moment: int) -> int:
    """Insert a message that does not exist, and return its number."""
    key = f"{plan.rule}/{plan.event}/{plan.source or ''}/{plan.definition}/{subject}"
    query = select(func.max(delivery.c.created)).where(_is_same_group(plan))
    last = connection.execute(query).scalar() if plan.window else None
    due = to_number(plan.due)
    if last is not None:
        due = max(due, last + plan.window // dt.timedelta(microseconds=1))
    row = {
        **_NEW,
        "key": key,
        "rule": plan.rule,
        "destination": plan.destination,
        "event": plan.event,
        "source": plan.source,
        "definition": plan.definition,
        "created": moment,
        "due": due,
        "title": plan.title,
    }
    insert_missing(connection, delivery, [row])
    return int(connection.execute(select(delivery.c.id).where(delivery.c.key == key)).scalar_one())


def queue_test(connection: Connection, destination: int, title: str, now: dt.datetime) -> int:
    """Queue a test message and return its number."""
    moment = to_number(now)
    row = {
        **_NEW,
        "key": f"test/{destination}/{moment}",
        "destination": destination,
        "event": "test",
        "definition": "",
        "created": moment,
        "due": moment,
        "title": title,
    }
    return int(connection.execute(insert(delivery).values(**row).returning(delivery.c.id)).scalar_one())


def _is_same_group(plan: PlannedDelivery) -> ColumnElement[bool]:
    return and_(
        delivery.c.rule == plan.rule,
        delivery.c.event == plan.event,
        delivery.c.source.is_(None) if plan.source is None else delivery.c.source == plan.source,
        delivery.c.definition == plan.definition,
    )


def claim_deliveries(connection: Connection, busy: Iterable[int], now: dt.datetime) -> list[Delivery]:
    """Claim the next due message of each destination to which no process sends one. busy: destinations to leave out."""
    moment = to_number(now)
    other = delivery.alias()
    is_leased = exists().where(other.c.destination == delivery.c.destination, other.c.leased > moment)
    is_due = (delivery.c.state == DeliveryState.QUEUED.value) & (delivery.c.due <= moment)
    excluded = sorted(busy)
    first = select(func.min(delivery.c.id)).where(is_due, ~is_leased, delivery.c.destination.not_in(excluded))
    numbers = list(connection.execute(first.group_by(delivery.c.destination)).scalars())
    locked = (
        select(delivery.c.id)
        .where(delivery.c.id.in_(numbers), is_due, delivery.c.leased <= moment)
        .with_for_update(skip_locked=True)
    )
    claimed = list(connection.execute(locked).scalars())
    values = {"leased": moment + LEASE_SECONDS * SECOND, "attempts": delivery.c.attempts + 1}
    connection.execute(update(delivery).where(delivery.c.id.in_(claimed)).values(**values))
    query = select(delivery).where(delivery.c.id.in_(claimed)).order_by(delivery.c.id)
    return [_describe(row) for row in connection.execute(query)]


def release_leases(connection: Connection) -> None:
    """End all claims: those of an ended process, where no other process uses the database."""
    connection.execute(update(delivery).where(delivery.c.leased > 0).values(leased=0))


def end_delivery(
    connection: Connection, claimed: Delivery, state: DeliveryState, title: str, error: str, now: dt.datetime
) -> bool:
    """Record the end of a claimed message. Return False if the claim has ended before."""
    values = {"state": state.value, "ended": to_number(now), "leased": 0, "error": error[:_LONGEST_ERROR]}
    return _update_claimed(connection, claimed, {**values, "title": title or claimed.title})


def postpone_delivery(
    connection: Connection, claimed: Delivery, title: str, error: str, due: dt.datetime, *, is_attempt: bool = True
) -> bool:
    """Record a failed attempt, and the time of the next one. Return False if the claim has ended before.

    is_attempt: False if nothing was sent.
    """
    values: dict[str, Any] = {"due": to_number(due), "leased": 0, "error": error[:_LONGEST_ERROR]}
    if not is_attempt:
        values["attempts"] = claimed.attempts - 1
    return _update_claimed(connection, claimed, {**values, "title": title or claimed.title})


def resend_delivery(connection: Connection, number: int, sources: frozenset[int] | None, now: dt.datetime) -> None:
    """Queue a dead message about some sources again. sources: None for all. Raises LookupError if there is none."""
    is_dead = (delivery.c.id == number) & (delivery.c.state == DeliveryState.DEAD.value)
    if sources is not None:
        is_dead &= delivery.c.source.in_(sorted(sources))
    values = {"state": DeliveryState.QUEUED.value, "due": to_number(now), "attempts": 0, "ended": None}
    if connection.execute(update(delivery).where(is_dead).values(**values)).rowcount != 1:
        raise LookupError(f"there is no dead delivery {number}")


def load_events(connection: Connection, number: int) -> list[Event]:
    """Return the events of a delivery."""
    query = select(outbox).join(delivery_event, delivery_event.c.event == outbox.c.id)
    return read_events(connection.execute(query.where(delivery_event.c.delivery == number).order_by(outbox.c.id)))


def list_deliveries(
    connection: Connection, state: DeliveryState | None, sources: frozenset[int] | None, before: int, limit: int
) -> list[Delivery]:
    """Return deliveries, the newest first. sources: of which messages are listed; None for all. before: a number; 0 for the newest."""
    query = select(delivery).order_by(delivery.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(delivery.c.state == state.value)
    if sources is not None:
        query = query.where(delivery.c.source.in_(sorted(sources)))
    return [_describe(row) for row in connection.execute(query.where(delivery.c.id < before) if before else query)]


def count_deliveries(connection: Connection) -> dict[str, int]:
    """Return the numbers of queued and dead messages."""
    states = (DeliveryState.QUEUED.value, DeliveryState.DEAD.value)
    query = select(delivery.c.state, func.count()).where(delivery.c.state.in_(states)).group_by(delivery.c.state)
    return {**dict.fromkeys(states, 0), **dict(connection.execute(query).all())}


def remove_deliveries(connection: Connection, condition: ColumnElement[bool]) -> None:
    """Delete messages with a condition."""
    numbers = list(connection.execute(select(delivery.c.id).where(condition)).scalars())
    for part in split(numbers):
        connection.execute(delete(delivery_event).where(is_key(delivery_event.c.delivery)), {"keys": part})
        connection.execute(delete(delivery).where(is_key(delivery.c.id)), {"keys": part})


def remove_old(connection: Connection, now: dt.datetime) -> None:
    """Delete messages that ended 30 days ago, and the events that none is about any more."""
    limit = to_number(now - _KEPT)
    remove_deliveries(connection, delivery.c.ended < limit)
    is_used = exists().where(delivery_event.c.event == outbox.c.id)
    connection.execute(delete(outbox).where(outbox.c.created < limit, outbox.c.evaluated.is_not(None), ~is_used))


def _update_claimed(connection: Connection, claimed: Delivery, values: dict[str, Any]) -> bool:
    is_claimed = (delivery.c.id == claimed.id) & (delivery.c.leased == claimed.lease)
    return connection.execute(update(delivery).where(is_claimed).values(**values)).rowcount == 1


def _describe(row: Any) -> Delivery:
    return Delivery(
        id=row.id,
        rule=row.rule,
        destination=row.destination,
        event=row.event,
        source=row.source,
        definition=row.definition,
        state=DeliveryState(row.state),
        created=to_moment(row.created),
        due=to_moment(row.due),
        lease=row.leased,
        attempts=row.attempts,
        title=row.title,
        error=row.error,
        ended=to_optional_moment(row.ended),
    )
