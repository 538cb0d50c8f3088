"""Contexts of resources: exposure, access to a node or the cluster, and the controls that give it."""

from __future__ import annotations

from typing import Any

from kubekeep.attackpaths.context import find_contexts
from kubekeep.model.priority import ResourceContext
from kubekeep.model.resource import Resource

SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]},
}


def pod(name: str = "web", account: str = "", **container: Any) -> Resource:
    spec = {
        "containers": [{"name": "app", "image": "app:1", "ports": [{"containerPort": 80}], **container}],
        **({"serviceAccountName": account} if account else {"automountServiceAccountToken": False}),
    }
    metadata = {"name": name, "namespace": "shop", "labels": {"app": name}}
    return Resource({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def context(resource: Resource, *others: dict[str, Any]) -> ResourceContext:
    return find_contexts([resource, *map(Resource, others)]).get(id(resource), ResourceContext())


def test_harmless_pod_has_no_context() -> None:
    assert context(pod()) == ResourceContext()


def test_exposure() -> None:
    assert context(pod(), SERVICE).exposure == "reachable from the internet through Service shop/web"
    internal = {**SERVICE, "spec": {**SERVICE["spec"], "type": "ClusterIP"}}
    assert context(pod(), internal).exposure == ""


def test_privileged_pod_takes_over_its_node() -> None:
    privileged = context(pod(securityContext={"privileged": True}))
    assert privileged.power == "can take over its node"
    assert privileged.steps == {"privileged-container": "container app is privileged"}


def test_account_with_cluster_admin() -> None:
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "admin"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "bot", "namespace": "shop"}],
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot", "namespace": "shop"}}
    resources = [pod(account="bot"), Resource(binding), Resource(account)]
    contexts = find_contexts(resources)
    assert contexts[id(resources[0])].power == "can take over the cluster"
    assert contexts[id(resources[1])].steps["administrative-roles"].endswith("grants ClusterRole cluster-admin")
