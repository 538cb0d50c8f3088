"""Parts of long lists of keys, as databases limit the parameters of a statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

from sqlalchemy import ARRAY, ColumnElement, Connection, Select, Table, any_, bindparam, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal

Key = TypeVar("Key", int, str, bytes)
_BATCH: Final = 5_000


def split(keys: Iterable[Key], size: int = _BATCH) -> Iterator[list[Key]]:
    """Yield sorted parts."""
    ordered = sorted(keys)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


class _KeyCondition(ColumnElement[bool]):
    """The condition of `is_key`: a list of parameters in SQLite, one array in PostgreSQL.

    The text of a list depends on the number of keys, and PostgreSQL parses and plans each text of its own.
    """

    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - not annotated in its class
        ("in_list", InternalTraversal.dp_clauseelement),
        ("in_array", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, column: ColumnElement[Any]) -> None:
        self.in_list = column.in_(bindparam("keys", expanding=True))
        self.in_array = column == any_(bindparam("keys", type_=ARRAY(column.type)))


@compiles(_KeyCondition)
def _compile_list(element: _KeyCondition, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.in_list, **options)


@compiles(_KeyCondition, "postgresql")
def _compile_array(element: _KeyCondition, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.in_array, **options)


def is_key(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that a column is one of the keys of `select_by_keys`."""
    return _KeyCondition(column)


def select_by_keys(connection: Connection, query: Select[Any], keys: Iterable[Key], **values: Any) -> Iterator[Any]:
    """Yield the rows of a query with `is_key()` for all keys. values: of its other parameters."""
    for part in split(keys):
        # Many rows in one call: SQLAlchemy iterates over a result with a call for each.
        yield from connection.execute(query, {**values, "keys": part}).all()


def lock_rows(connection: Connection, table: Table, ids: Iterable[int]) -> None:
    """Lock rows in the order of their `id`. Other transactions may still insert rows that refer to them."""
    query = select(table.c.id).where(is_key(table.c.id)).order_by(table.c.id).with_for_update(key_share=True)
    for _ in select_by_keys(connection, query, ids):
        pass
