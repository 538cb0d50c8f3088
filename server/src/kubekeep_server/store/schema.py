"""Tables of the store, one schema for SQLite and PostgreSQL. Contains no query.

The source is the first part of each key, so that the tables can be distributed by it. Times are microseconds since 1970, UTC.
Keys of subjects and fingerprints are the 64 bits of a submission as a signed number.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    and_,
    null,
    true,
)

metadata: Final = MetaData()
BY_KEY: Final[dict[str, Any]] = {"sqlite_with_rowid": False}
"""Rows of SQLite in the order of the primary key."""


def source_column() -> Column[int]:
    """Return the first column of the keys of what belongs to a source."""
    return Column("source", Integer, ForeignKey("source.id"), primary_key=True)


def add_partial_index(name: str, *columns: Column[Any], where: ColumnElement[bool], unique: bool = False) -> None:
    """Add an index of the rows with a condition to their table."""
    Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


source: Final = Table(
    "source",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False),
    Column("branch", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("scan", Text, nullable=False),
    Column("finished", BigInteger, nullable=False),
    Column("manifest", Text, nullable=False),
    Column("scope", LargeBinary, nullable=False),
    Column("definitions", LargeBinary, nullable=False),
    Column("evaluation", LargeBinary),
    Column("evaluated", BigInteger),
    UniqueConstraint("key", "branch"),
)
"""A cluster, a branch of a repository, or a registry. scan, finished, manifest, scope: of the scan that made its state.

evaluated: end of the last scan that was not partial. evaluation: `control_states.digest_evaluation` of it; NULL if its states do
not follow from it.

scope: digest of the evaluated definitions. definitions: `SubmittedDocument.definitions_digest` of the last whole submission.
"""

definition: Final = Table(
    "definition",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("severity", SmallInteger, nullable=False),
    Column("urgency", SmallInteger, nullable=False),
    Column("epss", Float),
    Column("is_exploited", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("author", Integer),
    Column("updated", BigInteger, nullable=False),
)
"""A control or another definition of problems. Its rating is here only, so that a change of it touches no finding.

urgency: `urgency.classify_definition`, from which the level of findings without a priority of their own follows. is_exploited: it
is in CISA's catalogue of known exploited vulnerabilities. text: `definitions.build_text`. author: the source whose submissions
change it, `definitions.LIBRARY`, or NULL for the next source.
"""
Index("definition_author", definition.c.author)
Index(
    "definition_rating",
    definition.c.kind,
    definition.c.urgency,
    definition.c.severity,
    definition.c.epss,
    definition.c.is_exploited,
    definition.c.id,
)
Index("definition_text", definition.c.kind, definition.c.text)

subject: Final = Table(
    "subject",
    metadata,
    source_column(),
    Column("id", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("exposure", SmallInteger, nullable=False),
    Column("owner", Text),
    Column("digest", LargeBinary),
    Column("content", LargeBinary, nullable=False),
    Column("retained", LargeBinary),
    Column("opened", BigInteger, nullable=False),
    Column("closed", BigInteger),
    **BY_KEY,
)
"""A subject of a source. owner: NULL without one. closed: the time at which it was missing; NULL while it may exist.

digest: of its entry in the last submission; NULL if that did not contain it. content: the last `SubjectEntry`. retained: open
findings that are not in this entry, because the last scan did not evaluate them. Both are MessagePack in Zstandard; empty
for an image, which has them in `image_report`.
"""

Index("subject_namespace", subject.c.namespace, subject.c.source, subject.c.id, subject.c.exposure)
Index("subject_by_name", subject.c.name, subject.c.namespace, subject.c.source, subject.c.id)
# SQLite reads the rows themselves for a column of the condition that is not in the index.
add_partial_index(
    "subject_open",
    subject.c.source,
    subject.c.namespace,
    subject.c.closed,
    where=subject.c.closed.is_(null()),
)
add_partial_index(
    "subject_owner",
    *(subject.c.owner, subject.c.source, subject.c.id, subject.c.exposure, subject.c.closed, subject.c.namespace),
    where=subject.c.owner.is_not(null()),
)

subject_name: Final = Table("subject_name", metadata, Column("name", Text, primary_key=True), **BY_KEY)
"""The different names of subjects, in which a search looks: many sources have subjects of the same name."""

finding: Final = Table(
    "finding",
    metadata,
    Column("source", Integer, nullable=False),
    Column("subject", BigInteger, nullable=False),
    Column("fingerprint", BigInteger, nullable=False),
    Column("definition", Integer, nullable=False),
    Column("context", SmallInteger, nullable=False),
    Column("is_suppressed", Boolean, nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("closed", BigInteger),
    Column("unknown_since", BigInteger),
    Column("decision", Integer),
)
"""An interval in which a finding is open. closed: NULL while it is open. is_suppressed: exceptions cover all its evidence, or a decision does.

