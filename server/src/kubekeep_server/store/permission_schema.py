"""Table of the roles and bindings of sources, the same metadata as `store.schema`. Contains no query."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, LargeBinary, Table

from kubekeep_server.store.schema import BY_KEY, metadata, source_column

cluster_permissions: Final = Table(
    "cluster_permissions",
    metadata,
    source_column(),
    Column("digest", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("changed", BigInteger, nullable=False),
    **BY_KEY,
)
"""Roles and bindings of a source. digest: `Submission.permissions_digest`. changed: the time of the first scan with this digest.

content: `permissions.StoredPermissions`, MessagePack in Zstandard.
"""
