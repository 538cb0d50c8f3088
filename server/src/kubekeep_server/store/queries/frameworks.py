"""Frameworks in a scope: states of their requirements now and in a period, by source.

States are those of whole sources. Sources of which a scope has some namespaces only are counted, and have no states.
"""

from __future__ import annotations

import collections
import datetime as dt
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, func, select

from kubekeep._native import sum_counts
from kubekeep.model.decision import DecisionScope, DecisionState
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.control_history import Interval, combine, merge_intervals
from kubekeep_server.store.control_states import STATES, ControlState, unpack_gaps
from kubekeep_server.store.decision_schema import decision, decision_definition
from kubekeep_server.store.framework_schema import control_interval, library_control, source_evaluation
from kubekeep_server.store.frameworks import FrameworkDocument, load_framework
from kubekeep_server.store.frameworks import list_frameworks as list_documents
from kubekeep_server.store.numbers import to_moment, to_number
from kubekeep_server.store.queries.decisions import DecisionRow, describe_decisions
from kubekeep_server.store.queries.definitions import count_by_definition, load_entries
from kubekeep_server.store.queries.pages import Document, Page, cut_page, read_cursor
from kubekeep_server.store.queries.source_names import name_source
from kubekeep_server.store.schema import definition, source
from kubekeep_server.store.scopes import Scope

MOST_SOURCES: Final = 20
"""Sources whose intervals are read at once."""
_ORDER: Final = "framework sources"
_POINTS: Final = 13
_MOST_DECISIONS: Final = 100
_MOST_INTERVALS: Final = 200
_LATEST: Final = 2**63 - 1
_BY_URGENCY: Final = [
    state.label
    for state in (
        ControlState.FAILED,
        ControlState.PARTLY,
        ControlState.COVERED,
        ControlState.PASSED,
        ControlState.NOT_EVALUATED,
    )
]
_ANY_STATE: Final = [int(state) for state in ControlState]
_CHANGES: Final = (
    select(
        control_interval.c.definition,
        control_interval.c.state,
        control_interval.c.before,
        func.count().label("number"),
    )
    .where(is_key(control_interval.c.definition))
    # All states, so that an index answers without sorting.
    .where(control_interval.c.state.in_(_ANY_STATE), control_interval.c.before.in_(_ANY_STATE))
    .where(control_interval.c.since > bindparam("since"), control_interval.c.since <= bindparam("until"))
    .group_by(control_interval.c.definition, control_interval.c.state, control_interval.c.before)
)
Counts = Mapping[int, Mapping[ControlState, int]]
"""Numbers of sources by definition and state."""


class Period(msgspec.Struct, frozen=True):
    """A period from one time on until, and without, another one."""

    since: dt.datetime
    until: dt.datetime


class FrameworkRow(Document, frozen=True):
    """A framework. requirements: their numbers by state, each where it was evaluated.

    checks: numbers of pairs of a control and a source by state, at the end of the period. before: at its start.
    """

    key: str
    title: str
    version: str
    is_standard: bool
    requirements: dict[str, int]
    checks: dict[str, int]
    before: dict[str, int]


class FrameworkList(Document, frozen=True):
    """The frameworks. sources: whole ones in the scope. limited: those of which only some namespaces are in it."""

    sources: int
    limited: int
    frameworks: tuple[FrameworkRow, ...]


class RequirementRow(Document, frozen=True):
    """A requirement. state: at the end of the period, where it was evaluated. checks: as those of the framework.

    evaluated: the highest number of sources in which one of its controls was evaluated.
    """

    id: str
    title: str
    section: str
    controls: tuple[str, ...]
    state: str
    checks: dict[str, int]
    evaluated: int


class TrendPoint(Document, frozen=True):
    """Numbers of pairs of a control and a source by state at a time."""

    moment: dt.datetime
    checks: dict[str, int]


class FrameworkPage(Document, frozen=True):
    """A framework with its requirements, the failed ones first, and its trend in a period."""

    key: str
    title: str
    version: str
    description: str
    url: str
    sources: int
    limited: int
    requirements: tuple[RequirementRow, ...]
    trend: tuple[TrendPoint, ...]


