"""Sessions of browsers, and links for one sign-in."""

from __future__ import annotations

import datetime as dt
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from kubekeep_server.identity import Identity
from kubekeep_server.store.grants import load_account_grants
from kubekeep_server.store.identity_schema import account, session, sign_in_link
from kubekeep_server.store.numbers import to_moment, to_number
from kubekeep_server.store.organisation_log import append_entry

IDLE: Final = dt.timedelta(hours=1)
LONGEST: Final = dt.timedelta(hours=12)
LINK_LIFETIME: Final = dt.timedelta(minutes=15)
_TOUCH: Final = dt.timedelta(minutes=1)


def open_session(connection: Connection, digest: bytes, number: int, now: dt.datetime) -> Identity:
    """Open a session of a user and return its identity. Raises LookupError for a disabled user.

    Sessions that have ended are deleted.
    """
    moment, end = to_number(now), now + LONGEST
    row = connection.execute(select(account).where(account.c.id == number, account.c.is_enabled)).first()
    if row is None:
        raise LookupError(f"there is no enabled user {number}")
    connection.execute(delete(session).where(session.c.expires <= moment))
    values = {
        "digest": digest,
        "account": number,
        "created": moment,
        "used": moment,
        "expires": to_number(end),
    }
    connection.execute(insert(session), [values])
    connection.execute(update(account).where(account.c.id == number).values(signed_in=moment))
    append_entry(connection, now, row.name, "signed in", id=number)
    rights = load_account_grants(connection, number)
    return Identity(name=row.name, key=digest, grants=rights, expires=end, account=number, is_session=True)


def find_session(connection: Connection, digest: bytes, now: dt.datetime) -> tuple[Identity, bool] | None:
    """Return the identity of a session, and True if its use is to be recorded; None without one.

    One of the future is none: the clock was ahead when it was opened, and it would last as long as that.
    """
    query = select(session, account.c.name).join(account, account.c.id == session.c.account)
    row = connection.execute(query.where(session.c.digest == digest, account.c.is_enabled)).first()
    moment = to_number(now)
    if row is None or not moment < row.expires <= to_number(now + LONGEST) or row.used <= to_number(now - IDLE):
        return None
    identity = Identity(
        name=row.name,
        key=digest,
        grants=load_account_grants(connection, row.account),
        expires=to_moment(row.expires),
        account=row.account,
        is_session=True,
    )
    return identity, not to_number(now - _TOUCH) < row.used <= moment


def touch_session(connection: Connection, digest: bytes, now: dt.datetime) -> None:
    """Record the use of a session."""
    connection.execute(update(session).where(session.c.digest == digest).values(used=to_number(now)))


def close_session(connection: Connection, digest: bytes) -> None:
    """End a session."""
    connection.execute(delete(session).where(session.c.digest == digest))


def close_sessions(connection: Connection, number: int) -> None:
    """End all sessions of a user."""
    connection.execute(delete(session).where(session.c.account == number))


def create_link(connection: Connection, digest: bytes, number: int, now: dt.datetime, actor: str) -> None:
    """Store a link for one sign-in of a user, in place of earlier ones. Its use removes the password."""
    connection.execute(delete(sign_in_link).where(sign_in_link.c.account == number))
    values = {"digest": digest, "account": number, "expires": to_number(now + LINK_LIFETIME)}
    connection.execute(insert(sign_in_link), [values])
    append_entry(connection, now, actor, "created sign-in link", id=number)


def redeem_link(connection: Connection, digest: bytes, session_digest: bytes, now: dt.datetime) -> Identity:
    """Open a session by a link and delete the link. Raises LookupError for an invalid one."""
    is_current = sign_in_link.c.expires.between(to_number(now) + 1, to_number(now + LINK_LIFETIME))
    statement = delete(sign_in_link).where(sign_in_link.c.digest == digest, is_current)
    row = connection.execute(statement.returning(sign_in_link.c.account)).first()
    if row is None:
        raise LookupError("the link is not valid")
    connection.execute(update(account).where(account.c.id == row.account).values(password=None))
    close_sessions(connection, row.account)
    return open_session(connection, session_digest, row.account, now)
