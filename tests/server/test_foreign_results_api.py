"""Results of other tools over HTTP: sources, rights, encodings, limits, and documents that are refused."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from backports import zstd

from tests.server.embedded import EmbeddedServer, run_server
from tests.server.foreign.documents import (
    DIGEST,
    UID,
    build_control,
    build_log,
    build_posture_report,
    build_result,
    build_run,
    encode,
)
from tests.server.foreign.test_sbom import build_document

LIMIT: Final = 300_000
GUIDE: Final = Path(__file__).parents[2] / "docs" / "guides" / "submit-other-tools.md"
REPOSITORY: Final = {"repository": "https://github.com/Shop/Web.git", "branch": "main"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "server.toml").write_text(f"submission_limit = {LIMIT}\nwaiting_limit = {LIMIT * 2}\n")
    with run_server(folder, "--config", "server.toml") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: EmbeddedServer) -> httpx2.Client:
    return server.client(server.create_token("administrator"))


def post(
    client: httpx2.Client, name: str, content: bytes, encoding: str = "identity", /, **query: Any
) -> httpx2.Response:
    headers = {"Content-Encoding": encoding}
    return client.post(f"/api/v1/results/{name}", content=content, params=query, headers=headers)


def list_keys(client: httpx2.Client) -> set[str]:
    return {row["key"] for row in client.get("/api/v1/sources").json()["rows"]}


def build_report(*controls: str) -> bytes:
    return encode(build_posture_report({"web": [build_control(name) for name in controls], "cart": []}))


def test_report_of_kubescape_opens_findings_of_its_cluster(client: httpx2.Client) -> None:
    first = post(client, "kubescape", build_report("C-0057", "C-0016"))
    assert (first.status_code, first.json()["opened"]) == (201, 2)
    again = post(client, "kubescape", build_report("C-0057", "C-0016"))
    assert (again.status_code, again.json()["isKnown"]) == (200, True)
    assert f"cluster/{UID}" in list_keys(client)
    (row,) = client.get("/api/v1/findings", params={"name": "web", "definition": "C-0057"}).json()["rows"]
    assert row["severity"] == "high"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_log_belongs_to_the_named_repository(client: httpx2.Client, encoding: str) -> None:
    compress: Any = {"gzip": gzip.compress, "zstd": zstd.compress}[encoding]
    log = build_log(build_run(build_result("R1", "a.py")))
    query = {"repository": f"git@github.com:shop/{encoding}.git", "branch": "main", "path": ["src"]}
    answer = post(client, "sarif", compress(log), encoding, **query)
    assert (answer.status_code, answer.json()["opened"]) == (201, 1), answer.text
    assert f"repository/github.com/shop/{encoding}//src" in list_keys(client)


def test_log_with_absolute_paths_is_relative_to_the_checkout(client: httpx2.Client) -> None:
    result = build_result("R1", "/builds/here/b.py")
    result["locations"][0]["physicalLocation"]["artifactLocation"] = {"uri": "file:///builds/here/b.py"}
    log = build_log(build_run(result, originalUriBaseIds={}))
    assert post(client, "sarif", log, **REPOSITORY, checkout="/builds/here").status_code == 201
    rows = client.get("/api/v1/findings", params={"definition": "sarif/linter/R1"}).json()["rows"]
    assert "b.py" in {row["name"] for row in rows}


def test_sbom_of_an_image_belongs_to_its_registry(client: httpx2.Client) -> None:
    assert post(client, "sbom", encode(build_document())).status_code == 201
    assert {key for key in list_keys(client) if key.startswith("registry/")}
    (row,) = client.get("/api/v1/packages", params={"text": "openssl"}).json()["rows"]
    assert row["images"] == 1


@pytest.mark.parametrize(
    ("name", "content", "query"),
    [
        ("sarif", b"{", REPOSITORY),
        ("sarif", b"", REPOSITORY),
        ("sarif", b"\xff\xfe\x00", REPOSITORY),
        ("sarif", b"[" * 100_000, REPOSITORY),
        ("sarif", b'{"version":"2.1.0","runs":' + b"[" * 100_000, REPOSITORY),
        ("sarif", b'{"version":"9","runs":[]}', REPOSITORY),
        ("sarif", build_log(), {}),
        ("kubescape", b"{}", {}),
        ("kubescape", b"null", {}),
        ("kubescape", build_report("C-0057"), {"cluster": "another-uid"}),
        ("sbom", b"SPDXVersion: SPDX-9", {}),
        ("sbom", b"{}", {"registry": "ghcr.io"}),
        ("sbom", b'{"bomFormat":"CycloneDX","specVersion":"1.6","vulnerabilities":7}', {"registry": "ghcr.io"}),
        ("satellite", b"{}", {}),
        ("sarif", build_log(), {"repository": "/home/web"}),
        ("sarif", build_log(), {"branch": "main"}),
        ("sarif", build_log(), {"cluster": UID, "registry": "ghcr.io"}),
        ("sarif", build_log(), {"cluster": "../x"}),
        ("sarif", build_log(), {"registry": "GHCR io"}),
        ("sarif", build_log(), {**REPOSITORY, "branch": "a\0b"}),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_invalid_requests_are_refused(client: httpx2.Client, name: str, content: bytes, query: dict[str, Any]) -> None:
    answer = post(client, name, content, **query)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_documents_above_the_limit_are_refused(client: httpx2.Client) -> None:
    assert post(client, "sarif", b" " * (LIMIT + 1), **REPOSITORY).status_code == 413
    bomb = gzip.compress(b" " * 50_000_000, mtime=0)
    assert post(client, "sarif", bomb, "gzip", **REPOSITORY).status_code == 413


def test_token_submits_for_its_sources_only(server: EmbeddedServer) -> None:
    agent = server.client(server.create_token("agent", "repository/github.com/shop/web//"))
    log = build_log(build_run(build_result("R1", "a.py")))
    assert post(agent, "sarif", log, **REPOSITORY).status_code in {200, 201}
    assert post(agent, "sarif", log, repository="https://github.com/shop/other").status_code == 403
    assert post(agent, "kubescape", build_report("C-0057")).status_code == 403
    assert post(agent, "sbom", encode(build_document())).status_code == 403
    viewer = server.client(server.create_token("viewer"))
    assert post(viewer, "sarif", log, **REPOSITORY).status_code == 403


def test_hostile_text_is_only_text(client: httpx2.Client) -> None:
    text = "<script>alert(1)</script>{{7*7}}'; DROP TABLE finding; --\u0000\ud800\u202e"
    log = build_run(build_result(text, text), rules=(text,))
    answer = post(client, "sarif", json.dumps({"version": "2.1.0", "runs": [log]}).encode(), **REPOSITORY)
    assert answer.status_code in {201, 422}
    named = build_posture_report({"web": [build_control(text)], DIGEST: []})
    assert post(client, "kubescape", encode(named)).status_code in {201, 422}
    assert client.get("/api/v1/findings").status_code == 200


def test_commands_of_the_guide_run(server: EmbeddedServer, tmp_path: Path) -> None:
    results = build_posture_report({"web": [build_control("C-0057")], "cart": []})
    (tmp_path / "report.json").write_bytes(encode(results))
    (tmp_path / "results.sarif").write_bytes(build_log(build_run(build_result("R1", "a.py"))))
    (tmp_path / "web.cdx.json").write_bytes(encode(build_document()))
    blocks = re.findall(r"^```text\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    scripts = [block.replace("https://kubekeep.example.com", server.url) for block in blocks if " curl " in f" {block}"]
    assert len(scripts) == 2
    variables = {**os.environ, "KUBEKEEP_TOKEN": server.create_token("administrator")}
    for script in scripts:
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads((tmp_path / "web.spdx.json").read_text())["spdxVersion"] == "SPDX-2.3"
