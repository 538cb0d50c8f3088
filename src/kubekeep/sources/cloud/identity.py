"""Which cluster of which cloud a live cluster is: by its kubeconfig, and by its Nodes. Asks no cloud.

What a cluster says of itself is taken as a hint only: a name that no cloud would give is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from kubekeep.kube.access import ClusterAccess, Plugin
from kubekeep.model.cloud import AZURE_CLOUDS, AzureCloud, CloudCluster, find_azure_cloud, parse_cluster
from kubekeep.model.control import Provider
from kubekeep.model.distribution import detect_provider, get_provider_id

_REGION: Final = r"[a-z]{2,4}(?:-[a-z]+)+-\d"
_EKSCTL: Final = re.compile(r"(?:.*@)?(?P<name>[^@/]+)\.(?P<region>[a-z0-9-]+)\.eksctl\.io")
_GKE: Final = re.compile(r"gke_(?P<project>[^_]+)_(?P<location>[^_]+)_(?P<name>[^_]+)")
_EKS_SERVER: Final = re.compile(
    rf"https?://[^/]+\.(?P<region>{_REGION})\."
    r"(?:eks\.amazonaws\.(?:com|com\.cn|eu)|api\.aws|(?:api\.)?amazonwebservices\.(?:com\.cn|eu))(?::\d+)?"
)
"""The API servers of all partitions of AWS that EKS's documentation names (Cluster API server endpoint)."""
_AWS_MACHINE: Final = re.compile(rf"aws:///(?P<region>{_REGION})[a-z0-9-]*/.*")
_AZURE_MACHINE: Final = re.compile(
    r"azure:///subscriptions/(?P<subscription>[\w-]+)/resourceGroups/(?P<group>[\w.()-]+)/.*", re.IGNORECASE
)
_GOOGLE_MACHINE: Final = re.compile(r"gce://(?P<project>[a-z][\w.:-]*)/[^/]+/.*")
_EKSCTL_LABEL: Final = "alpha.eksctl.io/cluster-name"
_NAME_FLAGS: Final = ("--cluster-name", "--cluster-id", "-i")
"""How `aws eks get-token` and `aws-iam-authenticator token` are told the name of a cluster."""
_AZURE_FLAGS: Final = ("--environment", "-e")
"""How `kubelogin get-token` is told the cloud of Azure that a cluster is in."""
_REGION_LABEL: Final = "topology.kubernetes.io/region"


class Hints(msgspec.Struct, frozen=True):
    """What is known of a live cluster: how it is reached, and one of its Nodes, if it showed any."""

    access: ClusterAccess
    node: Mapping[str, Any] | None = None

    @property
    def provider(self) -> Provider | None:
        """The managed platform that the Node tells of."""
        return None if self.node is None else detect_provider(self.node)


def identify(hints: Hints) -> CloudCluster | None:
    """The cluster, or None where nothing tells which it is. What the Node says wins over names in a kubeconfig."""
    known = hints.provider
    found = (item for item in _found(hints) if known is None or item.provider == known)
    return next(found, None)


def profile_of(access: ClusterAccess) -> str:
    """The profile of AWS's command line with which the kubeconfig has credentials made; empty for the default."""
    plugin = access.login.plugin
    if plugin is None:
        return ""
    return _flag(plugin.args, ("--profile",)) or dict(plugin.env).get("AWS_PROFILE", "")


def azure_of(hints: Hints) -> AzureCloud | None:
    """The cloud of Azure that an AKS cluster is in; None where nothing tells.

    The name of the API server tells it, or how the kubeconfig has tokens made, or the region of the Node.
    """
    host = urlsplit(hints.access.server).hostname or ""
    plugin = hints.access.login.plugin
    named = find_azure_cloud("" if plugin is None else _flag(plugin.args, _AZURE_FLAGS))
    region = str(_labels(hints.node or {}).get(_REGION_LABEL) or "")
    by_host = (cloud for cloud in AZURE_CLOUDS if host.endswith(cloud.servers))
    by_region = (cloud for cloud in AZURE_CLOUDS if cloud.regions and region.startswith(cloud.regions))
    return next(by_host, None) or named or next(by_region, None)


def _found(hints: Hints) -> Iterator[CloudCluster]:
    context = hints.access.name
    names = [context] if context.startswith("arn:") else []
    if match := _GKE.fullmatch(context):
        names.append(f"gke/{match['project']}/{match['location']}/{match['name']}")
    if match := _EKSCTL.fullmatch(context):
        names.append(f"eks/{match['region']}/{match['name']}")
    names += _of_plugin(hints)
    node = hints.node or {}
    labels = _labels(node)
    if _EKSCTL_LABEL in labels:
        names.append(f"eks/{_region(hints)}/{labels[_EKSCTL_LABEL]}")
    for name in names:
        try:
            yield parse_cluster(name)
        except ValueError:
            continue
    if match := _AZURE_MACHINE.fullmatch(get_provider_id(node)):
        yield CloudCluster(provider="aks", account=match["subscription"], node_group=match["group"])
    host = urlsplit(hints.access.server).hostname
    if host and (match := _GOOGLE_MACHINE.fullmatch(get_provider_id(node))):
        yield CloudCluster(provider="gke", account=match["project"], endpoint=host)


def _labels(node: Mapping[str, Any]) -> Mapping[str, Any]:
    return (node.get("metadata") or {}).get("labels") or {}


def _of_plugin(hints: Hints) -> list[str]:
    """The name of an EKS cluster for which the kubeconfig has a token made."""
    plugin = hints.access.login.plugin
    name = "" if plugin is None else _flag(plugin.args, _NAME_FLAGS)
    if plugin is None or not name:
        return []
    return [name if name.startswith("arn:") else f"eks/{_plugin_region(plugin) or _region(hints)}/{name}"]


def _plugin_region(plugin: Plugin) -> str:
    env = dict(plugin.env)
    return _flag(plugin.args, ("--region",)) or env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or ""


def _region(hints: Hints) -> str:
    """The region of AWS, by the address of the API server or the machine of the Node; empty where neither tells."""
    match = _EKS_SERVER.fullmatch(hints.access.server) or _AWS_MACHINE.fullmatch(get_provider_id(hints.node or {}))
    return match["region"] if match else ""


def _flag(args: Sequence[str], names: Sequence[str]) -> str:
    """The value of the first flag of these names: the word behind it, or behind its equals sign."""
    for index, word in enumerate(args):
        flag, equals, value = word.partition("=")
        if flag in names:
            return value if equals else next(iter(args[index + 1 : index + 2]), "")
    return ""
