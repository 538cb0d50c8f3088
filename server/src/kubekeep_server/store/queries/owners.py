"""Owners of workloads and other subjects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Integer, Select, literal, or_, select

from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, Page, cut_page, read_cursor
from kubekeep_server.store.schema import subject
from kubekeep_server.store.scopes import Scope, shows_subject

NO_OWNER: Final = "-"
"""The owner by which a filter selects subjects without one."""


def is_owned(owners: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a subject has one of some owners. An index has it without `NO_OWNER`."""
    is_named = subject.c.owner.in_(owners)
    return or_(subject.c.owner.is_(None), is_named) if NO_OWNER in owners else is_named


def select_owned(owners: Sequence[str]) -> ColumnElement[bool] | None:
    """Return the condition of some owners; None without any. Raises ValueError for `NO_OWNER`, which most subjects may have."""
    if NO_OWNER in owners:
        raise ValueError("what has no owner is not counted: name an owner, or list its findings with `owner=-`")
    return is_owned(owners) if owners else None


class OwnerRow(Document, frozen=True):
    """An owner, as metadata or CODEOWNERS names it."""

    owner: str


def list_owners(connection: Connection, scope: Scope, cursor: str = "", limit: int = DEFAULT_LIMIT) -> Page[OwnerRow]:
    """Return a page of the owners by name. Raises ValueError for a cursor of another list."""
    after = read_cursor(cursor, "owners", tuple[str])
    rows = connection.execute(_select_owners(scope, "" if after is None else after[0], limit + 1)).all()
    page, following = cut_page(rows, limit, "owners", lambda row: (row.owner,))
    return Page(tuple(OwnerRow(row.owner) for row in page), following)


def _select_owners(scope: Scope, after: str, count: int) -> Select[Any]:
    """Return the query of the first owners after one.

    Each is one search in an index. A query of the different values would read all subjects of each owner.
    """
    rows = select(subject.c.owner).where(subject.c.closed.is_(None), shows_subject(scope))
    rows = rows.order_by(subject.c.owner).limit(1)
    first = rows.where(subject.c.owner > after).subquery()
    owners = select(first.c.owner, literal(1, Integer).label("number")).cte("owners", recursive=True)
    following = rows.where(subject.c.owner > owners.c.owner).correlate(owners).scalar_subquery()
    is_continued = owners.c.owner.is_not(None) & (owners.c.number < count)
    owners = owners.union_all(select(following, owners.c.number + 1).where(is_continued))
    return select(owners.c.owner).where(owners.c.owner.is_not(None)).order_by(owners.c.number)
