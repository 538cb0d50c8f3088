"""The outbox: events that the transaction of a change appends, for the rules that are compared with them later.

An event names the source, the images and the time of the intervals that a change has opened and closed, and no finding: a
submission appends one row, however much it changes.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, insert, select

from kubekeep.model.text import encode_json
from kubekeep_server.store.notification_schema import outbox
from kubekeep_server.store.numbers import to_number


class EventKind(enum.StrEnum):
    """Causes of events. Those of decisions carry their text."""

    SUBMISSION = "submission"
    MATCH = "match"
    """New advisories have opened or closed problems of images."""
    DECISION_WAITS = "decision-waits"
    """A decision waits for the approval of a second person."""
    DECISION_EXPIRES = "decision-expires"
    """A decision ends soon."""
    DECISION_EXPIRED = "decision-expired"


class EventText(msgspec.Struct, frozen=True, omit_defaults=True):
    """The text of an event that intervals do not describe. path: of its page on the server, with a `/` at the beginning."""

    title: str
    text: str = ""
    path: str = ""
    namespace: str = ""


class EventContent(msgspec.Struct, frozen=True, omit_defaults=True):
    """The change that an event is about. opened, closed, lost: numbers of findings; a lost one could not be seen any more.

    images: numbers of those with opened or closed problems.
    """

    opened: int = 0
    closed: int = 0
    lost: int = 0
    images: tuple[int, ...] = ()
    text: EventText | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the outbox."""

    id: int
    kind: EventKind
    source: int | None
    moment: int
    content: EventContent


def add_event(
    connection: Connection,
    kind: EventKind,
    now: dt.datetime,
    content: EventContent,
    *,
    source: int | None = None,
    moment: int | None = None,
) -> None:
    """Append an event in the transaction that makes the change. moment: of its intervals; that of `now` without any."""
    created = to_number(now)
    row = {
        "kind": kind.value,
        "source": source,
        "moment": created if moment is None else moment,
        "content": encode_json(content),
        "created": created,
    }
    connection.execute(insert(outbox), [row])


def load_pending(connection: Connection, limit: int) -> list[Event]:
    """Return the first events with which no rule was compared."""
    query = select(outbox).where(outbox.c.evaluated.is_(None)).order_by(outbox.c.id).limit(limit)
    return read_events(connection.execute(query))


def read_events(rows: Iterable[object]) -> list[Event]:
    """Return the events of rows."""
    return [msgspec.convert(_decode(row), Event) for row in rows]


def _decode(row: object) -> dict[str, object]:
    fields = {name: getattr(row, name) for name in ("id", "kind", "source", "moment")}
    return {**fields, "content": msgspec.json.decode(getattr(row, "content"))}  # noqa: B009