class SourcePeriod(Document, frozen=True):
    """A source with the states of requirements over a whole period, by their identifiers."""

    id: int
    name: str
    branch: str
    evaluated: dt.datetime | None
    states: dict[str, str]


class StateInterval(Document, frozen=True):
    """A state of a requirement in a source."""

    since: dt.datetime
    until: dt.datetime
    state: str


class GapRow(Document, frozen=True):
    """A gap of the last scan. definition: key of the control that was not evaluated; empty for objects that were not read."""

    message: str
    definition: str
    next_step: str


class RequirementSource(Document, frozen=True):
    """A requirement in a source: its state over the whole period, the newest intervals, and the gaps of the last scan."""

    id: int
    name: str
    branch: str
    state: str
    intervals: tuple[StateInterval, ...]
    gaps: tuple[GapRow, ...]


class RequirementControl(Document, frozen=True):
    """A control of a requirement. data: required for at least one verdict. findings: open and counted ones in the scope."""

    key: str
    title: str
    severity: str
    remediation: str
    page: str
    data: str
    findings: int


class RequirementPage(Document, frozen=True):
    """A requirement with its controls, the first sources, and the newest decisions on its controls. cursor: of the next sources."""

    id: str
    title: str
    section: str
    controls: tuple[RequirementControl, ...]
    sources: tuple[RequirementSource, ...]
    cursor: str
    decisions: tuple[DecisionRow, ...]


def list_frameworks(
    connection: Connection, scope: Scope, period: Period, selected: Iterable[int] = ()
) -> FrameworkList:
    """Return the frameworks. selected: numbers of sources; empty for all."""
    scope = scope.narrow(selected) if selected else scope
    documents = tuple(list_documents(connection))
    numbers = _load_numbers(connection, documents)
    first, last = _count_checks(connection, scope, numbers.values(), _divide(period, 2))
    evaluated = _list_evaluated(connection, scope)
    rows = []
    for one in documents:
        keys = _list_controls(one, numbers)
        states = [_combine_sources(requirement.controls, numbers, last, evaluated) for requirement in one.requirements]
        rows.append(
            FrameworkRow(
                one.key,
                one.title,
                one.version,
                one.is_standard,
                _name(collections.Counter(states)),
                _sum_checks(keys, last),
                _sum_checks(keys, first),
            )
        )
    return FrameworkList(_count_sources(connection, scope), len(scope.limited), tuple(rows))


def get_framework(
    connection: Connection, scope: Scope, key: str, period: Period, selected: Iterable[int] = ()
) -> FrameworkPage:
    """Return a framework. Raises LookupError."""
    scope = scope.narrow(selected) if selected else scope
    document = load_framework(connection, key)
    numbers = _load_numbers(connection, [document])
    titles = list_titles(connection, document)
    moments = _divide(period, _POINTS)
    points = _count_checks(connection, scope, numbers.values(), moments)
    last, evaluated = points[-1], _list_evaluated(connection, scope)
    requirements = []
    for one in document.requirements:
        keys = {numbers[name] for name in one.controls if name in numbers}
        counts = [sum(last.get(number, {}).values()) for number in keys]
        requirements.append(
            RequirementRow(
                one.id,
                titles[one.id],
                one.section,
                one.controls,
                _combine_sources(one.controls, numbers, last, evaluated).label,
                _sum_checks(keys, last),
                max(counts, default=0),
            )
        )
    requirements.sort(key=lambda row: _BY_URGENCY.index(row.state))
    every = _list_controls(document, numbers)
    trend = tuple(
        TrendPoint(to_moment(moment), _sum_checks(every, counts))
        for moment, counts in zip(moments, points, strict=True)
    )
    facts = (document.key, document.title, document.version, document.description, document.url)
    return FrameworkPage(*facts, _count_sources(connection, scope), len(scope.limited), tuple(requirements), trend)


def list_framework_sources(
    connection: Connection,
    scope: Scope,
    key: str,
    period: Period,
    selected: Iterable[int] = (),
    cursor: str = "",
    limit: int = MOST_SOURCES,
) -> Page[SourcePeriod]:
    """Return a page of sources with the states of all requirements in a period. Raises LookupError and ValueError."""
    document = load_framework(connection, key)
    page, following = _list_sources(connection, scope, selected, cursor, limit)
    merged = _merge_requirements(connection, page, document, period)
    rows = []
    for row in page:
        states = {key: combine(one.state for one in parts).label for key, parts in merged[row.id].items()}
        evaluated = to_moment(row.evaluated) if row.evaluated else None
        rows.append(SourcePeriod(row.id, name_source(row.document), row.branch, evaluated, states))
    return Page(tuple(rows), following)


