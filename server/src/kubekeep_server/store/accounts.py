"""Users: creation, rights, passwords."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, update

from kubekeep.model.scanned_source import ANY_SOURCE
from kubekeep_server.identity import Grant, Role
from kubekeep_server.store.grants import load_account_grants, store_grants
from kubekeep_server.store.identity_schema import account, role_grant
from kubekeep_server.store.locks import lock_accounts
from kubekeep_server.store.numbers import to_number
from kubekeep_server.store.organisation_log import append_entry
from kubekeep_server.store.sessions import close_sessions, create_link

ADMINISTRATOR: Final = "administrator"
"""Name of the first user."""


class AccountConflictError(ValueError):
    """A change of a user that would have two with one name, or leave no administrator."""


def create_account(connection: Connection, name: str, grants: Sequence[Grant], *, now: dt.datetime, actor: str) -> int:
    """Create a local user without a password and return its number. Raises AccountConflictError."""
    lock_accounts(connection)
    if find_account(connection, name) is not None:
        raise AccountConflictError(f"the user {name} exists")
    number = _insert(connection, name, now)
    store_grants(connection, grants, account=number)
    append_entry(connection, now, actor, "created user", id=number, name=name, grants=_describe(grants))
    return number


def find_account(connection: Connection, name: str) -> Any:
    """Return the row of a local user; None without one."""
    return connection.execute(select(account).where(account.c.issuer == "", account.c.subject == name)).first()


def load_account(connection: Connection, number: int) -> Any:
    """Return the row of a user. Raises LookupError."""
    row = connection.execute(select(account).where(account.c.id == number)).first()
    if row is None:
        raise LookupError(f"there is no user {number}")
    return row


def list_accounts(connection: Connection) -> list[tuple[Any, tuple[Grant, ...]]]:
    """Return all users with their grants."""
    rows = connection.execute(select(account).order_by(account.c.id)).all()
    return [(row, load_account_grants(connection, row.id)) for row in rows]


def change_account(
    connection: Connection,
    number: int,
    *,
    grants: Sequence[Grant] | None,
    is_enabled: bool | None,
    now: dt.datetime,
    actor: str,
) -> None:
    """Replace the grants of a user, or disable it and end its sessions; None changes nothing.

    Raises LookupError, and AccountConflictError for a change after which nobody could administer the server.
    """
    name = load_account(connection, number).name
    if grants is not None:
        store_grants(connection, grants, account=number)
        append_entry(connection, now, actor, "changed rights of user", id=number, name=name, grants=_describe(grants))
    if is_enabled is not None:
        connection.execute(update(account).where(account.c.id == number).values(is_enabled=is_enabled))
        append_entry(connection, now, actor, "enabled user" if is_enabled else "disabled user", id=number, name=name)
        if not is_enabled:
            close_sessions(connection, number)
    if not has_administrator(connection):
        raise AccountConflictError("the last administrator keeps its rights; give them to another user first")


def set_password(connection: Connection, number: int, password: str | None, *, now: dt.datetime, actor: str) -> None:
    """Store the hash of a new password, or remove it, and end all sessions of the user."""
    name = load_account(connection, number).name
    connection.execute(update(account).where(account.c.id == number).values(password=password))
    close_sessions(connection, number)
    append_entry(connection, now, actor, "changed password" if password else "removed password", id=number, name=name)


def has_administrator(connection: Connection, *, has_signed_in: bool = False) -> bool:
    """Return True if an enabled user may administer all sources, and with `has_signed_in` has been here before."""
    query = (
        select(func.count())
        .select_from(account)
        .join(role_grant, role_grant.c.account == account.c.id)
        .where(account.c.is_enabled, role_grant.c.role == Role.ADMINISTRATOR.value, role_grant.c.scope == ANY_SOURCE)
    )
    if has_signed_in:
        query = query.where(account.c.signed_in.is_not(None))
    return bool(connection.execute(query).scalar_one())


def invite_administrator(connection: Connection, link: bytes, now: dt.datetime) -> bool:
    """Create the first user with a sign-in link, unless an administrator has signed in; return True if it did."""
    # Several processes may start at the same time.
    lock_accounts(connection)
    if has_administrator(connection, has_signed_in=True):
        return False
    row = find_account(connection, ADMINISTRATOR)
    grants = (Grant(Role.ADMINISTRATOR, ANY_SOURCE),)
    number = row.id if row else create_account(connection, ADMINISTRATOR, grants, now=now, actor="first start")
    create_link(connection, link, number, now, "first start")
    return True


def _insert(connection: Connection, name: str, now: dt.datetime) -> int:
    values = {"issuer": "", "subject": name, "name": name, "is_enabled": True, "created": to_number(now)}
    return int(connection.execute(insert(account).values(**values).returning(account.c.id)).scalar_one())


def _describe(grants: Iterable[Grant]) -> list[str]:
    return [f"{grant.role} {grant.scope}" for grant in grants]
