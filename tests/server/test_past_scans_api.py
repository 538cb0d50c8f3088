"""Past scans over HTTP: their list, and submissions as they were received, for users who see the whole source."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import Connection, update

from kubekeep_server.store.proofs import load_document, open_document, store_document
from kubekeep_server.store.queries.scans import find_scan, list_scans
from kubekeep_server.store.schema import blob
from kubekeep_server.store.scopes import EVERYTHING, Scope
from tests.server.conftest import Database
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.test_ingest import submit
from tests.server.test_scans_api import build_scan, encode, post

SCANS: Final = [build_scan("shop", day, count) for day, count in enumerate((40, 40, 39, 41))]
PATH: Final = "/api/v1/sources/1/scans"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with run_server(tmp_path_factory.mktemp("scans")) as running:
        yield running


@pytest.fixture(scope="module")
def administrator(server: EmbeddedServer) -> httpx2.Client:
    client = server.client(server.create_token("administrator"))
    for scan in SCANS:
        assert post(client, encode(scan)).status_code == 201
    assert post(client, encode(build_scan("shop", 1, 5))).json()["isApplied"] is False
    return client


def open_client(server: EmbeddedServer, administrator: httpx2.Client, **grant: Any) -> httpx2.Client:
    new = {"name": "reader", "grants": [{"role": "viewer", "scope": "cluster/shop", **grant}]}
    return server.client(administrator.post("/api/v1/tokens", json=new).json()["token"])


def test_pages_list_each_scan_once(administrator: httpx2.Client) -> None:
    rows, cursor = [], ""
    for _ in range(3):
        page = administrator.get(PATH, params={"limit": 2, "cursor": cursor}).json()
        rows += page["rows"]
        cursor = page["cursor"]
    assert cursor == ""
    assert [row["id"] for row in rows][1:] == [scan.id for scan in reversed(SCANS)]
    assert [(row["opened"], row["closed"], row["isApplied"]) for row in rows] == [
        (0, 0, False), (2, 0, True), (0, 1, True), (0, 0, True), (40, 0, True),
    ]  # fmt: skip
    assert rows[4]["size"] == len(encode(SCANS[0]))
    assert rows[4]["started"].startswith("2026-01-01T00:00:00")


def test_scans_are_as_they_were_received(administrator: httpx2.Client) -> None:
    for scan in SCANS:
        answer = administrator.get(f"{PATH}/{scan.id}")
        assert (answer.status_code, answer.content) == (200, encode(scan))
        assert answer.headers["content-length"] == str(len(encode(scan)))
        assert answer.headers["etag"] == f'"{hashlib.sha256(encode(scan)).hexdigest()}"'
        again = administrator.get(f"{PATH}/{scan.id}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_user_of_all_namespaces_sees_scans(server: EmbeddedServer, administrator: httpx2.Client) -> None:
    name = SCANS[0].id
    whole = open_client(server, administrator)
    assert len(whole.get(PATH).json()["rows"]) == 5
    assert whole.get(f"{PATH}/{name}").content == encode(SCANS[0])
    limited = open_client(server, administrator, namespaces=["shop"])
    assert limited.get("/api/v1/sources/1").status_code == 200
    for client in (limited, open_client(server, administrator, scope="cluster/other")):
        assert [client.get(path).status_code for path in (PATH, f"{PATH}/{name}")] == [404, 404]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{PATH}?cursor=x", 422),
        (f"{PATH}?limit=0", 422),
        (f"{PATH}/unknown", 404),
        (f"{PATH}/%00", 404),
        (f"{PATH}/..%2f..%2fscan", 404),
        ("/api/v1/sources/99/scans", 404),
        ("/api/v1/sources/x/scans", 422),
        (f"/api/v1/sources/99/scans/{SCANS[0].id}", 404),
    ],
)
def test_other_scans_do_not_exist(administrator: httpx2.Client, path: str, status: int) -> None:
    answer = administrator.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_documents_are_read_in_parts(database: Database) -> None:
    submit(database, build_scan("parts"))
    document = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(150_000))
    digest = database.run(store_document, 1, document)
    parts = list(database.run(open_document, digest))
    assert (len(parts) > 4, b"".join(parts)) == (True, document)


def test_damaged_documents_are_errors(database: Database) -> None:
    submit(database, build_scan("damaged"))
    digest = database.run(store_document, 1, encode(build_scan("x")))

    def damage(connection: Connection, change: Any) -> None:
        content = connection.execute(blob.select().where(blob.c.digest == digest)).one().content
        connection.execute(update(blob).where(blob.c.digest == digest).values(content=change(content)))

    other = database.run(store_document, 1, b"another document")
    for change in (lambda content: content[:-3], lambda content: content[: len(content) // 2], lambda _: b"x" * 100):
        database.run(damage, change)
        with pytest.raises(ValueError, match=r".+"):
            database.run(load_document, digest)
    assert database.run(load_document, other) == b"another document"


def test_pages_of_both_databases(database: Database) -> None:
    for scan in SCANS:
        submit(database, scan)

    def read(connection: Connection) -> list[str]:
        names, cursor = [], ""
        while page := list_scans(connection, EVERYTHING, 1, cursor, 1):
            names += [row.id for row in page.rows]
            cursor = page.cursor
            if not cursor:
                break
        return names

    assert database.run(read) == [scan.id for scan in reversed(SCANS)]
    stored = database.run(find_scan, Scope(frozenset({1})), 1, SCANS[0].id)
    assert stored.size == len(encode(SCANS[0]))
    for scope in (Scope(frozenset()), Scope(frozenset(), {1: frozenset({"shop"})})):
        with pytest.raises(LookupError):
            database.run(find_scan, scope, 1, SCANS[0].id)
        with pytest.raises(LookupError):
            database.run(list_scans, scope, 1, "", 1)
