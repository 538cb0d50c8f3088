"""Faults of a running server: kills, stops, a database that is gone or full, two processes. What it acknowledged is stored, once."""

from __future__ import annotations

import contextlib
import itertools
import re
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import Connection, func, select

from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import Submission
from kubekeep.model.text import encode_json
from kubekeep_server.store import schema
from tests.server.conftest import Database, create_database
from tests.server.live import LiveServer, run_server
from tests.server.postgres import create_postgres
from tests.server.test_ingest import build, build_subject

SCANS: Final = "/api/v1/scans"
SUBJECTS: Final = 50
CLUSTERS: Final = 4
DAYS: Final = 16
TEMPORARY: Final = {429, 503}


class DatabaseOptions:
    """Options of a server for a new database. url: of the database."""

    def __init__(self, url: str, *options: str) -> None:
        self.url = url
        self.options = options


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseOptions:
    if request.param == "sqlite":
        return DatabaseOptions(f"sqlite:///{tmp_path / 'kubekeep-data' / 'kubekeep.sqlite'}")
    url = create_database(request.getfixturevalue("postgres"))
    return DatabaseOptions(url, "--database", url)


def build_scans(cluster: str, days: int = DAYS) -> list[Submission]:
    """Return scans of a cluster: each opens the findings of one subject more, and closes those of another one."""
    return [
        build(
            day,
            *(build_subject(number, "C-0001", "C-0002") for number in range(day, day + SUBJECTS)),
            source=SourceCluster(cluster),
        )
        for day in range(days)
    ]


def post(client: httpx2.Client, scan: Submission) -> httpx2.Response:
    return client.post(SCANS, content=encode_json(scan).encode(), headers={"Content-Type": "application/json"})


def submit(server: LiveServer, token: str, scans: Iterable[Submission], acknowledged: set[str]) -> None:
    """Submit scans in order. Repeat each until it is acknowledged, whatever happens to the server."""
    for scan in scans:
        while scan.id not in acknowledged:
            with contextlib.suppress(httpx2.TransportError), server.client(token) as client:
                answer = post(client, scan)
                assert answer.status_code in {200, 201} | TEMPORARY, answer.text
                if answer.status_code in TEMPORARY:
                    assert int(answer.headers["retry-after"]) > 0
                else:
                    acknowledged.add(scan.id)


def check_store(url: str, scans: Iterable[Submission]) -> None:
    """Check that the store has the scans once, and the findings of the last one open."""
    expected = sorted(scan.id for scan in scans)

    def read(connection: Connection) -> tuple[list[str], int, int, int]:
        closed = schema.finding.c.closed
        return (
            list(connection.scalars(select(schema.scan.c.id).order_by(schema.scan.c.id))),
            connection.scalar(select(func.count()).where(closed.is_(None))) or 0,
            connection.scalar(select(func.count()).where(closed.is_not(None))) or 0,
            connection.scalar(select(func.sum(schema.total.c.findings))) or 0,
        )

    database = Database(url)
    stored, opened, closed, total = database.run(read)
    database.close()
    clusters = {scan.source.key for scan in scans}
    assert stored == expected
    assert opened == total == 2 * SUBJECTS * len(clusters)
    assert closed == 2 * (len(expected) - len(clusters))


@contextlib.contextmanager
def submit_in_background(
    server: LiveServer, clusters: int = CLUSTERS, days: int = DAYS
) -> Iterator[tuple[list[Submission], set[str]]]:
    """Yield the scans of several clusters and the acknowledged ones; wait until all are acknowledged."""
    token = server.create_token()
    scans = [build_scans(f"cluster-{number}", days) for number in range(clusters)]
    acknowledged: set[str] = set()
    with ThreadPoolExecutor(clusters) as pool:
        futures = [pool.submit(submit, server, token, part, acknowledged) for part in scans]
        yield list(itertools.chain.from_iterable(scans)), acknowledged
        for future in futures:
            future.result()


