"""The protocol of Kubescape and its operator: requests as their clients build them (github.com/kubescape/backend, pkg/client/v1).

The command line posts the parts of a report one after another, kubevuln those of a scan at once after the first one.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import Connection, insert

from kubekeep_server.store.numbers import to_number
from kubekeep_server.store.report_parts import (
    LIFETIME,
    MOST_PARTS,
    PartPosition,
    ReportKey,
    TooManyPartsError,
    add_part,
    delete_parts,
    load_parts,
)
from kubekeep_server.store.report_schema import report_part
from tests.server.conftest import Database, create_database
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.foreign.documents import (
    build_container_scan,
    build_control,
    build_image_vulnerability,
    build_namespace,
    build_posture_report,
    encode,
)

ACCOUNT: Final = "11111111-1111-1111-1111-111111111111"
JSON: Final = "application/json"
LIMIT: Final = 2_000_000
NSA: Final = {"name": "NSA", "controls": [{"controlID": "C-0057", "rules": []}]}
PARAMETERS: Final = {"insecureCapabilities": ["SYS_ADMIN"]}
ARTIFACTS: Final = {
    "nsa": json.dumps(NSA),
    "controls-inputs": json.dumps(PARAMETERS),
    "exceptions": "[]",
    "damaged": "{",
}
_numbers: Final = itertools.count(1)


class Server:
    """A server with its administrator, who creates tokens."""

    def __init__(self, live: EmbeddedServer) -> None:
        self.url = live.url
        self.open_client = live.client
        self.administrator = live.client(live.create_token("administrator"))

    def create_token(self, scope: str) -> str:
        new = {"name": f"cluster {scope}", "grants": [{"role": "agent", "scope": scope}]}
        token: str = self.administrator.post("/api/v1/tokens", json=new).json()["token"]
        return token


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    lines = (f"submission_limit = {LIMIT}", f"waiting_limit = {LIMIT * 20}", "kubescape_artifacts = 'artifacts'")
    (folder / "server.toml").write_text("\n".join(lines))
    (folder / "artifacts").mkdir()
    for name, content in ARTIFACTS.items():
        (folder / "artifacts" / f"{name}.json").write_text(content)
    options = ["--config", "server.toml"]
    if request.param == "postgresql":
        options += ["--database", create_database(request.getfixturevalue("postgres"))]
    with run_server(folder, *options) as running:
        yield Server(running)


class Kubescape:
    """A client with the headers and parameters of Kubescape's. key: the access key."""

    def __init__(self, server: Server, key: str) -> None:
        self.http = server.open_client()
        self.headers = {"X-API-KEY": key, "Content-Type": JSON}

    def post_report(self, report: dict[str, Any]) -> httpx2.Response:
        name = report["clusterName"]
        query = {"customerGUID": ACCOUNT, "contextName": name, "clusterName": name, "reportGUID": report["reportGUID"]}
        return self.http.post("/k8s/v2/postureReport", content=encode(report), params=query, headers=self.headers)

    def post_scan(self, scan: dict[str, Any]) -> httpx2.Response:
        query = {"customerGUID": ACCOUNT}
        return self.http.post("/k8s/v2/containerScan", content=encode(scan), params=query, headers=self.headers)


