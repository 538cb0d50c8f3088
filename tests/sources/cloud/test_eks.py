"""EKS through boto3: the documents have what moto was told, a refusal is a gap, keys are nowhere."""

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
from kubekeep.model.redaction import MASK
from kubekeep.sources.cloud.eks import describe
from tests.sources.cloud.amazon import ACCOUNT, PULLING, REGION, make_cluster, make_role, policy
from tests.sources.cloud.service import Answer, Cloud, told

SHOP = CloudCluster(provider="eks", name="shop", place=REGION)
ALL = frozenset(DOCUMENTS["eks"])


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield


def described(kinds: frozenset[str] = ALL, cluster: CloudCluster = SHOP) -> tuple[dict[str, Any], list[CoverageGap]]:
    """The data of each document by its kind, and the gaps."""
    return told(describe(cluster, kinds))


def use_for_eks(cloud: Cloud, patch: pytest.MonkeyPatch) -> None:
    """Let the SDK ask the local server where it would ask EKS."""
    patch.setenv("AWS_ENDPOINT_URL_EKS", cloud.address)
    patch.setenv("AWS_CA_BUNDLE", str(cloud.authority))


def passing(cloud: Cloud) -> AbstractContextManager[object]:
    """moto, with what it holds already, for everything but what goes to the local server."""
    return mock_aws(config={"core": {"passthrough": {"urls": [cloud.address]}, "mock_credentials": False}})


