"""Tables: migrations make those of the schema, from nothing and again."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Final

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from kubekeep_server import store
from kubekeep_server.store import schema
from kubekeep_server.store.database import open_database
from kubekeep_server.store.engine import upgrade
from tests.server.conftest import Database

METADATA: Final = schema.metadata
for module in pkgutil.iter_modules(store.__path__):
    if module.name.endswith("_schema"):
        importlib.import_module(f"{store.__name__}.{module.name}")


def test_migrations_make_the_tables_of_the_schema(database: Database) -> None:
    def compare(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))

    assert database.run(compare) == []
    database.run(upgrade)
    assert database.run(compare) == []


def test_comparison_finds_a_missing_table(database: Database) -> None:
    def compare(connection: Connection) -> list[object]:
        connection.execute(text("DROP TABLE audit"))
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))

    assert len(database.run(compare)) == 1


@pytest.mark.parametrize("url", ["mysql://root@localhost/x", "oracle://x"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"use sqlite:///FILE or postgresql://HOST/NAME"):
        open_database(url)
