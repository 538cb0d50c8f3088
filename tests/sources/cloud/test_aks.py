"""AKS through Azure's SDK: its credentials, its pages and its refusals, as the documents and gaps tell them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from kubekeep.model.cloud import AZURE_CLOUDS, DOCUMENTS, AzureCloud, CloudCluster
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.redaction import MASK
from kubekeep.sources.cloud.aks import describe
from tests.sources.cloud import azure
from tests.sources.cloud.service import TENANT, TOKEN, Answer, Cloud, everywhere, log_in, log_in_with_a_secret, told

SHOP = CloudCluster(provider="aks", account=azure.SUBSCRIPTION, place="shops", name="shop")
BY_NODES = CloudCluster(provider="aks", account=azure.SUBSCRIPTION, node_group="mc_shops_shop_westeurope")
ALL = frozenset(DOCUMENTS["aks"])


@pytest.fixture(autouse=True)
def user(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(cloud, tmp_path, monkeypatch)


def described(
    cloud: Cloud, cluster: CloudCluster = SHOP, kinds: frozenset[str] = ALL
) -> tuple[dict[str, Any], list[CoverageGap]]:
    """The data of each document by its kind, and the gaps."""
    return told(describe(cluster, kinds, cloud.azure))


def test_all_documents(cloud: Cloud) -> None:
    azure.answer_all(cloud)
    documents, gaps = described(cloud)
    assert not gaps
    assert documents["ClusterDescribe"]["properties"]["networkProfile"]["networkPolicy"] == "cilium"
    assignments = documents["ListEntitiesForPolicies"]["roleAssignments"]
    assert [item["name"] for item in assignments] == ["1", "2"]
    definitions = documents["PolicyVersion"]["roleDefinitions"]
    assert [item["id"] for item in definitions] == [azure.PULL, azure.OPERATOR]


def test_every_question_carries_the_token_and_a_version(cloud: Cloud) -> None:
    azure.answer_all(cloud)
    described(cloud)
    asked = [item for item in cloud.asked if item.path.startswith("/subscriptions/")]
    assert {item.authorization for item in asked} == {f"Bearer {TOKEN}"}
    assert {item.method for item in asked} == {"GET"}
    firsts = [item for item in asked if "page2" not in item.path]
    assert len(firsts) == 3
    assert all(item.query["api-version"] for item in firsts)
    scopes = [item.query["resource"] for item in cloud.asked if item.path == "/azure/token"]
    assert scopes == [[cloud.address]]


def test_a_cluster_is_known_by_the_group_of_its_nodes(cloud: Cloud) -> None:
    azure.answer_all(cloud)
    (document,) = describe(BY_NODES, {"ClusterDescribe"}, cloud.azure)
    assert isinstance(document, dict)
    assert document["metadata"] == {"name": "shop", "provider": "aks"}
    nowhere = CloudCluster(provider="aks", account=azure.SUBSCRIPTION, node_group="mc_other")
    documents, gaps = described(cloud, nowhere)
    assert not documents
    assert {gap.why for gap in gaps} == {"no cluster has its nodes in mc_other"}


def test_documents_have_no_secrets(cloud: Cloud) -> None:
    azure.answer_all(cloud)
    documents, _ = described(cloud)
    text = json.dumps(documents)
    assert not [word for word in ("secret-of-the", "password-of-the", "public-key-of-the", TOKEN) if word in text]
    assert documents["ClusterDescribe"]["properties"]["servicePrincipalProfile"]["secret"] == MASK


def test_a_refusal_is_a_gap_that_names_the_right(cloud: Cloud) -> None:
    azure.answer_all(cloud)
    refusal = Answer({"error": {"code": "AuthorizationFailed", "message": "The client\nmay not."}}, 403)
    cloud.say(f"{azure.AUTHORIZATION}/roleDefinitions", refusal)
    documents, gaps = described(cloud)
    assert set(documents) == {"ClusterDescribe", "ListEntitiesForPolicies"}
    (gap,) = gaps
    assert (gap.kind, gap.permission) == ("PolicyVersion", "allow Microsoft.Authorization/roleDefinitions/read")
    assert gap.why == "403 AuthorizationFailed: The client may not."
    cloud.say(f"{azure.AUTHORIZATION}/roleAssignments", refusal)
    documents, gaps = described(cloud)
    assert set(documents) == {"ClusterDescribe"}
    assert {gap.kind for gap in gaps} == {"ListEntitiesForPolicies", "PolicyVersion"}


def test_a_cluster_that_is_not_there(cloud: Cloud) -> None:
    documents, gaps = described(cloud)
    assert not documents
    assert {gap.kind for gap in gaps} == ALL
    assert {gap.permission for gap in gaps} == {"name the cluster with --cloud-cluster"}


def test_a_server_that_stumbles_is_asked_again_and_not_for_ever(cloud: Cloud) -> None:
    stumble = Answer({"error": {"code": "ServerBusy", "message": "later"}}, 503)
    cloud.say(azure.CLUSTER, stumble, Answer(azure.managed_cluster()))
    documents, gaps = described(cloud, kinds=frozenset({"ClusterDescribe"}))
    assert (set(documents), gaps) == ({"ClusterDescribe"}, [])
    assert cloud.questions(azure.CLUSTER) == 2
    cloud.say(azure.CLUSTER, stumble)
    documents, gaps = described(cloud, kinds=frozenset({"ClusterDescribe"}))
    assert (documents, [gap.why for gap in gaps]) == ({}, ["503 ServerBusy: later"])
    assert cloud.questions(azure.CLUSTER) == 5


def test_the_token_goes_to_nobody_else(cloud: Cloud) -> None:
    azure.answer_all(cloud)
    elsewhere = {"value": [], "nextLink": f"{cloud.address.replace('127.0.0.1', 'localhost')}/elsewhere"}
    cloud.say(f"{azure.AUTHORIZATION}/roleAssignments", elsewhere)
    _, gaps = described(cloud)
    assert {gap.why for gap in gaps} == {"a list goes on at another address"}
    assert cloud.questions("/elsewhere") == 0


def test_an_endless_list(cloud: Cloud) -> None:
    azure.answer_all(cloud)
    path = f"{azure.AUTHORIZATION}/roleAssignments"
    cloud.say(path, {"value": [], "nextLink": f"{cloud.address}{path}"})
    _, gaps = described(cloud)
    assert {gap.why for gap in gaps} == {"a list has more than 100 pages"}


def test_nobody_is_logged_in(cloud: Cloud) -> None:
    azure.answer_all(cloud)
    cloud.say("/azure/token", Answer({"error": "invalid_request"}, 400))
    documents, gaps = described(cloud)
    assert not documents
    assert {gap.permission for gap in gaps} == {"log in to Azure"}
    assert cloud.questions(azure.CLUSTER) == 0


def test_a_server_that_is_not_there() -> None:
    gone = AzureCloud(manager="https://127.0.0.1:1")
    (gap,) = describe(SHOP, {"ClusterDescribe"}, gone)
    assert isinstance(gap, CoverageGap)
    assert gap.permission == "let Azure be reached"


def test_an_answer_that_is_no_document(cloud: Cloud) -> None:
    cloud.say(azure.CLUSTER, Answer(["no", "cluster"]))
    (gap,) = describe(SHOP, {"ClusterDescribe"}, cloud.azure)
    assert isinstance(gap, CoverageGap)
    assert gap.why == "the answer is no JSON object"


@pytest.mark.parametrize("sovereign", AZURE_CLOUDS[1:], ids=lambda item: item.names[0])
def test_sovereign_clouds_have_addresses_of_their_own(
    sovereign: AzureCloud, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure.answer_all(cloud, address=sovereign.manager)
    log_in_with_a_secret(cloud, sovereign.authority, monkeypatch)
    with everywhere(cloud, monkeypatch) as hosts:
        documents, gaps = told(describe(SHOP, ALL, sovereign))
    assert not gaps
    assert set(documents) == ALL
    assert {sovereign.manager.removeprefix("https://"), sovereign.authority.removeprefix("https://")} == set(hosts)
    (token,) = (asked for asked in cloud.asked if asked.path == f"/{TENANT}/oauth2/v2.0/token")
    scope = f"{sovereign.audience or sovereign.manager}/.default"
    assert scope in parse_qs(token.body)["scope"][0].split()


def test_without_the_sdk(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    documents, gaps = described(cloud)
    assert not documents
    assert {gap.permission for gap in gaps} == {"pip install 'kubekeep[azure]'"}
