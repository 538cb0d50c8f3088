"""The client of the Python API with a real server: submissions, lists in pages, errors, and types as the OpenAPI document has them."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

import kubekeep
from kubekeep.api import Server
from kubekeep.model import server_results as results
from kubekeep.model.errors import RequestError
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import ImageEntry
from kubekeep.uplink.errors import RefusedRequestError, ServerLoginError, UnreachableServerError
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.live import ROOT
from tests.server.test_images import WEB, build_content, build_image, build_scan, run
from tests.server.test_ingest import build_subject
from tests.server.test_openapi import build_document
from tests.server.test_scans_api import encode, post

WORKLOADS: Final = 450
"""More than two pages."""
WRONG: Final = "kk_wrong"
METHODS: Final[dict[str, tuple[str, Any]]] = {
    "sources": ("listSources", results.SourceResult),
    "findings": ("listFindings", results.FindingResult),
    "vulnerabilities": ("listVulnerabilities", results.VulnerabilityResult),
    "affected_workloads": ("listAffectedWorkloads", results.WorkloadResult),
    "packages": ("listPackages", results.PackageResult),
    "package_workloads": ("listPackageWorkloads", results.WorkloadResult),
}
"""Operation and type of the rows by method."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with run_server(tmp_path_factory.mktemp("client")) as running:
        workloads = [build_subject(number, "C-0001", containers=(run(WEB),)) for number in range(1, WORKLOADS + 1)]
        image = build_entry()
        scans = [
            build_scan(
                0, *workloads, build_image(WEB, "CVE-1"), source=SourceCluster("prod", "production"), images=[image]
            ),
            build_scan(0, build_subject(1, "C-0002", namespace="pay"), source=SourceCluster("test")),
        ]
        with running.client(running.create_token()) as agent:
            assert {post(agent, encode(scan)).status_code for scan in scans} == {201}
        yield running


def build_entry() -> ImageEntry:
    return ImageEntry(WEB, ("ghcr.io/shop/web:1",), "linux/amd64", build_content("3.0.1"))


@pytest.fixture(scope="module")
def token(server: EmbeddedServer) -> str:
    return server.create_token("administrator")


@pytest.fixture
def client(server: EmbeddedServer, token: str) -> Iterator[Server]:
    with Server(server.url, token=token) as opened:
        yield opened


def test_lists_yield_all_rows_once(client: Server) -> None:
    findings = list(client.findings())
    assert len({(finding.source, finding.fingerprint) for finding in findings}) == len(findings) == WORKLOADS + 1
    assert [finding.namespace for finding in client.findings(namespace="pay")] == ["pay"]
    assert {finding.severity for finding in client.findings(severity=("medium", "critical"))} == {"medium"}
    assert {finding.priority for finding in client.findings(priority=("medium", "critical"))} == {"medium"}
    assert list(client.findings(definition=["C-0002", "C-0003"], state="open", exposed=True)) == []
    assert [source.name for source in client.sources(order="name")] == ["production", "test"]
    assert [source.document for source in client.sources(text="production")] == [SourceCluster("prod", "production")]
    (vulnerability,) = client.vulnerabilities(severity="high", priority="critical", fixable=True)
    assert (vulnerability.id, vulnerability.images) == ("CVE-1", 1)
    workloads = list(client.affected_workloads(vulnerability.id))
    assert {workload.source_name for workload in workloads} == {"production"}
    assert len(workloads) == WORKLOADS
    (package,) = client.packages("openssl")
    assert (package.type, package.images) == ("deb", 1)
    assert len(list(client.package_workloads("pkg:deb/debian/openssl@3.0.1"))) == WORKLOADS


def test_pages_are_read_when_they_are_needed(server: EmbeddedServer, client: Server) -> None:
    start = len(server.log)
    assert next(client.findings()).kind == "Deployment"
    assert server.log[start:].count("path=/api/v1/findings") == 1


