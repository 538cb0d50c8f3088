"""Stored scopes: their images stay those of a scope that is collected at each request."""

from __future__ import annotations

import itertools
import random
from typing import Any, Final

import pytest
from sqlalchemy import Connection, func, select

from kubekeep.model.resource import ResourceSubject
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import EvaluatedScope
from kubekeep_server.identity import Grant, Role
from kubekeep_server.store import scopes
from kubekeep_server.store.numbers import DAY, to_number
from kubekeep_server.store.scope_schema import scope_image, scope_source, stored_scope
from kubekeep_server.store.scopes import EVERYTHING, Scope, UnstoredScopeError, resolve_scope, run_in_scope, select_uses
from kubekeep_server.store.stored_scopes import store_scope
from tests.server.conftest import Database
from tests.server.test_images import build_image, build_scan, build_workload, run
from tests.server.test_ingest import START, build_subject, submit

NOW: Final = to_number(START)
GRANTS: Final = {
    "whole": [Grant(Role.VIEWER, f"cluster/{number}") for number in range(3)],
    "prefix": [Grant(Role.VIEWER, "cluster/*")],
    "namespace": [Grant(Role.VIEWER, "*", ("team-1",))],
    "mixed": [Grant(Role.VIEWER, "cluster/1"), Grant(Role.VIEWER, "cluster/*", ("team-0", "team-1"))],
}


@pytest.fixture(autouse=True)
def few_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "MOST_COLLECTED", 2)


def build_cluster(chance: random.Random, day: int, number: int) -> Any:
    entries = []
    for key in range(6):
        if chance.random() < 0.2:
            continue
        exposure = "reachable from the internet" if chance.random() < 0.4 else ""
        containers = [run(f"sha256:{chance.randrange(5):064x}") for _ in range(chance.randrange(1, 3))]
        unique = {container.digest: container for container in containers}
        entry = build_workload(key, *list(unique.values())[:1], exposure=exposure)
        subject = ResourceSubject("apps/v1", "Deployment", f"web-{key}", f"team-{key % 3}")
        entries.append(type(entry)(entry.key, subject, containers=entry.containers, exposure=exposure))
    digests = sorted({container.digest for entry in entries for container in entry.containers})
    images = [build_image(digest, "CVE-1") for digest in digests]
    return build_scan(day, *entries, *images, source=SourceCluster(str(number)), scope=EvaluatedScope(("C-0001",)))


def list_images(connection: Connection, scope: Scope) -> set[tuple[int, ...]]:
    rows: list[Any] = list(connection.execute(select_uses(scope)))
    return {tuple(row) for row in rows}


def compare(database: Database, grants: list[Grant]) -> None:
    """Compare the images of a stored scope with those of the same scope without its number."""
    scope = database.run(resolve_scope, grants)
    assert scope.stored is not None
    expected = database.run(list_images, Scope(scope.whole, scope.limited))
    assert expected
    assert database.run(list_images, scope) == expected


def test_stored_scopes_stay_current(database: Database) -> None:
    chance = random.Random(3)
    for number in range(4):
        submit(database, build_cluster(chance, 0, number))
    for grants in GRANTS.values():
        database.run(store_scope, database.run(resolve_scope, grants), NOW)
        compare(database, grants)
    for day, number in itertools.product(range(1, 6), range(4)):
        submit(database, build_cluster(chance, day, number))
        everything = Scope(database.run(resolve_scope, GRANTS["prefix"]).whole)
        assert database.run(list_images, EVERYTHING) == database.run(list_images, everything)
        for grants in GRANTS.values():
            compare(database, grants)


def test_scope_of_many_sources_is_read_after_it_is_stored(database: Database) -> None:
    for number in range(3):
        submit(database, build_cluster(random.Random(number), 0, number))
    grants = GRANTS["whole"]
    with pytest.raises(UnstoredScopeError) as error:
        database.run(run_in_scope, grants, list_images)
    database.run(store_scope, error.value.scope, NOW)
    database.run(store_scope, error.value.scope, NOW)
    assert database.run(run_in_scope, grants, list_images)
    # Few sources are collected at each request.
    assert database.run(run_in_scope, grants[:2], list_images)


def test_another_source_makes_another_scope(database: Database) -> None:
    for number in range(3):
        submit(database, build_cluster(random.Random(number), 0, number))
    database.run(store_scope, database.run(resolve_scope, GRANTS["prefix"]), NOW)
    submit(database, build_scan(0, build_subject(1, "C-0001"), source=SourceCluster("3")))
    assert database.run(resolve_scope, GRANTS["prefix"]).stored is None


def test_old_scopes_are_removed(database: Database) -> None:
    for number in range(3):
        submit(database, build_cluster(random.Random(number), 0, number))
    database.run(store_scope, database.run(resolve_scope, GRANTS["whole"]), NOW)
    database.run(store_scope, database.run(resolve_scope, GRANTS["namespace"]), NOW + 31 * DAY)

    def count(connection: Connection) -> list[int]:
        columns = (stored_scope.c.id, scope_source.c.scope, scope_image.c.scope)
        return [connection.execute(select(func.count(column.distinct()))).scalar_one() for column in columns]

    assert database.run(count) == [1, 1, 1]
    assert database.run(resolve_scope, GRANTS["whole"]).stored is None
