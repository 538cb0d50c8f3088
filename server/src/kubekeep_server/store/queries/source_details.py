"""Parts of one source: coverage of its last scan, namespaces, and the branches of a repository."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, and_, case, func, select, tuple_

from kubekeep.model.finding_document import EvidenceLocation
from kubekeep.model.submission import ANY, GapEntry, HiddenObjects
from kubekeep_server.store.coverage import load_coverage
from kubekeep_server.store.evaluations import load_evaluation, may_hide
from kubekeep_server.store.finding_context import EXPOSED_CONTEXT, get_level
from kubekeep_server.store.queries.comparison import count_changes, load_urgencies
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, Page, cut_page, read_cursor
from kubekeep_server.store.queries.sources import SourceRow, describe_sources, load_source
from kubekeep_server.store.schema import IS_SUBJECT, finding, source, subject
from kubekeep_server.store.scopes import Scope, shows_subject
from kubekeep_server.store.urgency import SEVERITY_NAMES

_DEFAULT_BRANCHES: Final = ("main", "master", "trunk")
_IMAGE: Final = "Image"
"""The kind of subjects that are images."""
MOST_BRANCHES: Final = 20
"""Branches of a page, each of which is compared with the default one."""


class CoverageGap(Document, frozen=True):
    """A part of the source that was not read, or a control that was evaluated on nothing.

    definition: key of the control. next_step: a missing permission, or an instruction. hides: the objects that were not seen, in words. unknown: findings that
    the last scan could not see because of it.
    """

    message: str
    definition: str
    next_step: str
    location: str
    hides: str
    unknown: int


class SourceCoverage(Document, frozen=True):
    """Coverage of the last scan. definitions: number of controls. is_partial: it left subjects out, such as files that have not changed.

    gaps: the first 1,000. gap_count: the number of all.
    """

    kubekeep: str
    kubernetes: str
    definitions: int
    include_namespaces: tuple[str, ...]
    exclude_namespaces: tuple[str, ...]
    is_partial: bool
    gaps: tuple[CoverageGap, ...]
    gap_count: int


class NamespaceRow(Document, frozen=True):
    """A namespace of a source; empty for what has none. findings: open ones by level of priority, without those that are covered."""

    namespace: str
    subjects: int
    findings: dict[str, int]
    exposed_findings: int


class BranchRow(SourceRow, frozen=True):
    """A branch of a repository. is_default: the others are compared with it.

    changes: numbers of findings that are new, gone, in both and not comparable; None for the default branch, and for too many findings.
    """

    is_default: bool
    changes: dict[str, int] | None


def get_source_coverage(connection: Connection, scope: Scope, number: int) -> SourceCoverage | None:
    """Return what the last scan of a source evaluated; None if it is not stored. Raises LookupError.

    Gaps name objects of all namespaces: who sees only some of them sees none.
    """
    query = select(source.c.scan).where(source.c.id == number)
    last = connection.execute(query).scalar() if scope.has_whole(number) else None
    if last is None:
        raise LookupError(f"there is no source {number} whose namespaces are all in the scope")
    known = load_evaluation(connection, number, last)
    if known is None:
        return None
    unknown = _count_unknown(connection, number) if known.gaps else collections.Counter()
    return SourceCoverage(
        known.versions.kubekeep,
        known.versions.kubernetes,
        len(known.scope.definitions),
        known.scope.include_namespaces,
        known.scope.exclude_namespaces,
        known.scope.is_partial,
        tuple(_describe_gap(gap, unknown) for gap in known.gaps),
        known.gap_count,
    )


def list_namespaces(
    connection: Connection, scope: Scope, number: int, cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[NamespaceRow]:
    """Return a page of the namespaces of a source by name. Raises LookupError if the source is not in the scope."""
    load_source(connection, scope, number)
    after = read_cursor(cursor, "namespaces", tuple[str])
    table = subject
    is_image = and_(table.c.kind == _IMAGE, table.c.namespace == "")
    query = (
        select(table.c.namespace, func.count().label("subjects"))
        .where(table.c.source == number, table.c.closed.is_(None), ~is_image, shows_subject(scope))
        .group_by(table.c.namespace)
        .order_by(table.c.namespace)
    )
    if after is not None:
        query = query.where(table.c.namespace > after[0])
    rows = connection.execute(query.limit(limit + 1)).all()
    page, following = cut_page(rows, limit, "namespaces", lambda row: (row.namespace,))
    counts = _count_findings(connection, number, [row.namespace for row in page])
    return Page(tuple(_describe_namespaces(page, counts)), following)


def list_branches(
    connection: Connection, scope: Scope, number: int, cursor: str = "", limit: int = MOST_BRANCHES
) -> Page[BranchRow]:
    """Return a page of the branches of the repository of a source: the default one first, then those with the last scans.

    Raises LookupError if the source is not in the scope.
    """
    key = load_source(connection, scope, number).key
    after = read_cursor(cursor, "branches", tuple[int, int, int])
    rank = case(
        {name: position for position, name in enumerate(_DEFAULT_BRANCHES)},
        value=source.c.branch,
        else_=len(_DEFAULT_BRANCHES),
    )
    order = (rank, -source.c.finished, source.c.id)
    query = select(source, rank.label("rank")).where(source.c.key == key, scope.contains(source.c.id)).order_by(*order)
    first = connection.execute(query.limit(1)).one()
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(*after))
    rows = connection.execute(query.limit(limit + 1)).all()
    page, following = cut_page(rows, limit, "branches", lambda row: (row.rank, -row.finished, row.id))
    default = first.id if first.rank < len(_DEFAULT_BRANCHES) else None
    others = [row.id for row in page if row.id != default]
    changes = {} if default is None else count_changes(connection, scope, default, others)
    branches = (
        BranchRow(**msgspec.structs.asdict(row), is_default=row.id == default, changes=changes.get(row.id))
        for row in describe_sources(connection, scope, page)
    )
    return Page(tuple(branches), following)


def _count_unknown(connection: Connection, number: int) -> collections.Counter[tuple[str, str, str]]:
    """Return the numbers of findings that the last scan could not see, by kind, namespace and name of the subject."""
    table = finding
    query = (
        select(subject.c.kind, subject.c.namespace, subject.c.name, func.count())
        .join(subject, IS_SUBJECT)
        .where(table.c.source == number, table.c.closed.is_(None), table.c.unknown_since.is_not(None))
        .group_by(subject.c.kind, subject.c.namespace, subject.c.name)
    )
    return collections.Counter({tuple(key): count for *key, count in connection.execute(query)})


def _describe_gap(gap: GapEntry, unknown: collections.Counter[tuple[str, str, str]]) -> CoverageGap:
    hides = gap.hides
    hidden = 0
    if hides is not None and not hides.origin:
        hidden = sum(count for key, count in unknown.items() if may_hide(hides, *key))
    return CoverageGap(
        gap.message, gap.definition, gap.next_step, _name_location(gap.location), _name_objects(hides), hidden
    )


def _name_location(location: EvidenceLocation | None) -> str:
    if location is None:
        return ""
    return f"{location.file}:{location.line}" if location.line else location.file


def _name_objects(hides: HiddenObjects | None) -> str:
    """Return hidden objects in words, such as `all Secrets of the namespace shop`."""
    if hides is None:
        return ""
    if hides.name:
        return f"{hides.kind} {'/'.join(filter(None, (hides.namespace, hides.name)))}"
    objects = "all objects" if hides.kind == ANY else f"all objects of the kind {hides.kind}"
    where = f" of the namespace {hides.namespace}" if hides.namespace else ""
    return f"{objects}{where}{f' from {hides.origin}' if hides.origin else ''}"


def _count_findings(
    connection: Connection, number: int, namespaces: Iterable[str]
) -> dict[str, tuple[collections.Counter[int], int]]:
    """Return the numbers of open findings by namespace: by level, and of those that can be reached."""
    table, coverage = finding, load_coverage(connection)
    is_shown = (subject.c.source == number, subject.c.namespace.in_(sorted(namespaces)))
    shown = dict(connection.execute(select(subject.c.id, subject.c.namespace).where(*is_shown)).all())
    is_counted = (table.c.closed.is_(None), ~table.c.is_suppressed, *coverage.list_conditions())
    query = select(table.c.subject, table.c.definition, table.c.context).where(table.c.source == number, *is_counted)
    # Joined here: a database would read the subject and the definition of each finding.
    numbers = collections.Counter(
        (shown[row[0]], row[1], row[2]) for row in connection.execute(query).all() if row[0] in shown
    )
    urgencies = load_urgencies(connection, {key[1] for key in numbers})
    counts: dict[str, tuple[collections.Counter[int], int]] = {}
    for (namespace, key, context), count in numbers.items():
        levels, exposed = counts.get(namespace, (collections.Counter(), 0))
        levels[get_level(context, urgencies[key])] += count
        counts[namespace] = levels, exposed + (count if context >= EXPOSED_CONTEXT else 0)
    return counts


def _describe_namespaces(
    rows: Iterable[Any], counts: dict[str, tuple[collections.Counter[int], int]]
) -> Iterator[NamespaceRow]:
    for row in rows:
        levels, exposed = counts.get(row.namespace, (collections.Counter(), 0))
        named = {name: levels[number] for number, name in enumerate(SEVERITY_NAMES)}
        yield NamespaceRow(row.namespace, row.subjects, named, exposed)
