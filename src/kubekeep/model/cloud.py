"""Managed clusters by their names in each cloud, and the endpoints of cloud APIs. Values only."""

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
"""Kinds of documents about a cluster that each platform provides."""
GROUPS: Final[Mapping[Provider, str]] = {provider: group for group, provider in PLATFORMS.items()}
"""API group of the documents of each platform."""

FORMS: Final = (
    "eks/REGION/NAME, aks/SUBSCRIPTION/GROUP/NAME or gke/PROJECT/LOCATION/NAME, "
    "an ARN, a resource ID of Azure or projects/PROJECT/locations/LOCATION/clusters/NAME"
)
"""Accepted forms of a cluster name."""
_AZURE: Final = r"providers/Microsoft\.ContainerService/managedClusters"
_WORD: Final = r"[A-Za-z0-9][\w.():-]{0,127}"
_PATTERNS: Final[tuple[tuple[Provider, str], ...]] = (
    ("eks", r"arn:aws[a-z-]*:eks:(?P<location>[a-z0-9-]+):\d{12}:cluster/(?P<name>WORD)"),
    ("eks", r"eks/(?P<location>[a-z0-9-]+)/(?P<name>WORD)"),
    ("aks", rf"(?i:/subscriptions/(?P<account>WORD)/resourceGroups/(?P<location>WORD)/{_AZURE}/(?P<name>WORD))"),
    ("aks", r"aks/(?P<account>WORD)/(?P<location>WORD)/(?P<name>WORD)"),
    ("gke", r"projects/(?P<account>WORD)/(?:locations|zones)/(?P<location>WORD)/clusters/(?P<name>WORD)"),
    ("gke", r"gke/(?P<account>WORD)/(?P<location>WORD)/(?P<name>WORD)"),
)


class CloudCluster(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster of a managed platform.

    `account` is the subscription in Azure or the project in Google Cloud; AWS needs none. `location` is the region in AWS,
    the resource group in Azure, or the region or zone in Google Cloud. If `name` is empty, the cluster is identified
    within its account by `node_group` (the resource group of the nodes of an AKS cluster) or `endpoint` (host of the
    API server of a GKE cluster).
    """

    provider: Provider
    name: str = ""
    location: str = ""
    account: str = ""
    node_group: str = ""
    endpoint: str = ""

    def __str__(self) -> str:
        if self.name:
            return "/".join(filter(None, (self.provider, self.account, self.location, self.name)))
        locator = f"nodes in {self.node_group}" if self.node_group else f"endpoint {self.endpoint}"
        return f"{self.provider}/{self.account} ({locator})"


class AzureCloud(msgspec.Struct, frozen=True, kw_only=True):
    """One of Azure's separate clouds, with URLs that have no slash at the end.

    `manager` is the URL of Azure Resource Manager, `audience` the resource for its tokens (`manager` if empty),
    `authority` the issuer of tokens (chosen by the SDK if empty). The cloud is recognised by `names`, its names in
    Azure's tools, by `server_suffix` of its API servers and by `region_prefixes`.
    """

    manager: str
    audience: str = ""
    authority: str = ""
    names: tuple[str, ...] = ()
    server_suffix: str = ""
    region_prefixes: tuple[str, ...] = ()


AZURE_PUBLIC: Final = AzureCloud(
    manager="https://management.azure.com",
    names=("AzureCloud", "AzurePublicCloud", "AZURE_PUBLIC_CLOUD", "login.microsoftonline.com"),
    server_suffix=".azmk8s.io",
)
AZURE_CLOUDS: Final = (
    AZURE_PUBLIC,
    AzureCloud(
        manager="https://management.usgovcloudapi.net",
        audience="https://management.core.usgovcloudapi.net",
        authority="https://login.microsoftonline.us",
        names=("AzureUSGovernment", "AzureUSGovernmentCloud", "AZURE_US_GOVERNMENT", "login.microsoftonline.us"),
        server_suffix=".cx.aks.containerservice.azure.us",
        region_prefixes=("usgov", "usdod"),
    ),
    AzureCloud(
        manager="https://management.chinacloudapi.cn",
        authority="https://login.chinacloudapi.cn",
        names=("AzureChinaCloud", "AZURE_CHINA_CLOUD", "login.chinacloudapi.cn"),
        server_suffix=".cx.prod.service.azk8s.cn",
        region_prefixes=("china",),
    ),
)
"""Values from Azure's SDK and command line (azure-core, AzureClouds; `az cloud list`)."""


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Endpoints of Azure and Google Cloud, URLs without a slash at the end. AWS's SDK has its own.

    The defaults are Google's public cloud; other Google universes offer the same services under their own domain.
    """

    azure: AzureCloud = AZURE_PUBLIC
    container: str = "https://container.googleapis.com"
    artifacts: str = "https://artifactregistry.googleapis.com"
    projects: str = "https://cloudresourcemanager.googleapis.com"


class CloudRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to query the cloud about `cluster`; if None, about the live cluster, identified from its Nodes.

    `profile` is a profile of the AWS command line; empty for the default.
    """

    cluster: CloudCluster | None = None
    profile: str = ""
    endpoints: Endpoints = Endpoints()


def find_azure_cloud(name: str) -> AzureCloud | None:
    """Return the cloud with this name in Azure's tools; None if unknown."""
    return next((cloud for cloud in AZURE_CLOUDS if name in cloud.names), None)


def parse_cluster(text: str) -> CloudCluster:
    """Parse the name of a cluster. Raises ValueError with the accepted forms."""
    for provider, pattern in _PATTERNS:
        if match := re.fullmatch(pattern.replace("WORD", _WORD), text):
            return CloudCluster(provider=provider, **match.groupdict())
    raise ValueError(f"{text!r} is not a managed cluster: use {FORMS}")