decision: the one that covers this finding and not all of its definition in the source; NULL without one, and if exceptions do.

context: exposure of its subject and level of its own priority (`finding_context.build_context`). Source and definition have no
foreign keys: the check of each new row takes PostgreSQL as long as the row, and locks definitions that all sources share. The
transaction of a submission has locked the source, and definitions are never deleted.
unknown_since: the first scan that could not see if it is still there; NULL once a scan saw it.
"""
IS_SUBJECT: Final = and_(subject.c.source == finding.c.source, subject.c.id == finding.c.subject)
"""Condition that joins findings with their subjects."""
add_partial_index(
    "finding_open",
    finding.c.source,
    finding.c.subject,
    finding.c.fingerprint,
    unique=True,
    where=finding.c.closed.is_(null()),
)
add_partial_index(
    "finding_definition",
    finding.c.definition,
    finding.c.context,
    finding.c.opened,
    where=finding.c.closed.is_(null()),
)
add_partial_index(
    "finding_class",
    finding.c.source,
    finding.c.context,
    finding.c.definition,
    where=finding.c.closed.is_(null()),
)
add_partial_index(
    "finding_opened",
    finding.c.opened,
    where=finding.c.closed.is_(null()),
)
is_unknown: Final = finding.c.closed.is_(null()) & finding.c.unknown_since.is_not(null())
is_suppressed: Final = finding.c.closed.is_(null()) & finding.c.is_suppressed.is_(true())
is_decided: Final = finding.c.closed.is_(null()) & finding.c.decision.is_not(null())
add_partial_index("finding_decision", finding.c.decision, where=is_decided)
add_partial_index("finding_unknown", finding.c.source, where=is_unknown)
add_partial_index("finding_suppressed", finding.c.source, where=is_suppressed)
add_partial_index(
    "finding_history",
    finding.c.source,
    finding.c.subject,
    where=finding.c.closed.is_not(null()),
)

scan: Final = Table(
    "scan",
    metadata,
    source_column(),
    Column("id", Text, primary_key=True),
    Column("started", BigInteger, nullable=False),
    Column("finished", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("document", LargeBinary, ForeignKey("blob.digest"), nullable=False),
    Column("is_applied", Boolean, nullable=False),
    Column("opened", Integer, nullable=False),
    Column("closed", Integer, nullable=False),
    Column("evaluation", LargeBinary),
    **BY_KEY,
)
"""A submission. evaluation: digest of a row of `evaluation`; NULL for one before these were stored. is_applied: False if a later one was received before it. opened, closed: numbers of findings."""
Index("scan_received", scan.c.source, scan.c.received, scan.c.id)
Index("scan_evaluation", scan.c.evaluation)

evaluation: Final = Table(
    "evaluation",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    **BY_KEY,
)
"""Evaluations of scans, once for all scans with the same one: `evaluations.Evaluation` in MessagePack and Zstandard."""

blob: Final = Table(
    "blob",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("base", LargeBinary),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
"""A document by its SHA-256, in Zstandard; with `base`, another document is the dictionary. size: of the document."""

total: Final = Table(
    "total",
    metadata,
    source_column(),
    Column("exposure", SmallInteger, primary_key=True),
    Column("level", SmallInteger, primary_key=True),
    Column("findings", Integer, nullable=False),
    **BY_KEY,
)
"""The number of open findings that no exception and no decision covers, without those of images. level: of their priority."""

definition_total: Final = Table(
    "definition_total",
    metadata,
    source_column(),
    Column("content", LargeBinary, nullable=False),
    Column("covered", LargeBinary),
    **BY_KEY,
)
"""The findings of `total` by definition and context, packed by `_native.pack_counts`, so that those of all sources can be summed in
a request. covered: those that a decision on their definition covers, which are not in `total`.
"""

day: Final = Table(
    "day",
    metadata,
    source_column(),
    Column("day", Integer, primary_key=True),
    Column("level", SmallInteger, primary_key=True),
    Column("opened", Integer, nullable=False),
    Column("closed", Integer, nullable=False),
    **BY_KEY,
)
"""Changes of `total` in a day (since 1970, UTC)."""

audit: Final = Table(
    "audit",
    metadata,
    source_column(),
    Column("number", Integer, primary_key=True),
    Column("moment", BigInteger, nullable=False),
    Column("entry", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    **BY_KEY,
)
"""The log of changes of a source. digest: SHA-256 of the digest before it and the entry, so that a gap is detected."""
