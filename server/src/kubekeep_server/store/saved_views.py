"""Saved views: pages with filters and order under a name, of one user or shared with all."""

from __future__ import annotations

import datetime as dt
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from kubekeep_server.store.identity_schema import account
from kubekeep_server.store.locks import lock_log
from kubekeep_server.store.numbers import to_moment, to_number
from kubekeep_server.store.queries.pages import Document
from kubekeep_server.store.saved_view_schema import saved_view

MOST_VIEWS: Final = 200
"""Views of a user, and shared views of others that a user sees."""


class TooManyViewsError(Exception):
    """A user has as many views as one may have."""


class SavedView(Document, frozen=True):
    """A view. address: path and query of a page. author: name of its user. is_own: True for one of the user who reads it."""

    id: int
    name: str
    address: str
    author: str
    is_shared: bool
    is_own: bool
    created: dt.datetime


def list_views(connection: Connection, user: int | None) -> tuple[SavedView, ...]:
    """Return the views of a user and the shared ones of others, by name. user: number of the account; None for a program."""
    table = saved_view
    is_own = table.c.account == (user or 0)
    parts = (is_own, ~is_own & table.c.is_shared)
    query = select(table, account.c.name.label("author")).join(account, account.c.id == table.c.account)
    rows = [
        row
        for part in parts
        for row in connection.execute(query.where(part).order_by(table.c.created.desc(), table.c.id).limit(MOST_VIEWS))
    ]
    views = [
        SavedView(row.id, row.name, row.address, row.author, row.is_shared, row.account == user, to_moment(row.created))
        for row in rows
    ]
    return tuple(sorted(views, key=lambda view: (view.name.lower(), view.id)))


def save_view(connection: Connection, user: int, name: str, address: str, now: dt.datetime, *, is_shared: bool) -> int:
    """Save a view, in place of one of the user with the same name, and return its number. Raises TooManyViewsError."""
    # Two requests at once would both be the last one.
    lock_log(connection)
    table = saved_view
    connection.execute(delete(table).where(table.c.account == user, table.c.name == name))
    number = connection.execute(select(func.count()).where(table.c.account == user)).scalar_one()
    if number >= MOST_VIEWS:
        raise TooManyViewsError
    values = {"account": user, "name": name, "address": address, "is_shared": is_shared, "created": to_number(now)}
    created = connection.execute(insert(table).values(**values).returning(table.c.id))
    return int(created.scalar_one())


def delete_view(connection: Connection, number: int, user: int | None, *, may_delete_shared: bool) -> None:
    """Delete a view of a user, or a shared one. Raises LookupError if there is none that the user may delete."""
    table = saved_view
    is_allowed = table.c.account == (user or 0)
    if may_delete_shared:
        is_allowed |= table.c.is_shared
    if not connection.execute(delete(table).where(table.c.id == number, is_allowed)).rowcount:
        raise LookupError(f"there is no view {number} that you may delete")
