"""Changes of sources, for clients that want to know at once: the time of the last one of each.

The last statement of a transaction records it, so that nobody waits for its row for longer than a commit takes.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from kubekeep_server.identity import Grant
from kubekeep_server.store.background_schema import source_change
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.image_schema import source_image
from kubekeep_server.store.scopes import resolve_scope
from kubekeep_server.store.upsert import replace_rows


def record_changes(connection: Connection, sources: Iterable[int], moment: int) -> None:
    """Record a change of sources. moment: microseconds since 1970."""
    rows = [{"source": number, "changed": moment} for number in sorted(set(sources))]
    replace_rows(connection, source_change, ("changed",), rows)


def record_image_changes(connection: Connection, images: Iterable[int], moment: int) -> None:
    """Record a change of the sources that have images."""
    query = select(source_image.c.source).where(is_key(source_image.c.image)).distinct()
    record_changes(connection, {row.source for row in select_by_keys(connection, query, images)}, moment)


def load_changes(connection: Connection) -> dict[int, int]:
    """Return the time of the last change by source."""
    return dict(connection.execute(select(source_change.c.source, source_change.c.changed)).all())


def list_visible(connection: Connection, grants: Iterable[Grant]) -> frozenset[int] | None:
    """Return the sources of which grants show at least a part; None for all."""
    return resolve_scope(connection, grants).sources