def list_period_intervals(
    connection: Connection,
    scope: Scope,
    document: FrameworkDocument,
    period: Period,
    selected: Iterable[int],
    cursor: str,
) -> Page[tuple[str, Mapping[str, tuple[Interval, ...]]]]:
    """Return a page of the names of sources with the states of requirements over a period. Raises ValueError."""
    page, following = _list_sources(connection, scope, selected, cursor, MOST_SOURCES)
    merged = _merge_requirements(connection, page, document, period)
    names = {row.id: " ".join(filter(None, (name_source(row.document), row.branch))) for row in page}
    return Page(tuple((names[row.id], merged[row.id]) for row in page), following)


def list_titles(connection: Connection, document: FrameworkDocument) -> dict[str, str]:
    """Return the titles of requirements by their identifiers: of their controls, for one without a title."""
    numbers = _load_numbers(connection, [document])
    titles = {name: row.title for name, row in load_entries(connection, numbers).items()}
    return {
        one.id: one.title or " · ".join(titles.get(name, name) for name in one.controls[:2])
        for one in document.requirements
    }


def list_framework_decisions(
    connection: Connection,
    document: FrameworkDocument,
    period: Period,
    is_visible: Callable[[DecisionScope], bool],
    before: int | None = None,
) -> tuple[tuple[DecisionRow, ...], int | None]:
    """Return a page of decisions on the controls of a framework in a period, the newest first, and `before` of the next page."""
    numbers = _load_numbers(connection, [document])
    return _list_decisions(connection, numbers.values(), period, is_visible, before)


def _merge_requirements(
    connection: Connection, rows: Iterable[Any], document: FrameworkDocument, period: Period
) -> dict[int, dict[str, tuple[Interval, ...]]]:
    """Return the states of requirements over a period by source and identifier. rows: of `source`."""
    numbers = _load_numbers(connection, [document])
    since, until = to_number(period.since), to_number(period.until)
    keys = [row.id for row in rows]
    intervals = _load_intervals(connection, keys, numbers.values(), since, until)
    return {
        key: {
            one.id: merge_intervals(
                [numbers.get(name, 0) for name in one.controls], intervals.get(key, {}), since, until
            )
            for one in document.requirements
        }
        for key in keys
    }


def get_requirement(
    connection: Connection,
    scope: Scope,
    key: str,
    identifier: str,
    period: Period,
    is_visible: Callable[[DecisionScope], bool],
    selected: Iterable[int] = (),
    cursor: str = "",
) -> RequirementPage:
    """Return a requirement. is_visible: tells if a decision with a scope may be read. Raises LookupError and ValueError."""
    scope = scope.narrow(selected) if selected else scope
    document = load_framework(connection, key)
    matching = [one for one in document.requirements if one.id == identifier]
    if not matching:
        raise LookupError(f"{document.title} has no requirement {identifier}")
    requirement = matching[0]
    numbers = {
        name: number for name, number in _load_numbers(connection, [document]).items() if name in requirement.controls
    }
    page, following = _list_sources(connection, scope, (), cursor, MOST_SOURCES)
    since, until = to_number(period.since), to_number(period.until)
    intervals = _load_intervals(connection, [row.id for row in page], numbers.values(), since, until)
    keys = [numbers.get(name, 0) for name in requirement.controls]
    gaps = _load_gaps(connection, [row.id for row in page], requirement.controls)
    sources = [
        _describe_source(row, merge_intervals(keys, intervals.get(row.id, {}), since, until), gaps.get(row.id, ()))
        for row in page
    ]
    controls = _describe_controls(connection, scope, requirement.controls, numbers)
    decisions, _ = _list_decisions(connection, numbers.values(), period, is_visible)
    title = requirement.title or " · ".join(control.title for control in controls[:2])
    return RequirementPage(requirement.id, title, requirement.section, controls, tuple(sources), following, decisions)


