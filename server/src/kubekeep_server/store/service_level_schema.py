"""Table of service levels, the same metadata as `store.schema`. Contains no query."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from kubekeep_server.store.schema import metadata

service_levels: Final = Table(
    "service_levels",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("document", Text, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
)
"""The service levels of the organisation: one row, or none before somebody sets them. document: JSON of `ServiceLevels`."""
