"""Sources: the clusters, branches of repositories and registries that have submitted."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select

from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import compute_manifest
from kubekeep_server.store.schema import source


def load_manifest(connection: Connection, key: str, branch: str) -> str:
    """Return the digest of the state of a source; that of an empty state for an unknown source."""
    query = select(source.c.manifest).where(source.c.key == key, source.c.branch == branch)
    return connection.execute(query).scalar() or compute_manifest(())


def check_connection(connection: Connection) -> None:
    """Read one row."""
    connection.execute(select(source.c.id).limit(1))


def list_clusters(connection: Connection, name: str) -> list[SourceCluster]:
    """Return the clusters whose last submission has a name."""
    query = select(source.c.document).where(source.c.key.startswith("cluster/", autoescape=True))
    clusters = (msgspec.json.decode(document, type=SourceCluster) for document in connection.scalars(query))
    return [cluster for cluster in clusters if cluster.name == name]
