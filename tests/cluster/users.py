"""Predefined users of a control plane, with typical permissions. Never binds other users."""

from __future__ import annotations

import functools
from typing import Any

from tests.cluster.access import User
from tests.cluster.client import Refused
from tests.cluster.cluster import Cluster, eventually

READ = ["get", "list", "watch"]
ROBOT = "robot"
NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
"""Namespaces that the API server creates, some moments after it is ready."""
UNAVAILABLE = {
    "apiVersion": "apiregistration.k8s.io/v1",
    "kind": "APIService",
    "metadata": {"name": "v1beta1.metrics.k8s.io"},
    "spec": {
        "group": "metrics.k8s.io",
        "version": "v1beta1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": {"namespace": "kube-system", "name": "metrics-server", "port": 443},
    },
}
"""The metrics API of a cluster without its metrics server: it is listed, and every request fails.

Not for a cluster with controllers, which do not remove namespaces while an API is unavailable.
"""


def create_defaults(cluster: Cluster, token: str) -> list[User]:
    """Create the users and the defaults of every cluster: service accounts, and rules of `view`, `edit` and `admin`.

    `token` is the token of the user `robot`.
    """
    _fill_aggregated_roles(cluster)
    for name in NAMESPACES:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
        eventually(functools.partial(cluster.apply, [account]), Refused)
    cluster.user("viewer", [])
    cluster.bind("viewer", "view")
    cluster.user("nobody", [])
    cluster.user("all-but-secrets", _list_rules_without_secrets(cluster))
    cluster.bind(ROBOT, "view")
    users = ("admin", "viewer", "all-but-secrets", "nobody")
    return [*(User(user, cluster.layout.pair(user)) for user in users), User(ROBOT, token)]


def _fill_aggregated_roles(cluster: Cluster) -> None:
    """Fill in the rules of aggregated roles, in place of the missing controller."""
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    roles = {role["metadata"]["name"]: role for role in cluster.admin("GET", path)["items"]}
    for name in ("view", "edit", "admin"):  # each takes in the one before
        (labels,) = (
            selector["matchLabels"].items() for selector in roles[name]["aggregationRule"]["clusterRoleSelectors"]
        )
        matching_rules = [
            role["rules"] for role in roles.values() if labels <= role["metadata"].get("labels", {}).items()
        ]
        rules = [rule for rule_list in matching_rules for rule in rule_list or ()]
        roles[name] = cluster.admin("PATCH", f"{path}/{name}", {"rules": rules}, sent="application/merge-patch+json")


def _list_rules_without_secrets(cluster: Cluster) -> list[dict[str, Any]]:
    """Return rules for all resources except Secrets: RBAC only allows, so core resources are listed by name."""
    core = [resource["name"] for resource in cluster.admin("GET", "/api/v1")["resources"]]
    groups = [group["name"] for group in cluster.admin("GET", "/apis")["groups"]]
    return [
        {"apiGroups": [""], "resources": [name for name in core if name != "secrets"], "verbs": READ},
        {"apiGroups": groups, "resources": ["*"], "verbs": READ},
        {"nonResourceURLs": ["*"], "verbs": ["get"]},
    ]