@pytest.mark.parametrize("method", METHODS)
def test_types_are_those_of_the_openapi_document(method: str) -> None:
    operation, row = METHODS[method]
    document = build_document()
    (described,) = [
        entry["get"] for entry in document["paths"].values() if entry.get("get", {}).get("operationId") == operation
    ]
    schemas = document["components"]["schemas"]
    page = resolve(described["responses"]["200"]["content"]["application/json"]["schema"], schemas)
    expected = resolve(resolve(page["properties"]["rows"], schemas)["items"], schemas)
    (reference,), own = msgspec.json.schema_components([row], ref_template="#/components/schemas/{name}")
    actual = resolve(reference, dict(own))
    # Submissions have the type of the identity; the API returns it as it is stored.
    for schema in (expected, actual):
        schema["properties"].pop("document", None)
    assert simplify(actual["properties"]) == simplify(expected["properties"])
    assert actual["required"] == expected["required"]
    parameters = {
        parameter["name"] for parameter in described["parameters"] if parameter["name"] not in {"cursor", "limit"}
    }
    arguments = set(inspect.signature(getattr(Server, method)).parameters) - {"self"}
    assert {re.sub("_(.)", lambda match: match[1].upper(), name) for name in arguments} == {
        {"identifier": "vulnerability"}.get(name, name) for name in parameters
    }


def resolve(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without references at its top."""
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return dict(schema, properties=dict(schema["properties"])) if "properties" in schema else schema


def simplify(value: Any) -> Any:
    """Return a schema without texts."""
    if isinstance(value, dict):
        return {key: simplify(part) for key, part in value.items() if key not in {"title", "description"}}
    return [simplify(part) for part in value] if isinstance(value, list) else value


def test_errors_have_the_reason_of_the_server(server: EmbeddedServer, client: Server) -> None:
    with pytest.raises(RefusedRequestError, match=r"422: .*query\.order: Input should be 'priority'") as refusal:
        list(client.findings(order="name"))
    assert refusal.value.status == 422
    assert list(client.affected_workloads("CVE-9?x=1")) == []
    with pytest.raises(RefusedRequestError, match="404"):
        list(client.affected_workloads("../CVE-9"))
    with Server(server.url, token=WRONG) as stranger, pytest.raises(ServerLoginError, match="kubekeep login"):
        list(stranger.sources())
    with Server(server.url, token=server.create_token()) as agent, pytest.raises(RefusedRequestError) as forbidden:
        list(agent.sources())
    assert forbidden.value.status == 403
    with Server("http://127.0.0.1:9", token=WRONG, patience=0) as nobody, pytest.raises(UnreachableServerError):
        list(nobody.sources())
    assert issubclass(RefusedRequestError, kubekeep.KubekeepError)
    with pytest.raises(ServerLoginError, match="name its address"):
        Server(token=WRONG)
    assert "kk_" not in repr(client)


def test_assessment_without_identity_is_refused(client: Server) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": []}}
    with pytest.raises(RequestError, match="identify=True"):
        client.submit(kubekeep.scan(pod))


def test_code_of_the_guide_runs(server: EmbeddedServer, token: str, tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guides" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    (code,) = [block for block in blocks if "Server(" in block]
    deploy = tmp_path / "deploy"
    deploy.mkdir()
    (deploy / "pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers: [{name: web, image: nginx}]\n"
    )
    git = ("git", "-C", str(tmp_path))
    subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], check=True)
    subprocess.run([*git, "remote", "add", "origin", "https://github.com/shop/web"], check=True)
    variables = {**os.environ, "KUBEKEEP_TOKEN": token, "XDG_STATE_HOME": str(tmp_path / "state")}
    for name in ("CI", "GITHUB_ACTIONS"):
        variables.pop(name, None)
    code = code.replace("https://kubekeep.example.com", server.url)
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"[1-9]\d* opened", ended.stdout)
    assert "production web-1" in ended.stdout
    with Server(server.url, token=token) as client:
        assert "repository/github.com/shop/web//deploy" in {source.key for source in client.sources(kind="repository")}


def test_import_of_the_api_loads_no_http_client() -> None:
    code = "import sys, kubekeep.api; kubekeep.api.Server; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"httpx2", "httpcore2", "h11", "anyio", "ssl", "sqlalchemy", "fastapi"} & set(loaded)
