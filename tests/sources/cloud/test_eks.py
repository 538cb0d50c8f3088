"""EKS through boto3: documents match the data in moto, refusals become coverage gaps, keys are masked."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.handlers
import pytest
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count

from kubekeep.model.cloud import DOCUMENTS, CloudCluster, parse_cluster
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.secret_text import MASK
from kubekeep.sources.cloud.eks import describe
from tests.sources.cloud.amazon import ACCOUNT, PULLING, REGION, make_cluster, make_role, policy
from tests.sources.cloud.service import Cloud, CloudResponse, split_gaps

SHOP = CloudCluster(provider="eks", name="shop", location=REGION)
ALL = frozenset(DOCUMENTS["eks"])


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield


def describe_shop(
    kinds: frozenset[str] = ALL, cluster: CloudCluster = SHOP
) -> tuple[dict[str, Any], list[CoverageGap]]:
    """Return (data by document kind, gaps)."""
    return split_gaps(describe(cluster, kinds))


def redirect_eks(cloud: Cloud, patch: pytest.MonkeyPatch) -> None:
    """Point the SDK's EKS endpoint to the local server."""
    patch.setenv("AWS_ENDPOINT_URL_EKS", cloud.address)
    patch.setenv("AWS_CA_BUNDLE", str(cloud.authority))


def mock_other_services(cloud: Cloud) -> AbstractContextManager[object]:
    """Use moto with its current state for all requests except those to the local server."""
    return mock_aws(config={"core": {"passthrough": {"urls": [cloud.address]}, "mock_credentials": False}})


def test_all_documents() -> None:
    make_cluster(node_role=make_role("workers", inline=["ecr:PutImage"]))
    documents, gaps = describe_shop()
    assert not gaps
    assert documents["ClusterDescribe"]["cluster"]["version"] == "1.33"
    (repository,) = documents["DescribeRepositories"]["repositories"]
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    arn = f"arn:aws:iam::{ACCOUNT}:policy/workers-policy"
    holder = {"PolicyRoles": [{"RoleName": "workers"}]}
    assert documents["ListEntitiesForPolicies"] == {
        "rolesPolicies": {arn: holder, "role/workers:policy/written": holder},
        "nodeRoles": ["workers"],
        "nodeRolesComplete": False,
    }
    assert documents["PolicyVersion"]["policiesDocuments"] == {
        arn: policy(*PULLING),
        "role/workers:policy/written": policy("ecr:PutImage"),
    }


