"""Frameworks, and the states of their controls over time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "framework",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "library_control",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "source_evaluation",
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("is_limited", sa.Boolean(), nullable=False),
        sa.Column("evaluated", sa.LargeBinary(), nullable=False),
        sa.Column("incomplete", sa.LargeBinary(), nullable=False),
        sa.Column("unevaluated", sa.LargeBinary(), nullable=False),
        sa.Column("states", sa.LargeBinary(), nullable=False),
        sa.Column("gaps", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["source.id"]),
        sa.PrimaryKeyConstraint("source"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "control_interval",
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("definition", sa.Integer(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("before", sa.SmallInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["source"], ["source.id"]),
        sa.PrimaryKeyConstraint("source", "definition", "since"),
        sqlite_with_rowid=False,
    )
    columns = ["definition", "state", "before", "since", "source"]
    op.create_index("control_interval_change", "control_interval", columns)
    op.add_column("source", sa.Column("evaluation", sa.LargeBinary(), nullable=True))
    op.add_column("source", sa.Column("evaluated", sa.BigInteger(), nullable=True))
