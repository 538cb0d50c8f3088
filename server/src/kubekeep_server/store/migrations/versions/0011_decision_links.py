"""Links of decisions to tickets and pull requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Change the tables."""
    op.add_column("decision", sa.Column("links", sa.Text(), nullable=False, server_default="[]"))
