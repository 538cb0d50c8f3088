"""Which cluster of which cloud is meant, as the clouds name them, and what they tell of it. Values only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from kubekeep.model.control import PLATFORMS, Provider

CLUSTER: Final = "ClusterDescribe"
REPOSITORIES: Final = "DescribeRepositories"
ENTITIES: Final = "ListEntitiesForPolicies"
POLICIES: Final = "PolicyVersion"

DOCUMENTS: Final[Mapping[Provider, tuple[str, ...]]] = {
    "eks": (CLUSTER, REPOSITORIES, ENTITIES, POLICIES),
    "aks": (CLUSTER, ENTITIES, POLICIES),
    "gke": (CLUSTER, REPOSITORIES, ENTITIES),
}
"""The kinds of documents about a cluster that there are for each platform."""
GROUPS: Final[Mapping[Provider, str]] = {provider: group for group, provider in PLATFORMS.items()}
"""The API group of the documents of each platform."""

FORMS: Final = (
    "eks/REGION/NAME, aks/SUBSCRIPTION/GROUP/NAME or gke/PROJECT/LOCATION/NAME, "
    "an ARN, a resource ID of Azure or projects/PROJECT/locations/LOCATION/clusters/NAME"
)
"""How people may name a cluster."""
_AZURE: Final = r"providers/Microsoft\.ContainerService/managedClusters"
_WORD: Final = r"[A-Za-z0-9][\w.():-]{0,127}"
_PATTERNS: Final[tuple[tuple[Provider, str], ...]] = (
    ("eks", r"arn:aws[a-z-]*:eks:(?P<place>[a-z0-9-]+):\d{12}:cluster/(?P<name>WORD)"),
    ("eks", r"eks/(?P<place>[a-z0-9-]+)/(?P<name>WORD)"),
    ("aks", rf"(?i:/subscriptions/(?P<account>WORD)/resourceGroups/(?P<place>WORD)/{_AZURE}/(?P<name>WORD))"),
    ("aks", r"aks/(?P<account>WORD)/(?P<place>WORD)/(?P<name>WORD)"),
    ("gke", r"projects/(?P<account>WORD)/(?:locations|zones)/(?P<place>WORD)/clusters/(?P<name>WORD)"),
    ("gke", r"gke/(?P<account>WORD)/(?P<place>WORD)/(?P<name>WORD)"),
)


class CloudCluster(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster of a managed platform.

    `account` is the subscription of Azure or the project of Google; AWS has none to name. `place` is the region of AWS,
    the resource group of Azure, or the region or zone of Google. Where `name` is empty, the cluster is the one of its
    account with the `node_group` (the resource group of an AKS cluster's nodes) or the `endpoint` (host of the API
    server of a GKE cluster).
    """

    provider: Provider
    name: str = ""
    place: str = ""
    account: str = ""
    node_group: str = ""
    endpoint: str = ""

    def __str__(self) -> str:
        if self.name:
            return "/".join(filter(None, (self.provider, self.account, self.place, self.name)))
        told = f"nodes in {self.node_group}" if self.node_group else f"endpoint {self.endpoint}"
        return f"{self.provider}/{self.account} ({told})"


class AzureCloud(msgspec.Struct, frozen=True, kw_only=True):
    """One of the clouds of Azure, which know nothing of one another: addresses without a slash at the end.

    `manager` is where Azure Resource Manager answers, `audience` what tokens for it are asked for (itself where it is
    empty), `authority` who gives them (empty for the one that the SDK finds). It is known by `names` that tools of
    Azure call it, by what the names of its API servers end in, and by what its regions begin with.
    """

    manager: str
    audience: str = ""
    authority: str = ""
    names: tuple[str, ...] = ()
    servers: str = ""
    regions: tuple[str, ...] = ()


AZURE_PUBLIC: Final = AzureCloud(
    manager="https://management.azure.com",
    names=("AzureCloud", "AzurePublicCloud", "AZURE_PUBLIC_CLOUD", "login.microsoftonline.com"),
    servers=".azmk8s.io",
)
AZURE_CLOUDS: Final = (
    AZURE_PUBLIC,
    AzureCloud(
        manager="https://management.usgovcloudapi.net",
        audience="https://management.core.usgovcloudapi.net",
        authority="https://login.microsoftonline.us",
        names=("AzureUSGovernment", "AzureUSGovernmentCloud", "AZURE_US_GOVERNMENT", "login.microsoftonline.us"),
        servers=".cx.aks.containerservice.azure.us",
        regions=("usgov", "usdod"),
    ),
    AzureCloud(
        manager="https://management.chinacloudapi.cn",
        authority="https://login.chinacloudapi.cn",
        names=("AzureChinaCloud", "AZURE_CHINA_CLOUD", "login.chinacloudapi.cn"),
        servers=".cx.prod.service.azk8s.cn",
        regions=("china",),
    ),
)
"""What Azure's SDK and command line have for each cloud (azure-core, AzureClouds; `az cloud list`)."""


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where Azure and Google are asked; each an address without a slash at the end. AWS's SDK knows its own.

    Google's are those of its public cloud; credentials of another universe of Google have the same there.
    """

    azure: AzureCloud = AZURE_PUBLIC
    container: str = "https://container.googleapis.com"
    artifacts: str = "https://artifactregistry.googleapis.com"
    projects: str = "https://cloudresourcemanager.googleapis.com"


class CloudRequest(msgspec.Struct, frozen=True, kw_only=True):
    """That the cloud is to be asked, about this `cluster` or else the one that the cluster itself tells of.

    `profile` is the one of the configuration of AWS's command line; empty for the default.
    """

    cluster: CloudCluster | None = None
    profile: str = ""
    endpoints: Endpoints = Endpoints()


def find_azure_cloud(name: str) -> AzureCloud | None:
    """The cloud that a tool of Azure calls `name`; None for one that is not known."""
    return next((cloud for cloud in AZURE_CLOUDS if name in cloud.names), None)


def parse_cluster(text: str) -> CloudCluster:
    """The cluster that people call `text`. Raises ValueError that says how one is named."""
    for provider, pattern in _PATTERNS:
        if match := re.fullmatch(pattern.replace("WORD", _WORD), text):
            return CloudCluster(provider=provider, **match.groupdict())
    raise ValueError(f"{text!r} names no cluster of a cloud: write {FORMS}")
