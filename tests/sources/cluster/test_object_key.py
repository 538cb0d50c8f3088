"""One object under several groups of Kubernetes is one; what another API server makes up from it is another."""

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
from tests.kube.test_watching import QUICK, as_it_is, is_watch, relayed
from tests.sources.cluster import objects

PROJECTS = "project.openshift.io"
KINDS = frozenset({"Namespace", "Event", f"{PROJECTS}/Project"})
Collect = Callable[[str], list[Resource]]


def mirrored(cluster: Cluster) -> Callable[[Exchange], bool]:
    """A server that shows each Namespace as a Project with the same uid, as OpenShift does."""

    def answer(exchange: Exchange) -> bool:
        path = exchange.asked.path
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
        elif is_watch(exchange.asked) and path.endswith("/projects"):
            exchange.refuse(503, "Busy", "later")
        elif is_watch(exchange.asked):
            relayed(cluster, as_it_is)(exchange)
        elif path.endswith("/projects"):
            exchange.answer(200, cluster.admin("GET", "/api/v1/namespaces") | {"kind": "ProjectList"})
        else:
            return False
        return True

    return answer


def listed(server: str) -> list[Resource]:
    with connection(server) as known:
        return list(Collection(known, discover(known), ClusterScope(kinds=KINDS)))


def followed(server: str) -> list[Resource]:
    with connection(server) as known:
        following = ClusterFollower(
            known, Collection(known, discover(known), ClusterScope(kinds=KINDS)).plan_tasks(), (), QUICK
        )
        found: dict[str, Resource | None] = {}

        def look() -> bool:
            found.update(following.changes(0.1, 0.05))
            return following.is_known

        eventually(look)
        following.stop()
        return [resource for resource in found.values() if resource is not None]


@pytest.mark.parametrize("collect", [listed, followed])
def test_only_what_is_one_object_is_shown_once(cluster: Cluster, namespace: str, collect: Collect) -> None:
    cluster.apply([objects.event(namespace, "started")])
    with front(cluster, mirrored(cluster)) as proxy:
        found = [(item.kind, item.group) for item in collect(proxy.url) if namespace in (item.name, item.namespace)]
        lists = {asked.path for asked in proxy.lists()}
    assert sorted(kind for kind, _ in found) == ["Event", "Namespace", "Project"]
    assert ("Project", PROJECTS) in found
    assert lists >= {"/api/v1/events", "/apis/events.k8s.io/v1/events"}


@pytest.mark.parametrize(
    ("thing", "key"),
    [
        ({"apiVersion": "v1", "kind": "Event", "metadata": {"uid": "a"}}, "Event a"),
        ({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"uid": "a"}}, "Event a"),
        ({"apiVersion": f"{PROJECTS}/v1", "kind": "Project", "metadata": {"uid": "a"}}, f"{PROJECTS}/Project a"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "b"}}, "Pod b/a"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": None}, "Pod /"),
    ],
)
def test_a_key_is_made_of_kind_and_uid(thing: dict[str, Any], key: str) -> None:
    assert build_key(thing) == key
    assert get_uid(thing) in {parse_uid(key), ""}
