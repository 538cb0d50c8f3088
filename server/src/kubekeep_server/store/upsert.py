"""Insertion of rows that may exist, and of many rows, in the dialects of both databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, Connection, Select, Table, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.util import await_only

Rows = Sequence[Mapping[str, Any]]


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
        connection.execute(_insert(connection, table, rows).on_conflict_do_nothing(), _bind(connection, rows))


def insert_selected(
    connection: Connection, table: Table, columns: Sequence[str], query: Select[Any], values: Mapping[str, Any]
) -> None:
    """Insert the rows of a query that do not exist. values: of its parameters. SQLite requires a condition in the query."""
    statement = _insert_into(connection, table).from_select(list(columns), query).on_conflict_do_nothing()
    connection.execute(statement, values)


def replace_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Rows) -> None:
    """Insert rows with different primary keys, or change `columns` of those that exist."""
    if rows:
        statement = _insert(connection, table, rows)
        values = {name: statement.excluded[name] for name in columns}
        connection.execute(
            statement.on_conflict_do_update(index_elements=table.primary_key, set_=values), _bind(connection, rows)
        )


def add_to_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Rows) -> None:
    """Insert rows with different primary keys, or add the values of `columns` to those that exist."""
    if rows:
        statement = _insert(connection, table, rows)
        values = {name: table.c[name] + statement.excluded[name] for name in columns}
        connection.execute(
            statement.on_conflict_do_update(index_elements=table.primary_key, set_=values), _bind(connection, rows)
        )


def _insert(connection: Connection, table: Table, rows: Rows) -> postgresql.Insert | sqlite.Insert:
    """Return the statement that inserts rows with the parameters of `_bind`."""
    statement = _insert_into(connection, table)
    if not _has_arrays(connection, rows):
        return statement
    names = list(rows[0])
    arrays = [bindparam(name, type_=ARRAY(table.c[name].type)) for name in names]
    return statement.from_select(names, select(func.unnest(*arrays).table_valued(*names).render_derived()))


def _bind(connection: Connection, rows: Rows) -> Any:
    """Return the parameters of rows: an array for each column in PostgreSQL, which else executes the statement for each row."""
    if not _has_arrays(connection, rows):
        return list(rows)
    return {name: [row[name] for row in rows] for name in rows[0]}


def _has_arrays(connection: Connection, rows: Rows) -> bool:
    return connection.dialect.name == "postgresql" and len(rows) > 1


def _insert_into(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
