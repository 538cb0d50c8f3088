"""Sources: the clusters, branches of repositories and registries that have submitted."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from kubekeep.model.submission import compute_manifest
from kubekeep_server.store.schema import source


def load_manifest(connection: Connection, key: str, branch: str) -> str:
    """Return the digest of the state of a source; that of an empty state for an unknown source."""
    query = select(source.c.manifest).where(source.c.key == key, source.c.branch == branch)
    return connection.execute(query).scalar() or compute_manifest(())


def list_sources(connection: Connection) -> list[Any]:
    """Return the rows of all sources by key and branch."""
    columns = (source.c.id, source.c.key, source.c.branch, source.c.document, source.c.created, source.c.finished)
    return list(connection.execute(select(*columns).order_by(source.c.key, source.c.branch)))


def check_connection(connection: Connection) -> None:
    """Read one row."""
    connection.execute(select(source.c.id).limit(1))
