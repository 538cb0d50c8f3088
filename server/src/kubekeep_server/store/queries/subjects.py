"""One subject with its findings, the images that it runs and their problems, and the history of both."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, select

from kubekeep.model.submission import DefinitionEntry, SubjectEntry, SubmittedFinding
from kubekeep_server.store.compression import decompress
from kubekeep_server.store.finding_context import RANKS, get_level
from kubekeep_server.store.image_schema import COUNTS, failed_scan, image, runs
from kubekeep_server.store.numbers import format_key, to_key, to_moment, to_optional_moment
from kubekeep_server.store.queries.affected import load_references
from kubekeep_server.store.queries.decided import find_decisions, key_of
from kubekeep_server.store.queries.due import load_due_dates
from kubekeep_server.store.queries.pages import Document
from kubekeep_server.store.queries.source_names import name_source
from kubekeep_server.store.schema import IS_SUBJECT, definition, finding, source, subject
from kubekeep_server.store.scopes import Scope, select_uses, shows_subject
from kubekeep_server.store.urgency import SEVERITY_NAMES, count_levels


class SubjectFinding(Document, frozen=True):
    """An interval of a finding. priority: its level. decision: number of an active one on it. is_decided: this one covers it. due: by the service levels. detail: as the last scan with it has submitted it; None for a closed one."""

    definition: DefinitionEntry
    priority: str
    opened: dt.datetime
    closed: dt.datetime | None
    unknown_since: dt.datetime | None
    is_suppressed: bool
    decision: int | None
    is_decided: bool
    due: dt.datetime | None
    detail: SubmittedFinding | None


class SubjectImage(Document, frozen=True):
    """An image that a container runs. exposure: of the container.

    problems: open ones of the image by level of priority, unknown to critical, in the workload of the scope where they are most urgent.
    """

    container: str
    digest: str
    references: tuple[str, ...]
    exposure: int
    problems: tuple[int, ...]


class SubjectFailure(Document, frozen=True):
    """A container whose image was not scanned, and the reason. image: its reference, or its digest."""

    container: str
    image: str
    reason: str
    moment: dt.datetime


class SubjectPage(Document, frozen=True):
    """A subject. entry: as in the last submission with it, without findings. closed: None while it may exist."""

    source: int
    source_name: str
    source_key: str
    branch: str
    entry: SubjectEntry
    opened: dt.datetime
    closed: dt.datetime | None
    findings: tuple[SubjectFinding, ...]
    images: tuple[SubjectImage, ...]
    failures: tuple[SubjectFailure, ...]


def get_subject(connection: Connection, scope: Scope, number: int, key: int) -> SubjectPage:
    """Return a subject of a source. Raises LookupError if there is none in the scope."""
    query = (
        select(subject, source.c.key.label("source_key"), source.c.document, source.c.branch)
        .join(source, source.c.id == subject.c.source)
        .where(subject.c.source == number, subject.c.id == key, shows_subject(scope))
    )
    row = connection.execute(query).first()
    if row is None or not row.content:
        raise LookupError(f"source {number} has no subject {format_key(key)}")
    entry = msgspec.msgpack.decode(decompress(row.content), type=SubjectEntry)
    retained: tuple[SubmittedFinding, ...] = ()
    if row.retained:
        retained = msgspec.msgpack.decode(decompress(row.retained), type=tuple[SubmittedFinding, ...])
    details = {to_key(detail.fingerprint): detail for detail in (*retained, *entry.findings)}
    return SubjectPage(
        number,
        name_source(row.document),
        row.source_key,
        row.branch,
        msgspec.structs.replace(entry, findings=()),
        to_moment(row.opened),
        to_optional_moment(row.closed),
        tuple(_list_findings(connection, number, key, details)),
        _list_images(connection, scope, number, key),
        _list_failures(connection, number, key),
    )


def _list_findings(
    connection: Connection, number: int, key: int, details: dict[int, SubmittedFinding]
) -> Iterable[SubjectFinding]:
    """Yield the findings of a subject, the open ones first, the most urgent of them first."""
    query = (
        select(
            finding,
            *(definition.c.key, definition.c.urgency, definition.c.document),
            *(
                source.c.key.label("source_key"),
                source.c.document.label("source_document"),
                subject.c.kind,
                subject.c.namespace,
                subject.c.name,
            ),
        )
        .join(definition, definition.c.id == finding.c.definition)
        .join(source, source.c.id == finding.c.source)
        .join(subject, IS_SUBJECT)
        .where(finding.c.source == number, finding.c.subject == key)
    )
    # Open and closed findings have an index each.
    parts = (finding.c.closed.is_(None), finding.c.closed.is_not(None))
    rows = list(itertools.chain.from_iterable(_rank(connection.execute(query.where(part))) for part in parts))
    decisions = find_decisions(connection, [row for row in rows if row.closed is None])
    due = load_due_dates(connection)
    for row in rows:
        decision = decisions.get(key_of(row)) if row.closed is None else None
        is_decided = decision is not None and decision.covers
        is_covered = row.closed is not None or row.is_suppressed or is_decided
        yield SubjectFinding(
            msgspec.json.decode(row.document, type=DefinitionEntry),
            SEVERITY_NAMES[get_level(row.context, row.urgency)],
            to_moment(row.opened),
            to_optional_moment(row.closed),
            to_optional_moment(row.unknown_since),
            row.is_suppressed and row.decision is None,
            decision.number if decision else None,
            is_decided,
            None if is_covered else due.compute(row.context, row.urgency, row.opened, name_source(row.source_document)),
            details.get(row.fingerprint) if row.closed is None else None,
        )


def _rank(rows: Iterable[Any]) -> list[Any]:
    """Return rows of findings, the most urgent first."""
    return sorted(rows, key=lambda row: (RANKS[row.context, row.urgency], row.key, -row.opened))


def _list_images(connection: Connection, scope: Scope, number: int, key: int) -> tuple[SubjectImage, ...]:
    joined = and_(runs.c.source == number, runs.c.subject == key, image.c.id == runs.c.image)
    uses = select_uses(scope).subquery()
    columns = (runs.c.container, runs.c.exposure.label("reach"), uses.c.exposure.label("highest"), image)
    query = select(*columns).join(uses, uses.c.image == image.c.id).where(joined)
    rows: list[Any] = list(connection.execute(query.order_by(runs.c.container, image.c.id)))
    references = load_references(connection, {row.id for row in rows})
    return tuple(
        SubjectImage(
            row.container,
            row.digest,
            references.get(row.id, ()),
            row.reach,
            count_levels(row.highest, [getattr(row, name) for name in COUNTS]),
        )
        for row in rows
    )


def _list_failures(connection: Connection, number: int, key: int) -> tuple[SubjectFailure, ...]:
    table = failed_scan
    query = select(table).where(table.c.source == number, table.c.subject == key).order_by(table.c.container)
    return tuple(
        SubjectFailure(row.container, row.image, row.reason, to_moment(row.moment)) for row in connection.execute(query)
    )
