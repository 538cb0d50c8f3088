"""The nodes that stand for many things at once, and for people: all pods, all Secrets, all accounts, users, groups.

Says what Kubernetes itself makes of them: who is a member of what, and what runs where.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Final

from kubekeep.attackpaths.exposure import workload_node
from kubekeep.attackpaths.graph import EVERYWHERE, Draft, Graph
from kubekeep.attackpaths.identity import account_node, data_node, reads, token_secrets
from kubekeep.attackpaths.objects import Objects, Workload, within
from kubekeep.model.attack import AttackNode, AttackNodeKind, EdgeKind
from kubekeep.model.json_values import as_mapping

ADMIN: Final = "cluster-admin"
HOST: Final = "node"
ANONYMOUS: Final = "User:system:anonymous"
_UNKNOWN: Final = "Group:system:unauthenticated"
AUTHENTICATED: Final = "Group:system:authenticated"
SAME_NODE: Final = "a pod of it runs on the same node"

_SYSTEM: Final = "kube-system"
_ACCOUNTS: Final = "system:serviceaccounts"
_CONTROLLERS: Final = "controllers have service accounts of their own, as most platforms set them up"


class Places:
    """Makes these nodes where they are asked for; `join` adds what Kubernetes says of those that were."""

    def __init__(self, objects: Objects, graph: Graph) -> None:
        self._objects = objects
        self._graph = graph

    @property
    def admin(self) -> AttackNode:
        """Whoever may do everything."""
        return self._graph.node(ADMIN, AttackNodeKind.CLUSTER_ADMIN, "cluster-admin")

    @property
    def host(self) -> AttackNode:
        """Some node of the cluster."""
        return self._graph.node(HOST, AttackNodeKind.HOST, "a node of the cluster")

    @property
    def hosts(self) -> AttackNode:
        """A node of one's choice."""
        return self._graph.node("nodes", AttackNodeKind.HOST, "any node of the cluster")

    def secrets(self, scope: str) -> AttackNode:
        """All Secrets of a namespace, or everywhere."""
        return self._graph.node(f"secrets:{scope}", AttackNodeKind.SECRETS, f"every Secret {_in(scope)}")

    def accounts(self, scope: str) -> AttackNode:
        """All service accounts of a namespace, or everywhere."""
        return self._graph.node(f"accounts:{scope}", AttackNodeKind.ACCOUNTS, f"any service account {_in(scope)}")

    def pods(self, scope: str) -> AttackNode:
        """All pods of a namespace, or everywhere."""
        return self._graph.node(f"pods:{scope}", AttackNodeKind.PODS, f"any pod {_in(scope)}")

    def secret(self, namespace: str, name: str) -> AttackNode:
        """One Secret."""
        return data_node(self._graph, self._objects, "Secret", namespace, name)

    def account(self, namespace: str, name: str) -> AttackNode:
        """One service account."""
        return account_node(self._graph, self._objects, namespace, name)

    def subject(self, kind: str, name: str) -> AttackNode:
        """A user or a group."""
        label = {ANONYMOUS: "anyone, without signing in", AUTHENTICATED: "anyone who has signed in"}
        identity = f"{kind}:{name}"
        return self._graph.node(identity, AttackNodeKind.SUBJECT, label.get(identity, f"{kind} {name}"))

    def secrets_called(self, name: str) -> list[AttackNode]:
        """The Secrets of that name in all namespaces, as far as the input tells of them."""
        return [self.secret(*place) for place in self._secrets.get(name, ())]

    def accounts_called(self, name: str) -> list[AttackNode]:
        """The service accounts of that name in all namespaces, likewise."""
        return [self.account(*place) for place in self._accounts.get(name, ())]

    @functools.cached_property
    def _secrets(self) -> dict[str, list[tuple[str, str]]]:
        read = (
            (workload.item.namespace, name)
            for workload in self._objects.workloads
            for kind, name, _ in reads(workload)
            if kind == "Secret"
        )
        return _by_name((*self._objects.secrets, *read))

    @functools.cached_property
    def _accounts(self) -> dict[str, list[tuple[str, str]]]:
        used = ((workload.item.namespace, workload.account) for workload in self._objects.workloads)
        return _by_name((*self._objects.accounts, *used))

    def keeps_privileged_pods_out(self, namespace: str) -> bool | None:
        """Whether Pod Security does; None if the namespace is not in the input."""
        return self._objects.keeps_privileged_pods_out(namespace)

    def join(self) -> None:
        """Add what leads from these nodes to what they stand for, as far as it is in the graph."""
        self._join_nodes()
        self._join_pods()
        self._join_secrets()
        self._join_accounts()
        self._join_groups()

    def _has(self, identity: str) -> bool:
        return identity in self._graph.nodes

    def _step(
        self, source: AttackNode, target: AttackNode, text: str, assumes: str = "", kind: EdgeKind | None = None
    ) -> None:
        self._graph.add(source, target, kind or EdgeKind.MEMBERSHIP, Draft(text, assumes=assumes))

    def _join_nodes(self) -> None:
        if self._has("nodes"):
            self._step(self.hosts, self.pods(EVERYWHERE), "its pods run there", kind=EdgeKind.COLOCATION)
        if not self._has(HOST):
            return
        for workload in self._objects.workloads:
            everywhere = workload.item.kind == "DaemonSet" and not _is_choosy(workload)
            text = "it runs on every node" if everywhere else "its pods run on nodes"
            assumes = "" if everywhere else SAME_NODE
            node = workload_node(self._graph, workload)
            self._step(self.host, node, text, assumes, EdgeKind.COLOCATION)

    def _join_pods(self) -> None:
        for workload in self._objects.workloads:
            namespace = workload.item.namespace
            for scope in (EVERYWHERE, namespace):
                if self._has(f"pods:{scope}"):
                    self._step(self.pods(scope), workload_node(self._graph, workload), "it is one of them")

    def _join_secrets(self) -> None:
        for item, name in token_secrets(self._objects):
            secret = self.secret(item.namespace, item.name)
            text = "it holds a token that does not expire"
            kind = EdgeKind.IDENTITY
            self._graph.add(secret, self.account(item.namespace, name), kind, Draft(text, item, ("type",)))
            for scope in (EVERYWHERE, item.namespace):
                if self._has(f"secrets:{scope}"):
                    self._step(self.secrets(scope), secret, "it is one of them")

    def _join_accounts(self) -> None:
        for _, namespace, name in self._all_accounts():
            for scope in (EVERYWHERE, namespace):
                if self._has(f"accounts:{scope}"):
                    self._step(self.accounts(scope), self.account(namespace, name), "it is one of them")
        if self._has(f"accounts:{EVERYWHERE}"):
            self._step(self.accounts(EVERYWHERE), self.accounts(_SYSTEM), "they are some of them")
        if self._has(f"accounts:{_SYSTEM}"):
            text = "some controllers of the cluster, which may grant any role, run as one"
            self._step(self.accounts(_SYSTEM), self.admin, text, _CONTROLLERS)

    def _all_accounts(self) -> list[tuple[AttackNode, str, str]]:
        found = []
        for node in [*self._graph.nodes.values()]:
            if node.kind is AttackNodeKind.ACCOUNT:
                namespace, _, name = node.id.removeprefix("account:").partition("/")
                found.append((node, namespace, name))
        return found

    def _join_groups(self) -> None:
        """Service accounts are members of three groups; users that sign in are of one (Kubernetes docs, RBAC)."""
        if self._has(_UNKNOWN):
            # Who is bound by this group alone is somebody whom nobody binds by name.
            self.subject("User", "system:anonymous")
        for node, namespace, _ in self._all_accounts():
            self._member(node, (f"{_ACCOUNTS}:{namespace}", _ACCOUNTS, "system:authenticated"))
        for node in [*self._graph.nodes.values()]:
            if node.kind is AttackNodeKind.ACCOUNTS and node.id != f"accounts:{EVERYWHERE}":
                namespace = node.id.removeprefix("accounts:")
                self._member(node, (f"{_ACCOUNTS}:{namespace}", _ACCOUNTS, "system:authenticated"))
            elif node.id == ANONYMOUS:
                self._member(node, ("system:unauthenticated",))
            elif node.kind is AttackNodeKind.SUBJECT and node.id.startswith("User:"):
                self._member(node, ("system:authenticated",))

    def _member(self, node: AttackNode, groups: Iterable[str]) -> None:
        for name in groups:
            if self._has(f"Group:{name}"):
                self._step(node, self.subject("Group", name), "it is a member")


def _by_name(places: Iterable[tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """Namespaces and names, each once, by name."""
    found: dict[str, list[tuple[str, str]]] = {}
    for place in dict.fromkeys(places):
        found.setdefault(place[1], []).append(place)
    return found


def _is_choosy(workload: Workload) -> bool:
    """Whether its pods run on some nodes only."""
    chosen = workload.spec.get("nodeSelector") or as_mapping(workload.spec.get("affinity")).get("nodeAffinity")
    return bool(chosen)


def _in(scope: str) -> str:
    return "of the cluster" if scope == EVERYWHERE else within(scope)
