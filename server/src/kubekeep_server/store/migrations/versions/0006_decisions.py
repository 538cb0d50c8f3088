"""Decisions, and what they cover."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "decision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("is_wide", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("author_account", sa.Integer(), nullable=True),
        sa.Column("approver", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("images_after", sa.Integer(), nullable=True),
        sa.Column("is_announced", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["author_account"], ["account.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("decision_state", "decision", ["state", "expires"])
    is_waiting = sa.text("images_after IS NOT NULL")
    op.create_index(
        "decision_images", "decision", ["images_after"], sqlite_where=is_waiting, postgresql_where=is_waiting
    )
    op.create_table(
        "decision_definition",
        sa.Column("definition", sa.Integer(), nullable=False),
        sa.Column("decision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["definition"], ["definition.id"]),
        sa.ForeignKeyConstraint(["decision"], ["decision.id"]),
        sa.PrimaryKeyConstraint("definition", "decision"),
        sqlite_with_rowid=False,
    )
    op.create_index("decision_definition_decision", "decision_definition", ["decision"])
    op.create_table(
        "decision_comment",
        sa.Column("decision", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("moment", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["decision"], ["decision.id"]),
        sa.PrimaryKeyConstraint("decision", "number"),
        sqlite_with_rowid=False,
    )
    op.add_column("definition_total", sa.Column("covered", sa.LargeBinary(), nullable=True))
    is_decided = sa.text("closed IS NULL AND decision IS NOT NULL")
    for table in ("finding", "image_finding"):
        op.add_column(table, sa.Column("decision", sa.Integer(), nullable=True))
        op.create_index(f"{table}_decision", table, ["decision"], sqlite_where=is_decided, postgresql_where=is_decided)
