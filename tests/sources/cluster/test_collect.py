"""What is listed in a real cluster, and what of it is looked at: each object once, makers instead of what they make."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.discovery import discover
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.control import SUBJECT, WORKLOAD
from kubekeep.sources.cluster.collect import Collection
from kubekeep.sources.cluster.scope import ClusterScope, NamespaceSelection
from tests.cluster.cluster import Cluster, eventually
from tests.kube import connecting
from tests.kube.faults import Asked, Exchange, Fault, Front, always, each, front, page_of
from tests.sources.cluster import objects

SECRET_VALUE = "do-not-tell-this-value"  # noqa: S105 - of nobody
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PODS = frozenset({WORKLOAD})


def collected(
    proxy: Front, *kinds: str, include: tuple[str, ...] = (), exclude: tuple[str, ...] = (), complete: str = ""
) -> tuple[list[str], list[CoverageGap]]:
    """What a collection gives of the namespaces that tests make (`Kind namespace/name`, sorted), and what it lacks."""
    wanted = ClusterScope(
        kinds=frozenset(kinds), complete=frozenset({complete} - {""}), namespaces=NamespaceSelection(include, exclude)
    )
    with connecting.connection(proxy.url) as connection:
        collection = Collection(connection, discover(connection), wanted)
        found = [f"{item.kind} {item.namespace}/{item.name}" for item in collection]
        return sorted(name for name in found if " test-" in name), collection.gaps


def listed(proxy: Front) -> set[str]:
    """The paths of lists."""
    return {asked.path for asked in proxy.lists()}


def test_only_what_is_wanted_is_asked_for(cluster: Cluster) -> None:
    with front(cluster) as proxy:
        _, gaps = collected(
            proxy, "Service", "networking.k8s.io/NetworkPolicy", "PodSecurityPolicy", "example.com/Boat"
        )
        paths = [asked.path for asked in proxy.asked]
    assert gaps == []
    assert sorted(paths) == ["/api", "/api/v1/services", "/apis", "/apis/networking.k8s.io/v1/networkpolicies"]


def test_names_that_stand_for_several_kinds(cluster: Cluster) -> None:
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    with front(cluster) as proxy:
        collected(proxy, SUBJECT)
        assert listed(proxy) == {
            f"{rbac}/{kind}s" for kind in ("role", "rolebinding", "clusterrole", "clusterrolebinding")
        }
    with front(cluster) as proxy:
        collected(proxy, WORKLOAD)
        kinds = {asked.kind for asked in proxy.lists()}
    assert kinds >= {
        *("pods", "podtemplates", "replicationcontrollers", "deployments", "replicasets", "statefulsets"),
        *("daemonsets", "jobs", "cronjobs", "customresourcedefinitions"),
    }


def test_of_secrets_only_the_metadata_is_asked_for(cluster: Cluster, namespace: str) -> None:
    meta = {"name": "password", "namespace": namespace, "labels": {"app": "shop"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"password": SECRET_VALUE}}
    cluster.apply([secret])
    stored = cluster.admin("GET", f"/api/v1/namespaces/{namespace}/secrets/password")["data"]["password"]
    with front(cluster) as proxy:
        found, gaps = collected(proxy, "Secret")
        (asked,) = proxy.lists()
        received = b"".join(proxy.sent)
    assert (f"Secret {namespace}/password" in found, gaps) == (True, [])
    assert asked.headers["accept"] == METADATA_ONLY
    assert stored.encode() not in received
    assert SECRET_VALUE.encode() not in received
    assert b'"name":"password"' in received


def test_what_kubectl_wrote_beside_a_secret_goes_no_further(cluster: Cluster, namespace: str) -> None:
    """`kubectl apply` keeps the whole object in an annotation, which is metadata."""
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": SECRET_VALUE, "team": "shop"}
    meta = {"name": "applied", "namespace": namespace, "annotations": annotations}
    cluster.apply([{"apiVersion": "v1", "kind": "Secret", "metadata": meta}])
    with front(cluster) as proxy, connecting.connection(proxy.url) as connection:
        wanted = ClusterScope(kinds=frozenset({"Secret"}), namespaces=NamespaceSelection((namespace,)))
        (found,) = Collection(connection, discover(connection), wanted)
    assert found.object["metadata"]["annotations"] == {"team": "shop"}
    assert SECRET_VALUE not in str(found.object)


def test_a_server_that_gives_more_than_metadata_is_not_listened_to(cluster: Cluster, namespace: str) -> None:
    def whole(exchange: Exchange) -> None:
        exchange.answer(200, cluster.admin("GET", f"/api/v1/namespaces/{namespace}/secrets"))

    with front(cluster, always(page_of("secrets"), whole)) as proxy:
        found, gaps = collected(proxy, "Secret", include=(namespace,))
    assert found == []
    assert [(gap.permission, gap.why) for gap in gaps] == [
        (
            f"list secrets in namespace {namespace}",
            "the API server answers a SecretList where a PartialObjectMetadataList was asked for",
        )
    ]


def test_rules_of_users_may_need_all_of_it(cluster: Cluster, namespace: str) -> None:
    with front(cluster) as proxy:
        collected(proxy, "Lease", include=(namespace,), complete="Lease")
        collected(proxy, "Lease", include=(namespace,))
    assert [asked.headers["accept"] for asked in proxy.lists()] == ["application/json", METADATA_ONLY]


class Three(NamedTuple):
    """Three namespaces of this module's own; the names of the first two begin alike. Collections yield `all`."""

    red: str
    blue: str
    other: str

    @property
    def team(self) -> str:
        """The pattern of the first two."""
        return f"{self.red.removesuffix('red')}*"

    @property
    def all(self) -> list[str]:
        return [f"Deployment {name}/here" for name in sorted(self)]

    def own(self, found: list[str]) -> list[str]:
        """What of `found` is in them: tests beside this one make namespaces too."""
        return [name for name in found if name.split()[1].partition("/")[0] in self]


