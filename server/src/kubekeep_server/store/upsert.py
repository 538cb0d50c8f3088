"""Insertion of rows that may exist, and of many rows, in the dialects of both databases."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ARRAY, ColumnElement, Connection, Select, Table, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.util import await_only

Rows = Sequence[Mapping[str, Any]]
Insert = postgresql.Insert | sqlite.Insert
_INSERTS: Final[Mapping[str, Callable[[Table], Insert]]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def insert_many(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert many new rows with a value for each column: by COPY in PostgreSQL, without named parameters in SQLite."""
    if not rows:
        return
    columns = [column.name for column in table.c]
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.driver_connection
        await_only(driver.copy_records_to_table(table.name, records=rows, columns=columns))
        return
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of the schema
    connection.exec_driver_sql(statement, list(rows))


def insert_missing(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert the rows that do not exist."""
    if rows:
        _execute(connection, table, _Conflict.KEEP, (), rows)


def insert_selected(
    connection: Connection, table: Table, columns: Sequence[str], query: Select[Any], values: Mapping[str, Any]
) -> None:
    """Insert the rows of a query that do not exist. values: of its parameters. SQLite requires a condition in the query."""
    dialect = connection.dialect.name
    statement = _INSERTS[dialect](table).from_select(list(columns), query).on_conflict_do_nothing()
    connection.execute(statement, values)


def replace_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Rows) -> None:
    """Insert rows with different primary keys, or change `columns` of those that exist."""
    if rows:
        _execute(connection, table, _Conflict.REPLACE, columns, rows)


def add_to_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Rows) -> None:
    """Insert rows with different primary keys, or add the values of `columns` to those that exist."""
    if rows:
        _execute(connection, table, _Conflict.ADD, columns, rows)


class _Conflict(enum.Enum):
    """The effect on a row that exists."""

    KEEP = "keep"
    REPLACE = "replace"
    ADD = "add"


def _execute(connection: Connection, table: Table, conflict: _Conflict, columns: Sequence[str], rows: Rows) -> None:
    dialect = connection.dialect.name
    has_arrays = dialect == "postgresql" and len(rows) > 1
    statement = _build_statement(dialect, table, conflict, tuple(columns), tuple(rows[0]) if has_arrays else ())
    # PostgreSQL executes a statement with several sets of parameters for each of them.
    values: Any = {name: [row[name] for row in rows] for name in rows[0]} if has_arrays else list(rows)
    connection.execute(statement, values)


@functools.cache
def _build_statement(
    dialect: str, table: Table, conflict: _Conflict, columns: tuple[str, ...], arrays: tuple[str, ...]
) -> Insert:
    """Return the statement that inserts rows. arrays: names of the parameters that have the values of all rows."""
    statement = _INSERTS[dialect](table)
    if arrays:
        parameters = [bindparam(name, type_=ARRAY(table.c[name].type)) for name in arrays]
        values = select(func.unnest(*parameters).table_valued(*arrays).render_derived())
        statement = statement.from_select(list(arrays), values)
    if conflict is _Conflict.KEEP:
        return statement.on_conflict_do_nothing()
    new: dict[str, ColumnElement[Any]] = {name: statement.excluded[name] for name in columns}
    if conflict is _Conflict.ADD:
        new = {name: table.c[name] + value for name, value in new.items()}
    return statement.on_conflict_do_update(index_elements=table.primary_key, set_=new)
