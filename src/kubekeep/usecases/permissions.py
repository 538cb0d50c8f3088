"""What one would have to be allowed in a cluster for a scan to see everything, and what one is. Lists nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kubekeep.kube.review import Permission
from kubekeep.model.cluster import Gap
from kubekeep.usecases.cluster import connected
from kubekeep.usecases.scan import ScanRequest, selected

ROLE = "kubekeep"


class Preflight(msgspec.Struct, frozen=True):
    """The permissions that a scan needs, each with whether it is granted; `gaps` are what could not be found out."""

    permissions: Mapping[Permission, bool]
    gaps: tuple[Gap, ...] = ()

    @property
    def missing(self) -> list[Permission]:
        """What is not granted."""
        return [permission for permission, granted in self.permissions.items() if not granted]

    @property
    def unknown(self) -> list[Gap]:
        """What nobody can tell for another reason than a missing permission, or what else a permission would tell of.

        Who may not read definitions does not know which custom kinds carry pods.
        """
        missing = {str(permission) for permission in self.missing}
        return [gap for gap in self.gaps if gap.permission not in missing or gap.carries_pods]


def preflight(request: ScanRequest) -> Preflight:
    """What the scan of the cluster of `request` needs and has.

    Raises KubeError if the cluster cannot be asked, and what `scan` raises for names and versions.
    """
    if request.cluster is None:
        raise ValueError("permissions are for a cluster: name no path")
    with connected(request.cluster) as cluster:
        permissions, gaps = cluster.permissions(selected(request), request.choice)
    return Preflight(permissions, gaps)


def cluster_role(permissions: Iterable[Permission], name: str = ROLE) -> dict[str, Any]:
    """The ClusterRole that grants `permissions` and nothing else: a rule for each group and verb."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for permission in permissions:
        found[permission.group, permission.verb].add(permission.resource)
    by_resources: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (group, verb), resources in sorted(found.items()):
        by_resources[group, tuple(sorted(resources))].append(verb)
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [
            {"apiGroups": [group], "resources": list(resources), "verbs": verbs}
            for (group, resources), verbs in by_resources.items()
        ],
    }
