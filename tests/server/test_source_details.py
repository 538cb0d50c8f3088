"""Coverage, namespaces and branches of a source, and comparisons: what was not looked at is never fixed."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import msgspec
import pytest
from sqlalchemy import func, select

from kubekeep.model.scanned_source import SourceCluster, SourceRepository
from kubekeep.model.submission import EvaluatedScope, GapEntry, HiddenObjects, NotEvaluatedEntry, Submission
from kubekeep_server.identity import Grant, Role
from kubekeep_server.store import schema
from kubekeep_server.store.deletion import delete_source
from kubekeep_server.store.queries import comparison
from kubekeep_server.store.queries.comparison import Change, ComparisonFilter, SideName, compare, list_compared_findings
from kubekeep_server.store.queries.source_details import get_source_coverage, list_branches, list_namespaces
from kubekeep_server.store.retention import Retention, remove_of_source
from kubekeep_server.store.scopes import EVERYTHING, Scope, resolve_scope
from tests.server.conftest import Database
from tests.server.test_ingest import NSA, START, build, build_subject, submit

SECRETS: Final = GapEntry(
    "Secrets cannot be listed", next_step="secrets: list", hides=HiddenObjects("apps", "Deployment")
)
UNREAD: Final = GapEntry("the control needs nodes", definition="C-0003")
OTHER: Final = SourceCluster("other")


def branch(name: str) -> SourceRepository:
    return SourceRepository("github.com/shop/web", branch=name)


def narrow(database: Database, *namespaces: str) -> Scope:
    return database.run(resolve_scope, [Grant(Role.VIEWER, "*", namespaces)])


def read_changes(
    database: Database, before: SideName, after: SideName, scope: Scope = EVERYTHING, **values: Any
) -> dict[str, str]:
    """Return the changes by subject and control, after a comparison of their numbers with those of the comparison."""
    changes: dict[str, str] = {}
    cursor = ""
    while True:
        page = database.run(
            lambda connection, position: list_compared_findings(
                connection, scope, before, after, ComparisonFilter(**values), position, 1
            ),
            cursor,
        )
        for row in page.rows:
            changes[f"{row.name} {row.definition}"] = row.change.value
            assert bool(row.reason) == (row.change is Change.INCOMPARABLE)
        if not (cursor := page.cursor):
            break
    if not values:
        counts = database.run(compare, scope, before, after)
        assert {change: count for change, count in counts.counts.items() if count} == {
            change: list(changes.values()).count(change) for change in changes.values()
        }
        assert sum(
            control.new + control.gone + control.both + control.incomparable for control in counts.controls
        ) == len(changes)
    return changes


def test_coverage_is_that_of_the_last_scan(database: Database) -> None:
    submit(database, build(0, build_subject(1, "C-0001")))
    submit(database, build(1, gaps=(SECRETS, UNREAD)))
    coverage = database.run(get_source_coverage, EVERYTHING, 1)
    assert coverage is not None
    assert (coverage.kubekeep, coverage.definitions, coverage.gap_count) == ("1", len(NSA), 2)
    hidden, unread = coverage.gaps
    # The finding of the Deployment that the scan did not see.
    assert (hidden.next_step, hidden.hides, hidden.unknown) == (
        "secrets: list",
        "all objects of the kind Deployment",
        1,
    )
    assert (unread.definition, unread.unknown) == ("C-0003", 0)
    with pytest.raises(LookupError):
        database.run(get_source_coverage, narrow(database, "shop"), 1)


def test_evaluations_are_stored_once_and_removed_with_their_scans(database: Database) -> None:
    def count() -> int:
        query = select(func.count()).select_from(schema.evaluation)
        return int(database.run(lambda connection: connection.execute(query).scalar_one()))

    for day in range(3):
        submit(database, build(day, build_subject(1, "C-0001")))
    submit(database, build(3, build_subject(1, "C-0001"), gaps=(UNREAD,)))
    assert count() == 2
    limit = START + dt.timedelta(days=3)
    database.run(remove_of_source, 1, Retention(limit, limit))
    assert count() <= 2
    assert database.run(get_source_coverage, EVERYTHING, 1) is not None
    database.run(delete_source, (Grant(Role.ADMINISTRATOR, "*"),), 1, limit, "test")
    assert count() == 0


def test_namespaces_have_their_open_findings(database: Database) -> None:
    entries = (
        build_subject(1, "C-0001", "C-0002", exposure="reachable from the internet"),
        build_subject(2, "C-0001", namespace="blog"),
        build_subject(3, namespace="blog"),
    )
    submit(database, build(0, *entries))
    first = database.run(list_namespaces, EVERYTHING, 1, "", 1)
    second = database.run(list_namespaces, EVERYTHING, 1, first.cursor, 1)
    blog, shop = (*first.rows, *second.rows)
    assert second.cursor == ""
    assert (blog.namespace, blog.subjects, sum(blog.findings.values()), blog.exposed_findings) == ("blog", 2, 1, 0)
    assert (shop.namespace, shop.subjects, sum(shop.findings.values()), shop.exposed_findings) == ("shop", 1, 2, 2)
    limited = database.run(list_namespaces, narrow(database, "blog"), 1)
    assert [row.namespace for row in limited.rows] == ["blog"]
    with pytest.raises(LookupError):
        database.run(list_namespaces, Scope(frozenset({9})), 1)


def test_branches_are_compared_with_the_default_one(database: Database) -> None:
    submit(database, build(0, build_subject(1, "C-0001"), source=branch("pull/1")))
    submit(database, build(1, build_subject(1, "C-0001", "C-0002"), source=branch("main")))
    # Only changed files were scanned: the other subject is not fixed.
    partial = build(2, build_subject(3, "C-0001"), scope=EvaluatedScope(NSA, is_partial=True), source=branch("pull/2"))
    submit(database, partial)
    submit(database, build(3, build_subject(1, "C-0001"), source=OTHER))
    first = database.run(list_branches, EVERYTHING, 1, "", 1)
    rest = database.run(list_branches, EVERYTHING, 1, first.cursor)
    rows = (*first.rows, *rest.rows)
    assert [(row.branch, row.is_default) for row in rows] == [("main", True), ("pull/2", False), ("pull/1", False)]
    assert rows[0].changes is None
    assert rows[1].changes == {"new": 1, "gone": 0, "both": 0, "incomparable": 2}
    assert rows[2].changes == {"new": 0, "gone": 1, "both": 1, "incomparable": 0}
    only = database.run(resolve_scope, [Grant(Role.VIEWER, "cluster/other")])
    with pytest.raises(LookupError):
        database.run(list_branches, only, 1)


def test_scans_of_a_source(database: Database) -> None:
    first = build(0, build_subject(1, "C-0001"), build_subject(2, "C-0001"))
    # The control C-0003 is evaluated for the first time, and one subject is fixed.
    second = build(1, build_subject(1, "C-0001", "C-0002", "C-0003"), build_subject(2), scope=(*NSA, "C-0003"))
    third = build(2, build_subject(1), build_subject(2, "C-0001"))
    for each in (first, second, third):
        submit(database, each)
    sides = SideName(1, first.id), SideName(1, second.id)
    expected = {
        "web-1 C-0001": "both",
        "web-1 C-0002": "new",
        "web-1 C-0003": "incomparable",
        "web-2 C-0001": "gone",
    }
    assert read_changes(database, *sides) == expected
    # The earlier scan is the first side, in whichever order they are named.
    assert read_changes(database, sides[1], sides[0]) == expected
    assert read_changes(database, *sides, changes=(Change.GONE, Change.NEW), definition="C-0001") == {
        "web-2 C-0001": "gone"
    }
    assert read_changes(database, *sides, text="SHOP/web-2") == {"web-2 C-0001": "gone"}
    assert read_changes(database, *sides, definition="none") == {}
    # The scan of NSA did not evaluate C-0003, whose finding is open still.
    now = read_changes(database, SideName(1, second.id), SideName(1))
    assert now == {
        "web-1 C-0001": "gone",
        "web-1 C-0002": "gone",
        "web-1 C-0003": "incomparable",
        "web-2 C-0001": "new",
    }
    with pytest.raises(LookupError):
        database.run(compare, narrow(database, "shop"), *sides)


def build_other(*subjects: Any, **values: Any) -> Submission:
    return build(1, *subjects, source=OTHER, **values)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (build_other(build_subject(1)), "gone"),
        (build_other(build_subject(1), scope=("C-0002",)), "incomparable"),
        (build_other(build_subject(1, not_evaluated=(NotEvaluatedEntry(("C-0001",), "no value"),))), "incomparable"),
        (build_other(), "gone"),
        (build_other(gaps=(SECRETS,)), "incomparable"),
        (build_other(scope=EvaluatedScope(NSA, include_namespaces=("blog",))), "incomparable"),
        (build_other(scope=EvaluatedScope(NSA, is_partial=True)), "incomparable"),
    ],
)
def test_clusters_by_control_and_name(database: Database, after: Submission, expected: str) -> None:
    submit(database, build(0, build_subject(1, "C-0001")))
    submit(database, after)
    assert read_changes(database, SideName(1), SideName(2)) == {"web-1 C-0001": expected}
    # The other way around, one cannot say that it is new.
    turned = {"gone": "new"}.get(expected, expected)
    assert read_changes(database, SideName(2), SideName(1)) == {"web-1 C-0001": turned}


def test_same_finding_of_two_clusters_is_in_both(database: Database) -> None:
    submit(database, build(0, build_subject(1, "C-0001"), build_subject(2, "C-0001", namespace="blog")))
    entry = build_subject(1, "C-0001")
    (finding,) = entry.findings
    other = msgspec.structs.replace(finding, fingerprint="f" * 16)
    submit(database, build_other(msgspec.structs.replace(entry, key="e" * 16, findings=(other,))))
    sides = SideName(1), SideName(2)
    assert read_changes(database, *sides) == {"web-1 C-0001": "both", "web-2 C-0001": "gone"}
    assert read_changes(database, *sides, narrow(database, "blog")) == {"web-2 C-0001": "gone"}
    with pytest.raises(LookupError):
        database.run(compare, Scope(frozenset({1})), *sides)
    with pytest.raises(ValueError, match="scans of two sources"):
        database.run(compare, EVERYTHING, SideName(1, "scan"), SideName(2))


def test_too_many_findings_are_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(database, build(0, build_subject(1, "C-0001", "C-0002"), source=branch("main")))
    submit(database, build(1, source=branch("pull/1")))
    monkeypatch.setattr(comparison, "MOST_FINDINGS", 1)
    with pytest.raises(ValueError, match="more than 1 findings"):
        database.run(compare, EVERYTHING, SideName(1), SideName(2))
    rows = database.run(list_branches, EVERYTHING, 1).rows
    assert [row.changes for row in rows] == [None, None]
