"""Tables of the labels of subjects, the same metadata as `store.schema`. Contains no query."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from kubekeep_server.store.schema import BY_KEY, metadata, source_column

label: Final = Table(
    "label",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False),
    Column("value", Text, nullable=False),
    UniqueConstraint("value", "key"),
)
"""The different labels, which many subjects share."""
Index("label_key", label.c.key)

subject_label: Final = Table(
    "subject_label",
    metadata,
    source_column(),
    Column("subject", BigInteger, primary_key=True),
    Column("label", Integer, ForeignKey("label.id"), primary_key=True),
    **BY_KEY,
)
"""A label of a subject, as the last submission with the subject names it."""
Index("subject_label_subjects", subject_label.c.label, subject_label.c.source, subject_label.c.subject)
