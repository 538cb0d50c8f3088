"""Restricted scans of one namespace: omitted lists change no verdict, and refused ones none silently."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.kube.discovery import ApiResource, Catalogue
from kubekeep.model.cluster import CoverageGap, expand_kind_names
from kubekeep.model.control import SUBJECT
from kubekeep.model.resource import Resource
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.resource_types import BUILTIN_TYPES, guess_plural
from kubekeep.model.verdict import Cause, Verdict
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.resource_filter import ResourceFilter
from kubekeep.posture.select import Selection, find_frameworks, select
from kubekeep.sources.cluster.plan import ListTask, plan_tasks
from kubekeep.usecases.cluster import plan_scope
from tests.posture.random_cluster import RandomCluster

ONLY = ResourceSelection(include_namespaces=("shop",))
MORE = {
    ("cilium.io", "CiliumNetworkPolicy"): True,
    ("cilium.io", "CiliumClusterwideNetworkPolicy"): False,
    ("gateway.networking.k8s.io", "HTTPRoute"): True,
    ("gateway.networking.k8s.io", "GRPCRoute"): True,
}
SERVED = {pair: kind.is_namespaced for pair, kind in BUILTIN_TYPES.items()} | MORE
CATALOGUE = Catalogue(
    tuple(
        ApiResource(
            group=group, version="v1", kind=kind, plural=guess_plural(kind), is_namespaced=inside, verbs=frozenset()
        )
        for (group, kind), inside in SERVED.items()
    )
)
INSIDE = {
    name
    for (group, kind), inside in SERVED.items()
    if inside or kind == "Namespace"
    for name in expand_kind_names(group, kind)
}

Verdicts = dict[tuple[str, str], Verdict]


def select_everything(framework: str = "allcontrols") -> Selection:
    return select(find_frameworks([framework]), whole_cluster=True)


def plan_lists(framework: str = "allcontrols") -> list[ListTask]:
    needed = plan_scope(select_everything(framework), ONLY, everything=False, is_namespaced=INSIDE.__contains__)
    return [*plan_tasks(needed, CATALOGUE, (), needed.namespaces)]


def covers(task: ListTask, resource: Resource) -> bool:
    """Return True if a list task covers a resource."""
    query = task.query
    is_kind = (query.served.group, query.served.kind) == (resource.group, resource.kind)
    namespace = resource.namespace if query.served.is_namespaced else query.namespace
    return is_kind and query.namespace in ("", namespace) and query.name in ("", resource.name)


def generate_cluster(seed: int) -> list[Resource]:
    """Return all resources of a generated cluster; Cilium runs in kube-system."""
    cluster = RandomCluster(seed)
    for _ in range(150):
        cluster.change()
    elsewhere = {"ConfigMap shop/cilium-config", "ConfigMap bank/cilium-config"}
    return [Resource(document) for key, document in sorted(cluster.objects.items()) if key not in elsewhere]


def verdicts(
    resources: Iterable[Resource], gaps: tuple[CoverageGap, ...] = (), framework: str = "allcontrols"
) -> Verdicts:
    results = evaluate(
        resources,
        select_everything(framework),
        RegoPolicySet,
        kubernetes_minor=34,
        in_scope=ResourceFilter(ONLY),
        gaps=gaps,
    )
    verdicts_by_key: dict[tuple[str, str], Verdict] = {}
    for number, result in enumerate(results):
        equal_verdicts = sum(earlier.subject.id == result.subject.id for earlier in results[:number])
        verdicts_by_key |= {
            (f"{result.subject.id} {equal_verdicts}", slug): verdict for slug, verdict in result.verdicts.items()
        }
    return verdicts_by_key


def is_doubt(verdict: Verdict) -> bool:
    """Return True if a rule reports that it does not know a namespace."""
    return verdict.reason is not None and "the namespace may be missing from the input" in verdict.reason.text


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("framework", ["allcontrols", "nsa"])
def test_omitted_lists_change_no_verdict(seed: int, framework: str) -> None:
    """Fewer controls require fewer lists."""
    all_resources = generate_cluster(seed)
    plan = plan_lists(framework)
    listed_resources = [resource for resource in all_resources if any(covers(task, resource) for task in plan)]
    assert len(listed_resources) < len(all_resources)
    partial, expected = (verdicts(resources, framework=framework) for resources in (listed_resources, all_resources))
    assert partial.keys() == expected.keys()
    assert {key: verdict for key, verdict in partial.items() if not is_doubt(verdict)} == {
        key: verdict for key, verdict in expected.items() if not is_doubt(partial[key])
    }


@pytest.mark.parametrize("seed", range(12))
def test_resources_listed_in_one_namespace_are_evaluated_there(seed: int) -> None:
    """Cluster-wide lists are refused, except in the namespace."""
    all_resources = generate_cluster(seed)
    plan = plan_lists()
    cluster_wide_plan = [task for task in plan if task.query.served.is_namespaced and not task.query.namespace]
    gaps = tuple(task.create_gap("forbidden", is_outside_selection=True) for task in cluster_wide_plan)
    listed_resources = [
        resource
        for resource in all_resources
        if any(
            covers(task, resource) and (task not in cluster_wide_plan or resource.namespace == "shop") for task in plan
        )
    ]
    partial, expected = verdicts(listed_resources, gaps), verdicts(all_resources)
    assert partial.keys() == expected.keys()
    unknown = {key for key, verdict in partial.items() if verdict.reason and verdict.reason.cause is Cause.NEEDS_ACCESS}
    for key in partial.keys() - unknown:
        assert partial[key] == expected[key] or is_doubt(partial[key]), key
    about_roles = {key for key, control in controls().items() if {SUBJECT, "Role", "RoleBinding"} & {*control.targets}}
    assert not {slug for _, slug in unknown} & about_roles
    assert {slug for _, slug in unknown} <= {"gateway-exposure", *list_grant_controls()}


def controls() -> dict[str, Any]:
    return {control.slug: control for control in select_everything().controls}


def list_grant_controls() -> set[str]:
    return {slug for slug, control in controls().items() if SUBJECT in control.relates}


def test_plan_of_one_namespace_lists_related_kinds_cluster_wide() -> None:
    plan = plan_lists()
    everywhere = {task.query.served.kind for task in plan if not task.query.namespace}
    inside = {task.query.served.kind for task in plan if task.query.namespace == "shop"}
    assert inside >= {"Ingress", "HorizontalPodAutoscaler", "NetworkPolicy", "Deployment", "Secret", "Namespace"}
    assert everywhere >= {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "HTTPRoute", "Node"}
    # Cluster-scoped kinds are not evaluated here: they are listed only for controls that relate to them.
    assert not everywhere & {"Namespace", "PersistentVolume", "StorageClass", "APIService", "Ingress"}


def test_cilium_settings_are_read_from_both_namespaces() -> None:
    task, other = (task for task in plan_lists() if task.query.served.kind == "ConfigMap" and task.query.name)
    assert (task.query.namespace, task.query.name, task.is_optional) == ("kube-system", "cilium-config", False)
    # Few clusters have this namespace, so its absence is no gap.
    assert (other.query.namespace, other.query.name, other.is_optional) == ("cilium", "cilium-config", True)
    missing = {
        (seed, *key): verdict
        for seed in range(3)
        for key, verdict in verdicts(generate_cluster(seed), (task.create_gap("forbidden"),)).items()
    }
    # Controls on mounts also have reasons of their own: the random workloads mount objects that do not exist.
    unknown = {
        slug for (*_, slug), verdict in missing.items() if verdict.reason and verdict.reason.cause is Cause.NEEDS_ACCESS
    }
    assert "missing-network-policy" in unknown
    assert not {"config-map-mounted", "secret-mounted"} & unknown
    assert "config-map-mounted" in {slug for *_, slug in missing}