def _describe_source(row: Any, merged: Sequence[Interval], gaps: tuple[GapRow, ...]) -> RequirementSource:
    """Return a requirement in a source. row: of `source`. merged: its states over the period."""
    shown = tuple(
        StateInterval(to_moment(one.since), to_moment(one.until), one.state.label) for one in merged[-_MOST_INTERVALS:]
    )
    state = combine(one.state for one in merged).label
    return RequirementSource(row.id, name_source(row.document), row.branch, state, shown, gaps)


def _describe_controls(
    connection: Connection, scope: Scope, names: Iterable[str], numbers: Mapping[str, int]
) -> tuple[RequirementControl, ...]:
    entries = load_entries(connection, numbers)
    query = select(library_control.c.key, library_control.c.data).where(is_key(library_control.c.key))
    data = {row.key: row.data for row in select_by_keys(connection, query, numbers)}
    findings = count_by_definition(connection, scope)
    return tuple(
        RequirementControl(
            name,
            entries[name].title,
            entries[name].severity,
            entries[name].remediation,
            entries[name].page,
            data.get(name, ""),
            sum(findings.get(numbers[name], {}).values()),
        )
        for name in names
        if name in entries
    )


def _list_decisions(
    connection: Connection,
    numbers: Iterable[int],
    period: Period,
    is_visible: Callable[[DecisionScope], bool],
    before: int | None = None,
) -> tuple[tuple[DecisionRow, ...], int | None]:
    """Return a page of decisions on definitions that were open or in force in a period, and `before` of the next page."""
    table = decision
    used = select(decision_definition.c.decision).where(decision_definition.c.definition.in_(sorted(numbers)))
    has_not_ended = table.c.state.in_([DecisionState.PROPOSED, DecisionState.ACTIVE])
    in_period = (
        table.c.created < to_number(period.until),
        has_not_ended | (table.c.changed >= to_number(period.since)),
    )
    query = select(table).where(table.c.id.in_(used), *in_period).order_by(table.c.id.desc()).limit(_MOST_DECISIONS)
    rows = connection.execute(query if before is None else query.where(table.c.id < before)).all()
    following = rows[-1].id if len(rows) == _MOST_DECISIONS else None
    return describe_decisions(connection, rows, is_visible), following


def _list_sources(
    connection: Connection, scope: Scope, selected: Iterable[int], cursor: str, limit: int
) -> tuple[Sequence[Any], str]:
    """Return the rows of a page of whole sources in the order of their keys, and the cursor of the next one."""
    scope = scope.narrow(selected) if selected else scope
    after = read_cursor(cursor, _ORDER, tuple[str, int])
    query = select(source).where(Scope(scope.whole).contains(source.c.id))
    if after is not None:
        query = query.where((source.c.key > after[0]) | ((source.c.key == after[0]) & (source.c.id > after[1])))
    rows = connection.execute(query.order_by(source.c.key, source.c.id).limit(limit + 1)).all()
    return cut_page(rows, limit, _ORDER, lambda row: (row.key, row.id))


def _load_intervals(
    connection: Connection, sources: Iterable[int], definitions: Iterable[int], since: int, until: int
) -> dict[int, dict[int, list[Interval]]]:
    """Return the intervals of a period by source and definition, in the order of time."""
    table = control_interval
    query = (
        select(table.c.source, table.c.definition, table.c.since, table.c.until, table.c.state)
        .where(table.c.source.in_(sorted(sources)), table.c.definition.in_(sorted(definitions)))
        .where(table.c.since < until, (table.c.until.is_(None)) | (table.c.until > since))
        .order_by(table.c.source, table.c.definition, table.c.since)
    )
    intervals: dict[int, dict[int, list[Interval]]] = {}
    for row in connection.execute(query):
        end = until if row.until is None else row.until
        interval = Interval(row.since, max(end, row.since), ControlState(row.state))
        intervals.setdefault(row.source, {}).setdefault(row.definition, []).append(interval)
    return intervals