@pytest.mark.parametrize(
    ("region", "partition", "hosts"),
    [
        (
            "cn-north-1",
            "aws-cn",
            {
                "eks.cn-north-1.amazonaws.com.cn",
                "api.ecr.cn-north-1.amazonaws.com.cn",
                "iam.cn-north-1.amazonaws.com.cn",
            },
        ),
        (
            "us-gov-west-1",
            "aws-us-gov",
            {"eks.us-gov-west-1.amazonaws.com", "api.ecr.us-gov-west-1.amazonaws.com", "iam.us-gov.amazonaws.com"},
        ),
    ],
)
def test_aws_partitions_use_their_addresses(
    region: str, partition: str, hosts: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    role = make_role("workers", region=region)
    make_cluster(node_role=role, region=region)
    requested_hosts: set[str | None] = set()
    # The hook only observes; moto still responds.
    observer = ("before-send", lambda request, **_: requested_hosts.add(urlsplit(request.url).hostname))
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", [observer, *botocore.handlers.BUILTIN_HANDLERS])
    cluster = parse_cluster(f"arn:{partition}:eks:{region}:{ACCOUNT}:cluster/shop")
    documents, gaps = split_gaps(describe(cluster, ALL, mapped_roles=[role]))
    assert not gaps
    assert requested_hosts == hosts
    assert documents["ClusterDescribe"]["cluster"]["arn"] == f"arn:{partition}:eks:{region}:{ACCOUNT}:cluster/shop"
    assert documents["DescribeRepositories"]["repositories"][0]["repositoryName"] == "web"
    assert documents["ListEntitiesForPolicies"]["nodeRoles"] == ["workers"]
    assert list(documents["PolicyVersion"]["policiesDocuments"].values()) == [policy(*PULLING)]


def test_documents_are_json_without_keys() -> None:
    make_cluster(node_role=make_role("workers"))
    text = json.dumps(list(describe(SHOP, ALL)))
    authority = boto3.client("eks", region_name=REGION).describe_cluster(name="shop")["cluster"]["certificateAuthority"]
    assert authority["data"] not in text
    assert json.loads(text)[0]["data"]["cluster"]["certificateAuthority"] == MASK


def test_only_requested_documents_are_read() -> None:
    make_cluster()
    assert list(describe_shop(frozenset({"DescribeRepositories"}))[0]) == ["DescribeRepositories"]


def test_missing_cluster() -> None:
    documents, gaps = describe_shop()
    assert not documents
    assert {gap.kind for gap in gaps} == ALL
    assert {gap.permission for gap in gaps} == {"name the cluster with --cloud-cluster"}
    assert gaps[0].reason == "ResourceNotFoundException: No cluster found for name: shop."


def test_unknown_node_role() -> None:
    make_cluster()
    documents, gaps = describe_shop()
    assert set(documents) == {"ClusterDescribe", "DescribeRepositories"}
    assert {(gap.kind, gap.reason) for gap in gaps} == {
        ("ListEntitiesForPolicies", "the role of the nodes is unknown"),
        ("PolicyVersion", "the role of the nodes is unknown"),
    }


def test_refusal_becomes_gap_with_action(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto enforces IAM policies for ECR and IAM; EKS is the local server."""
    make_role("workers")
    iam = boto3.client("iam", region_name=REGION)
    iam.create_user(UserName="scanner")
    allowed = policy("iam:ListAttachedRolePolicies", "iam:ListRolePolicies")
    iam.put_user_policy(UserName="scanner", PolicyName="reads", PolicyDocument=json.dumps(allowed))
    key = iam.create_access_key(UserName="scanner")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    redirect_eks(cloud, monkeypatch)
    cloud.respond("/clusters/shop", {"cluster": {"name": "shop"}})
    cloud.respond("/clusters/shop/node-groups", {"nodegroups": ["workers"]})
    group = {"nodegroup": {"nodeRole": f"arn:aws:iam::{ACCOUNT}:role/teams/workers"}}
    cloud.respond("/clusters/shop/node-groups/workers", group)
    with mock_other_services(cloud):
        documents, gaps = set_initial_no_auth_action_count(0)(describe_shop)()
    assert set(documents) == {"ClusterDescribe"}
    assert {(gap.kind, gap.permission) for gap in gaps} == {
        ("DescribeRepositories", "allow ecr:DescribeRepositories"),
        ("ListEntitiesForPolicies", "allow iam:GetPolicy"),
        ("PolicyVersion", "allow iam:GetPolicy"),
    }
    assert "is not authorized to perform" in gaps[0].reason


def test_refusal_by_eks(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    redirect_eks(cloud, monkeypatch)
    refusal = {"__type": "AccessDeniedException", "message": "scanner may not"}
    cloud.respond("/clusters/shop", CloudResponse(refusal, 403))
    with mock_other_services(cloud):
        documents, gaps = describe_shop()
    assert not documents
    assert {(gap.permission, gap.reason) for gap in gaps} == {
        ("allow eks:DescribeCluster", "AccessDeniedException: scanner may not")
    }
    assert cloud.count_requests("/clusters/shop") == 1


def test_missing_login(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    documents, gaps = describe_shop()
    assert not documents
    assert {(gap.permission, gap.reason) for gap in gaps} == {("log in to AWS", "Unable to locate credentials")}


def test_missing_profile() -> None:
    (gap,) = describe(SHOP, {"ClusterDescribe"}, "nobody")
    assert isinstance(gap, CoverageGap)
    assert gap.reason == "The config profile (nobody) could not be found"


def test_without_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    documents, gaps = describe_shop()
    assert not documents
    assert {(gap.permission, gap.reason) for gap in gaps} == {("pip install 'kubekeep[aws]'", "boto3 is not installed")}


def test_node_roles_from_access_entries(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto has no access entries: EKS is the local server, with responses of the EKS API reference."""
    redirect_eks(cloud, monkeypatch)
    cluster = {"name": "shop", "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"}}
    cloud.respond("/clusters/shop", {"cluster": cluster})
    cloud.respond("/clusters/shop/node-groups", {"nodegroups": []})
    nodes, person = (f"arn:aws:iam::{ACCOUNT}:{name}" for name in ("role/karpenter", "role/admin"))
    cloud.respond("/clusters/shop/access-entries", {"accessEntries": [nodes], "nextToken": "2"})
    cloud.respond(
        "/clusters/shop/access-entries?nextToken=2", {"accessEntries": [person, f"arn:aws:iam::{ACCOUNT}:user/a"]}
    )
    for arn, kind in ((nodes, "EC2_LINUX"), (person, "STANDARD")):
        entry = {"accessEntry": {"principalArn": arn, "type": kind, "kubernetesGroups": []}}
        cloud.respond(f"/clusters/shop/access-entries/{arn.replace(':', '%3A').replace('/', '%2F')}", entry)
    with mock_other_services(cloud):
        make_role("karpenter")
        documents, gaps = describe_shop(frozenset({"ListEntitiesForPolicies"}))
    assert not gaps
    assert documents["ListEntitiesForPolicies"]["nodeRoles"] == ["karpenter"]
    assert documents["ListEntitiesForPolicies"]["nodeRolesComplete"] is False


def test_node_roles_are_complete_with_access_entries_only(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    redirect_eks(cloud, monkeypatch)
    make_role("workers")
    role = f"arn:aws:iam::{ACCOUNT}:role/workers"
    compute = {"computeConfig": {"nodeRoleArn": role}}
    cloud.respond(
        "/clusters/shop", {"cluster": {"name": "shop", "accessConfig": {"authenticationMode": "API"}, **compute}}
    )
    cloud.respond("/clusters/shop/node-groups", {"nodegroups": []})
    cloud.respond("/clusters/shop/access-entries", {"accessEntries": []})
    with mock_other_services(cloud):
        documents, gaps = describe_shop(frozenset({"ListEntitiesForPolicies"}))
    assert not gaps
    entities = documents["ListEntitiesForPolicies"]
    assert (entities["nodeRoles"], entities["nodeRolesComplete"]) == (["workers"], True)


def test_mapped_node_roles() -> None:
    make_cluster()
    make_role("own")
    mapped = [f"arn:aws:iam::{ACCOUNT}:role/own", "arn:aws:iam::210987654321:role/foreign"]
    (document,) = describe(SHOP, {"ListEntitiesForPolicies"}, mapped_roles=mapped)
    assert isinstance(document, dict)
    assert (document["data"]["nodeRoles"], document["data"]["nodeRolesComplete"]) == (["own"], True)


def test_temporary_errors_are_retried_twice(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    redirect_eks(cloud, monkeypatch)
    busy = CloudResponse({"message": "later"}, 503)
    with mock_other_services(cloud):
        cloud.respond("/clusters/shop", busy, CloudResponse({"cluster": {"name": "shop"}}))
        assert describe_shop(frozenset({"ClusterDescribe"})) == ({"ClusterDescribe": {"cluster": {"name": "shop"}}}, [])
        assert cloud.count_requests("/clusters/shop") == 2
        cloud.respond("/clusters/shop", busy)
        documents, gaps = describe_shop(frozenset({"ClusterDescribe"}))
    assert not documents
    assert [gap.permission for gap in gaps] == ["allow eks:DescribeCluster"]
    assert cloud.count_requests("/clusters/shop") == 5
