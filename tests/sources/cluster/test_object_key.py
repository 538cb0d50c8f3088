"""Keys of objects: one for all groups of Kubernetes, another for objects derived by other API servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kubekeep.kube.discovery import discover
from kubekeep.model.resource import Resource
from kubekeep.sources.cluster.collect import Collection
from kubekeep.sources.cluster.follower import ClusterFollower
from kubekeep.sources.cluster.object_key import build_key, get_uid, parse_uid
from kubekeep.sources.cluster.scope import ClusterScope
from tests.cluster.cluster import Cluster, eventually
from tests.kube.connecting import connection
from tests.kube.faults import Exchange, front
from tests.kube.test_watching import QUICK, is_watch, relay_stream, unchanged
from tests.sources.cluster import objects

PROJECTS = "project.openshift.io"
KINDS = frozenset({"Namespace", "Event", f"{PROJECTS}/Project"})
Collect = Callable[[str], list[Resource]]


def serve_projects(cluster: Cluster) -> Callable[[Exchange], bool]:
    """Serve each Namespace also as a Project with the same uid, as OpenShift does."""

    def answer(exchange: Exchange) -> bool:
        path = exchange.request.path
        if path == "/apis":
            document = exchange.real().document
            resource = {
                "resource": "projects",
                "scope": "Cluster",
                "responseKind": {"kind": "Project"},
                "verbs": ["list", "watch"],
            }
            versions = [{"version": "v1", "freshness": "Current", "resources": [resource]}]
            document["items"].append({"metadata": {"name": PROJECTS}, "versions": versions})
            exchange.answer(200, document)
        elif is_watch(exchange.request) and path.endswith("/projects"):
            exchange.refuse(503, "Busy", "later")
        elif is_watch(exchange.request):
            relay_stream(cluster, unchanged)(exchange)
        elif path.endswith("/projects"):
            exchange.answer(200, cluster.admin("GET", "/api/v1/namespaces") | {"kind": "ProjectList"})
        else:
            return False
        return True

    return answer


def list_resources(server: str) -> list[Resource]:
    with connection(server) as kube_connection:
        return list(Collection(kube_connection, discover(kube_connection), ClusterScope(kinds=KINDS)))


def follow_resources(server: str) -> list[Resource]:
    with connection(server) as kube_connection:
        following = ClusterFollower(
            kube_connection,
            Collection(kube_connection, discover(kube_connection), ClusterScope(kinds=KINDS)).plan_tasks(),
            (),
            QUICK,
        )
        resources: dict[str, Resource | None] = {}

        def is_complete() -> bool:
            resources.update(following.changes(0.1, 0.05))
            return following.is_known

        eventually(is_complete)
        following.stop()
        return [resource for resource in resources.values() if resource is not None]


@pytest.mark.parametrize("collect", [list_resources, follow_resources])
def test_only_identical_objects_are_merged(cluster: Cluster, namespace: str, collect: Collect) -> None:
    cluster.apply([objects.event(namespace, "started")])
    with front(cluster, serve_projects(cluster)) as proxy:
        kinds = [
            (resource.kind, resource.group)
            for resource in collect(proxy.url)
            if namespace in (resource.name, resource.namespace)
        ]
        lists = {request.path for request in proxy.lists()}
    assert sorted(kind for kind, _ in kinds) == ["Event", "Namespace", "Project"]
    assert ("Project", PROJECTS) in kinds
    assert lists >= {"/api/v1/events", "/apis/events.k8s.io/v1/events"}


@pytest.mark.parametrize(
    ("resource_object", "key"),
    [
        ({"apiVersion": "v1", "kind": "Event", "metadata": {"uid": "a"}}, "Event a"),
        ({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"uid": "a"}}, "Event a"),
        ({"apiVersion": f"{PROJECTS}/v1", "kind": "Project", "metadata": {"uid": "a"}}, f"{PROJECTS}/Project a"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "b"}}, "Pod b/a"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": None}, "Pod /"),
    ],
)
def test_key_consists_of_kind_and_uid(resource_object: dict[str, Any], key: str) -> None:
    assert build_key(resource_object) == key
    assert get_uid(resource_object) in {parse_uid(key), ""}
