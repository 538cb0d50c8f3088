"""Search of everything by a part of its name, for people who know what they look for. Reads a few rows of each kind, no counts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, exists, func, select, true

from kubekeep.model.submission import DefinitionEntry
from kubekeep_server.store.finding_context import get_level
from kubekeep_server.store.image_schema import image, image_finding, image_package, package, package_name
from kubekeep_server.store.queries.affected import VULNERABILITY
from kubekeep_server.store.queries.definitions import contains_text, count_by_definition
from kubekeep_server.store.queries.pages import Document
from kubekeep_server.store.queries.source_names import name_source
from kubekeep_server.store.queries.subject_rows import SUBJECT_COLUMNS, SubjectRow, describe_subject
from kubekeep_server.store.schema import IS_SUBJECT, definition, finding, source, subject, subject_name
from kubekeep_server.store.scopes import EVERYTHING, Scope, select_uses, shows_image, shows_subject
from kubekeep_server.store.urgency import LEVELS, SEVERITY_NAMES

_MOST: Final = 6
_CANDIDATES: Final = 100
"""Rows with the text whose visibility is checked."""


class SourceMatch(Document, frozen=True):
    """A source."""

    id: int
    name: str
    key: str
    branch: str


class DefinitionMatch(Document, frozen=True):
    """A control or a vulnerability with open findings. priority: level of the most urgent one that no exception covers."""

    key: str
    kind: str
    id: str
    title: str
    priority: str
    severity: str


class PackageMatch(Document, frozen=True):
    """A package of an image. type: of its package URL."""

    type: str
    name: str


class SearchResult(Document, frozen=True):
    """The first matches of each kind."""

    sources: tuple[SourceMatch, ...]
    subjects: tuple[SubjectRow, ...]
    definitions: tuple[DefinitionMatch, ...]
    packages: tuple[PackageMatch, ...]


def search(connection: Connection, scope: Scope, text: str) -> SearchResult:
    """Return what a scope has with a text in its name, of subjects also as NAMESPACE/NAME."""
    text = text.strip().lower()
    return SearchResult(
        tuple(_search_sources(connection, scope, text)),
        tuple(itertools.islice(_search_subjects(connection, scope, text), _MOST)),
        tuple(_search_definitions(connection, scope, text)),
        tuple(_search_packages(connection, scope, text)),
    )


def _search_sources(connection: Connection, scope: Scope, text: str) -> Iterator[SourceMatch]:
    contained = _contains(source.c.key, text) | _contains(source.c.document, text)
    query = select(source).where(contained, scope.contains(source.c.id)).order_by(source.c.key, source.c.id)
    for row in connection.execute(query.limit(_MOST)):
        yield SourceMatch(row.id, name_source(row.document), row.key, row.branch)


def _search_subjects(connection: Connection, scope: Scope, text: str) -> Iterator[SubjectRow]:
    namespace, separator, part = text.rpartition("/")
    name = subject_name.c.name
    names = select(name).where(_contains(name, part)).order_by(func.length(name), name).limit(_CANDIDATES)
    in_namespace = subject.c.namespace == namespace if separator else true()
    query = (
        select(subject.c.source, subject.c.id.label("subject"), *SUBJECT_COLUMNS)
        .join(source, source.c.id == subject.c.source)
        .where(subject.c.name == bindparam("name"), in_namespace, subject.c.closed.is_(None), shows_subject(scope))
        .order_by(subject.c.namespace, subject.c.source, subject.c.id)
        .limit(_MOST)
    )
    # Of each name alone: many sources have a frequent one, and the first rows of all names would be those of a sort.
    for each in connection.execute(names).scalars().all():
        for row in connection.execute(query, {"name": each}):
            yield SubjectRow(**describe_subject(row))


def _search_definitions(connection: Connection, scope: Scope, text: str) -> Iterator[DefinitionMatch]:
    is_same = case((func.lower(definition.c.key).contains(text, autoescape=True), 0), else_=1)
    query = (
        select(definition).where(contains_text(text)).order_by(is_same, definition.c.severity.desc(), definition.c.key)
    )
    candidates = connection.execute(query.limit(_CANDIDATES)).all()
    matches = list(itertools.islice((row for row in candidates if _is_open(connection, scope, row)), _MOST))
    levels = _load_levels(connection, scope, matches)
    for row in matches:
        document = msgspec.json.decode(row.document, type=DefinitionEntry)
        priority, severity = SEVERITY_NAMES[levels[row.id]], SEVERITY_NAMES[row.severity]
        yield DefinitionMatch(row.key, row.kind, document.id, document.title, priority, severity)


def _load_levels(connection: Connection, scope: Scope, rows: Iterable[Any]) -> dict[int, int]:
    """Return the highest levels of the open findings of definitions in the scope."""
    urgencies = {row.id: row.urgency for row in rows if row.kind == VULNERABILITY}
    others = {row.id: row.urgency for row in rows if row.kind != VULNERABILITY}
    levels = {number: LEVELS[0][urgency] for number, urgency in (urgencies | others).items()}
    if urgencies:
        table, uses = image_finding, select_uses(scope).subquery()
        query = (
            select(table.c.definition, func.max(uses.c.exposure))
            .join(uses, uses.c.image == table.c.image)
            .where(table.c.definition.in_(sorted(urgencies)), table.c.closed.is_(None), ~table.c.is_suppressed)
            .group_by(table.c.definition)
        )
        for number, exposure in connection.execute(query):
            levels[number] = LEVELS[exposure][urgencies[number]]
    counts = count_by_definition(connection, scope) if others else {}
    for number in others.keys() & counts.keys():
        contexts = [context for context, count in counts[number].items() if count > 0]
        levels[number] = max((get_level(context, others[number]) for context in contexts), default=levels[number])
    return levels


def _is_open(connection: Connection, scope: Scope, row: Any) -> bool:
    """Return True if something in the scope has an open finding of a definition."""
    if row.kind == VULNERABILITY:
        table = image_finding
        joined = and_(table.c.image == image.c.id, shows_image(scope))
    else:
        table = finding
        joined = scope.contains(finding.c.source)
        if scope != EVERYTHING:
            joined = and_(joined, IS_SUBJECT, shows_subject(scope))
    return _exists(connection, table.c.definition == row.id, table.c.closed.is_(None), joined)


def _search_packages(connection: Connection, scope: Scope, text: str) -> Iterator[PackageMatch]:
    query = select(package_name).where(_contains(package_name.c.name, text))
    shortest_first = (func.length(package_name.c.name), package_name.c.name, package_name.c.type)
    candidates = connection.execute(query.order_by(*shortest_first).limit(_CANDIDATES)).all()
    for row in itertools.islice((row for row in candidates if _is_in_image(connection, scope, row.id)), _MOST):
        yield PackageMatch(row.type, row.name)


def _is_in_image(connection: Connection, scope: Scope, name: int) -> bool:
    """Return True if an image in the scope has a version of a package."""
    joined = and_(image_package.c.package == package.c.id, image.c.id == image_package.c.image)
    return _exists(connection, package.c.name == name, joined, shows_image(scope))


def _contains(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    return func.lower(column).contains(text, autoescape=True)


def _exists(connection: Connection, *conditions: ColumnElement[bool]) -> bool:
    return bool(connection.execute(select(exists().where(*conditions))).scalar())