class Cluster:
    """A cluster with a token of its own, and an administrator's client of the server."""

    def __init__(self, server: Server, token_scope: str = "") -> None:
        number = next(_numbers)
        self.uid = f"uid-{number}"
        self.name = f"production-{number}"
        self.client = Kubescape(server, server.create_token(token_scope or f"cluster/{self.uid}"))
        self.reader = server.administrator

    def build_report(self, results: dict[str, list[dict[str, Any]]], *, has_identity: bool = True) -> dict[str, Any]:
        report = build_posture_report(results, clusterName=self.name, reportGUID=f"{ACCOUNT[:-4]}{next(_numbers):04}")
        resources = [resource for resource in report["resources"] if resource["object"]["kind"] != "Namespace"]
        identity = [build_namespace("kube-system", self.uid)] if has_identity else []
        return {**report, "resources": [*identity, *resources]}

    def build_scan(self, *vulnerabilities: dict[str, Any], **fields: Any) -> dict[str, Any]:
        wlid = f"wlid://cluster-{self.name}/namespace-shop/deployment-web"
        image = f"docker-pullable://ghcr.io/shop/web@sha256:{self.name.rpartition('-')[2]:>064}"
        scan = build_container_scan(*vulnerabilities, **{"wlid": wlid, "imageHash": image, **fields})
        scan["designators"]["attributes"]["cluster"] = self.name
        return {**scan, "containersScanID": f"scan-{next(_numbers)}"}

    def list_findings(self) -> set[tuple[str, str]]:
        (source,) = [row for row in self._read("sources?limit=1000")["rows"] if row["key"] == f"cluster/{self.uid}"]
        rows = self._read(f"findings?source={source['id']}&limit=1000")["rows"]
        return {(row["name"], row["definition"]) for row in rows}

    def read_workload(self, vulnerability: str) -> Any:
        """Return the page of the workload that has a vulnerability."""
        rows = self._read(f"vulnerabilities/{vulnerability}/workloads?limit=1000")["rows"]
        (row,) = [row for row in rows if row["sourceKey"] == f"cluster/{self.uid}"]
        return self._read(f"sources/{row['source']}/subjects/{row['subject']}")

    def list_vulnerabilities(self) -> set[str]:
        (source,) = [row for row in self._read("sources?limit=1000")["rows"] if row["key"] == f"cluster/{self.uid}"]
        return {row["id"] for row in self._read(f"vulnerabilities?source={source['id']}&limit=1000")["rows"]}

    def list_workloads(self, vulnerability: str) -> set[tuple[str, str]]:
        rows = self._read(f"vulnerabilities/{vulnerability}/workloads?limit=1000")["rows"]
        return {(row["name"], row["container"]) for row in rows if row["sourceKey"] == f"cluster/{self.uid}"}

    def _read(self, path: str) -> Any:
        answer = self.reader.get(f"/api/v1/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()


def split(document: dict[str, Any], *parts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of a report: each has all of it, but for the fields of the part."""
    last = len(parts) - 1
    return [
        {**document, **part, "paginationInfo": {"chunkNumber": number, "isLastChunk": number == last}}
        for number, part in enumerate(parts)
    ]


def split_report(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of a report: the resources, then each result with its resource, as Kubescape splits it."""
    resources = {resource["resourceID"]: resource for resource in report["resources"]}
    results = [{**each, "rawResource": resources[each["resourceID"]]} for each in report["results"]]
    return split(report, {"results": []}, *({"resources": [], "results": [each]} for each in results))


def test_services_are_those_of_this_server(server: Server) -> None:
    answers = {
        version: server.open_client().get(f"/api/{version}/servicediscovery") for version in ("v1", "v2", "v3", "v4")
    }
    for version, answer in answers.items():
        assert answer.status_code == 200
        document = answer.json()
        assert document["version"] == version
        assert document["response"]["event-receiver-http"] == server.url
        assert all(isinstance(address, str) for address in document["response"].values())
    # With an API server, the command line loads its frameworks from there.
    assert answers["v2"].json()["response"]["api-server"] == ""
    assert answers["v3"].json()["response"]["api-server"] == server.url
    assert server.open_client().get("/api/v5/servicediscovery").status_code == 422


@pytest.mark.parametrize(
    "path", ["attackTracks", "controlExceptions", "vulnerabilityExceptions", "armoVulnerabilityExceptions"]
)
def test_server_has_no_policies(server: Server, path: str) -> None:
    query = {"customerGUID": ACCOUNT, "gitRegoStoreVersion": "v2", "scope.cluster": "production"}
    answer = server.open_client().get(f"/api/v1/{path}", params=query)
    assert (answer.status_code, answer.json()) == (200, [])


def test_policies_of_the_operator_are_those_of_the_folder(server: Server) -> None:
    client = Cluster(server).client

    def get(path: str, **query: str) -> httpx2.Response:
        return client.http.get(f"/api/v1/{path}", params={"customerGUID": ACCOUNT, **query}, headers=client.headers)

    assert get("frameworks", frameworkName="NSA", gitRegoStoreVersion="v2").json() == NSA
    assert get("frameworks").json() == [NSA]
    assert get("customerConfig", clusterName="c").json() == {"settings": {"postureControlInputs": PARAMETERS}}
    assert [get("frameworks", frameworkName=name).status_code for name in ("mitre", "damaged", "exceptions")] == [
        404
    ] * 3
    assert {get("frameworks", frameworkName=name).status_code for name in ("../nsa", ".", "a/b", "a\0")} == {422}
    assert client.http.get("/api/v1/frameworks").status_code == 401


def test_report_in_parts_is_applied_once_all_have_arrived(server: Server) -> None:
    cluster = Cluster(server)
    report = cluster.build_report({"web": [build_control("C-0057")], "cart": [build_control("C-0016")]})
    first, second, last = split_report(report)
    assert [cluster.client.post_report(part).status_code for part in (first, second)] == [200, 200]
    answer = cluster.client.post_report(last)
    assert answer.json() == {"message": f"Submitted to {server.url}: 2 opened, 0 closed"}
    assert cluster.list_findings() == {("web", "C-0057"), ("cart", "C-0016")}
    fixed = cluster.build_report({"web": [build_control("C-0057", "passed")], "cart": [build_control("C-0016")]})
    whole = {**fixed, "paginationInfo": {"chunkNumber": 0, "isLastChunk": True}}
    assert cluster.client.post_report(whole).json()["message"].endswith("0 opened, 1 closed")


def test_parts_arrive_in_any_order_and_again(server: Server) -> None:
    cluster = Cluster(server)
    parts = split_report(cluster.build_report({"web": [build_control("C-0057")], "cart": []}))
    for part in (parts[2], parts[0], parts[0]):
        assert "others" in cluster.client.post_report(part).json()["message"]
    assert "1 opened" in cluster.client.post_report(parts[1]).json()["message"]
    assert cluster.client.post_report(parts[1]).status_code == 200
    assert cluster.list_findings() == {("web", "C-0057")}


def test_interrupted_report_changes_nothing(server: Server) -> None:
    cluster = Cluster(server)
    assert cluster.client.post_report(cluster.build_report({"web": [build_control("C-0057")], "cart": []})).is_success
    for part in split_report(cluster.build_report({"search": [], "cart": []}))[:-1]:
        assert cluster.client.post_report(part).is_success
    assert cluster.list_findings() == {("web", "C-0057")}


def test_parts_of_two_senders_are_not_joined(server: Server) -> None:
    cluster, other = Cluster(server), Cluster(server, "cluster/*")
    first, second, third = split_report(cluster.build_report({"web": [build_control("C-0057")], "cart": []}))
    for client, part in ((cluster.client, first), (other.client, second), (cluster.client, third)):
        assert "others" in client.post_report(part).json()["message"]


def test_token_of_a_cluster_identifies_reports_without_its_namespace(server: Server) -> None:
    cluster = Cluster(server)
    results = {"web": [build_control("C-0057")], "cart": []}
    assert cluster.client.post_report(cluster.build_report(results, has_identity=False)).is_success
    assert cluster.list_findings() == {("web", "C-0057")}
    anyone = Cluster(server, "*")
    refused = anyone.client.post_report(anyone.build_report(results, has_identity=False))
    assert refused.status_code == 422
    assert "kube-system" in refused.json()["detail"]


def test_report_on_a_repository_belongs_to_it(server: Server) -> None:
    cluster, anyone = Cluster(server), Cluster(server, "*")
    report = cluster.build_report({"web": [build_control("C-0057")]})
    repository = {"remoteURL": "https://github.com/shop/web.git", "branch": "main", "localRootPath": "/builds/web"}
    report["metadata"]["targetMetadata"] = {"gitRepoContextMetadata": repository}
    assert anyone.client.post_report(report).is_success
    refused = cluster.client.post_report(report)
    assert (refused.status_code, "is about files" in refused.text) == (422, True)


def test_image_scan_joins_the_workload_of_the_report(server: Server) -> None:
    cluster = Cluster(server)
    cluster.client.post_report(cluster.build_report({"web": [build_control("C-0057")], "cart": []}))
    answer = cluster.client.post_scan(cluster.build_scan(build_image_vulnerability()))
    assert (answer.status_code, "1 opened" in answer.text) == (200, True), answer.text
    assert cluster.list_findings() == {("web", "C-0057")}
    assert cluster.list_vulnerabilities() == {"CVE-2024-0001"}
    assert cluster.list_workloads("CVE-2024-0001") == {("web", "web")}
    cluster.client.post_report(cluster.build_report({"web": [build_control("C-0057")], "cart": []}))
    assert cluster.list_workloads("CVE-2024-0001") == {("web", "web")}


def test_parts_of_an_image_scan_arrive_at_once(server: Server) -> None:
    cluster = Cluster(server)
    names = [f"CVE-2025-{number:04}" for number in range(40)]
    scan = cluster.build_scan()
    rest = ({"summary": None, "vulnerabilities": [build_image_vulnerability(name)]} for name in names)
    first, *others = split(scan, {"vulnerabilities": None}, *rest)
    assert cluster.client.post_scan(first).status_code == 200
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(cluster.client.post_scan, others))
    assert {answer.status_code for answer in answers} == {200}
    assert sum("40 opened" in answer.text for answer in answers) == 1
    assert cluster.list_vulnerabilities() == set(names)


def test_scans_of_many_images_at_once_are_all_applied(server: Server) -> None:
    cluster = Cluster(server)
    names = [f"web{number}" for number in range(20)]
    results = {name: [build_control("C-0057")] for name in names}
    assert cluster.client.post_report(cluster.build_report(results)).is_success
    scans = [
        cluster.build_scan(
            build_image_vulnerability(f"CVE-2026-{number:04}"),
            imageHash=f"docker-pullable://ghcr.io/shop/web@sha256:{number + 2**200:064x}",
            wlid=f"wlid://cluster-{cluster.name}/namespace-shop/deployment-{name}",
            containerName=name,
        )
        for number, name in enumerate(names)
    ]
    report = cluster.build_report({**results, "cart": [build_control("C-0016")]})
    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(cluster.client.post_scan, scan) for scan in scans[:10]]
        answers += [threads.submit(cluster.client.post_report, report)]
        answers += [threads.submit(cluster.client.post_scan, scan) for scan in scans[10:]]
        assert {answer.result().status_code for answer in answers} == {200}
    assert cluster.list_vulnerabilities() == {f"CVE-2026-{number:04}" for number in range(20)}
    assert cluster.list_findings() == {*((name, "C-0057") for name in names), ("cart", "C-0016")}


