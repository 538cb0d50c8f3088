"""States of controls over time, compared with a plain evaluation of random scans, exceptions and decisions."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select, update

from kubekeep.model.decision import DecisionKind, DecisionScope
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import EvaluatedScope, GapEntry, HiddenObjects, NotEvaluatedEntry, Submission
from kubekeep_server.store import control_states, schema
from kubekeep_server.store.control_history import Interval, combine, merge_intervals
from kubekeep_server.store.control_states import ControlState, end_silent, has_silent
from kubekeep_server.store.decisions import NewDecision, end_decision, make_decision
from kubekeep_server.store.framework_schema import control_interval, source_evaluation
from kubekeep_server.store.frameworks import FrameworkDocument, RequirementDocument, store_frameworks
from kubekeep_server.store.numbers import DAY, to_number
from kubekeep_server.store.queries import frameworks
from kubekeep_server.store.queries.framework_evidence import list_decisions, list_rows
from kubekeep_server.store.queries.frameworks import (
    Period,
    _combine_sources,
    _count_checks,
    _divide,
    get_requirement,
    list_framework_sources,
    list_frameworks,
)
from kubekeep_server.store.retention import Retention, remove_of_source
from kubekeep_server.store.scopes import EVERYTHING, Scope
from tests.selection.shares import count_examples
from tests.server.conftest import Database
from tests.server.test_decisions import MANAGER, add_accounts
from tests.server.test_ingest import START, build, build_finding, build_subject, submit
from tests.server.test_ingest_model import empty

DEFINITIONS: Final = ("C-0001", "C-0002", "C-0003")
EXPIRES: Final = START + dt.timedelta(days=9_000)
Step = tuple[str, Any]


@st.composite
def scans(draw: st.DrawFn) -> dict[str, Any]:
    """Return a scan: of each definition if it is evaluated, fails, is covered, or lacks data on a subject."""
    return {
        "scope": draw(st.frozensets(st.sampled_from(DEFINITIONS))),
        "failed": draw(st.frozensets(st.sampled_from(DEFINITIONS))),
        "covered": draw(st.frozensets(st.sampled_from(DEFINITIONS))),
        "unevaluated": draw(st.frozensets(st.sampled_from(DEFINITIONS))),
        "is_limited": draw(st.booleans()),
        "is_partial": draw(st.integers(0, 4)) == 0,
        "has_gap": draw(st.integers(0, 4)) == 0,
        "days": draw(st.sampled_from([1, 1, 1, 20])),
    }


STEPS: Final = st.lists(
    st.one_of(scans().map(lambda scan: ("scan", scan)), st.sampled_from(DEFINITIONS).map(lambda key: ("decide", key))),
    min_size=1,
    max_size=8,
)


class Plain:
    """A plain evaluation: what is open, what the last scan has evaluated, and the state after each step."""

    def __init__(self) -> None:
        self.open: dict[str, bool] = {}
        """Definitions with a finding, and True if an exception covers it."""
        self.decided: set[str] = set()
        self.evaluated: frozenset[str] = frozenset()
        self.incomplete: frozenset[str] = frozenset()
        self.unevaluated: frozenset[str] = frozenset()
        self.last: int | None = None
        self.history: list[tuple[int, dict[str, ControlState]]] = []

    def scan(self, moment: int, scan: dict[str, Any]) -> None:
        self.end_silent(moment)
        reported = (scan["failed"] | scan["covered"]) & scan["scope"]
        lost = scan["unevaluated"]
        # A finding of a definition that was not evaluated on the subject stays.
        gone = scan["scope"] - reported - lost
        self.open = {key: covered for key, covered in self.open.items() if key not in gone}
        self.open |= {key: key not in scan["failed"] for key in reported}
        self.unevaluated = lost
        if not scan["is_partial"]:
            everything = scan["is_limited"] or scan["has_gap"]
            self.evaluated, self.last = scan["scope"], moment
            self.incomplete = frozenset(DEFINITIONS) if everything else frozenset()
        self.note(moment)

    def end_silent(self, moment: int) -> None:
        if self.last is not None and moment - self.last > control_states.LONGEST_SILENCE:
            self.evaluated = frozenset()
            self.note(self.last + control_states.LONGEST_SILENCE)
            self.last = None

    def decide(self, moment: int, key: str) -> None:
        self.decided ^= {key}
        self.note(moment)

    def find_state(self, key: str) -> ControlState:
        if key in self.open and not self.open[key] and key not in self.decided:
            return ControlState.FAILED
        if key not in self.evaluated:
            return ControlState.NOT_EVALUATED
        if key in self.incomplete | self.unevaluated:
            return ControlState.PARTLY
        return ControlState.COVERED if key in self.open else ControlState.PASSED

    def note(self, moment: int) -> None:
        self.history.append((moment, {key: self.find_state(key) for key in DEFINITIONS}))


def build_scan(day: int, scan: dict[str, Any]) -> Submission:
    """Return the submission of a scan; the subject is always in it."""
    reported = (scan["failed"] | scan["covered"]) & scan["scope"]
    findings = tuple(build_finding(1, key, is_suppressed=key not in scan["failed"]) for key in sorted(reported))
    unevaluated = tuple(sorted(scan["unevaluated"]))
    entry = build_subject(
        1, findings=findings, not_evaluated=(NotEvaluatedEntry(unevaluated, "no data"),) if unevaluated else ()
    )
    scope = EvaluatedScope(
        tuple(sorted(scan["scope"])),
        exclude_namespaces=("other",) if scan["is_limited"] else (),
        is_partial=scan["is_partial"],
    )
    gaps = (GapEntry("cannot list secrets", next_step="list secrets", hides=HiddenObjects("", "Secret")),)
    return build(day, entry, scope=scope, gaps=gaps if scan["has_gap"] else ())


def read_state(connection: Connection, key: str, moment: int) -> ControlState:
    """Return the stored state at a time."""
    table = control_interval
    query = (
        select(table.c.state)
        .join(schema.definition, schema.definition.c.id == table.c.definition)
        .where(schema.definition.c.key == key, table.c.since <= moment)
        .where((table.c.until.is_(None)) | (table.c.until > moment))
    )
    states = connection.execute(query).scalars().all()
    assert len(states) <= 1
    return ControlState(states[0]) if states else ControlState.NOT_EVALUATED


@settings(
    max_examples=count_examples(10, 40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_states_are_those_of_a_plain_evaluation(database: Database, steps: list[Step]) -> None:
    database.run(empty)
    database.run(add_accounts)
    plain, day = Plain(), 0
    decisions: dict[str, int] = {}
    # A decision needs the definitions.
    nothing = dict.fromkeys(("failed", "covered", "unevaluated"), frozenset[str]())
    flags = {"is_limited": False, "is_partial": False, "has_gap": False, "days": 1}
    first: Step = ("scan", {**nothing, "scope": frozenset(DEFINITIONS), **flags})
    for kind, value in [first, *steps]:
        day += value["days"] if kind == "scan" else 0
        moment = START + dt.timedelta(days=day)
        if kind == "scan":
            submit(database, build_scan(day, value))
            plain.scan(to_number(moment), value)
        elif value in decisions:
            database.run(end_decision, decisions.pop(value), MANAGER, moment)
            plain.decide(to_number(moment), value)
        else:
            scope = DecisionScope(definitions=(value,), namespaces=("shop",) if value == "C-0002" else ())
            new = NewDecision(kind=DecisionKind.ACCEPTED_RISK, scope=scope, reason="limited", expires=EXPIRES)
            decisions[value] = database.run(make_decision, new, MANAGER, moment)
            plain.decide(to_number(moment), value)
    for index, (since, states) in enumerate(plain.history):
        following = [later for later, _ in plain.history[index + 1 :]]
        if following and following[0] == since:
            continue
        for key, state in states.items():
            assert database.run(read_state, key, since) is state, (key, since)
            if following:
                assert database.run(read_state, key, following[0] - 1) is state


def list_intervals(database: Database) -> list[tuple[str, int, int | None]]:
    """Return the states of the first definition, with the days of their begin and end."""

    def read(connection: Connection) -> list[Any]:
        table = control_interval
        query = select(table).join(schema.definition, schema.definition.c.id == table.c.definition)
        return list(connection.execute(query.where(schema.definition.c.key == "C-0001").order_by(table.c.since)))

    def count(moment: int | None) -> int | None:
        return None if moment is None else (moment - to_number(START)) // DAY

    return [(ControlState(row.state).label, count(row.since) or 0, count(row.until)) for row in database.run(read)]


def test_source_that_is_silent_is_not_evaluated(database: Database) -> None:
    submit(database, build(0, build_subject(1)))
    now = START + dt.timedelta(days=15)
    assert not database.run(has_silent, now)
    later = START + dt.timedelta(days=40)
    assert database.run(has_silent, later)
    assert (database.run(end_silent, later), database.run(end_silent, later)) == (1, 0)
    assert list_intervals(database) == [("passed", 0, 15), ("not-evaluated", 15, None)]
    submit(database, build(41, build_subject(1)))
    assert list_intervals(database)[2:] == [("passed", 41, None)]


def test_repeated_scan_writes_no_state(database: Database) -> None:
    for day in range(3):
        submit(database, build(day, build_subject(1, "C-0001")))
    assert list_intervals(database) == [("failed", 0, None)]


def test_states_of_an_earlier_version_follow_from_the_next_scan(database: Database) -> None:
    gap = NotEvaluatedEntry(("C-0001",), "no data")
    submit(database, build(0, build_subject(1, not_evaluated=(gap,)), build_subject(2)))

    def forget(connection: Connection) -> None:
        connection.execute(source_evaluation.delete())
        connection.execute(control_interval.delete())
        connection.execute(update(schema.source).values(evaluation=None, evaluated=None))

    database.run(forget)
    submit(database, build(1, build_subject(1, not_evaluated=(gap,)), build_subject(2)))
    assert list_intervals(database) == [("partly", 1, None)]
    submit(database, build(2, build_subject(1), build_subject(2)))
    assert list_intervals(database)[1:] == [("passed", 2, None)]


def count_checks(database: Database, since: int, until: int) -> list[dict[str, int]]:
    """Return the states of the first definition by source at times of a period of days, from its start to its end."""

    def read(connection: Connection) -> list[dict[str, int]]:
        number = connection.execute(
            select(schema.definition.c.id).where(schema.definition.c.key == "C-0001")
        ).scalar_one()
        period = Period(START + dt.timedelta(days=since), START + dt.timedelta(days=until))
        counts = _count_checks(connection, EVERYTHING, [number], _divide(period, until - since + 1))
        return [{state.label: count for state, count in one.get(number, {}).items()} for one in counts]

    return database.run(read)


def test_numbers_of_the_past_are_those_that_were_stored_then(database: Database) -> None:
    submit(database, build(1, build_subject(1)))
    submit(database, build(2, build_subject(1, "C-0001"), source=SourceCluster("other")))
    submit(database, build(3, build_subject(1, "C-0001")))
    submit(database, build(5, build_subject(1)))
    passed, failed = {"passed": 1}, {"failed": 1}
    days = [{}, passed, {**failed, **passed}, {"failed": 2}, {"failed": 2}, {**failed, **passed}]
    # At the moment of a change, it has been made.
    assert count_checks(database, 0, 5) == days
    assert count_checks(database, 3, 4) == days[3:5]


def test_removed_history_is_not_evaluated(database: Database) -> None:
    for day, failed in ((1, ()), (3, ("C-0001",)), (5, ())):
        submit(database, build(day, build_subject(1, *failed)))
    number = database.run(lambda connection: connection.execute(select(schema.source.c.id)).scalar_one())
    database.run(remove_of_source, number, Retention(START, START + dt.timedelta(days=4)))
    assert list_intervals(database) == [("failed", 3, 5), ("passed", 5, None)]
    assert count_checks(database, 1, 6) == [{}, {}, {"failed": 1}, {"failed": 1}, {"passed": 1}, {"passed": 1}]


SMALL: Final = FrameworkDocument(
    "small", "Small", "1", "", "", is_standard=True, requirements=(RequirementDocument("1", "", "", ("C-0001",)),)
)
PERIOD: Final = Period(START, START + dt.timedelta(days=6))


def test_scope_of_some_namespaces_has_no_states(database: Database) -> None:
    database.run(store_frameworks, [SMALL], ())
    submit(database, build(1, build_subject(1, "C-0001")))
    submit(database, build(1, build_subject(1), source=SourceCluster("other")))
    numbers = database.run(lambda connection: connection.execute(select(schema.source.c.id)).scalars().all())
    for selected in ((), numbers):
        scope = Scope(frozenset(), {numbers[0]: frozenset({"shop"})})
        page = database.run(list_frameworks, scope, PERIOD, selected)
        assert (page.sources, page.limited, sum(page.frameworks[0].checks.values())) == (0, 1, 0)
        assert database.run(list_framework_sources, scope, "small", PERIOD, selected).rows == ()
        requirement = database.run(get_requirement, scope, "small", "1", PERIOD, bool, selected)
        assert requirement.sources == ()
        assert database.run(list_rows, scope, "small", PERIOD, selected, "") == ((), "")


def test_evidence_has_all_decisions_of_the_period(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frameworks, "_MOST_DECISIONS", 2)
    database.run(add_accounts)
    database.run(store_frameworks, [SMALL], ())
    submit(database, build(0, build_subject(1, "C-0001", "C-0002")))
    for day, key in ((1, "C-0001"), (2, "C-0001"), (2, "C-0002"), (3, "C-0001"), (7, "C-0001")):
        scope = DecisionScope(definitions=(key,))
        new = NewDecision(kind=DecisionKind.ACCEPTED_RISK, scope=scope, reason=f"day {day}", expires=EXPIRES)
        number = database.run(make_decision, new, MANAGER, START + dt.timedelta(days=day))
        if day == 1:
            database.run(end_decision, number, MANAGER, START + dt.timedelta(days=4))
    reasons, before = [], None
    while True:
        rows, before = database.run(list_decisions, EVERYTHING, "small", PERIOD, bool, before)
        reasons += [(row.requirement, row.controls, row.reason) for row in rows]
        if before is None:
            break
    assert reasons == [("1", "C-0001", f"day {day}") for day in (3, 2, 1)]
    late = Period(START + dt.timedelta(days=5), START + dt.timedelta(days=6))
    rows, _ = database.run(list_decisions, EVERYTHING, "small", late, bool)
    assert [row.reason for row in rows] == ["day 3", "day 2"]
    hidden, _ = database.run(list_decisions, EVERYTHING, "small", PERIOD, lambda scope: scope is None)
    assert hidden == ()


F, C, P, H, N = (
    ControlState.FAILED,
    ControlState.COVERED,
    ControlState.PARTLY,
    ControlState.PASSED,
    ControlState.NOT_EVALUATED,
)


@pytest.mark.parametrize(
    ("states", "state"),
    [((), N), ((N, N), N), ((N, F), F), ((N, H), P), ((P, H), P), ((C, H), C), ((C, N), P), ((H, H), H)],
)
def test_requirement_has_passed_if_all_controls_have(states: Iterable[ControlState], state: ControlState) -> None:
    assert combine(states) is state


def test_intervals_of_controls_are_merged_without_gaps() -> None:
    intervals = {1: [Interval(0, 10, H), Interval(10, 20, F)], 2: [Interval(5, 30, H)]}
    merged = merge_intervals([1, 2], intervals, 2, 30)
    assert merged == (Interval(2, 5, P), Interval(5, 10, H), Interval(10, 20, F), Interval(20, 30, P))


@st.composite
def histories(draw: st.DrawFn) -> list[Interval]:
    """Return intervals in the order of time, with some time between them that has none."""
    cuts = sorted(draw(st.sets(st.integers(0, 12), max_size=8)))
    states = [draw(st.sampled_from([None, F, C, P, H])) for _ in cuts[1:]]
    return [Interval(*pair, state) for pair, state in zip(itertools.pairwise(cuts), states, strict=True) if state]


@given(first=histories(), second=histories(), since=st.integers(0, 6), width=st.integers(1, 8))
def test_merged_intervals_have_the_state_of_each_moment(
    first: list[Interval], second: list[Interval], since: int, width: int
) -> None:
    merged = merge_intervals([1, 2, 0], {1: first, 2: second, 0: first}, since, since + width)
    for moment in range(since, since + width):
        states = [
            next((one.state for one in intervals if one.since <= moment < one.until), N)
            for intervals in (first, second)
        ]
        assert [one.state for one in merged if one.since <= moment < one.until] == [combine(states)]
    assert all(
        before.until == after.since and before.state != after.state for before, after in itertools.pairwise(merged)
    )


def test_sources_with_some_controls_each_have_not_evaluated_a_requirement() -> None:
    numbers, counts = {"C-0001": 1, "C-0002": 2}, {1: {H: 1}, 2: {H: 1}}
    names, whole = ("C-0001", "C-0002"), frozenset({1, 2, 3})
    assert _combine_sources(names, numbers, counts, [whole]) is H
    assert _combine_sources(names, numbers, counts, [frozenset({1}), frozenset({2})]) is P
    assert _combine_sources(names, numbers, {1: {H: 2}, 2: {H: 1}}, [whole]) is P
    assert _combine_sources(("C-0001",), numbers, counts, [frozenset({1}), frozenset({2})]) is H
