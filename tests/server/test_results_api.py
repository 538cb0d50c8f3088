"""Results over HTTP: each list of the API in the scope of its user, ETags, and documents that the OpenAPI document describes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import httpx2
import jsonschema
import pytest

from kubekeep.model.submission import ImageEntry
from kubekeep_server.api.application import create_application
from kubekeep_server.settings import Settings
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.test_images import BLOG, SHOP, WEB, build_content, build_image, build_scan, build_workload, run
from tests.server.test_permissions import PERMISSIONS, grant
from tests.server.test_scans_api import encode, post

EXPOSED: Final = "reachable from the internet"
PURL: Final = "pkg:deb/debian/openssl@3.0.1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with run_server(tmp_path_factory.mktemp("results")) as running:
        with running.client(running.create_token()) as agent:
            for source in (SHOP, BLOG):
                image = ImageEntry(WEB, ("ghcr.io/shop/web:1",), "linux/amd64", build_content("3.0.1"))
                workload = build_workload(1, run(WEB), exposure=EXPOSED)
                scan = build_scan(0, workload, build_image(WEB, "CVE-1"), source=source, images=[image])
                assert post(agent, encode(grant(scan, PERMISSIONS))).status_code == 201
        yield running


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Return the OpenAPI document."""

    async def prepare(state: object) -> None:
        del state

    described: dict[str, Any] = create_application(Settings(), prepare).openapi()
    return described


@pytest.fixture(scope="module")
def viewers(server: EmbeddedServer) -> Iterator[dict[str, httpx2.Client]]:
    """Yield clients by the scope of their token."""
    scopes = {"all": "*", "shop": "cluster/shop", "none": "cluster/other"}
    clients = {name: server.client(server.create_token("auditor", scope)) for name, scope in scopes.items()}
    yield clients
    for client in clients.values():
        client.close()


PATHS: Final = {
    "/totals": "getTotals",
    "/changes?days=7": "listChanges",
    "/sources": "listSources",
    "/sources/1": "getSource",
    "/sources/1/subjects/0000000000000001": "getSubject",
    "/sources/1/coverage": "getSourceCoverage",
    "/sources/1/namespaces": "listNamespaces",
    "/sources/1/branches": "listBranches",
    "/comparison?from=1&to=2": "getComparison",
    "/comparison/findings?from=1&to=2&change=new&definition=C-0001&text=web": "listComparedFindings",
    "/findings?severity=high&priority=high&exposed=true&order=severity": "listFindings",
    "/findings?due=overdue": "listFindings",
    "/findings/due": "countDueFindings",
    "/service-levels": "getServiceLevels",
    "/findings/groups?by=change&exposed=true&definitionKind=misconfiguration&text=c": "listFindingGroups",
    "/findings/subjects?severity=high&openedSince=2024-01-01T00:00:00Z": "listFindingSubjects",
    "/findings?owner=team+shop&owner=-&label=app%3Dweb&label=tier": "listFindings",
    "/owners": "listOwners",
    "/fixes?owner=team+shop": "listFixes",
    "/findings/due?owner=team+shop": "countDueFindings",
    "/vulnerabilities?order=epss&priority=critical": "listVulnerabilities",
    "/vulnerabilities/CVE-1": "getVulnerability",
    "/vulnerabilities/CVE-1/images": "listAffectedImages",
    "/vulnerabilities/CVE-1/workloads": "listAffectedWorkloads",
    "/views": "listViews",
    "/openapi.json": "getOpenApi",
    "/images?text=web&order=fixable&exposed=true&fixable=true&assessed=true": "listImages",
    f"/images/{WEB}": "getImage",
    f"/images/{WEB}/packages?text=open": "listImagePackages",
    f"/images/{WEB}/workloads": "listImageWorkloads",
    f"/images/{WEB}/problems": "listImageProblems",
    "/search?text=we": "search",
    "/sources?text=shop&kind=cluster&order=silent": "listSources",
    "/totals?source=1": "getTotals",
    "/compliance/frameworks?until=2026-11-01T00:00:00Z": "listFrameworks",
    "/compliance/frameworks/cis-v1.12.0?until=2026-11-01T00:00:00Z": "getFramework",
    "/compliance/frameworks/cis-v1.12.0/sources?limit=1&until=2026-11-01T00:00:00Z": "listFrameworkSources",
    "/compliance/frameworks/cis-v1.12.0/requirements/5.2.2?until=2026-11-01T00:00:00Z": "getRequirement",
    "/packages?text=ssl": "listPackages",
    "/packages/versions?type=deb&name=debian/openssl&below=3.0.13": "listPackageVersions",
    f"/packages/workloads?purl={PURL}": "listPackageWorkloads",
    "/identities?source=1&text=a&kind=User&danger=read-secrets&defaults=true": "listIdentities",
    "/identities/permissions?source=1&kind=ServiceAccount&name=web&namespace=shop": "listIdentityPermissions",
    "/identities/permitted?source=1&verb=get&resource=secrets": "listPermittedIdentities",
    "/notifications/destinations": "listDestinations",
    "/notifications/rules": "listRules",
    "/notifications/deliveries?state=dead": "listDeliveries",
}