def test_name_of_a_known_cluster_identifies_scans_of_a_token_for_several(server: Server) -> None:
    cluster = Cluster(server, "cluster/*")
    refused = cluster.client.post_scan(cluster.build_scan(build_image_vulnerability("CVE-2024-0007")))
    assert (refused.status_code, "cluster/UID" in refused.text) == (422, True)
    assert cluster.client.post_report(cluster.build_report({"web": [], "cart": []})).is_success
    assert cluster.client.post_scan(cluster.build_scan(build_image_vulnerability("CVE-2024-0007"))).is_success
    assert "CVE-2024-0007" in cluster.list_vulnerabilities()
    twin = Cluster(server)
    twin.name = cluster.name
    assert twin.client.post_report(twin.build_report({"web": [], "cart": []})).is_success
    ambiguous = cluster.client.post_scan(cluster.build_scan())
    assert (ambiguous.status_code, "several clusters" in ambiguous.text) == (422, True)


def test_messages_of_the_operator_are_accepted(server: Server) -> None:
    cluster = Cluster(server)
    status = {"customerGUID": ACCOUNT, "reporter": "ca-vuln-scan", "status": "started", "jobID": "", "errors": None}
    failure = {"customerGUID": ACCOUNT, "imageTag": "ghcr.io/shop/web:1", "failureCase": 3}
    for path, document in (("/k8s/sysreport", status), ("/k8s/v2/scanFailure", failure)):
        answer = cluster.client.http.post(path, content=encode(document), headers=cluster.client.headers)
        # Clients take another text for the name of a job.
        assert (answer.status_code, answer.text) == (200, "ok")
        assert cluster.client.http.post(path, content=encode(document)).status_code == 401
        large = cluster.client.http.post(path, content=b" " * 1_100_000, headers=cluster.client.headers)
        assert large.status_code == 413


