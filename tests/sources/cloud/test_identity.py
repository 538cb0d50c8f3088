"""Identification of managed clusters from kubeconfigs of the clouds' tools, and from Nodes."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.kube.access import ClusterAccess, ClusterLogin, Plugin
from kubekeep.model.cloud import CloudCluster
from kubekeep.sources.cloud.identity import ClusterHints, detect_azure_cloud, find_aws_profile, identify

EKS = CloudCluster(provider="eks", location="eu-west-1", name="shop")
CHINA = CloudCluster(provider="eks", location="cn-north-1", name="shop")
CHINA_SERVER = "https://0123456789ABCDEF.yl4.cn-north-1.eks.amazonaws.com.cn"
GOVERNMENT = CloudCluster(provider="eks", location="us-gov-west-1", name="shop")
SERVER = "https://0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com"


def access(
    name: str = "work", server: str = "https://10.0.0.1", *args: str, env: tuple[tuple[str, str], ...] = ()
) -> ClusterAccess:
    plugin = Plugin(api_version="client.authentication.k8s.io/v1beta1", command="aws", args=args, env=env)
    return ClusterAccess(name=name, server=server, login=ClusterLogin(plugin=plugin) if args else ClusterLogin())


def node(machine: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"labels": labels}, "spec": {"providerID": machine}}


AWS = node("aws:///eu-west-1a/i-0123456789abcdef0")
LOCAL_ZONE = node("aws:///us-west-2-lax-1a/i-0123456789abcdef0", **{"alpha.eksctl.io/cluster-name": "shop"})
AZURE = node(
    "azure:///subscriptions/26fe00f8/resourceGroups/mc_shops_shop_westeurope/providers/Microsoft.Compute/"
    "virtualMachineScaleSets/aks-pool1-1-vmss/virtualMachines/0"
)
GOOGLE = node("gce://shop-prod/europe-west1-b/gke-shop-default-pool-1a2b-c3d4")


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        (ClusterHints(access("arn:aws:eks:eu-west-1:123456789012:cluster/shop")), EKS),
        (ClusterHints(access("me@shop.eu-west-1.eksctl.io")), EKS),
        (
            ClusterHints(access("work", SERVER, "eks", "get-token", "--cluster-name", "shop", "--region", "eu-west-1")),
            EKS,
        ),
        (
            ClusterHints(access("work", "https://x", "--region=eu-west-1", "eks", "get-token", "--cluster-name=shop")),
            EKS,
        ),
        (ClusterHints(access("work", SERVER, "token", "-i", "shop")), EKS),
        (ClusterHints(access("work", "https://x", "token", "-i", "shop", env=(("AWS_REGION", "eu-west-1"),))), EKS),
        (ClusterHints(access("work", "https://x", "token", "-i", "shop"), AWS), EKS),
        (
            ClusterHints(
                access("in-cluster"), node("aws:///eu-west-1b/i-0", **{"alpha.eksctl.io/cluster-name": "shop"})
            ),
            EKS,
        ),
        (ClusterHints(access("work", "https://x.eks-cluster.eu-west-1.api.aws", "token", "-i", "shop")), EKS),
        (ClusterHints(access("work", CHINA_SERVER, "token", "-i", "shop")), CHINA),
        (
            ClusterHints(access("work", "https://x.cn-north-1.api.amazonwebservices.com.cn", "token", "-i", "shop")),
            CHINA,
        ),
        (ClusterHints(access("arn:aws-cn:eks:cn-north-1:123456789012:cluster/shop")), CHINA),
        (ClusterHints(access("work", "https://x", "token", "-i", "shop"), node("aws:///cn-north-1a/i-0")), CHINA),
        (ClusterHints(access("arn:aws-us-gov:eks:us-gov-west-1:123456789012:cluster/shop")), GOVERNMENT),
        (
            ClusterHints(access("work", "https://x", "token", "-i", "shop"), node("aws:///us-gov-west-1b/i-0")),
            GOVERNMENT,
        ),
        (
            ClusterHints(access("work", "https://x.gr7.eusc-de-east-1.eks.amazonaws.eu", "token", "-i", "shop")),
            CloudCluster(provider="eks", location="eusc-de-east-1", name="shop"),
        ),
        (
            ClusterHints(access("in-cluster"), LOCAL_ZONE),
            CloudCluster(provider="eks", location="us-west-2", name="shop"),
        ),
        (
            ClusterHints(access("gke_shop-prod_europe-west1_shop")),
            CloudCluster(provider="gke", account="shop-prod", location="europe-west1", name="shop"),
        ),
        (
            ClusterHints(
                access("work", "https://203.0.113.7:443"), node("gce://eu0:shop-prod/u-germany-northeast1-a/gke-shop")
            ),
            CloudCluster(provider="gke", account="eu0:shop-prod", endpoint="203.0.113.7"),
        ),
        (
            ClusterHints(access("work", "https://203.0.113.7:443"), GOOGLE),
            CloudCluster(provider="gke", account="shop-prod", endpoint="203.0.113.7"),
        ),
        (
            ClusterHints(access("shop"), AZURE),
            CloudCluster(provider="aks", account="26fe00f8", node_group="mc_shops_shop_westeurope"),
        ),
    ],
)
def test_clusters(hints: ClusterHints, expected: CloudCluster) -> None:
    assert identify(hints) == expected


@pytest.mark.parametrize(
    "hints",
    [
        ClusterHints(access("kind-kind")),
        ClusterHints(access("in-cluster"), AWS),
        ClusterHints(access("work", "https://x", "token", "-i", "shop")),
        ClusterHints(access("work", "https://x", "token", "-i")),
        ClusterHints(access("work"), node("kind://docker/kind/worker")),
        # No cloud assigns such a name.
        ClusterHints(access("work"), node("aws:///eu-west-1b/i-0", **{"alpha.eksctl.io/cluster-name": "../../iam"})),
        ClusterHints(access("work"), node("gce://../../x/y")),
        ClusterHints(access("work"), {"metadata": {"labels": None}, "spec": None}),
        # Context names are arbitrary.
        ClusterHints(access("gke_shop-prod_europe-west1_shop"), AWS),
    ],
)
def test_unknown_clusters(hints: ClusterHints) -> None:
    assert identify(hints) is None


GOV_SERVER = "https://shop-1a2b3c4d.hcp.usgovvirginia.cx.aks.containerservice.azure.us:443"
LOGIN = ("get-token", "--environment")


@pytest.mark.parametrize(
    ("hints", "name"),
    [
        (ClusterHints(access("shop", "https://shop-1a2b3c4d.hcp.westeurope.azmk8s.io:443")), "AzureCloud"),
        (ClusterHints(access("shop", GOV_SERVER)), "AzureUSGovernment"),
        (ClusterHints(access("shop", "https://a.privatelink.chinaeast2.cx.prod.service.azk8s.cn")), "AzureChinaCloud"),
        (ClusterHints(access("shop", "https://10.0.0.1", *LOGIN, "AzureUSGovernmentCloud")), "AzureUSGovernment"),
        (ClusterHints(access("shop", "https://10.0.0.1", *LOGIN, "AzureChinaCloud")), "AzureChinaCloud"),
        (
            ClusterHints(access("shop"), node("azure:///x", **{"topology.kubernetes.io/region": "usdodeast"})),
            "AzureUSGovernment",
        ),
        (
            ClusterHints(access("shop"), node("azure:///x", **{"topology.kubernetes.io/region": "chinanorth3"})),
            "AzureChinaCloud",
        ),
        # The address of the API server takes precedence over the Node.
        (
            ClusterHints(access("shop", GOV_SERVER), node("x", **{"topology.kubernetes.io/region": "chinaeast"})),
            "AzureUSGovernment",
        ),
    ],
)
def test_azure_clouds(hints: ClusterHints, name: str) -> None:
    azure_cloud = detect_azure_cloud(hints)
    assert azure_cloud is not None
    assert azure_cloud.names[0] == name


@pytest.mark.parametrize(
    "hints",
    [
        ClusterHints(access("shop"), AZURE),
        ClusterHints(access("shop"), node("azure:///x", **{"topology.kubernetes.io/region": "westeurope"})),
        ClusterHints(access("shop", "https://azmk8s.io.example")),
        ClusterHints(access("shop", "https://10.0.0.1", *LOGIN, "AzureStackCloud")),
    ],
)
def test_unknown_azure_cloud(hints: ClusterHints) -> None:
    assert detect_azure_cloud(hints) is None


def test_aws_profile_of_kubeconfig() -> None:
    assert find_aws_profile(access()) == ""
    assert find_aws_profile(access("work", SERVER, "eks", "get-token", env=(("AWS_PROFILE", "prod"),))) == "prod"
    assert find_aws_profile(access("work", SERVER, "eks", "get-token", "--profile", "prod")) == "prod"
