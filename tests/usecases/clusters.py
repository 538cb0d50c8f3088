"""Scans of real clusters for tests: a cluster with a shop in it, users who may not see everything, and verdicts to compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from kubekeep.kube.access import ClusterRequest, RetryPolicy
from kubekeep.kube.kubeconfig import Kubeconfig
from kubekeep.model.assessment import Assessment
from kubekeep.model.finding import Verdict
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.usecases.scan import scan
from tests.cluster.cluster import Cluster
from tests.requests import scan_request
from tests.sources.cluster import objects

_SHOP = Path(__file__).parent.parent.parent / "examples" / "online-shop"
_RBAC = "rbac.authorization.k8s.io"
_HURRIED = RetryPolicy(tries=3, first_wait=0.01, longest_wait=0.05)


def access(kubeconfig: Path, context: str = "") -> ClusterRequest:
    """The request for the cluster of a kubeconfig."""
    return ClusterRequest(access=Kubeconfig([str(kubeconfig)]).access(context))


def through(kubeconfig: Path, address: str) -> ClusterRequest:
    """The same through a front, which takes everybody for the administrator."""
    found = access(kubeconfig)
    spoilt = msgspec.structs.replace(found.access, server=address)
    return msgspec.structs.replace(found, access=spoilt, retry_policy=_HURRIED)


def scanned(cluster: ClusterRequest, **request: Any) -> Assessment:
    """The assessment of a cluster."""
    return scan(scan_request(cluster=cluster, **request))


def verdicts(assessment: Assessment) -> dict[tuple[str, str], Verdict]:
    """Verdicts by what was judged, as people call it, and the control."""
    found: dict[tuple[str, str], Verdict] = {}
    for result in assessment.results:
        resource = result.resource
        roles = [f"{item.kind} {item.namespace}/{item.name}" for item in resource.related]
        name = " of ".join([f"{resource.kind} {resource.namespace}/{resource.name}", *roles])
        for slug, verdict in result.verdicts.items():
            assert (name, slug) not in found
            found[name, slug] = verdict
    return found


def furnished(cluster: Cluster) -> None:
    """Put the shop of the examples into a cluster, and what relates to its workloads and to people."""
    files = sorted(_SHOP.rglob("*.yaml"))
    shop = [found for file in files for found in yaml.safe_load_all(file.read_text(encoding="utf-8")) if found]
    names = {found["metadata"].get("namespace", "default") for found in shop} - {"default"}
    cluster.apply(objects.namespace(name) for name in sorted(names))
    rank = {"Namespace": 0, "ServiceAccount": 1}
    cluster.apply(sorted(shop, key=lambda found: rank.get(found["kind"], 2)))
    (web, *_) = (found for found in cluster.apply(_more()) if found["kind"] == "Deployment")
    (replicas,) = cluster.apply([objects.set_owner(objects.replicated("ReplicaSet", "team", "web-1", _web()), web)])
    cluster.apply([objects.set_owner(objects.pod("team", "web-1-a", _web()), replicas)])


def _more() -> Iterable[dict[str, Any]]:
    """One of each kind that controls compare with."""
    where = "team"
    yield objects.namespace(where, **{"pod-security.kubernetes.io/enforce": "privileged"})
    meta = {"namespace": where}
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
    yield objects.replicated("Deployment", where, "web", _web())
    yield objects.replicated("StatefulSet", where, "db")
    yield objects.replicated("DaemonSet", where, "log")
    yield objects.cron_job(where, "nightly")
    yield objects.pod(where, "naked")
    yield {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"}, "spec": {"providerID": "aws:///a/i-1"}}
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    for kind, inside in (("Role", {"namespace": where}), ("ClusterRole", {})):
        yield {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": inside | {"name": "all"}, "rules": rules}
        yield {
            "apiVersion": f"{_RBAC}/v1",
            "kind": f"{kind}Binding",
            "metadata": inside | {"name": "all"},
            "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": where}],
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
"""What the Deployment `team/web` has made."""


def _web() -> dict[str, Any]:
    pod = objects.template()
    pod["spec"] |= {"serviceAccountName": "robot", "volumes": [{"name": "p", "secret": {"secretName": "password"}}]}
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "p", "mountPath": "/p"}]
    pod["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    return pod


def rules_without(cluster: Cluster, *hidden: str) -> list[dict[str, Any]]:
    """The rules of a role that lets list everything that the cluster serves but for the resources `hidden`."""
    paths: Mapping[str, str] = {"": "/api/v1"} | {
        group["name"]: f"/apis/{group['preferredVersion']['groupVersion']}"
        for group in cluster.admin("GET", "/apis")["groups"]
        if group["name"] != "metrics.k8s.io"
    }
    rules = []
    for group, path in paths.items():
        names = {item["name"] for item in cluster.admin("GET", path)["resources"] if "list" in item["verbs"]}
        rules.append({"apiGroups": [group], "resources": sorted(names - {*hidden}), "verbs": ["list"]})
    return [rule for rule in rules if rule["resources"]]


def only(*namespaces: str) -> ResourceSelection:
    """The choice of what is in some namespaces."""
    return ResourceSelection(include_namespaces=namespaces)


def role_in(namespace: str, user: str) -> list[dict[str, Any]]:
    """What lets a user list everything in one namespace and nothing elsewhere."""
    where = {"name": f"user:{user}", "namespace": namespace}
    role = {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": where}
    binding = {"apiVersion": f"{_RBAC}/v1", "kind": "RoleBinding", "metadata": where}
    return [
        role | {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["list"]}]},
        binding
        | {
            "subjects": [{"kind": "User", "apiGroup": _RBAC, "name": user}],
            "roleRef": {"kind": "Role", "apiGroup": _RBAC, "name": where["name"]},
        },
    ]