def _load_gaps(connection: Connection, sources: Iterable[int], names: Iterable[str]) -> dict[int, tuple[GapRow, ...]]:
    """Return the gaps of sources that concern controls, and those that have a next step."""
    relevant = frozenset(names)
    table = source_evaluation
    query = select(table.c.source, table.c.gaps).where(table.c.source.in_(sorted(sources)))
    return {
        row.source: tuple(
            GapRow(gap.message, gap.definition, gap.next_step)
            for gap in unpack_gaps(row.gaps)
            if gap.definition in relevant or (gap.next_step and not gap.definition)
        )
        for row in connection.execute(query)
    }


def _load_numbers(connection: Connection, documents: Iterable[FrameworkDocument]) -> dict[str, int]:
    keys = {name for one in documents for requirement in one.requirements for name in requirement.controls}
    query = select(definition.c.key, definition.c.id).where(is_key(definition.c.key))
    return {row.key: row.id for row in select_by_keys(connection, query, keys)}


def _list_controls(document: FrameworkDocument, numbers: Mapping[str, int]) -> frozenset[int]:
    names = {name for requirement in document.requirements for name in requirement.controls}
    return frozenset(numbers[name] for name in names if name in numbers)


def _count_sources(connection: Connection, scope: Scope) -> int:
    query = select(func.count()).select_from(source).where(Scope(scope.whole).contains(source.c.id))
    return int(connection.execute(query).scalar_one())


def _divide(period: Period, points: int) -> list[int]:
    """Return times of a period at equal distances, from its start to its end."""
    start, end = to_number(period.since), to_number(period.until)
    return [start + (end - start) * index // (points - 1) for index in range(points)]


def _count_checks(
    connection: Connection, scope: Scope, definitions: Iterable[int], moments: Sequence[int]
) -> list[Counts]:
    """Return the numbers of sources by definition and state at times, the first one first.

    They follow from those of now and from the changes since, so that no state that has not changed is read.
    """
    keys = frozenset(definitions)
    whole = Scope(scope.whole)
    query = select(source_evaluation.c.states).where(whole.contains(source_evaluation.c.source))
    counts: dict[int, collections.Counter[ControlState]] = {key: collections.Counter() for key in keys}
    for key, count in sum_counts(list(connection.execute(query).scalars())):
        if key // STATES in keys:
            counts[key // STATES][ControlState(key % STATES)] = count
    changed = _CHANGES.where(whole.contains(control_interval.c.source))
    result: list[Counts] = []
    for moment, following in reversed(list(itertools.pairwise([*moments, _LATEST]))):
        for row in select_by_keys(connection, changed, keys, since=moment, until=following):
            counts[row.definition][ControlState(row.state)] -= row.number
            counts[row.definition][ControlState(row.before)] += row.number
        result.append(
            {
                key: {state: count for state, count in states.items() if state and count > 0}
                for key, states in counts.items()
            }
        )
    return result[::-1]


def _list_evaluated(connection: Connection, scope: Scope) -> tuple[frozenset[int], ...]:
    """Return the different sets of definitions that the last scans of sources have evaluated; many sources have the same."""
    table = source_evaluation
    query = select(table.c.evaluated).where(Scope(scope.whole).contains(table.c.source)).distinct()
    contents = connection.execute(query).scalars()
    return tuple(frozenset(key for key, _ in sum_counts([content])) for content in contents)


def _combine_sources(
    names: Sequence[str], numbers: Mapping[str, int], counts: Counts, evaluated: Iterable[frozenset[int]]
) -> ControlState:
    """Return the state of a requirement in the sources that have evaluated its controls.

    evaluated: sets of definitions. A source with some of the controls only has evaluated a part of it.
    """
    keys = frozenset(numbers.get(name, 0) for name in names)
    states: set[ControlState] = set()
    for key in keys:
        states |= counts.get(key, {}).keys() or {ControlState.NOT_EVALUATED}
    if len({sum(counts.get(key, {}).values()) for key in keys}) > 1 or any(
        0 < len(keys & one) < len(keys) for one in evaluated
    ):
        states.add(ControlState.PARTLY)
    return combine(states)


def _sum_checks(numbers: Iterable[int], counts: Counts) -> dict[str, int]:
    total: collections.Counter[ControlState] = collections.Counter()
    for number in numbers:
        total.update(counts.get(number, {}))
    return _name(total)


def _name(counts: Mapping[ControlState, int]) -> dict[str, int]:
    return {state.label: counts.get(state, 0) for state in ControlState if state or counts.get(state, 0)}
