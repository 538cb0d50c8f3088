"""What its cloud tells of a managed cluster. Asks the cloud, as the user that its SDK finds; never judges."""

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

_NAME_IT: Final = "name the cluster with --cloud-cluster"


def described(
    request: CloudRequest, kinds: AbstractSet[str] | None = None, mapped: Sequence[str] | None = None
) -> Iterator[dict[str, Any] | CoverageGap]:
    """The documents about the cluster of `request`, and a gap for each one that cannot be had.

    `kinds` (`eks.amazonaws.com/ClusterDescribe`) are those that are wanted; None for all. `mapped` are the ARNs of
    roles of nodes that a cluster of EKS itself knows; None if it was not asked.
    """
    cluster = request.cluster
    if cluster is None:
        raise ValueError("no cluster is named")
    wanted = _wanted(cluster.provider, kinds)
    if not wanted:
        return
    match cluster.provider:
        case "eks":
            yield from eks.describe(cluster, wanted, request.profile, mapped)
        case "aks":
            yield from aks.describe(cluster, wanted, request.endpoints.azure)
        case "gke":
            yield from gke.describe(cluster, wanted, request.endpoints)


def described_live(
    request: CloudRequest, hints: ClusterHints, connection: KubeConnection, kinds: AbstractSet[str]
) -> Iterator[dict[str, Any] | CoverageGap]:
    """The same about the live cluster at the end of `connection`: the one of `hints`, where `request` names none."""
    cluster = request.cluster or identify(hints)
    if cluster is None:
        known: Iterable[Provider] = DOCUMENTS if hints.provider is None else (hints.provider,)
        for provider in known:
            yield from create_gaps(
                provider, _wanted(provider, kinds), _NAME_IT, "which cluster of a cloud it is, nothing tells"
            )
        return
    profile = request.profile or find_aws_profile(hints.access)
    mapped = read_mapped_node_roles(connection) if cluster.provider == "eks" else None
    azure = detect_azure_cloud(hints) or request.endpoints.azure
    endpoints = msgspec.structs.replace(request.endpoints, azure=azure)
    told = msgspec.structs.replace(request, cluster=cluster, profile=profile, endpoints=endpoints)
    yield from described(told, kinds, mapped)


def _wanted(provider: Provider, kinds: AbstractSet[str] | None) -> frozenset[str]:
    """The kinds of documents of a platform that are wanted, without their group."""
    return frozenset(kind for kind in DOCUMENTS[provider] if kinds is None or f"{GROUPS[provider]}/{kind}" in kinds)
