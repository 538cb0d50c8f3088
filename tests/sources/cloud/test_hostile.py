"""Hostile answers of clouds: documents or coverage gaps for all kinds, never an exception."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubekeep.model.cloud import DOCUMENTS, CloudCluster
from kubekeep.model.cluster import CoverageGap
from kubekeep.sources.cloud import aks, eks, gke
from tests.hostile.samples import mutate
from tests.sources.cloud import azure, google
from tests.sources.cloud.service import Cloud, log_in

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
"""The SDKs leave connections to the garbage collector after an exception."""
COUNT = 6
AKS = CloudCluster(provider="aks", account=azure.SUBSCRIPTION, location="shops", name="shop")
AKS_BY_NODES = CloudCluster(provider="aks", account=azure.SUBSCRIPTION, node_group="mc_shops_shop_westeurope")
GKE = CloudCluster(provider="gke", account=google.PROJECT, location="europe-west1", name="shop")
GKE_BY_ENDPOINT = CloudCluster(provider="gke", account=google.PROJECT, endpoint="203.0.113.7")
EKS = CloudCluster(provider="eks", name="shop", location="eu-central-1")


@pytest.fixture(autouse=True)
def user(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(cloud, tmp_path, monkeypatch)
    for service in ("EKS", "ECR", "IAM"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", cloud.address)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(cloud.authority))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


def nest(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"a": 1}
    for _ in range(depth):
        value = {"a": [value]}
    return value


def check(described: Iterator[dict[str, Any] | CoverageGap], kinds: tuple[str, ...]) -> None:
    """Assert that each kind is a document or a coverage gap with a cause."""
    entries = list(described)
    described_kinds = [entry.kind if isinstance(entry, CoverageGap) else entry["kind"] for entry in entries]
    assert sorted(described_kinds) == sorted(kinds)
    assert all(entry.reason for entry in entries if isinstance(entry, CoverageGap))


def test_azure(cloud: Cloud) -> None:
    source = random.Random("azure")
    definition = azure.definition(azure.PULL, "a")
    pages = {"value": [azure.assignment(1, azure.PULL)], "nextLink": f"{cloud.address}{azure.AUTHORIZATION}/page"}
    originals = {
        azure.CLUSTER: azure.managed_cluster(),
        f"{azure.ROOT}/{azure.CLUSTERS}": {"value": [azure.managed_cluster()]},
        f"{azure.AUTHORIZATION}/roleAssignments": pages,
        f"{azure.AUTHORIZATION}/roleDefinitions": {"value": [definition]},
    }
    for path, original in originals.items():
        changes = [changed for _, changed in mutate(original, source, COUNT)]
        for changed in (
            *changes,
            nest(240),
            {"value": [nest(240)]},
            {"value": "text"},
            {"value": [], "nextLink": "//["},
        ):
            azure.answer_all(cloud)
            cloud.respond(path, changed)
            for cluster in (AKS, AKS_BY_NODES):
                check(aks.describe(cluster, set(DOCUMENTS["aks"]), cloud.azure), DOCUMENTS["aks"])


def test_google(cloud: Cloud) -> None:
    source = random.Random("google")
    originals = {
        ("GET", google.CLUSTER): google.cluster(),
        ("GET", google.CLUSTERS): {"locations": [{"locationId": "a"}]},
        ("GET", google.REPOSITORIES): {"repositories": [google.repository("a")]},
        ("POST", google.POLICY): {"bindings": [{"role": "a", "members": ["b"]}]},
    }
    for (method, path), original in originals.items():
        changes = [changed for _, changed in mutate(original, source, COUNT)]
        for changed in (*changes, nest(240), {"clusters": "text"}, {"nextPageToken": {"a": 1}}):
            google.answer_all(cloud)
            cloud.respond(path, changed, method=method)
            for cluster in (GKE, GKE_BY_ENDPOINT):
                check(gke.describe(cluster, set(DOCUMENTS["gke"]), cloud.endpoints), DOCUMENTS["gke"])


def test_amazon(cloud: Cloud) -> None:
    source = random.Random("amazon")
    cluster = {"name": "shop", "arn": "arn:aws:eks:a:0:cluster/shop", "accessConfig": {"authenticationMode": "API"}}
    originals: dict[tuple[str, str], dict[str, Any]] = {
        ("GET", "/clusters/shop"): {"cluster": cluster},
        ("POST", "/"): {"repositories": [{"repositoryName": "a", "imageScanningConfiguration": {"scanOnPush": True}}]},
        ("GET", "/clusters/shop/node-groups"): {"nodegroups": ["a"]},
        ("GET", "/clusters/shop/node-groups/a"): {"nodegroup": {"nodegroupName": "a", "nodeRole": ""}},
        ("GET", "/clusters/shop/access-entries"): {"accessEntries": ["arn:aws:iam::0:user/c"]},
    }
    for (method, path), original in originals.items():
        changes = [changed for _, changed in mutate(original, source, COUNT)]
        for changed in (*changes, nest(240), {}):
            for (other_method, other_path), document in originals.items():
                cloud.respond(other_path, document, method=other_method)
            cloud.respond(path, changed, method=method)
            check(eks.describe(EKS, set(DOCUMENTS["eks"])), DOCUMENTS["eks"])


def test_amazon_in_another_format(cloud: Cloud) -> None:
    """IAM answers in XML."""
    cloud.respond(
        "/clusters/shop", {"cluster": {"name": "shop", "computeConfig": {"nodeRoleArn": "arn:aws:iam::0:role/a"}}}
    )
    cloud.respond("/clusters/shop/node-groups", {"nodegroups": []})
    cloud.respond("/", {"key": "never-to-be-seen"}, method="POST")
    entries = list(eks.describe(EKS, {"PolicyVersion"}))
    assert [entry.reason for entry in entries if isinstance(entry, CoverageGap)] == [
        "the response is not in the format of AWS"
    ]
