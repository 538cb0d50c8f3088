"""Destinations and rules over HTTP: secrets stay secret, and nobody gets findings outside of the own scope by a rule of others."""

from __future__ import annotations

import socket
import sqlite3
import stat
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import pytest

from tests.server.embedded import EmbeddedServer, run_server
from tests.server.test_scans_api import build_scan, encode, post

PREFIX: Final = "/api/v1/notifications"
SECRET: Final = "a secret of a webhook"  # noqa: S105 - of a test
WEBHOOK: Final[dict[str, Any]] = {
    "kind": "webhook",
    "settings": {"url": "https://hooks.example.com/"},
    "secrets": {"secret": SECRET},
}
DOCUMENT: Final = {"events": ["finding-opened"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    folder = tmp_path_factory.mktemp("notifications")
    (folder / "server.toml").write_text('notification_networks = ["127.0.0.0/8"]\n')
    with run_server(folder, "--config", "server.toml") as running:
        yield running


@pytest.fixture(scope="module")
def administrator(server: EmbeddedServer) -> httpx2.Client:
    return server.client(server.create_token("administrator"))


def create(client: httpx2.Client, noun: str, body: dict[str, Any]) -> int:
    answer = client.post(f"{PREFIX}/{noun}", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def test_secrets_are_encrypted_and_never_shown(server: EmbeddedServer, administrator: httpx2.Client) -> None:
    number = create(administrator, "destinations", {**WEBHOOK, "name": "secret"})
    listed = administrator.get(f"{PREFIX}/destinations").text
    assert SECRET not in listed
    assert '"hasSecrets":true' in listed
    folder = server.folder / "kubekeep-data"
    with sqlite3.connect(folder / "kubekeep.sqlite") as connection:
        rows = connection.execute(
            "SELECT * FROM destination UNION ALL SELECT *, '', '', '', '' FROM organisation_log"
        ).fetchall()
    assert SECRET not in repr(rows)
    assert stat.S_IMODE((folder / "notifications.key").stat().st_mode) == 0o600
    body = {"name": "secret", "kind": "webhook", "settings": {"url": "https://other.example.com/"}}
    # Another address would get what the secret signs.
    assert administrator.put(f"{PREFIX}/destinations/{number}", json=body).status_code == 422
    body["settings"] = WEBHOOK["settings"]
    assert administrator.put(f"{PREFIX}/destinations/{number}", json=body).status_code == 204
    assert administrator.get(f"{PREFIX}/destinations").json()["rows"][0]["hasSecrets"]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "kind": "webhook", "settings": {"url": "file:///etc/passwd"}, "secrets": {"secret": "x"}},
        {"name": "x", "kind": "webhook", "settings": {"secret": "x"}, "secrets": {"url": "https://x.example"}},
        {"name": "x", "kind": "other", "settings": {}},
        {"name": "\u202ex", **WEBHOOK},
        {"name": "x", "kind": "webhook", "settings": {"url": ["x"]}, "secrets": {"secret": "x"}},
        {"name": "x" * 300, **WEBHOOK},
    ],
    ids=repr,
)
def test_other_destinations_are_refused(administrator: httpx2.Client, body: dict[str, Any]) -> None:
    answer = administrator.post(f"{PREFIX}/destinations", json=body)
    assert answer.status_code == 422
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    "document",
    [
        {"events": []},
        {"events": ["all"]},
        {**DOCUMENT, "zone": "Mars/Olympus"},
        {**DOCUMENT, "filter": {"sources": ["' OR 1=1 --"]}},
        {**DOCUMENT, "filter": {"priorities": ["urgent"]}},
        {**DOCUMENT, "filter": {"names": ["x"] * 101}},
        {**DOCUMENT, "quietHours": {"start": "24:00", "end": "07:00"}},
        {**DOCUMENT, "groupingMinutes": -1},
        {**DOCUMENT, "template": "{{7*7}}"},
    ],
    ids=repr,
)
def test_other_rules_are_refused(administrator: httpx2.Client, document: dict[str, Any]) -> None:
    body = {"name": "x", "destination": 1, "document": document}
    assert administrator.post(f"{PREFIX}/rules", json=body).status_code == 422


