"""Vulnerabilities of images: lists by priority, severity, EPSS or reach, and the images and workloads with one of them.

Reads the problems of images, and never a row per workload: a workload has the vulnerabilities of the images that it runs.
"""

from __future__ import annotations

import datetime as dt
import enum
import operator
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, tuple_

from kubekeep.model.severity import Severity
from kubekeep.model.submission import DefinitionEntry
from kubekeep_server.store.image_schema import image, image_finding, image_name, package, runs, source_image
from kubekeep_server.store.numbers import format_key, to_moment
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, Page, cut_page, read_cursor
from kubekeep_server.store.schema import definition, source, subject
from kubekeep_server.store.scopes import Scope, shows_image, shows_subject
from kubekeep_server.store.urgency import EXPOSED, PAIRS

VULNERABILITY: Final = "vulnerability"


class VulnerabilityOrder(enum.StrEnum):
    """Orders of a list of vulnerabilities."""

    PRIORITY = "priority"
    SEVERITY = "severity"
    EPSS = "epss"
    IMAGES = "images"
    NEWEST = "newest"


class VulnerabilityFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of a list of vulnerabilities; an empty one selects all.

    sources: numbers. severities: names, `critical`. text: a part of its definition, such as the identifier or title. is_exploited: True for those in
    CISA's catalogue. is_exposed: True for those of workloads that can be reached. is_fixable: True for those with a fixed version.
    """

    sources: tuple[int, ...] = ()
    severities: tuple[str, ...] = ()
    text: str = ""
    is_exploited: bool | None = None
    is_exposed: bool | None = None
    is_fixable: bool | None = None


class VulnerabilityRow(Document, frozen=True):
    """A vulnerability in a list. images: those of the scope that have it. exposure: the highest of its images.

    fixed_versions: of the packages with one. opened: the time at which the first image had it.
    """

    id: str
    title: str
    severity: str
    epss: float | None
    is_exploited: bool
    urgency: int
    exposure: int
    images: int
    packages: tuple[str, ...]
    fixed_versions: tuple[str, ...]
    opened: dt.datetime


class VulnerablePackage(Document, frozen=True):
    """A package with a vulnerability. purl: package URL. fixed_version: empty without one."""

    purl: str
    fixed_version: str


class AffectedImage(Document, frozen=True):
    """An image with a vulnerability, and the packages with it."""

    digest: str
    references: tuple[str, ...]
    exposure: int
    workloads: int
    packages: tuple[VulnerablePackage, ...]
    opened: dt.datetime


class RunningWorkload(Document, frozen=True):
    """A container of a workload that runs an image. source: number."""

    source: int
    source_key: str
    branch: str
    subject: str
    kind: str
    namespace: str
    name: str
    container: str
    digest: str
    exposure: int


class _Summary(NamedTuple):
    """The open problems of one definition in the images of a scope."""

    number: int
    exposure: int
    images: int
    opened: int
    is_fixable: bool


def list_vulnerabilities(
    connection: Connection,
    scope: Scope,
    selection: VulnerabilityFilter,
    order: VulnerabilityOrder = VulnerabilityOrder.PRIORITY,
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> Page[VulnerabilityRow]:
    """Return a page of vulnerabilities. Raises ValueError for a cursor of another list."""
    if selection.sources:
        scope = scope.narrow(selection.sources)
    after = read_cursor(cursor, order, tuple[float, float, int])
    definitions = _load_definitions(connection, selection)
    ranked = []
    for summary in _summarise(connection, scope, definitions):
        if not _is_selected(summary, selection):
            continue
        key = (*_rank(order, summary, definitions[summary.number]), summary.number)
        if after is None or key > after:
            ranked.append((key, summary))
    ranked.sort(key=lambda pair: pair[0])
    page, following = cut_page(ranked, limit, order, operator.itemgetter(0))
    numbers = [summary.number for _, summary in page]
    selected = (image_finding.c.definition.in_(sorted(numbers)), shows_image(scope))
    packages = _load_packages(connection, image_finding.c.definition, *selected)
    rows = tuple(
        _describe(definitions[summary.number], summary, packages.get(summary.number, ())) for _, summary in page
    )
    return Page(rows, following)


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
    table = image_finding
    query = (
        select(image.c.id, image.c.digest, image.c.exposure, func.min(table.c.opened).label("opened"))
        .join(image, image.c.id == table.c.image)
        .where(table.c.definition == number, table.c.closed.is_(None), shows_image(scope))
        .group_by(image.c.id, image.c.digest, image.c.exposure)
    )
    if after is not None:
        exposure, last = after
        query = query.where(or_(image.c.exposure < exposure, and_(image.c.exposure == exposure, image.c.id > last)))
    rows = list(connection.execute(query.order_by(image.c.exposure.desc(), image.c.id).limit(limit + 1)))
    page, following = cut_page(rows, limit, "images", lambda row: (row.exposure, row.id))
    numbers = [row.id for row in page]
    packages = _load_packages(
        connection, table.c.image, table.c.definition == number, table.c.image.in_(sorted(numbers))
    )
    references, workloads = load_references(connection, numbers), _count_workloads(connection, scope, numbers)
    images = tuple(
        AffectedImage(
            row.digest,
            references.get(row.id, ()),
            row.exposure,
            workloads.get(row.id, 0),
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
    key = (runs.c.source, runs.c.subject, runs.c.container, runs.c.image)
    query = (
        select(runs, source.c.key, source.c.branch, subject.c.kind, subject.c.namespace, subject.c.name, image.c.digest)
        .join(image, image.c.id == runs.c.image)
        .join(source, source.c.id == runs.c.source)
        .join(subject, and_(subject.c.source == runs.c.source, subject.c.id == runs.c.subject))
        .where(images, scope.contains(runs.c.source), shows_subject(scope))
    )
    if after is not None:
        exposure, *last = after
        later = and_(runs.c.exposure == exposure, tuple_(*key) > tuple_(*last))
        query = query.where(or_(runs.c.exposure < exposure, later))
    rows = list(connection.execute(query.order_by(runs.c.exposure.desc(), *key).limit(limit + 1)))
    page, following = cut_page(
        rows, limit, "workloads", lambda row: (row.exposure, row.source, row.subject, row.container, row.image)
    )
    workloads = tuple(
        RunningWorkload(
            row.source,
            row.key,
            row.branch,
            format_key(row.subject),
            row.kind,
            row.namespace,
            row.name,
            row.container,
            row.digest,
            row.exposure,
        )
        for row in page
    )
    return Page(workloads, following)


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


def _load_definitions(connection: Connection, selection: VulnerabilityFilter) -> dict[int, Any]:
    """Return the selected vulnerabilities by their number."""
    query = select(definition).where(definition.c.kind == VULNERABILITY)
    if selection.severities:
        query = query.where(definition.c.severity.in_([int(Severity.parse(name)) for name in selection.severities]))
    if selection.is_exploited is not None:
        query = query.where(definition.c.is_exploited == selection.is_exploited)
    if selection.text:
        query = query.where(func.lower(definition.c.document).contains(selection.text.lower(), autoescape=True))
    return {row.id: row for row in connection.execute(query)}


def _summarise(connection: Connection, scope: Scope, definitions: Iterable[int]) -> Iterator[_Summary]:
    """Yield what the images of a scope have of each definition."""
    table, selected = image_finding, frozenset(definitions)
    if not selected:
        return
    # Several sources have an image: each is joined once, with the highest exposure.
    used = select(image.c.id.label("image"), image.c.exposure).where(shows_image(scope)).cte("images")
    if scope.sources is not None:
        in_sources = source_image.c.source.in_(sorted(scope.sources))
        highest = select(source_image.c.image, func.max(source_image.c.exposure).label("exposure")).where(in_sources)
        if scope.limited:
            highest = highest.where(source_image.c.image.in_(select(used.c.image)))
        used = highest.group_by(source_image.c.image).cte("reach")
    query = (
        select(
            table.c.definition,
            func.max(used.c.exposure).label("exposure"),
            func.count(table.c.image.distinct()).label("images"),
            func.min(table.c.opened).label("opened"),
            func.max(table.c.fixed_version).label("fixed"),
        )
        .join(used, used.c.image == table.c.image)
        .where(table.c.closed.is_(None), ~table.c.is_suppressed)
    )
    for row in connection.execute(query.group_by(table.c.definition)):
        if row.definition in selected:
            yield _Summary(row.definition, row.exposure, row.images, row.opened, bool(row.fixed))


def _is_selected(summary: _Summary, selection: VulnerabilityFilter) -> bool:
    return selection.is_exposed in (None, summary.exposure >= EXPOSED) and selection.is_fixable in (
        None,
        summary.is_fixable,
    )


_RANKS: Final = {pair: rank for rank, pair in enumerate(PAIRS)}


def _rank(order: VulnerabilityOrder, summary: _Summary, row: Any) -> tuple[float, float]:
    """Return the sort key of a vulnerability in an order, the first one the lowest."""
    likelihood = -(row.epss or 0.0)
    match order:
        case VulnerabilityOrder.PRIORITY:
            return _RANKS[summary.exposure, row.urgency], likelihood
        case VulnerabilityOrder.SEVERITY:
            return -row.severity, likelihood
        case VulnerabilityOrder.EPSS:
            return likelihood, -row.severity
        case VulnerabilityOrder.IMAGES:
            return -summary.images, -row.severity
        case VulnerabilityOrder.NEWEST:
            return -summary.opened, -row.severity


def _load_packages(
    connection: Connection, key: ColumnElement[int], *conditions: ColumnElement[bool]
) -> dict[int, tuple[tuple[str, str], ...]]:
    """Return package URLs and fixed versions of open problems. key: the column of `image_finding` by which they are grouped."""
    table = image_finding
    query = (
        select(key, package.c.purl, table.c.fixed_version)
        .join(package, package.c.id == table.c.package)
        .join(image, image.c.id == table.c.image)
        .where(table.c.closed.is_(None), *conditions)
        .distinct()
        .order_by(package.c.purl, table.c.fixed_version)
    )
    return _group((number, (purl, fixed)) for number, purl, fixed in connection.execute(query))


def _group(pairs: Iterable[Any]) -> dict[int, tuple[Any, ...]]:
    """Return the second values of pairs by their first."""
    groups: dict[int, list[Any]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in groups.items()}


def _count_workloads(connection: Connection, scope: Scope, images: Iterable[int]) -> dict[int, int]:
    pairs = (
        select(runs.c.image, runs.c.source, runs.c.subject)
        .join(subject, and_(subject.c.source == runs.c.source, subject.c.id == runs.c.subject))
        .where(runs.c.image.in_(sorted(images)), scope.contains(runs.c.source), shows_subject(scope))
        .distinct()
        .subquery()
    )
    return dict(connection.execute(select(pairs.c.image, func.count()).group_by(pairs.c.image)).all())


def _describe(row: Any, summary: _Summary, packages: Iterable[tuple[str, str]]) -> VulnerabilityRow:
    document = msgspec.json.decode(row.document, type=DefinitionEntry)
    purls = tuple(dict.fromkeys(purl for purl, _ in packages if purl))
    return VulnerabilityRow(
        id=document.id,
        title=document.title,
        severity=Severity(row.severity).name.lower(),
        epss=row.epss,
        is_exploited=row.is_exploited,
        urgency=row.urgency,
        exposure=summary.exposure,
        images=summary.images,
        packages=purls,
        fixed_versions=tuple(dict.fromkeys(fixed for _, fixed in packages if fixed)),
        opened=to_moment(summary.opened),
    )
