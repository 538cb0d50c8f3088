"""A server behind nginx, with the defaults of its package and with the settings of the guide."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec
import pytest

from kubekeep.model.finding_document import EvidenceDocument
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.server_results import SubmissionReceipt
from kubekeep.model.submission import Submission, SubmittedFinding
from kubekeep.uplink.client import SubmissionClient, SubmissionContent, SubmissionRefusal
from kubekeep.uplink.compression import compress_submission
from kubekeep.uplink.connection import ServerAccess, ServerConnection
from kubekeep.uplink.token import TokenSource
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.live import ROOT
from tests.server.nginx import run_nginx
from tests.server.test_events import Stream
from tests.server.test_ingest import build, build_subject

SUBJECTS: Final = 10_000
DEFINITIONS: Final = tuple(f"C-{number:04}" for number in range(1, 6))
FINDINGS: Final = SUBJECTS * len(DEFINITIONS)
DEFAULTS: Final = "location / {{ proxy_pass {url}; }}"
GUIDE: Final = ROOT / "docs" / "guides" / "server.md"
NGINX_LIMIT: Final = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    folder = tmp_path_factory.mktemp("proxied")
    (folder / "server.toml").write_text('trusted_proxies = ["127.0.0.1"]\n')
    with run_server(folder, "--config", "server.toml") as running:
        yield running


@pytest.fixture
def plain(server: EmbeddedServer, tmp_path: Path) -> Iterator[str]:
    """Return the address of a proxy with the defaults of the package."""
    with run_nginx(tmp_path, DEFAULTS.format(url=server.url)) as address:
        yield address


@pytest.fixture
def configured(server: EmbeddedServer, tmp_path: Path) -> Iterator[str]:
    """Return the address of a proxy with the settings of the guide."""
    (block,) = re.findall(r"^```nginx\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    with run_nginx(tmp_path, block.replace("http://127.0.0.1:8080", server.url)) as address:
        yield address


def build_scan(cluster: str, day: int = 0) -> Submission:
    """Return a scan with 50,000 findings, of which each has a message of its own."""
    subjects = [
        build_subject(number, findings=tuple(build_finding(number, name) for name in DEFINITIONS))
        for number in range(1, SUBJECTS + 1)
    ]
    severities = dict.fromkeys(DEFINITIONS, "high")
    return build(day, *subjects, scope=DEFINITIONS, source=SourceCluster(cluster), severities=severities)


def build_finding(subject: int, definition: str) -> SubmittedFinding:
    digest = hashlib.sha256(f"{subject} {definition}".encode()).hexdigest()
    evidence = EvidenceDocument(path="spec.hostname", message=f"`hostname` is {digest}")
    return SubmittedFinding(definition, f"{subject:08x}{definition[-4:]:>08}", (evidence,))


def send(address: str, token: str, scan: Submission) -> Any:
    content = SubmissionContent.of_bytes(scan.id, compress_submission(scan))
    assert content.size > NGINX_LIMIT
    with ServerConnection(ServerAccess(address=address)) as connection:
        return SubmissionClient(connection, TokenSource(token)).send(content)


def test_limit_of_the_proxy_is_named(plain: str, server: EmbeddedServer) -> None:
    result = send(plain, server.create_token(), build_scan("refused"))
    assert isinstance(result, SubmissionRefusal)
    assert "responded with 413" in result.reason
    assert "client_max_body_size" in result.reason
    assert not result.is_of_content


def test_long_submission_with_the_settings_of_the_guide(configured: str, server: EmbeddedServer) -> None:
    scan = build_scan("large")
    token = server.create_token()
    result = send(configured, token, scan)
    assert isinstance(result, SubmissionReceipt)
    assert result.opened == FINDINGS
    again = send(configured, token, scan)
    assert isinstance(again, SubmissionReceipt)
    assert again.is_known


def test_past_scan_is_the_same_through_the_proxy(plain: str, server: EmbeddedServer) -> None:
    scan = build_scan("stored")
    assert isinstance(send(server.url, server.create_token(), scan), SubmissionReceipt)
    reader = server.client(server.create_token("viewer"))
    rows = reader.get("/api/v1/sources", params={"limit": 200}).json()["rows"]
    number = next(row["id"] for row in rows if row["key"] == scan.source.key)
    path = f"/api/v1/sources/{number}/scans/{scan.id}"
    direct = reader.get(path)
    proxied = httpx2.get(f"{plain}{path}", headers=reader.headers, timeout=120)
    assert direct.status_code == proxied.status_code == 200
    assert proxied.content == direct.content
    assert msgspec.json.decode(proxied.content, type=Submission) == scan


def test_events_arrive_at_once(plain: str, server: EmbeddedServer) -> None:
    token = server.create_token("viewer")
    agent = server.client(server.create_token())
    with (
        httpx2.Client(base_url=plain, headers={"Authorization": f"Bearer {token}"}, timeout=120) as client,
        client.stream("GET", "/api/v1/events") as answer,
    ):
        stream = Stream(answer)
        for day in range(3):
            scan = build(day, build_subject(1, "C-0001"), source=SourceCluster("events"))
            assert agent.post("/api/v1/scans", content=msgspec.json.encode(scan)).status_code == 201
            event = stream.read()
            assert event is not None
            assert event["event"] == "source"


def test_changes_of_a_browser_with_the_settings_of_the_guide(configured: str, server: EmbeddedServer) -> None:
    link = server.run("user", "add", "ada", "--role", "administrator").partition("#")[2]
    with httpx2.Client(base_url=configured, timeout=120, headers={"Origin": configured}) as browser:
        answer = browser.post("/api/v1/session/link", json={"link": link})
        assert answer.status_code == 201, answer.text
        browser.headers["X-Csrf-Token"] = answer.json()["csrfToken"]
        assert browser.delete("/api/v1/session").status_code == 204