def test_all_documents() -> None:
    make_cluster(node_role=make_role("workers", written=["ecr:PutImage"]))
    documents, gaps = described()
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
def test_partitions_of_aws_have_addresses_of_their_own(
    region: str, partition: str, hosts: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    role = make_role("workers", region=region)
    make_cluster(node_role=role, region=region)
    asked: set[str | None] = set()
    # It looks on: what it leaves open, moto answers.
    look = ("before-send", lambda request, **_: asked.add(urlsplit(request.url).hostname))
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", [look, *botocore.handlers.BUILTIN_HANDLERS])
    cluster = parse_cluster(f"arn:{partition}:eks:{region}:{ACCOUNT}:cluster/shop")
    documents, gaps = told(describe(cluster, ALL, mapped=[role]))
    assert not gaps
    assert asked == hosts
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


def test_only_what_is_wanted_is_asked_for() -> None:
    make_cluster()
    assert list(described(frozenset({"DescribeRepositories"}))[0]) == ["DescribeRepositories"]


def test_a_cluster_that_is_not_there() -> None:
    documents, gaps = described()
    assert not documents
    assert {gap.kind for gap in gaps} == ALL
    assert {gap.permission for gap in gaps} == {"name the cluster with --cloud-cluster"}
    assert gaps[0].why == "ResourceNotFoundException: No cluster found for name: shop."


def test_nobody_tells_the_role_of_the_nodes() -> None:
    make_cluster()
    documents, gaps = described()
    assert set(documents) == {"ClusterDescribe", "DescribeRepositories"}
    assert {(gap.kind, gap.why) for gap in gaps} == {
        ("ListEntitiesForPolicies", "nothing tells the role of its nodes"),
        ("PolicyVersion", "nothing tells the role of its nodes"),
    }


def test_what_is_refused_is_a_gap_that_names_the_action(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here moto holds requests to ECR and IAM to the policies of who sends them; EKS is the local server here."""
    make_role("workers")
    iam = boto3.client("iam", region_name=REGION)
    iam.create_user(UserName="scanner")
    allowed = policy("iam:ListAttachedRolePolicies", "iam:ListRolePolicies")
    iam.put_user_policy(UserName="scanner", PolicyName="reads", PolicyDocument=json.dumps(allowed))
    key = iam.create_access_key(UserName="scanner")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    use_for_eks(cloud, monkeypatch)
    cloud.say("/clusters/shop", {"cluster": {"name": "shop"}})
    cloud.say("/clusters/shop/node-groups", {"nodegroups": ["workers"]})
    group = {"nodegroup": {"nodeRole": f"arn:aws:iam::{ACCOUNT}:role/teams/workers"}}
    cloud.say("/clusters/shop/node-groups/workers", group)
    with passing(cloud):
        documents, gaps = set_initial_no_auth_action_count(0)(described)()
    assert set(documents) == {"ClusterDescribe"}
    assert {(gap.kind, gap.permission) for gap in gaps} == {
        ("DescribeRepositories", "allow ecr:DescribeRepositories"),
        ("ListEntitiesForPolicies", "allow iam:GetPolicy"),
        ("PolicyVersion", "allow iam:GetPolicy"),
    }
    assert "is not authorized to perform" in gaps[0].why


def test_what_eks_refuses(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    use_for_eks(cloud, monkeypatch)
    refusal = {"__type": "AccessDeniedException", "message": "scanner may not"}
    cloud.say("/clusters/shop", Answer(refusal, 403))
    with passing(cloud):
        documents, gaps = described()
    assert not documents
    assert {(gap.permission, gap.why) for gap in gaps} == {
        ("allow eks:DescribeCluster", "AccessDeniedException: scanner may not")
    }
    assert cloud.questions("/clusters/shop") == 1


def test_nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    documents, gaps = described()
    assert not documents
    assert {(gap.permission, gap.why) for gap in gaps} == {("log in to AWS", "Unable to locate credentials")}


def test_a_profile_that_is_not_there() -> None:
    (gap,) = describe(SHOP, {"ClusterDescribe"}, "nobody")
    assert isinstance(gap, CoverageGap)
    assert gap.why == "The config profile (nobody) could not be found"


def test_without_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    documents, gaps = described()
    assert not documents
    assert {(gap.permission, gap.why) for gap in gaps} == {("pip install 'kubekeep[aws]'", "boto3 is not installed")}


def test_nodes_that_only_access_entries_tell_of(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here moto knows no access entries: EKS is the local server here, in the words of the EKS API reference."""
    use_for_eks(cloud, monkeypatch)
    cluster = {"name": "shop", "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"}}
    cloud.say("/clusters/shop", {"cluster": cluster})
    cloud.say("/clusters/shop/node-groups", {"nodegroups": []})
    nodes, person = (f"arn:aws:iam::{ACCOUNT}:{name}" for name in ("role/karpenter", "role/admin"))
    cloud.say("/clusters/shop/access-entries", {"accessEntries": [nodes], "nextToken": "2"})
    cloud.say(
        "/clusters/shop/access-entries?nextToken=2", {"accessEntries": [person, f"arn:aws:iam::{ACCOUNT}:user/a"]}
    )
    for arn, kind in ((nodes, "EC2_LINUX"), (person, "STANDARD")):
        entry = {"accessEntry": {"principalArn": arn, "type": kind, "kubernetesGroups": []}}
        cloud.say(f"/clusters/shop/access-entries/{arn.replace(':', '%3A').replace('/', '%2F')}", entry)
    with passing(cloud):
        make_role("karpenter")
        documents, gaps = described(frozenset({"ListEntitiesForPolicies"}))
    assert not gaps
    assert documents["ListEntitiesForPolicies"]["nodeRoles"] == ["karpenter"]
    assert documents["ListEntitiesForPolicies"]["nodeRolesComplete"] is False


def test_access_entries_alone_tell_all_roles_of_nodes(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    use_for_eks(cloud, monkeypatch)
    make_role("workers")
    role = f"arn:aws:iam::{ACCOUNT}:role/workers"
    compute = {"computeConfig": {"nodeRoleArn": role}}
    cloud.say("/clusters/shop", {"cluster": {"name": "shop", "accessConfig": {"authenticationMode": "API"}, **compute}})
    cloud.say("/clusters/shop/node-groups", {"nodegroups": []})
    cloud.say("/clusters/shop/access-entries", {"accessEntries": []})
    with passing(cloud):
        documents, gaps = described(frozenset({"ListEntitiesForPolicies"}))
    assert not gaps
    found = documents["ListEntitiesForPolicies"]
    assert (found["nodeRoles"], found["nodeRolesComplete"]) == (["workers"], True)


def test_roles_that_the_cluster_knows() -> None:
    make_cluster()
    make_role("own")
    mapped = [f"arn:aws:iam::{ACCOUNT}:role/own", "arn:aws:iam::210987654321:role/foreign"]
    (document,) = describe(SHOP, {"ListEntitiesForPolicies"}, mapped=mapped)
    assert isinstance(document, dict)
    assert (document["data"]["nodeRoles"], document["data"]["nodeRolesComplete"]) == (["own"], True)


def test_a_server_that_stumbles_is_asked_again_and_not_for_ever(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    use_for_eks(cloud, monkeypatch)
    stumble = Answer({"message": "later"}, 503)
    with passing(cloud):
        cloud.say("/clusters/shop", stumble, Answer({"cluster": {"name": "shop"}}))
        assert described(frozenset({"ClusterDescribe"})) == ({"ClusterDescribe": {"cluster": {"name": "shop"}}}, [])
        assert cloud.questions("/clusters/shop") == 2
        cloud.say("/clusters/shop", stumble)
        documents, gaps = described(frozenset({"ClusterDescribe"}))
    assert not documents
    assert [gap.permission for gap in gaps] == ["allow eks:DescribeCluster"]
    assert cloud.questions("/clusters/shop") == 5
