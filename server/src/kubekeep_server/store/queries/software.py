"""The software of images in a scope: packages and problems as sources have submitted them, still compressed.

Those of one image, of the images that a workload runs, and of all images of a source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, func, select

from kubekeep.model.submission import DefinitionEntry
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.image_schema import (
    image,
    image_content,
    image_finding,
    image_package,
    image_report,
    runs,
    source_image,
)
from kubekeep_server.store.numbers import format_key
from kubekeep_server.store.queries.affected import load_references
from kubekeep_server.store.queries.sources import load_source
from kubekeep_server.store.schema import definition, subject
from kubekeep_server.store.scopes import Scope, shows_image, shows_subject

MOST_ROWS: Final = 200_000
"""Packages or problems in one document: each takes about a kilobyte of memory."""


class StoredImage(msgspec.Struct, frozen=True):
    """An image with its packages or its problems, each as one of its sources has submitted them, compressed."""

    digest: str
    platform: str
    references: tuple[str, ...]
    parts: tuple[bytes, ...]


class StoredSoftware(msgspec.Struct, frozen=True):
    """Images. name: of the image, the workload or the source. definitions: of the problems, by key."""

    name: str
    images: tuple[StoredImage, ...]
    definitions: dict[str, DefinitionEntry] = {}


class _Selection(msgspec.Struct, frozen=True):
    """The images of an object with a name."""

    name: str
    condition: ColumnElement[bool]


def load_image_packages(connection: Connection, scope: Scope, digest: str) -> StoredSoftware:
    """Return the packages of an image. Raises LookupError if it is not in the scope, or none are known."""
    return _load_packages(connection, _select_image(connection, scope, digest))


def load_image_problems(connection: Connection, scope: Scope, digest: str) -> StoredSoftware:
    """Return the problems of an image. Raises LookupError if it is not in the scope, or none are known."""
    return _load_problems(connection, _select_image(connection, scope, digest))


def load_subject_packages(connection: Connection, scope: Scope, number: int, key: int) -> StoredSoftware:
    """Return the packages of the images that a workload runs. Raises LookupError and ValueError."""
    return _load_packages(connection, _select_subject(connection, scope, number, key))


def load_subject_problems(connection: Connection, scope: Scope, number: int, key: int) -> StoredSoftware:
    """Return the problems of the images that a workload runs. Raises LookupError and ValueError."""
    return _load_problems(connection, _select_subject(connection, scope, number, key))


def load_source_packages(connection: Connection, scope: Scope, number: int) -> StoredSoftware:
    """Return the packages of the images of a source in the scope. Raises LookupError and ValueError."""
    return _load_packages(connection, _select_source(connection, scope, number))


def load_source_problems(connection: Connection, scope: Scope, number: int) -> StoredSoftware:
    """Return the problems of the images of a source in the scope. Raises LookupError and ValueError."""
    return _load_problems(connection, _select_source(connection, scope, number))


def _select_image(connection: Connection, scope: Scope, digest: str) -> _Selection:
    number = connection.execute(select(image.c.id).where(image.c.digest == digest, shows_image(scope))).scalar()
    if number is None:
        raise LookupError(f"there is no image {digest}")
    return _Selection(digest, image.c.id == number)


def _select_subject(connection: Connection, scope: Scope, number: int, key: int) -> _Selection:
    query = select(subject).where(subject.c.source == number, subject.c.id == key, shows_subject(scope))
    row = connection.execute(query).first()
    if row is None:
        raise LookupError(f"source {number} has no subject {format_key(key)}")
    used = select(runs.c.image).where(runs.c.source == number, runs.c.subject == key)
    name = "/".join(filter(None, (row.namespace, row.kind.lower(), row.name)))
    return _Selection(name, image.c.id.in_(used))


def _select_source(connection: Connection, scope: Scope, number: int) -> _Selection:
    key = load_source(connection, scope, number).key
    if not scope.has_whole(number):
        return _Selection(key, shows_image(scope.narrow((number,))))
    return _Selection(key, image.c.id.in_(select(source_image.c.image).where(source_image.c.source == number)))


def _load_packages(connection: Connection, selection: _Selection) -> StoredSoftware:
    _check_number(connection, select(func.count()).select_from(image_package), image_package.c.image, selection)
    return _load(connection, selection, image_content, source_image.c.content)


def _load_problems(connection: Connection, selection: _Selection) -> StoredSoftware:
    is_open = image_finding.c.closed.is_(None)
    counted = select(func.count()).select_from(image_finding).where(is_open)
    _check_number(connection, counted, image_finding.c.image, selection)
    software = _load(connection, selection, image_report, source_image.c.report)
    affected = image_finding.c.image.in_(select(image.c.id).where(selection.condition))
    keys = select(image_finding.c.definition).where(affected, is_open).distinct()
    query = select(definition.c.key, definition.c.document).where(definition.c.id.in_(keys))
    definitions = {
        row.key: msgspec.json.decode(row.document, type=DefinitionEntry) for row in connection.execute(query)
    }
    return msgspec.structs.replace(software, definitions=definitions)


def _check_number(
    connection: Connection, query: Select[Any], column: ColumnElement[int], selection: _Selection
) -> None:
    number = connection.execute(query.where(column.in_(select(image.c.id).where(selection.condition)))).scalar_one()
    if number > MOST_ROWS:
        raise ValueError(
            f"{selection.name} has more than {MOST_ROWS:,} packages or problems: name a workload or an image"
        )


def _load(connection: Connection, selection: _Selection, table: Any, used: ColumnElement[bytes]) -> StoredSoftware:
    """Return the images with the rows of a table that a source has. Raises LookupError without one."""
    is_used = and_(source_image.c.image == table.c.image, used == table.c.digest)
    query = (
        select(table.c.image, table.c.content)
        .join(source_image, is_used)
        .where(is_key(table.c.image))
        .group_by(table.c.image, table.c.digest)
        .order_by(table.c.image, table.c.digest)
    )
    rows: Sequence[Any] = connection.execute(select(image).where(selection.condition).order_by(image.c.digest)).all()
    parts: dict[int, list[bytes]] = {}
    for row in select_by_keys(connection, query, [row.id for row in rows]):
        parts.setdefault(row.image, []).append(row.content)
    if not parts:
        raise LookupError(f"no scan has described the software of {selection.name}")
    references = load_references(connection, parts)
    images = tuple(
        StoredImage(row.digest, row.platform, references.get(row.id, ()), tuple(parts[row.id]))
        for row in rows
        if row.id in parts
    )
    return StoredSoftware(selection.name, images)