@pytest.fixture(scope="module")
def three(cluster: Cluster) -> Iterator[Three]:
    """The three with a Deployment and a Role each. Two processes may run tests of this module on one cluster."""
    run = uuid.uuid4().hex[:8]
    names = Three(f"test-{run}-team-red", f"test-{run}-team-blue", f"test-{run}-other")
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    for name in names:
        where = {"name": "here", "namespace": name}
        cluster.apply(
            [
                objects.namespace(name),
                objects.replicated("Deployment", name, "here"),
                {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": where, "rules": rules},
            ]
        )
    yield names
    for name in names:
        cluster.remove_namespace(name)


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (("{other}",), (), ["other"]),
        (("{team}",), (), ["blue", "red"]),
        (("{team}",), ("*-blue",), ["red"]),
        (("{other}", "test-*-team-[rR]ed"), (), ["other", "red"]),
        (("{other}",), ("{other}",), []),
        (("test-nobody-*",), (), []),
    ],
    ids=str,
)
def test_namespaces_are_chosen_by_the_server(
    cluster: Cluster, three: Three, include: tuple[str, ...], exclude: tuple[str, ...], expected: list[str]
) -> None:
    told = three._asdict() | {"team": three.team}
    with front(cluster) as proxy:
        found, gaps = collected(
            proxy,
            "Deployment",
            include=tuple(name.format_map(told) for name in include),
            exclude=tuple(name.format_map(told) for name in exclude),
        )
        asked = {item.path for item in proxy.lists() if item.kind == "deployments"}
    names = [told[name] for name in expected]
    assert (three.own(found), gaps) == ([f"Deployment {name}/here" for name in names], [])
    own = {path for path in asked if path.split("/")[5] in three}
    assert own == {f"/apis/apps/v1/namespaces/{name}/deployments" for name in names}
    assert all(path.startswith("/apis/apps/v1/namespaces/") for path in asked)


def test_a_namespace_that_is_not_there_is_asked_for(cluster: Cluster) -> None:
    with front(cluster) as proxy:
        assert collected(proxy, "Deployment", include=("test-gone",)) == ([], [])
        (asked,) = (item for item in proxy.lists() if item.kind == "deployments")
    assert asked.path == "/apis/apps/v1/namespaces/test-gone/deployments"


