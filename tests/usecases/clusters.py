"""Scans of real clusters for tests: a cluster with the example shop, users with restricted access, verdicts to compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from kubekeep.kube.access import ClusterRequest, RetryPolicy
from kubekeep.kube.kubeconfig import Kubeconfig
from kubekeep.model.assessment import Assessment
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.verdict import Verdict
from kubekeep.usecases.scan import scan
from tests.cluster.cluster import Cluster
from tests.requests import scan_request
from tests.sources.cluster import objects

_SHOP = Path(__file__).parent.parent.parent / "examples" / "online-shop"
_RBAC = "rbac.authorization.k8s.io"
_HURRIED = RetryPolicy(max_attempts=3, first_wait=0.01, max_wait=0.05)


def access(kubeconfig: Path, context: str = "") -> ClusterRequest:
    """Return the request for the cluster of a kubeconfig."""
    return ClusterRequest(access=Kubeconfig([str(kubeconfig)]).get_access(context))


def redirect_access(kubeconfig: Path, address: str) -> ClusterRequest:
    """Return the same request through a proxy, which forwards every call as the administrator."""
    request = access(kubeconfig)
    redirected = msgspec.structs.replace(request.access, server=address)
    return msgspec.structs.replace(request, access=redirected, retry_policy=_HURRIED)


def scan_cluster(cluster: ClusterRequest, **request: Any) -> Assessment:
    """Return the assessment of a cluster."""
    return scan(scan_request(cluster=cluster, **request))


def verdicts(assessment: Assessment) -> dict[tuple[str, str], Verdict]:
    """Return verdicts by (label of the resource, with its roles for a subject; slug of the control)."""
    verdicts_by_key: dict[tuple[str, str], Verdict] = {}
    for result in assessment.results:
        resource = result.subject
        roles = [f"{role.kind} {role.namespace}/{role.name}" for role in resource.related]
        name = " of ".join([f"{resource.kind} {resource.namespace}/{resource.name}", *roles])
        for slug, verdict in result.verdicts.items():
            assert (name, slug) not in verdicts_by_key
            verdicts_by_key[name, slug] = verdict
    return verdicts_by_key


def apply_shop(cluster: Cluster) -> None:
    """Apply the example shop to a cluster, and resources that relate to its workloads and to subjects."""
    files = sorted(_SHOP.rglob("*.yaml"))
    shop = [resource for file in files for resource in yaml.safe_load_all(file.read_text(encoding="utf-8")) if resource]
    names = {resource["metadata"].get("namespace", "default") for resource in shop} - {"default"}
    cluster.apply(objects.namespace(name) for name in sorted(names))
    rank = {"Namespace": 0, "ServiceAccount": 1}
    cluster.apply(sorted(shop, key=lambda resource: rank.get(resource["kind"], 2)))
    (web, *_) = (resource for resource in cluster.apply(_list_related_resources()) if resource["kind"] == "Deployment")
    (replicas,) = cluster.apply(
        [objects.set_owner(objects.replicated("ReplicaSet", "team", "web-1", _create_web()), web)]
    )
    cluster.apply([objects.set_owner(objects.pod("team", "web-1-a", _create_web()), replicas)])


def _list_related_resources() -> Iterable[dict[str, Any]]:
    """Yield one resource of each kind that controls relate to."""
    namespace = "team"
    yield objects.namespace(namespace, **{"pod-security.kubernetes.io/enforce": "privileged"})
    meta = {"namespace": namespace}
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta | {"name": "robot"}}
    yield {"apiVersion": "v1", "kind": "Secret", "metadata": meta | {"name": "password"}, "stringData": {"a": "b"}}
    yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta | {"name": "settings"}, "data": {"password": "x"}}
    ports = [{"port": 80, "targetPort": 8080}]
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta | {"name": "web"},
        "spec": {"type": "NodePort", "selector": {"app": "app"}, "ports": ports},
    }
    yield {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta | {"name": "all"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }
    yield {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": meta | {"name": "web"},
        "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
    }
    yield objects.replicated("Deployment", namespace, "web", _create_web())
    yield objects.replicated("StatefulSet", namespace, "db")
    yield objects.replicated("DaemonSet", namespace, "log")
    yield objects.cron_job(namespace, "nightly")
    yield objects.pod(namespace, "naked")
    yield {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"}, "spec": {"providerID": "aws:///a/i-1"}}
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    for kind, scope in (("Role", {"namespace": namespace}), ("ClusterRole", {})):
        yield {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": scope | {"name": "all"}, "rules": rules}
        yield {
            "apiVersion": f"{_RBAC}/v1",
            "kind": f"{kind}Binding",
            "metadata": scope | {"name": "all"},
            "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": namespace}],
            "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": "all"},
        }
    webhook = {
        "name": "a.example.com",
        "clientConfig": {"url": "https://a.example.com"},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
        yield {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": "none"},
            "webhooks": [webhook | {"rules": [], "failurePolicy": "Ignore"}],
        }


OWNED = frozenset({"ReplicaSet team/web-1", "Pod team/web-1-a"})
"""Resources owned by the Deployment `team/web`."""


def _create_web() -> dict[str, Any]:
    pod = objects.template()
    pod["spec"] |= {"serviceAccountName": "robot", "volumes": [{"name": "p", "secret": {"secretName": "password"}}]}
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "p", "mountPath": "/p"}]
    pod["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    return pod


def create_rules_without(cluster: Cluster, *hidden: str) -> list[dict[str, Any]]:
    """Return rules that grant list on everything the cluster serves except the resources `hidden`."""
    paths: Mapping[str, str] = {"": "/api/v1"} | {
        group["name"]: f"/apis/{group['preferredVersion']['groupVersion']}"
        for group in cluster.admin("GET", "/apis")["groups"]
        if group["name"] != "metrics.k8s.io"
    }
    rules = []
    for group, path in paths.items():
        names = {
            resource["name"] for resource in cluster.admin("GET", path)["resources"] if "list" in resource["verbs"]
        }
        rules.append({"apiGroups": [group], "resources": sorted(names - {*hidden}), "verbs": ["list"]})
    return [rule for rule in rules if rule["resources"]]


def select_namespaces(*namespaces: str) -> ResourceSelection:
    """Return the selection of the resources in some namespaces."""
    return ResourceSelection(include_namespaces=namespaces)


def create_namespaced_role(namespace: str, user: str) -> list[dict[str, Any]]:
    """Return a Role and its binding that let a user list everything in one namespace, and nothing elsewhere."""
    metadata = {"name": f"user:{user}", "namespace": namespace}
    role = {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": metadata}
    binding = {"apiVersion": f"{_RBAC}/v1", "kind": "RoleBinding", "metadata": metadata}
    return [
        role | {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["list"]}]},
        binding
        | {
            "subjects": [{"kind": "User", "apiGroup": _RBAC, "name": user}],
            "roleRef": {"kind": "Role", "apiGroup": _RBAC, "name": metadata["name"]},
        },
    ]
