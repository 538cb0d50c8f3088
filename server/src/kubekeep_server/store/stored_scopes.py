"""Stored scopes: the images that many sources have, kept current with the images of each source.

A scope is stored when it is first read, and again after a time, so that those that nobody reads any more vanish.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, insert, select, true, union_all

from kubekeep_server.store.batches import is_key, split
from kubekeep_server.store.image_schema import runs, source_image
from kubekeep_server.store.locks import lock_definitions
from kubekeep_server.store.numbers import DAY
from kubekeep_server.store.schema import subject
from kubekeep_server.store.scope_schema import scope_image, scope_source, stored_scope
from kubekeep_server.store.scopes import USES, Scope, count_uses, sum_uses
from kubekeep_server.store.upsert import insert_many, insert_missing

_ALL: Final = "*"
_COLUMNS: Final = ("scope", "image", *USES)
_KEPT: Final = 30 * DAY


def store_scope(connection: Connection, scope: Scope, now: int) -> None:
    """Store a scope if it is not, and remove old ones. now: microseconds since 1970."""
    # Without the lock, an image that another transaction adds now would be missing.
    lock_definitions(connection, is_exclusive=True)
    old = select(stored_scope.c.id).where(stored_scope.c.created < now - _KEPT)
    for table in (scope_image, scope_source):
        connection.execute(delete(table).where(table.c.scope.in_(old)))
    connection.execute(delete(stored_scope).where(stored_scope.c.created < now - _KEPT))
    digest = scope.compute_digest()
    query = select(stored_scope.c.id).where(stored_scope.c.digest == digest)
    if connection.execute(query).scalar() is not None:
        return
    insert_missing(connection, stored_scope, [{"digest": digest, "created": now}])
    number = connection.execute(query).scalar_one()
    rows = [(number, source, _ALL) for source in sorted(scope.whole or ())]
    rows += [(number, source, name) for source, names in sorted(scope.limited.items()) for name in sorted(names)]
    insert_many(connection, scope_source, rows)
    _insert(connection, scope_source.c.scope == number, true(), true())


def refresh_scopes(connection: Connection, source: int, images: Iterable[int]) -> None:
    """Write the images of a source that have changed in the stored scopes with the source. The caller has locked them."""
    query = select(scope_source.c.scope).where(scope_source.c.source == source).distinct()
    scopes = sorted(connection.execute(query).scalars())
    for keys in split(images) if scopes else ():
        table = scope_image
        connection.execute(delete(table).where(table.c.scope.in_(scopes), is_key(table.c.image)), {"keys": keys})
        is_image = (is_key(source_image.c.image), is_key(runs.c.image))
        _insert(connection, scope_source.c.scope.in_(scopes), *is_image, keys=keys)


def _insert(
    connection: Connection,
    is_scope: ColumnElement[bool],
    is_image: ColumnElement[bool],
    is_run: ColumnElement[bool],
    **parameters: Any,
) -> None:
    """Insert images of stored scopes. is_image, is_run: conditions of `source_image` and `runs`."""
    rows = union_all(_select_whole(is_scope, is_image), _select_limited(is_scope, is_run)).subquery()
    query = select(rows.c.scope, rows.c.image, *sum_uses(rows)).group_by(rows.c.scope, rows.c.image)
    connection.execute(insert(scope_image).from_select(_COLUMNS, query), parameters)


def _select_whole(is_scope: ColumnElement[bool], is_image: ColumnElement[bool]) -> Select[Any]:
    table = source_image
    is_whole = and_(scope_source.c.source == table.c.source, scope_source.c.namespace == _ALL)
    query = select(scope_source.c.scope, table.c.image, *(table.c[name] for name in USES))
    return query.join(scope_source, is_whole).where(is_scope, is_image)


def _select_limited(is_scope: ColumnElement[bool], is_run: ColumnElement[bool]) -> Select[Any]:
    is_limited = and_(runs.c.source == scope_source.c.source, scope_source.c.namespace == subject.c.namespace)
    query = select(scope_source.c.scope, runs.c.image).where(is_limited, is_scope, is_run)
    return count_uses(query.select_from(runs))
