"""Lists of findings by priority, severity or age.

An order by priority or severity has steps: an exposure with the definitions of one class, the most urgent first. Each step reads
from an index, so that a page costs no more for many findings than for few. Findings of selected namespaces or subjects are few,
and are read at once.
"""

from __future__ import annotations

import datetime as dt
import enum
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, case, func, or_, select, tuple_

from kubekeep.model.severity import Severity
from kubekeep_server.store.numbers import format_key, to_moment
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, Page, read_cursor, write_cursor
from kubekeep_server.store.queries.source_names import name_source
from kubekeep_server.store.schema import definition, finding, source, subject, total
from kubekeep_server.store.scopes import EVERYTHING, Scope, shows_subject
from kubekeep_server.store.urgency import EXPOSED, EXPOSURES, PAIRS, SEVERITIES, URGENCIES

_FEW_SOURCES: Final = 20
"""Sources whose findings are read at once, and sorted: fewer rows than an index of all sources would visit."""


class FindingOrder(enum.StrEnum):
    """Orders of a list of findings."""

    PRIORITY = "priority"
    SEVERITY = "severity"
    OLDEST = "oldest"
    NEWEST = "newest"


class FindingState(enum.StrEnum):
    """States of open findings."""

    OPEN = "open"
    SUPPRESSED = "suppressed"
    UNKNOWN = "unknown"


class FindingFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of a list of findings; an empty one selects all.

    sources: numbers. definitions: keys. severities: names, `critical`. kinds: of subjects. is_exposed: True for subjects that
    can be reached from outside their cluster.
    """

    sources: tuple[int, ...] = ()
    namespaces: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    definitions: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    state: FindingState = FindingState.OPEN
    is_exposed: bool | None = None


class FindingRow(Document, frozen=True):
    """A finding in a list. source: number. subject, fingerprint: 16 hexadecimal digits."""

    source: int
    source_name: str
    source_key: str
    branch: str
    subject: str
    kind: str
    namespace: str
    name: str
    definition: str
    title: str
    severity: str
    exposure: int
    urgency: int
    fingerprint: str
    opened: dt.datetime
    unknown_since: dt.datetime | None
    is_suppressed: bool


class _Step(NamedTuple):
    exposure: int
    definitions: tuple[int, ...]


class _Position(NamedTuple):
    """Position of the last row of a page. step: 0 for orders by age."""

    step: int
    definition: int
    opened: int
    source: int
    subject: int
    fingerprint: int


_CLASSES: Final = max(URGENCIES, SEVERITIES)
_ROW: Final = (finding.c.source, finding.c.subject, finding.c.fingerprint)
_KEY: Final = (finding.c.opened, finding.c.source, finding.c.subject, finding.c.fingerprint)


class _Order(NamedTuple):
    """An order of rows: columns of a query, and the same key of a row."""

    columns: tuple[Any, ...]
    key: Callable[[Any], Any]


_BY_DEFINITION: Final = _Order(
    (finding.c.definition, finding.c.opened.desc(), *_KEY[1:]),
    lambda row: (row.definition, -row.opened, row.source, row.subject, row.fingerprint),
)
_OLDEST: Final = _Order(_KEY, lambda row: (row.opened, row.source, row.subject, row.fingerprint))
_NEWEST: Final = _Order(
    tuple(column.desc() for column in _KEY),
    lambda row: (-row.opened, -row.source, -row.subject, -row.fingerprint),
)


def list_findings(
    connection: Connection,
    scope: Scope,
    selection: FindingFilter,
    order: FindingOrder = FindingOrder.PRIORITY,
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> Page[FindingRow]:
    """Return a page of findings. Raises ValueError for a cursor of another list."""
    position = read_cursor(cursor, order, _Position)
    if selection.sources:
        scope = scope.narrow(selection.sources)
    query = _Query(connection, scope, selection)
    if order in (FindingOrder.PRIORITY, FindingOrder.SEVERITY):
        read = query.read_ranked if query.selects_subjects else query.read_steps
        rows, positions = read(order, position, limit + 1)
    else:
        rows, positions = query.read_by_age(position, limit + 1, is_newest_first=order is FindingOrder.NEWEST)
    following = write_cursor(order, positions[limit - 1]) if len(rows) > limit else ""
    return Page(tuple(map(_describe, rows[:limit])), following)


class _Query:
    """The statements of one list."""

    def __init__(self, connection: Connection, scope: Scope, selection: FindingFilter) -> None:
        self._connection = connection
        self._scope = scope
        self._selection = selection

    def read_steps(
        self, order: FindingOrder, position: _Position | None, limit: int
    ) -> tuple[list[Any], list[_Position]]:
        """Return the rows after a position by steps, with their positions."""
        rows: list[Any] = []
        positions: list[_Position] = []
        first = position.step if position else 0
        for number, step in enumerate(self._list_steps(order)):
            if number < first or not step.definitions:
                continue
            after = position if number == first else None
            for row in self._read_step(step, after, limit - len(rows)):
                rows.append(row)
                positions.append(_locate(number, row))
            if len(rows) >= limit:
                break
        return rows, positions

    @property
    def selects_subjects(self) -> bool:
        """True if a filter or the scope leaves few subjects."""
        selection = self._selection
        return bool(selection.namespaces or selection.names or self._scope.limited)

    def read_ranked(
        self, order: FindingOrder, position: _Position | None, limit: int
    ) -> tuple[list[Any], list[_Position]]:
        """Return the rows after a position from all findings of the selected subjects, with their positions."""
        ranks = {
            (step.exposure, number): rank
            for rank, step in enumerate(self._list_steps(order))
            for number in step.definitions
        }
        column = definition.c.urgency if order is FindingOrder.PRIORITY else definition.c.severity
        classes = {row.id: getattr(row, column.name) for row in self._load_definitions()}
        by_class = {
            exposure * _CLASSES + classes[number]: rank for (exposure, number), rank in ranks.items()
        }  # fmt: skip
        if not by_class:
            return [], []
        rank = case(by_class, value=finding.c.exposure * _CLASSES + column)
        # The sum keeps SQLite from beginning with the index of definitions, which has all subjects.
        conditions = [*self._conditions(), (finding.c.definition + 0).in_(sorted(classes))]
        if position is not None:
            same = and_(rank == position.step, _is_later(position))
            conditions.append(or_(rank > position.step, same))
        query = self._select().add_columns(rank.label("rank")).where(*conditions)
        query = query.order_by(rank, finding.c.definition, finding.c.opened.desc(), *_KEY[1:]).limit(limit)
        rows = list(self._connection.execute(query))
        return rows, [_locate(row.rank, row) for row in rows]

    def read_by_age(
        self, position: _Position | None, limit: int, *, is_newest_first: bool
    ) -> tuple[list[Any], list[_Position]]:
        """Return the rows after a position by the time at which they were opened, with their positions."""
        conditions = [*self._conditions()]
        if self._selection.definitions or self._selection.severities:
            conditions.append(finding.c.definition.in_([row.id for row in self._load_definitions()]))
        if position is not None:
            last = tuple_(*position[2:])
            conditions.append(tuple_(*_KEY) < last if is_newest_first else tuple_(*_KEY) > last)
        rows = self._read(conditions, _NEWEST if is_newest_first else _OLDEST, limit)
        return rows, [_Position(0, 0, row.opened, row.source, row.subject, row.fingerprint) for row in rows]

    def _list_steps(self, order: FindingOrder) -> Iterator[_Step]:
        """Yield all steps, also those without findings: a position names the number of its step."""
        by_class: dict[tuple[int, int], list[int]] = {}
        pairs: Sequence[tuple[int, int]]
        if order is FindingOrder.PRIORITY:
            pairs, column = PAIRS, "urgency"
        else:
            levels = sorted(map(int, Severity), reverse=True)
            pairs = [(exposure, level) for level in levels for exposure in reversed(range(EXPOSURES))]
            column = "severity"
        for row in self._load_definitions():
            for exposure in range(EXPOSURES):
                by_class.setdefault((exposure, getattr(row, column)), []).append(row.id)
        used = self._load_classes(column)
        for exposure, rank in pairs:
            is_selected = self._selection.is_exposed in (None, exposure >= EXPOSED) and (exposure, rank) in used
            yield _Step(exposure, tuple(by_class.get((exposure, rank), ())) if is_selected else ())

    def _load_classes(self, column: str) -> set[tuple[int, int]]:
        """Return the pairs of exposure and class that have findings. column: of the class, in `total`."""
        if self._selection.state is FindingState.SUPPRESSED:
            return set(itertools.product(range(EXPOSURES), range(_CLASSES)))
        key = (total.c.exposure, total.c[column])
        query = select(*key).where(self._scope.contains(total.c.source)).group_by(*key)
        return {(row[0], row[1]) for row in self._connection.execute(query.having(func.sum(total.c.findings) > 0))}

    def _load_definitions(self) -> list[Any]:
        """Return the selected definitions with open findings."""
        table = definition
        query = select(table.c.id, table.c.urgency, table.c.severity).where(table.c.id.in_(_select_definitions()))
        if self._selection.definitions:
            query = query.where(table.c.key.in_(self._selection.definitions))
        if self._selection.severities:
            levels = [int(Severity.parse(name)) for name in self._selection.severities]
            query = query.where(table.c.severity.in_(levels))
        return list(self._connection.execute(query.order_by(table.c.id)))

    def _read_step(self, step: _Step, after: _Position | None, limit: int) -> list[Any]:
        definitions = [number for number in step.definitions if after is None or number >= after.definition]
        if self._has_few_sources():
            return self._read_definitions(step.exposure, definitions, after, limit)
        rows: list[Any] = []
        for number in definitions:
            rows += self._read_definitions(step.exposure, [number], after, limit - len(rows))
            if len(rows) >= limit:
                break
        return rows

    def _read_definitions(
        self, exposure: int, definitions: Iterable[int], after: _Position | None, limit: int
    ) -> list[Any]:
        """Return rows by definition, the newest first."""
        numbers = sorted(definitions)
        if not numbers:
            return []
        conditions = [
            *self._conditions(), finding.c.exposure == exposure, finding.c.definition.in_(numbers)
        ]  # fmt: skip
        if after is not None:
            conditions.append(_is_later(after))
        return self._read(conditions, _BY_DEFINITION, limit)

    def _read(self, conditions: Sequence[Any], order: _Order, limit: int) -> list[Any]:
        """Return rows in an order. Their other columns are read after the limit, as many rows may be equal in the order."""
        if self.selects_subjects or self._selection.kinds:
            query = self._select().where(*conditions).order_by(*order.columns).limit(limit)
            return list(self._connection.execute(query))
        page = select(finding).where(*conditions).order_by(*order.columns).limit(limit).subquery()
        return sorted(self._connection.execute(self._select(page)), key=order.key)

    def _has_few_sources(self) -> bool:
        return self._scope.sources is not None and len(self._scope.sources) <= _FEW_SOURCES

    def _select(self, rows: FromClause = finding) -> Select[Any]:
        """Return the query of rows of `finding` with what belongs to them."""
        return (
            select(
                rows,
                source.c.key.label("source_key"),
                source.c.document.label("source_document"),
                source.c.branch,
                subject.c.kind,
                subject.c.namespace,
                subject.c.name,
                definition.c.key.label("definition_key"),
                definition.c.document,
                definition.c.severity,
                definition.c.urgency,
            )
            .join(source, source.c.id == rows.c.source)
            .join(subject, and_(subject.c.source == rows.c.source, subject.c.id == rows.c.subject))
            .join(definition, definition.c.id == rows.c.definition)
        )

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions of the scope and of the filters, but for definitions and severities."""
        selection = self._selection
        yield finding.c.closed.is_(None)
        if self._scope != EVERYTHING:
            yield self._scope.contains(finding.c.source)
            if self._scope.limited:
                yield shows_subject(self._scope)
        yield finding.c.is_suppressed == (selection.state is FindingState.SUPPRESSED)
        if selection.state is FindingState.UNKNOWN:
            yield finding.c.unknown_since.is_not(None)
        if selection.is_exposed is not None:
            highest = finding.c.exposure >= EXPOSED
            yield highest if selection.is_exposed else ~highest
        for column, values in (
            (subject.c.namespace, selection.namespaces),
            (subject.c.kind, selection.kinds),
            (subject.c.name, selection.names),
        ):
            if values:
                yield column.in_(values)


