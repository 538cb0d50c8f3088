"""Notifications end to end: a submission reaches a real receiver, once, also after a crash; nobody else's findings do."""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
import time
from pathlib import Path
from typing import Any, Final

import httpx2
from sqlalchemy import update

from kubekeep.model.scanned_source import SourceCluster
from kubekeep_server.store import notification_schema
from tests.server import live
from tests.server.conftest import Database
from tests.server.embedded import run_server
from tests.server.http_sink import Received, Reply, run_sink
from tests.server.live import LiveServer
from tests.server.test_faults import DatabaseOptions, storage
from tests.server.test_ingest import build, build_subject
from tests.server.test_scans_api import encode, post

__all__ = ["storage"]
PREFIX: Final = "/api/v1/notifications"
SECRET: Final = "a secret of a webhook"  # noqa: S105 - of a test
SECONDS: Final = 120
CONTROL: Final = "Images do not come from forbidden registries"
"""The title of C-0001 in the library."""
OPENED: Final = {"events": ["finding-opened"], "groupingMinutes": 0}


def start(folder: Path, storage: DatabaseOptions) -> Any:
    """Return the context of a server whose destinations may be on the loopback address."""
    return run_server(folder, *write_settings(folder), *storage.options)


def write_settings(folder: Path) -> tuple[str, str]:
    """Return the options of such a server."""
    key = folder / "key"
    key.write_text("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n")
    settings = f'notification_networks = ["127.0.0.0/8"]\nsecret_key_file = "{key}"\n'
    (folder / "server.toml").write_text(settings)
    return "--config", "server.toml"


def create_webhook(client: httpx2.Client, url: str, name: str = "sink") -> int:
    body = {"name": name, "kind": "webhook", "settings": {"url": url}, "secrets": {"secret": SECRET}}
    return create(client, "destinations", body)


def create_rule(client: httpx2.Client, destination: int, document: dict[str, Any], name: str = "rule") -> int:
    return create(client, "rules", {"name": name, "destination": destination, "document": document})


def create(client: httpx2.Client, noun: str, body: dict[str, Any]) -> int:
    answer = client.post(f"{PREFIX}/{noun}", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def submit(client: httpx2.Client, cluster: str, day: int, *definitions: str, count: int = 1) -> None:
    subjects = [build_subject(number, *definitions) for number in range(1, count + 1)]
    answer = post(client, encode(build(day, *subjects, source=SourceCluster(cluster))))
    assert answer.status_code == 201, answer.text


def list_deliveries(client: httpx2.Client) -> list[dict[str, Any]]:
    answer = client.get(f"{PREFIX}/deliveries")
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


def wait_for_state(client: httpx2.Client, count: int, *states: str) -> list[dict[str, Any]]:
    """Return the deliveries as soon as so many are in one of some states."""
    deadline = time.monotonic() + SECONDS
    while True:
        rows = list_deliveries(client)
        if sum(row["state"] in states for row in rows) >= count:
            return rows
        assert time.monotonic() < deadline, rows
        time.sleep(0.1)


def read(request: Received) -> dict[str, Any]:
    """Return the message of a webhook after a check of its signature, as a receiver makes it."""
    parts = dict(part.split("=", 1) for part in request.headers["kubekeep-signature"].split(","))
    signed = f"{parts['t']}.".encode() + request.content
    assert parts["v1"] == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    message: dict[str, Any] = json.loads(request.content)
    assert request.headers["idempotency-key"] == message["id"]
    return message


def test_submission_reaches_a_webhook_of_its_rule(storage: DatabaseOptions, tmp_path: Path) -> None:
    with run_sink() as sink, start(tmp_path, storage) as server:
        client = server.client(server.create_token("administrator"))
        number = create_webhook(client, f"{sink.url}/hook")
        document = {**OPENED, "filter": {"sources": ["cluster/shop"], "severities": ["high"]}}
        create_rule(client, number, document)
        submit(client, "blog", 0, "C-0001")
        submit(client, "shop", 0, "C-0001", "C-0002", count=3)
        (request,) = sink.wait_for(1)
        message = read(request)
        assert request.path == "/hook"
        assert message["event"] == "finding-opened"
        assert message["sourceKey"] == "cluster/shop"
        assert message["definition"] == "C-0001"
        assert message["title"] == f"3 high findings opened: {CONTROL} in shop"
        lines = [line["text"] for line in message["sections"][0]["lines"]]
        assert lines == [f"{CONTROL}: Deployment web-{number} (namespace shop)" for number in (1, 2, 3)]
        assert message["url"].startswith(server.url)
        (row,) = wait_for_state(client, 1, "sent")
        assert row["title"] == message["title"]
        # A repetition of the scan changes nothing, and a fixed finding is no opened one.
        submit(client, "shop", 1, "C-0002", count=3)
        submit(client, "shop", 2, "C-0001", "C-0002", count=4)
        message = read(sink.wait_for(2)[1])
        assert message["title"] == f"High finding opened: {CONTROL}: Deployment web-4 (namespace shop) in shop"
        assert len(list_deliveries(client)) == len(sink.requests) == 2
        assert SECRET not in client.get(f"{PREFIX}/destinations").text
        assert SECRET not in server.log


def test_crash_between_sending_and_marking_repeats_once(storage: DatabaseOptions, tmp_path: Path) -> None:
    servers: list[LiveServer] = []

    def crash(_: Received) -> Reply:
        if len(sink.requests) == 1:
            servers[0].process.send_signal(signal.SIGKILL)
            servers[0].process.wait(SECONDS)
        return Reply()

    options = (*write_settings(tmp_path), *storage.options)
    with run_sink(crash) as sink, live.run_server(tmp_path, *options) as server:
        servers.append(server)
        token = server.create_token("administrator")
        client = server.client(token)
        create_rule(client, create_webhook(client, sink.url), OPENED)
        submit(client, "shop", 0, "C-0001")
        sink.wait_for(1)
        server.process.wait(SECONDS)
        if "postgresql" in storage.url:
            end_leases(storage.url)
        server.start()
        first, second = sink.wait_for(2)
        assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
        (row,) = wait_for_state(server.client(token), 1, "sent")
        assert (row["attempts"], len(sink.requests)) == (2, 2)


def end_leases(url: str) -> None:
    """Let the time of the claims of an ended process pass."""
    database = Database(url)
    database.run(lambda connection: connection.execute(update(notification_schema.delivery).values(leased=0)))
    database.close()


def test_destination_that_fails_is_tried_again_and_given_up(storage: DatabaseOptions, tmp_path: Path) -> None:
    statuses = iter([503, 410, 200])

    def refuse(_: Received) -> Reply:
        status = next(statuses)
        return Reply(status, b"no \x1b[31m capacity", {"Retry-After": "1"} if status == 503 else {})

    with run_sink(refuse) as sink, start(tmp_path, storage) as server:
        client = server.client(server.create_token("administrator"))
        create_rule(client, create_webhook(client, sink.url), OPENED)
        submit(client, "shop", 0, "C-0001")
        (row,) = wait_for_state(client, 1, "dead")
        assert row["attempts"] == 2
        assert row["error"] == "127.0.0.1: status 410: no \\x1b[31m capacity"
        assert client.post(f"{PREFIX}/deliveries/{row['id']}/resend").status_code == 202
        wait_for_state(client, 1, "sent")
        assert len({request.headers["idempotency-key"] for request in sink.requests}) == 1
        assert client.post(f"{PREFIX}/deliveries/{row['id']}/resend").status_code == 404
