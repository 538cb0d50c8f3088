"""Sources: the clusters, branches of repositories and registries that have submitted."""

from __future__ import annotations

from sqlalchemy import Connection, select

from kubekeep.model.submission import compute_manifest
from kubekeep_server.store.schema import source


def load_manifest(connection: Connection, key: str, branch: str) -> str:
    """Return the digest of the state of a source; that of an empty state for an unknown source."""
    query = select(source.c.manifest).where(source.c.key == key, source.c.branch == branch)
    return connection.execute(query).scalar() or compute_manifest(())


def check_connection(connection: Connection) -> None:
    """Read one row."""
    connection.execute(select(source.c.id).limit(1))
