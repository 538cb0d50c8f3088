"""Streams of events: who gets which, from which process, and when they end."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import select

from kubekeep_server.store.changes import record_image_changes
from kubekeep_server.store.image_schema import image
from kubekeep_server.store.numbers import to_number
from tests.server.conftest import Database, create_database
from tests.server.embedded import EmbeddedServer
from tests.server.test_identity_api import sign_in
from tests.server.test_images import BLOG, SHOP, WEB, build_image, build_scan, run
from tests.server.test_ingest import START, build_subject
from tests.server.test_scans_api import encode, post

EVENTS: Final = "/api/v1/events"


class Servers:
    """Processes on one database: two on PostgreSQL, one on SQLite. url: of the database."""

    def __init__(self, url: str, *servers: EmbeddedServer) -> None:
        self.url = url
        self.first, self.last = servers[0], servers[-1]
        self._day = 0
        self._agent = self.last.client(self.first.create_token())

    def submit(self, source: Any) -> None:
        self._day += 1
        scan = build_scan(
            self._day, build_subject(1, "C-0001", containers=(run(WEB),)), build_image(WEB), source=source
        )
        assert post(self._agent, encode(scan)).status_code == 201


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("events")
    url, options = f"sqlite:///{folder / 'kubekeep-data' / 'kubekeep.sqlite'}", []
    if request.param == "postgresql":
        url = create_database(request.getfixturevalue("postgres"))
        options = ["--database", url]
    with contextlib.ExitStack() as stack:
        running = []
        for _ in range(2 if options else 1):
            running.append(EmbeddedServer(folder, *options))
            stack.callback(running[-1].close)
        servers = Servers(url, *running)
        for source in (SHOP, BLOG):
            servers.submit(source)
        yield servers


class Stream:
    """An open stream. numbers: of sources by key."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()

    def read(self) -> dict[str, str] | None:
        """Return the next event, without comments; None at the end."""
        fields: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.partition(":")
            if name:
                fields[name] = value.strip()
            elif not line and "data" in fields:
                return fields
            elif not line:
                fields = {}
        return None


@contextlib.contextmanager
def listen(client: httpx2.Client, position: str | None = None) -> Iterator[Stream]:
    headers = {} if position is None else {"Last-Event-ID": position}
    with client.stream("GET", EVENTS, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield Stream(answer)


def find_number(servers: Servers, source: Any) -> int:
    with servers.first.client(servers.first.create_token("viewer")) as client:
        rows = client.get("/api/v1/sources").json()["rows"]
    return next(int(row["id"]) for row in rows if row["key"] == source.key)


def create_viewer(servers: Servers, *scopes: str) -> httpx2.Client:
    return servers.first.client(servers.first.create_token("viewer", *scopes))


def test_scan_is_an_event_in_its_scope_only(servers: Servers) -> None:
    shop, blog = find_number(servers, SHOP), find_number(servers, BLOG)
    with listen(create_viewer(servers, "*")) as everything, listen(create_viewer(servers, "cluster/blog")) as limited:
        for source, number in ((SHOP, shop), (BLOG, blog)):
            servers.submit(source)
            event = everything.read()
            assert event is not None
            assert set(event) == {"id", "event", "data"}
            assert (event["event"], event["data"]) == ("source", str(number))
        event = limited.read()
        assert event is not None
        assert event["data"] == str(blog)


def test_match_and_deletion_are_events(servers: Servers) -> None:
    servers.submit(SHOP)
    database = Database(servers.url)
    number = database.run(lambda connection: connection.execute(select(image.c.id)).scalars().first())
    client = create_viewer(servers, "cluster/shop")
    with listen(client) as stream, listen(create_viewer(servers, "*")) as everything:
        database.run(record_image_changes, [number], to_number(START))
        database.close()
        events = [everything.read(), everything.read()]
        numbers = [find_number(servers, source) for source in (SHOP, BLOG)]
        assert sorted(int(event["data"]) for event in events if event) == sorted(numbers)
        first = stream.read()
        assert first is not None
        assert first["data"] == str(numbers[0])
        manager = servers.last.client(servers.first.create_token("manager", "cluster/shop"))
        assert manager.delete(f"/api/v1/sources/{numbers[0]}").status_code == 204
        assert [event and event["data"] for event in (stream.read(), everything.read())] == [str(numbers[0])] * 2
    servers.submit(SHOP)


def test_client_resumes_after_the_last_event(servers: Servers) -> None:
    client = create_viewer(servers, "cluster/shop")
    number = str(find_number(servers, SHOP))
    with listen(client) as stream:
        servers.submit(SHOP)
        event = stream.read()
        assert event is not None
    servers.submit(SHOP)
    for position in (event["id"], "1", "9" * 99):
        with listen(client, position) as stream:
            resumed = stream.read()
            assert resumed is not None
            assert resumed["data"] == number
    with listen(client, str(int(event["id"]) + 1)) as stream:
        assert stream.read() is not None


@pytest.mark.parametrize("position", ["", "x", "-1", "\u0661".encode(), "1 2", "0x1"])
def test_ids_that_are_none_begin_now(servers: Servers, position: Any) -> None:
    with create_viewer(servers, "cluster/shop").stream("GET", EVENTS, headers={"Last-Event-ID": position}) as answer:
        assert answer.status_code == 200
        assert next(answer.iter_lines()).startswith("retry:")


def test_stream_ends_with_its_token(servers: Servers) -> None:
    manager = servers.first.client(servers.first.create_token("administrator"))
    new = {"name": "short", "grants": [{"role": "viewer", "scope": "*"}]}
    created = manager.post("/api/v1/tokens", json=new).json()
    with listen(servers.first.client(created["token"])) as stream:
        assert manager.delete(f"/api/v1/tokens/{created['id']}").status_code == 204
        servers.submit(SHOP)
        assert stream.read() is None


def test_stream_ends_with_its_session_and_its_rights(servers: Servers) -> None:
    administrator = servers.first.client(servers.first.create_token("administrator"))
    users = [
        sign_in(servers.first, servers.first.run("user", "add", name, "--role", "viewer").partition("#")[2])
        for name in ("leaver", "moved")
    ]
    numbers = {user["name"]: user["id"] for user in administrator.get("/api/v1/users").json()}
    with listen(users[0]) as first, listen(users[1]) as second:
        assert users[0].delete("/api/v1/session").status_code == 204
        change = {"grants": [{"role": "agent", "scope": "*"}]}
        assert administrator.patch(f"/api/v1/users/{numbers['moved']}", json=change).status_code == 204
        servers.submit(BLOG)
        assert first.read() is None
        assert second.read() is None


def test_streams_of_a_sender_are_limited(servers: Servers) -> None:
    client, other = create_viewer(servers, "*"), create_viewer(servers, "*")
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(listen(client))
        refused = client.get(EVENTS)
        assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (429, True)
        with listen(other):
            pass
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with client.stream("GET", EVENTS) as answer:
            if answer.status_code == 200:
                return
    pytest.fail("closed streams still count")


def test_others_get_no_events(servers: Servers) -> None:
    assert servers.first.client().get(EVENTS).status_code == 401
    assert servers.first.client(servers.first.create_token("agent")).get(EVENTS).status_code == 403


def test_stop_ends_streams(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path)
    try:
        with listen(server.client(server.create_token("viewer"))) as stream:
            assert server.stop()
            assert stream.read() is None
        assert re.search("event=stopped", server.log)
        assert "Traceback" not in server.log
    finally:
        server.close()
