"""Table of saved views, the same metadata as `store.schema`. Contains no query."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, Table, Text, UniqueConstraint

from kubekeep_server.store.schema import metadata

saved_view: Final = Table(
    "saved_view",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Integer, ForeignKey("account.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("is_shared", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    UniqueConstraint("account", "name"),
)
"""A page with its filters and order under a name. address: path and query. is_shared: True if all users see it."""
