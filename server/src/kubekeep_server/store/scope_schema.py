"""Tables of stored scopes, the same metadata as `store.schema`. Contains no query.

The images that many sources have are collected once, instead of at each request.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, SmallInteger, Table, Text

from kubekeep_server.store.schema import BY_KEY, metadata

stored_scope: Final = Table(
    "stored_scope",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
)
"""A scope. digest: of its sources and their namespaces, so that a changed grant never reads the images of the one before."""


def _scope() -> Column[int]:
    return Column("scope", Integer, ForeignKey("stored_scope.id"), primary_key=True)


scope_source: Final = Table(
    "scope_source",
    metadata,
    _scope(),
    Column("source", Integer, ForeignKey("source.id"), primary_key=True),
    Column("namespace", Text, primary_key=True),
    **BY_KEY,
)
"""A source of a stored scope, with one of its namespaces, or `*` for all of it."""
Index("scope_source_source", scope_source.c.source, scope_source.c.scope)

scope_image: Final = Table(
    "scope_image",
    metadata,
    _scope(),
    Column("image", Integer, ForeignKey("image.id"), primary_key=True),
    Column("exposure", SmallInteger, nullable=False),
    Column("workloads", Integer, nullable=False),
    Column("exposed_workloads", Integer, nullable=False),
    **BY_KEY,
)
"""An image of a stored scope. exposure: the highest of its workloads in the scope."""
