"""Submission over HTTP: answers, encodings, limits, rights, and connections that end early."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec
import pytest
from backports import zstd

from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import Submission
from kubekeep.model.text import encode_json
from kubekeep.uplink.delta import compute_delta
from kubekeep_server.api.middleware import BODY_LIMIT
from tests.selection.shares import draw_share
from tests.server.conftest import create_database
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.test_ingest import build, build_subject

LIMIT: Final = 300_000
SCANS: Final = "/api/v1/scans"
JSON: Final = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "server.toml").write_text(f"submission_limit = {LIMIT}\nwaiting_limit = {LIMIT * 2}\n")
    with run_server(folder, "--config", "server.toml") as running:
        yield running


@pytest.fixture(scope="module")
def token(server: EmbeddedServer) -> str:
    return server.create_token()


@pytest.fixture
def client(server: EmbeddedServer, token: str) -> Iterator[httpx2.Client]:
    with server.client(token) as opened:
        yield opened


def encode(submission: Submission) -> bytes:
    return encode_json(submission).encode()


def post(client: httpx2.Client, content: bytes, **headers: str) -> httpx2.Response:
    return client.post(SCANS, content=content, headers={**JSON, **headers})


def build_scan(uid: str, day: int = 0, count: int = 3) -> Submission:
    return build(day, *(build_subject(number, "C-0001") for number in range(1, count + 1)), source=SourceCluster(uid))


@pytest.mark.parametrize(
    ("encoding", "compress"), [("identity", bytes), ("gzip", gzip.compress), ("zstd", zstd.compress), ("", bytes)]
)
def test_scan_is_stored_once(client: httpx2.Client, encoding: str, compress: Any) -> None:
    submission = build_scan(f"once-{encoding}")
    headers = {"Content-Encoding": encoding} if encoding else {}
    first = post(client, compress(encode(submission)), **headers)
    assert first.status_code == 201
    expected = {"scan": submission.id, "manifest": submission.manifest, "opened": 3, "closed": 0, "isApplied": True}
    assert first.json() == {**expected, "isKnown": False}
    again = post(client, compress(encode(submission)), **headers)
    assert again.status_code == 200
    assert again.json() == {**expected, "isKnown": True}


def test_delta_of_another_state_is_answered_with_the_current_one(client: httpx2.Client) -> None:
    first, second, third = (build_scan("delta", day, day + 1) for day in range(3))
    assert post(client, encode(first)).status_code == 201
    refused = post(client, encode(compute_delta(second, third)))
    assert refused.status_code == 409
    assert refused.json()["manifest"] == first.manifest
    assert post(client, encode(compute_delta(first, second))).json()["opened"] == 1


def test_delta_of_an_unknown_source_is_answered_with_the_empty_state(client: httpx2.Client) -> None:
    refused = post(client, encode(compute_delta(build_scan("unknown"), build_scan("unknown", 1, 4))))
    assert (refused.status_code, refused.json()["manifest"]) == (409, "0" * 32)


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[" * 100_000, {}, 422),
        (b'{"source":' + b"[" * 100_000, {}, 422),
        (b"{}", {}, 422),
        (b'{"source": {"type": "satellite"}}', {}, 422),
        (b'{"source": {"type": "cluster", "uid": "x"}}', {}, 422),
        (b"", {}, 400),
        (b"{}", {"Content-Encoding": "br"}, 415),
        (b"{}", {"Content-Encoding": "gzip, gzip"}, 415),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"no gzip", {"Content-Encoding": "gzip"}, 400),
        (b"no zstd", {"Content-Encoding": "zstd"}, 400),
        (gzip.compress(b"{}", mtime=0)[:-1], {"Content-Encoding": "gzip"}, 400),
        (zstd.compress(b"{}")[:-1], {"Content-Encoding": "zstd"}, 400),
        (gzip.compress(b"{}", mtime=0) + b"more", {"Content-Encoding": "gzip"}, 400),
        (b" " * (LIMIT + 1), {}, 413),
        (gzip.compress(b" " * 50_000_000, mtime=0), {"Content-Encoding": "gzip"}, 413),
        (zstd.compress(b" " * 500_000_000), {"Content-Encoding": "zstd"}, 413),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_hostile_bodies_are_refused(
    client: httpx2.Client, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = client.post(SCANS, content=content, headers={**JSON, **headers})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["requestId"] == answer.headers["x-request-id"]
    if status == 413:
        assert problem["limit"] == LIMIT


def test_wrong_values_of_fields_are_refused(client: httpx2.Client) -> None:
    document = json.loads(encode(build_scan("types")))
    for name in document:
        for value in (None, 7, [7]):
            if document[name] == value:
                continue
            answer = post(client, json.dumps({**document, name: value}).encode())
            assert answer.status_code in {400, 409, 422}, (name, value, answer.text)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer kk_wrong", "Basic YTpi", "Bearer " + "k" * 5000])
def test_requests_without_a_valid_token_are_refused(server: EmbeddedServer, header: str) -> None:
    with server.client() as anonymous:
        answer = post(anonymous, encode(build_scan("anonymous")), **({"Authorization": header} if header else {}))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_token_submits_for_its_sources_only(server: EmbeddedServer) -> None:
    with server.client(server.create_token("agent", "cluster/mine", "cluster/prod-*")) as agent:
        assert [post(agent, encode(build_scan(uid))).status_code for uid in ("mine", "prod-1", "other", "mine2")] == [
            201,
            201,
            403,
            403,
        ]


@pytest.mark.parametrize("role", ["viewer", "auditor"])
def test_roles_that_read_cannot_submit(server: EmbeddedServer, role: str) -> None:
    with server.client(server.create_token(role)) as reader:
        assert post(reader, encode(build_scan("mine"))).status_code == 403


POSITIONS: Final = 200


@pytest.mark.parametrize("is_delta", [False, True], ids=["whole", "delta"])
@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_cut_connections_store_nothing(
    server: EmbeddedServer, client: httpx2.Client, token: str, encoding: str, compress: Any, *, is_delta: bool
) -> None:
    """The end of the connection at any of 200 positions changes nothing; the complete submission is stored once."""
    uid = f"cut-{encoding}-{is_delta}"
    before, submission = build_scan(uid), build_scan(uid, 1, 40)
    assert post(client, encode(before)).status_code == 201
    content = compress(encode(compute_delta(before, submission) if is_delta else submission))
    host, port = server.url.removeprefix("http://").split(":")
    head = f"POST {SCANS} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(content)}\r\n\r\n"
    message = head.encode() + content
    ends = sorted({1 + (len(message) - 2) * number // (POSITIONS - 1) for number in range(POSITIONS)})
    assert len(ends) == POSITIONS
    for end in draw_share(ends, 50):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(message[:end])
    with server.client(server.create_token("viewer", f"cluster/{uid}")) as viewer:
        (row,) = viewer.get("/api/v1/sources").json()["rows"]
        assert (row["scans"], sum(row["findings"].values())) == (1, 3)
    answers = [post(client, content, **{"Content-Encoding": encoding}) for _ in range(2)]
    assert [(answer.status_code, answer.json()["isKnown"]) for answer in answers] == [(201, False), (200, True)]
    assert answers[0].json()["opened"] == 37
    assert client.get("/healthz").text == "ok"


def is_refused_for_now(client: httpx2.Client, waiting: list[socket.socket]) -> bool:
    """Submit until a submission is refused, or one of those that wait, whose last bytes may arrive after it."""
    for _ in range(200):
        answer = post(client, encode(build_scan("busy")))
        if answer.status_code == 429:
            return int(answer.headers["retry-after"]) > 0
        for connection in waiting:
            with contextlib.suppress(BlockingIOError):
                return b" 429 " in connection.recv(4096, socket.MSG_DONTWAIT).splitlines()[0]
    return False


def test_more_bytes_than_may_wait_are_refused_for_now(
    server: EmbeddedServer, client: httpx2.Client, token: str
) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    head = f"POST {SCANS} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {LIMIT}\r\n\r\n"
    waiting = [socket.create_connection((host, int(port))) for _ in range(2)]
    for connection in waiting:
        connection.sendall(head.encode() + b" " * (LIMIT - 1))
    assert is_refused_for_now(client, waiting)
    for connection in waiting:
        connection.close()
    # The server sees the closed connections after a moment.
    for _ in range(1000):
        if post(client, encode(build_scan("busy"))).status_code == 201:
            return
    pytest.fail("the bytes of closed connections are not free again")


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_parallel_scans_of_one_source(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    options = () if engine == "sqlite" else ("--database", create_database(request.getfixturevalue("postgres")))
    with run_server(tmp_path, *options) as running:
        with running.client(running.create_token()) as shared, ThreadPoolExecutor(25) as pool:
            scans = [build_scan("parallel", day, 5) for day in range(25)] * 2
            gate = threading.Barrier(25)

            def submit(scan: Submission) -> httpx2.Response:
                gate.wait()
                return post(shared, encode(scan))

            answers = list(pool.map(submit, scans))
        assert {answer.status_code for answer in answers} == {200, 201}
        assert sum(answer.status_code == 201 for answer in answers) == 25
        assert sum(answer.json()["opened"] for answer in answers if not answer.json()["isKnown"]) == 5


def test_scan_in_the_future_is_refused(client: httpx2.Client) -> None:
    now = dt.datetime.now(dt.UTC)
    future = msgspec.structs.replace(build_scan("future"), finished=now + dt.timedelta(hours=2))
    refused = post(client, encode(future))
    assert refused.status_code == 422
    assert 0 < refused.json()["early"] <= 2 * 3600 - 10 * 60 + 1
    assert "check both clocks" in refused.json()["detail"]
    present = msgspec.structs.replace(future, id="present", finished=now)
    assert post(client, encode(present)).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/api/v1/session", JSON),
        ("POST", "/api/v1/session/link", JSON),
        ("POST", "/api/v1/device/authorizations", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("POST", "/api/v1/device/tokens", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("POST", "/api/v1/tokens", JSON),
        ("POST", "/api/v1/enrolments/redeem", JSON),
        ("PATCH", "/api/v1/users/1", JSON),
    ],
)
@pytest.mark.parametrize("has_length", [True, False])
def test_bodies_of_other_operations_are_small(
    server: EmbeddedServer, method: str, path: str, headers: dict[str, str], *, has_length: bool
) -> None:
    content = b" " * (BODY_LIMIT + 1)
    parts = (content[start : start + 1000] for start in range(0, len(content), 1000))
    with server.client() as sender:
        answer = sender.request(method, path, content=content if has_length else parts, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json"), answer.text
