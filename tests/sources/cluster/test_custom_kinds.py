"""Custom kinds carry pods where their definitions allow it; who made what is believed where nothing is lost by it."""

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
WANTED = ClusterScope(kinds=frozenset({WORKLOAD}))


def schemaless(**spec: Any) -> dict[str, Any]:
    """A definition of the first days, as etcd may still hold one."""
    return {"spec": {"group": GROUP, "names": {"kind": "Boat"}, "versions": [{"name": "v1"}]} | spec}


def template_of(inside: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"template": inside}}


MAP = {"type": "object", "additionalProperties": {"type": "string"}}


@pytest.mark.parametrize(
    ("definition", "carries"),
    [
        (objects.definition(GROUP, "A", objects.pods_schema()), True),
        (objects.definition(GROUP, "A", objects.pods_schema("podTemplate")), True),
        (objects.definition(GROUP, "A", template_of(template_of(objects.pods_schema()))), False),
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
def test_what_a_definition_allows(definition: dict[str, Any], *, carries: bool) -> None:
    assert has_pod_template(definition, "v1") is carries


@pytest.fixture(scope="module")
def custom(module_cluster: Cluster) -> Cluster:
    """A cluster with custom kinds that carry pods or may, and one that does not."""
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
def where(custom: Cluster, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name = f"test-{abs(hash(request.node.nodeid)) % 10**10}"
    custom.apply([objects.namespace(name)])
    return name


def apply(cluster: Cluster, thing: dict[str, Any]) -> dict[str, Any]:
    (found,) = cluster.apply([thing])
    return found


def collected(server: str, namespace: str) -> tuple[set[str], list[CoverageGap]]:
    with connecting.connection(server) as connection:
        collection = Collection(connection, discover(connection), WANTED)
        found = {f"{item.kind} {item.name}" for item in collection if item.namespace == namespace}
        return found, collection.gaps


def test_only_kinds_that_may_carry_pods_are_asked_for(custom: Cluster) -> None:
    with front(custom) as proxy:
        _, gaps = collected(proxy.url, "default")
        kinds = {asked.kind for asked in proxy.lists() if asked.path.startswith(f"/apis/{GROUP}/")}
    assert (kinds, gaps) == ({"rollouts", "operators"}, [])


def test_replica_sets_of_a_rollout_say_nothing_more(custom: Cluster, where: str) -> None:
    rollout = apply(custom, objects.custom(GROUP, "Rollout", where, "web", {"template": objects.template()}))
    replicas = apply(custom, objects.made(objects.replicated("ReplicaSet", where, "web-1"), rollout))
    old = objects.replicated("ReplicaSet", where, "web-0", objects.template("registry.example.com/app:0"), 0)
    custom.apply([objects.made(old, rollout), objects.made(objects.pod(where, "web-1-a"), replicas)])
    with front(custom) as proxy:
        assert collected(proxy.url, where) == ({"Rollout web"}, [])


def test_an_owner_of_a_custom_kind_does_not_hide_what_may_more(custom: Cluster, where: str) -> None:
    """A tenant may write both, with the same containers."""
    rollout = apply(custom, objects.custom(GROUP, "Rollout", where, "web", {"template": objects.template()}))
    replicas = apply(custom, objects.made(objects.replicated("ReplicaSet", where, "web-1"), rollout))
    robot = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": where}}
    strong, image = (
        objects.pod(where, "strong"),
        objects.pod(where, "image", objects.template("other.example.com/app:1")),
    )
    strong["spec"] |= {"hostPID": True, "serviceAccountName": "robot"}
    strong["spec"]["volumes"] = [{"name": "node", "hostPath": {"path": "/"}}]
    strong["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    old = objects.replicated("ReplicaSet", where, "old", {**objects.template(), "spec": strong["spec"]})
    pods = (strong, image, objects.pod(where, "plain"))
    custom.apply([robot, *(objects.made(pod, rollout) for pod in pods), objects.made(old, rollout)])
    custom.apply([objects.made(objects.pod(where, "web-1-a"), replicas)])
    with front(custom) as proxy:
        found, _ = collected(proxy.url, where)
    assert found == {"Rollout web", "Pod strong", "Pod image", "ReplicaSet old"}


def test_who_owns_himself_hides_nobody(custom: Cluster, where: str) -> None:
    """Whoever may create custom objects could make all of them vanish otherwise."""
    spec = {"template": objects.template()}
    one, two, self_made = (
        apply(custom, objects.custom(GROUP, "Rollout", where, name, spec)) for name in ("one", "two", "self-made")
    )
    for thing, owner in ((one, two), (two, one), (self_made, self_made)):
        references = objects.made(thing, owner)["metadata"]["ownerReferences"]
        patch = {"metadata": {"ownerReferences": references}}
        custom.admin("PATCH", custom.path(thing), patch, sent="application/merge-patch+json")
    custom.apply([objects.made(objects.replicated("Deployment", where, "web"), self_made)])
    with front(custom) as proxy:
        found, _ = collected(proxy.url, where)
    assert found == {"Rollout one", "Rollout two", "Rollout self-made", "Deployment web"}


def test_an_operator_without_pods_hides_nothing(custom: Cluster, where: str) -> None:
    """Its schema would allow a pod template; the object has none."""
    operator = apply(custom, objects.custom(GROUP, "Operator", where, "db", {"size": 3}))
    custom.apply([objects.made(objects.replicated("StatefulSet", where, "db"), operator)])
    with front(custom) as proxy:
        found, _ = collected(proxy.url, where)
    assert found == {"Operator db", "StatefulSet db"}


@pytest.mark.parametrize(
    "template",
    [
        {"spec": {"containers": [{"name": "app", "resources": {}}]}},
        {"spec": {"containers": [{"name": "app", "image": "a:1"}]}},
        {"spec": {"containers": []}},
        {"spec": {"containers": "none"}},
    ],
    ids=["only a patch", "one container of two", "nobody", "nonsense"],
)
def test_a_template_that_says_less_hides_nothing(custom: Cluster, where: str, template: dict[str, Any]) -> None:
    operator = apply(custom, objects.custom(GROUP, "Operator", where, "search", {"podTemplate": template}))
    both = objects.template("registry.example.com/app:1", "app", "sidecar")
    custom.apply([objects.made(objects.replicated("Deployment", where, "search", both), operator)])
    with front(custom) as proxy:
        found, _ = collected(proxy.url, where)
    assert found == {"Operator search", "Deployment search"}


@pytest.mark.parametrize("late", ["rollouts", "deployments"])
def test_the_order_of_lists_changes_nothing(custom: Cluster, where: str, late: str) -> None:
    """Both kinds are listed at the same time: whichever comes last, the Deployment is what the Rollout made."""
    rollout = apply(custom, objects.custom(GROUP, "Rollout", where, "web", {"template": objects.template()}))
    custom.apply([objects.made(objects.replicated("Deployment", where, "web"), rollout)])
    others = threading.Event()

    def wait(exchange: Exchange) -> None:
        others.wait(20)
        exchange.forward()

    def told(exchange: Exchange) -> bool:
        if page_of("daemonsets")(exchange.asked):
            others.set()
        return False

    with front(custom, always(page_of(late), wait), told) as proxy:
        found, gaps = collected(proxy.url, where)
    assert others.is_set()
    assert (found, gaps) == ({"Rollout web"}, [])


def forbidden(exchange: Exchange) -> None:
    exchange.refuse(403, "Forbidden", "not you")


@pytest.mark.parametrize("depth", [400, 600, 960, 970, 975, 980, 990])
def test_an_object_that_is_nested_too_deeply_is_a_gap_and_no_more(custom: Cluster, where: str, depth: int) -> None:
    """Whoever may create one custom object must not end the scan of everything else."""
    custom.apply([objects.replicated("Deployment", where, "web")])
    more = '{"a":' * depth + "1" + "}" * depth
    text = f'{{"more": {more}, "template": {json.dumps(objects.template())}}}'
    thing = {"apiVersion": f"{GROUP}/v1", "kind": "Rollout", "metadata": {"name": "deep", "namespace": where}}

    def deep(exchange: Exchange) -> None:
        head = json.dumps({"kind": "RolloutList", "apiVersion": f"{GROUP}/v1", "metadata": {}})[:-1]
        exchange.answer(200, f'{head},"items":[{json.dumps(thing)[:-1]},"spec":{text}}}]}}'.encode())

    with front(custom, always(page_of("rollouts"), deep)) as proxy:
        request = clusters.through(custom.kubeconfig, proxy.url)
        found = clusters.scanned(request, controls=("C-0057",), choice=clusters.only(where))
    judged = {item.resource.label for item in found.results}
    assert f"Deployment {where}/web" in judged
    assert (f"Rollout {where}/deep" in judged) == (depth == 400)
    assert [item.message for item in found.unread] == (
        [] if depth == 400 else ["the API server answers an object that is nested too deeply"]
    )


def test_without_definitions_nobody_knows_who_carries_pods(custom: Cluster) -> None:
    with front(custom, always(page_of("customresourcedefinitions"), forbidden)) as proxy:
        _, gaps = collected(proxy.url, "default")
        kinds = {asked.path for asked in proxy.lists() if asked.path.startswith(f"/apis/{GROUP}/")}
    (gap,) = gaps
    assert kinds == set()
    assert gap.permission == "list customresourcedefinitions.apiextensions.k8s.io"
    assert WORKLOAD in gap.names


ONE = ClusterScope(kinds=frozenset({WORKLOAD}), namespaces=NamespaceSelection(("default",)))


def test_for_named_namespaces_what_is_published_says_the_same(custom: Cluster) -> None:
    """Definitions are of the cluster; their schemas are published to everybody."""
    open_root = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    custom.apply(
        [
            objects.definition(GROUP, "Bare", {"type": "object"}),
            objects.definition(GROUP, "Anything", open_root),
        ]
    )

    def asked(wanted: ClusterScope) -> tuple[set[str], set[str]]:
        with front(custom) as proxy, connecting.connection(proxy.url) as connection:
            collection = Collection(connection, discover(connection), wanted)
            kinds = {task.query.served.kind for task in collection.plan_tasks() if task.query.served.group == GROUP}
            assert collection.gaps == []
            return kinds, {request.kind for request in proxy.lists()}

    kinds = {"Anything", "Operator", "Rollout"}
    # Kinds are served some moments after they are defined, and their schemas published later still; until then any kind
    # may carry pods.
    eventually(lambda: asked(WANTED) == (kinds, {"customresourcedefinitions"}))
    eventually(lambda: asked(ONE) == (kinds, set()))


def test_who_is_told_of_no_schema_asks_for_definitions(custom: Cluster) -> None:
    def broken(exchange: Exchange) -> None:
        exchange.refuse(403, "Forbidden", "not you")

    schemas = always(lambda asked: asked.path.startswith("/openapi/"), broken)
    with front(custom, schemas) as proxy, connecting.connection(proxy.url) as connection:
        collection = Collection(connection, discover(connection), ONE)
        kinds = {task.query.served.kind for task in collection.plan_tasks() if task.query.served.group == GROUP}
    assert (kinds >= {"Operator", "Rollout"}, collection.gaps) == (True, [])
    definitions = always(page_of("customresourcedefinitions"), broken)
    with front(custom, schemas, definitions) as proxy, connecting.connection(proxy.url) as connection:
        collection = Collection(connection, discover(connection), ONE)
        collection.plan_tasks()
    (gap,) = collection.gaps
    assert (gap.permission, WORKLOAD in gap.names) == ("list customresourcedefinitions.apiextensions.k8s.io", True)


def test_where_there_are_no_custom_kinds_definitions_are_not_missed(cluster: Cluster) -> None:
    def builtin(exchange: Exchange) -> None:
        document = exchange.real().document
        document["items"] = [group for group in document["items"] if group["metadata"]["name"].endswith(".k8s.io")]
        exchange.answer(200, document)

    faults = (
        always(lambda asked: asked.path == "/apis", builtin),
        always(page_of("customresourcedefinitions"), forbidden),
    )
    with front(cluster, *faults) as proxy:
        _, gaps = collected(proxy.url, "default")
    (gap,) = gaps
    assert gap.permission == "list customresourcedefinitions.apiextensions.k8s.io"
    assert WORKLOAD not in gap.names


def test_a_custom_kind_that_is_not_shown_is_a_gap_of_workloads(custom: Cluster) -> None:
    with front(custom, always(page_of("rollouts"), forbidden)) as proxy:
        _, gaps = collected(proxy.url, "default")
    assert [(gap.permission, gap.why) for gap in gaps] == [(f"list rollouts.{GROUP}", "not you")]
    assert WORKLOAD in gaps[0].names


def broken(path: str) -> Fault:
    """A group that cannot be had at this moment."""
    return always(lambda asked: asked.path == path, lambda exchange: exchange.refuse(403, "Forbidden", "not now"))


@pytest.mark.parametrize("wanted", [WANTED, ONE], ids=["everywhere", "in one namespace"])
def test_custom_kinds_of_a_group_that_cannot_be_had_are_gaps_of_workloads(
    custom: Cluster, wanted: ClusterScope
) -> None:
    with (
        front(custom, older(custom), broken(f"/apis/{GROUP}/v1")) as proxy,
        connecting.connection(proxy.url) as connection,
    ):
        collection = Collection(connection, discover(connection), wanted)
        collection.plan_tasks()
    found = {gap.permission: gap for gap in collection.gaps}
    rollouts = found[f"list rollouts.{GROUP}"]
    assert (rollouts.why, WORKLOAD in rollouts.names) == ("not now", True)
    assert f"list operators.{GROUP}" in found
    assert f"list boats.{GROUP}" not in found


def test_definitions_of_a_group_that_cannot_be_had_are_a_gap(custom: Cluster) -> None:
    with front(custom, older(custom), broken("/apis/apiextensions.k8s.io/v1")) as proxy:
        _, gaps = collected(proxy.url, "default")
    (gap,) = gaps
    assert (gap.permission, gap.why) == ("list customresourcedefinitions.apiextensions.k8s.io", "not now")
    assert WORKLOAD in gap.names


@pytest.mark.parametrize("name", ["*", "*/*", "*/Boat", f"{GROUP}/*", f"{GROUP}/Boat"])
def test_what_stands_for_a_group_that_cannot_be_had_is_a_gap(custom: Cluster, name: str) -> None:
    with (
        front(custom, older(custom), broken(f"/apis/{GROUP}/v1")) as proxy,
        connecting.connection(proxy.url) as connection,
    ):
        collection = Collection(connection, discover(connection), ClusterScope(kinds=frozenset({name})))
        collection.plan_tasks()
    (gap,) = (gap for gap in collection.gaps if gap.group == GROUP)
    assert gap.why == "not now"
    assert name in gap.names


def test_custom_kinds_whose_group_sounds_like_one_of_kubernetes_carry_pods_too(custom: Cluster) -> None:
    definition = objects.definition("jobs.example.k8s.io", "Application", objects.pods_schema())
    definition["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, for tests"}
    custom.apply([definition])
    try:
        with front(custom) as proxy:
            eventually(lambda: collected(proxy.url, "default")[1] == [] and "applications" in _lists(proxy))
    finally:
        custom.delete(definition)


def _lists(proxy: Front) -> set[str]:
    return {asked.kind for asked in proxy.lists()}
