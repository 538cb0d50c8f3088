"""Lists of the vulnerabilities of images by priority, severity, EPSS, images or age. Reads no row per workload or problem.

The problems of the images of a scope are summed by definition. Then classes of definitions are sorted one after the other,
such as those of an urgency, until a page is full.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select, union_all

from kubekeep.model.server_results import VulnerabilityResult
from kubekeep.model.submission import DefinitionEntry
from kubekeep_server.store.batches import is_key, select_by_keys, split
from kubekeep_server.store.image_schema import image_finding, package
from kubekeep_server.store.numbers import to_moment
from kubekeep_server.store.queries.affected import VULNERABILITY
from kubekeep_server.store.queries.definitions import contains_text, has_severity, read_levels
from kubekeep_server.store.queries.image_problems import ScopeProblems, Summary
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Page, read_cursor, write_cursor
from kubekeep_server.store.schema import definition
from kubekeep_server.store.scopes import Scope
from kubekeep_server.store.urgency import EPSS_LIMITS, EXPOSED, LEVELS, PAIRS, SEVERITIES, SEVERITY_NAMES

_Key = tuple[float, float, int]
"""Position in an order: two ranks, the lowest first, and the number of the definition."""
_SORTED_AT_ONCE: Final = 2_000
"""Definitions that are read by their numbers and sorted; of more, those of one class after the other are."""
_IMAGES_OF_A_ROW: Final = 20
_DEFINITIONS_OF_A_QUERY: Final = 50


class VulnerabilityOrder(enum.StrEnum):
    """Orders of a list of vulnerabilities."""

    PRIORITY = "priority"
    SEVERITY = "severity"
    EPSS = "epss"
    IMAGES = "images"
    NEWEST = "newest"


class VulnerabilityFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of a list of vulnerabilities; an empty one selects all.

    sources: numbers. priorities: names of levels, `critical`. severities: of the vulnerabilities. text: a part of the identifier, an alias or the title. is_exploited: True for
    those in CISA's catalogue. is_exposed: True for those of workloads that can be reached. is_fixable: True for those with a
    fixed version.
    """

    sources: tuple[int, ...] = ()
    priorities: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    text: str = ""
    is_exploited: bool | None = None
    is_exposed: bool | None = None
    is_fixable: bool | None = None


class VulnerabilityRow(VulnerabilityResult, frozen=True):
    """A vulnerability in a list. images: those of the scope that have it. exposure: the highest of its images.

    priority: level in the image where it is most urgent. packages, fixed_versions: in the first 20 images with it. opened: the time at which the first image had it.
    """


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
    problems = ScopeProblems(connection, scope)
    summaries = problems.sum_definitions()
    if selection.is_exposed is not None or selection.is_fixable is not None:
        summaries = {number: summary for number, summary in summaries.items() if _is_selected(summary, selection)}
    keys = _Ranking(connection, selection, summaries, order).list_keys(after)
    page = list(itertools.islice(keys, limit + 1))
    following = write_cursor(order, page[limit - 1]) if len(page) > limit else ""
    return Page(tuple(_describe(connection, problems, [summaries[key[-1]] for key in page[:limit]])), following)


class _Ranking:
    """The order of the selected definitions of a scope."""

    def __init__(
        self,
        connection: Connection,
        selection: VulnerabilityFilter,
        summaries: dict[int, Summary],
        order: VulnerabilityOrder,
    ) -> None:
        self._connection = connection
        self._conditions = list(_list_conditions(selection))
        self._levels = read_levels(selection.priorities)
        self._summaries = summaries
        self._order = order

    def list_keys(self, after: _Key | None) -> Iterator[_Key]:
        """Yield the positions of the definitions after a position."""
        for keys in self._list_classes(after):
            yield from sorted(key for key in keys if after is None or key > after)

    def _list_classes(self, after: _Key | None) -> Iterator[Iterable[_Key]]:
        """Yield groups of positions, each after those of the groups before. Those before the position may be missing."""
        if len(self._summaries) <= _SORTED_AT_ONCE:
            yield self._load(self._summaries)
            return
        first = -float("inf") if after is None else after[0]
        match self._order:
            case VulnerabilityOrder.PRIORITY:
                yield from self._list_pairs(first)
            case VulnerabilityOrder.SEVERITY:
                for level in reversed(range(len(SEVERITIES))):
                    if -level >= first:
                        yield self._read(definition.c.severity == level)
            case VulnerabilityOrder.EPSS:
                for above, lowest in itertools.pairwise((1.0, *reversed(EPSS_LIMITS), 0.0)):
                    yield self._read(*_has_likelihood(above, lowest))
            case VulnerabilityOrder.IMAGES:
                yield from self._list_parts(lambda summary: -summary.images, first)
            case VulnerabilityOrder.NEWEST:
                yield from self._list_parts(lambda summary: -summary.opened, first)

    def _list_pairs(self, first: float) -> Iterator[Iterable[_Key]]:
        """Yield the definitions of each pair of exposure and urgency, from the one with a rank on."""
        by_urgency: dict[int, list[_Key]] = {}
        for rank, (exposure, urgency) in enumerate(PAIRS):
            if rank >= first and (not self._levels or LEVELS[exposure][urgency] in self._levels):
                if urgency not in by_urgency:
                    by_urgency[urgency] = list(self._read(definition.c.urgency == urgency))
                yield [key for key in by_urgency[urgency] if key[0] == rank]

    def _list_parts(self, value: Callable[[Summary], int], first: float) -> Iterator[Iterable[_Key]]:
        """Yield the definitions by a value of their summaries, several values at a time."""
        numbers: list[int] = []
        ranked = sorted((summary for summary in self._summaries.values() if value(summary) >= first), key=value)
        for _, group in itertools.groupby(ranked, value):
            numbers += [summary.definition for summary in group]
            if len(numbers) >= _SORTED_AT_ONCE:
                yield self._load(numbers)
                numbers = []
        yield self._load(numbers)

    def _load(self, numbers: Iterable[int]) -> Iterator[_Key]:
        """Yield the positions of definitions by their numbers."""
        query = _select_ratings(*self._conditions, is_key(definition.c.id))
        return self._locate_selected(select_by_keys(self._connection, query, numbers))

    def _read(self, *conditions: ColumnElement[bool]) -> Iterator[_Key]:
        """Yield the positions of the definitions of a class."""
        rows = self._connection.execute(_select_ratings(*self._conditions, *conditions))
        return self._locate_selected(row for row in rows if row.id in self._summaries)

    def _locate_selected(self, rows: Iterable[Any]) -> Iterator[_Key]:
        """Yield the positions of the definitions with a selected priority."""
        for row in rows:
            if not self._levels or LEVELS[self._summaries[row.id].exposure][row.urgency] in self._levels:
                yield self._locate(row)

    def _locate(self, row: Any) -> _Key:
        summary, likelihood = self._summaries[row.id], -(row.epss or 0.0)
        match self._order:
            case VulnerabilityOrder.PRIORITY:
                return _RANKS[summary.exposure, row.urgency], likelihood, row.id
            case VulnerabilityOrder.SEVERITY:
                return -row.severity, likelihood, row.id
            case VulnerabilityOrder.EPSS:
                return likelihood, -row.severity, row.id
            case VulnerabilityOrder.IMAGES:
                return -summary.images, -row.severity, row.id
            case VulnerabilityOrder.NEWEST:
                return -summary.opened, -row.severity, row.id