def test_namespaces_are_left_out_by_the_server(cluster: Cluster, three: Three) -> None:
    with front(cluster) as proxy:
        found, gaps = collected(proxy, "Deployment", exclude=(three.team, three.other))
        (asked,) = (item for item in proxy.lists() if item.kind == "deployments")
    assert (three.own(found), gaps) == ([], [])
    chosen = set(asked.query["fieldSelector"].split(","))
    assert chosen == {f"metadata.namespace!={name}" for name in three}


def test_what_matters_to_other_namespaces_is_listed_everywhere(cluster: Cluster, three: Three) -> None:
    """A role of one namespace may be granted to a service account of another."""
    with front(cluster) as proxy:
        found, _ = collected(proxy, "Role", "Namespace", include=(three.other,))
    roles = [name for name in three.own(found) if name.startswith("Role")]
    assert roles == [f"Role {name}/here" for name in sorted(three)]


def test_without_the_names_of_namespaces_everything_is_listed(cluster: Cluster, three: Three) -> None:
    forbidden = always(page_of("namespaces"), lambda exchange: exchange.refuse(403, "Forbidden", "not you"))
    with front(cluster, forbidden) as proxy:
        found, gaps = collected(proxy, "Deployment", include=(three.team,))
    assert three.own(found) == three.all
    assert [(gap.permission, gap.why) for gap in gaps] == [("list namespaces", "not you")]


def test_a_namespace_without_a_name_is_no_namespace(cluster: Cluster, three: Three) -> None:
    def nameless(exchange: Exchange) -> None:
        document = exchange.real().document
        document["items"] += [{}, {"metadata": {"name": None}}]
        exchange.answer(200, document)

    with front(cluster, always(page_of("namespaces"), nameless)) as proxy:
        found, gaps = collected(proxy, "Deployment", include=(f"{three.red}*",))
    assert (found, gaps) == ([f"Deployment {three.red}/here"], [])


def apply(cluster: Cluster, thing: dict[str, Any]) -> dict[str, Any]:
    (found,) = cluster.apply([thing])
    return found


def test_what_controllers_made_is_not_looked_at_again(cluster: Cluster, namespace: str) -> None:
    deployment = apply(cluster, objects.replicated("Deployment", namespace, "web"))
    replicas = apply(cluster, objects.made(objects.replicated("ReplicaSet", namespace, "web-1"), deployment))
    old = apply(cluster, objects.made(objects.replicated("ReplicaSet", namespace, "web-0", replicas=0), deployment))
    stateful = apply(cluster, objects.replicated("StatefulSet", namespace, "db"))
    daemons = apply(cluster, objects.replicated("DaemonSet", namespace, "log"))
    cron_job = apply(cluster, objects.cron_job(namespace, "nightly"))
    job = apply(cluster, objects.made(objects.job(namespace, "nightly-1"), cron_job))
    lone = apply(cluster, objects.job(namespace, "lone"))
    owners = (replicas, old, stateful, daemons, job, lone)
    cluster.apply(objects.made_of(owner, f"{owner['metadata']['name']}-0") for owner in owners)
    cluster.apply([objects.pod(namespace, "naked")])
    with front(cluster) as proxy:
        found, gaps = collected(proxy, WORKLOAD, include=(namespace,))
    assert gaps == []
    assert found == [
        f"CronJob {namespace}/nightly",
        f"DaemonSet {namespace}/log",
        f"Deployment {namespace}/web",
        f"Job {namespace}/lone",
        f"Pod {namespace}/naked",
        f"StatefulSet {namespace}/db",
    ]


def test_orphans_are_looked_at(cluster: Cluster, namespace: str) -> None:
    """Nobody else says what they say: their owner is gone, or of a kind without pods."""
    gone = objects.replicated("ReplicaSet", namespace, "gone")
    gone["metadata"]["uid"] = "00000000-0000-0000-0000-000000000001"
    settings = apply(
        cluster, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": namespace}}
    )
    cluster.apply([objects.made(objects.pod(namespace, "orphan"), gone)])
    cluster.apply([objects.made(objects.replicated("ReplicaSet", namespace, "of-settings"), settings)])
    with front(cluster) as proxy:
        found, _ = collected(proxy, WORKLOAD, include=(namespace,))
    assert found == [f"Pod {namespace}/orphan", f"ReplicaSet {namespace}/of-settings"]


