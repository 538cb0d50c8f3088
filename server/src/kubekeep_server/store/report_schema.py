"""Table of reports that arrive in parts, the same metadata as `store.schema`. Contains no query."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text

from kubekeep_server.store.schema import metadata

report_part: Final = Table(
    "report_part",
    metadata,
    Column("sender", LargeBinary, primary_key=True),
    Column("report", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("is_last", Boolean, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
"""A part of a report that waits for the others. sender: digest of the token. report: its kind and identity.

size: bytes of the part. content: in Zstandard.
"""
Index("report_part_received", report_part.c.received)
