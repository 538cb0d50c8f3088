"""Service levels: due dates compared with plain ones, their filters, and who may change and read them."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, Final

import httpx2
import pytest

from kubekeep.model.decision import DecisionKind, DecisionScope
from kubekeep.model.scanned_source import SourceCluster
from kubekeep_server.store.decisions import NewDecision, Person, end_decision, make_decision
from kubekeep_server.store.numbers import to_moment
from kubekeep_server.store.queries import findings
from kubekeep_server.store.queries.due import DueDates
from kubekeep_server.store.queries.due_findings import count_due
from kubekeep_server.store.queries.finding_filter import FindingFilter, FindingState
from kubekeep_server.store.queries.finding_subjects import list_finding_subjects
from kubekeep_server.store.queries.findings import FindingOrder, list_findings
from kubekeep_server.store.queries.subjects import get_subject
from kubekeep_server.store.scopes import EVERYTHING
from kubekeep_server.store.service_levels import (
    ServiceLevel,
    ServiceLevels,
    SourceEnvironment,
    set_service_levels,
)
from kubekeep_server.store.urgency import SEVERITY_NAMES
from tests.server.conftest import Database
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.test_identity_api import sign_in_user
from tests.server.test_ingest import NSA, START, build, build_subject
from tests.server.test_queries import (
    FEW,
    ORDERS,
    fleet,
    identify,
    identify_plain,
    list_plain,
    make_scope,
    read_all,
    shows,
)
from tests.server.test_scans_api import encode, post

__all__ = ["fleet"]

DAY: Final = dt.timedelta(days=1)
NOW: Final = START + 2.5 * DAY
PRODUCTION: Final = SourceEnvironment("production", ("cluster-1*", "cluster-[23]"))
TEST: Final = SourceEnvironment("test", ("cluster-?",))
POLICIES: Final = {
    "one level": ServiceLevels(levels=(ServiceLevel("high", 2),)),
    "exposed first": ServiceLevels(
        levels=(
            *(ServiceLevel("critical", 1, exposed=True), ServiceLevel("critical", 2), ServiceLevel("low", 40)),
            ServiceLevel("medium", 1, exposed=True),
        )
    ),
    "environments": ServiceLevels(
        levels=(
            *(ServiceLevel("critical", 1, environment="production"), ServiceLevel("critical", 2, environment="test")),
            *(ServiceLevel("high", 1, exposed=True, environment="production"), ServiceLevel("high", 2)),
            ServiceLevel("medium", 2, environment="test"),
        ),
        environments=(PRODUCTION, TEST),
    ),
    "environment without sources": ServiceLevels(
        levels=(ServiceLevel("high", 1, environment="none"), ServiceLevel("low", 2)),
        environments=(SourceEnvironment("none", ("x",)),),
    ),
    "nothing": ServiceLevels(environments=(PRODUCTION,)),
}
PERIODS: Final = {
    "overdue": FindingFilter(due_before=NOW),
    "next day": FindingFilter(due_since=NOW, due_before=NOW + DAY),
    "later": FindingFilter(due_since=NOW + DAY),
}


def find_due(levels: ServiceLevels, row: Any) -> dt.datetime | None:
    """Return the due date of a row of `list_plain`, by reading the levels one by one."""
    name = row.source_key.removeprefix("cluster/")
    environment = ""
    for one in reversed(levels.environments):
        if any(fnmatchcase(name, pattern) for pattern in one.sources):
            environment = one.name
    for level in levels.levels:
        is_exposed = row.exposure >= 4
        if (
            level.level == SEVERITY_NAMES[row.level]
            and not (level.exposed and not is_exposed)
            and level.environment in {"", environment}
        ):
            return to_moment(row.opened) + level.days * DAY
    return None


def is_due(selection: FindingFilter, due: dt.datetime | None) -> bool:
    return (
        due is not None
        and (selection.due_since is None or due >= selection.due_since)
        and (selection.due_before is None or due < selection.due_before)
    )


@pytest.mark.parametrize("small", [(), FEW])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("order", FindingOrder)
def test_due_findings_are_those_of_the_plain_query(
    fleet: Database,
    monkeypatch: pytest.MonkeyPatch,
    order: FindingOrder,
    policy: str,
    small: tuple[str, ...],
) -> None:
    # Few findings of a small store are read as many of a large one.
    for name in small:
        monkeypatch.setattr(findings, name, 0)
    levels = POLICIES[policy]
    plain = [(row, find_due(levels, row)) for row in fleet.run(list_plain) if not row.is_suppressed]
    fleet.run(set_service_levels, levels, "omar", START)
    totals = []
    for (sources, namespaces), selection in itertools.product(
        [(None, ()), (2, ()), (3, ("team-0", "team-2"))], PERIODS.values()
    ):
        scope = make_scope(fleet, sources, namespaces)
        rows = read_all(lambda cursor, s=scope, f=selection: fleet.run(list_findings, s, f, order, cursor, 20))  # type: ignore[misc]
        expected = [(row, due) for row, due in plain if shows(scope, row) and is_due(selection, due)]
        expected.sort(key=lambda pair: ORDERS[order](pair[0]))
        assert list(map(identify, rows)) == [identify_plain(row) for row, _ in expected]
        assert [row.due for row in rows] == [due for _, due in expected]
        totals.append(len(rows))
    # Each policy with levels has findings in some periods and none in others.
    assert any(totals) == bool(levels.levels)


def test_due_filter_is_joined_with_others(fleet: Database) -> None:
    levels = POLICIES["environments"]
    fleet.run(set_service_levels, levels, "omar", START)
    selection = FindingFilter(
        due_before=NOW, namespaces=("team-1",), priorities=("critical",), opened_before=START + DAY
    )
    rows = read_all(lambda cursor: fleet.run(list_findings, EVERYTHING, selection, FindingOrder.PRIORITY, cursor, 20))
    expected = [
        row
        for row in fleet.run(list_plain)
        if not row.is_suppressed
        and (row.namespace, row.level) == ("team-1", 4)
        and to_moment(row.opened) < START + DAY
        and is_due(selection, find_due(levels, row))
    ]
    assert expected
    assert {identify(row) for row in rows} == {identify_plain(row) for row in expected}


def test_workloads_have_the_numbers_of_their_due_findings(fleet: Database) -> None:
    levels = POLICIES["environments"]
    fleet.run(set_service_levels, levels, "omar", START)
    selection = PERIODS["overdue"]
    expected: dict[tuple[int, int], int] = {}
    for row in fleet.run(list_plain):
        if not row.is_suppressed and is_due(selection, find_due(levels, row)):
            expected[row.source, row.subject] = expected.get((row.source, row.subject), 0) + 1
    rows: dict[tuple[int, int], int] = {}
    cursor = ""
    while True:
        page = fleet.run(list_finding_subjects, EVERYTHING, selection, cursor, 20)
        rows |= {(row.source, int(row.subject, 16)): sum(row.findings.values()) for row in page.rows}
        cursor = page.cursor
        if not cursor:
            break
    assert rows == expected


def test_counts_are_those_of_the_lists_and_of_other_levels(fleet: Database) -> None:
    fleet.run(set_service_levels, ServiceLevels(), "omar", START)
    none = fleet.run(count_due, EVERYTHING, FindingFilter(), NOW)
    assert (none.overdue, none.week, none.has_levels) == ({}, {}, False)
    levels = POLICIES["environments"]
    counts = fleet.run(count_due, EVERYTHING, FindingFilter(), NOW, levels)
    dates = [
        (SEVERITY_NAMES[row.level], find_due(levels, row)) for row in fleet.run(list_plain) if not row.is_suppressed
    ]
    for counted, first, last in ((counts.overdue, None, NOW), (counts.week, NOW, NOW + 7 * DAY)):
        selection = FindingFilter(due_since=first, due_before=last)
        assert counted == {
            level: count
            for level in SEVERITY_NAMES
            if (count := sum(name == level and is_due(selection, due) for name, due in dates))
        }
    assert counts.is_complete
    # They are not stored.
    assert not fleet.run(count_due, EVERYTHING, FindingFilter(), NOW).has_levels


def test_what_is_covered_has_no_due_date(fleet: Database) -> None:
    fleet.run(set_service_levels, ServiceLevels(levels=(ServiceLevel("critical", 1),)), "omar", START)
    (first,) = fleet.run(list_findings, EVERYTHING, FindingFilter(due_before=NOW), FindingOrder.PRIORITY, "", 1).rows
    scope = DecisionScope(
        definitions=(first.definition,), sources=(first.source_key,), fingerprints=(first.fingerprint,)
    )
    new = NewDecision(kind=DecisionKind.ACCEPTED_RISK, scope=scope, reason="known", expires=NOW + 90 * DAY)
    number = fleet.run(make_decision, new, Person("omar"), NOW)
    try:
        rows = read_all(
            lambda cursor: fleet.run(
                list_findings, EVERYTHING, FindingFilter(due_before=NOW), FindingOrder.PRIORITY, cursor, 100
            )
        )
        assert first.fingerprint not in {row.fingerprint for row in rows if row.source == first.source}
        state = FindingFilter(state=FindingState.DECIDED)
        (decided,) = fleet.run(list_findings, EVERYTHING, state).rows
        assert (decided.fingerprint, decided.due) == (first.fingerprint, None)
        page = fleet.run(get_subject, EVERYTHING, first.source, int(first.subject, 16))
        dates = {one.detail.fingerprint: one.due for one in page.findings if one.detail}
        assert dates[first.fingerprint] is None
        with pytest.raises(ValueError, match="no due date"):
            fleet.run(list_findings, EVERYTHING, FindingFilter(state=FindingState.DECIDED, due_before=NOW))
    finally:
        fleet.run(end_decision, number, Person("omar"), NOW)
    page = fleet.run(get_subject, EVERYTHING, first.source, int(first.subject, 16))
    assert {one.detail.fingerprint: one.due for one in page.findings if one.detail}[first.fingerprint] == first.due


def test_no_sources_are_read_without_environments() -> None:
    class NoConnection:
        pass

    due = DueDates(NoConnection(), POLICIES["exposed first"])  # type: ignore[arg-type]
    assert list(due.list_conditions(PERIODS["overdue"]))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with run_server(tmp_path_factory.mktemp("levels")) as running:
        agent = running.client(running.create_token())
        for name in ("prod-1", "lab"):
            scan = build(
                0, build_subject(1, *NSA), build_subject(2, *NSA, namespace="blog"), source=SourceCluster(name)
            )
            post(agent, encode(scan))
        yield running


@pytest.fixture(scope="module")
def users(server: EmbeddedServer) -> dict[str, httpx2.Client]:
    return {
        "administrator": sign_in_user(server, "ada", "administrator"),
        "limited": sign_in_user(server, "lin", "administrator", "cluster/lab"),
        "manager": sign_in_user(server, "maria", "manager"),
        "viewer": sign_in_user(server, "vera", "viewer", "cluster/lab"),
    }


URL: Final = "/api/v1/service-levels"
DOCUMENT: Final[dict[str, Any]] = {
    "levels": [{"level": "high", "days": 1, "environment": "production"}, {"level": "medium", "days": 10}],
    "environments": [{"name": "production", "sources": ["prod-*"]}],
}


def test_administrator_sets_them_and_all_due_dates_follow(users: dict[str, httpx2.Client]) -> None:
    administrator, viewer = users["administrator"], users["viewer"]
    assert administrator.get(URL).json() == {"levels": [], "environments": [], "changed": None, "author": None}
    assert administrator.get("/api/v1/findings").json()["rows"][0]["due"] is None
    preview = administrator.post(f"{URL}/preview", json=DOCUMENT).json()
    assert preview["overdue"]["high"] == 2
    assert administrator.get("/api/v1/findings/due").json()["hasLevels"] is False
    assert administrator.put(URL, json=DOCUMENT).status_code == 204
    stored = administrator.get(URL).json()
    assert (stored["levels"][0]["environment"], stored["author"]) == ("production", "ada")
    counts = administrator.get("/api/v1/findings/due").json()
    assert counts == preview
    rows = administrator.get("/api/v1/findings", params={"due": "overdue", "priority": "high"}).json()["rows"]
    assert [row["sourceName"] for row in rows] == ["prod-1", "prod-1"]
    lines = administrator.get("/api/v1/exports/findings", params={"due": "overdue"}).text.splitlines()
    assert '"due"' in lines[0].split(",")
    assert len(lines) == 1 + sum(counts["overdue"].values())
    # A reader of other sources sees neither their numbers nor their names.
    assert "high" not in viewer.get("/api/v1/findings/due").json()["overdue"]
    assert viewer.get(URL).json()["environments"] == []
    (entry,) = [one for one in administrator.get("/api/v1/log").json() if one["action"] == "changed service levels"]
    assert entry["details"]["levels"][0] == DOCUMENT["levels"][0]
    assert administrator.get("/api/v1/findings", params={"due": "week", "state": "decided"}).status_code == 422


@pytest.mark.parametrize("name", ["limited", "manager", "viewer"])
def test_nobody_else_sets_them(users: dict[str, httpx2.Client], name: str) -> None:
    assert users[name].put(URL, json={"levels": []}).status_code == 403


@pytest.mark.parametrize(
    "document",
    [
        {"levels": [{"level": "urgent", "days": 1}]},
        {"levels": [{"level": "high", "days": 0}]},
        {"levels": [{"level": "high", "days": 3_651}]},
        {"levels": [{"level": "high", "days": 1, "environment": "production"}]},
        {"levels": [{"level": "high", "days": 1, "exposed": "x"}]},
        {"levels": [{"level": "high", "days": 1}] * 51},
        {"environments": [{"name": "a", "sources": []}]},
        {"environments": [{"name": "a", "sources": ["x"]}, {"name": "a", "sources": ["y"]}]},
        {"environments": [{"name": "a\u202e", "sources": ["x"]}]},
        {"environments": [{"name": "a", "sources": ["x\u0000"]}]},
        {"environments": [{"name": "a", "sources": ["x" * 201]}]},
        {"environments": [{"name": "a", "sources": ["x"]}], "unknown": 1},
    ],
)
def test_wrong_documents_are_refused(users: dict[str, httpx2.Client], document: dict[str, Any]) -> None:
    assert users["administrator"].put(URL, json=document).status_code == 422
    assert users["administrator"].post(f"{URL}/preview", json=document).status_code == 422


def test_patterns_do_not_take_long(users: dict[str, httpx2.Client]) -> None:
    """A pattern with many stars matches a long name in little time."""
    document = {
        "levels": [{"level": "high", "days": 1, "environment": "a"}],
        "environments": [{"name": "a", "sources": ["*p" * 100] * 100}],
    }
    assert users["administrator"].post(f"{URL}/preview", json=document).status_code == 200


def test_due_findings_of_an_owner(fleet: Database) -> None:
    levels = POLICIES["one level"]
    plain = [row for row in fleet.run(list_plain) if row.owner == "team pay" and not row.is_suppressed]
    counts = fleet.run(count_due, EVERYTHING, FindingFilter(owners=("team pay",)), NOW, levels)
    expected = sum((due := find_due(levels, row)) is not None and due < NOW for row in plain)
    assert sum(counts.overdue.values()) == expected > 0
