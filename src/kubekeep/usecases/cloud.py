"""Documents about a managed cluster from its cloud provider, with the user's own credentials. Never evaluates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from kubekeep.kube.connection import KubeConnection
from kubekeep.model.cloud import DOCUMENTS, GROUPS, CloudRequest
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.control import Provider
from kubekeep.sources.cloud import aks, eks, gke
from kubekeep.sources.cloud.documents import create_gaps
from kubekeep.sources.cloud.eks import read_mapped_node_roles
from kubekeep.sources.cloud.identity import ClusterHints, detect_azure_cloud, find_aws_profile, identify

_NAME_CLUSTER: Final = "name the cluster with --cloud-cluster"


def describe_cluster(
    request: CloudRequest, kinds: AbstractSet[str] | None = None, mapped: Sequence[str] | None = None
) -> Iterator[dict[str, Any] | CoverageGap]:
    """Yield the documents about the cluster of `request`, and a gap for each document that cannot be read.

    `kinds` restricts the documents (`eks.amazonaws.com/ClusterDescribe`); None for all. `mapped` are the node role ARNs
    from the `aws-auth` mapping of an EKS cluster; None if it was not read. Raises ValueError without a cluster name.
    """
    cluster = request.cluster
    if cluster is None:
        raise ValueError("no cluster is named")
    names = _select_kinds(cluster.provider, kinds)
    if not names:
        return
    match cluster.provider:
        case "eks":
            yield from eks.describe(cluster, names, request.profile, mapped)
        case "aks":
            yield from aks.describe(cluster, names, request.endpoints.azure)
        case "gke":
            yield from gke.describe(cluster, names, request.endpoints)


def describe_live_cluster(
    request: CloudRequest, hints: ClusterHints, connection: KubeConnection, kinds: AbstractSet[str]
) -> Iterator[dict[str, Any] | CoverageGap]:
    """Yield the documents of `describe_cluster` for the live cluster of `connection`.

    `hints` identify the cluster if `request` does not name it; if they do not suffice, all documents are gaps.
    """
    cluster = request.cluster or identify(hints)
    if cluster is None:
        providers: Iterable[Provider] = DOCUMENTS if hints.provider is None else (hints.provider,)
        for provider in providers:
            yield from create_gaps(
                provider,
                _select_kinds(provider, kinds),
                _NAME_CLUSTER,
                "the cluster of the cloud provider cannot be identified",
            )
        return
    profile = request.profile or find_aws_profile(hints.access)
    mapped = read_mapped_node_roles(connection) if cluster.provider == "eks" else None
    azure = detect_azure_cloud(hints) or request.endpoints.azure
    endpoints = msgspec.structs.replace(request.endpoints, azure=azure)
    identified = msgspec.structs.replace(request, cluster=cluster, profile=profile, endpoints=endpoints)
    yield from describe_cluster(identified, kinds, mapped)


def _select_kinds(provider: Provider, kinds: AbstractSet[str] | None) -> frozenset[str]:
    """Return the document kinds of a platform that `kinds` includes, without their group."""
    return frozenset(kind for kind in DOCUMENTS[provider] if kinds is None or f"{GROUPS[provider]}/{kind}" in kinds)