def _select_definitions() -> Select[Any]:
    """Return the query of the definitions with open findings: one step in the index for each, not one for each finding."""
    is_open = finding.c.closed.is_(None)
    first = select(func.min(finding.c.definition).label("id")).where(is_open).cte("used", recursive=True)
    following = select(func.min(finding.c.definition)).where(is_open, finding.c.definition > first.c.id)
    steps = first.union_all(select(following.scalar_subquery()).where(first.c.id.is_not(None)))
    return select(steps.c.id).where(steps.c.id.is_not(None))


def _is_later(position: _Position) -> ColumnElement[bool]:
    """Return the condition of the rows of a step after a position."""
    same_time = and_(finding.c.opened == position.opened, tuple_(*_ROW) > tuple_(*position[3:]))
    same_definition = and_(
        finding.c.definition == position.definition, or_(finding.c.opened < position.opened, same_time)
    )
    return or_(finding.c.definition > position.definition, same_definition)


def _locate(step: int, row: Any) -> _Position:
    return _Position(step, row.definition, row.opened, row.source, row.subject, row.fingerprint)


def _describe(row: Any) -> FindingRow:
    return FindingRow(
        source=row.source,
        source_name=name_source(row.source_document),
        source_key=row.source_key,
        branch=row.branch,
        subject=format_key(row.subject),
        kind=row.kind,
        namespace=row.namespace,
        name=row.name,
        definition=row.definition_key,
        title=read_title(row.document),
        severity=Severity(row.severity).name.lower(),
        exposure=row.exposure,
        urgency=row.urgency,
        fingerprint=format_key(row.fingerprint),
        opened=to_moment(row.opened),
        unknown_since=None if row.unknown_since is None else to_moment(row.unknown_since),
        is_suppressed=row.is_suppressed,
    )


class _Titled(msgspec.Struct):
    title: str = ""


_decoder: Final = msgspec.json.Decoder(_Titled)


def read_title(document: str) -> str:
    """Return the title of a stored definition."""
    return _decoder.decode(document).title
