"""Collection of a real cluster: the list requests, each object once, and no objects that their owner covers."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from kubekeep.kube.discovery import discover
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.control import SUBJECT, WORKLOAD
from kubekeep.sources.cluster.collect import Collection
from kubekeep.sources.cluster.scope import ClusterScope, NamespaceSelection
from tests.cluster.cluster import Cluster, eventually
from tests.kube import connecting
from tests.kube.faults import Exchange, Fault, Front, ReceivedRequest, always, each, front, page_of
from tests.sources.cluster import objects

SECRET_VALUE = "do-not-tell-this-value"  # noqa: S105 - a test value
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PODS = frozenset({WORKLOAD})


def collect(
    proxy: Front, *kinds: str, include: tuple[str, ...] = (), exclude: tuple[str, ...] = (), complete: str = ""
) -> tuple[list[str], list[CoverageGap]]:
    """Return the objects in namespaces of tests (`Kind namespace/name`, sorted), and the coverage gaps."""
    scope = ClusterScope(
        kinds=frozenset(kinds), complete=frozenset({complete} - {""}), namespaces=NamespaceSelection(include, exclude)
    )
    with connecting.connection(proxy.url) as connection:
        collection = Collection(connection, discover(connection), scope)
        labels = [f"{resource.kind} {resource.namespace}/{resource.name}" for resource in collection]
        return sorted(name for name in labels if " test-" in name), collection.gaps


def list_paths(proxy: Front) -> set[str]:
    """Return the paths of list requests."""
    return {request.path for request in proxy.lists()}


def test_only_required_kinds_are_listed(cluster: Cluster) -> None:
    with front(cluster) as proxy:
        _, gaps = collect(proxy, "Service", "networking.k8s.io/NetworkPolicy", "PodSecurityPolicy", "example.com/Boat")
        paths = [request.path for request in proxy.requests]
    assert gaps == []
    assert sorted(paths) == ["/api", "/api/v1/services", "/apis", "/apis/networking.k8s.io/v1/networkpolicies"]


def test_names_of_several_kinds_are_expanded(cluster: Cluster) -> None:
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    with front(cluster) as proxy:
        collect(proxy, SUBJECT)
        assert list_paths(proxy) == {
            f"{rbac}/{kind}s" for kind in ("role", "rolebinding", "clusterrole", "clusterrolebinding")
        }
    with front(cluster) as proxy:
        collect(proxy, WORKLOAD)
        kinds = {request.kind for request in proxy.lists()}
    assert kinds >= {
        *("pods", "podtemplates", "replicationcontrollers", "deployments", "replicasets", "statefulsets"),
        *("daemonsets", "jobs", "cronjobs", "customresourcedefinitions"),
    }


def test_only_metadata_of_secrets_is_requested(cluster: Cluster, namespace: str) -> None:
    meta = {"name": "password", "namespace": namespace, "labels": {"app": "shop"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"password": SECRET_VALUE}}
    cluster.apply([secret])
    stored = cluster.admin("GET", f"/api/v1/namespaces/{namespace}/secrets/password")["data"]["password"]
    with front(cluster) as proxy:
        labels, gaps = collect(proxy, "Secret")
        (request,) = proxy.lists()
        received = b"".join(proxy.sent)
    assert (f"Secret {namespace}/password" in labels, gaps) == (True, [])
    assert request.headers["accept"] == METADATA_ONLY
    assert stored.encode() not in received
    assert SECRET_VALUE.encode() not in received
    assert b'"name":"password"' in received


def test_last_applied_annotation_of_a_secret_is_removed(cluster: Cluster, namespace: str) -> None:
    """`kubectl apply` stores the whole object in an annotation, and annotations are metadata."""
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": SECRET_VALUE, "team": "shop"}
    meta = {"name": "applied", "namespace": namespace, "annotations": annotations}
    cluster.apply([{"apiVersion": "v1", "kind": "Secret", "metadata": meta}])
    with front(cluster) as proxy, connecting.connection(proxy.url) as connection:
        scope = ClusterScope(kinds=frozenset({"Secret"}), namespaces=NamespaceSelection((namespace,)))
        (secret,) = Collection(connection, discover(connection), scope)
    assert secret.object["metadata"]["annotations"] == {"team": "shop"}
    assert SECRET_VALUE not in str(secret.object)


def test_full_objects_instead_of_metadata_are_rejected(cluster: Cluster, namespace: str) -> None:
    def send_full_objects(exchange: Exchange) -> None:
        exchange.answer(200, cluster.admin("GET", f"/api/v1/namespaces/{namespace}/secrets"))

    with front(cluster, always(page_of("secrets"), send_full_objects)) as proxy:
        labels, gaps = collect(proxy, "Secret", include=(namespace,))
    assert labels == []
    assert [(gap.permission, gap.reason) for gap in gaps] == [
        (
            f"list secrets in namespace {namespace}",
            "the API server returned a SecretList instead of a PartialObjectMetadataList",
        )
    ]


def test_user_rules_may_need_complete_objects(cluster: Cluster, namespace: str) -> None:
    with front(cluster) as proxy:
        collect(proxy, "Lease", include=(namespace,), complete="Lease")
        collect(proxy, "Lease", include=(namespace,))
    assert [request.headers["accept"] for request in proxy.lists()] == ["application/json", METADATA_ONLY]


class TeamNamespaces(NamedTuple):
    """Three namespaces of this module; the first two share a prefix. Collections yield `labels`."""

    red: str
    blue: str
    other: str

    @property
    def team_pattern(self) -> str:
        """Pattern of the first two."""
        return f"{self.red.removesuffix('red')}*"

    @property
    def labels(self) -> list[str]:
        return [f"Deployment {name}/here" for name in sorted(self)]

    def filter_labels(self, labels: list[str]) -> list[str]:
        """Filter `labels` by these namespaces: parallel tests create others."""
        return [name for name in labels if name.split()[1].partition("/")[0] in self]


@pytest.fixture(scope="module")
def namespaces(cluster: Cluster) -> Iterator[TeamNamespaces]:
    """Create the namespaces with a Deployment and a Role each. Two processes may run tests of this module on one cluster."""
    run = uuid.uuid4().hex[:8]
    names = TeamNamespaces(f"test-{run}-team-red", f"test-{run}-team-blue", f"test-{run}-other")
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    for name in names:
        metadata = {"name": "here", "namespace": name}
        cluster.apply(
            [
                objects.namespace(name),
                objects.replicated("Deployment", name, "here"),
                {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules},
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
def test_included_namespaces_are_listed_one_by_one(
    cluster: Cluster,
    namespaces: TeamNamespaces,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    expected: list[str],
) -> None:
    placeholders = namespaces._asdict() | {"team": namespaces.team_pattern}
    with front(cluster) as proxy:
        labels, gaps = collect(
            proxy,
            "Deployment",
            include=tuple(name.format_map(placeholders) for name in include),
            exclude=tuple(name.format_map(placeholders) for name in exclude),
        )
        paths = {request.path for request in proxy.lists() if request.kind == "deployments"}
    names = [placeholders[name] for name in expected]
    assert (namespaces.filter_labels(labels), gaps) == ([f"Deployment {name}/here" for name in names], [])
    listed_paths = {path for path in paths if path.split("/")[5] in namespaces}
    assert listed_paths == {f"/apis/apps/v1/namespaces/{name}/deployments" for name in names}
    assert all(path.startswith("/apis/apps/v1/namespaces/") for path in paths)


def test_missing_namespace_is_queried(cluster: Cluster) -> None:
    with front(cluster) as proxy:
        assert collect(proxy, "Deployment", include=("test-gone",)) == ([], [])
        (request,) = (listing for listing in proxy.lists() if listing.kind == "deployments")
    assert request.path == "/apis/apps/v1/namespaces/test-gone/deployments"


def test_excluded_namespaces_are_filtered_by_the_server(cluster: Cluster, namespaces: TeamNamespaces) -> None:
    with front(cluster) as proxy:
        labels, gaps = collect(proxy, "Deployment", exclude=(namespaces.team_pattern, namespaces.other))
        (request,) = (listing for listing in proxy.lists() if listing.kind == "deployments")
    assert (namespaces.filter_labels(labels), gaps) == ([], [])
    field_selectors = set(request.query["fieldSelector"].split(","))
    assert field_selectors == {f"metadata.namespace!={name}" for name in namespaces}


def test_kinds_with_effect_on_other_namespaces_are_listed_everywhere(
    cluster: Cluster, namespaces: TeamNamespaces
) -> None:
    """A role of one namespace may be granted to a service account of another."""
    with front(cluster) as proxy:
        labels, _ = collect(proxy, "Role", "Namespace", include=(namespaces.other,))
    roles = [name for name in namespaces.filter_labels(labels) if name.startswith("Role")]
    assert roles == [f"Role {name}/here" for name in sorted(namespaces)]


def test_everything_is_listed_without_namespace_names(cluster: Cluster, namespaces: TeamNamespaces) -> None:
    forbidden = always(page_of("namespaces"), lambda exchange: exchange.refuse(403, "Forbidden", "not you"))
    with front(cluster, forbidden) as proxy:
        labels, gaps = collect(proxy, "Deployment", include=(namespaces.team_pattern,))
    assert namespaces.filter_labels(labels) == namespaces.labels
    assert [(gap.permission, gap.reason) for gap in gaps] == [("list namespaces", "not you")]


def test_namespace_without_a_name_is_ignored(cluster: Cluster, namespaces: TeamNamespaces) -> None:
    def add_nameless(exchange: Exchange) -> None:
        document = exchange.real().document
        document["items"] += [{}, {"metadata": {"name": None}}]
        exchange.answer(200, document)

    with front(cluster, always(page_of("namespaces"), add_nameless)) as proxy:
        labels, gaps = collect(proxy, "Deployment", include=(f"{namespaces.red}*",))
    assert (labels, gaps) == ([f"Deployment {namespaces.red}/here"], [])


def apply(cluster: Cluster, resource_object: dict[str, Any]) -> dict[str, Any]:
    (stored,) = cluster.apply([resource_object])
    return stored


def test_objects_covered_by_their_owner_are_skipped(cluster: Cluster, namespace: str) -> None:
    deployment = apply(cluster, objects.replicated("Deployment", namespace, "web"))
    replicas = apply(cluster, objects.set_owner(objects.replicated("ReplicaSet", namespace, "web-1"), deployment))
    idle_replicas = apply(
        cluster, objects.set_owner(objects.replicated("ReplicaSet", namespace, "web-0", replicas=0), deployment)
    )
    stateful = apply(cluster, objects.replicated("StatefulSet", namespace, "db"))
    daemons = apply(cluster, objects.replicated("DaemonSet", namespace, "log"))
    cron_job = apply(cluster, objects.cron_job(namespace, "nightly"))
    job = apply(cluster, objects.set_owner(objects.job(namespace, "nightly-1"), cron_job))
    lone = apply(cluster, objects.job(namespace, "lone"))
    owners = (replicas, idle_replicas, stateful, daemons, job, lone)
    cluster.apply(objects.build_owned_pod(owner, f"{owner['metadata']['name']}-0") for owner in owners)
    cluster.apply([objects.pod(namespace, "naked")])
    with front(cluster) as proxy:
        labels, gaps = collect(proxy, WORKLOAD, include=(namespace,))
    assert gaps == []
    assert labels == [
        f"CronJob {namespace}/nightly",
        f"DaemonSet {namespace}/log",
        f"Deployment {namespace}/web",
        f"Job {namespace}/lone",
        f"Pod {namespace}/naked",
        f"StatefulSet {namespace}/db",
    ]


def test_orphans_are_collected(cluster: Cluster, namespace: str) -> None:
    """Their owner was deleted, or is of a kind without pods, so it cannot cover them."""
    deleted_owner = objects.replicated("ReplicaSet", namespace, "gone")
    deleted_owner["metadata"]["uid"] = "00000000-0000-0000-0000-000000000001"
    settings = apply(
        cluster, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": namespace}}
    )
    cluster.apply([objects.set_owner(objects.pod(namespace, "orphan"), deleted_owner)])
    cluster.apply([objects.set_owner(objects.replicated("ReplicaSet", namespace, "of-settings"), settings)])
    with front(cluster) as proxy:
        labels, _ = collect(proxy, WORKLOAD, include=(namespace,))
    assert labels == [f"Pod {namespace}/orphan", f"ReplicaSet {namespace}/of-settings"]


def test_implausible_owner_covers_nothing(cluster: Cluster, namespace: str) -> None:
    """Users who can create pods can set any owner reference."""
    deployment = apply(cluster, objects.replicated("Deployment", namespace, "web"))
    replicas = apply(cluster, objects.set_owner(objects.replicated("ReplicaSet", namespace, "web-1"), deployment))
    renamed = replicas | {"kind": "DaemonSet"}
    other = apply(cluster, objects.namespace(f"{namespace}-other"))
    cluster.apply(
        [
            objects.set_owner(objects.pod(namespace, "of-deployment"), deployment),
            objects.set_owner(objects.pod(namespace, "of-another-kind"), renamed),
            objects.set_owner(objects.pod(namespace, "not-managed"), replicas, controller=False),
            objects.set_owner(objects.pod(other["metadata"]["name"], "elsewhere"), replicas),
            objects.set_owner(objects.replicated("StatefulSet", namespace, "of-replicas"), replicas),
        ]
    )
    with front(cluster) as proxy:
        labels, _ = collect(proxy, WORKLOAD, include=(namespace, f"{namespace}-other"))
    cluster.remove_namespace(f"{namespace}-other")
    assert labels == [
        f"Deployment {namespace}/web",
        f"Pod {namespace}-other/elsewhere",
        f"Pod {namespace}/not-managed",
        f"Pod {namespace}/of-another-kind",
        f"Pod {namespace}/of-deployment",
        f"StatefulSet {namespace}/of-replicas",
    ]


@pytest.mark.parametrize(
    "strong_spec",
    [
        {"hostPID": True},
        {"serviceAccountName": "robot"},
        {"volumes": [{"name": "node", "hostPath": {"path": "/"}}]},
        {"containers": [{"name": "app", "image": "a:1", "securityContext": {"privileged": True}}]},
        {"initContainers": [{"name": "first", "image": "a:1", "securityContext": {"privileged": True}}]},
    ],
    ids=lambda strong_spec: next(iter(strong_spec)),
)
def test_owner_with_fewer_privileges_covers_nothing(
    cluster: Cluster, namespace: str, strong_spec: dict[str, Any]
) -> None:
    """Controllers copy the template: a pod with more privileges has another creator."""
    cluster.apply(
        [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": namespace}}]
    )
    cron_job = apply(cluster, objects.cron_job(namespace, "nightly"))
    strong_job, job = objects.job(namespace, "nightly-1"), objects.job(namespace, "nightly-2")
    strong_job["spec"]["template"]["spec"] |= strong_spec
    strong_pod, replicas = (
        objects.pod(namespace, "web-1"),
        apply(cluster, objects.replicated("ReplicaSet", namespace, "web")),
    )
    strong_pod["spec"] = strong_pod["spec"] | strong_spec
    cluster.apply(
        [
            objects.set_owner(strong_pod, replicas),
            objects.set_owner(objects.pod(namespace, "web-2"), replicas),
            objects.set_owner(strong_job, cron_job),
            objects.set_owner(job, cron_job),
        ]
    )
    with front(cluster) as proxy:
        labels, _ = collect(proxy, WORKLOAD, include=(namespace,))
    assert labels == [
        f"CronJob {namespace}/nightly",
        f"Job {namespace}/nightly-1",
        f"Pod {namespace}/web-1",
        f"ReplicaSet {namespace}/web",
    ]


def test_finished_job_is_covered_by_its_owner(cluster: Cluster, namespace: str) -> None:
    """The CronJob may have been fixed since."""
    cron_job = apply(cluster, objects.cron_job(namespace, "nightly"))
    finished_job = objects.set_owner(objects.job(namespace, "nightly-1"), cron_job)
    finished_job["spec"]["template"]["spec"] |= {"hostPID": True}
    time = "2026-01-01T00:00:00Z"
    condition = {"status": "True", "lastProbeTime": time, "lastTransitionTime": time}
    conditions = [condition | {"type": "FailureTarget"}, condition | {"type": "Failed"}]
    cluster.apply([finished_job | {"status": {"startTime": time, "conditions": conditions, "failed": 1}}])
    with front(cluster) as proxy:
        labels, _ = collect(proxy, WORKLOAD, include=(namespace,))
    assert labels == [f"CronJob {namespace}/nightly"]


def test_pod_name_must_match_its_stateful_set(cluster: Cluster, namespace: str) -> None:
    """Its controller ignores Pods with other names."""
    stateful = apply(cluster, objects.replicated("StatefulSet", namespace, "db"))
    cluster.apply(objects.set_owner(objects.pod(namespace, name), stateful) for name in ("db-0", "db-0-a", "web-0"))
    with front(cluster) as proxy:
        labels, _ = collect(proxy, WORKLOAD, include=(namespace,))
    assert labels == [f"Pod {namespace}/db-0-a", f"Pod {namespace}/web-0", f"StatefulSet {namespace}/db"]


def test_pod_with_an_ephemeral_container_is_collected(cluster: Cluster, namespace: str) -> None:
    """`kubectl debug` adds containers to Pods only: the owner does not have them."""
    stateful = apply(cluster, objects.replicated("StatefulSet", namespace, "db"))
    cluster.apply(objects.set_owner(objects.pod(namespace, name), stateful) for name in ("db-0", "db-1"))
    debugger = {"name": "debug", "image": "busybox", "securityContext": {"privileged": True}}
    path = f"/api/v1/namespaces/{namespace}/pods/db-1/ephemeralcontainers"
    body = {"spec": {"ephemeralContainers": [debugger]}}
    cluster.admin("PATCH", path, body, sent="application/strategic-merge-patch+json")
    with front(cluster) as proxy:
        labels, _ = collect(proxy, WORKLOAD, include=(namespace,))
    assert labels == [f"Pod {namespace}/db-1", f"StatefulSet {namespace}/db"]


def test_many_namespaces_need_a_single_list(cluster: Cluster, namespaces: TeamNamespaces) -> None:
    names = (*(f"test-none-{number}" for number in range(30)), *namespaces)
    with front(cluster) as proxy:
        included, gaps = collect(proxy, "Deployment", include=names)
        excluded, _ = collect(proxy, "Deployment", exclude=names)
        requests = [request for request in proxy.lists() if request.kind == "deployments"]
    # The evaluation excludes the other namespaces.
    assert (namespaces.filter_labels(included), namespaces.filter_labels(excluded), gaps) == (
        namespaces.labels,
        namespaces.labels,
        [],
    )
    assert [(request.path, "fieldSelector" in request.query) for request in requests] == [
        ("/apis/apps/v1/deployments", False)
    ] * 2


@pytest.mark.parametrize("name", ["../../../version", "kube-system/secrets/token", "a/../../secrets", "a#b", "a%2Fb"])
def test_invalid_namespace_cannot_change_the_path(cluster: Cluster, name: str) -> None:
    with front(cluster) as proxy:
        collect(proxy, "Pod", include=(name,))
        paths = [request.path for request in proxy.requests if request.path not in {"/api", "/apis"}]
    assert [path.count("/") for path in paths] == [5]
    assert paths[0].startswith("/api/v1/namespaces/")
    assert paths[0].endswith("/pods")


def test_objects_of_a_forbidden_owner_are_collected(cluster: Cluster, namespace: str) -> None:
    deployment = apply(cluster, objects.replicated("Deployment", namespace, "web"))
    replicas = apply(cluster, objects.set_owner(objects.replicated("ReplicaSet", namespace, "web-1"), deployment))
    cluster.apply([objects.set_owner(objects.pod(namespace, "web-1-a"), replicas)])
    forbidden = always(page_of("deployments"), lambda exchange: exchange.refuse(403, "Forbidden", "not you"))
    with front(cluster, forbidden) as proxy:
        labels, gaps = collect(proxy, WORKLOAD, include=(namespace,))
    assert labels == [f"ReplicaSet {namespace}/web-1"]
    assert [gap.permission for gap in gaps] == [f"list deployments.apps in namespace {namespace}"]


def test_object_of_two_groups_is_collected_once(cluster: Cluster, namespace: str) -> None:
    """Ingresses and Deployments used to be in `extensions` too; Events still are in two groups."""
    cluster.apply([objects.event(namespace, "started")])
    with front(cluster) as proxy:
        labels, gaps = collect(proxy, "Event")
        paths = list_paths(proxy)
    assert paths == {"/api/v1/events", "/apis/events.k8s.io/v1/events"}
    assert (labels.count(f"Event {namespace}/started"), gaps) == (1, [])


def test_truncated_list_is_a_gap(cluster: Cluster, namespace: str) -> None:
    """Earlier pages are evaluated nevertheless."""
    cluster.apply(objects.pod(namespace, f"number-{number:02}") for number in range(7))

    def send_truncated_list(exchange: Exchange) -> bool:
        if exchange.request.kind != "pods":
            return False
        if "continue" in exchange.request.query:
            exchange.refuse(500, "InternalError", "etcd is gone")
            return True
        document = exchange.real().document
        document["items"], document["metadata"]["continue"] = document["items"][:3], "more"
        exchange.answer(200, document)
        return True

    with front(cluster, send_truncated_list) as proxy:
        labels, gaps = collect(proxy, "Pod", include=(namespace,))
    assert labels == [f"Pod {namespace}/number-{number:02}" for number in range(3)]
    (gap,) = gaps
    assert (gap.kind, gap.namespace, gap.is_truncated) == ("Pod", namespace, True)
    assert gap.text == "list incomplete: etcd is gone"


def is_list(request: ReceivedRequest) -> bool:
    return "limit" in request.query


@pytest.mark.parametrize(
    "fault",
    [
        each(3, is_list, lambda exchange: exchange.drop()),
        each(3, is_list, lambda exchange: exchange.refuse(429, "TooManyRequests", "later")),
        each(3, is_list, lambda exchange: exchange.answer(200, b"{}")),
    ],
    ids=["dropped", "busy", "cut"],
)
def test_network_errors_are_no_gap(cluster: Cluster, namespace: str, fault: Fault) -> None:
    cluster.apply([objects.replicated("Deployment", namespace, "web"), objects.pod(namespace, "naked")])
    with front(cluster, fault) as proxy:
        labels, gaps = collect(proxy, WORKLOAD, "ConfigMap", "Service", include=(namespace,))
    assert labels == [f"Deployment {namespace}/web", f"Pod {namespace}/naked"]
    assert gaps == []


def test_unavailable_api_is_a_gap_if_needed(cluster: Cluster) -> None:
    with front(cluster) as proxy:
        assert collect(proxy, "Service")[1] == []
        _, gaps = collect(proxy, "Service", "metrics.k8s.io/NodeMetrics", "metrics.k8s.io/PodMetrics")
    assert [(gap.permission, gap.reason) for gap in gaps] == [
        ("list nodemetricses.metrics.k8s.io", "its API server does not respond"),
        ("list podmetricses.metrics.k8s.io", "its API server does not respond"),
    ]


def test_closed_iterator_ends_the_lists(cluster: Cluster, namespace: str) -> None:
    cluster.apply([objects.pod(namespace, "a")])
    with front(cluster) as proxy, connecting.connection(proxy.url) as connection:
        iterator = iter(Collection(connection, discover(connection), ClusterScope(kinds=frozenset({"Pod", "Service"}))))
        next(iterator)
        iterator.close()  # type: ignore[attr-defined]
        assert connection.is_closed


def test_threads_end_with_the_connection(cluster: Cluster) -> None:
    """Threads that wait for room in the queue give up when the connection is closed."""
    numbers = itertools.count()

    def send_next_page(exchange: Exchange) -> None:
        number = next(numbers)
        pod = {"metadata": {"name": f"a-{number}", "uid": f"uid-{number}"}}
        document = {"kind": "PodList", "metadata": {"continue": f"token-{number}"}, "items": [pod]}
        exchange.answer(200, document)

    with front(cluster, always(page_of("pods"), send_next_page)) as proxy:
        with connecting.connection(proxy.url) as connection:
            collection = Collection(connection, discover(connection), ClusterScope(kinds=frozenset({"Pod"})))
            iterator = iter(collection)
            next(iterator)
            # The queue is full, and one page is in hand.
            eventually(lambda: len([request for request in proxy.lists() if request.kind == "pods"]) >= 6)
            assert collection.gaps == []
        eventually(lambda: bool(collection.gaps))
    assert [(gap.kind, gap.is_truncated) for gap in collection.gaps] == [("Pod", True)]
    # Keep a reference, as the frames of an error do.
    assert iterator is not None
