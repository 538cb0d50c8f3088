"""Cloud documents: every control of a platform gets a verdict, from documents and in scans of a live cluster.

The clouds are moto and a local server for Azure and Google; the cluster is a real API server.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from moto import mock_aws

from kubekeep.kube.access import ClusterRequest
from kubekeep.kube.kubeconfig import Kubeconfig
from kubekeep.library.load import builtin
from kubekeep.model.assessment import Assessment, DefinitionSummary
from kubekeep.model.cloud import GROUPS, CloudCluster, CloudRequest
from kubekeep.model.cluster import ClusterFacts, CoverageGap
from kubekeep.model.control import Provider
from kubekeep.model.verdict import Cause, Status
from kubekeep.usecases.cloud import describe_cluster
from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.cluster.access import User, write_kubeconfig
from tests.cluster.client import Refused
from tests.cluster.cluster import Cluster, eventually
from tests.reports.rendering import render_text
from tests.sources.cloud import amazon, azure, google
from tests.sources.cloud.service import Cloud, CloudResponse, log_in, route_all_hosts, run_cloud

EKS = CloudCluster(provider="eks", location=amazon.REGION, name="shop")
AKS = CloudCluster(provider="aks", account=azure.SUBSCRIPTION, location="shops", name="shop")
GKE = CloudCluster(provider="gke", account=google.PROJECT, location="europe-west1", name="shop")
ARN = f"arn:aws:eks:{amazon.REGION}:{amazon.ACCOUNT}:cluster/shop"
AWS_NODE = f"aws:///{amazon.REGION}a/i-0123456789abcdef0"
AZURE_NODE = (
    f"azure://{azure.ROOT}/resourceGroups/mc_shops_shop_westeurope/providers/Microsoft.Compute/virtualMachines/vm"
)
GOOGLE_NODE = f"gce://{google.PROJECT}/europe-west1-b/gke-shop-default-pool-1a2b-c3d4"


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    folder = tmp_path / "clouds"
    folder.mkdir()
    with run_cloud(folder) as server:
        log_in(server, tmp_path, monkeypatch)
        azure.answer_all(server)
        google.answer_all(server)
        yield server


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        amazon.make_cluster(node_role=amazon.make_role("workers"))
        yield


def summary(assessment: Assessment, number: str) -> DefinitionSummary:
    (match,) = [entry for entry in assessment.summaries if number in entry.definition.ids]
    return match


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("cluster", [EKS, AKS, GKE], ids=lambda cluster: cluster.provider)
def test_every_control_of_a_platform_is_evaluated(cluster: CloudCluster, cloud: Cloud, tmp_path: Path) -> None:
    documents = list(describe_cluster(CloudRequest(cluster=cluster, endpoints=cloud.endpoints), mapped=()))
    assert not [document for document in documents if isinstance(document, CoverageGap)]
    (tmp_path / "cloud.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": documents}))
    concerned_controls = {
        control.slug for control in builtin().controls.values() if list_kinds(control.targets, cluster.provider)
    }
    assert len(concerned_controls) > 8
    assessment = scan(
        ScanRequest(ScanInput(paths=(str(tmp_path / "cloud.yaml"),)), rules=RuleOptions(provider=cluster.provider))
    )
    reasons = {
        entry.definition.slug: entry.reason
        for entry in assessment.summaries
        if entry.definition.slug in concerned_controls and entry.status is Status.NOT_EVALUATED
    }
    assert reasons == {}


def list_kinds(targets: tuple[str, ...], provider: Provider) -> bool:
    return any(target.partition("/")[0] == GROUPS[provider] for target in targets)


NO_KEYS = {"masterAuth": {"clusterCaCertificate": "authority"}}
OPEN: dict[str, Any] = {"masterAuthorizedNetworksConfig": {}, "privateClusterConfig": {}}


@pytest.mark.parametrize(
    ("cluster", "change", "control", "expected"),
    [
        (AKS, {"networkProfile": {"networkPlugin": "kubenet"}}, "aks-network-policy", Status.FAILED),
        (AKS, {}, "aks-network-policy", Status.PASSED),
        (AKS, {"apiServerAccessProfile": {}}, "aks-endpoint-restricted", Status.FAILED),
        (AKS, {}, "aks-endpoint-restricted", Status.PASSED),
        (AKS, {}, "acr-read-only-cluster", Status.PASSED),
        # A masked key counts as a key.
        (GKE, {}, "gke-client-certificates", Status.FAILED),
        (GKE, NO_KEYS, "gke-client-certificates", Status.PASSED),
        (GKE, OPEN, "eks-endpoint-restricted", Status.FAILED),
        (GKE, {}, "eks-endpoint-restricted", Status.PASSED),
        (GKE, {}, "ecr-read-only-nodes", Status.PASSED),
        (GKE, {}, "registry-image-scanning", Status.PASSED),
    ],
)
def test_verdicts_follow_the_cloud_documents(
    cluster: CloudCluster, change: dict[str, Any], control: str, expected: Status, cloud: Cloud, tmp_path: Path
) -> None:
    azure.answer_all(cloud, **(change if cluster is AKS else {}))
    google.answer_all(cloud, **(change if cluster is GKE else {}))
    documents = list(describe_cluster(CloudRequest(cluster=cluster, endpoints=cloud.endpoints)))
    (tmp_path / "cloud.yaml").write_text(yaml.safe_dump_all(documents))
    assessment = scan(
        ScanRequest(ScanInput(paths=(str(tmp_path / "cloud.yaml"),)), rules=RuleOptions(controls=(control,)))
    )
    assert [entry.status for entry in assessment.summaries] == [expected]


def node(machine: str, **labels: str) -> dict[str, Any]:
    metadata = {"name": "worker", "labels": labels}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"providerID": machine}}


Scan = Callable[..., Assessment]


_ADDED: Final = (
    "/api/v1/nodes/worker",
    "/api/v1/namespaces/kube-system/configmaps/aws-auth",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/clusterversions.config.openshift.io",
)
"""Objects that tests add to the cluster."""


@pytest.fixture
def shared_cluster(module_cluster: Cluster) -> Iterator[Cluster]:
    """Yield the cluster of this module, without nodes, and remove what the test has added to it."""
    yield module_cluster
    for path in _ADDED:
        with contextlib.suppress(Refused):
            module_cluster.admin("DELETE", path)
    eventually(
        lambda: "config.openshift.io" not in {each["name"] for each in module_cluster.admin("GET", "/apis")["groups"]}
    )


@pytest.fixture
def scanned(shared_cluster: Cluster, tmp_path: Path) -> Scan:
    """Return a scan of the cluster through a kubeconfig with a context of this name."""

    def run(context: str, cloud: CloudRequest | None, *controls: str) -> Assessment:
        file = tmp_path / "kubeconfig"
        admin = User(context, shared_cluster.layout.pair("admin"))
        write_kubeconfig(file, shared_cluster.address, shared_cluster.authority, [admin])
        access = Kubeconfig((str(file),)).get_access()
        return scan(
            ScanRequest(
                ScanInput(paths=(), cluster=ClusterRequest(access=access), cloud=cloud),
                rules=RuleOptions(controls=controls),
            )
        )

    return run


def facts(assessment: Assessment) -> ClusterFacts:
    assert assessment.target.cluster is not None
    return assessment.target.cluster


@pytest.mark.usefixtures("aws")
def test_eks_controls_are_evaluated_with_cloud_data(shared_cluster: Cluster, scanned: Scan) -> None:
    shared_cluster.apply([node(AWS_NODE)])
    undescribed = scanned(ARN, None, "C-0228", "C-0223")
    assert facts(undescribed).distribution == "eks"
    assert {entry.reason.cause for entry in undescribed.controls if entry.reason} == {Cause.NEEDS_CLOUD_DATA}
    assert all("scan the cluster with --cloud" in entry.reason.text for entry in undescribed.controls if entry.reason)
    described = scanned(ARN, CloudRequest(), "C-0228", "C-0223")
    assert summary(described, "C-0223").status is Status.PASSED
    assert summary(described, "C-0228").status is Status.FAILED
    assert [result.subject.label for result in described.results if "eks-private-endpoint-only" in result.verdicts] == [
        "ClusterDescribe shop"
    ]
    assert not described.unread

    amazon.make_role("pushing", inline=["ecr:PutImage"])
    arn = f"arn:aws:iam::{amazon.ACCOUNT}:role/pushing"
    roles = [{"rolearn": arn, "username": "system:node:{{EC2PrivateDNSName}}", "groups": ["system:nodes"]}]
    aws_auth = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "aws-auth", "namespace": "kube-system"},
        "data": {"mapRoles": yaml.safe_dump(roles)},
    }
    shared_cluster.apply([aws_auth])
    assert summary(scanned(ARN, CloudRequest(), "C-0223"), "C-0223").status is Status.FAILED


def test_azure_and_google_controls_are_evaluated_with_cloud_data(
    shared_cluster: Cluster, scanned: Scan, cloud: Cloud
) -> None:
    request = CloudRequest(endpoints=cloud.endpoints)
    shared_cluster.apply([node(AZURE_NODE)])
    assert summary(scanned("work", None, "C-0240"), "C-0240").status is Status.NOT_EVALUATED
    assert cloud.requests == [], "a cloud is queried on request only"
    assert summary(scanned("work", request, "C-0240"), "C-0240").status is Status.PASSED
    assert cloud.count_requests(azure.CLUSTER) == 0, "the list of clusters is sufficient"

    refusal = CloudResponse({"error": {"code": "AuthorizationFailed", "message": "no"}}, 403)
    cloud.respond(f"{azure.ROOT}/{azure.CLUSTERS}", refusal)
    refused = scanned("work", request, "C-0240")
    reason = summary(refused, "C-0240").reason
    assert reason is not None
    assert reason.cause is Cause.NEEDS_CLOUD_DATA
    assert reason.text.endswith("could not be read: allow Microsoft.ContainerService/managedClusters/read")
    (unread,) = refused.unread
    assert unread.message == "403 AuthorizationFailed: no"
    text = render_text("pretty", refused)
    assert "Some data of the cloud could not be read" in text
    assert "--dry-run" not in text, "cluster permissions are irrelevant here"

    shared_cluster.delete(node(AZURE_NODE))
    shared_cluster.apply([node(GOOGLE_NODE)])
    google.answer_all(cloud, endpoint="127.0.0.1")
    described = scanned("work", request, "C-0228")
    assert summary(described, "C-0228").status is not Status.NOT_EVALUATED
    assert facts(described).distribution == "gke"

    shared_cluster.delete(node(GOOGLE_NODE))
    unknown = scanned("work", request, "C-0240")
    assert [unread.message for unread in unknown.unread] == ["the cluster of the cloud provider cannot be identified"]
    named = scanned("work", CloudRequest(cluster=AKS, endpoints=cloud.endpoints), "C-0240")
    assert summary(named, "C-0240").status is Status.PASSED


def test_sovereign_azure_cloud_is_queried_at_its_address(
    shared_cluster: Cluster, scanned: Scan, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure.answer_all(cloud, address="https://management.chinacloudapi.cn")
    shared_cluster.apply([node(AZURE_NODE, **{"topology.kubernetes.io/region": "chinaeast2"})])
    with route_all_hosts(cloud, monkeypatch) as hosts:
        assessment = scanned("work", CloudRequest(), "C-0240")
    assert summary(assessment, "C-0240").status is Status.PASSED
    assert set(hosts) == {"management.chinacloudapi.cn"}


def definition(kind: str, plural: str, group: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "scope": "Cluster",
            "versions": [version],
        },
    }


def test_openshift_is_recognised_with_its_version(shared_cluster: Cluster, scanned: Scan) -> None:
    shared_cluster.apply([definition("ClusterVersion", "clusterversions", "config.openshift.io"), node(AWS_NODE)])
    assert facts(scanned("work", None, "C-0228")).distribution_version == "", "no ClusterVersion exists yet"
    history = [{"state": "Partial", "version": "4.17.0"}, {"state": "Completed", "version": "4.16.3"}]
    shared_cluster.apply(
        [
            {
                "apiVersion": "config.openshift.io/v1",
                "kind": "ClusterVersion",
                "metadata": {"name": "version"},
                "status": {"desired": {"version": "4.17.0"}, "history": history},
            }
        ]
    )
    cluster_facts = facts(scanned("work", None, "C-0228"))
    assert (cluster_facts.distribution, cluster_facts.distribution_version) == ("openshift", "4.16.3")
