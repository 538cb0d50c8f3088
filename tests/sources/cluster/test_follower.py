"""The follower yields the same objects as a collection at the same moment, after any sequence of changes."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.discovery import Catalogue, discover
from kubekeep.kube.watching import WatchLost, WatchResumed
from kubekeep.model.resource import Resource
from kubekeep.sources.cluster import follower
from kubekeep.sources.cluster.collect import Collection
from kubekeep.sources.cluster.follower import ClusterFollower
from kubekeep.sources.cluster.scope import ClusterScope, NamespaceSelection
from tests.cluster.client import Refused
from tests.cluster.cluster import Cluster, eventually
from tests.kube.connecting import config_maps, connection
from tests.kube.faults import Exchange, front, times
from tests.kube.test_watching import QUICK, error, is_watch, relay_stream, unchanged
from tests.sources.cluster.objects import build_owned_pod, job, pod, replicated, set_owner
from tests.sources.cluster.objects import namespace as build_namespace

KINDS = frozenset({"workload", "Service", "ConfigMap", "Secret", "Namespace"})


def build_scope(namespace: str) -> ClusterScope:
    return ClusterScope(kinds=KINDS, namespaces=NamespaceSelection(included=(namespace,)))


class World:
    """A follower and the collection it is compared with."""

    def __init__(
        self,
        kube_connection: KubeConnection,
        catalogue: Catalogue,
        namespace: str,
        is_judged: Callable[[Resource], bool] = lambda _: True,
    ) -> None:
        self._connection, self._catalogue, self._namespace, self._is_judged = (
            kube_connection,
            catalogue,
            namespace,
            is_judged,
        )
        collection = Collection(kube_connection, catalogue, build_scope(namespace))
        self.following = ClusterFollower(kube_connection, collection.plan_tasks(), collection.gaps, QUICK, is_judged)
        self.objects: dict[str, Resource] = {}
        self._elsewhere: set[str] = set()

    def changes(self, first: float, rest: float) -> dict[str, Resource | None]:
        """Return the changes, without namespaces of parallel tests."""
        changes: dict[str, Resource | None] = {}
        for uid, resource in self.following.changes(first, rest).items():
            if resource is None and uid in self._elsewhere:
                self._elsewhere.discard(uid)
            elif resource is not None and self._is_elsewhere(resource):
                self._elsewhere.add(uid)
            else:
                changes[uid] = resource
        return changes

    def _is_elsewhere(self, resource: Resource) -> bool:
        is_of_test = resource.kind == "Namespace" and re.fullmatch(r"test-[0-9a-f]{12}", resource.name)
        return bool(is_of_test) and resource.name != self._namespace

    def is_up_to_date(self) -> bool:
        """Return True if the follower and a collection agree."""
        for uid, resource in self.changes(0.3, 0.1).items():
            if resource is None:
                del self.objects[uid]
            else:
                self.objects[uid] = resource
        return self.following.is_known and sort_objects(self.objects.values()) == self.collect()

    def collect(self) -> list[Any]:
        return sort_objects(
            Collection(self._connection, self._catalogue, build_scope(self._namespace), self._is_judged)
        )


def sort_objects(resources: Any) -> list[Any]:
    """Return the objects without Namespaces, as parallel tests change those."""
    objects = [resource.object for resource in resources if resource.kind != "Namespace"]
    return sorted(objects, key=lambda resource: str(resource["metadata"]["uid"]))


@pytest.fixture
def world(cluster: Cluster, namespace: str) -> Iterator[World]:
    with front(cluster) as proxy:
        proxy.faults.append(
            lambda exchange: is_watch(exchange.request) and not relay_stream(cluster, unchanged)(exchange)
        )
        with connection(proxy.url) as kube_connection:
            created = World(kube_connection, discover(kube_connection), namespace)
            yield created
            created.following.stop()


def change(cluster: Cluster, dice: random.Random, namespace: str, stored: list[dict[str, Any]]) -> None:
    """Create, change or delete an object."""
    if stored and dice.random() < 0.35:
        resource_object = stored.pop(dice.randrange(len(stored)))
        cluster.delete(resource_object)
        return
    if stored and dice.random() < 0.3:
        resource_object = dice.choice(stored)
        labels = {"turn": str(dice.randrange(100))}
        patch = {"metadata": {"labels": labels}}
        cluster.admin("PATCH", cluster.path(resource_object), patch, sent="application/merge-patch+json")
        return
    name = f"thing-{dice.randrange(10_000)}"
    owner = dice.choice(stored) if stored else None
    resource_object = dice.choice(
        (
            lambda: replicated("Deployment", namespace, name),
            lambda: set_owner(replicated("ReplicaSet", namespace, name), owner),
            lambda: set_owner(pod(namespace, name), owner),
            lambda: set_owner(job(namespace, name), owner),
            lambda: {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}},
            lambda: {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}},
        )
    )()
    try:
        stored += cluster.apply([resource_object])
    except Refused as refused:
        assert refused.code == 422, refused  # noqa: PT017 - an invalid owner


@pytest.mark.parametrize("seed", range(3))
def test_follower_yields_the_same_as_a_collection(cluster: Cluster, namespace: str, world: World, seed: int) -> None:
    dice = random.Random(seed)
    stored: list[dict[str, Any]] = []
    for _ in range(6):
        for _ in range(dice.randrange(1, 8)):
            change(cluster, dice, namespace, stored)
        eventually(world.is_up_to_date)
    assert world.following.counters.events > 6
    # A broken stream is resumed.
    eventually(lambda: world.is_up_to_date() and world.following.is_current)


@pytest.mark.parametrize("seed", range(2))
def test_follower_yields_the_same_for_a_selection(cluster: Cluster, namespace: str, seed: int) -> None:
    """Labels change, so that owners lose and regain their effect."""
    dice = random.Random(seed)

    def is_judged(resource: Resource) -> bool:
        return int(resource.object["metadata"].get("labels", {}).get("turn", "1")) % 2 == 0

    with front(cluster) as proxy, connection(proxy.url) as kube_connection:
        proxy.faults.append(
            lambda exchange: is_watch(exchange.request) and not relay_stream(cluster, unchanged)(exchange)
        )
        world = World(kube_connection, discover(kube_connection), namespace, is_judged)
        stored: list[dict[str, Any]] = []
        for _ in range(4):
            for _ in range(dice.randrange(4, 10)):
                change(cluster, dice, namespace, stored)
            eventually(world.is_up_to_date)
        world.following.stop()


def test_object_without_its_owner_appears(cluster: Cluster, namespace: str, world: World) -> None:
    (owner,) = cluster.apply([replicated("ReplicaSet", namespace, "one")])
    child = set_owner(pod(namespace, "child"), owner)
    cluster.apply([child])
    eventually(world.is_up_to_date)
    assert [
        resource.kind
        for resource in world.objects.values()
        if resource.namespace == namespace and resource.kind != "ConfigMap"
    ] == ["ReplicaSet"]
    path = cluster.path(owner)
    cluster.admin("DELETE", path, {"propagationPolicy": "Orphan", "gracePeriodSeconds": 0})
    cluster.admin("PATCH", path, {"metadata": {"finalizers": None}}, sent="application/merge-patch+json")
    eventually(lambda: world.is_up_to_date() and "child" in {resource.name for resource in world.objects.values()})


def test_outdated_pod_of_a_daemon_set_appears(cluster: Cluster, namespace: str, world: World) -> None:
    """A DaemonSet with the OnDelete strategy does not replace its Pods."""
    (owner,) = cluster.apply([replicated("DaemonSet", namespace, "one")])
    cluster.apply([build_owned_pod(owner, "child")])
    eventually(world.is_up_to_date)
    assert "child" not in {resource.name for resource in world.objects.values()}
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "registry.example.com/app:2"}]
    cluster.admin("PATCH", cluster.path(owner), patch, sent="application/json-patch+json")
    eventually(lambda: world.is_up_to_date() and "child" in {resource.name for resource in world.objects.values()})
    patch[0]["value"] = "registry.example.com/app:1"
    cluster.admin("PATCH", cluster.path(owner), patch, sent="application/json-patch+json")
    eventually(lambda: world.is_up_to_date() and "child" not in {resource.name for resource in world.objects.values()})


def test_revoked_permission_is_a_gap(cluster: Cluster, namespace: str) -> None:
    cluster.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": namespace}}])
    is_allowed = [True]

    def refuse(exchange: Exchange) -> bool:
        if is_allowed[0] or exchange.request.kind != "configmaps":
            return False
        exchange.refuse(403, "Forbidden", "not any more")
        return True

    with front(cluster, refuse) as proxy:
        # Short streams, so that the refusal is detected.
        proxy.faults.append(
            lambda exchange: (
                is_watch(exchange.request)
                and not relay_stream(cluster, lambda lines: (next(lines, b"") for _ in (1,)))(exchange)
            )
        )
        with connection(proxy.url) as kube_connection:
            world = World(kube_connection, discover(kube_connection), namespace)
            eventually(world.is_up_to_date)
            is_allowed[0] = False
            cluster.apply(
                [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "two", "namespace": namespace}}]
            )
            # A collection is refused too.
            eventually(
                lambda: (
                    world.is_up_to_date() and "ConfigMap" not in {resource.kind for resource in world.objects.values()}
                )
            )
            assert {(gap.kind, gap.reason) for gap in world.following.gaps} == {("ConfigMap", "not any more")}
            is_allowed[0] = True
            eventually(lambda: world.is_up_to_date() and not world.following.gaps)
            assert {"one", "two"} <= {resource.name for resource in world.objects.values()}
            world.following.stop()


def test_new_list_reports_only_differences(cluster: Cluster, namespace: str) -> None:
    with front(cluster) as proxy:
        proxy.faults.append(
            lambda exchange: is_watch(exchange.request) and not relay_stream(cluster, unchanged)(exchange)
        )
        maps = [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}
            for name in "abc"
        ]
        cluster.apply(maps)
        proxy.faults.insert(
            0,
            times(
                1, lambda request: is_watch(request) and request.kind == "configmaps", relay_stream(cluster, error(410))
            ),
        )
        with connection(proxy.url) as kube_connection:
            world = World(kube_connection, discover(kube_connection), namespace)
            eventually(world.is_up_to_date)
            lists = world.following.counters.lists
            cluster.delete(maps[0])
            eventually(lambda: world.is_up_to_date() and world.following.counters.lists > lists)
            assert world.changes(0.5, 0.1) == {}
            world.following.stop()


def test_deleted_objects_leave_no_memory(cluster: Cluster, namespace: str, world: World) -> None:
    eventually(world.is_up_to_date)
    sizes = _count_entries(world.following)
    for _ in range(3):
        (owner,) = cluster.apply([replicated("ReplicaSet", namespace, "one")])
        child = set_owner(pod(namespace, "child"), owner)
        cluster.apply([child])
        eventually(world.is_up_to_date)
        cluster.delete(child)
        cluster.delete(owner)
        eventually(world.is_up_to_date)
    eventually(lambda: world.is_up_to_date() and _count_entries(world.following) == sizes)


def _count_entries(following: ClusterFollower) -> dict[str, int]:
    """Return the number of entries of each index, without the Namespaces, which parallel tests create and delete."""
    state = vars(following)
    names = ("_versions", "_owner", "_children", "_changed_keys")
    namespaces = {
        key
        for key, versions in state["_versions"].items()
        if any(resource.kind == "Namespace" for resource in versions.values())
    }
    sizes = {name: len(state[name].keys() - namespaces) for name in names}
    return sizes | {
        "_reported": len(state["_reported"] - namespaces),
        "owners": len(vars(state["_owners"])["_owners"]),
    }


def test_lost_watch_is_not_current(cluster: Cluster, namespace: str, world: World) -> None:
    eventually(world.is_up_to_date)
    followed = vars(world.following)["_followed"][0]
    assert world.following.is_current
    vars(world.following)["_arrivals"].put((followed, WatchLost("gone")))
    eventually(lambda: world.is_up_to_date() and not world.following.is_current)
    assert world.following.disconnect_reason.endswith(": gone")
    assert not world.following.gaps
    vars(world.following)["_arrivals"].put((followed, WatchResumed()))
    eventually(lambda: world.is_up_to_date() and world.following.is_current)
    assert cluster.address
    assert namespace


def test_disconnect_reason_names_the_kinds(cluster: Cluster, namespace: str, world: World) -> None:
    eventually(world.is_up_to_date)
    following = world.following
    followed, arrivals = vars(following)["_followed"], vars(following)["_arrivals"]
    assert following.disconnect_reason == ""
    for number in (0, 1):
        arrivals.put((followed[number], WatchLost("gone")))
    eventually(lambda: world.is_up_to_date() and following.disconnect_reason)
    first = followed[0].task.query.served
    assert following.disconnect_reason == f"{first.full_name} and 1 more: gone"
    assert not following.is_disconnected
    for task in followed:
        arrivals.put((task, WatchLost("all is gone")))
    eventually(lambda: world.is_up_to_date() and following.is_disconnected)
    assert following.disconnect_reason == "all is gone"
    for task in followed:
        arrivals.put((task, WatchResumed()))
    eventually(lambda: world.is_up_to_date() and not following.disconnect_reason)
    assert cluster.address
    assert namespace


def test_unavailable_kind_is_a_gap_and_others_are_current(cluster: Cluster, namespace: str) -> None:
    """An API with a failed server does not mean that the cluster is disconnected."""
    down = times(
        10_000, lambda request: request.kind == "services", lambda exchange: exchange.refuse(503, "Busy", "down")
    )
    with front(cluster, down) as proxy:
        proxy.faults.append(
            lambda exchange: is_watch(exchange.request) and not relay_stream(cluster, unchanged)(exchange)
        )
        with connection(proxy.url) as kube_connection:
            world = World(kube_connection, discover(kube_connection), namespace)
            eventually(lambda: world.is_up_to_date() and world.following.gaps)
            assert [gap.kind for gap in world.following.gaps] == ["Service"]
            assert world.following.is_current
            assert not world.following.disconnect_reason
            world.following.stop()


def test_only_unserved_kinds_are_dropped(world: World, namespace: str) -> None:
    eventually(world.is_up_to_date)
    following = world.following
    followed = vars(following)["_followed"]
    tasks = [followed_task.task for followed_task in followed]
    assert following.has_tasks(tasks, ())
    assert following.list_retained(tasks) == []
    # A restarted API server may not list all kinds at first.
    assert following.list_retained(tasks[1:]) == tasks[:1]
    changed_task = msgspec.structs.replace(tasks[0], carries_pods=not tasks[0].carries_pods)
    assert following.list_retained([changed_task, *tasks[1:]]) == []
    vars(following)["_arrivals"].put((followed[0], WatchLost("not found", is_served=False)))
    eventually(lambda: world.is_up_to_date() and following.unserved_since)
    assert following.list_retained(tasks[1:]) == []
    assert namespace


def test_tasks_can_be_added_and_removed(cluster: Cluster, namespace: str, world: World) -> None:
    """Unchanged objects are not reported; late events of a removed task are ignored."""
    config_maps(cluster, namespace, ["one", "two"])
    eventually(world.is_up_to_date)
    following, objects_before = world.following, dict(world.objects)
    followed = vars(following)["_followed"]
    tasks = [followed_task.task for followed_task in followed]
    (removed_task,) = [
        followed_task for followed_task in followed if followed_task.task.query.served.kind == "ConfigMap"
    ]
    gap = removed_task.task.create_gap("for another reason")
    following.replace_tasks([task for task in tasks if task is not removed_task.task], [gap])
    vars(following)["_arrivals"].put((removed_task, WatchLost("not listened to")))
    changes = world.changes(0.3, 0.1)
    assert {objects_before[uid].kind for uid in changes} == {"ConfigMap"}
    assert {*changes} == {uid for uid, resource in objects_before.items() if resource.kind == "ConfigMap"}
    assert set(changes.values()) == {None}
    assert (following.gaps, following.disconnect_reason) == ((gap,), "")
    lists = following.counters.lists
    following.replace_tasks(tasks, ())
    world.objects = {uid: resource for uid, resource in world.objects.items() if uid not in changes}
    eventually(world.is_up_to_date)
    assert following.gaps == ()
    assert following.counters.lists == lists + 1
    config_maps(cluster, namespace, ["three"])
    eventually(lambda: world.is_up_to_date() and "three" in {resource.name for resource in world.objects.values()})


def test_changes_return_at_once_after_the_end(world: World) -> None:
    eventually(world.is_up_to_date)
    followed = vars(world.following)["_followed"][0]
    ended = threading.Event()
    ended.set()
    vars(world.following)["_arrivals"].put((followed, WatchLost("gone")))
    assert world.following.changes(600, 600, 600, ended) == {}
    assert not world.following.disconnect_reason


def test_namespaces_are_watched(cluster: Cluster, world: World) -> None:
    cluster.apply([build_namespace("test-followed", team="one")])
    try:
        eventually(
            lambda: world.is_up_to_date() and "test-followed" in {resource.name for resource in world.objects.values()}
        )
    finally:
        cluster.remove_namespace("test-followed")
    eventually(
        lambda: world.is_up_to_date() and "test-followed" not in {resource.name for resource in world.objects.values()}
    )


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_unexpected_error_in_a_thread_is_raised(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    eventually(world.is_up_to_date)

    def raise_error(event: object) -> None:
        raise ZeroDivisionError(str(event))

    monkeypatch.setattr(follower, "_pack_event", raise_error)
    cluster.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": namespace}}])
    with pytest.raises(RuntimeError, match="a watch has stopped unexpectedly"):
        eventually(world.is_up_to_date)
