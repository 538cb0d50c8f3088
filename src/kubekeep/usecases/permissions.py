"""Permissions that a scan or watch of a cluster requires, and the missing ones. Lists no objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kubekeep.kube.review import Permission
from kubekeep.model.cluster import CoverageGap
from kubekeep.reports.format import Extra
from kubekeep.usecases.cluster import IDENTITY, WATCH, connect_cluster
from kubekeep.usecases.request import ScanRequest
from kubekeep.usecases.rule_selection import RuleSelector

ROLE = "kubekeep"


class Preflight(msgspec.Struct, frozen=True):
    """The required permissions, each with True if granted; `gaps` are kinds whose permissions are unknown."""

    permissions: Mapping[Permission, bool]
    gaps: tuple[CoverageGap, ...] = ()

    @property
    def missing(self) -> list[Permission]:
        """The permissions that are not granted."""
        return [permission for permission, granted in self.permissions.items() if not granted]

    @property
    def unknown(self) -> list[CoverageGap]:
        """The gaps that `missing` does not cover, and those that hide further kinds.

        Without permission to read definitions, the custom kinds with pod templates are unknown.
        """
        missing = {str(permission) for permission in self.missing}
        return [gap for gap in self.gaps if gap.permission not in missing or gap.carries_pods]


def preflight(request: ScanRequest, *, watching: bool = False) -> Preflight:
    """Return the permissions that a scan of the cluster of `request` requires, or with `watching` a watch.

    Raises ValueError without a cluster, KubeError for an unreachable cluster, and the errors of `scan` for names and
    versions.
    """
    if request.input.cluster is None:
        raise ValueError("a list of permissions requires a live cluster, without a path")
    rules = RuleSelector(request.rules, whole_cluster=True)
    verbs = ("list", WATCH) if watching else ("list",)
    with connect_cluster(request.input.cluster) as cluster:
        # The scan evaluates the admission policies, so that their kinds are needed too.
        settings = cluster.settings(policies=True) if request.rules.cluster_policies else ()
        selection = rules.select(settings)
        permissions, gaps = cluster.permissions(
            selection,
            request.evaluation.resource_selection,
            verbs,
            everything=request.needs_related_objects,
            additional=(IDENTITY,) if Extra.SOURCE in request.needs.extras else (),
        )
    return Preflight(permissions, gaps)


def create_roles(permissions: Iterable[Permission], name: str = ROLE) -> list[dict[str, Any]]:
    """Return the ClusterRole and the Roles, one per namespace, that grant exactly `permissions`."""
    by_namespace: dict[str, list[Permission]] = defaultdict(list)
    for permission in permissions:
        by_namespace[permission.namespace].append(permission)
    return [_role(namespace, group, name) for namespace, group in sorted(by_namespace.items())]


def _role(namespace: str, permissions: Iterable[Permission], name: str) -> dict[str, Any]:
    """Return a role with one rule per group and set of verbs, for kinds or for one named object."""
    verbs_by_resource: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for permission in permissions:
        verbs_by_resource[permission.group, permission.resource, permission.name].add(permission.verb)
    resources_by_rule: dict[tuple[str, tuple[str, ...], str], list[str]] = defaultdict(list)
    for (group, resource, object_name), verbs in sorted(verbs_by_resource.items()):
        resources_by_rule[group, tuple(sorted(verbs)), object_name and f"{resource}/{object_name}"].append(resource)
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role" if namespace else "ClusterRole",
        "metadata": {"name": name, "namespace": namespace} if namespace else {"name": name},
        "rules": [
            {"apiGroups": [group], "resources": resources}
            | ({"resourceNames": [object_name.partition("/")[2]]} if object_name else {})
            | {"verbs": [*verbs]}
            for (group, verbs, object_name), resources in resources_by_rule.items()
        ],
    }
