"""Owners and labels of subjects."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Change the tables."""
    op.add_column("subject", sa.Column("owner", sa.Text(), nullable=True))
    has_owner = sa.text("owner IS NOT NULL")
    op.create_index(
        "subject_owner",
        "subject",
        ["owner", "source", "id", "exposure", "closed", "namespace"],
        sqlite_where=has_owner,
        postgresql_where=has_owner,
    )
    op.create_table(
        "label",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("value", "key"),
    )
    op.create_index("label_key", "label", ["key"])
    op.create_table(
        "subject_label",
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["label"], ["label.id"]),
        sa.ForeignKeyConstraint(["source"], ["source.id"]),
        sa.PrimaryKeyConstraint("source", "subject", "label"),
        sqlite_with_rowid=False,
    )
    op.create_index("subject_label_subjects", "subject_label", ["label", "source", "subject"])
