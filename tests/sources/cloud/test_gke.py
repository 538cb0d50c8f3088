"""GKE through Google's SDK: its credentials, its pages and its refusals, as the documents and gaps tell them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from kubekeep.model.cloud import DOCUMENTS, CloudCluster, Endpoints
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.redaction import MASK
from kubekeep.sources.cloud.gke import describe, list_endpoints
from tests.sources.cloud import google
from tests.sources.cloud.service import TOKEN, UNIVERSE, Answer, Cloud, everywhere, log_in, told

SHOP = CloudCluster(provider="gke", account=google.PROJECT, place="europe-west1", name="shop")
ALL = frozenset(DOCUMENTS["gke"])


@pytest.fixture(autouse=True)
def user(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(cloud, tmp_path, monkeypatch)


def described(
    cloud: Cloud, cluster: CloudCluster = SHOP, kinds: frozenset[str] = ALL
) -> tuple[dict[str, Any], list[CoverageGap]]:
    """The data of each document by its kind, and the gaps."""
    return told(describe(cluster, kinds, cloud.endpoints))


def test_all_documents(cloud: Cloud) -> None:
    google.answer_all(cloud)
    documents, gaps = described(cloud)
    assert not gaps
    assert documents["ClusterDescribe"]["currentMasterVersion"] == "1.33.2-gke.1240000"
    names = [item["name"].rpartition("/")[2] for item in documents["DescribeRepositories"]["repositories"]]
    assert names == ["web", "jobs"]
    assert documents["ListEntitiesForPolicies"]["bindings"][0]["role"] == "roles/artifactregistry.reader"


def test_every_question_carries_the_token_and_changes_nothing(cloud: Cloud) -> None:
    google.answer_all(cloud)
    described(cloud)
    asked = [item for item in cloud.asked if item.path.startswith("/v1/")]
    assert {item.authorization for item in asked} == {f"Bearer {TOKEN}"}
    assert [item.path for item in asked if item.method != "GET"] == [google.POLICY]


def test_a_cluster_is_known_by_its_endpoint(cloud: Cloud) -> None:
    google.answer_all(cloud)
    for endpoint in ("203.0.113.7", "10.0.0.2"):
        wanted = CloudCluster(provider="gke", account=google.PROJECT, endpoint=endpoint)
        (document,) = describe(wanted, {"ClusterDescribe"}, cloud.endpoints)
        assert isinstance(document, dict)
        assert document["metadata"] == {"name": "shop", "provider": "gke"}
    nowhere = CloudCluster(provider="gke", account=google.PROJECT, endpoint="10.96.0.1")
    documents, gaps = described(cloud, nowhere)
    assert not documents
    assert {gap.why for gap in gaps} == {"no cluster of project shop-prod has the endpoint 10.96.0.1"}


def test_all_endpoints_of_a_cluster() -> None:
    names = {"dnsEndpointConfig": {"endpoint": "gke-1.europe-west1.gke.goog"}}
    numbers = {"ipEndpointsConfig": {"publicEndpoint": "203.0.113.9", "privateEndpoint": "10.0.0.3"}}
    cluster = google.cluster(controlPlaneEndpointsConfig=names | numbers)
    expected = {"203.0.113.7", "10.0.0.2", "gke-1.europe-west1.gke.goog", "203.0.113.9", "10.0.0.3"}
    assert list_endpoints(cluster) == expected


def test_documents_have_no_keys_and_say_that_there_are_some(cloud: Cloud) -> None:
    google.answer_all(cloud)
    documents, _ = described(cloud)
    text = json.dumps(documents)
    assert not [word for word in ("authority-of-the", "key-of-the", TOKEN, "PRIVATE") if word in text]
    assert documents["ClusterDescribe"]["masterAuth"]["clientKey"] == MASK
    assert documents["ClusterDescribe"]["nodeConfig"]["metadata"] == {"db": MASK, "disable-legacy-endpoints": MASK}


def test_a_refusal_is_a_gap_that_names_the_right(cloud: Cloud) -> None:
    google.answer_all(cloud)
    refusal = Answer({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "scanner may not"}}, 403)
    cloud.say(google.POLICY, refusal, method="POST")
    cloud.say(google.CLUSTERS, refusal)
    documents, gaps = described(cloud)
    assert set(documents) == {"ClusterDescribe"}
    assert {(gap.kind, gap.permission) for gap in gaps} == {
        ("DescribeRepositories", "allow artifactregistry.locations.list"),
        ("ListEntitiesForPolicies", "allow resourcemanager.projects.getIamPolicy"),
    }
    assert {gap.why for gap in gaps} == {"403 PERMISSION_DENIED: scanner may not"}


def test_a_cluster_that_is_not_there(cloud: Cloud) -> None:
    documents, gaps = described(cloud)
    assert not documents
    assert {gap.kind for gap in gaps} == ALL
    assert {gap.permission for gap in gaps} == {"name the cluster with --cloud-cluster"}


def test_a_server_that_stumbles_is_asked_again_and_not_for_ever(cloud: Cloud) -> None:
    stumble = Answer({"error": {"code": 503, "status": "UNAVAILABLE", "message": "later"}}, 503)
    cloud.say(google.CLUSTER, stumble, Answer(google.cluster()))
    documents, gaps = described(cloud, kinds=frozenset({"ClusterDescribe"}))
    assert (set(documents), gaps) == ({"ClusterDescribe"}, [])
    assert cloud.questions(google.CLUSTER) == 2
    cloud.say(google.CLUSTER, stumble)
    documents, gaps = described(cloud, kinds=frozenset({"ClusterDescribe"}))
    assert (documents, [gap.why for gap in gaps]) == ({}, ["503 UNAVAILABLE: later"])
    assert cloud.questions(google.CLUSTER) == 5


def test_an_endless_list(cloud: Cloud) -> None:
    google.answer_all(cloud)
    cloud.say(f"{google.REPOSITORIES}?pageToken=2", {"nextPageToken": "2"})
    _, gaps = described(cloud)
    assert [(gap.kind, gap.why) for gap in gaps] == [("DescribeRepositories", "a list has more than 100 pages")]


def test_a_key_that_google_does_not_take(cloud: Cloud) -> None:
    google.answer_all(cloud)
    cloud.say("/google/token", Answer({"error": "invalid_grant"}, 400), method="POST")
    documents, gaps = described(cloud)
    assert not documents
    assert {gap.permission for gap in gaps} == {"log in to Google Cloud"}
    assert cloud.questions(google.CLUSTER) == 0


def test_a_file_of_credentials_that_is_not_there(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent")
    _, gaps = described(cloud)
    assert {gap.permission for gap in gaps} == {"log in to Google Cloud"}


def test_an_answer_that_is_no_document(cloud: Cloud) -> None:
    cloud.say(google.CLUSTER, Answer(["no", "cluster"]))
    (gap,) = describe(SHOP, {"ClusterDescribe"}, cloud.endpoints)
    assert isinstance(gap, CoverageGap)
    assert gap.why == "the answer is no JSON object"


def of_universe(folder: Path, domain: str) -> None:
    """Let the key of the service account be of another universe of Google."""
    account = folder / "account.json"
    account.write_text(json.dumps(json.loads(account.read_text()) | {"universe_domain": domain}), encoding="utf-8")


def test_credentials_tell_the_universe(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_universe(tmp_path, UNIVERSE)
    google.answer_all(cloud)
    with everywhere(cloud, monkeypatch) as hosts:
        documents, gaps = told(describe(SHOP, ALL, Endpoints()))
    assert not gaps
    assert set(documents) == ALL
    services = ("container", "artifactregistry", "cloudresourcemanager")
    assert set(hosts) == {f"{service}.{UNIVERSE}" for service in services}


def test_a_universe_that_is_none_is_not_asked(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_universe(tmp_path, f"{UNIVERSE}/path?")
    with everywhere(cloud, monkeypatch) as hosts:
        _, gaps = told(describe(SHOP, ALL, Endpoints()))
    assert {gap.why for gap in gaps} == {"the universe of the credentials is no domain"}
    assert hosts == []


def test_without_the_sdk(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    documents, gaps = described(cloud)
    assert not documents
    assert {gap.permission for gap in gaps} == {"pip install 'kubekeep[gcp]'"}
