"""Tables of work in the background, the same metadata as `store.schema`. Contains no query."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, Table

from kubekeep_server.store.schema import BY_KEY, metadata

retention_clock: Final = Table(
    "retention_clock",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("checked", BigInteger, nullable=False),
    Column("moment", BigInteger, nullable=False),
)
"""The time that the retention goes by: one row. checked: what the clock showed the last time. moment: the time then."""

source_change: Final = Table(
    "source_change",
    metadata,
    Column("source", Integer, primary_key=True, autoincrement=False),
    Column("changed", BigInteger, nullable=False),
    **BY_KEY,
)
"""The time of the last change of what a source shows. The row of a deleted source stays."""