@pytest.mark.parametrize(("path", "operation"), PATHS.items())
def test_answer_is_the_described_one(
    viewers: dict[str, httpx2.Client], document: dict[str, Any], path: str, operation: str
) -> None:
    answer = viewers["all"].get(f"/api/v1{path}")
    assert answer.status_code == 200, answer.text
    operations = [entry["get"] for entry in document["paths"].values() if "get" in entry]
    (described,) = [entry for entry in operations if entry["operationId"] == operation]
    schema = {
        **described["responses"]["200"]["content"]["application/json"]["schema"],
        "components": document["components"],
    }
    jsonschema.Draft202012Validator(schema).validate(answer.json())
    again = viewers["all"].get(f"/api/v1{path}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def list_keys(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return sorted({row.get("sourceKey") or row["key"] for row in answer.json()["rows"]})


@pytest.mark.parametrize("path", ["/sources", "/vulnerabilities/CVE-1/workloads", f"/packages/workloads?purl={PURL}"])
def test_rows_are_those_of_the_scope(viewers: dict[str, httpx2.Client], path: str) -> None:
    keys = {name: list_keys(client.get(f"/api/v1{path}")) for name, client in viewers.items()}
    assert keys == {"all": ["cluster/blog", "cluster/shop"], "shop": ["cluster/shop"], "none": []}


@pytest.mark.parametrize(
    "path",
    [
        "/sources/1",
        "/sources/1/subjects/0000000000000001",
        "/vulnerabilities/CVE-1",
        "/sources/99",
        f"/images/{WEB}",
        "/comparison?from=1&to=2",
        "/identities?source=1",
        "/identities/permissions?source=1&kind=User&name=dana",
        "/identities/permitted?source=1&verb=get&path=/metrics",
        "/identities?source=99",
    ],
)
def test_object_outside_of_the_scope_does_not_exist(viewers: dict[str, httpx2.Client], path: str) -> None:
    answer = viewers["none"].get(f"/api/v1{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    [
        "/findings?cursor=x",
        "/findings?limit=0",
        "/findings?limit=100000",
        "/findings?order=name",
        "/findings/groups?by=owner",
        "/findings/groups?cursor=x",
        "/findings/subjects?limit=101",
        "/findings?severity=' OR 1=1 --",
        "/findings?source=99999999999",
        "/sources/x",
        "/comparison?from=1",
        "/comparison?from=1:&to=2",
        "/comparison?from=1:scan&to=2",
        "/sources/1/subjects/zz",
        "/sources?kind=all",
        "/packages/workloads",
        "/changes?days=-1",
        "/identities",
        "/identities?source=1&kind=Robot",
        "/identities?source=1&cursor=x",
        "/identities/permissions?source=1&kind=User&name=dana&namespace=shop",
        "/identities/permissions?source=1&kind=ServiceAccount&name=web",
        "/identities/permitted?source=1&verb=get",
        "/identities/permitted?source=1&verb=get&resource=pods&path=/metrics",
        "/identities/permitted?source=1&resource=pods",
    ],
)
def test_invalid_parameters_are_refused(viewers: dict[str, httpx2.Client], path: str) -> None:
    assert viewers["all"].get(f"/api/v1{path}").status_code == 422


@pytest.mark.parametrize("text", ["'; DROP TABLE finding; --", "%", "_", "\\", "{{7*7}}", "<script>", "\N{SNOWMAN}"])
def test_texts_are_only_values(viewers: dict[str, httpx2.Client], text: str) -> None:
    paths = ("/vulnerabilities?text=", "/packages?text=", "/findings?namespace=", "/findings?definition=")
    for path in (*paths, "/identities?source=1&namespace=", "/identities?source=1&danger="):
        answer = viewers["all"].get(f"/api/v1{path}{httpx2.QueryParams({'x': text})}".replace("x=", ""))
        assert (answer.status_code, answer.json()["rows"]) == (200, [])


def test_agent_reads_no_results(server: EmbeddedServer) -> None:
    with server.client(server.create_token()) as agent:
        assert agent.get("/api/v1/findings").status_code == 403


def test_limited_user_sees_identities_of_the_namespaces(server: EmbeddedServer) -> None:
    limited = {"role": "viewer", "scope": "cluster/shop", "namespaces": ["shop"]}
    with server.client(server.create_token("administrator")) as administrator:
        created = administrator.post("/api/v1/tokens", json={"name": "tenant", "grants": [limited]})
    with server.client(created.json()["token"]) as client:
        page = client.get("/api/v1/identities?source=1").json()
        assert ([row["name"] for row in page["rows"]], page["isPartial"]) == (["web", "omar"], True)
        assert client.get("/api/v1/identities/permissions?source=1&kind=User&name=dana").status_code == 404
        permitted = client.get("/api/v1/identities/permitted?source=1&verb=get&resource=secrets").json()
        assert (permitted["subjects"], [row["name"] for row in permitted["rows"]]) == (1, ["web"])
        assert client.get("/api/v1/identities?source=2").status_code == 404
