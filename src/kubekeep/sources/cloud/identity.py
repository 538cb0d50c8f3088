"""Identification of the managed cluster behind a live cluster, from its kubeconfig and a Node. Sends no requests.

Values from the cluster are hints only: names that no cloud would assign are ignored.
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
"""API servers in all AWS partitions (EKS docs, Cluster API server endpoint)."""
_AWS_PROVIDER_ID: Final = re.compile(rf"aws:///(?P<region>{_REGION})[a-z0-9-]*/.*")
_AZURE_PROVIDER_ID: Final = re.compile(
    r"azure:///subscriptions/(?P<subscription>[\w-]+)/resourceGroups/(?P<group>[\w.()-]+)/.*", re.IGNORECASE
)
_GOOGLE_PROVIDER_ID: Final = re.compile(r"gce://(?P<project>[a-z][\w.:-]*)/[^/]+/.*")
_EKSCTL_LABEL: Final = "alpha.eksctl.io/cluster-name"
_NAME_FLAGS: Final = ("--cluster-name", "--cluster-id", "-i")
"""Flags for the cluster name of `aws eks get-token` and `aws-iam-authenticator token`."""
_AZURE_FLAGS: Final = ("--environment", "-e")
"""Flags for the Azure cloud of `kubelogin get-token`."""
_REGION_LABEL: Final = "topology.kubernetes.io/region"


class ClusterHints(msgspec.Struct, frozen=True):
    """Data about a live cluster: its access, and one of its Nodes, if any could be read."""

    access: ClusterAccess
    node: Mapping[str, Any] | None = None

    @property
    def provider(self) -> Provider | None:
        """The managed platform derived from the Node."""
        return None if self.node is None else detect_provider(self.node)


def identify(hints: ClusterHints) -> CloudCluster | None:
    """Return the cluster, or None if it cannot be determined. The Node takes precedence over the kubeconfig."""
    provider = hints.provider
    matches = (cluster for cluster in _list_candidates(hints) if provider is None or cluster.provider == provider)
    return next(matches, None)


def find_aws_profile(access: ClusterAccess) -> str:
    """Return the AWS profile that the kubeconfig passes to its credential plugin, or "" for the default."""
    plugin = access.login.plugin
    if plugin is None:
        return ""
    return _find_flag(plugin.args, ("--profile",)) or dict(plugin.env).get("AWS_PROFILE", "")


def detect_azure_cloud(hints: ClusterHints) -> AzureCloud | None:
    """Return the Azure cloud of an AKS cluster, or None if it cannot be determined.

    Derived from the host of the API server, the plugin arguments in the kubeconfig, or the region of the Node.
    """
    host = urlsplit(hints.access.server).hostname or ""
    plugin = hints.access.login.plugin
    by_flag = find_azure_cloud("" if plugin is None else _find_flag(plugin.args, _AZURE_FLAGS))
    region = str(_get_labels(hints.node or {}).get(_REGION_LABEL) or "")
    by_host = (cloud for cloud in AZURE_CLOUDS if host.endswith(cloud.server_suffix))
    by_region = (cloud for cloud in AZURE_CLOUDS if cloud.region_prefixes and region.startswith(cloud.region_prefixes))
    return next(by_host, None) or by_flag or next(by_region, None)


def _list_candidates(hints: ClusterHints) -> Iterator[CloudCluster]:
    context = hints.access.name
    names = [context] if context.startswith("arn:") else []
    if match := _GKE.fullmatch(context):
        names.append(f"gke/{match['project']}/{match['location']}/{match['name']}")
    if match := _EKSCTL.fullmatch(context):
        names.append(f"eks/{match['region']}/{match['name']}")
    names += _list_plugin_clusters(hints)
    node = hints.node or {}
    labels = _get_labels(node)
    if _EKSCTL_LABEL in labels:
        names.append(f"eks/{_detect_region(hints)}/{labels[_EKSCTL_LABEL]}")
    for name in names:
        try:
            yield parse_cluster(name)
        except ValueError:
            continue
    if match := _AZURE_PROVIDER_ID.fullmatch(get_provider_id(node)):
        yield CloudCluster(provider="aks", account=match["subscription"], node_group=match["group"])
    host = urlsplit(hints.access.server).hostname
    if host and (match := _GOOGLE_PROVIDER_ID.fullmatch(get_provider_id(node))):
        yield CloudCluster(provider="gke", account=match["project"], endpoint=host)


def _get_labels(node: Mapping[str, Any]) -> Mapping[str, Any]:
    return (node.get("metadata") or {}).get("labels") or {}


def _list_plugin_clusters(hints: ClusterHints) -> list[str]:
    """Return the EKS clusters named in the arguments of the credential plugin."""
    plugin = hints.access.login.plugin
    name = "" if plugin is None else _find_flag(plugin.args, _NAME_FLAGS)
    if plugin is None or not name:
        return []
    return [name if name.startswith("arn:") else f"eks/{_get_plugin_region(plugin) or _detect_region(hints)}/{name}"]


def _get_plugin_region(plugin: Plugin) -> str:
    env = dict(plugin.env)
    return _find_flag(plugin.args, ("--region",)) or env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or ""


def _detect_region(hints: ClusterHints) -> str:
    """Return the AWS region from the API server's address or the Node's provider ID, or ""."""
    match = _EKS_SERVER.fullmatch(hints.access.server) or _AWS_PROVIDER_ID.fullmatch(get_provider_id(hints.node or {}))
    return match["region"] if match else ""


def _find_flag(args: Sequence[str], names: Sequence[str]) -> str:
    """Return the value of the first flag in `names`: the next argument, or the text after an equals sign."""
    for index, word in enumerate(args):
        flag, equals, value = word.partition("=")
        if flag in names:
            return value if equals else next(iter(args[index + 1 : index + 2]), "")
    return ""
