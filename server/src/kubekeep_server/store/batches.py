"""Parts of long lists of keys, as databases limit the parameters of a statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

from sqlalchemy import BindParameter, Connection, Select, Table, bindparam, select

Key = TypeVar("Key", int, str, bytes)
_BATCH: Final = 5_000


def split(keys: Iterable[Key], size: int = _BATCH) -> Iterator[list[Key]]:
    """Yield sorted parts."""
    ordered = sorted(keys)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def in_keys() -> BindParameter[Any]:
    """Return the parameter of `IN` for `select_by_keys`."""
    return bindparam("keys", expanding=True)


def select_by_keys(connection: Connection, query: Select[Any], keys: Iterable[Key], **values: Any) -> Iterator[Any]:
    """Yield the rows of a query with `in_keys()` for all keys. values: of its other parameters."""
    for part in split(keys):
        # Many rows in one call: SQLAlchemy iterates over a result with a call for each.
        yield from connection.execute(query, {**values, "keys": part}).all()


def lock_rows(connection: Connection, table: Table, ids: Iterable[int]) -> None:
    """Lock rows in the order of their `id`. Other transactions may still insert rows that refer to them."""
    query = select(table.c.id).where(table.c.id.in_(in_keys())).order_by(table.c.id).with_for_update(key_share=True)
    for _ in select_by_keys(connection, query, ids):
        pass
