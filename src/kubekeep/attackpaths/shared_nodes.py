"""Graph nodes for sets (all pods, all Secrets, all accounts) and for users and groups.

Adds only the edges that Kubernetes itself defines: memberships, and pods on nodes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Final

from kubekeep.attackpaths.exposure import get_workload_node
from kubekeep.attackpaths.graph import EVERYWHERE, Draft, Graph
from kubekeep.attackpaths.identity import get_account_node, get_data_node, list_reads, list_token_secrets
from kubekeep.attackpaths.objects import Objects, Workload, describe_namespace
from kubekeep.model.attack import AttackNode, AttackNodeKind, EdgeKind
from kubekeep.model.json_values import as_mapping

ADMIN: Final = "cluster-admin"
HOST: Final = "node"
ANONYMOUS: Final = "User:system:anonymous"
_UNAUTHENTICATED: Final = "Group:system:unauthenticated"
AUTHENTICATED: Final = "Group:system:authenticated"
SAME_NODE: Final = "one of its pods runs on the same node"

_SYSTEM: Final = "kube-system"
_ACCOUNTS: Final = "system:serviceaccounts"
_CONTROLLERS: Final = "controllers have separate service accounts, as on most platforms"


class SharedNodes:
    """Nodes for sets, users and groups, created on demand; `connect` adds their edges after all nodes are created."""

    def __init__(self, objects: Objects, graph: Graph) -> None:
        self._objects = objects
        self._graph = graph

    @property
    def admin(self) -> AttackNode:
        """A subject with all permissions."""
        return self._graph.ensure_node(ADMIN, AttackNodeKind.CLUSTER_ADMIN, "cluster-admin")

    @property
    def host(self) -> AttackNode:
        """An arbitrary node of the cluster."""
        return self._graph.ensure_node(HOST, AttackNodeKind.HOST, "a node of the cluster")

    @property
    def hosts(self) -> AttackNode:
        """A node that the attacker chooses."""
        return self._graph.ensure_node("nodes", AttackNodeKind.HOST, "any node of the cluster")

    def secrets(self, scope: str) -> AttackNode:
        """Return the node of all Secrets of a namespace or the cluster."""
        return self._graph.ensure_node(
            f"secrets:{scope}", AttackNodeKind.SECRETS, f"every Secret {_describe_scope(scope)}"
        )

    def accounts(self, scope: str) -> AttackNode:
        """Return the node of all service accounts of a namespace or the cluster."""
        return self._graph.ensure_node(
            f"accounts:{scope}", AttackNodeKind.ACCOUNTS, f"any service account {_describe_scope(scope)}"
        )

    def pods(self, scope: str) -> AttackNode:
        """Return the node of all pods of a namespace or the cluster."""
        return self._graph.ensure_node(f"pods:{scope}", AttackNodeKind.PODS, f"any pod {_describe_scope(scope)}")

    def secret(self, namespace: str, name: str) -> AttackNode:
        """Return the node of one Secret."""
        return get_data_node(self._graph, self._objects, "Secret", namespace, name)

    def account(self, namespace: str, name: str) -> AttackNode:
        """Return the node of one service account."""
        return get_account_node(self._graph, self._objects, namespace, name)

    def subject(self, kind: str, name: str) -> AttackNode:
        """Return the node of a user or group."""
        label = {ANONYMOUS: "anyone, without authentication", AUTHENTICATED: "any authenticated user"}
        identity = f"{kind}:{name}"
        return self._graph.ensure_node(identity, AttackNodeKind.SUBJECT, label.get(identity, f"{kind} {name}"))

    def find_secrets(self, name: str) -> list[AttackNode]:
        """Return the Secrets of that name in all namespaces, as defined or used in the input."""
        return [self.secret(*key) for key in self._secrets.get(name, ())]

    def find_accounts(self, name: str) -> list[AttackNode]:
        """Return the service accounts of that name in all namespaces, as defined or used in the input."""
        return [self.account(*key) for key in self._accounts.get(name, ())]

    @functools.cached_property
    def _secrets(self) -> dict[str, list[tuple[str, str]]]:
        references = (
            (workload.resource.namespace, name)
            for workload in self._objects.workloads
            for kind, name, _ in list_reads(workload)
            if kind == "Secret"
        )
        return _group_by_name((*self._objects.secrets, *references))

    @functools.cached_property
    def _accounts(self) -> dict[str, list[tuple[str, str]]]:
        references = ((workload.resource.namespace, workload.account) for workload in self._objects.workloads)
        return _group_by_name((*self._objects.accounts, *references))

    def blocks_privileged_pods(self, namespace: str) -> bool | None:
        """Return True if Pod Security blocks pods with access to their node; None if the Namespace is not in the input."""
        return self._objects.blocks_privileged_pods(namespace)

    def connect(self) -> None:
        """Add the edges from the created nodes to their members in the graph."""
        self._connect_hosts()
        self._connect_pods()
        self._connect_secrets()
        self._connect_accounts()
        self._connect_groups()

    def _has_node(self, identity: str) -> bool:
        return identity in self._graph.nodes

    def _add_step(
        self, source: AttackNode, target: AttackNode, text: str, assumes: str = "", kind: EdgeKind | None = None
    ) -> None:
        self._graph.add(source, target, kind or EdgeKind.MEMBERSHIP, Draft(text, assumes=assumes))

    def _connect_hosts(self) -> None:
        if self._has_node("nodes"):
            self._add_step(self.hosts, self.pods(EVERYWHERE), "its pods run on these nodes", kind=EdgeKind.COLOCATION)
        if not self._has_node(HOST):
            return
        for workload in self._objects.workloads:
            is_on_every_node = workload.resource.kind == "DaemonSet" and not _has_node_constraints(workload)
            text = "it runs on every node" if is_on_every_node else "its pods run on nodes"
            assumes = "" if is_on_every_node else SAME_NODE
            node = get_workload_node(self._graph, workload)
            self._add_step(self.host, node, text, assumes, EdgeKind.COLOCATION)

    def _connect_pods(self) -> None:
        for workload in self._objects.workloads:
            namespace = workload.resource.namespace
            for scope in (EVERYWHERE, namespace):
                if self._has_node(f"pods:{scope}"):
                    self._add_step(self.pods(scope), get_workload_node(self._graph, workload), "it is one of them")

    def _connect_secrets(self) -> None:
        for resource, name in list_token_secrets(self._objects):
            secret = self.secret(resource.namespace, resource.name)
            text = "it holds a token that does not expire"
            kind = EdgeKind.IDENTITY
            self._graph.add(secret, self.account(resource.namespace, name), kind, Draft(text, resource, ("type",)))
            for scope in (EVERYWHERE, resource.namespace):
                if self._has_node(f"secrets:{scope}"):
                    self._add_step(self.secrets(scope), secret, "it is one of them")

    def _connect_accounts(self) -> None:
        for _, namespace, name in self._list_accounts():
            for scope in (EVERYWHERE, namespace):
                if self._has_node(f"accounts:{scope}"):
                    self._add_step(self.accounts(scope), self.account(namespace, name), "it is one of them")
        if self._has_node(f"accounts:{EVERYWHERE}"):
            self._add_step(self.accounts(EVERYWHERE), self.accounts(_SYSTEM), "they are some of them")
        if self._has_node(f"accounts:{_SYSTEM}"):
            text = "some controllers, which can grant any role, use one of them"
            self._add_step(self.accounts(_SYSTEM), self.admin, text, _CONTROLLERS)

    def _list_accounts(self) -> list[tuple[AttackNode, str, str]]:
        accounts = []
        for node in [*self._graph.nodes.values()]:
            if node.kind is AttackNodeKind.ACCOUNT:
                namespace, _, name = node.id.removeprefix("account:").partition("/")
                accounts.append((node, namespace, name))
        return accounts

    def _connect_groups(self) -> None:
        """Add memberships: service accounts are in three groups, authenticated users in one (Kubernetes docs, RBAC)."""
        if self._has_node(_UNAUTHENTICATED):
            # The anonymous user may be bound only through this group.
            self.subject("User", "system:anonymous")
        for node, namespace, _ in self._list_accounts():
            self._add_memberships(node, (f"{_ACCOUNTS}:{namespace}", _ACCOUNTS, "system:authenticated"))
        for node in [*self._graph.nodes.values()]:
            if node.kind is AttackNodeKind.ACCOUNTS and node.id != f"accounts:{EVERYWHERE}":
                namespace = node.id.removeprefix("accounts:")
                self._add_memberships(node, (f"{_ACCOUNTS}:{namespace}", _ACCOUNTS, "system:authenticated"))
            elif node.id == ANONYMOUS:
                self._add_memberships(node, ("system:unauthenticated",))
            elif node.kind is AttackNodeKind.SUBJECT and node.id.startswith("User:"):
                self._add_memberships(node, ("system:authenticated",))

    def _add_memberships(self, node: AttackNode, groups: Iterable[str]) -> None:
        for name in groups:
            if self._has_node(f"Group:{name}"):
                self._add_step(node, self.subject("Group", name), "it is a member")


def _group_by_name(keys: Iterable[tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """Return the distinct keys (namespace, name) by name."""
    by_name: dict[str, list[tuple[str, str]]] = {}
    for key in dict.fromkeys(keys):
        by_name.setdefault(key[1], []).append(key)
    return by_name


def _has_node_constraints(workload: Workload) -> bool:
    """Return True if the pods of a workload are limited to some nodes."""
    return bool(workload.spec.get("nodeSelector") or as_mapping(workload.spec.get("affinity")).get("nodeAffinity"))


def _describe_scope(scope: str) -> str:
    return "of the cluster" if scope == EVERYWHERE else describe_namespace(scope)
