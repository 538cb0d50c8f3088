"""Names of managed clusters: each accepted form identifies one cluster, and all other text is rejected."""

from __future__ import annotations

import pytest

from kubekeep.model.cloud import CloudCluster, parse_cluster

EKS = CloudCluster(provider="eks", location="eu-west-1", name="shop")
AKS = CloudCluster(provider="aks", account="26fe00f8", location="shops_1", name="shop")
GKE = CloudCluster(provider="gke", account="example.com:shop", location="europe-west1", name="shop")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("arn:aws:eks:eu-west-1:123456789012:cluster/shop", EKS),
        ("arn:aws-us-gov:eks:eu-west-1:123456789012:cluster/shop", EKS),
        ("eks/eu-west-1/shop", EKS),
        (
            "/subscriptions/26fe00f8/resourceGroups/shops_1/providers/Microsoft.ContainerService/managedClusters/shop",
            AKS,
        ),
        (
            "/subscriptions/26fe00f8/resourcegroups/shops_1/providers/microsoft.containerservice/managedclusters/shop",
            AKS,
        ),
        ("aks/26fe00f8/shops_1/shop", AKS),
        ("projects/example.com:shop/locations/europe-west1/clusters/shop", GKE),
        ("projects/example.com:shop/zones/europe-west1/clusters/shop", GKE),
        ("gke/example.com:shop/europe-west1/shop", GKE),
    ],
)
def test_accepted_forms(text: str, expected: CloudCluster) -> None:
    assert parse_cluster(text) == expected


@pytest.mark.parametrize("cluster", [EKS, AKS, GKE])
def test_display_name_is_accepted(cluster: CloudCluster) -> None:
    assert parse_cluster(str(cluster)) == cluster


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop",
        "eks/shop",
        "eks//shop",
        "eks/eu-west-1/../../shop",
        "eks/eu-west-1/shop?x=1",
        "eks/eu-west-1/shop\n",
        "aks/s/../n",
        "gke/p/l/n#f",
        "oke/p/l/n",
        "arn:aws:s3:::bucket",
        "eks/eu-west-1/" + "a" * 200,
    ],
)
def test_other_text_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="is not a managed cluster: use eks/REGION/NAME"):
        parse_cluster(text)
