"""The node of the tests runs pods as every node does: workloads, Services, names, NetworkPolicies, access to the API."""

from __future__ import annotations

import functools
import urllib.request

import pytest

from tests.cluster.cluster import eventually
from tests.cluster.node_cluster import NodeCluster
from tests.node.workloads import SERVE, container, pod, pod_spec, service, workload


@pytest.fixture
def web(node_cluster: NodeCluster, node_namespace: str) -> str:
    """A Deployment of two Pods and its Service, and the Pods `friend` and `stranger`; the name of the namespace.

    The rules of a Service are in force some time after its Pods are ready (Kubernetes docs, Service).
    """
    node_cluster.images.push("tests/web", "1", layers=())
    image = f"{node_cluster.registry}/tests/web:1"
    waiting = pod_spec(container("app", image))
    node_cluster.apply(
        [
            workload("Deployment", node_namespace, "web", pod_spec(container("web", image, *SERVE)), replicas=2),
            service(node_namespace, "web"),
            pod(node_namespace, "friend", waiting, role="friend"),
            pod(node_namespace, "stranger", waiting, role="stranger"),
        ]
    )
    node_cluster.wait_for_pods(node_namespace, 4)
    for client in ("friend", "stranger"):
        eventually(functools.partial(fetch, node_cluster, node_namespace, client, get_url(node_namespace)))
    return node_namespace


def get_url(namespace: str) -> str:
    """Return the address of the Service."""
    return f"http://web.{namespace}.svc.cluster.local/"


def fetch(cluster: NodeCluster, namespace: str, client: str, url: str) -> str:
    """Return the page that a Pod receives, or an empty text."""
    done = cluster.execute(namespace, client, "/program", "fetch", url)
    return done.stdout if done.returncode == 0 else ""


def test_node_is_ready(node_cluster: NodeCluster) -> None:
    (node,) = node_cluster.admin("GET", "/api/v1/nodes")["items"]
    ready = {condition["type"]: condition["status"] for condition in node["status"]["conditions"]}
    assert ready["Ready"] == "True"
    assert node["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("containerd://")
    summary = node_cluster.admin("GET", f"/api/v1/nodes/{node['metadata']['name']}/proxy/configz")
    assert summary["kubeletconfig"]["authorization"]["mode"] == "Webhook"


def test_workload_is_reached_by_its_name(node_cluster: NodeCluster, web: str) -> None:
    names = {entry["metadata"]["name"] for entry in node_cluster.list_pods(web)} - {"friend", "stranger"}
    page = fetch(node_cluster, web, "friend", f"{get_url(web)}by-name")
    assert page.split()[0] in names
    assert page.split()[1] == "/by-name"
    address = node_cluster.admin("GET", f"/api/v1/namespaces/{web}/services/web")["spec"]["clusterIP"]
    with urllib.request.urlopen(f"http://{address}/from-the-machine", timeout=60) as answer:
        assert answer.read().decode().split()[0] in names


def test_network_policy_is_enforced(node_cluster: NodeCluster, web: str) -> None:
    url = get_url(web)
    clients = ("friend", "stranger")
    assert all(fetch(node_cluster, web, client, url) for client in clients)
    peer = {"podSelector": {"matchLabels": {"role": "friend"}}}
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "friends", "namespace": web},
        "spec": {
            "podSelector": {"matchLabels": {"app": "web"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [peer]}],
        },
    }
    node_cluster.apply([policy])
    eventually(lambda: not fetch(node_cluster, web, "stranger", url))
    assert fetch(node_cluster, web, "friend", url)
    node_cluster.delete(policy)
    eventually(lambda: fetch(node_cluster, web, "stranger", url))


def test_pod_that_breaks_the_standard_is_refused(node_cluster: NodeCluster, web: str) -> None:
    (stored,) = node_cluster.apply([workload("Deployment", web, "privileged", _privileged(node_cluster))])
    condition = eventually(lambda: _find_failure(node_cluster, node_cluster.path(stored)))
    assert "violates PodSecurity" in condition


def _privileged(cluster: NodeCluster) -> dict[str, object]:
    weak = container("app", f"{cluster.registry}/tests/web:1") | {"securityContext": {"privileged": True}}
    return pod_spec(weak)


def _find_failure(cluster: NodeCluster, path: str) -> str:
    conditions = cluster.admin("GET", path)["status"].get("conditions", ())
    failures = [condition["message"] for condition in conditions if condition["type"] == "ReplicaFailure"]
    return failures[0] if failures else ""
