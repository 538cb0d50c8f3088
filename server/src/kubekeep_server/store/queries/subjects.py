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
from kubekeep_server.store.image_schema import image, runs
from kubekeep_server.store.numbers import format_key, to_key, to_moment, to_optional_moment
from kubekeep_server.store.queries.affected import load_references
from kubekeep_server.store.queries.pages import Document
from kubekeep_server.store.queries.source_names import name_source
from kubekeep_server.store.schema import definition, finding, source, subject
from kubekeep_server.store.scopes import Scope, shows_subject


class SubjectFinding(Document, frozen=True):
    """An interval of a finding. detail: as the last scan with it has submitted it; None for a closed one."""

    definition: DefinitionEntry
    opened: dt.datetime
    closed: dt.datetime | None
    unknown_since: dt.datetime | None
    is_suppressed: bool
    detail: SubmittedFinding | None


class SubjectImage(Document, frozen=True):
    """An image that a container runs, with the open problems of the image by severity: unknown to critical."""

    container: str
    digest: str
    references: tuple[str, ...]
    exposure: int
    problems: tuple[int, ...]


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
        _list_images(connection, number, key),
    )


def _list_findings(
    connection: Connection, number: int, key: int, details: dict[int, SubmittedFinding]
) -> Iterable[SubjectFinding]:
    """Yield the findings of a subject, the open ones first, the most urgent of them first."""
    query = (
        select(finding, definition.c.document)
        .join(definition, definition.c.id == finding.c.definition)
        .where(finding.c.source == number, finding.c.subject == key)
        .order_by(definition.c.urgency.desc(), definition.c.key, finding.c.opened.desc())
    )
    # Open and closed findings have an index each.
    parts = (finding.c.closed.is_(None), finding.c.closed.is_not(None))
    for row in itertools.chain.from_iterable(connection.execute(query.where(part)) for part in parts):
        yield SubjectFinding(
            msgspec.json.decode(row.document, type=DefinitionEntry),
            to_moment(row.opened),
            to_optional_moment(row.closed),
            to_optional_moment(row.unknown_since),
            row.is_suppressed,
            details.get(row.fingerprint) if row.closed is None else None,
        )


def _list_images(connection: Connection, number: int, key: int) -> tuple[SubjectImage, ...]:
    joined = and_(runs.c.source == number, runs.c.subject == key, image.c.id == runs.c.image)
    query = select(runs.c.container, runs.c.exposure.label("reach"), image).where(joined)
    rows: list[Any] = list(connection.execute(query.order_by(runs.c.container, image.c.id)))
    references = load_references(connection, {row.id for row in rows})
    return tuple(
        SubjectImage(
            row.container,
            row.digest,
            references.get(row.id, ()),
            row.reach,
            (row.severity_0, row.severity_1, row.severity_2, row.severity_3, row.severity_4),
        )
        for row in rows
    )
