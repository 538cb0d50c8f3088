"""The history of problems by repository of images, so that a new build neither closes nor opens the problems of the one before.

A problem of a repository is open while an image of it that a source has is affected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, update

from kubekeep_server.store.batches import is_key, lock_rows, select_by_keys
from kubekeep_server.store.image_schema import image, image_finding, image_name, package, repository, repository_finding
from kubekeep_server.store.upsert import insert_many

_Key = tuple[int, int, int]
"""Numbers of repository, definition and package name."""
_OPEN: Final = repository_finding.c.closed.is_(None)


def refresh_history(connection: Connection, images: Iterable[int], moment: int) -> None:
    """Open and close the problems of the repositories of images whose problems or use have changed."""
    query = select(image_name.c.repository).where(is_key(image_name.c.image)).distinct()
    repositories = sorted({row.repository for row in select_by_keys(connection, query, images)})
    if not repositories:
        return
    # Another transaction may change another image of the same repository.
    lock_rows(connection, repository, repositories)
    current, known = _load_current(connection, repositories), _load_open(connection, repositories)
    opened = sorted(current - known.keys())
    closed = sorted(known.keys() - current)
    insert_many(connection, repository_finding, [(*key, moment, None) for key in opened])
    if closed:
        table = repository_finding
        is_row = (
            (table.c.repository == bindparam("r"))
            & (table.c.definition == bindparam("d"))
            & (table.c.name == bindparam("n"))
        )
        keys = [{"r": number, "d": definition, "n": name} for number, definition, name in closed]
        connection.execute(update(table).where(is_row, _OPEN).values(closed=moment), keys)


def _load_current(connection: Connection, repositories: Iterable[int]) -> set[_Key]:
    query = (
        select(image_name.c.repository, image_finding.c.definition, package.c.name)
        .join(image, image.c.id == image_name.c.image)
        .join(image_finding, image_finding.c.image == image.c.id)
        .join(package, package.c.id == image_finding.c.package)
        .where(is_key(image_name.c.repository), image.c.sources > 0, image_finding.c.closed.is_(None))
        .distinct()
    )
    return {tuple(row) for row in select_by_keys(connection, query, repositories)}


def _load_open(connection: Connection, repositories: Iterable[int]) -> Mapping[_Key, Any]:
    table = repository_finding
    query = select(table).where(is_key(table.c.repository), _OPEN)
    return {(row.repository, row.definition, row.name): row for row in select_by_keys(connection, query, repositories)}
