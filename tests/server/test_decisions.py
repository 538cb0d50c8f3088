"""Decisions in the store: what they cover, compared with a plain evaluation of each scope, their states and their end."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, insert, select

from kubekeep.model.decision import DecisionKind, DecisionScope, DecisionState
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import EvaluatedScope, ImageEntry, Submission
from kubekeep_server.store import decision_effects, schema
from kubekeep_server.store.decision_schema import decision
from kubekeep_server.store.decisions import (
    DecisionConflictError,
    DecisionWork,
    NewDecision,
    NoPersonError,
    Person,
    add_comment,
    announce_ends,
    answer_decision,
    end_decision,
    expire_decisions,
    has_work,
    make_decision,
    refresh_images,
)
from kubekeep_server.store.identity_schema import account
from kubekeep_server.store.image_schema import image_finding
from kubekeep_server.store.numbers import format_key
from kubekeep_server.store.organisation_log import verify_log
from kubekeep_server.store.outbox import load_pending
from kubekeep_server.store.queries.decisions import (
    DecisionFilter,
    DecisionRow,
    get_decision,
    list_decisions,
    list_in_force,
)
from kubekeep_server.store.queries.definitions import DefinitionFilter
from kubekeep_server.store.queries.event_changes import Selection, has_open_findings, load_source_changes
from kubekeep_server.store.queries.finding_filter import FindingFilter, FindingState
from kubekeep_server.store.queries.finding_groups import list_finding_groups
from kubekeep_server.store.queries.finding_subjects import list_finding_subjects
from kubekeep_server.store.queries.findings import FindingOrder, FindingRow, list_findings
from kubekeep_server.store.queries.images import list_problems
from kubekeep_server.store.queries.sources import count_findings
from kubekeep_server.store.queries.subjects import get_subject
from kubekeep_server.store.rule_documents import RuleEvent, RuleFilter
from kubekeep_server.store.scopes import EVERYTHING, Scope
from kubekeep_server.store.urgency import SEVERITIES as LEVELS
from tests.selection.shares import count_examples
from tests.server import test_images
from tests.server.conftest import Database
from tests.server.test_images import REBUILT, WEB, build_image, build_workload, check_images, run
from tests.server.test_ingest import NSA, SEVERITIES, START, build, build_finding, build_subject, check_totals, submit
from tests.server.test_ingest_model import empty, subjects

MANAGER: Final = Person("maria", 1)
SECOND: Final = Person("omar", 2)
CLUSTERS: Final = (SourceCluster("shop"), SourceCluster("blog"))
DEFINITIONS: Final = tuple(SEVERITIES)
EXPIRES: Final = START + dt.timedelta(days=90)
Finding = tuple[str, str, str]
"""Key of the source, key of the definition and fingerprint."""


def add_accounts(connection: Connection) -> None:
    rows = [
        {
            "id": person.account,
            "issuer": "",
            "subject": person.name,
            "name": person.name,
            "is_enabled": True,
            "created": 0,
        }
        for person in (MANAGER, SECOND)
    ]
    connection.execute(insert(account), rows)


@pytest.fixture(name="store")
def prepare(database: Database) -> Database:
    """Return a store with two people."""
    database.run(add_accounts)
    return database


def decide(
    database: Database, scope: DecisionScope, kind: DecisionKind = DecisionKind.ACCEPTED_RISK, **fields: Any
) -> int:
    new = NewDecision(kind=kind, scope=scope, reason="known", expires=fields.pop("expires", EXPIRES), **fields)
    number = database.run(make_decision, new, MANAGER, START)
    refresh(database)
    return number


def refresh(database: Database) -> None:
    while database.run(refresh_images, START):
        pass


def end(database: Database, number: int) -> None:
    database.run(end_decision, number, MANAGER, START)
    refresh(database)


def list_state(database: Database, state: FindingState, scope: Scope = EVERYTHING, **fields: Any) -> set[Finding]:
    """Return the findings of all lists in a state; each order must have the same ones."""
    lists = []
    for order in FindingOrder:
        rows: list[FindingRow] = []
        cursor = ""
        while True:
            selection = FindingFilter(state=state, **fields)
            page = database.run(list_findings, scope, selection, order, cursor, 3)
            rows += page.rows
            if not (cursor := page.cursor):
                break
        keys = [(row.source_key, row.definition, row.fingerprint) for row in rows]
        assert len(keys) == len(set(keys))
        lists.append(set(keys))
    assert all(keys == lists[0] for keys in lists)
    return lists[0]


def list_scopes(connection: Connection) -> list[DecisionScope]:
    """Return the scopes of the decisions that cover findings now."""
    query = select(decision).where(decision.c.state == "active", decision.c.kind != "in-progress")
    return [msgspec.json.decode(row.scope, type=DecisionScope) for row in connection.execute(query)]


def list_open(connection: Connection) -> list[Any]:
    finding, subject = schema.finding, schema.subject
    query = (
        select(finding, schema.source.c.key, schema.definition.c.key.label("definition_key"), subject)
        .join(schema.source, schema.source.c.id == finding.c.source)
        .join(schema.definition, schema.definition.c.id == finding.c.definition)
        .join(subject, (subject.c.source == finding.c.source) & (subject.c.id == finding.c.subject))
        .where(finding.c.closed.is_(None))
    )
    return list(connection.execute(query))


def check_findings(database: Database, excepted: set[Finding]) -> None:
    """Compare lists and totals with each open finding and each scope. excepted: findings that exceptions of scans cover."""
    scopes = database.run(list_scopes)
    states: dict[FindingState, set[Finding]] = {state: set() for state in FindingState}
    for row in database.run(list_open):
        key = (row.key, row.definition_key, format_key(row.fingerprint))
        is_decided = any(
            row.definition_key in scope.definitions
            and scope.selects_source(row.key)
            and scope.selects_finding(row.namespace, row.kind, row.name, key[2])
            for scope in scopes
        )
        if key in excepted:
            state = FindingState.SUPPRESSED
        else:
            state = FindingState.DECIDED if is_decided else FindingState.OPEN
        states[state].add(key)
    for state in (FindingState.OPEN, FindingState.DECIDED, FindingState.SUPPRESSED):
        assert list_state(database, state) == states[state]
    check_totals(database)
    shown = states[FindingState.OPEN]
    groups = database.run(list_finding_groups, EVERYTHING, DefinitionFilter()).rows
    assert {group.definitions[0]: group.findings for group in groups} == {
        name: count for name in DEFINITIONS if (count := sum(key[1] == name for key in shown))
    }
    grouped = database.run(list_finding_subjects, EVERYTHING, FindingFilter(), "", 100).rows
    assert sum(sum(row.findings.values()) for row in grouped) == len(shown)


@st.composite
def scopes(draw: st.DrawFn) -> DecisionScope:
    some = st.lists(st.sampled_from(DEFINITIONS), min_size=1, max_size=2, unique=True)
    sources = st.sampled_from((("*",), ("cluster/shop",), ("cluster/b*",), ("cluster/blog", "cluster/shop")))
    limits: st.SearchStrategy[dict[str, tuple[str, ...]]] = st.sampled_from(
        (
            {},
            {},
            {"namespaces": ("shop",)},
            {"names": ("web-1", "web-2")},
            {"kinds": ("Deployment",), "namespaces": ("blog",)},
            {"fingerprints": (build_finding(1, "C-0001").fingerprint,)},
        )
    )
    return DecisionScope(definitions=tuple(draw(some)), sources=draw(sources), **draw(limits))


@st.composite
def histories(draw: st.DrawFn) -> list[Any]:
    """Return submissions of two clusters, scopes of new decisions, and numbers of the ones to end."""
    steps: list[Any] = []
    for day in range(draw(st.integers(2, 8))):
        match draw(st.sampled_from(("scan", "scan", "decide", "end"))):
            case "scan":
                evaluated = EvaluatedScope(draw(st.sampled_from((DEFINITIONS, DEFINITIONS[:2]))))
                numbers = sorted(draw(st.sets(st.integers(0, 3))))
                entries = [draw(subjects(number, evaluated.definitions)) for number in numbers]
                severities = {**SEVERITIES, "C-0001": draw(st.sampled_from(("high", "high", "low")))}
                source = draw(st.sampled_from(CLUSTERS))
                steps.append(build(day, *entries, scope=evaluated, source=source, severities=severities))
            case "decide":
                steps.append(draw(scopes()))
            case _:
                steps.append(draw(st.integers(0, 2)))
    return steps


@settings(
    max_examples=count_examples(10, 40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(histories())
def test_decisions_cover_what_their_scopes_select(database: Database, history: list[Any]) -> None:
    database.run(empty)
    database.run(add_accounts)
    submit(database, build(0, *(build_subject(number) for number in range(4)), scope=DEFINITIONS, source=CLUSTERS[0]))
    excepted: dict[Finding, bool] = {}
    active: list[int] = []
    for step in history:
        match step:
            case Submission():
                submit(database, step)
                for entry in step.subjects:
                    for one in entry.findings:
                        excepted[step.source.key, one.definition, one.fingerprint] = not one.is_open
            case DecisionScope():
                active.append(decide(database, step))
            case number if number < len(active):
                end(database, active.pop(number))
        check_findings(database, {key for key, is_excepted in excepted.items() if is_excepted})


def test_decision_survives_that_its_finding_is_fixed_and_opened_again(store: Database) -> None:
    submit(store, build(0, build_subject(1, "C-0001")))
    fingerprint = build_finding(1, "C-0001").fingerprint
    decide(store, DecisionScope(definitions=("C-0001",), fingerprints=(fingerprint,)))
    submit(store, build(1, build_subject(1)))
    assert not list_state(store, FindingState.DECIDED)
    submit(store, build(2, build_subject(1, "C-0001")))
    assert list_state(store, FindingState.DECIDED) == {("cluster/uid", "C-0001", fingerprint)}
    assert not list_state(store, FindingState.OPEN)


def test_findings_show_the_decision_that_covers_them_and_the_one_in_progress(store: Database) -> None:
    submit(store, build(0, build_subject(1, "C-0001", "C-0002")))
    scope = DecisionScope(definitions=("C-0001", "C-0002"))
    progress = decide(store, scope, DecisionKind.IN_PROGRESS, work=DecisionWork("team shop"))
    rows = store.run(list_findings, EVERYTHING, FindingFilter()).rows
    assert [row.decision for row in rows] == [progress, progress]
    accepted = decide(store, DecisionScope(definitions=("C-0001",)))
    (row,) = store.run(list_findings, EVERYTHING, FindingFilter()).rows
    assert (row.definition, row.decision) == ("C-0002", progress)
    (row,) = store.run(list_findings, EVERYTHING, FindingFilter(state=FindingState.DECIDED)).rows
    assert (row.definition, row.decision, row.is_suppressed) == ("C-0001", accepted, False)
    findings = store.run(get_subject, EVERYTHING, row.source, int(row.subject, 16)).findings
    assert {one.definition.id: one.decision for one in findings} == {"C-0001": accepted, "C-0002": progress}


def test_filters_of_the_list_select_decided_findings(store: Database) -> None:
    for source in CLUSTERS:
        submit(store, build(0, build_subject(1, *NSA), build_subject(2, *NSA, namespace="blog"), source=source))
    decide(store, DecisionScope(definitions=("C-0001",)))
    decide(store, DecisionScope(definitions=("C-0002",), namespaces=("shop",)))
    state = FindingState.DECIDED
    assert len(list_state(store, state)) == 6
    assert len(list_state(store, state, namespaces=("shop",))) == 4
    assert len(list_state(store, state, definitions=("C-0002",))) == 2
    assert len(list_state(store, state, priorities=("high",))) == 4
    assert len(list_state(store, state, Scope(frozenset({1})))) == 3
    assert len(list_state(store, state, Scope(frozenset(), {1: frozenset({"blog"})}))) == 1
    assert len(list_state(store, FindingState.OPEN, Scope(frozenset(), {1: frozenset({"blog"})}))) == 1
    totals = store.run(count_findings, EVERYTHING, ())
    assert totals.findings == {"critical": 0, "high": 0, "low": 2, "medium": 0, "unknown": 0}


def test_approval_by_a_second_person(store: Database) -> None:
    submit(store, build(0, build_subject(1, "C-0001", "C-0002")))
    low = decide(store, DecisionScope(definitions=("C-0002",)), approval_level=LEVELS["high"])
    assert store.run(get_decision, low).state is DecisionState.ACTIVE
    number = decide(store, DecisionScope(definitions=NSA), approval_level=LEVELS["high"])
    assert store.run(get_decision, number).state is DecisionState.PROPOSED
    assert len(list_state(store, FindingState.OPEN)) == 1
    for person in (MANAGER, Person("renamed", MANAGER.account)):
        with pytest.raises(DecisionConflictError, match="another person"):
            store.run(lambda c, p=person: answer_decision(c, number, p, START, is_approved=True))
    with pytest.raises(NoPersonError):
        store.run(lambda c: answer_decision(c, number, Person("token"), START, is_approved=True))
    store.run(lambda c: answer_decision(c, number, SECOND, START, is_approved=True, comment="agreed"))
    page = store.run(get_decision, number)
    assert (page.state, page.approver, [one.text for one in page.comments]) == (
        DecisionState.ACTIVE,
        "omar",
        ["agreed"],
    )
    assert not list_state(store, FindingState.OPEN)
    with pytest.raises(DecisionConflictError, match="is active"):
        store.run(lambda c: answer_decision(c, number, SECOND, START, is_approved=False))
    new = NewDecision(
        kind=DecisionKind.ACCEPTED_RISK,
        scope=DecisionScope(definitions=NSA),
        reason="known",
        expires=EXPIRES,
        approval_level=LEVELS["low"],
    )
    with pytest.raises(NoPersonError):
        store.run(make_decision, new, Person("token"), START)


def test_rejected_decision_covers_nothing(store: Database) -> None:
    submit(store, build(0, build_subject(1, "C-0001")))
    number = decide(store, DecisionScope(definitions=("C-0001",)), approval_level=LEVELS["low"])
    store.run(lambda c: answer_decision(c, number, SECOND, START, is_approved=False))
    assert store.run(get_decision, number).state is DecisionState.REJECTED
    assert len(list_state(store, FindingState.OPEN)) == 1
    with pytest.raises(DecisionConflictError, match="rejected already"):
        store.run(end_decision, number, MANAGER, START)


def test_expired_decision_ends_with_its_effects(store: Database) -> None:
    submit(store, build(0, build_subject(1, "C-0001", "C-0002")))
    wide = decide(store, DecisionScope(definitions=("C-0001",)))
    narrow = decide(store, DecisionScope(definitions=("C-0002",), names=("web-1",)))
    proposed = decide(store, DecisionScope(definitions=("C-0002",)), approval_level=0)
    assert store.run(expire_decisions, EXPIRES - dt.timedelta(microseconds=1)) == 0
    assert store.run(has_work, EXPIRES)
    assert store.run(expire_decisions, EXPIRES) == 3
    assert {store.run(get_decision, key).state for key in (wide, narrow, proposed)} == {DecisionState.EXPIRED}
    assert len(list_state(store, FindingState.OPEN)) == 2
    assert store.run(expire_decisions, EXPIRES) == 0
    check_totals(store)
    assert store.run(verify_log) is None


def list_texts(database: Database) -> list[tuple[str, int | None, str]]:
    """Return the kind, the source and the title of the events of decisions."""

    def read(connection: Connection) -> list[tuple[str, int | None, str]]:
        events = load_pending(connection, 100)
        return [(event.kind.value, event.source, event.content.text.title) for event in events if event.content.text]

    return database.run(read)


def test_events_of_decisions(store: Database) -> None:
    submit(store, build(0, build_subject(1, "C-0001", "C-0002")))
    decide(store, DecisionScope(definitions=("C-0001",)), approval_level=LEVELS["high"])
    decide(store, DecisionScope(definitions=("C-0002",), sources=("cluster/uid",), names=("web-1",)))
    soon = EXPIRES - dt.timedelta(days=7)
    assert not store.run(has_work, soon - dt.timedelta(microseconds=1))
    assert store.run(has_work, soon)
    for _ in range(2):
        store.run(announce_ends, soon)
    assert not store.run(has_work, soon)
    store.run(expire_decisions, EXPIRES)
    assert list_texts(store) == [
        ("decision-waits", None, "A decision waits for approval: accepted risk, C-0001"),
        ("decision-expires", 1, "A decision ends within a week: accepted risk, C-0002"),
        ("decision-expired", 1, "A decision has expired, its findings count again: accepted risk, C-0002"),
    ]


def test_covered_findings_are_no_news(store: Database) -> None:
    submit(store, build(0, build_subject(1, "C-0001")))
    decide(store, DecisionScope(definitions=("C-0001",)))
    decide(store, DecisionScope(definitions=("C-0002",), namespaces=("shop",)))
    submit(store, build(1, build_subject(1, "C-0001", "C-0002"), build_subject(2, *NSA)))
    selection = Selection(EVERYTHING, RuleFilter())
    events = store.run(load_pending, 100)
    changes = store.run(load_source_changes, selection, RuleEvent.FINDING_OPENED, 1, events)
    assert changes is None
    assert not store.run(has_open_findings, selection, 1)


def test_rating_of_a_covered_definition_moves_what_is_counted(store: Database) -> None:
    for source in CLUSTERS:
        submit(store, build(0, build_subject(1, "C-0001"), source=source))
    number = decide(store, DecisionScope(definitions=("C-0001",), sources=("cluster/blog",)))
    changed = {**SEVERITIES, "C-0001": "critical"}
    submit(store, build(1, build_subject(1, "C-0001"), source=CLUSTERS[0], severities=changed))
    check_totals(store)
    end(store, number)
    check_totals(store)
    assert store.run(count_findings, EVERYTHING, ()).findings["critical"] == 2


def test_decision_on_some_subjects_is_limited(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(store, build(0, *(build_subject(number, "C-0001") for number in range(3))))
    monkeypatch.setattr(decision_effects, "MOST_MARKED", 2)
    with pytest.raises(decision_effects.WideDecisionError, match="covers 3 findings"):
        decide(store, DecisionScope(definitions=("C-0001",), namespaces=("shop",)))
    assert not store.run(list_decisions, DecisionFilter(), lambda scope: bool(scope.definitions)).rows
    decide(store, DecisionScope(definitions=("C-0001",)))
    assert not list_state(store, FindingState.OPEN)


def scan_images(day: int, *images: Any, **fields: Any) -> Submission:
    """Return a scan of a cluster that runs each image. images: digest and names of vulnerabilities."""
    entries = []
    for number, (digest, *names) in enumerate(images):
        entries += [build_workload(number, run(digest)), build_image(digest, *names)]
    named = [
        ImageEntry(digest, ("ghcr.io/shop/web:1",), "linux/amd64", test_images.build_content("3.0.1"))
        for digest, *_ in images
    ]
    return test_images.build_scan(day, *entries, images=named, **fields)


def list_covered(database: Database) -> set[tuple[str, str]]:
    """Return digest and definition of the problems that a decision covers."""
    covered = set()
    for digest in (WEB, REBUILT):
        try:
            rows = database.run(list_problems, EVERYTHING, digest).rows
        except LookupError:
            continue
        covered |= {(digest, row.id) for row in rows if row.decision is not None}
    return covered


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"images": (WEB,)},
        {"repositories": ("ghcr.io/shop/web",)},
        {"packages": ("pkg:deb/debian/openssl",)},
        {"images": (WEB,), "packages": ("pkg:deb/debian/openssl",)},
    ],
)
def test_decision_on_a_vulnerability_covers_problems_of_images(store: Database, limits: dict[str, Any]) -> None:
    submit(store, scan_images(0, (WEB, "CVE-1", "CVE-2")))
    number = decide(store, DecisionScope(definitions=("CVE-1",), **limits))
    assert list_covered(store) == {(WEB, "CVE-1")}
    check_images(store)
    # A build of the image has the decision too, unless it names the digest.
    submit(store, scan_images(1, (REBUILT, "CVE-1", "CVE-2")))
    expected = {(REBUILT, "CVE-1")} if "images" not in limits else set()
    assert {pair for pair in list_covered(store) if pair[0] == REBUILT} == expected
    check_images(store)
    end(store, number)
    assert not list_covered(store)
    check_images(store)


def test_problem_of_two_decisions_stays_covered_by_the_other(store: Database) -> None:
    submit(store, scan_images(0, (WEB, "CVE-1"), (REBUILT, "CVE-1")))
    first = decide(store, DecisionScope(definitions=("CVE-1",)))
    decide(store, DecisionScope(definitions=("CVE-1",), images=(WEB,)))
    end(store, first)
    assert list_covered(store) == {(WEB, "CVE-1")}


def test_images_are_refreshed_in_batches(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(store, scan_images(0, (WEB, "CVE-1"), (REBUILT, "CVE-1")))
    monkeypatch.setattr("kubekeep_server.store.decisions._IMAGES", 1)
    new = NewDecision(
        kind=DecisionKind.FALSE_POSITIVE,
        scope=DecisionScope(definitions=("CVE-1",)),
        reason="not linked",
        expires=EXPIRES,
    )
    store.run(make_decision, new, MANAGER, START)
    counts = []
    while store.run(refresh_images, START):
        covered = select(func.count()).where(image_finding.c.decision.is_not(None))
        counts.append(store.run(lambda c, query=covered: c.execute(query).scalar()))
    assert counts == [1, 2, 2]


@pytest.mark.parametrize(
    ("scope", "error", "message"),
    [
        (DecisionScope(definitions=("C-9999",)), LookupError, "no source has a finding of C-9999"),
        (DecisionScope(definitions=("CVE-1",), namespaces=("shop",)), ValueError, "name images"),
        (DecisionScope(definitions=("CVE-1",), sources=("cluster/shop",)), ValueError, "name images"),
        (DecisionScope(definitions=("CVE-1",), namespaces=("shop",), images=(WEB,)), ValueError, "subjects or sources"),
    ],
)
def test_scope_that_selects_nothing_is_refused(
    store: Database, scope: DecisionScope, error: type[Exception], message: str
) -> None:
    submit(store, scan_images(0, (WEB, "CVE-1")))
    with pytest.raises(error, match=message):
        decide(store, scope)


def test_decisions_in_force_of_a_source(store: Database) -> None:
    for source in CLUSTERS:
        submit(store, build(0, build_subject(1, *NSA), source=source))
    everywhere = decide(store, DecisionScope(definitions=("C-0001",)))
    shop = decide(store, DecisionScope(definitions=("C-0002",), sources=("cluster/shop",)))
    prefix = decide(store, DecisionScope(definitions=("C-0002",), sources=("cluster/b*",), names=("web-1",)))
    decide(store, DecisionScope(definitions=NSA), DecisionKind.IN_PROGRESS)
    numbers = [{entry.id for entry in store.run(list_in_force, source.key)} for source in CLUSTERS]
    assert numbers == [{everywhere, shop}, {everywhere, prefix}]


def test_list_of_decisions_has_pages(store: Database) -> None:
    submit(store, build(0, build_subject(1, *NSA)))
    numbers = [decide(store, DecisionScope(definitions=("C-0001",), names=(f"web-{i}",))) for i in range(5)]
    end(store, numbers[2])
    rows: list[DecisionRow] = []
    cursor = ""
    while True:
        page = store.run(
            list_decisions, DecisionFilter((DecisionState.ACTIVE,)), lambda scope: scope.names != ("web-0",), cursor, 2
        )
        rows += page.rows
        if not (cursor := page.cursor):
            break
    assert [row.id for row in rows] == [numbers[4], numbers[3], numbers[1]]


def test_comments_are_in_order(store: Database) -> None:
    submit(store, build(0, build_subject(1, "C-0001")))
    number = decide(store, DecisionScope(definitions=("C-0001",)))
    for text in ("first", "second"):
        store.run(add_comment, number, "maria", START, text)
    assert [one.text for one in store.run(get_decision, number).comments] == ["first", "second"]
    with pytest.raises(LookupError):
        store.run(add_comment, number + 1, "maria", START, "third")
