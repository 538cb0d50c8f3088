"""Decisions of a real server in scans: what is excepted, gates, submissions, and copies for a server that is away."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.command_line import run_command_line
from tests.server.embedded import EmbeddedServer, run_server
from tests.usecases.test_repository import git

URL: Final = "/api/v1/decisions"
POD: Final = """\
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: shop}
spec:
  containers:
  - name: web
    image: ghcr.io/shop/web:1
    securityContext: {privileged: true}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with run_server(tmp_path_factory.mktemp("decided")) as running:
        yield running


@pytest.fixture
def manager(server: EmbeddedServer) -> Iterator[httpx2.Client]:
    """Return a client that may decide; the decisions end with it."""
    with server.client(server.create_token("administrator")) as client:
        yield client
        for row in client.get(URL, params={"state": "active"}).json()["rows"]:
            client.post(f"{URL}/{row['id']}/end", json={})


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    for name in ("web", "api"):
        (folder / f"{name}.yaml").write_text(POD.replace("NAME", name))
    git(folder, "init", "-q", "-b", "main")
    git(folder, "remote", "add", "origin", f"https://github.com/shop/{tmp_path.name}.git")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("KUBEKEEP_TOKEN", server.create_token("agent"))
    for name in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    return folder


def scan(server: EmbeddedServer | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    address = server if isinstance(server, str) else server.url
    return run_command_line("scan", "control", "C-0057", ".", "--server", address, *arguments)


def decide(manager: httpx2.Client, repository: Path, **fields: Any) -> int:
    """Make a decision in the repository."""
    scope = {"definitions": ["C-0057"], "sources": [f"repository/github.com/shop/{repository.parent.name}*"]}
    document = {"kind": "accepted-risk", "reason": "set up by the vendor", "scope": scope | fields}
    answer = manager.post(URL, json=document)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def list_open(manager: httpx2.Client, repository: Path) -> list[str]:
    rows = manager.get("/api/v1/findings", params={"definition": "C-0057"}).json()["rows"]
    return sorted(
        row["name"]
        for row in rows
        if row["sourceKey"].startswith(f"repository/github.com/shop/{repository.parent.name}/")
    )


def test_pipeline_and_server_agree(server: EmbeddedServer, manager: httpx2.Client, repository: Path) -> None:
    """Submit, decide on one finding by its fingerprint, and compare the next scan with the lists of the server."""
    assert scan(server, "--submit", "--severity-threshold", "high").returncode == 1
    assert list_open(manager, repository) == ["api", "web"]
    rows = manager.get("/api/v1/findings", params={"name": "web", "definition": "C-0057"}).json()["rows"]
    row = next(row for row in rows if repository.parent.name in row["sourceKey"])
    number = decide(manager, repository, fingerprints=[row["fingerprint"]])
    result = scan(server, "--submit", "--format", "json", "--audit-exceptions")
    assert result.returncode == 0, result.stderr
    assert f"decision {number} (accepted-risk)" in result.stdout
    assert list_open(manager, repository) == ["api"]
    report = json.loads(scan(server, "--format", "findings").stdout.splitlines()[0])
    assert report["subject"]["name"] in {"api", "web"}
    # The server has its decision from itself: it ends there with it, without another scan.
    assert manager.post(f"{URL}/{number}/end", json={}).status_code == 204
    assert list_open(manager, repository) == ["api", "web"]


@pytest.mark.parametrize("scope", [{}, {"namespaces": ["shop"]}, {"kinds": ["Pod"], "names": ["web", "api"]}])
def test_gate_respects_decisions(
    server: EmbeddedServer, manager: httpx2.Client, repository: Path, scope: dict[str, list[str]]
) -> None:
    scan(server, "--submit")
    number = decide(manager, repository, **scope)
    assert scan(server, "--severity-threshold", "high").returncode == 0
    # A new file is covered too.
    (repository / "new.yaml").write_text(POD.replace("NAME", "api"))
    assert scan(server, "--severity-threshold", "high").returncode == 0
    manager.post(f"{URL}/{number}/end", json={})
    assert scan(server, "--severity-threshold", "high").returncode == 1


def test_decision_in_progress_and_those_of_others_cover_nothing(
    server: EmbeddedServer, manager: httpx2.Client, repository: Path
) -> None:
    scan(server, "--submit")
    decide(manager, repository, namespaces=["other"])
    decide(manager, repository, sources=["repository/github.com/other/*"])
    scope = {"definitions": ["C-0057"]}
    manager.post(URL, json={"kind": "in-progress", "reason": "we work on it", "scope": scope})
    assert scan(server, "--severity-threshold", "high").returncode == 1


def age_copies(folder: Path, hours: float) -> None:
    """Change the time of the copies of decisions."""
    moment = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours)
    for file in folder.rglob("*.json"):
        file.write_text(json.dumps({**json.loads(file.read_text()), "received": moment.isoformat()}))


def test_copy_serves_for_a_day(
    tmp_path: Path, manager: httpx2.Client, server: EmbeddedServer, repository: Path
) -> None:
    scan(server, "--submit")
    decide(manager, repository)
    assert scan(server, "--severity-threshold", "high").returncode == 0
    copies = tmp_path / "cache" / "kubekeep" / "decisions"
    (copy,) = copies.iterdir()
    assert copy.stat().st_mode & 0o777 == 0o600
    absent = "http://127.0.0.1:9"
    # A copy belongs to one server.
    result = scan(absent, "--severity-threshold", "high")
    assert result.returncode == 3
    assert "the decisions of the server are not known" in result.stderr
    content = json.loads(copy.read_text()) | {"server": absent}
    key = content["source"]
    name = hashlib.sha256(f"{absent}\n{key}".encode()).hexdigest()[:32]
    (copies / f"{name}.json").write_text(json.dumps(content))
    result = scan(absent, "--severity-threshold", "high")
    assert result.returncode == 0, result.stderr
    assert f"the decisions of {absent} are a copy of " in result.stderr
    for hours in (25, -1):
        age_copies(copies, hours)
        result = scan(absent, "--severity-threshold", "high")
        assert result.returncode == 3
        assert "more than 24 hours ago" in result.stderr or "in the future" in result.stderr
    (copies / f"{name}.json").write_text("{")
    assert scan(absent).returncode == 3


def test_scan_that_submits_goes_on_without_decisions(repository: Path) -> None:
    assert repository.exists()
    result = scan("http://127.0.0.1:9", "--submit", "--severity-threshold", "high")
    assert result.returncode == 1
    assert "no decision of the server is applied: " in result.stderr
    assert "the next --submit to this server sends the results" in result.stderr


def test_input_without_identity_is_refused(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "web.yaml").write_text(POD)
    monkeypatch.chdir(folder)
    result = scan(server)
    assert result.returncode == 2
    assert "the input is in no Git repository" in result.stderr
    assert not result.stdout
