"""Custom kinds with pod templates by their definitions, and owners of custom kinds."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from kubekeep.kube.discovery import discover
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.control import WORKLOAD
from kubekeep.sources.cluster.collect import Collection
from kubekeep.sources.cluster.custom_kinds import has_pod_template
from kubekeep.sources.cluster.scope import ClusterScope, NamespaceSelection
from tests.cluster.cluster import Cluster, eventually
from tests.kube import connecting
from tests.kube.faults import Exchange, Fault, Front, always, front, older, page_of
from tests.sources.cluster import objects
from tests.usecases import clusters

GROUP = "example.com"
SCOPE = ClusterScope(kinds=frozenset({WORKLOAD}))


def schemaless(**spec: Any) -> dict[str, Any]:
    """Return an old definition without a schema, as etcd may still hold one."""
    return {"spec": {"group": GROUP, "names": {"kind": "Boat"}, "versions": [{"name": "v1"}]} | spec}


def template_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"template": schema}}


MAP = {"type": "object", "additionalProperties": {"type": "string"}}


@pytest.mark.parametrize(
    ("definition", "has_template"),
    [
        (objects.definition(GROUP, "A", objects.pods_schema()), True),
        (objects.definition(GROUP, "A", objects.pods_schema("podTemplate")), True),
        (objects.definition(GROUP, "A", template_of(template_of(objects.pods_schema()))), True),
        (objects.definition(GROUP, "A", {"items": objects.pods_schema("workerTemplates"), "type": "array"}), True),
        (objects.definition(GROUP, "A", {"additionalProperties": objects.pods_schema(), "type": "object"}), True),
        (objects.definition(GROUP, "A", {"properties": {"sets": {"items": template_of(objects.open_schema())}}}), True),
        (objects.definition(GROUP, "A", {"properties": {"sets": {"items": objects.open_schema()}}}), False),
        (objects.definition(GROUP, "A", objects.open_schema()), True),
        (objects.definition(GROUP, "A", template_of(objects.open_schema())), True),
        (objects.definition(GROUP, "A", template_of({"type": "object"})), False),
        (objects.definition(GROUP, "A", template_of({"type": "string"})), False),
        (objects.definition(GROUP, "A", template_of(MAP)), False),
        (objects.definition(GROUP, "A", {"type": "object", "additionalProperties": objects.open_schema()}), True),
        (objects.definition(GROUP, "A", {"type": "object", "additionalProperties": True}), True),
        (objects.definition(GROUP, "A", {"type": "object", "additionalProperties": False}), False),
        (objects.definition(GROUP, "A", objects.pods_schema("pods")), False),
        (schemaless(), True),
        (schemaless(versions=[{"name": "v1", "schema": None}]), True),
        (schemaless(versions=None), True),
        (objects.definition(GROUP, "A", {}) | schemaless(preserveUnknownFields=True), True),
    ],
)
def test_pod_template_in_a_definition(definition: dict[str, Any], *, has_template: bool) -> None:
    assert has_pod_template(definition, "v1") is has_template


@pytest.fixture(scope="module")
def custom(module_cluster: Cluster) -> Cluster:
    """A cluster with custom kinds that have or may have pods, and one that has none."""
    module_cluster.apply(
        [
            objects.definition(GROUP, "Rollout", objects.pods_schema()),
            objects.definition(GROUP, "Operator", objects.open_schema()),
            objects.definition(GROUP, "Boat", {"type": "object", "properties": {"sails": {"type": "integer"}}}),
            objects.custom(GROUP, "Boat", "default", "one", {"sails": 3}),
        ]
    )
    return module_cluster


@pytest.fixture
def namespace(custom: Cluster, request: pytest.FixtureRequest) -> str:
    """A namespace for this test."""
    name = f"test-{abs(hash(request.node.nodeid)) % 10**10}"
    custom.apply([objects.namespace(name)])
    return name


def apply(cluster: Cluster, resource_object: dict[str, Any]) -> dict[str, Any]:
    (stored,) = cluster.apply([resource_object])
    return stored


def collect(server: str, namespace: str) -> tuple[set[str], list[CoverageGap]]:
    with connecting.connection(server) as connection:
        collection = Collection(connection, discover(connection), SCOPE)
        labels = {f"{resource.kind} {resource.name}" for resource in collection if resource.namespace == namespace}
        return labels, collection.gaps


def test_only_custom_kinds_with_pods_are_listed(custom: Cluster) -> None:
    with front(custom) as proxy:
        _, gaps = collect(proxy.url, "default")
        kinds = {request.kind for request in proxy.lists() if request.path.startswith(f"/apis/{GROUP}/")}
    assert (kinds, gaps) == ({"rollouts", "operators"}, [])


def test_rollout_covers_its_replica_sets(custom: Cluster, namespace: str) -> None:
    rollout = apply(custom, objects.custom(GROUP, "Rollout", namespace, "web", {"template": objects.template()}))
    replicas = apply(custom, objects.set_owner(objects.replicated("ReplicaSet", namespace, "web-1"), rollout))
    old_replicas = objects.replicated(
        "ReplicaSet", namespace, "web-0", objects.template("registry.example.com/app:0"), 0
    )
    custom.apply(
        [objects.set_owner(old_replicas, rollout), objects.set_owner(objects.pod(namespace, "web-1-a"), replicas)]
    )
    with front(custom) as proxy:
        assert collect(proxy.url, namespace) == ({"Rollout web"}, [])


def test_custom_owner_does_not_cover_stronger_objects(custom: Cluster, namespace: str) -> None:
    """A tenant can create both, with the same containers."""
    rollout = apply(custom, objects.custom(GROUP, "Rollout", namespace, "web", {"template": objects.template()}))
    replicas = apply(custom, objects.set_owner(objects.replicated("ReplicaSet", namespace, "web-1"), rollout))
    robot = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": namespace}}
    strong, image = (
        objects.pod(namespace, "strong"),
        objects.pod(namespace, "image", objects.template("other.example.com/app:1")),
    )
    strong["spec"] |= {"hostPID": True, "serviceAccountName": "robot"}
    strong["spec"]["volumes"] = [{"name": "node", "hostPath": {"path": "/"}}]
    strong["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    old_replicas = objects.replicated("ReplicaSet", namespace, "old", {**objects.template(), "spec": strong["spec"]})
    pods = (strong, image, objects.pod(namespace, "plain"))
    custom.apply([robot, *(objects.set_owner(pod, rollout) for pod in pods), objects.set_owner(old_replicas, rollout)])
    custom.apply([objects.set_owner(objects.pod(namespace, "web-1-a"), replicas)])
    with front(custom) as proxy:
        labels, _ = collect(proxy.url, namespace)
    assert labels == {"Rollout web", "Pod strong", "Pod image", "ReplicaSet old"}


def test_cyclic_owners_cover_nothing(custom: Cluster, namespace: str) -> None:
    """Otherwise users who can create custom objects could hide all of them."""
    spec = {"template": objects.template()}
    first, second, self_made = (
        apply(custom, objects.custom(GROUP, "Rollout", namespace, name, spec)) for name in ("one", "two", "self-made")
    )
    for child, owner in ((first, second), (second, first), (self_made, self_made)):
        references = objects.set_owner(child, owner)["metadata"]["ownerReferences"]
        patch = {"metadata": {"ownerReferences": references}}
        custom.admin("PATCH", custom.path(child), patch, sent="application/merge-patch+json")
    custom.apply([objects.set_owner(objects.replicated("Deployment", namespace, "web"), self_made)])
    with front(custom) as proxy:
        labels, _ = collect(proxy.url, namespace)
    assert labels == {"Rollout one", "Rollout two", "Rollout self-made", "Deployment web"}


def test_operator_without_pods_covers_nothing(custom: Cluster, namespace: str) -> None:
    """The schema allows a pod template; the object has none."""
    operator = apply(custom, objects.custom(GROUP, "Operator", namespace, "db", {"size": 3}))
    custom.apply([objects.set_owner(objects.replicated("StatefulSet", namespace, "db"), operator)])
    with front(custom) as proxy:
        labels, _ = collect(proxy.url, namespace)
    assert labels == {"Operator db", "StatefulSet db"}


@pytest.mark.parametrize(
    "template",
    [
        {"spec": {"containers": [{"name": "app", "resources": {}}]}},
        {"spec": {"containers": [{"name": "app", "image": "a:1"}]}},
        {"spec": {"containers": []}},
        {"spec": {"containers": "none"}},
    ],
    ids=["only a patch", "one container of two", "no containers", "malformed"],
)
def test_partial_template_covers_nothing(custom: Cluster, namespace: str, template: dict[str, Any]) -> None:
    operator = apply(custom, objects.custom(GROUP, "Operator", namespace, "search", {"podTemplate": template}))
    two_containers = objects.template("registry.example.com/app:1", "app", "sidecar")
    custom.apply([objects.set_owner(objects.replicated("Deployment", namespace, "search", two_containers), operator)])
    with front(custom) as proxy:
        labels, _ = collect(proxy.url, namespace)
    assert labels == {"Operator search", "Deployment search"}


@pytest.mark.parametrize("late", ["rollouts", "deployments"])
def test_order_of_lists_is_irrelevant(custom: Cluster, namespace: str, late: str) -> None:
    """Both kinds are listed in parallel: in either order the Rollout covers the Deployment."""
    rollout = apply(custom, objects.custom(GROUP, "Rollout", namespace, "web", {"template": objects.template()}))
    custom.apply([objects.set_owner(objects.replicated("Deployment", namespace, "web"), rollout)])
    daemon_sets_listed = threading.Event()

    def wait(exchange: Exchange) -> None:
        daemon_sets_listed.wait(20)
        exchange.forward()

    def signal_daemon_sets(exchange: Exchange) -> bool:
        if page_of("daemonsets")(exchange.request):
            daemon_sets_listed.set()
        return False

    with front(custom, always(page_of(late), wait), signal_daemon_sets) as proxy:
        labels, gaps = collect(proxy.url, namespace)
    assert daemon_sets_listed.is_set()
    assert (labels, gaps) == ({"Rollout web"}, [])


def refuse_request(exchange: Exchange) -> None:
    exchange.refuse(403, "Forbidden", "not you")


@pytest.mark.parametrize("depth", [400, 600, 960, 970, 975, 980, 990])
def test_deeply_nested_object_is_only_a_gap(custom: Cluster, namespace: str, depth: int) -> None:
    """One malicious custom object must not end the whole scan."""
    custom.apply([objects.replicated("Deployment", namespace, "web")])
    nested = '{"a":' * depth + "1" + "}" * depth
    spec_text = f'{{"more": {nested}, "template": {json.dumps(objects.template())}}}'
    rollout = {"apiVersion": f"{GROUP}/v1", "kind": "Rollout", "metadata": {"name": "deep", "namespace": namespace}}

    def send_deep_object(exchange: Exchange) -> None:
        head = json.dumps({"kind": "RolloutList", "apiVersion": f"{GROUP}/v1", "metadata": {}})[:-1]
        exchange.answer(200, f'{head},"items":[{json.dumps(rollout)[:-1]},"spec":{spec_text}}}]}}'.encode())

    with front(custom, always(page_of("rollouts"), send_deep_object)) as proxy:
        request = clusters.redirect_access(custom.kubeconfig, proxy.url)
        assessment = clusters.scan_cluster(
            request, controls=("C-0057",), resource_selection=clusters.select_namespaces(namespace)
        )
    judged = {part.subject.label for part in assessment.results}
    assert f"Deployment {namespace}/web" in judged
    assert (f"Rollout {namespace}/deep" in judged) == (depth == 400)
    assert [part.message for part in assessment.unread] == (
        [] if depth == 400 else ["the API server returned an object that is nested too deeply"]
    )


def test_forbidden_definitions_are_a_gap_of_workloads(custom: Cluster) -> None:
    with front(custom, always(page_of("customresourcedefinitions"), refuse_request)) as proxy:
        _, gaps = collect(proxy.url, "default")
        kinds = {request.path for request in proxy.lists() if request.path.startswith(f"/apis/{GROUP}/")}
    (gap,) = gaps
    assert kinds == set()
    assert gap.permission == "list customresourcedefinitions.apiextensions.k8s.io"
    assert WORKLOAD in gap.names


ONE_NAMESPACE = ClusterScope(kinds=frozenset({WORKLOAD}), namespaces=NamespaceSelection(("default",)))


def test_published_schemas_replace_definitions(custom: Cluster) -> None:
    """Definitions are cluster-scoped; their published schemas are public."""
    open_root = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    custom.apply(
        [
            objects.definition(GROUP, "Bare", {"type": "object"}),
            objects.definition(GROUP, "Anything", open_root),
        ]
    )

    def plan(scope: ClusterScope) -> tuple[set[str], set[str]]:
        with front(custom) as proxy, connecting.connection(proxy.url) as connection:
            collection = Collection(connection, discover(connection), scope)
            kinds = {task.query.served.kind for task in collection.plan_tasks() if task.query.served.group == GROUP}
            assert collection.gaps == []
            return kinds, {request.kind for request in proxy.lists()}

    kinds = {"Anything", "Operator", "Rollout"}
    # Kinds are served some time after their definition, and their schemas published later still; until then any kind may
    # have pods.
    eventually(lambda: plan(SCOPE) == (kinds, {"customresourcedefinitions"}))
    eventually(lambda: plan(ONE_NAMESPACE) == (kinds, set()))


def test_definitions_are_listed_without_schemas(custom: Cluster) -> None:
    schemas = always(lambda request: request.path.startswith("/openapi/"), refuse_request)
    with front(custom, schemas) as proxy, connecting.connection(proxy.url) as connection:
        collection = Collection(connection, discover(connection), ONE_NAMESPACE)
        kinds = {task.query.served.kind for task in collection.plan_tasks() if task.query.served.group == GROUP}
    assert (kinds >= {"Operator", "Rollout"}, collection.gaps) == (True, [])
    definitions = always(page_of("customresourcedefinitions"), refuse_request)
    with front(custom, schemas, definitions) as proxy, connecting.connection(proxy.url) as connection:
        collection = Collection(connection, discover(connection), ONE_NAMESPACE)
        collection.plan_tasks()
    (gap,) = collection.gaps
    assert (gap.permission, WORKLOAD in gap.names) == ("list customresourcedefinitions.apiextensions.k8s.io", True)


def test_definitions_are_optional_without_custom_kinds(cluster: Cluster) -> None:
    def builtin(exchange: Exchange) -> None:
        document = exchange.real().document
        document["items"] = [group for group in document["items"] if group["metadata"]["name"].endswith(".k8s.io")]
        exchange.answer(200, document)

    faults = (
        always(lambda request: request.path == "/apis", builtin),
        always(page_of("customresourcedefinitions"), refuse_request),
    )
    with front(cluster, *faults) as proxy:
        _, gaps = collect(proxy.url, "default")
    (gap,) = gaps
    assert gap.permission == "list customresourcedefinitions.apiextensions.k8s.io"
    assert WORKLOAD not in gap.names


def test_forbidden_custom_kind_is_a_gap_of_workloads(custom: Cluster) -> None:
    with front(custom, always(page_of("rollouts"), refuse_request)) as proxy:
        _, gaps = collect(proxy.url, "default")
    assert [(gap.permission, gap.reason) for gap in gaps] == [(f"list rollouts.{GROUP}", "not you")]
    assert WORKLOAD in gaps[0].names


def refuse_path(path: str) -> Fault:
    """Return a fault for a group that is unavailable."""
    return always(lambda request: request.path == path, lambda exchange: exchange.refuse(403, "Forbidden", "not now"))


@pytest.mark.parametrize("scope", [SCOPE, ONE_NAMESPACE], ids=["everywhere", "in one namespace"])
def test_kinds_of_an_unavailable_group_are_gaps_of_workloads(custom: Cluster, scope: ClusterScope) -> None:
    with (
        front(custom, older(custom), refuse_path(f"/apis/{GROUP}/v1")) as proxy,
        connecting.connection(proxy.url) as connection,
    ):
        collection = Collection(connection, discover(connection), scope)
        collection.plan_tasks()
    labels = {gap.permission: gap for gap in collection.gaps}
    rollouts = labels[f"list rollouts.{GROUP}"]
    assert (rollouts.reason, WORKLOAD in rollouts.names) == ("not now", True)
    assert f"list operators.{GROUP}" in labels
    assert f"list boats.{GROUP}" not in labels


def test_unavailable_definitions_are_a_gap(custom: Cluster) -> None:
    with front(custom, older(custom), refuse_path("/apis/apiextensions.k8s.io/v1")) as proxy:
        _, gaps = collect(proxy.url, "default")
    (gap,) = gaps
    assert (gap.permission, gap.reason) == ("list customresourcedefinitions.apiextensions.k8s.io", "not now")
    assert WORKLOAD in gap.names


@pytest.mark.parametrize("name", ["*", "*/*", "*/Boat", f"{GROUP}/*", f"{GROUP}/Boat"])
def test_pattern_for_an_unavailable_group_is_a_gap(custom: Cluster, name: str) -> None:
    with (
        front(custom, older(custom), refuse_path(f"/apis/{GROUP}/v1")) as proxy,
        connecting.connection(proxy.url) as connection,
    ):
        collection = Collection(connection, discover(connection), ClusterScope(kinds=frozenset({name})))
        collection.plan_tasks()
    (gap,) = (gap for gap in collection.gaps if gap.group == GROUP)
    assert gap.reason == "not now"
    assert name in gap.names


def test_custom_group_with_a_builtin_name_is_listed(custom: Cluster) -> None:
    definition = objects.definition("jobs.example.k8s.io", "Application", objects.pods_schema())
    definition["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, for tests"}
    custom.apply([definition])
    try:
        with front(custom) as proxy:
            eventually(lambda: collect(proxy.url, "default")[1] == [] and "applications" in _listed_kinds(proxy))
    finally:
        custom.delete(definition)


def _listed_kinds(proxy: Front) -> set[str]:
    return {request.kind for request in proxy.lists()}
