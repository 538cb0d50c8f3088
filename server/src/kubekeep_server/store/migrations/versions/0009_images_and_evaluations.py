"""Operating systems and fixable problems of images, what scans evaluated, and saved views."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa
from alembic import op

from kubekeep_server.store.compression import decompress

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Change the tables."""
    op.add_column("image", sa.Column("distribution", sa.Text(), nullable=False, server_default=""))
    op.add_column("image", sa.Column("fixable", sa.Integer(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE image SET fixable = (SELECT count(DISTINCT definition) FROM image_finding"
        " WHERE image_finding.image = image.id AND closed IS NULL AND NOT is_suppressed AND fixed_version <> '')"
    )
    _write_distributions()
    op.create_table(
        "evaluation",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sqlite_with_rowid=False,
    )
    op.add_column("scan", sa.Column("evaluation", sa.LargeBinary(), nullable=True))
    op.create_index("scan_evaluation", "scan", ["evaluation"])
    op.create_table(
        "saved_view",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["account.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "name"),
    )


def _write_distributions() -> None:
    """Write the operating systems of images from their stored packages."""
    connection = op.get_bind()
    image = sa.table("image", sa.column("id"), sa.column("distribution"))
    content = sa.table("image_content", sa.column("image"), sa.column("content")).c
    after = 0
    while True:
        query = (
            sa.select(content.image, content.content).where(content.image > after).order_by(content.image).limit(100)
        )
        rows = connection.execute(query).all()
        if not rows:
            return
        for row in rows:
            distribution = msgspec.json.decode(decompress(bytes(row.content))).get("distribution", {})
            text = f"{distribution.get('id', '')} {distribution.get('version_id', '')}".strip()
            if text:
                connection.execute(sa.update(image).where(image.c.id == row.image).values(distribution=text))
        after = rows[-1].image
