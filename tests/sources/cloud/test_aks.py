"""AKS through Azure's SDK: credentials, pages and refusals, as documents and coverage gaps."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from kubekeep.model.cloud import AZURE_CLOUDS, DOCUMENTS, AzureCloud, CloudCluster
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.secret_text import MASK
from kubekeep.sources.cloud.aks import describe
from tests.sources.cloud import azure
from tests.sources.cloud.service import (
    TENANT,
    TOKEN,
    Cloud,
    CloudResponse,
    log_in,
    log_in_with_a_secret,
    route_all_hosts,
    split_gaps,
)

SHOP = CloudCluster(provider="aks", account=azure.SUBSCRIPTION, location="shops", name="shop")
BY_NODES = CloudCluster(provider="aks", account=azure.SUBSCRIPTION, node_group="mc_shops_shop_westeurope")
ALL = frozenset(DOCUMENTS["aks"])


@pytest.fixture(autouse=True)
def user(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(cloud, tmp_path, monkeypatch)


def describe_shop(
    cloud: Cloud, cluster: CloudCluster = SHOP, kinds: frozenset[str] = ALL
) -> tuple[dict[str, Any], list[CoverageGap]]:
    """Return (data by document kind, gaps)."""
    return split_gaps(describe(cluster, kinds, cloud.azure))


def test_all_documents(cloud: Cloud) -> None:
    azure.answer_all(cloud)
    documents, gaps = describe_shop(cloud)
    assert not gaps
    assert documents["ClusterDescribe"]["properties"]["networkProfile"]["networkPolicy"] == "cilium"
    assignments = documents["ListEntitiesForPolicies"]["roleAssignments"]
    assert [entry["name"] for entry in assignments] == ["1", "2"]
    definitions = documents["PolicyVersion"]["roleDefinitions"]
    assert [entry["id"] for entry in definitions] == [azure.PULL, azure.OPERATOR]


def test_requests_have_token_and_api_version(cloud: Cloud) -> None:
    azure.answer_all(cloud)
    describe_shop(cloud)
    requests = [request for request in cloud.requests if request.path.startswith("/subscriptions/")]
    assert {request.authorization for request in requests} == {f"Bearer {TOKEN}"}
    assert {request.method for request in requests} == {"GET"}
    firsts = [request for request in requests if "page2" not in request.path]
    assert len(firsts) == 3
    assert all(request.query["api-version"] for request in firsts)
    scopes = [request.query["resource"] for request in cloud.requests if request.path == "/azure/token"]
    assert scopes == [[cloud.address]]


def test_cluster_by_node_resource_group(cloud: Cloud) -> None:
    azure.answer_all(cloud)
    (document,) = describe(BY_NODES, {"ClusterDescribe"}, cloud.azure)
    assert isinstance(document, dict)
    assert document["metadata"] == {"name": "shop", "provider": "aks"}
    nowhere = CloudCluster(provider="aks", account=azure.SUBSCRIPTION, node_group="mc_other")
    documents, gaps = describe_shop(cloud, nowhere)
    assert not documents
    assert {gap.reason for gap in gaps} == {"no cluster has the node resource group mc_other"}


def test_documents_have_no_secrets(cloud: Cloud) -> None:
    azure.answer_all(cloud)
    documents, _ = describe_shop(cloud)
    text = json.dumps(documents)
    assert not [word for word in ("secret-of-the", "password-of-the", "public-key-of-the", TOKEN) if word in text]
    assert documents["ClusterDescribe"]["properties"]["servicePrincipalProfile"]["secret"] == MASK


def test_refusal_becomes_gap_with_permission(cloud: Cloud) -> None:
    azure.answer_all(cloud)
    refusal = CloudResponse({"error": {"code": "AuthorizationFailed", "message": "The client\nmay not."}}, 403)
    cloud.respond(f"{azure.AUTHORIZATION}/roleDefinitions", refusal)
    documents, gaps = describe_shop(cloud)
    assert set(documents) == {"ClusterDescribe", "ListEntitiesForPolicies"}
    (gap,) = gaps
    assert (gap.kind, gap.permission) == ("PolicyVersion", "allow Microsoft.Authorization/roleDefinitions/read")
    assert gap.reason == "403 AuthorizationFailed: The client may not."
    cloud.respond(f"{azure.AUTHORIZATION}/roleAssignments", refusal)
    documents, gaps = describe_shop(cloud)
    assert set(documents) == {"ClusterDescribe"}
    assert {gap.kind for gap in gaps} == {"ListEntitiesForPolicies", "PolicyVersion"}


def test_missing_cluster(cloud: Cloud) -> None:
    documents, gaps = describe_shop(cloud)
    assert not documents
    assert {gap.kind for gap in gaps} == ALL
    assert {gap.permission for gap in gaps} == {"name the cluster with --cloud-cluster"}


def test_temporary_errors_are_retried_twice(cloud: Cloud) -> None:
    busy = CloudResponse({"error": {"code": "ServerBusy", "message": "later"}}, 503)
    cloud.respond(azure.CLUSTER, busy, CloudResponse(azure.managed_cluster()))
    documents, gaps = describe_shop(cloud, kinds=frozenset({"ClusterDescribe"}))
    assert (set(documents), gaps) == ({"ClusterDescribe"}, [])
    assert cloud.count_requests(azure.CLUSTER) == 2
    cloud.respond(azure.CLUSTER, busy)
    documents, gaps = describe_shop(cloud, kinds=frozenset({"ClusterDescribe"}))
    assert (documents, [gap.reason for gap in gaps]) == ({}, ["503 ServerBusy: later"])
    assert cloud.count_requests(azure.CLUSTER) == 5


def test_token_is_not_sent_to_other_hosts(cloud: Cloud) -> None:
    azure.answer_all(cloud)
    elsewhere = {"value": [], "nextLink": f"{cloud.address.replace('127.0.0.1', 'localhost')}/elsewhere"}
    cloud.respond(f"{azure.AUTHORIZATION}/roleAssignments", elsewhere)
    _, gaps = describe_shop(cloud)
    assert {gap.reason for gap in gaps} == {"the next page of a list is on another host"}
    assert cloud.count_requests("/elsewhere") == 0


def test_endless_list(cloud: Cloud) -> None:
    azure.answer_all(cloud)
    path = f"{azure.AUTHORIZATION}/roleAssignments"
    cloud.respond(path, {"value": [], "nextLink": f"{cloud.address}{path}"})
    _, gaps = describe_shop(cloud)
    assert {gap.reason for gap in gaps} == {"a list has more than 100 pages"}


def test_missing_login(cloud: Cloud) -> None:
    azure.answer_all(cloud)
    cloud.respond("/azure/token", CloudResponse({"error": "invalid_request"}, 400))
    documents, gaps = describe_shop(cloud)
    assert not documents
    assert {gap.permission for gap in gaps} == {"log in to Azure"}
    assert cloud.count_requests(azure.CLUSTER) == 0


def test_unreachable_server() -> None:
    gone = AzureCloud(manager="https://127.0.0.1:1")
    (gap,) = describe(SHOP, {"ClusterDescribe"}, gone)
    assert isinstance(gap, CoverageGap)
    assert gap.permission == "allow connections to Azure"


def test_response_is_not_an_object(cloud: Cloud) -> None:
    cloud.respond(azure.CLUSTER, CloudResponse(["no", "cluster"]))
    (gap,) = describe(SHOP, {"ClusterDescribe"}, cloud.azure)
    assert isinstance(gap, CoverageGap)
    assert gap.reason == "the response is not a JSON object"


@pytest.mark.parametrize("sovereign", AZURE_CLOUDS[1:], ids=lambda azure_cloud: azure_cloud.names[0])
def test_sovereign_clouds_use_their_addresses(
    sovereign: AzureCloud, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure.answer_all(cloud, address=sovereign.manager)
    log_in_with_a_secret(cloud, sovereign.authority, monkeypatch)
    with route_all_hosts(cloud, monkeypatch) as hosts:
        documents, gaps = split_gaps(describe(SHOP, ALL, sovereign))
    assert not gaps
    assert set(documents) == ALL
    assert {sovereign.manager.removeprefix("https://"), sovereign.authority.removeprefix("https://")} == set(hosts)
    (token,) = (request for request in cloud.requests if request.path == f"/{TENANT}/oauth2/v2.0/token")
    scope = f"{sovereign.audience or sovereign.manager}/.default"
    assert scope in parse_qs(token.body)["scope"][0].split()


def test_without_sdk(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    documents, gaps = describe_shop(cloud)
    assert not documents
    assert {gap.permission for gap in gaps} == {"pip install 'kubekeep[azure]'"}
