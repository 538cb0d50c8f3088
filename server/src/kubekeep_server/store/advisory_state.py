"""The advisory database that images are matched with, as all processes see it: its version, age and last error."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, select, update

from kubekeep_server.store.match_schema import advisory_state, image_match
from kubekeep_server.store.numbers import to_number, to_optional_moment
from kubekeep_server.store.organisation_log import append_entry
from kubekeep_server.store.pending_matches import Changes, add_all_images, add_changes, count_pending
from kubekeep_server.store.upsert import insert_missing

ACTOR: Final = "advisories"
"""Name of the matching in the log."""
_ROW: Final = 1
_LONGEST_ERROR: Final = 1_000
_is_row: Final = advisory_state.c.id == _ROW


class EcosystemState(msgspec.Struct, frozen=True):
    """The advisories of an ecosystem. updated: time of its newest advisories; None if it is unknown."""

    ecosystem: str
    updated: dt.datetime | None
    records: int


class KnownAdvisories(msgspec.Struct, frozen=True):
    """The advisories that images were, or are to be, matched with. tokens: by ecosystem."""

    version: int = 0
    tokens: Mapping[str, str] = {}
    ecosystems: tuple[EcosystemState, ...] = ()


class MatchStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the matching.

    changed: time of the version. updated: time of the last update without an error. error, failed: message and time of the last
    failure; empty after a success. matched, pending: numbers of images.
    """

    known: KnownAdvisories = KnownAdvisories()
    changed: dt.datetime | None = None
    updated: dt.datetime | None = None
    error: str = ""
    failed: dt.datetime | None = None
    matched: int = 0
    pending: int = 0


def load_known(connection: Connection) -> KnownAdvisories:
    """Return the advisories of the last change."""
    row = connection.execute(select(advisory_state).where(_is_row)).first()
    return _describe(row) if row else KnownAdvisories()


def load_status(connection: Connection) -> MatchStatus:
    """Return the state of the matching."""
    row = connection.execute(select(advisory_state).where(_is_row)).first()
    matched = connection.execute(select(func.count()).select_from(image_match)).scalar_one()
    pending = count_pending(connection)
    if row is None:
        return MatchStatus(matched=matched, pending=pending)
    return MatchStatus(
        known=_describe(row),
        changed=to_optional_moment(row.changed),
        updated=to_optional_moment(row.updated),
        error=row.error,
        failed=to_optional_moment(row.failed),
        matched=matched,
        pending=pending,
    )


def record_change(
    connection: Connection, before: int, after: KnownAdvisories, changes: Changes | None, now: dt.datetime
) -> bool:
    """Store a changed advisory database, and the images that it may affect; return True unless another process did.

    before: the version that the changes refer to. changes: None if all images are affected.
    """
    row = lock_state(connection)
    if row.version != before:
        return False
    if changes is None:
        add_all_images(connection)
    else:
        add_changes(connection, changes)
    values = {
        "version": after.version,
        "tokens": msgspec.json.encode(after.tokens, order="sorted").decode(),
        "ecosystems": msgspec.json.encode(after.ecosystems).decode(),
        "changed": to_number(now),
    }
    connection.execute(update(advisory_state).where(_is_row).values(**values))
    times = {state.ecosystem: state.updated.isoformat() for state in after.ecosystems if state.updated}
    details: dict[str, Any] = {"version": after.version, "ecosystems": times, "images": count_pending(connection)}
    append_entry(connection, now, ACTOR, "advisories changed", **details)
    return True


def record_update(connection: Connection, now: dt.datetime) -> None:
    """Store that an update had no error."""
    lock_state(connection)
    connection.execute(update(advisory_state).where(_is_row).values(updated=to_number(now), error="", failed=None))


def clear_error(connection: Connection) -> None:
    """Store that the advisories can be used again."""
    lock_state(connection)
    connection.execute(update(advisory_state).where(_is_row).values(error="", failed=None))


def record_error(connection: Connection, error: str, now: dt.datetime) -> None:
    """Store the message of a failed update or match."""
    lock_state(connection)
    values = {"error": error.replace("\0", "")[:_LONGEST_ERROR], "failed": to_number(now)}
    connection.execute(update(advisory_state).where(_is_row).values(**values))


def lock_state(connection: Connection) -> Any:
    """Return the row, which no other transaction changes until the end of this one."""
    empty = {"id": _ROW, "version": 0, "tokens": "{}", "ecosystems": "[]", "error": ""}
    insert_missing(connection, advisory_state, [empty])
    return connection.execute(select(advisory_state).where(_is_row).with_for_update()).one()


def _describe(row: Any) -> KnownAdvisories:
    ecosystems = msgspec.json.decode(row.ecosystems, type=tuple[EcosystemState, ...])
    return KnownAdvisories(row.version, msgspec.json.decode(row.tokens, type=dict[str, str]), ecosystems)
