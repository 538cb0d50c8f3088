"""Lists of findings by priority, severity or age.

An order by priority or severity has steps: a context with the definitions of one class, the most urgent first. Each step reads
from an index, so that a page costs no more for many findings than for few. Findings that a filter or the scope makes few are read at
once and sorted. A text selects two lists, by definition and by name, which are merged.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    exists,
    func,
    or_,
    select,
    true,
    tuple_,
)

from kubekeep.model.server_results import FindingResult
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.coverage import Coverage, load_coverage
from kubekeep_server.store.finding_context import (
    CONTEXTS,
    EXPOSED_CONTEXT,
    STEPS,
    get_exposure,
    get_level,
)
from kubekeep_server.store.numbers import format_key, to_moment, to_optional_moment
from kubekeep_server.store.queries.decided import AppliedDecision, count_decided, find_decisions, key_of
from kubekeep_server.store.queries.definitions import (
    contains_text,
    has_priority,
    list_definition_conditions,
    read_levels,
    select_contexts,
    sum_totals,
)
from kubekeep_server.store.queries.due import DueDates, load_due_dates
from kubekeep_server.store.queries.finding_filter import (
    INDEXED,
    FindingFilter,
    FindingState,
    list_other_subject_conditions,
    list_period_conditions,
    list_state_conditions,
    list_subject_conditions,
)
from kubekeep_server.store.queries.label_filter import LabelConditions, build_label_conditions
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Page, read_cursor, write_cursor
from kubekeep_server.store.queries.subject_rows import SUBJECT_COLUMNS, describe_subject
from kubekeep_server.store.schema import IS_SUBJECT, definition, finding, source, subject, subject_name
from kubekeep_server.store.scopes import Scope, shows_subject
from kubekeep_server.store.urgency import SEVERITIES, SEVERITY_NAMES, URGENCIES

_FEW_SOURCES: Final = 60
"""Sources whose findings are read at once, and sorted: fewer rows than an index of all sources would visit."""
_FEW_FINDINGS: Final = 5_000
"""Findings that are read at once for a state or a period."""
_FEW_OF_DEFINITIONS: Final = 20_000
_FEW_OF_SOME_SUBJECTS: Final = 100_000
"""Findings of selected definitions that are read at once: for all subjects, and for some, which an order by age rarely has."""
_FEW_NAMES: Final = 1_000
_FEW_SUBJECTS: Final = 2_000
"""Selected subjects whose findings are read at once; more have many findings, and a step has some of them."""
_GROWTH: Final = 4
"""Factor between the findings of one read of a step and those of the next."""
_MOST_COUNTED: Final = 50_000
"""Selected subjects that are counted by exposure."""
_UNCOUNTED: Final = 1 << 31
"""The number of findings of a definition for which there is no total."""


class FindingOrder(enum.StrEnum):
    """Orders of a list of findings."""

    PRIORITY = "priority"
    SEVERITY = "severity"
    OLDEST = "oldest"
    NEWEST = "newest"


class FindingRow(FindingResult, frozen=True):
    """A finding in a list. priority: its level. severity: of its definition. fingerprint: 16 hexadecimal digits."""


class _Subset(msgspec.Struct, frozen=True):
    """A part of the findings that a text selects: conditions of their definitions and subjects; None for all.

    has_few_subjects: an index has those of the condition.
    """

    definitions: ColumnElement[bool] | None = None
    subjects: ColumnElement[bool] | None = None
    has_few_subjects: bool = False


class _Step(NamedTuple):
    """A context and the definitions of a class. counts: the most findings that each has in the scope."""

    context: int
    counts: dict[int, int]


class _Position(NamedTuple):
    """Position of the last row of a page. step: 0 for orders by age."""

    step: int
    definition: int
    opened: int
    source: int
    subject: int
    fingerprint: int


def _order_by_step(position: _Position) -> tuple[int, ...]:
    step, number, opened, *rest = position
    return step, number, -opened, *rest


_KEYS: Final[dict[FindingOrder, Callable[[_Position], tuple[int, ...]]]] = {
    FindingOrder.PRIORITY: _order_by_step,
    FindingOrder.SEVERITY: _order_by_step,
    FindingOrder.OLDEST: tuple,
    FindingOrder.NEWEST: lambda position: tuple(-number for number in position),
}
"""Sort keys of positions."""
_CLASSES: Final = max(URGENCIES, len(SEVERITIES))
_BY_SEVERITY: Final = tuple(
    (context, level) for level in reversed(range(len(SEVERITIES))) for context in reversed(range(CONTEXTS))
)
"""Steps of the order by severity: contexts and severities of definitions. Of one severity, exposed subjects are first."""
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
    due: DueDates | None = None,
) -> Page[FindingRow]:
    """Return a page of findings. due: due dates; those in force without them.

    Raises ValueError for a cursor of another list, and for due dates of covered findings.
    """
    position = read_cursor(cursor, order, _Position)
    if selection.sources:
        scope = scope.narrow(selection.sources)
    coverage, due = load_coverage(connection), due or load_due_dates(connection)
    narrowed = due.narrow(selection)
    if narrowed is None:
        return Page(())
    located: list[tuple[_Position, Any]] = []
    for subset in _list_subsets(connection, narrowed):
        query = _Query(connection, scope, narrowed, subset, coverage, due)
        rows, positions = query.read(order, position, limit + 1)
        located += zip(positions, rows, strict=True)
    located.sort(key=lambda pair: _KEYS[order](pair[0]))
    following = write_cursor(order, located[limit - 1][0]) if len(located) > limit else ""
    page = [row for _, row in located[:limit]]
    decisions = find_decisions(connection, page)
    return Page(tuple(_describe(row, decisions.get(key_of(row)), due) for row in page), following)


def _list_subsets(connection: Connection, selection: FindingFilter) -> Iterator[_Subset]:
    """Yield the disjoint parts of the findings that a text selects; one of all without a text."""
    if not selection.text:
        yield _Subset()
        return
    matches = contains_text(selection.text)
    yield _Subset(definitions=matches)
    has_name = func.lower(subject_name.c.name).contains(selection.text.lower(), autoescape=True)
    query = select(subject_name.c.name).where(has_name).limit(_FEW_NAMES + 1)
    names = connection.execute(query).scalars().all()
    if not names:
        return
    if len(names) > _FEW_NAMES:
        contains = func.lower(subject.c.name).contains(selection.text.lower(), autoescape=True)
        yield _Subset(~matches, contains)
        return
    is_named = subject.c.name.in_(names)
    subjects = select(subject.c.id).where(is_named).limit(_FEW_SUBJECTS + 1).subquery()
    count = connection.execute(select(func.count()).select_from(subjects)).scalar_one()
    yield _Subset(~matches, is_named, has_few_subjects=count <= _FEW_SUBJECTS)


class _Query:
    """The statements of one list."""

    def __init__(
        self,
        connection: Connection,
        scope: Scope,
        selection: FindingFilter,
        subset: _Subset,
        coverage: Coverage,
        due: DueDates,
    ) -> None:
        self._connection = connection
        self._scope = scope
        self._selection = selection
        self._subset = subset
        self._coverage = coverage
        self._due = due

    def read(self, order: FindingOrder, position: _Position | None, limit: int) -> tuple[list[Any], list[_Position]]:
        """Return the rows after a position in an order, with their positions."""
        if order in (FindingOrder.PRIORITY, FindingOrder.SEVERITY):
            read = self.read_ranked if self._has_few_findings() else self.read_steps
            return read(order, position, limit)
        return self.read_by_age(position, limit, is_newest_first=order is FindingOrder.NEWEST)

    def _has_few_findings(self) -> bool:
        """Return True if the scope or a filter leaves few findings."""
        if self._has_few_subjects():
            return True
        in_scope = self._scope.contains(finding.c.source)
        if self._selection.state is FindingState.DECIDED and sum(self._counts.values()) <= _FEW_OF_DEFINITIONS:
            return True
        has_index = self._selection.state in INDEXED
        if has_index and self._is_short(in_scope, *self._list_state_conditions()):
            return True
        period = tuple(list_period_conditions(self._selection))
        return bool(period) and self._is_short(*period)

    def _has_few_subjects(self, exposure: int | None = None) -> bool:
        """Return True if the scope or a filter leaves few subjects, of all exposures or of one."""
        counts = self._subjects
        if counts is None:
            return False
        return (sum(counts.values()) if exposure is None else counts.get(exposure, 0)) <= _FEW_SUBJECTS

    @functools.cached_property
    def _subjects(self) -> dict[int, int] | None:
        """The numbers of selected subjects by exposure; None if they are all or too many to count."""
        conditions, others = list(self._list_indexed_conditions()), list(self._list_other_conditions())
        if not conditions and not (others and self._has_few_sources):
            return None
        in_scope = self._scope.contains(subject.c.source)
        conditions += others
        rows = select(subject.c.exposure).where(in_scope, *conditions).limit(_MOST_COUNTED + 1).subquery()
        query = select(rows.c.exposure, func.count()).group_by(rows.c.exposure)
        counts: dict[int, int] = dict(self._connection.execute(query).all())
        return counts if sum(counts.values()) <= _MOST_COUNTED else None

    def _is_short(self, *conditions: ColumnElement[bool], most: int = _FEW_FINDINGS) -> bool:
        """Return True if few findings of all sources have conditions on one index."""
        rows = select(finding.c.source).where(finding.c.closed.is_(None), *conditions).limit(most + 1).subquery()
        return self._connection.execute(select(func.count()).select_from(rows)).scalar_one() <= most

    def read_steps(
        self, order: FindingOrder, position: _Position | None, limit: int
    ) -> tuple[list[Any], list[_Position]]:
        """Return the rows after a position by steps, with their positions."""
        rows: list[Any] = []
        positions: list[_Position] = []
        first = position.step if position else 0
        for number, step in enumerate(self._list_steps(order)):
            if number < first:
                continue
            after = position if number == first else None
            for row in self._read_step(step, after, limit - len(rows)):
                rows.append(row)
                positions.append(_locate(number, row))
            if len(rows) >= limit:
                break
        return rows, positions

    def read_ranked(
        self, order: FindingOrder, position: _Position | None, limit: int
    ) -> tuple[list[Any], list[_Position]]:
        """Return the rows after a position from all findings of the selected subjects, with their positions."""
        column = definition.c.urgency if order is FindingOrder.PRIORITY else definition.c.severity
        classes = {row.id: getattr(row, column.name) for row in self._definitions}
        by_class = {
            step.context * _CLASSES + classes[number]: rank
            for rank, step in enumerate(self._list_steps(order))
            for number in step.counts
        }
        if not by_class:
            return [], []
        rank = case(by_class, value=finding.c.context * _CLASSES + column).label("rank")
        # The sum keeps SQLite from beginning with the index of definitions, which has all subjects.
        conditions = [*self._list_conditions(), (finding.c.definition + 0).in_(sorted(classes))]
        if position is not None:
            same = and_(rank == position.step, _is_later(position))
            conditions.append(or_(rank > position.step, same))
        if self._levels:
            conditions.append(has_priority(self._selection.priorities))
        order_by = _Order((rank, *_BY_DEFINITION.columns), lambda row: (row.rank, *_BY_DEFINITION.key(row)))
        is_definition = definition.c.id == finding.c.definition
        rows = self._read([*conditions, is_definition], order_by, limit, rank)
        return rows, [_locate(row.rank, row) for row in rows]

    def read_by_age(
        self, position: _Position | None, limit: int, *, is_newest_first: bool
    ) -> tuple[list[Any], list[_Position]]:
        """Return the rows after a position by the time at which they were opened, with their positions."""
        conditions = [*self._list_conditions()]
        columns = _NEWEST if is_newest_first else _OLDEST
        is_gathered = self._has_few_sources or self._has_few_findings()
        if self._selects_definitions():
            if not self._selected:
                return [], []
            is_selected = and_(*self._list_indexed_classes())
            has_few = self._subjects is not None or self._selection.state is FindingState.DECIDED
            most = _FEW_OF_SOME_SUBJECTS if has_few else _FEW_OF_DEFINITIONS
            is_gathered = is_gathered or self._is_short(is_selected, most=most)
            is_indexed = is_gathered and not self._has_few_subjects()
            conditions += self._list_definition_conditions(is_selected if is_indexed else None)
        if position is not None:
            last = tuple_(*position[2:])
            conditions.append(tuple_(*_KEY) < last if is_newest_first else tuple_(*_KEY) > last)
        rows = self._read(conditions, _ignore_index(columns) if is_gathered else columns, limit)
        return rows, [_Position(0, 0, row.opened, row.source, row.subject, row.fingerprint) for row in rows]

    def _list_indexed_classes(self) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions of definitions, and of contexts with a selected priority, that an index has."""
        yield finding.c.definition.in_(sorted({row.id for row, _ in self._selected}))
        if self._levels:
            yield finding.c.context.in_(sorted({context for _, context in self._selected}))

    def _list_definition_conditions(self, is_selected: ColumnElement[bool] | None) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions of definitions and priorities. is_selected: of an index; None for another one."""
        if is_selected is not None:
            yield is_selected
        else:
            # The sum keeps a database from an index that does not fit.
            yield (finding.c.definition + 0).in_(sorted({row.id for row, _ in self._selected}))
        if self._levels:
            yield has_priority(self._selection.priorities)

    def _selects_definitions(self) -> bool:
        selection = self._selection
        return bool(
            selection.definitions
            or selection.definition_kinds
            or selection.severities
            or selection.priorities
            or self._subset.definitions is not None
            or selection.state is FindingState.DECIDED
        )

    def _list_steps(self, order: FindingOrder) -> Iterator[_Step]:
        """Yield all steps, also those without findings: a position names the number of its step."""
        steps, column = (STEPS, "urgency") if order is FindingOrder.PRIORITY else (_BY_SEVERITY, "severity")
        by_class: dict[tuple[int, int], dict[int, int]] = {}
        for row, context in self._selected:
            by_class.setdefault((context, getattr(row, column)), {})[row.id] = self._counts[row.id, context]
        for step in steps:
            yield _Step(step[0], by_class.get(step, {}))

    @functools.cached_property
    def _selected(self) -> list[tuple[Any, int]]:
        """The selected definitions and contexts with open findings."""
        definitions = {row.id: row for row in self._definitions}
        pairs = ((definitions.get(number), context) for number, context in sorted(self._counts))
        return [(row, context) for row, context in pairs if row is not None and self._selects(context, row.urgency)]

    def _selects(self, context: int, urgency: int) -> bool:
        """Return True if the filters may select findings of a context and an urgency."""
        return (
            self._selection.is_exposed in (None, context >= EXPOSED_CONTEXT)
            and (self._subjects is None or get_exposure(context) in self._subjects)
            and (not self._levels or get_level(context, urgency) in self._levels)
        )

    @functools.cached_property
    def _levels(self) -> frozenset[int]:
        """The selected levels of priorities; empty for all."""
        return read_levels(self._selection.priorities)

    @functools.cached_property
    def _counts(self) -> dict[tuple[int, int], int]:
        """The most findings that the scope can have, by definition and context."""
        if self._selection.state is FindingState.SUPPRESSED:
            rows = self._connection.execute(select_contexts())
            return dict.fromkeys(((row.id, row.context) for row in rows), _UNCOUNTED)
        if self._selection.state is FindingState.DECIDED:
            return count_decided(self._connection, self._scope.sources)
        return sum_totals(self._connection, self._scope.sources)

    @functools.cached_property
    def _definitions(self) -> list[Any]:
        """The selected definitions with open findings."""
        table = definition
        query = select(table.c.id, table.c.urgency, table.c.severity).where(is_key(table.c.id))
        query = query.where(*list_definition_conditions(self._selection))
        if self._subset.definitions is not None:
            query = query.where(self._subset.definitions)
        rows = select_by_keys(self._connection, query, {number for number, _ in self._counts})
        return sorted(rows, key=lambda row: row.id)

    @functools.cached_property
    def _urgencies(self) -> dict[int, int]:
        return {row.id: row.urgency for row in self._definitions}

    def _read_step(self, step: _Step, after: _Position | None, limit: int) -> list[Any]:
        """Return rows of a step by definition, the newest first."""
        rows: list[Any] = []
        counts = {number: step.counts[number] for number in step.counts if after is None or number >= after.definition}
        for numbers in _group(counts, _FEW_FINDINGS if self._has_few_sources else limit):
            conditions = [
                *self._list_conditions(get_exposure(step.context)),
                finding.c.context == step.context,
                finding.c.definition.in_(numbers),
            ]
            if self._selection.has_due_period:
                is_due = self._due.build_condition(
                    self._selection, step.context, {number: self._urgencies[number] for number in numbers}
                )
                if is_due is None:
                    continue
                conditions.append(is_due)
            if after is not None:
                conditions.append(_is_later(after))
            rows += self._read(conditions, _BY_DEFINITION, limit - len(rows))
            if len(rows) >= limit:
                break
        return rows

    def _read(self, conditions: Sequence[Any], order: _Order, limit: int, *columns: ColumnElement[Any]) -> list[Any]:
        """Return rows in an order. Their other columns are read after the limit, as many rows may be equal in the order."""
        page = select(finding, *columns).where(*conditions).order_by(*order.columns).limit(limit).subquery()
        return sorted(self._connection.execute(self._select(page)), key=order.key)

    @functools.cached_property
    def _has_few_sources(self) -> bool:
        return self._scope.sources is not None and len(self._scope.sources) <= _FEW_SOURCES

    def _select(self, rows: FromClause) -> Select[Any]:
        """Return the query of rows of `finding` with what belongs to them."""
        return (
            select(
                rows,
                *SUBJECT_COLUMNS,
                definition.c.key.label("definition_key"),
                definition.c.document,
                definition.c.severity,
                definition.c.urgency,
            )
            .join(source, source.c.id == rows.c.source)
            .join(subject, and_(subject.c.source == rows.c.source, subject.c.id == rows.c.subject))
            .join(definition, definition.c.id == rows.c.definition)
        )

    def _list_conditions(self, exposure: int | None = None) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions of findings, of all exposures or of one, but for definitions, severities and priorities."""
        begins_with_subjects = self._has_few_subjects(exposure)
        yield finding.c.closed.is_(None)
        if self._scope.sources is not None:
            # The sum keeps a database from the findings of many sources: it reads an order instead.
            number = finding.c.source if self._has_few_sources else finding.c.source + 0
            yield self._scope.contains(subject.c.source if begins_with_subjects else number)
        yield from self._list_state_conditions()
        yield from list_period_conditions(self._selection)
        if exposure is None:
            # A step has the condition of its context and definitions.
            yield from self._due.list_conditions(self._selection)
        if self._selection.is_exposed is not None:
            highest = finding.c.context >= EXPOSED_CONTEXT
            yield highest if self._selection.is_exposed else ~highest
        conditions = (*self._list_indexed_conditions(), *self._list_other_conditions())
        if begins_with_subjects:
            yield from (IS_SUBJECT, *conditions)
            if self._has_few_sources:
                # SQLite would begin with all findings of the sources.
                numbers = select(subject.c.id).where(self._scope.contains(subject.c.source), *conditions)
                yield finding.c.subject.in_(numbers.correlate(None))
            if exposure is not None:
                yield subject.c.exposure == exposure
        elif conditions:
            # Neither joined, nor a condition that PostgreSQL makes a join: it would begin with the subjects, of which there are many.
            yield exists().where(IS_SUBJECT, *conditions).correlate(finding).is_(true())

    def _list_indexed_conditions(self) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions of subjects that indexes of subjects have."""
        if self._scope.limited:
            yield shows_subject(self._scope)
        if self._subset.subjects is not None and self._subset.has_few_subjects:
            yield self._subset.subjects
        yield from list_subject_conditions(self._selection)
        yield from self._labels.indexed

    def _list_other_conditions(self) -> Iterator[ColumnElement[bool]]:
        if self._subset.subjects is not None and not self._subset.has_few_subjects:
            yield self._subset.subjects
        yield from list_other_subject_conditions(self._selection)
        yield from self._labels.others

    @functools.cached_property
    def _labels(self) -> LabelConditions:
        return build_label_conditions(self._connection, self._selection.labels, _FEW_SUBJECTS)

    def _list_state_conditions(self) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions of the state, as the indexes have them."""
        yield from list_state_conditions(self._selection, self._coverage)
        if self._selection.state in INDEXED:
            # SQLite reads the index of a state only if its column has a condition; otherwise it reads all open findings.
            yield finding.c.source > 0