def test_others_change_neither_destination_nor_rule(server: EmbeddedServer, administrator: httpx2.Client) -> None:
    destination = create(administrator, "destinations", {**WEBHOOK, "name": "of the administrator"})
    rule = {"name": "everything", "destination": destination, "document": DOCUMENT}
    number = create(administrator, "rules", rule)
    manager = server.client(server.create_token("manager", "cluster/shop"))
    stolen = {**WEBHOOK, "name": "stolen", "settings": {"url": "https://evil.example/"}}
    assert manager.put(f"{PREFIX}/destinations/{destination}", json=stolen).status_code == 403
    assert manager.delete(f"{PREFIX}/destinations/{destination}").status_code == 403
    assert manager.put(f"{PREFIX}/rules/{number}", json=rule).status_code == 403
    assert manager.delete(f"{PREFIX}/rules/{number}").status_code == 403
    own = create(manager, "rules", {**rule, "name": "own"})
    assert manager.put(f"{PREFIX}/rules/{own}", json={**rule, "name": "own", "isEnabled": False}).status_code == 204
    assert manager.post(f"{PREFIX}/rules", json={**rule, "name": "own"}).status_code == 409
    assert administrator.delete(f"{PREFIX}/destinations/{destination}").status_code == 409
    assert manager.delete(f"{PREFIX}/rules/{own}").status_code == 204
    assert administrator.delete(f"{PREFIX}/rules/{number}").status_code == 204
    assert administrator.delete(f"{PREFIX}/destinations/{destination}").status_code == 204


def test_preview_has_the_scope_of_its_sender(server: EmbeddedServer, administrator: httpx2.Client) -> None:
    for uid in ("shop", "blog"):
        assert post(administrator, encode(build_scan(uid))).status_code == 201
    titles = {}
    for scope in ("*", "cluster/shop", "cluster/other"):
        client = server.client(server.create_token("manager", scope))
        answer = client.post(f"{PREFIX}/rules/preview", json=DOCUMENT)
        assert answer.status_code == 200, answer.text
        titles[scope] = answer.json()["title"].rpartition(" in ")[2]
    assert titles == {"*": "blog", "cluster/shop": "shop", "cluster/other": ""}


def test_preview_lists_what_is_due(server: EmbeddedServer, administrator: httpx2.Client) -> None:
    assert post(administrator, encode(build_scan("shop"))).status_code == 201
    levels = {"levels": [{"level": level, "days": 1} for level in ("critical", "high", "medium", "low")]}
    assert administrator.put("/api/v1/service-levels", json=levels).status_code == 204
    document = {"events": ["finding-due"], "digest": "weekly"}
    for scope, start in (("*", "Summary of findings: "), ("cluster/other", "")):
        client = server.client(server.create_token("manager", scope))
        answer = client.post(f"{PREFIX}/rules/preview", json=document).json()
        assert answer["title"].startswith(start)
        assert ("overdue" in answer["title"], "(due 2026-01-" in answer["text"]) == (bool(start), bool(start))
    answer = administrator.post(f"{PREFIX}/rules/preview", json={"events": ["finding-due"]})
    assert answer.status_code == 422
    assert "choose a digest" in answer.json()["detail"]


def test_destination_without_secrets_gets_messages(administrator: httpx2.Client) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(120)
        settings = {"host": "127.0.0.1", "port": receiver.getsockname()[1], "protocol": "udp"}
        number = create(administrator, "destinations", {"name": "logs", "kind": "syslog", "settings": settings})
        assert administrator.post(f"{PREFIX}/destinations/{number}/test").status_code == 202
        assert b"Test message of administrator of a test" in receiver.recv(4_096)
