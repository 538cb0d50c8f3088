"""Roles and bindings of the clusters of the demo on a day: operators, an account of pipelines, teams and monitoring."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Final

from kubekeep.model.cluster import RBAC, CoverageGap
from kubekeep.model.permissions import (
    ANYTHING,
    BindingEntry,
    BoundSubject,
    ClusterPermissions,
    PermissionRule,
    RoleEntry,
)
from kubekeep_server.demo.company import ENTRY_POINT, SERVICES, Cluster
from kubekeep_server.demo.timeline import OPERATOR_LIMITED_SINCE, RIGHTS_SINCE, SECRETS_HIDDEN_SINCE

UNREAD_ROLES: Final = CoverageGap(group=RBAC, kind="Role", resource="roles", reason="the API server denied access")
"""The kind that the scanner of staging may not list."""
_READ: Final = ("get", "list", "watch")
_CHANGE: Final = ("create", "update", "patch", "delete")
_ALL: Final = (*_READ, *_CHANGE)
_EVERYTHING: Final = (
    PermissionRule((ANYTHING,), (ANYTHING,), (ANYTHING,)),
    PermissionRule((ANYTHING,), non_resource_urls=(ANYTHING,)),
)
_OBJECTS: Final = PermissionRule(_READ, ("",), ("configmaps", "endpoints", "events", "pods", "pods/log", "services"))
_WORKLOADS: Final = ("daemonsets", "deployments", "replicasets", "statefulsets")
_EDIT: Final = (
    _OBJECTS,
    PermissionRule(_CHANGE, ("",), ("configmaps", "pods", "services")),
    PermissionRule(_ALL, ("apps",), (*_WORKLOADS, "deployments/scale")),
    PermissionRule(_ALL, ("batch",), ("cronjobs", "jobs")),
    PermissionRule(_ALL, ("networking.k8s.io",), ("ingresses", "networkpolicies")),
)
_ADMINISTER: Final = (
    *_EDIT,
    PermissionRule(_ALL, ("",), ("secrets", "serviceaccounts")),
    PermissionRule(("create", "get"), ("",), ("pods/attach", "pods/exec", "pods/portforward")),
    PermissionRule((*_ALL, "bind", "escalate"), (RBAC,), ("rolebindings", "roles")),
)
_CLUSTER_ROLES: Final = {
    "cluster-admin": _EVERYTHING,
    "admin": _ADMINISTER,
    "edit": _EDIT,
    "view": (_OBJECTS, PermissionRule(_READ, ("apps",), _WORKLOADS)),
    "system:basic-user": (
        PermissionRule(("create",), ("authorization.k8s.io",), ("selfsubjectaccessreviews", "selfsubjectrulesreviews")),
    ),
    "system:discovery": (PermissionRule(("get",), non_resource_urls=("/api", "/apis", "/healthz", "/version")),),
    "build-agent": (
        PermissionRule(_READ, ("",), ("secrets",)),
        PermissionRule(("create", "delete", *_READ), ("",), ("pods",)),
        PermissionRule(("create",), ("",), ("pods/exec",)),
        PermissionRule((*_READ, "patch"), ("apps",), ("deployments",)),
    ),
    "prometheus": (
        PermissionRule(_READ, ("",), ("endpoints", "nodes", "pods", "services")),
        PermissionRule(("get",), ("",), ("nodes/metrics",)),
        PermissionRule(("get",), non_resource_urls=("/metrics",)),
    ),
    "log-collector": (PermissionRule(_READ, ("",), ("namespaces", "pods")),),
    "gateway": (
        PermissionRule(_READ, ("",), ("endpoints", "services")),
        PermissionRule(_READ, ("networking.k8s.io",), ("ingressclasses", "ingresses")),
    ),
    "on-call": (PermissionRule(("create", "get"), ("",), ("pods/exec", "pods/portforward")),),
    "secret-reader": (PermissionRule(("get", "list"), ("",), ("secrets",)),),
}
_LEADERS: Final = ("orders-api", "payments-worker", "stock-sync", "search-indexer", "settlement")
"""Services whose replicas elect a leader by a Lease."""
_LEADER_ROLE: Final = "leader-election"
_SCANNER_ROLE: Final = "kubekeep-scanner"
_AUTHENTICATED: Final = BoundSubject("Group", "system:authenticated")
_ON_CALL: Final = BoundSubject("Group", "shop:on-call")


def describe_permissions(cluster: Cluster, day: float) -> ClusterPermissions:
    """Return the roles and bindings of a cluster on a day."""
    bindings = [*_list_cluster_bindings(cluster, day), *_list_team_bindings(cluster), *_list_leader_bindings()]
    cluster_roles = {**_CLUSTER_ROLES, _SCANNER_ROLE: tuple(_list_scanner_rules(cluster, day))}
    roles = [RoleEntry(name, rules=rules) for name, rules in cluster_roles.items()]
    # The roles of namespaces that a scanner may not list are unknown, never empty.
    is_unread = cluster is Cluster.STAGING
    rules = () if is_unread else (PermissionRule((*_READ, "create", "update"), ("coordination.k8s.io",), ("leases",)),)
    local = {binding.namespace for binding in bindings if binding.role_kind == "Role"}
    roles += [RoleEntry(_LEADER_ROLE, namespace, rules, is_unread) for namespace in local]
    unknown = (f"{UNREAD_ROLES.permission}: {UNREAD_ROLES.reason}",) if is_unread else ()
    return ClusterPermissions(
        tuple(sorted(roles, key=operator.attrgetter("namespace", "name"))),
        tuple(sorted(bindings, key=operator.attrgetter("namespace", "name"))),
        unknown,
    )


def _list_scanner_rules(cluster: Cluster, day: float) -> Iterator[PermissionRule]:
    """Yield the rules of the scanner, without those whose absence is a gap of its scans."""
    verbs = ("list",)
    yield PermissionRule(verbs, ("",), ("namespaces", "nodes", "pods", "serviceaccounts", "services"))
    if cluster is not Cluster.AMERICA or day < SECRETS_HIDDEN_SINCE:
        yield PermissionRule(verbs, ("",), ("configmaps", "secrets"))
    yield PermissionRule(verbs, ("apps",), _WORKLOADS)
    yield PermissionRule(verbs, ("batch",), ("cronjobs", "jobs"))
    yield PermissionRule(verbs, ("networking.k8s.io",), ("ingresses", "networkpolicies"))
    bindings = ("clusterrolebindings", "clusterroles", "rolebindings")
    yield PermissionRule(verbs, (RBAC,), bindings if cluster is Cluster.STAGING else (*bindings, "roles"))


def _list_cluster_bindings(cluster: Cluster, day: float) -> Iterator[BindingEntry]:
    yield _bind("cluster-admin", BoundSubject("Group", "system:masters"), is_default=True)
    for role in ("system:basic-user", "system:discovery"):
        yield _bind(role, _AUTHENTICATED, is_default=True)
    yield _bind("cluster-admin", BoundSubject("Group", "shop:platform"), name="platform-administrators")
    yield _bind("view", BoundSubject("Group", "shop:developers"), name="developers-view")
    yield _bind(_SCANNER_ROLE, BoundSubject("ServiceAccount", "scanner", "kubekeep"))
    yield _bind("on-call", _ON_CALL)
    for service in SERVICES:
        account = BoundSubject("ServiceAccount", service.name, service.namespace)
        if service.name == "argo-cd":
            is_limited = cluster is Cluster.EUROPE and day >= OPERATOR_LIMITED_SINCE
            yield _bind("edit" if is_limited else "cluster-admin", account, name="argo-cd-application-controller")
        elif service.name == ENTRY_POINT and cluster is Cluster.AMERICA and day >= RIGHTS_SINCE:
            yield _bind("secret-reader", account, name="search-api-settings")
        elif service.name in _CLUSTER_ROLES:
            yield _bind(service.name, account)
    if cluster is Cluster.AMERICA:
        yield _bind("cluster-admin", BoundSubject("User", "migration@shop.example"), name="migration-temporary")


def _list_team_bindings(cluster: Cluster) -> Iterator[BindingEntry]:
    """Yield the rights of each team in its namespace: to administer it in staging, and to change workloads elsewhere."""
    role = "admin" if cluster is Cluster.STAGING else "edit"
    for namespace in sorted({service.namespace for service in SERVICES}):
        yield _bind(role, BoundSubject("Group", f"shop:{namespace}"), namespace, f"team-{namespace}")
    yield _bind("admin", BoundSubject("User", "dana@shop.example"), "payments", "payments-lead")


def _list_leader_bindings() -> Iterator[BindingEntry]:
    for service in SERVICES:
        if service.name in _LEADERS:
            account = BoundSubject("ServiceAccount", service.name, service.namespace)
            name = f"{service.name}-leader"
            yield BindingEntry(name, _LEADER_ROLE, service.namespace, "Role", (account,))


def _bind(
    role: str, subject: BoundSubject, namespace: str = "", name: str = "", *, is_default: bool = False
) -> BindingEntry:
    return BindingEntry(name or role, role, namespace, subjects=(subject,), is_default=is_default)
