"""Tables: migrations make those of the schema, from nothing and again."""

from __future__ import annotations

from typing import Final

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from kubekeep_server.store import (
    background_schema,
    identity_schema,
    image_schema,
    match_schema,
    notification_schema,
    report_schema,
    scope_schema,
)
from kubekeep_server.store.database import open_database
from kubekeep_server.store.engine import upgrade
from tests.server.conftest import Database

METADATA: Final = image_schema.image.metadata
assert identity_schema.account.metadata is scope_schema.stored_scope.metadata is METADATA
assert report_schema.report_part.metadata is match_schema.image_match.metadata is METADATA
assert notification_schema.outbox.metadata is METADATA
assert background_schema.retention_clock.metadata is METADATA


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
