"""Tables of sources, subjects, findings, images and scans."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:  # noqa: PLR0915 - a statement for each table
    """Change the tables."""
    op.create_table(
        "blob",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("base", sa.LargeBinary(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "definition",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("urgency", sa.SmallInteger(), nullable=False),
        sa.Column("epss", sa.Float(), nullable=True),
        sa.Column("is_exploited", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("author", sa.Integer(), nullable=True),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("definition_author", "definition", ["author"], unique=False)
    op.create_index(
        "definition_rating",
        "definition",
        ["kind", "urgency", "severity", "epss", "is_exploited", "id"],
        unique=False,
    )
    op.create_index("definition_text", "definition", ["kind", "text"], unique=False)
    op.create_table(
        "fixed_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("text"),
    )
    op.create_table(
        "image",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("sources", sa.Integer(), nullable=False),
        sa.Column("exposure", sa.SmallInteger(), nullable=False),
        sa.Column("workloads", sa.Integer(), nullable=False),
        sa.Column("exposed_workloads", sa.Integer(), nullable=False),
        sa.Column("urgency_0", sa.Integer(), nullable=False),
        sa.Column("urgency_1", sa.Integer(), nullable=False),
        sa.Column("urgency_2", sa.Integer(), nullable=False),
        sa.Column("urgency_3", sa.Integer(), nullable=False),
        sa.Column("urgency_4", sa.Integer(), nullable=False),
        sa.Column("urgency_5", sa.Integer(), nullable=False),
        sa.Column("urgency_6", sa.Integer(), nullable=False),
        sa.Column("urgency_7", sa.Integer(), nullable=False),
        sa.Column("urgency_8", sa.Integer(), nullable=False),
        sa.Column("urgency_9", sa.Integer(), nullable=False),
        sa.Column("urgency_10", sa.Integer(), nullable=False),
        sa.Column("urgency_11", sa.Integer(), nullable=False),
        sa.Column("urgency_12", sa.Integer(), nullable=False),
        sa.Column("urgency_13", sa.Integer(), nullable=False),
        sa.Column("urgency_14", sa.Integer(), nullable=False),
        sa.Column("urgency_15", sa.Integer(), nullable=False),
        sa.Column("urgency_16", sa.Integer(), nullable=False),
        sa.Column("urgency_17", sa.Integer(), nullable=False),
        sa.Column("urgency_18", sa.Integer(), nullable=False),
        sa.Column("urgency_19", sa.Integer(), nullable=False),
        sa.Column("urgency_20", sa.Integer(), nullable=False),
        sa.Column("urgency_21", sa.Integer(), nullable=False),
        sa.Column("level_0", sa.Integer(), nullable=False),
        sa.Column("level_1", sa.Integer(), nullable=False),
        sa.Column("level_2", sa.Integer(), nullable=False),
        sa.Column("level_3", sa.Integer(), nullable=False),
        sa.Column("level_4", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "package_name",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", "type"),
    )
    op.create_table(
        "report_part",
        sa.Column("sender", sa.LargeBinary(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("is_last", sa.Boolean(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sender", "report", "number"),
    )
    op.create_index("report_part_received", "report_part", ["received"], unique=False)
    op.create_table(
        "repository",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "source",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("scan", sa.Text(), nullable=False),
        sa.Column("finished", sa.BigInteger(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("scope", sa.LargeBinary(), nullable=False),
        sa.Column("definitions", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key", "branch"),
    )
    op.create_table(
        "audit",
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("moment", sa.BigInteger(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source"],
            ["source.id"],
        ),
        sa.PrimaryKeyConstraint("source", "number"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "day",
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source"],
            ["source.id"],
        ),
        sa.PrimaryKeyConstraint("source", "day", "level"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "finding",
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.BigInteger(), nullable=False),
        sa.Column("definition", sa.Integer(), nullable=False),
        sa.Column("context", sa.SmallInteger(), nullable=False),
        sa.Column("is_suppressed", sa.Boolean(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.Column("unknown_since", sa.BigInteger(), nullable=True),
    )
    op.create_index(
        "finding_class",
        "finding",
        ["source", "context", "definition"],
        unique=False,
        sqlite_where=sa.text("closed IS NULL"),
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_index(
        "finding_definition",
        "finding",
        ["definition", "context", "opened"],
        unique=False,
        sqlite_where=sa.text("closed IS NULL"),
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_index(
        "finding_unknown",
        "finding",
        ["source"],
        unique=False,
        sqlite_where=sa.text("closed IS NULL AND unknown_since IS NOT NULL"),
        postgresql_where=sa.text("closed IS NULL AND unknown_since IS NOT NULL"),
    )
    op.create_index(
        "finding_suppressed",
        "finding",
        ["source"],
        unique=False,
        sqlite_where=sa.text("closed IS NULL AND is_suppressed IS 1"),
        postgresql_where=sa.text("closed IS NULL AND is_suppressed IS true"),
    )
    op.create_index(
        "finding_history",
        "finding",
        ["source", "subject"],
        unique=False,
        sqlite_where=sa.text("closed IS NOT NULL"),
        postgresql_where=sa.text("closed IS NOT NULL"),
    )
    op.create_index(
        "finding_open",
        "finding",
        ["source", "subject", "fingerprint"],
        unique=True,
        sqlite_where=sa.text("closed IS NULL"),
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_index(
        "finding_opened",
        "finding",
        ["opened"],
        unique=False,
        sqlite_where=sa.text("closed IS NULL"),
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_table(
        "image_content",
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image"],
            ["image.id"],
        ),
        sa.PrimaryKeyConstraint("image", "digest"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "image_name",
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("repository", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image"],
            ["image.id"],
        ),
        sa.ForeignKeyConstraint(
            ["repository"],
            ["repository.id"],
        ),
        sa.PrimaryKeyConstraint("image", "reference"),
        sqlite_with_rowid=False,
    )
    op.create_index("image_name_repository", "image_name", ["repository", "image"], unique=False)
    op.create_table(
        "image_report",
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image"],
            ["image.id"],
        ),
        sa.PrimaryKeyConstraint("image", "digest"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "package",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("purl", sa.Text(), nullable=False),
        sa.Column("name", sa.Integer(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name"],
            ["package_name.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("purl"),
    )
    op.create_index("package_by_name", "package", ["name"], unique=False)
    op.create_table(
        "repository_finding",
        sa.Column("repository", sa.Integer(), nullable=False),
        sa.Column("definition", sa.Integer(), nullable=False),
        sa.Column("name", sa.Integer(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["definition"],
            ["definition.id"],
        ),
        sa.ForeignKeyConstraint(
            ["name"],
            ["package_name.id"],
        ),
        sa.ForeignKeyConstraint(
            ["repository"],
            ["repository.id"],
        ),
    )
    op.create_index(
        "repository_finding_closed",
        "repository_finding",
        ["repository"],
        unique=False,
        sqlite_where=sa.text("closed IS NOT NULL"),
        postgresql_where=sa.text("closed IS NOT NULL"),
    )
    op.create_index(
        "repository_finding_closed_at",
        "repository_finding",
        ["closed"],
        unique=False,
        sqlite_where=sa.text("closed IS NOT NULL"),
        postgresql_where=sa.text("closed IS NOT NULL"),
    )
    op.create_index(
        "repository_finding_open",
        "repository_finding",
        ["repository", "definition", "name"],
        unique=True,
        sqlite_where=sa.text("closed IS NULL"),
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_table(
        "failed_scan",
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("container", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("moment", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source"],
            ["source.id"],
        ),
        sa.PrimaryKeyConstraint("source", "subject", "container"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "runs",
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("container", sa.Text(), nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("exposure", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image"],
            ["image.id"],
        ),
        sa.ForeignKeyConstraint(
            ["source"],
            ["source.id"],
        ),
        sa.PrimaryKeyConstraint("source", "subject", "container", "image"),
        sqlite_with_rowid=False,
    )
    op.create_index("runs_exposure", "runs", ["exposure", "source", "subject", "container", "image"], unique=False)
    op.create_index("runs_image", "runs", ["image", "exposure", "source"], unique=False)
    op.create_table(
        "scan",
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("is_applied", sa.Boolean(), nullable=False),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document"],
            ["blob.digest"],
        ),
        sa.ForeignKeyConstraint(
            ["source"],
            ["source.id"],
        ),
        sa.PrimaryKeyConstraint("source", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("scan_received", "scan", ["source", "received", "id"], unique=False)
    op.create_table(
        "source_image",
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("report", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("exposure", sa.SmallInteger(), nullable=False),
        sa.Column("workloads", sa.Integer(), nullable=False),
        sa.Column("exposed_workloads", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image"],
            ["image.id"],
        ),
        sa.ForeignKeyConstraint(
            ["source"],
            ["source.id"],
        ),
        sa.PrimaryKeyConstraint("source", "image"),
        sqlite_with_rowid=False,
    )
    op.create_index("source_image_image", "source_image", ["image", "source"], unique=False)
    op.create_table(
        "subject",
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("exposure", sa.SmallInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("retained", sa.LargeBinary(), nullable=True),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["source"],
            ["source.id"],
        ),
        sa.PrimaryKeyConstraint("source", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("subject_namespace", "subject", ["namespace", "source", "id", "exposure"], unique=False)
    op.create_index("subject_by_name", "subject", ["name", "namespace", "source", "id"], unique=False)
    op.create_index(
        "subject_open",
        "subject",
        ["source", "namespace", "closed"],
        unique=False,
        sqlite_where=sa.text("closed IS NULL"),
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_table(
        "subject_name",
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "total",
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("exposure", sa.SmallInteger(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source"],
            ["source.id"],
        ),
        sa.PrimaryKeyConstraint("source", "exposure", "level"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "image_finding",
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("definition", sa.Integer(), nullable=False),
        sa.Column("package", sa.Integer(), nullable=False),
        sa.Column("fixed_version", sa.Text(), nullable=False),
        sa.Column("is_suppressed", sa.Boolean(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.Column("unknown_since", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["definition"],
            ["definition.id"],
        ),
        sa.ForeignKeyConstraint(
            ["image"],
            ["image.id"],
        ),
        sa.ForeignKeyConstraint(
            ["package"],
            ["package.id"],
        ),
    )
    op.create_index(
        "image_finding_closed_at",
        "image_finding",
        ["closed"],
        unique=False,
        sqlite_where=sa.text("closed IS NOT NULL"),
        postgresql_where=sa.text("closed IS NOT NULL"),
    )
    op.create_index(
        "image_finding_definition",
        "image_finding",
        ["definition", "image"],
        unique=False,
        sqlite_where=sa.text("closed IS NULL"),
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_index(
        "image_finding_open",
        "image_finding",
        ["image", "definition", "package"],
        unique=True,
        sqlite_where=sa.text("closed IS NULL"),
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_index(
        "image_finding_opened",
        "image_finding",
        ["opened"],
        unique=False,
        sqlite_where=sa.text("closed IS NULL"),
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_table(
        "image_package",
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("package", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image"],
            ["image.id"],
        ),
        sa.ForeignKeyConstraint(
            ["package"],
            ["package.id"],
        ),
        sa.PrimaryKeyConstraint("image", "package"),
        sqlite_with_rowid=False,
    )
    op.create_index("image_package_package", "image_package", ["package", "image"], unique=False)
    op.create_table(
        "image_problems",
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image"],
            ["image.id"],
        ),
        sa.PrimaryKeyConstraint("image"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "definition_total",
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source"],
            ["source.id"],
        ),
        sa.PrimaryKeyConstraint("source"),
        sqlite_with_rowid=False,
    )
    _create_scopes()


def _create_scopes() -> None:
    op.create_table(
        "stored_scope",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "scope_image",
        sa.Column("scope", sa.Integer(), nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("exposure", sa.SmallInteger(), nullable=False),
        sa.Column("workloads", sa.Integer(), nullable=False),
        sa.Column("exposed_workloads", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image"],
            ["image.id"],
        ),
        sa.ForeignKeyConstraint(
            ["scope"],
            ["stored_scope.id"],
        ),
        sa.PrimaryKeyConstraint("scope", "image"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "scope_source",
        sa.Column("scope", sa.Integer(), nullable=False),
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["scope"],
            ["stored_scope.id"],
        ),
        sa.ForeignKeyConstraint(
            ["source"],
            ["source.id"],
        ),
        sa.PrimaryKeyConstraint("scope", "source", "namespace"),
        sqlite_with_rowid=False,
    )
    op.create_index("scope_source_source", "scope_source", ["source", "scope"], unique=False)
