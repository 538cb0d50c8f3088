"""Destinations of notifications. Their secrets are stored encrypted, and read by the delivery only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from kubekeep.model.text import encode_json
from kubekeep_server.store.deliveries import remove_deliveries
from kubekeep_server.store.notification_schema import delivery, destination, notification_rule
from kubekeep_server.store.numbers import to_moment, to_number
from kubekeep_server.store.organisation_log import append_entry


class NewDestination(msgspec.Struct, frozen=True, kw_only=True):
    """A destination. settings: of its kind, without secrets. secrets: encrypted; None to keep those that it has."""

    name: str
    kind: str
    settings: Mapping[str, Any]
    secrets: bytes | None


class StoredDestination(msgspec.Struct, frozen=True, kw_only=True):
    """A destination in the store. account: the user who made it; None for a program."""

    id: int
    name: str
    kind: str
    settings: dict[str, Any]
    secrets: bytes | None
    author: str
    account: int | None
    created: dt.datetime


class Author(msgspec.Struct, frozen=True):
    """The sender of a change to a destination or a rule. token: the number of the token of a program."""

    name: str
    account: int | None = None
    token: int | None = None


class NameTakenError(ValueError):
    """A name that another destination or rule has."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the name {name!r} is in use")


class DestinationInUseError(ValueError):
    """A destination that rules name."""


def list_destinations(connection: Connection) -> list[StoredDestination]:
    """Return all destinations by name."""
    return [_describe(row) for row in connection.execute(select(destination).order_by(destination.c.name))]


def find_destination(connection: Connection, number: int) -> StoredDestination:
    """Return a destination. Raises LookupError."""
    row = connection.execute(select(destination).where(destination.c.id == number)).first()
    if row is None:
        raise LookupError(f"there is no destination {number}")
    return _describe(row)


def create_destination(connection: Connection, new: NewDestination, author: Author, now: dt.datetime) -> int:
    """Store a destination and return its number. Raises NameTakenError."""
    row = {
        **_encode(new),
        "secrets": new.secrets,
        "author": author.name,
        "account": author.account,
        "created": to_number(now),
    }
    _check_name(connection, new.name, None)
    number = connection.execute(insert(destination).values(**row).returning(destination.c.id)).scalar_one()
    append_entry(connection, now, author.name, "created destination", id=number, name=new.name, kind=new.kind)
    return int(number)


def change_destination(
    connection: Connection, number: int, new: NewDestination, author: Author, now: dt.datetime
) -> None:
    """Replace a destination. Raises LookupError and NameTakenError."""
    find_destination(connection, number)
    _check_name(connection, new.name, number)
    values = _encode(new) if new.secrets is None else {**_encode(new), "secrets": new.secrets}
    connection.execute(update(destination).where(destination.c.id == number).values(**values))
    append_entry(connection, now, author.name, "changed destination", id=number, name=new.name, kind=new.kind)


def delete_destination(connection: Connection, number: int, author: Author, now: dt.datetime) -> None:
    """Delete a destination with its messages. Raises LookupError and DestinationInUseError."""
    known = find_destination(connection, number)
    query = select(notification_rule.c.name).where(notification_rule.c.destination == number).limit(1)
    if (rule := connection.execute(query).scalar()) is not None:
        raise DestinationInUseError(f"the rule {rule!r} names the destination; change or delete the rule first")
    remove_deliveries(connection, delivery.c.destination == number)
    connection.execute(delete(destination).where(destination.c.id == number))
    append_entry(connection, now, author.name, "deleted destination", id=number, name=known.name)


def _check_name(connection: Connection, name: str, number: int | None) -> None:
    query = select(destination.c.id).where(destination.c.name == name)
    if connection.execute(query).scalar() not in (None, number):
        raise NameTakenError(name)


def _encode(new: NewDestination) -> dict[str, Any]:
    return {"name": new.name, "kind": new.kind, "settings": encode_json(new.settings)}


def _describe(row: Any) -> StoredDestination:
    return StoredDestination(
        id=row.id,
        name=row.name,
        kind=row.kind,
        settings=msgspec.json.decode(row.settings),
        secrets=row.secrets,
        author=row.author,
        account=row.account,
        created=to_moment(row.created),
    )
