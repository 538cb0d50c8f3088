"""Deletion of a source: what only it had is gone, and nothing else. Retention: what is old is removed, and nothing else."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import Connection, Table, func, select

from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import ImageEntry
from kubekeep.model.text import encode_json
from kubekeep_server.identity import Grant, Role
from kubekeep_server.store import image_schema, schema
from kubekeep_server.store.deletion import delete_source
from kubekeep_server.store.engine import open_server_engine, parse_url
from kubekeep_server.store.ingest import ingest
from kubekeep_server.store.numbers import DAY, to_number
from kubekeep_server.store.organisation_log import list_entries, verify_log
from kubekeep_server.store.proofs import load_document
from kubekeep_server.store.retention import (
    AnotherProcessError,
    Retention,
    remove_of_history,
    remove_of_images,
    remove_of_source,
)
from tests.server.conftest import Database, create_database
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.test_images import REBUILT, WEB, build_content, build_image, build_scan, build_workload, run
from tests.server.test_ingest import START, build, build_subject, submit

BLOG: Final = SourceCluster("blog")
SHOP: Final = SourceCluster("shop")
ALL: Final = (Grant(Role.ADMINISTRATOR, "*"),)
NOW: Final = START + dt.timedelta(days=9)
SHARED: Final = frozenset(
    {
        "definition",
        "fixed_version",
        "image",
        "label",
        "organisation_log",
        "outbox",
        "package",
        "package_name",
        "repository",
        "source_change",
        "subject_name",
    }
)
"""Tables of which rows may stay."""


def build_cluster(source: SourceCluster, day: int, *digests: str) -> Any:
    workloads = [build_workload(number, run(digest)) for number, digest in enumerate(digests, start=1)]
    images = [build_image(digest, "CVE-1") for digest in digests]
    contents = [
        ImageEntry(digest, (f"ghcr.io/shop/app-{digest[-1]}:1",), "", build_content("3.0.1")) for digest in digests
    ]
    return build_scan(day, *workloads, *images, source=source, images=contents)


def read_rows(connection: Connection) -> dict[str, list[Any]]:
    """Return the rows of all tables without the numbers of the log."""
    return {
        table.name: sorted(map(repr, connection.execute(select(table))))
        for table in schema.metadata.sorted_tables
        if table.name not in SHARED
    }


def get_number(database: Database, source: SourceCluster) -> int:
    query = select(schema.source.c.id).where(schema.source.c.key == source.key)
    return int(database.run(lambda connection: connection.execute(query).scalar_one()))


def count(database: Database, table: Table) -> int:
    query = select(func.count()).select_from(table)
    return int(database.run(lambda connection: connection.execute(query).scalar_one()))


def test_only_what_no_other_source_has_is_removed(database: Database) -> None:
    submit(database, build_cluster(SHOP, 0, WEB))
    before = database.run(read_rows)
    submit(database, build_cluster(BLOG, 1, WEB, REBUILT))
    submit(database, build_cluster(BLOG, 2, REBUILT))
    submit(database, build_cluster(BLOG, 3, WEB, REBUILT))
    assert database.run(read_rows) != before
    database.run(delete_source, ALL, get_number(database, BLOG), NOW, "ada")
    assert database.run(read_rows) == before
    (entry,) = database.run(list_entries, 0, 10)
    assert '"cluster/blog"' in entry.entry
    assert database.run(verify_log) is None


def test_last_source_leaves_nothing(database: Database) -> None:
    submit(database, build_cluster(SHOP, 0, WEB, REBUILT))
    number = get_number(database, SHOP)
    database.run(delete_source, ALL, number, NOW, "ada")
    assert {name: rows for name, rows in database.run(read_rows).items() if rows} == {}
    submit(database, build_cluster(SHOP, 2, WEB))
    assert count(database, image_schema.image_finding) == 1
    assert count(database, image_schema.image_package) == 1
    assert count(database, image_schema.repository_finding) == 1


@pytest.mark.parametrize(
    "grants",
    [(), (Grant(Role.MANAGER, "cluster/blog"),), (Grant(Role.MANAGER, "cluster/shop", ("team",)),)],
    ids=["none", "another source", "some namespaces"],
)
def test_source_outside_of_the_scope_does_not_exist(database: Database, grants: tuple[Grant, ...]) -> None:
    submit(database, build_cluster(SHOP, 0, WEB))
    before = database.run(read_rows)
    with pytest.raises(LookupError, match="there is no source"):
        database.run(delete_source, grants, get_number(database, SHOP), NOW, "ada")
    with pytest.raises(LookupError, match="there is no source 77"):
        database.run(delete_source, ALL, 77, NOW, "ada")
    assert database.run(read_rows) == before


def test_deletion_during_a_submission_comes_before_or_after(database: Database) -> None:
    """Both end, and the source is either as its only submission left it, or gone."""
    for day in range(8):
        first, second = build_cluster(SHOP, 2 * day, WEB), build_cluster(SHOP, 2 * day + 1, WEB, REBUILT)
        submit(database, first)
        number = get_number(database, SHOP)

        async def run_both(second: Any = second, number: int = number) -> None:
            submission = database.start(ingest, encode_json(second).encode(), second.finished)
            await asyncio.gather(submission, database.start(delete_source, ALL, number, NOW, "ada"))

        database.run_async(run_both)
        scans = database.run(lambda connection: list(connection.execute(select(schema.scan.c.id)).scalars()))
        assert scans in ([], [second.id])
        assert count(database, schema.source) == len(scans)
        assert count(database, image_schema.image_finding) == 2 * len(scans)
        if scans:
            database.run(delete_source, ALL, get_number(database, SHOP), NOW, "ada")


def build_retention(day: int, history: int) -> Retention:
    return Retention(START + dt.timedelta(days=day), START + dt.timedelta(days=history))


def list_scans(database: Database) -> list[int]:
    """Return the days of the scans."""
    moments = database.run(lambda connection: connection.execute(select(schema.scan.c.finished)).scalars().all())
    return sorted((moment - to_number(START)) // DAY for moment in moments)


def test_scans_expire_but_for_the_last_one_and_dictionaries(database: Database) -> None:
    for day in range(6):
        workloads = [build_subject(number, "C-0001") for number in range(1, 40 + day)]
        submit(database, build(day, *workloads, source=SHOP))
    query = select(func.count()).where(schema.blob.c.base.is_not(None))
    assert database.run(lambda connection: connection.execute(query).scalar()) == 5
    number = get_number(database, SHOP)
    database.run(remove_of_source, number, build_retention(3, 0))
    assert list_scans(database) == [0, 3, 4, 5]
    documents = database.run(lambda connection: connection.execute(select(schema.scan.c.document)).scalars().all())
    assert all(database.run(load_document, digest) for digest in documents)
    database.run(remove_of_source, number, build_retention(99, 0))
    assert list_scans(database) == [0, 5]
    assert count(database, schema.blob) == 2


def test_closed_findings_and_subjects_expire(database: Database) -> None:
    submit(database, build(0, build_subject(1, "C-0001", "C-0002"), build_subject(2, "C-0001"), source=SHOP))
    submit(database, build(3, build_subject(1, "C-0001"), source=SHOP))
    submit(database, build(5, build_subject(1), source=SHOP))
    number = get_number(database, SHOP)
    database.run(remove_of_source, number, build_retention(0, 3))
    assert (count(database, schema.finding), count(database, schema.subject)) == (3, 2)
    database.run(remove_of_source, number, build_retention(0, 4))
    assert (count(database, schema.finding), count(database, schema.subject)) == (1, 1)
    assert count(database, schema.day) == 1
    database.run(remove_of_source, number, build_retention(0, 99))
    assert (count(database, schema.finding), count(database, schema.subject)) == (0, 1)
    submit(database, build(6, build_subject(1, "C-0001"), source=SHOP))
    assert count(database, schema.finding) == 1


def test_images_without_a_source_expire(database: Database) -> None:
    submit(database, build_cluster(SHOP, 0, WEB, REBUILT))
    submit(database, build_cluster(SHOP, 2, WEB))
    assert database.run(remove_of_images, build_retention(0, 0)) == 0
    assert database.run(remove_of_images, build_retention(1, 0)) == 1
    assert database.run(remove_of_images, build_retention(1, 0)) == 0
    assert count(database, image_schema.image_finding) == 1
    assert count(database, image_schema.image_content) == 1
    assert count(database, image_schema.repository_finding) == 1
    submit(database, build_cluster(SHOP, 3, WEB, REBUILT))
    assert count(database, image_schema.image_finding) == 2
    assert count(database, image_schema.image_package) == 2
    submit(database, build_cluster(SHOP, 4, WEB))
    database.run(remove_of_history, build_retention(0, 4))
    assert count(database, image_schema.repository_finding) == 2
    database.run(remove_of_history, build_retention(0, 5))
    assert count(database, image_schema.repository_finding) == 1


def test_closed_problems_expire_in_parts(database: Database) -> None:
    for day in range(8):
        submit(database, build_cluster(SHOP, day, *((WEB,) if day % 2 else ())))
    assert database.run(remove_of_history, build_retention(0, 0)) == 0
    closed = [count(database, table) for table in (image_schema.image_finding, image_schema.repository_finding)]
    removed = []
    while number := database.run(remove_of_history, build_retention(0, 99), 1):
        removed.append(number)
    assert len(removed) == 3
    rest = [count(database, table) for table in (image_schema.image_finding, image_schema.repository_finding)]
    assert sum(removed) == sum(closed) - sum(rest)
    assert rest == [1, 1]


def test_one_process_removes_at_a_time(postgres: str) -> None:
    database = Database(create_database(postgres))
    submit(database, build_cluster(SHOP, 0, WEB))

    async def remove_twice() -> None:
        engine = open_server_engine(parse_url(database.url))
        try:
            async with engine.begin() as first, engine.begin() as second:
                await first.run_sync(remove_of_history, build_retention(0, 0))
                await second.run_sync(remove_of_history, build_retention(0, 0))
        finally:
            await engine.dispose()

    with pytest.raises(AnotherProcessError):
        database.run_async(remove_twice)
    database.run(remove_of_history, build_retention(0, 0))
    database.close()


def test_sources_are_deleted_in_scope(tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        agent = server.client(server.create_token())
        for source in (SHOP, BLOG):
            answer = agent.post("/api/v1/scans", content=encode_json(build_cluster(source, 0, WEB)))
            assert answer.status_code == 201, answer.text
        rows = create_reader(server).get("/api/v1/sources").json()["rows"]
        paths = {row["key"]: f"/api/v1/sources/{row['id']}" for row in rows}
        manager = server.client(server.create_token("manager", SHOP.key))
        assert server.client(server.create_token("viewer")).delete(paths[SHOP.key]).status_code == 403
        assert manager.delete(paths[BLOG.key]).status_code == 404
        assert manager.delete(paths[SHOP.key]).status_code == 204
        assert manager.delete(paths[SHOP.key]).status_code == 404
        assert [row["key"] for row in create_reader(server).get("/api/v1/sources").json()["rows"]] == [BLOG.key]
        entries = server.client(server.create_token("auditor")).get("/api/v1/log").json()
        deletions = [entry["details"]["source"] for entry in entries if entry["action"] == "deleted source"]
        assert deletions == [SHOP.key]


def create_reader(server: EmbeddedServer) -> httpx2.Client:
    """Return a client that reads everything."""
    return server.client(server.create_token("viewer"))


def test_server_removes_expired_scans(tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text("scan_days = 1\n")
    with run_server(tmp_path, "--config", "server.toml") as server:
        agent = server.client(server.create_token())
        for day in range(3):
            content = encode_json(build_cluster(SHOP, day, WEB, *([REBUILT] if day == 1 else [])))
            assert agent.post("/api/v1/scans", content=content).status_code == 201
        assert server.stop()
        server.start()
        server.wait_for(re.compile("expired results are removed"))
        (row,) = create_reader(server).get("/api/v1/sources").json()["rows"]
        assert row["scans"] < 3
        assert sum(row["findings"].values()) == 0
