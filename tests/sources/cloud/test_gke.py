"""GKE through Google's SDK: credentials, pages and refusals, as documents and coverage gaps."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from kubekeep.model.cloud import DOCUMENTS, CloudCluster, Endpoints
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.secret_text import MASK
from kubekeep.sources.cloud.gke import describe, list_endpoints
from tests.sources.cloud import google
from tests.sources.cloud.service import TOKEN, UNIVERSE, Cloud, CloudResponse, log_in, route_all_hosts, split_gaps

SHOP = CloudCluster(provider="gke", account=google.PROJECT, location="europe-west1", name="shop")
ALL = frozenset(DOCUMENTS["gke"])


@pytest.fixture(autouse=True)
def user(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(cloud, tmp_path, monkeypatch)


def describe_shop(
    cloud: Cloud, cluster: CloudCluster = SHOP, kinds: frozenset[str] = ALL
) -> tuple[dict[str, Any], list[CoverageGap]]:
    """Return (data by document kind, gaps)."""
    return split_gaps(describe(cluster, kinds, cloud.endpoints))


def test_all_documents(cloud: Cloud) -> None:
    google.answer_all(cloud)
    documents, gaps = describe_shop(cloud)
    assert not gaps
    assert documents["ClusterDescribe"]["currentMasterVersion"] == "1.33.2-gke.1240000"
    names = [repository["name"].rpartition("/")[2] for repository in documents["DescribeRepositories"]["repositories"]]
    assert names == ["web", "jobs"]
    assert documents["ListEntitiesForPolicies"]["bindings"][0]["role"] == "roles/artifactregistry.reader"


def test_requests_have_token_and_change_nothing(cloud: Cloud) -> None:
    google.answer_all(cloud)
    describe_shop(cloud)
    requests = [request for request in cloud.requests if request.path.startswith("/v1/")]
    assert {request.authorization for request in requests} == {f"Bearer {TOKEN}"}
    assert [request.path for request in requests if request.method != "GET"] == [google.POLICY]


def test_cluster_by_endpoint(cloud: Cloud) -> None:
    google.answer_all(cloud)
    for endpoint in ("203.0.113.7", "10.0.0.2"):
        requested = CloudCluster(provider="gke", account=google.PROJECT, endpoint=endpoint)
        (document,) = describe(requested, {"ClusterDescribe"}, cloud.endpoints)
        assert isinstance(document, dict)
        assert document["metadata"] == {"name": "shop", "provider": "gke"}
    nowhere = CloudCluster(provider="gke", account=google.PROJECT, endpoint="10.96.0.1")
    documents, gaps = describe_shop(cloud, nowhere)
    assert not documents
    assert {gap.reason for gap in gaps} == {"no cluster of project shop-prod has the endpoint 10.96.0.1"}


def test_cluster_endpoints() -> None:
    names = {"dnsEndpointConfig": {"endpoint": "gke-1.europe-west1.gke.goog"}}
    numbers = {"ipEndpointsConfig": {"publicEndpoint": "203.0.113.9", "privateEndpoint": "10.0.0.3"}}
    cluster = google.cluster(controlPlaneEndpointsConfig=names | numbers)
    expected = {"203.0.113.7", "10.0.0.2", "gke-1.europe-west1.gke.goog", "203.0.113.9", "10.0.0.3"}
    assert list_endpoints(cluster) == expected


def test_keys_are_masked(cloud: Cloud) -> None:
    google.answer_all(cloud)
    documents, _ = describe_shop(cloud)
    text = json.dumps(documents)
    assert not [word for word in ("authority-of-the", "key-of-the", TOKEN, "PRIVATE") if word in text]
    assert documents["ClusterDescribe"]["masterAuth"]["clientKey"] == MASK
    assert documents["ClusterDescribe"]["nodeConfig"]["metadata"] == {"db": MASK, "disable-legacy-endpoints": MASK}


def test_refusal_becomes_gap_with_permission(cloud: Cloud) -> None:
    google.answer_all(cloud)
    refusal = CloudResponse({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "scanner may not"}}, 403)
    cloud.respond(google.POLICY, refusal, method="POST")
    cloud.respond(google.CLUSTERS, refusal)
    documents, gaps = describe_shop(cloud)
    assert set(documents) == {"ClusterDescribe"}
    assert {(gap.kind, gap.permission) for gap in gaps} == {
        ("DescribeRepositories", "allow artifactregistry.locations.list"),
        ("ListEntitiesForPolicies", "allow resourcemanager.projects.getIamPolicy"),
    }
    assert {gap.reason for gap in gaps} == {"403 PERMISSION_DENIED: scanner may not"}


def test_missing_cluster(cloud: Cloud) -> None:
    documents, gaps = describe_shop(cloud)
    assert not documents
    assert {gap.kind for gap in gaps} == ALL
    assert {gap.permission for gap in gaps} == {"name the cluster with --cloud-cluster"}


def test_temporary_errors_are_retried_twice(cloud: Cloud) -> None:
    busy = CloudResponse({"error": {"code": 503, "status": "UNAVAILABLE", "message": "later"}}, 503)
    cloud.respond(google.CLUSTER, busy, CloudResponse(google.cluster()))
    documents, gaps = describe_shop(cloud, kinds=frozenset({"ClusterDescribe"}))
    assert (set(documents), gaps) == ({"ClusterDescribe"}, [])
    assert cloud.count_requests(google.CLUSTER) == 2
    cloud.respond(google.CLUSTER, busy)
    documents, gaps = describe_shop(cloud, kinds=frozenset({"ClusterDescribe"}))
    assert (documents, [gap.reason for gap in gaps]) == ({}, ["503 UNAVAILABLE: later"])
    assert cloud.count_requests(google.CLUSTER) == 5


def test_endless_list(cloud: Cloud) -> None:
    google.answer_all(cloud)
    cloud.respond(f"{google.REPOSITORIES}?pageToken=2", {"nextPageToken": "2"})
    _, gaps = describe_shop(cloud)
    assert [(gap.kind, gap.reason) for gap in gaps] == [("DescribeRepositories", "a list has more than 100 pages")]


def test_rejected_key(cloud: Cloud) -> None:
    google.answer_all(cloud)
    cloud.respond("/google/token", CloudResponse({"error": "invalid_grant"}, 400), method="POST")
    documents, gaps = describe_shop(cloud)
    assert not documents
    assert {gap.permission for gap in gaps} == {"log in to Google Cloud"}
    assert cloud.count_requests(google.CLUSTER) == 0


def test_missing_credentials_file(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent")
    _, gaps = describe_shop(cloud)
    assert {gap.permission for gap in gaps} == {"log in to Google Cloud"}


def test_response_is_not_an_object(cloud: Cloud) -> None:
    cloud.respond(google.CLUSTER, CloudResponse(["no", "cluster"]))
    (gap,) = describe(SHOP, {"ClusterDescribe"}, cloud.endpoints)
    assert isinstance(gap, CoverageGap)
    assert gap.reason == "the response is not a JSON object"


def set_universe(folder: Path, domain: str) -> None:
    """Change the universe of the service account key."""
    account = folder / "account.json"
    account.write_text(json.dumps(json.loads(account.read_text()) | {"universe_domain": domain}), encoding="utf-8")


def test_universe_of_credentials(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_universe(tmp_path, UNIVERSE)
    google.answer_all(cloud)
    with route_all_hosts(cloud, monkeypatch) as hosts:
        documents, gaps = split_gaps(describe(SHOP, ALL, Endpoints()))
    assert not gaps
    assert set(documents) == ALL
    services = ("container", "artifactregistry", "cloudresourcemanager")
    assert set(hosts) == {f"{service}.{UNIVERSE}" for service in services}


def test_invalid_universe_gets_no_request(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_universe(tmp_path, f"{UNIVERSE}/path?")
    with route_all_hosts(cloud, monkeypatch) as hosts:
        _, gaps = split_gaps(describe(SHOP, ALL, Endpoints()))
    assert {gap.reason for gap in gaps} == {"the universe of the credentials is not a domain"}
    assert hosts == []


def test_without_sdk(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    documents, gaps = describe_shop(cloud)
    assert not documents
    assert {gap.permission for gap in gaps} == {"pip install 'kubekeep[gcp]'"}
