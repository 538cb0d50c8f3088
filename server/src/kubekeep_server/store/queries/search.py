"""Search of everything by a part of its name, for people who know what they look for. Reads a few rows of each kind, no counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, select, true

from kubekeep.model.severity import Severity
from kubekeep.model.submission import DefinitionEntry
from kubekeep_server.store.image_schema import image, image_finding, image_package, package, package_name
from kubekeep_server.store.numbers import format_key
from kubekeep_server.store.queries.affected import VULNERABILITY
from kubekeep_server.store.queries.pages import Document
from kubekeep_server.store.queries.source_names import name_source
from kubekeep_server.store.schema import definition, finding, source, subject, subject_name
from kubekeep_server.store.scopes import EVERYTHING, Scope, shows_image, shows_subject

_MOST: Final = 6
_CANDIDATES: Final = 100
"""Rows with the text whose visibility is checked."""


class SourceMatch(Document, frozen=True):
    """A source."""

    id: int
    name: str
    key: str
    branch: str


class SubjectMatch(Document, frozen=True):
    """A workload or another subject. source: number. subject: 16 hexadecimal digits."""

    source: int
    source_name: str
    source_key: str
    branch: str
    subject: str
    kind: str
    namespace: str
    name: str


class DefinitionMatch(Document, frozen=True):
    """A control or a vulnerability with open findings."""

    key: str
    kind: str
    id: str
    title: str
    severity: str


class PackageMatch(Document, frozen=True):
    """A package of an image. type: of its package URL."""

    type: str
    name: str


class SearchResult(Document, frozen=True):
    """The first matches of each kind."""

    sources: tuple[SourceMatch, ...]
    subjects: tuple[SubjectMatch, ...]
    definitions: tuple[DefinitionMatch, ...]
    packages: tuple[PackageMatch, ...]


def search(connection: Connection, scope: Scope, text: str) -> SearchResult:
    """Return what a scope has with a text in its name, of subjects also as NAMESPACE/NAME."""
    text = text.strip().lower()
    return SearchResult(
        tuple(_search_sources(connection, scope, text)),
        tuple(_search_subjects(connection, scope, text)),
        tuple(_search_definitions(connection, scope, text)),
        tuple(_search_packages(connection, scope, text)),
    )


def _search_sources(connection: Connection, scope: Scope, text: str) -> Iterator[SourceMatch]:
    contained = _contains(source.c.key, text) | _contains(source.c.document, text)
    query = select(source).where(contained, scope.contains(source.c.id)).order_by(source.c.key, source.c.id)
    for row in connection.execute(query.limit(_MOST)):
        yield SourceMatch(row.id, name_source(row.document), row.key, row.branch)


def _search_subjects(connection: Connection, scope: Scope, text: str) -> Iterator[SubjectMatch]:
    namespace, separator, part = text.rpartition("/")
    name = subject_name.c.name
    names = select(name).where(_contains(name, part)).order_by(func.length(name), name).limit(_CANDIDATES)
    is_named = subject.c.name.in_(connection.execute(names).scalars().all())
    in_namespace = subject.c.namespace == namespace if separator else true()
    columns = (subject.c.source, subject.c.id, subject.c.kind, subject.c.namespace, subject.c.name)
    query = select(*columns, source.c.key, source.c.branch, source.c.document).join(
        source, source.c.id == subject.c.source
    )
    query = query.where(is_named, in_namespace, subject.c.closed.is_(None), shows_subject(scope)).order_by(
        func.length(subject.c.name), subject.c.name, subject.c.source, subject.c.id
    )
    for row in connection.execute(query.limit(_MOST)):
        named, key = name_source(row.document), format_key(row.id)
        yield SubjectMatch(row.source, named, row.key, row.branch, key, row.kind, row.namespace, row.name)


def _search_definitions(connection: Connection, scope: Scope, text: str) -> Iterator[DefinitionMatch]:
    contained = _contains(definition.c.document, text)
    is_same = case((func.lower(definition.c.key).contains(text, autoescape=True), 0), else_=1)
    query = select(definition).where(contained).order_by(is_same, definition.c.severity.desc(), definition.c.key)
    rows = [row for row in connection.execute(query.limit(_CANDIDATES)) if _is_open(connection, scope, row)]
    for row in rows[:_MOST]:
        document = msgspec.json.decode(row.document, type=DefinitionEntry)
        severity = Severity(row.severity).name.lower()
        yield DefinitionMatch(row.key, row.kind, document.id, document.title, severity)


def _is_open(connection: Connection, scope: Scope, row: Any) -> bool:
    """Return True if something in the scope has an open finding of a definition."""
    if row.kind == VULNERABILITY:
        table = image_finding
        joined = and_(table.c.image == image.c.id, shows_image(scope))
    else:
        table = finding
        joined = scope.contains(finding.c.source)
        if scope != EVERYTHING:
            same = and_(subject.c.source == finding.c.source, subject.c.id == finding.c.subject)
            joined = and_(joined, same, shows_subject(scope))
    return _exists(connection, table.c.definition == row.id, table.c.closed.is_(None), joined)


def _search_packages(connection: Connection, scope: Scope, text: str) -> Iterable[PackageMatch]:
    query = select(package_name).where(_contains(package_name.c.name, text))
    shortest_first = (func.length(package_name.c.name), package_name.c.name, package_name.c.type)
    matches = []
    for row in connection.execute(query.order_by(*shortest_first).limit(_CANDIDATES)):
        joined = and_(image_package.c.package == package.c.id, image.c.id == image_package.c.image)
        if _exists(connection, package.c.name == row.id, joined, shows_image(scope)):
            matches.append(PackageMatch(row.type, row.name))
        if len(matches) == _MOST:
            break
    return matches


def _contains(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    return func.lower(column).contains(text, autoescape=True)


def _exists(connection: Connection, *conditions: ColumnElement[bool]) -> bool:
    return bool(connection.execute(select(exists().where(*conditions))).scalar())
