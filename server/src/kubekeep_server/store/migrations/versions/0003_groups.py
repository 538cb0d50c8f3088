"""Grants by groups of an OpenID provider."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Change the tables."""
    op.add_column("role_grant", sa.Column("is_of_groups", sa.Boolean(), nullable=False, server_default=sa.false()))