def test_nobody_hides_behind_an_owner_that_would_not_have_made_it(cluster: Cluster, namespace: str) -> None:
    """Whoever may create pods may write any reference to an owner into them."""
    deployment = apply(cluster, objects.replicated("Deployment", namespace, "web"))
    replicas = apply(cluster, objects.made(objects.replicated("ReplicaSet", namespace, "web-1"), deployment))
    renamed = replicas | {"kind": "DaemonSet"}
    other = apply(cluster, objects.namespace(f"{namespace}-other"))
    cluster.apply(
        [
            objects.made(objects.pod(namespace, "of-deployment"), deployment),
            objects.made(objects.pod(namespace, "of-another-kind"), renamed),
            objects.made(objects.pod(namespace, "not-managed"), replicas, controller=False),
            objects.made(objects.pod(other["metadata"]["name"], "elsewhere"), replicas),
            objects.made(objects.replicated("StatefulSet", namespace, "of-replicas"), replicas),
        ]
    )
    with front(cluster) as proxy:
        found, _ = collected(proxy, WORKLOAD, include=(namespace, f"{namespace}-other"))
    cluster.remove_namespace(f"{namespace}-other")
    assert found == [
        f"Deployment {namespace}/web",
        f"Pod {namespace}-other/elsewhere",
        f"Pod {namespace}/not-managed",
        f"Pod {namespace}/of-another-kind",
        f"Pod {namespace}/of-deployment",
        f"StatefulSet {namespace}/of-replicas",
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"hostPID": True},
        {"serviceAccountName": "robot"},
        {"volumes": [{"name": "node", "hostPath": {"path": "/"}}]},
        {"containers": [{"name": "app", "image": "a:1", "securityContext": {"privileged": True}}]},
        {"initContainers": [{"name": "first", "image": "a:1", "securityContext": {"privileged": True}}]},
    ],
    ids=lambda more: next(iter(more)),
)
def test_nobody_hides_behind_an_owner_that_may_less(cluster: Cluster, namespace: str, more: dict[str, Any]) -> None:
    """A controller copies what the template has: whoever says more about itself was made by somebody else."""
    cluster.apply(
        [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": namespace}}]
    )
    cron_job = apply(cluster, objects.cron_job(namespace, "nightly"))
    other, own = objects.job(namespace, "nightly-1"), objects.job(namespace, "nightly-2")
    other["spec"]["template"]["spec"] |= more
    liar, replicas = objects.pod(namespace, "web-1"), apply(cluster, objects.replicated("ReplicaSet", namespace, "web"))
    liar["spec"] = liar["spec"] | more
    cluster.apply(
        [
            objects.made(liar, replicas),
            objects.made(objects.pod(namespace, "web-2"), replicas),
            objects.made(other, cron_job),
            objects.made(own, cron_job),
        ]
    )
    with front(cluster) as proxy:
        found, _ = collected(proxy, WORKLOAD, include=(namespace,))
    assert found == [
        f"CronJob {namespace}/nightly",
        f"Job {namespace}/nightly-1",
        f"Pod {namespace}/web-1",
        f"ReplicaSet {namespace}/web",
    ]


def test_what_has_ended_is_no_news_of_its_owner(cluster: Cluster, namespace: str) -> None:
    """A CronJob may have been mended since."""
    cron_job = apply(cluster, objects.cron_job(namespace, "nightly"))
    ended = objects.made(objects.job(namespace, "nightly-1"), cron_job)
    ended["spec"]["template"]["spec"] |= {"hostPID": True}
    time = "2026-01-01T00:00:00Z"
    condition = {"status": "True", "lastProbeTime": time, "lastTransitionTime": time}
    conditions = [condition | {"type": "FailureTarget"}, condition | {"type": "Failed"}]
    cluster.apply([ended | {"status": {"startTime": time, "conditions": conditions, "failed": 1}}])
    with front(cluster) as proxy:
        found, _ = collected(proxy, WORKLOAD, include=(namespace,))
    assert found == [f"CronJob {namespace}/nightly"]


def test_a_pod_that_a_stateful_set_would_not_have_called_so_is_looked_at(cluster: Cluster, namespace: str) -> None:
    """Its controller takes care of no other Pods, whatever these say."""
    stateful = apply(cluster, objects.replicated("StatefulSet", namespace, "db"))
    cluster.apply(objects.made(objects.pod(namespace, name), stateful) for name in ("db-0", "db-0-a", "web-0"))
    with front(cluster) as proxy:
        found, _ = collected(proxy, WORKLOAD, include=(namespace,))
    assert found == [f"Pod {namespace}/db-0-a", f"Pod {namespace}/web-0", f"StatefulSet {namespace}/db"]


def test_a_container_that_was_put_into_a_pod_is_looked_at(cluster: Cluster, namespace: str) -> None:
    """`kubectl debug` adds containers to Pods alone: their owner says nothing of them."""
    stateful = apply(cluster, objects.replicated("StatefulSet", namespace, "db"))
    cluster.apply(objects.made(objects.pod(namespace, name), stateful) for name in ("db-0", "db-1"))
    debugger = {"name": "debug", "image": "busybox", "securityContext": {"privileged": True}}
    path = f"/api/v1/namespaces/{namespace}/pods/db-1/ephemeralcontainers"
    body = {"spec": {"ephemeralContainers": [debugger]}}
    cluster.admin("PATCH", path, body, sent="application/strategic-merge-patch+json")
    with front(cluster) as proxy:
        found, _ = collected(proxy, WORKLOAD, include=(namespace,))
    assert found == [f"Pod {namespace}/db-1", f"StatefulSet {namespace}/db"]


def test_of_many_namespaces_one_list_is_asked_for(cluster: Cluster, three: Three) -> None:
    names = (*(f"test-none-{number}" for number in range(30)), *three)
    with front(cluster) as proxy:
        included, gaps = collected(proxy, "Deployment", include=names)
        excluded, _ = collected(proxy, "Deployment", exclude=names)
        asked = [item for item in proxy.lists() if item.kind == "deployments"]
    # What is not meant is left out by who judges.
    assert (three.own(included), three.own(excluded), gaps) == (three.all, three.all, [])
    assert [(item.path, "fieldSelector" in item.query) for item in asked] == [("/apis/apps/v1/deployments", False)] * 2


@pytest.mark.parametrize("name", ["../../../version", "kube-system/secrets/token", "a/../../secrets", "a#b", "a%2Fb"])
def test_what_is_no_namespace_leads_nowhere_else(cluster: Cluster, name: str) -> None:
    with front(cluster) as proxy:
        collected(proxy, "Pod", include=(name,))
        paths = [asked.path for asked in proxy.asked if asked.path not in {"/api", "/apis"}]
    assert [path.count("/") for path in paths] == [5]
    assert paths[0].startswith("/api/v1/namespaces/")
    assert paths[0].endswith("/pods")


def test_what_owners_are_not_shown_is_seen_in_what_they_own(cluster: Cluster, namespace: str) -> None:
    deployment = apply(cluster, objects.replicated("Deployment", namespace, "web"))
    replicas = apply(cluster, objects.made(objects.replicated("ReplicaSet", namespace, "web-1"), deployment))
    cluster.apply([objects.made(objects.pod(namespace, "web-1-a"), replicas)])
    hidden = always(page_of("deployments"), lambda exchange: exchange.refuse(403, "Forbidden", "not you"))
    with front(cluster, hidden) as proxy:
        found, gaps = collected(proxy, WORKLOAD, include=(namespace,))
    assert found == [f"ReplicaSet {namespace}/web-1"]
    assert [gap.permission for gap in gaps] == [f"list deployments.apps in namespace {namespace}"]


def test_one_object_under_two_groups_is_one(cluster: Cluster, namespace: str) -> None:
    """As Ingresses and Deployments were in `extensions` too, and Events are to this day."""
    cluster.apply([objects.event(namespace, "started")])
    with front(cluster) as proxy:
        found, gaps = collected(proxy, "Event")
        paths = listed(proxy)
    assert paths == {"/api/v1/events", "/apis/events.k8s.io/v1/events"}
    assert (found.count(f"Event {namespace}/started"), gaps) == (1, [])


def test_a_list_that_breaks_off_is_a_gap(cluster: Cluster, namespace: str) -> None:
    """What came before it is looked at all the same."""
    cluster.apply(objects.pod(namespace, f"number-{number:02}") for number in range(7))

    def small(exchange: Exchange) -> bool:
        if exchange.asked.kind != "pods":
            return False
        if "continue" in exchange.asked.query:
            exchange.refuse(500, "InternalError", "etcd is gone")
            return True
        document = exchange.real().document
        document["items"], document["metadata"]["continue"] = document["items"][:3], "more"
        exchange.answer(200, document)
        return True

    with front(cluster, small) as proxy:
        found, gaps = collected(proxy, "Pod", include=(namespace,))
    assert found == [f"Pod {namespace}/number-{number:02}" for number in range(3)]
    (gap,) = gaps
    assert (gap.kind, gap.namespace, gap.partial) == ("Pod", namespace, True)
    assert gap.text == "cut off: etcd is gone"


def is_list(asked: Asked) -> bool:
    return "limit" in asked.query


@pytest.mark.parametrize(
    "fault",
    [
        each(3, is_list, lambda exchange: exchange.drop()),
        each(3, is_list, lambda exchange: exchange.refuse(429, "TooManyRequests", "later")),
        each(3, is_list, lambda exchange: exchange.answer(200, b"{}")),
    ],
    ids=["dropped", "busy", "cut"],
)
def test_a_bad_network_is_no_gap(cluster: Cluster, namespace: str, fault: Fault) -> None:
    cluster.apply([objects.replicated("Deployment", namespace, "web"), objects.pod(namespace, "naked")])
    with front(cluster, fault) as proxy:
        found, gaps = collected(proxy, WORKLOAD, "ConfigMap", "Service", include=(namespace,))
    assert found == [f"Deployment {namespace}/web", f"Pod {namespace}/naked"]
    assert gaps == []


def test_an_api_that_is_down_is_a_gap_for_who_needs_it(cluster: Cluster) -> None:
    with front(cluster) as proxy:
        assert collected(proxy, "Service")[1] == []
        _, gaps = collected(proxy, "Service", "metrics.k8s.io/NodeMetrics", "metrics.k8s.io/PodMetrics")
    assert [(gap.permission, gap.why) for gap in gaps] == [
        ("list nodemetricses.metrics.k8s.io", "its API server does not answer"),
        ("list podmetricses.metrics.k8s.io", "its API server does not answer"),
    ]


def test_who_stops_looking_ends_the_lists(cluster: Cluster, namespace: str) -> None:
    cluster.apply([objects.pod(namespace, "a")])
    with front(cluster) as proxy, connecting.connection(proxy.url) as connection:
        given: KubeConnection = connection
        found = iter(Collection(given, discover(given), ClusterScope(kinds=frozenset({"Pod", "Service"}))))
        next(found)
        found.close()  # type: ignore[attr-defined]
        assert given.is_closed


def test_nobody_waits_for_who_has_gone(cluster: Cluster) -> None:
    """Pages wait for room that nobody makes any more: who holds them gives up when the connection ends."""
    numbers = itertools.count()

    def more(exchange: Exchange) -> None:
        number = next(numbers)
        item = {"metadata": {"name": f"a-{number}", "uid": f"uid-{number}"}}
        document = {"kind": "PodList", "metadata": {"continue": f"token-{number}"}, "items": [item]}
        exchange.answer(200, document)

    with front(cluster, always(page_of("pods"), more)) as proxy:
        with connecting.connection(proxy.url) as connection:
            collection = Collection(connection, discover(connection), ClusterScope(kinds=frozenset({"Pod"})))
            found = iter(collection)
            next(found)
            # As many as may wait, and one in hand: from here on there is no room.
            eventually(lambda: len([asked for asked in proxy.lists() if asked.kind == "pods"]) >= 6)
            assert collection.gaps == []
        eventually(lambda: bool(collection.gaps))
    assert [(gap.kind, gap.partial) for gap in collection.gaps] == [("Pod", True)]
    # It is still there, as it is in the frames of an error that is being told.
    assert found is not None
