"""Sources with the numbers of their findings, and the totals of a scope."""

from __future__ import annotations

import collections
import datetime as dt
import enum
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, FromClause, Select, and_, case, func, or_, select

from kubekeep.model.severity import Severity
from kubekeep_server.store.image_schema import COUNTS, image, runs, source_image
from kubekeep_server.store.numbers import DAY, to_moment
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, Page, cut_page, read_cursor
from kubekeep_server.store.queries.source_names import name_source
from kubekeep_server.store.schema import day, finding, scan, source, subject, total
from kubekeep_server.store.scopes import Scope, select_uses, shows_subject
from kubekeep_server.store.urgency import EXPOSED, SEVERITY_NAMES, count_levels


class SourceOrder(enum.StrEnum):
    """Orders of a list of sources."""

    NAME = "name"
    CRITICAL = "critical"
    LAST_SCAN = "last_scan"
    SILENT = "silent"
    """The one whose last scan is the longest ago first."""


class SourceFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of a list of sources. kind: `cluster`, `repository` or `registry`; empty for all. text: a part of the name."""

    kind: str = ""
    text: str = ""


EVERY_SOURCE: Final = SourceFilter()


class SourceRow(Document, frozen=True):
    """A source. document: its identity, as in submissions. finished: end of the last scan; None before.

    findings, vulnerabilities: numbers of open ones by level of priority; of a user who sees some namespaces only, None. images,
    unknown: in the scope of the user.
    """

    id: int
    name: str
    key: str
    branch: str
    document: msgspec.Raw
    finished: dt.datetime | None
    scans: int
    images: int
    findings: dict[str, int] | None
    vulnerabilities: dict[str, int] | None
    unknown: int


class DayRow(Document, frozen=True):
    """Findings that were opened and closed on a day (UTC), by level of priority; one that has another level is closed and opened."""

    day: dt.date
    priority: str
    opened: int
    closed: int


class Totals(Document, frozen=True):
    """Open findings and vulnerabilities of a scope by level of priority, and those of subjects that can be reached from outside."""

    sources: int
    subjects: int
    images: int
    findings: dict[str, int]
    exposed_findings: dict[str, int]
    vulnerabilities: dict[str, int]
    exposed_vulnerabilities: dict[str, int]


def list_sources(
    connection: Connection,
    scope: Scope,
    order: SourceOrder = SourceOrder.NAME,
    selection: SourceFilter = EVERY_SOURCE,
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> Page[SourceRow]:
    """Return a page of sources. Raises ValueError for a cursor of another list."""
    after: tuple[Any, int] | None = read_cursor(
        cursor, order, tuple[str, int] if order is SourceOrder.NAME else tuple[int, int]
    )
    critical = (
        select(func.coalesce(func.sum(total.c.findings), 0))
        .where(total.c.source == source.c.id, total.c.level == int(Severity.CRITICAL))
        .scalar_subquery()
    )
    # The number is of all namespaces, and the cursor has it.
    rank = case((source.c.id.in_(sorted(scope.limited)), 0), else_=-critical) if scope.limited else -critical
    key: Any = {
        SourceOrder.NAME: source.c.key,
        SourceOrder.CRITICAL: rank,
        SourceOrder.LAST_SCAN: -source.c.finished,
        SourceOrder.SILENT: source.c.finished,
    }[order]
    query = select(source, key.label("rank")).where(scope.contains(source.c.id))
    if selection.kind:
        query = query.where(source.c.key.startswith(f"{selection.kind}/", autoescape=True))
    if text := selection.text.lower():
        names = (func.lower(column).contains(text, autoescape=True) for column in (source.c.key, source.c.document))
        query = query.where(or_(*names))
    if after is not None:
        query = query.where((key > after[0]) | ((key == after[0]) & (source.c.id > after[1])))
    rows = list(connection.execute(query.order_by(key, source.c.id).limit(limit + 1)))
    page, following = cut_page(rows, limit, order, lambda row: (row.rank, row.id))
    return Page(tuple(describe_sources(connection, scope, page)), following)


def get_source(connection: Connection, scope: Scope, number: int) -> SourceRow:
    """Return a source. Raises LookupError if there is none in the scope."""
    return next(describe_sources(connection, scope, [load_source(connection, scope, number)]))


def load_source(connection: Connection, scope: Scope, number: int) -> Any:
    """Return the row of a source. Raises LookupError if it is not in the scope."""
    row = connection.execute(select(source).where(source.c.id == number, scope.contains(source.c.id))).first()
    if row is None:
        raise LookupError(f"there is no source {number}")
    return row


def count_findings(connection: Connection, scope: Scope, selected: Iterable[int] = ()) -> Totals:
    """Return the totals of a scope, or of some of its sources.

    A limited source counts for nothing but itself: its totals are of all its namespaces.
    """
    scope = scope.narrow(selected) if selected else scope
    whole = Scope(scope.whole)
    findings: collections.Counter[int] = collections.Counter()
    exposed: collections.Counter[int] = collections.Counter()
    query = select(total.c.level, total.c.exposure, func.sum(total.c.findings)).where(whole.contains(total.c.source))
    for level, exposure, count in connection.execute(query.group_by(total.c.level, total.c.exposure)):
        findings[level] += count
        exposed[level] += count if exposure >= EXPOSED else 0
    images, problems, exposed_problems = _count_problems(connection, scope)
    return Totals(
        sources=_count(connection, select(func.count()).select_from(source).where(scope.contains(source.c.id))),
        subjects=_count(
            connection,
            select(func.count())
            .select_from(subject)
            .where(scope.shows(subject.c.source, subject.c.namespace), subject.c.closed.is_(None)),
        ),
        images=images,
        findings=_name(findings),
        exposed_findings=_name(exposed),
        vulnerabilities=_name(problems),
        exposed_vulnerabilities=_name(exposed_problems),
    )


def list_days(connection: Connection, scope: Scope, since: int, selected: Iterable[int] = ()) -> tuple[DayRow, ...]:
    """Return the changes of the findings of a scope, or of some of its sources, from a day on, by day and level."""
    scope = scope.narrow(selected) if selected else scope
    query = (
        select(day.c.day, day.c.level, func.sum(day.c.opened).label("opened"), func.sum(day.c.closed).label("closed"))
        .where(Scope(scope.whole).contains(day.c.source), day.c.day >= since)
        .group_by(day.c.day, day.c.level)
        .order_by(day.c.day, day.c.level)
    )
    return tuple(
        DayRow(to_moment(row.day * DAY).date(), SEVERITY_NAMES[row.level], row.opened, row.closed)
        for row in connection.execute(query)
    )


def _count_problems(
    connection: Connection, scope: Scope
) -> tuple[int, collections.Counter[int], collections.Counter[int]]:
    """Return the number of images, and of their open problems by level: of all images, and of those that can be reached."""
    uses = select_uses(scope).subquery()
    sums = [func.sum(image.c[name]) for name in COUNTS]
    query = select(uses.c.exposure, func.count(), *sums).join(image, image.c.id == uses.c.image)
    images, problems, exposed = 0, collections.Counter[int](), collections.Counter[int]()
    for exposure, number, *counts in connection.execute(query.group_by(uses.c.exposure)):
        images += number
        levels = dict(enumerate(count_levels(exposure, counts)))
        problems.update(levels)
        exposed.update(levels if exposure >= EXPOSED else {})
    return images, problems, exposed


def _count(connection: Connection, query: Any) -> int:
    return int(connection.execute(query).scalar_one())


def _name(counts: collections.Counter[int]) -> dict[str, int]:
    return {name: counts[number] for number, name in enumerate(SEVERITY_NAMES)}


def describe_sources(connection: Connection, scope: Scope, rows: Iterable[Any]) -> Iterator[SourceRow]:
    """Yield rows of sources with their numbers in the scope."""
    rows = tuple(rows)
    numbers = [row.id for row in rows]
    findings: dict[int, collections.Counter[int]] = {number: collections.Counter() for number in numbers}
    query = select(total.c.source, total.c.level, func.sum(total.c.findings)).where(total.c.source.in_(numbers))
    for number, level, count in connection.execute(query.group_by(total.c.source, total.c.level)):
        findings[number][level] = count
    vulnerabilities = _count_vulnerabilities(connection, numbers)
    scans = _count_by_source(connection, scan.c.source, numbers)
    limited = sorted(scope.limited.keys() & set(numbers))
    images = {number: counts[0] for number, counts in vulnerabilities.items()} | _count_shown(
        connection, scope, limited, select(runs.c.source, func.count(runs.c.image.distinct())), runs
    )
    is_unknown = (finding.c.closed.is_(None), finding.c.unknown_since.is_not(None))
    unknown = _count_by_source(connection, finding.c.source, numbers, *is_unknown) | _count_shown(
        connection, scope, limited, select(finding.c.source, func.count()).where(*is_unknown), finding
    )
    for row in rows:
        is_limited = row.id in scope.limited
        counts = vulnerabilities.get(row.id, (0, *(0 for _ in SEVERITY_NAMES)))[1:]
        yield SourceRow(
            row.id,
            name_source(row.document),
            row.key,
            row.branch,
            msgspec.Raw(row.document.encode()),
            to_moment(row.finished) if row.finished else None,
            scans.get(row.id, 0),
            images.get(row.id, 0),
            None if is_limited else _name(findings[row.id]),
            None if is_limited else dict(zip(SEVERITY_NAMES, counts, strict=True)),
            unknown.get(row.id, 0),
        )


def _count_shown(
    connection: Connection, scope: Scope, limited: Sequence[int], query: Select[Any], table: FromClause
) -> dict[int, int]:
    """Return the numbers of rows of subjects in the scope, by source that is limited to namespaces."""
    if not limited:
        return {}
    is_subject = and_(subject.c.source == table.c.source, subject.c.id == table.c.subject)
    shown = query.join(subject, is_subject).where(table.c.source.in_(limited), shows_subject(scope))
    counts: dict[int, int] = dict(connection.execute(shown.group_by(table.c.source)).all())
    return {number: counts.get(number, 0) for number in limited}


def _count_by_source(connection: Connection, column: Any, numbers: Iterable[int], *conditions: Any) -> dict[int, int]:
    query = select(column, func.count()).where(column.in_(numbers), *conditions).group_by(column)
    return dict(connection.execute(query).all())


def _count_vulnerabilities(connection: Connection, numbers: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """Return the number of images, and of their open problems by level, by source."""
    exposure = source_image.c.exposure
    query = (
        select(source_image.c.source, exposure, func.count(), *(func.sum(image.c[name]) for name in COUNTS))
        .join(image, image.c.id == source_image.c.image)
        .where(source_image.c.source.in_(numbers))
        .group_by(source_image.c.source, exposure)
    )
    counts: dict[int, tuple[int, ...]] = {}
    for number, reach, images, *by_urgency in connection.execute(query):
        known = counts.get(number, (0,) * (len(SEVERITY_NAMES) + 1))
        counts[number] = tuple(map(operator.add, known, (images, *count_levels(reach, by_urgency))))
    return counts