_RANKS: Final = {pair: rank for rank, pair in enumerate(PAIRS)}


def _has_likelihood(above: float, lowest: float) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of the definitions of a bucket of EPSS; those without EPSS are in the last one."""
    likelihood = func.coalesce(definition.c.epss, 0.0)
    yield likelihood >= lowest
    if above < 1.0:
        yield likelihood < above


def _select_ratings(*conditions: ColumnElement[bool]) -> Any:
    columns = (definition.c.id, definition.c.urgency, definition.c.severity, definition.c.epss)
    return select(*columns).where(definition.c.kind == VULNERABILITY, *conditions)


def _list_conditions(selection: VulnerabilityFilter) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of a filter on definitions."""
    if selection.severities:
        yield has_severity(selection.severities)
    if selection.is_exploited is not None:
        yield definition.c.is_exploited == selection.is_exploited
    if selection.text:
        yield contains_text(selection.text)


def _is_selected(summary: Summary, selection: VulnerabilityFilter) -> bool:
    return selection.is_exposed in (None, summary.exposure >= EXPOSED) and selection.is_fixable in (
        None,
        summary.is_fixable,
    )


def _load_packages(connection: Connection, pairs: Iterable[tuple[int, int]]) -> dict[int, list[tuple[str, str]]]:
    """Return the package URLs and fixed versions of problems by definition. pairs: definition and image."""
    table = image_finding
    images: dict[int, list[int]] = {}
    for number, image in pairs:
        images.setdefault(number, []).append(image)
    groups: dict[int, set[tuple[str, str]]] = {}
    for numbers in split(images, _DEFINITIONS_OF_A_QUERY):
        # One part for each definition: SQLite reads the whole index for a list of pairs, also for one in a table.
        parts = [
            select(table.c.definition, package.c.purl, table.c.fixed_version)
            .join(package, package.c.id == table.c.package)
            .where(table.c.definition == number, table.c.image.in_(images[number]))
            .where(table.c.closed.is_(None), ~table.c.is_suppressed)
            for number in numbers
        ]
        query = union_all(*parts)
        for number, purl, version in connection.execute(query):
            groups.setdefault(number, set()).add((purl, version))
    return {number: sorted(group) for number, group in groups.items()}


def _describe(
    connection: Connection, problems: ScopeProblems, summaries: Iterable[Summary]
) -> Iterator[VulnerabilityRow]:
    summaries = tuple(summaries)
    numbers = [summary.definition for summary in summaries]
    query = select(definition).where(is_key(definition.c.id))
    rows = {row.id: row for row in select_by_keys(connection, query, numbers)}
    packages = _load_packages(connection, problems.list_images(numbers, _IMAGES_OF_A_ROW))
    for summary in summaries:
        row, affected = rows[summary.definition], packages.get(summary.definition, [])
        document = msgspec.json.decode(row.document, type=DefinitionEntry)
        yield VulnerabilityRow(
            id=document.id,
            title=document.title,
            priority=SEVERITY_NAMES[LEVELS[summary.exposure][row.urgency]],
            severity=SEVERITY_NAMES[row.severity],
            epss=row.epss,
            is_exploited=row.is_exploited,
            urgency=row.urgency,
            exposure=summary.exposure,
            images=summary.images,
            packages=tuple(dict.fromkeys(purl for purl, _ in affected if purl)),
            fixed_versions=tuple(dict.fromkeys(fixed for _, fixed in affected if fixed)),
            opened=to_moment(summary.opened),
        )