def test_failed_scan_is_shown_until_one_succeeds(server: Server) -> None:
    cluster = Cluster(server)
    assert cluster.client.post_report(cluster.build_report({"web": [], "cart": []})).is_success
    vulnerability = build_image_vulnerability("CVE-2024-0009")
    assert cluster.client.post_scan(cluster.build_scan(vulnerability)).is_success
    workload = {
        "clusterName": cluster.name,
        "namespace": "shop",
        "workloadKind": "Deployment",
        "workloadName": "web",
        "containerName": "web",
    }
    failure = {
        "customerGUID": ACCOUNT,
        "workloads": [workload, {**workload, "workloadKind": "Unknown"}],
        "imageTag": "ghcr.io/shop/web:1",
        "failureCase": 2,
        "failureReason": "Image is too large",
        "error": "4.2 GB exceeds the limit of 2 GB",
        "timestamp": "2026-12-01T10:00:00Z",
    }

    def post(document: dict[str, Any]) -> httpx2.Response:
        return cluster.client.http.post("/k8s/v2/scanFailure", content=encode(document), headers=cluster.client.headers)

    for _ in range(2):
        assert post(failure).text == "ok"
        (shown,) = cluster.read_workload("CVE-2024-0009")["failures"]
        assert (shown["container"], shown["image"]) == ("web", "ghcr.io/shop/web:1")
        assert shown["reason"] == "Image is too large: 4.2 GB exceeds the limit of 2 GB"
        assert "CVE-2024-0009" in cluster.list_vulnerabilities()
    assert cluster.client.post_scan(cluster.build_scan(vulnerability)).is_success
    assert cluster.read_workload("CVE-2024-0009")["failures"] == []
    assert cluster.client.post_scan(cluster.build_scan(status="Timeout")).is_success
    assert cluster.read_workload("CVE-2024-0009")["failures"][0]["reason"] == "Timeout"
    without_reason = {key: value for key, value in failure.items() if key not in ("failureReason", "error")}
    assert post(without_reason).is_success
    assert cluster.read_workload("CVE-2024-0009")["failures"][0]["reason"] == "the packages could not be listed"
    assert "CVE-2024-0009" in cluster.list_vulnerabilities()
    assert post({"customerGUID": ACCOUNT}).status_code == 422
    assert post({**failure, "workloads": "web"}).status_code == 422


