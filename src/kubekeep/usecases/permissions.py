"""What one would have to be allowed in a cluster for a scan to see everything, and what one is. Lists nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kubekeep.kube.review import Permission
from kubekeep.model.cluster import CoverageGap
from kubekeep.usecases.cluster import WATCH, connected
from kubekeep.usecases.request import ScanRequest
from kubekeep.usecases.rule_selection import RuleSelector

ROLE = "kubekeep"


class Preflight(msgspec.Struct, frozen=True):
    """The permissions that a scan needs, each with whether it is granted; `gaps` are what could not be found out."""

    permissions: Mapping[Permission, bool]
    gaps: tuple[CoverageGap, ...] = ()

    @property
    def missing(self) -> list[Permission]:
        """What is not granted."""
        return [permission for permission, granted in self.permissions.items() if not granted]

    @property
    def unknown(self) -> list[CoverageGap]:
        """What nobody can tell for another reason than a missing permission, or what else a permission would tell of.

        Who may not read definitions does not know which custom kinds carry pods.
        """
        missing = {str(permission) for permission in self.missing}
        return [gap for gap in self.gaps if gap.permission not in missing or gap.carries_pods]


def preflight(request: ScanRequest, *, watching: bool = False) -> Preflight:
    """What the scan of the cluster of `request` needs and has, or who is `watching` it.

    Raises KubeError if the cluster cannot be asked, and what `scan` raises for names and versions.
    """
    if request.input.cluster is None:
        raise ValueError("permissions are for a cluster: name no path")
    rules = RuleSelector(request.rules, whole_cluster=True)
    verbs = ("list", WATCH) if watching else ("list",)
    with connected(request.input.cluster) as cluster:
        # What its admission policies look at is looked at by whoever evaluates them.
        found = cluster.settings(policies=True) if request.rules.cluster_policies else ()
        selection = rules.select(found)
        everything = request.needs_related_objects
        permissions, gaps = cluster.permissions(selection, request.evaluation.choice, verbs, everything=everything)
    return Preflight(permissions, gaps)


def roles(permissions: Iterable[Permission], name: str = ROLE) -> list[dict[str, Any]]:
    """The ClusterRole and the Roles that grant `permissions` and nothing else: one Role for each namespace."""
    by_namespace: dict[str, list[Permission]] = defaultdict(list)
    for permission in permissions:
        by_namespace[permission.namespace].append(permission)
    return [_role(namespace, found, name) for namespace, found in sorted(by_namespace.items())]


def _role(namespace: str, permissions: Iterable[Permission], name: str) -> dict[str, Any]:
    """A rule for each group and what may be done with the same kinds of it, or with one object."""
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for permission in permissions:
        found[permission.group, permission.resource, permission.name].add(permission.verb)
    alike: dict[tuple[str, tuple[str, ...], str], list[str]] = defaultdict(list)
    for (group, resource, one), verbs in sorted(found.items()):
        alike[group, tuple(sorted(verbs)), one and f"{resource}/{one}"].append(resource)
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role" if namespace else "ClusterRole",
        "metadata": {"name": name, "namespace": namespace} if namespace else {"name": name},
        "rules": [
            {"apiGroups": [group], "resources": resources}
            | ({"resourceNames": [one.partition("/")[2]]} if one else {})
            | {"verbs": [*verbs]}
            for (group, verbs, one), resources in alike.items()
        ],
    }