def wait_for_more(acknowledged: set[str], number: int) -> None:
    """Wait until a number of scans is acknowledged."""
    deadline = time.monotonic() + 300
    while len(acknowledged) < number:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_killed_server_keeps_acknowledged_scans(storage: DatabaseOptions, tmp_path: Path) -> None:
    with run_server(tmp_path, *storage.options) as server:
        token = server.create_token()
        with submit_in_background(server) as (scans, acknowledged):
            for kill in range(1, 4):
                wait_for_more(acknowledged, kill * len(scans) // 5)
                server.stop(signal.SIGKILL)
                before = set(acknowledged)
                server.start()
                with server.client(token) as client:
                    answers = [post(client, scan) for scan in scans if scan.id in before]
                assert {answer.status_code for answer in answers} == {200}
        server.stop()
    check_store(storage.url, scans)


def test_server_that_is_killed_while_it_makes_tables(storage: DatabaseOptions, tmp_path: Path) -> None:
    with run_server(tmp_path, *storage.options) as server:
        server.stop(signal.SIGKILL)
        for pause in (0.0, 0.05, 0.2):
            server.start(wait=False)
            time.sleep(pause)
            server.stop(signal.SIGKILL)
        server.start()
        with submit_in_background(server, 1, 2) as (scans, _):
            pass
        server.stop()
    check_store(storage.url, scans)


def test_stop_ends_requests_and_loses_nothing(storage: DatabaseOptions, tmp_path: Path) -> None:
    with run_server(tmp_path, *storage.options) as server:
        with submit_in_background(server) as (scans, acknowledged):
            for stop in range(1, 4):
                wait_for_more(acknowledged, stop * len(scans) // 5)
                server.stop()
                assert "event=stopped" in server.log
                assert "Traceback" not in server.log
                server.start()
        server.stop()
    check_store(storage.url, scans)


def test_stop_does_not_wait_for_silent_clients(tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text("stop_seconds = 1\n")
    with run_server(tmp_path, "--config", "server.toml") as server:
        token = server.create_token()
        host, port = server.url.removeprefix("http://").split(":")
        head = f"POST {SCANS} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        head += "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        with socket.create_connection((host, int(port))) as silent:
            silent.sendall(head.encode())
            with server.client() as client:
                assert client.get("/healthz").status_code == 200
            server.stop()
        assert "event=stopped" in server.log


def test_two_processes_on_one_database(postgres: str, tmp_path: Path) -> None:
    url = create_database(postgres)
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(2) as pool, contextlib.ExitStack() as stack:
        # Both find an empty database: one makes the tables, the other waits for them.
        servers = list(pool.map(lambda folder: LiveServer(folder, "--database", url), folders))
        for server in servers:
            stack.callback(server.stop, signal.SIGKILL)
        token = servers[0].create_token()
        scans = [build_scans(f"cluster-{number}", 10) for number in range(2)]
        with ThreadPoolExecutor(4) as clients:
            # Both processes get the scans of both clusters, in order.
            sent = [
                clients.submit(submit, server, token, part, set()) for server, part in itertools.product(servers, scans)
            ]
            for future in sent:
                future.result()
        for server in servers:
            server.stop()
            assert "Traceback" not in server.log
    check_store(url, list(itertools.chain.from_iterable(scans)))


def test_database_that_is_late_and_gone_for_a_while(tmp_path: Path) -> None:
    with create_postgres() as database:
        url = f"{database.url}/postgres"
        server = LiveServer(tmp_path, "--database", url, wait=False)
        try:
            with server.client("kk_any") as client:
                assert client.get("/healthz").status_code == 200
                assert client.get("/readyz").status_code == 503
                late = post(client, build_scans("any", 1)[0])
            assert late.status_code == 503
            assert int(late.headers["retry-after"]) > 0
            server.wait_for(re.compile(r'level=warning event="waiting for the database" reason=".+" seconds=2'))
            database.start()
            server.wait_until_ready()
            with submit_in_background(server) as (scans, acknowledged):
                for outage in range(1, 4):
                    wait_for_more(acknowledged, outage * len(scans) // 5)
                    database.stop()
                    with server.client("kk_any") as client:
                        statuses = {post(client, scans[0]).status_code for _ in range(5)}
                    assert statuses == {503}
                    assert 'event="database not available"' in server.log
                    database.start()
            server.stop()
            check_store(url, scans)
        finally:
            server.close()


def test_full_disk(tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        token = server.create_token()
        scans = build_scans("full")
        with server.client(token) as client:
            assert post(client, scans[0]).status_code == 201
            limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, limits[1]))
            refused = [post(client, scan) for scan in scans[1:]]
            assert {answer.status_code for answer in refused} == {503}
            assert client.get("/api/v1/identity").status_code == 200
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
            assert {post(client, scan).status_code for scan in scans[1:]} == {201}
        server.stop()
    check_store(f"sqlite:///{tmp_path / 'kubekeep-data' / 'kubekeep.sqlite'}", scans)


def test_reading_while_scans_are_stored(storage: DatabaseOptions, tmp_path: Path) -> None:
    """A request that reads is answered while scans wait for the store."""
    with run_server(tmp_path, *storage.options) as server:
        token = server.create_token()
        done = threading.Event()
        answers: list[Any] = []

        def read() -> None:
            with server.client(token) as client:
                while not done.is_set():
                    answers.append(client.get("/api/v1/identity").status_code)

        reader = threading.Thread(target=read)
        reader.start()
        with submit_in_background(server, days=10) as (scans, acknowledged):
            wait_for_more(acknowledged, len(scans))
        done.set()
        reader.join()
        server.stop()
    assert set(answers) == {200}
    assert len(answers) > len(scans)
