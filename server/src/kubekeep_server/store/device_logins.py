"""Logins of devices (RFC 8628): a user approves the code that a program shows, and the program gets a token."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, or_, select, update

from kubekeep_server.identity import Identity
from kubekeep_server.store.identity_schema import account, device_login
from kubekeep_server.store.numbers import to_number
from kubekeep_server.store.organisation_log import append_entry
from kubekeep_server.store.tokens import insert_token

LIFETIME: Final = dt.timedelta(minutes=10)
INTERVAL: Final = dt.timedelta(seconds=5)
TOKEN_LIFETIME: Final = dt.timedelta(days=30)


class DeviceState(enum.StrEnum):
    """The answer to a program that asks for its token: error codes of RFC 8628, section 3.5; APPROVED with a token."""

    APPROVED = "approved"
    PENDING = "authorization_pending"
    TOO_FAST = "slow_down"
    DENIED = "access_denied"
    EXPIRED = "expired_token"


def begin_login(connection: Connection, digest: bytes, user_code: str, client: str, now: dt.datetime) -> None:
    """Store a login, and delete those that have expired, or are of a clock that was ahead."""
    future = to_number(now + 2 * LIFETIME)
    connection.execute(
        delete(device_login).where(
            or_(device_login.c.expires <= to_number(now - LIFETIME), device_login.c.expires > future)
        )
    )
    values = {
        "digest": digest,
        "user_code": user_code,
        "client": client,
        "expires": to_number(now + LIFETIME),
        "polled": 0,
        "is_denied": False,
    }
    connection.execute(insert(device_login), [values])


def find_login(connection: Connection, user_code: str, now: dt.datetime) -> Any:
    """Return the row of a login that waits for an answer. Raises LookupError."""
    row = connection.execute(_select_waiting(user_code, now)).first()
    if row is None:
        raise LookupError("no login waits for this code; it may have expired")
    return row


def answer_login(
    connection: Connection, user_code: str, user: Identity, now: dt.datetime, *, is_approved: bool
) -> None:
    """Store the answer of a user. Raises LookupError."""
    row = find_login(connection, user_code, now)
    values = {"account": user.account, "is_denied": not is_approved}
    connection.execute(update(device_login).where(device_login.c.digest == row.digest).values(**values))
    append_entry(connection, now, user.name, f"{'approved' if is_approved else 'denied'} login", client=row.client)


def take_token(connection: Connection, digest: bytes, token: bytes, now: dt.datetime) -> DeviceState:
    """Create the token of an approved login and delete the login; otherwise return its state."""
    moment = to_number(now)
    query = select(device_login).where(device_login.c.digest == digest).with_for_update()
    row = connection.execute(query).first()
    if row is None or not moment < row.expires <= to_number(now + LIFETIME):
        return DeviceState.EXPIRED
    if row.account is None:
        connection.execute(update(device_login).where(device_login.c.digest == digest).values(polled=moment))
        return DeviceState.TOO_FAST if row.polled > to_number(now - INTERVAL) else DeviceState.PENDING
    connection.execute(delete(device_login).where(device_login.c.digest == digest))
    if row.is_denied:
        return DeviceState.DENIED
    name = connection.execute(select(account.c.name).where(account.c.id == row.account)).scalar_one()
    values = {
        "digest": token,
        "name": f"{row.client} of {name}",
        "account": row.account,
        "created": moment,
        "expires": to_number(now + TOKEN_LIFETIME),
    }
    number = insert_token(connection, values, ())
    append_entry(connection, now, name, "created token", id=number, name=values["name"])
    return DeviceState.APPROVED


def _select_waiting(user_code: str, now: dt.datetime) -> Any:
    table = device_login
    is_current = table.c.expires.between(to_number(now) + 1, to_number(now + LIFETIME))
    return select(table).where(table.c.user_code == user_code, is_current, table.c.account.is_(None))