@pytest.mark.parametrize("key", ["", "x", "k" * 5_000, "kk_" + "A" * 43])
def test_requests_without_a_valid_key_are_refused(server: Server, key: str) -> None:
    client = Kubescape(server, key)
    assert client.post_report(build_posture_report({})).status_code == 401
    assert client.post_scan(build_container_scan()).status_code == 401


def test_key_submits_for_its_cluster_and_reads_nothing(server: Server) -> None:
    cluster, other = Cluster(server), Cluster(server)
    stolen = other.build_report({"web": [build_control("C-0057")], "cart": []})
    refused = cluster.client.post_report(stolen)
    assert (refused.status_code, other.uid in refused.text) == (422, True)
    elsewhere = Cluster(server, "cluster/another*")
    assert elsewhere.client.post_report(stolen).status_code == 403
    answer = cluster.client.http.get("/api/v1/findings", headers=cluster.client.headers)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"results":' + b"[" * 100_000,
        b'{"paginationInfo":{"chunkNumber":-1}}',
        b'{"reportGUID":"r","containersScanID":"r","paginationInfo":{"chunkNumber":99999999999}}',
        b'{"reportGUID":"r","containersScanID":"r","paginationInfo":{"chunkNumber":0.5}}',
        b'{"reportGUID":7}',
        b'{"paginationInfo":{"chunkNumber":1,"isLastChunk":true}}',
        b'{"summary":{"imageTag":7}}',
    ],
    ids=lambda value: repr(value)[:40],
)
@pytest.mark.parametrize("path", ["/k8s/v2/postureReport", "/k8s/v2/containerScan"])
def test_hostile_documents_are_refused(server: Server, path: str, document: bytes) -> None:
    cluster = Cluster(server)
    answer = cluster.client.http.post(path, content=document, headers=cluster.client.headers)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_parts_of_a_sender_are_limited(server: Server) -> None:
    cluster = Cluster(server)
    report = cluster.build_report({"web": [], "cart": []})
    padding = {"attributes": [{"padding": "x" * (LIMIT // 2)}]}
    parts = split(report, padding, padding, padding, {})
    statuses = [cluster.client.post_report(part).status_code for part in parts[:3]]
    assert statuses == [200, 429, 429]
    assert "Retry-After" in cluster.client.post_report(parts[1]).headers
    assert cluster.client.post_report(cluster.build_report({"web": [build_control("C-0057")], "cart": []})).is_success
    assert json.loads(cluster.client.post_report(split(report, {}, {})[1]).text)


NOW: Final = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
KEY: Final = ReportKey(b"sender", "posture/1")


def test_parts_of_interrupted_reports_expire(database: Database) -> None:
    def add(number: int, now: dt.datetime, key: ReportKey = KEY) -> list[PartPosition]:
        return database.run(add_part, key, PartPosition(number, False), b"part %d" % number, now, 1000)

    assert add(1, NOW) == [PartPosition(1, False)]
    assert add(0, NOW + LIFETIME) == [PartPosition(0, False), PartPosition(1, False)]
    assert database.run(load_parts, KEY) == [b"part 0", b"part 1"]
    assert add(2, NOW + 2 * LIFETIME) == [PartPosition(0, False), PartPosition(2, False)]
    add(0, NOW + 2 * LIFETIME, ReportKey(b"other", "posture/1"))
    database.run(delete_parts, KEY)
    assert database.run(load_parts, KEY) == []
    assert database.run(load_parts, ReportKey(b"other", "posture/1")) == [b"part 0"]


def test_parts_of_a_sender_that_wait_are_limited(database: Database) -> None:
    def fill(connection: Connection) -> None:
        row = {
            "sender": b"s",
            "report": "many",
            "is_last": False,
            "received": to_number(NOW),
            "size": 0,
            "content": b"",
        }
        connection.execute(insert(report_part), [{**row, "number": number} for number in range(MOST_PARTS)])

    database.run(fill)
    for key, document in ((ReportKey(b"s", "more"), b""), (ReportKey(b"t", "bytes"), b"x" * 1001)):
        with pytest.raises(TooManyPartsError):
            database.run(add_part, key, PartPosition(0, False), document, NOW, 1000)
        assert database.run(load_parts, key) == []
