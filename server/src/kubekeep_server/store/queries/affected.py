"""One vulnerability: its definition, and the images and workloads with it.

A workload has the vulnerabilities of the images that it runs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, ScalarSelect, and_, exists, func, or_, select, tuple_

from kubekeep.model.server_results import WorkloadResult
from kubekeep.model.submission import DefinitionEntry
from kubekeep_server.store.image_schema import image, image_finding, image_name, package, runs
from kubekeep_server.store.numbers import to_moment
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, Page, cut_page, read_cursor
from kubekeep_server.store.queries.subject_rows import SUBJECT_COLUMNS, describe_subject
from kubekeep_server.store.schema import definition, source, subject
from kubekeep_server.store.scopes import Scope, select_uses, shows_image, shows_subject
from kubekeep_server.store.urgency import LEVELS, SEVERITY_NAMES

VULNERABILITY: Final = "vulnerability"
"""The kind of definitions."""
_FEW_WORKLOADS: Final = 10_000
"""Workloads that are read at once, and sorted; of more, those of one exposure after the other are."""
_Run = tuple[int, int, int, str, int]
"""Position of a container: exposure, source, subject, name and image."""


class VulnerablePackage(Document, frozen=True):
    """A package with a vulnerability. purl: package URL. fixed_version: empty without one."""

    purl: str
    fixed_version: str


class AffectedImage(Document, frozen=True):
    """An image with a vulnerability, and the packages with it. priority: level of the vulnerability in the image."""

    digest: str
    references: tuple[str, ...]
    priority: str
    exposure: int
    workloads: int
    packages: tuple[VulnerablePackage, ...]
    opened: dt.datetime


class RunningWorkload(WorkloadResult, frozen=True):
    """A container of a workload that runs an image."""


def get_vulnerability(connection: Connection, scope: Scope, name: str) -> DefinitionEntry:
    """Return the definition of a vulnerability. Raises LookupError if no image in the scope has or had it."""
    table = image_finding
    affected = exists().where(table.c.definition == definition.c.id, table.c.image == image.c.id, shows_image(scope))
    query = select(definition.c.document).where(definition.c.key == name, definition.c.kind == VULNERABILITY, affected)
    document = connection.execute(query).scalar()
    if document is None:
        raise LookupError(f"no image has {name}")
    return msgspec.json.decode(document, type=DefinitionEntry)


def list_affected_images(
    connection: Connection, scope: Scope, name: str, cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[AffectedImage]:
    """Return a page of the images with a vulnerability, those that can be reached first."""
    after = read_cursor(cursor, "images", tuple[int, int])
    number = select(definition.c.id).where(definition.c.key == name).scalar_subquery()
    urgency = connection.execute(select(definition.c.urgency).where(definition.c.key == name)).scalar() or 0
    table, uses = image_finding, select_uses(scope).subquery()
    query = (
        select(image.c.id, image.c.digest, uses.c.exposure, uses.c.workloads, func.min(table.c.opened).label("opened"))
        .join(uses, uses.c.image == table.c.image)
        .join(image, image.c.id == table.c.image)
        .where(table.c.definition == number, table.c.closed.is_(None))
        .group_by(image.c.id, image.c.digest, uses.c.exposure, uses.c.workloads)
    )
    if after is not None:
        exposure, last = after
        query = query.where(or_(uses.c.exposure < exposure, and_(uses.c.exposure == exposure, image.c.id > last)))
    rows = list(connection.execute(query.order_by(uses.c.exposure.desc(), image.c.id).limit(limit + 1)))
    page, following = cut_page(rows, limit, "images", lambda row: (row.exposure, row.id))
    numbers = [row.id for row in page]
    packages = _load_packages(connection, number, numbers)
    references = load_references(connection, numbers)
    images = tuple(
        AffectedImage(
            row.digest,
            references.get(row.id, ()),
            SEVERITY_NAMES[LEVELS[row.exposure][urgency]],
            row.exposure,
            row.workloads,
            tuple(VulnerablePackage(*package) for package in packages.get(row.id, ())),
            to_moment(row.opened),
        )
        for row in page
    )
    return Page(images, following)


def list_workloads(
    connection: Connection, scope: Scope, images: ColumnElement[bool], cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[RunningWorkload]:
    """Return a page of the containers that run images, those that can be reached first. images: condition of `image`."""
    after = read_cursor(cursor, "workloads", tuple[int, int, int, str, int])
    uses = select_uses(scope).subquery()
    columns = func.sum(uses.c.workloads), func.max(uses.c.exposure), func.sum(image.c.workloads)
    totals = select(*columns).join(image, image.c.id == uses.c.image)
    count, highest, count_everywhere = connection.execute(totals.where(images)).one()
    if not count:
        return Page((), "")
    if count <= _FEW_WORKLOADS:
        # The sum keeps a database from beginning with images that many workloads outside of the scope run.
        number = runs.c.image if count_everywhere <= _FEW_WORKLOADS else runs.c.image + 0
        rows = _read_runs(connection, scope, number.in_(select(image.c.id).where(images)), after, limit + 1)
    else:
        rows = []
        # The sum and the subquery keep a database from beginning with the images, which most workloads may run.
        is_image = exists().where(image.c.id == runs.c.image + 0, images).correlate(runs)
        for exposure in range(highest if after is None else after[0], -1, -1):
            if len(rows) <= limit:
                condition = and_(runs.c.exposure == exposure, is_image)
                rows += _read_runs(connection, scope, condition, after, limit + 1 - len(rows))
    page, following = cut_page(
        rows, limit, "workloads", lambda row: (row.exposure, row.source, row.subject, row.container, row.image)
    )
    workloads = tuple(
        RunningWorkload(**describe_subject(row), container=row.container, digest=row.digest, exposure=row.exposure)
        for row in page
    )
    return Page(workloads, following)


def _read_runs(
    connection: Connection, scope: Scope, condition: ColumnElement[bool], after: _Run | None, limit: int
) -> list[Any]:
    """Return the containers with a condition after another one, with what belongs to them, which is read after the limit."""
    key = (runs.c.source, runs.c.subject, runs.c.container, runs.c.image)
    query = select(runs).where(condition)
    if scope.limited:
        is_subject = and_(subject.c.source == runs.c.source, subject.c.id == runs.c.subject)
        query = query.where(exists().where(is_subject, shows_subject(scope)).correlate(runs))
    elif scope.sources is not None:
        query = query.where(scope.contains(runs.c.source))
    if after is not None:
        exposure, *last = after
        later = and_(runs.c.exposure == exposure, tuple_(*key) > tuple_(*last))
        query = query.where(or_(runs.c.exposure < exposure, later))
    page = query.order_by(runs.c.exposure.desc(), *key).limit(limit).subquery()
    described = (
        select(page, *SUBJECT_COLUMNS, image.c.digest)
        .join(image, image.c.id == page.c.image)
        .join(source, source.c.id == page.c.source)
        .join(subject, and_(subject.c.source == page.c.source, subject.c.id == page.c.subject))
    )
    return sorted(
        connection.execute(described),
        key=lambda row: (-row.exposure, row.source, row.subject, row.container, row.image),
    )


def is_affected(name: str) -> ColumnElement[bool]:
    """Return the condition that an image has a vulnerability."""
    number = select(definition.c.id).where(definition.c.key == name).scalar_subquery()
    table = image_finding
    return image.c.id.in_(select(table.c.image).where(table.c.definition == number, table.c.closed.is_(None)))


def load_references(connection: Connection, images: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Return the names of images by their number."""
    table = image_name
    query = select(table.c.image, table.c.reference).where(table.c.image.in_(sorted(images)))
    return _group(connection.execute(query.order_by(table.c.image, table.c.reference)))


def _load_packages(
    connection: Connection, number: ScalarSelect[int], images: Iterable[int]
) -> dict[int, tuple[tuple[str, str], ...]]:
    """Return package URLs and fixed versions of the open problems of a definition by image."""
    table = image_finding
    query = (
        select(table.c.image, package.c.purl, table.c.fixed_version)
        .join(package, package.c.id == table.c.package)
        .where(table.c.closed.is_(None), table.c.definition == number, table.c.image.in_(sorted(images)))
        .order_by(package.c.purl, table.c.fixed_version)
    )
    return _group((row.image, (row.purl, row.fixed_version)) for row in connection.execute(query))


def _group(pairs: Iterable[Any]) -> dict[int, tuple[Any, ...]]:
    """Return the second values of pairs by their first."""
    groups: dict[int, list[Any]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in groups.items()}