def _ignore_index(order: _Order) -> _Order:
    """Return an order by age for which a database does not read the index of times."""
    opened = finding.c.opened + 0
    return _Order((opened if order is _OLDEST else opened.desc(), *order.columns[1:]), order.key)


def _group(counts: dict[int, int], limit: int) -> Iterator[list[int]]:
    """Yield definitions: several that have no more findings than a limit, or one.

    The limit grows: who reads another group got few rows from those before.
    """
    group: list[int] = []
    total = 0
    for number, count in counts.items():
        total += count
        if group and total > limit:
            yield group
            group, total, limit = [], count, limit * _GROWTH
        group.append(number)
    if group:
        yield group


def _is_later(position: _Position) -> ColumnElement[bool]:
    """Return the condition of the rows of a step after a position."""
    same_time = and_(finding.c.opened == position.opened, tuple_(*_ROW) > tuple_(*position[3:]))
    same_definition = and_(
        finding.c.definition == position.definition, or_(finding.c.opened < position.opened, same_time)
    )
    return or_(finding.c.definition > position.definition, same_definition)


def _locate(step: int, row: Any) -> _Position:
    return _Position(step, row.definition, row.opened, row.source, row.subject, row.fingerprint)


def _describe(row: Any, decision: AppliedDecision | None, due: DueDates) -> FindingRow:
    document = _decoder.decode(row.document)
    shown = describe_subject(row)
    is_covered = row.is_suppressed or (decision is not None and decision.covers)
    return FindingRow(
        **shown,
        due=None if is_covered else due.compute(row.context, row.urgency, row.opened, shown["source_name"]),
        definition=row.definition_key,
        title=document.title,
        remediation=document.remediation,
        priority=SEVERITY_NAMES[get_level(row.context, row.urgency)],
        severity=SEVERITY_NAMES[row.severity],
        exposure=get_exposure(row.context),
        urgency=row.urgency,
        fingerprint=format_key(row.fingerprint),
        opened=to_moment(row.opened),
        unknown_since=to_optional_moment(row.unknown_since),
        is_suppressed=row.is_suppressed and row.decision is None,
        decision=decision.number if decision else None,
    )


class _DefinitionText(msgspec.Struct):
    title: str = ""
    remediation: str = ""


_decoder: Final = msgspec.json.Decoder(_DefinitionText)
