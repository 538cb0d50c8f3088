"""Incremental evaluation: after every change, the same verdicts as a full evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library.load import builtin
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.cluster import RBAC, CoverageGap
from kubekeep.model.resource import Resource
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.incremental import IncrementalEvaluator
from kubekeep.posture.select import Selection, find_frameworks, select
from tests.engine.counting import CountingPolicySet
from tests.posture.random_cluster import RandomCluster
from tests.selection.shares import draw_share

Verdicts = list[tuple[str, str, dict[str, Any]]]


def select_controls() -> Selection:
    """Select all numbered controls, and unnumbered controls that relate resources."""
    others = [control for control in builtin().controls.values() if control.relates and not control.ids]
    return select(find_frameworks(["allcontrols"]), others, whole_cluster=True)


def list_verdicts(results: Iterable[SubjectResult]) -> Verdicts:
    """Return the verdicts by resource, sorted. A binding may list a subject twice."""
    verdicts = [(result.subject.id, repr(sorted(result.verdicts.items())), dict(result.verdicts)) for result in results]
    return sorted(verdicts, key=lambda entry: entry[:2])


def evaluate_fully(cluster: RandomCluster, gaps: tuple[CoverageGap, ...] = ()) -> Verdicts:
    resources = map(Resource, cluster.list_objects())
    return list_verdicts(evaluate(resources, select_controls(), RegoPolicySet, kubernetes_minor=34, gaps=gaps))


@pytest.mark.parametrize("seed", draw_share(range(6), 2))
def test_incremental_verdicts_equal_full_evaluation(seed: int) -> None:
    cluster = RandomCluster(seed)
    evaluator = IncrementalEvaluator(select_controls(), RegoPolicySet, kubernetes_minor=34)
    known: Verdicts = []
    for step in range(14):
        for _ in range(60 if step == 0 else cluster.rng.randrange(4)):
            key = cluster.change()
            if key in cluster.objects:
                evaluator.put(key, Resource(cluster.objects[key]))
            else:
                evaluator.remove(key)
        changes = evaluator.update()
        expected = evaluate_fully(cluster)
        for mine, theirs in zip(list_verdicts(evaluator.results.values()), expected, strict=True):
            assert mine == theirs, f"step {step}"
        # The reported changes add up to the same verdicts.
        for before, after in changes.values():
            if before is not None:
                known.remove(*list_verdicts([before]))
            if after is not None:
                known += list_verdicts([after])
        assert sorted(known, key=lambda entry: entry[:2]) == expected


def test_unchanged_objects_are_not_evaluated_again() -> None:
    counting = CountingPolicySet()
    evaluator = IncrementalEvaluator(select_controls(), counting, kubernetes_minor=34)
    cluster = RandomCluster(6)
    for _ in range(120):
        cluster.change()
    for key, content in cluster.objects.items():
        evaluator.put(key, Resource(content))
    evaluator.update()
    first, counting.documents = counting.documents, 0
    for content in cluster.objects.values():
        content["metadata"]["resourceVersion"] = "another"
    workload = next(key for key, content in cluster.objects.items() if content["kind"] == "Deployment")
    evaluator.put(workload, Resource(cluster.objects[workload]))
    assert evaluator.update()
    # Only the changed object and its joined document are evaluated again, not its pods.
    assert counting.documents == 2
    assert first > 20
    assert evaluator.update() == {}


def test_verdicts_follow_coverage_gaps() -> None:
    cluster = RandomCluster(3)
    for _ in range(80):
        cluster.change()
    hidden = CoverageGap(group="", kind="Service", resource="services", reason="forbidden")
    evaluator = IncrementalEvaluator(select_controls(), RegoPolicySet, kubernetes_minor=34)
    for key, content in cluster.objects.items():
        evaluator.put(key, Resource(content))
    evaluator.update()
    assert list_verdicts(evaluator.results.values()) == evaluate_fully(cluster)
    evaluator.update((hidden,))
    assert list_verdicts(evaluator.results.values()) == evaluate_fully(cluster, (hidden,)) != evaluate_fully(cluster)
    evaluator.update()
    assert list_verdicts(evaluator.results.values()) == evaluate_fully(cluster)


def test_permissions_follow_gaps_of_roles() -> None:
    """Roles appear and disappear with the permission to list them."""
    cluster = RandomCluster(2)
    evaluator = IncrementalEvaluator(select_controls(), RegoPolicySet, kubernetes_minor=34)
    for _ in range(150):
        cluster.change()
    for key, content in cluster.objects.items():
        evaluator.put(key, Resource(content))
    evaluator.update()
    roles = {key: content for key, content in cluster.objects.items() if content["kind"] == "ClusterRole"}
    references = [content["roleRef"] for content in cluster.objects.values() if "roleRef" in content]
    assert {f"ClusterRole /{reference['name']}" for reference in references} >= roles.keys() != set()
    gap = CoverageGap(group=RBAC, kind="ClusterRole", resource="clusterroles", reason="forbidden")
    for gaps, hidden in (((gap,), False), ((gap,), True), ((), True), ((gap,), True), ((gap,), False), ((), False)):
        for key, content in roles.items():
            if hidden:
                cluster.objects.pop(key, None)
                evaluator.remove(key)
            else:
                cluster.objects[key] = content
                evaluator.put(key, Resource(content))
        evaluator.update(gaps)
        assert list_verdicts(evaluator.results.values()) == evaluate_fully(cluster, gaps)


def test_out_of_scope_resources_affect_incremental_verdicts() -> None:
    cluster = RandomCluster(11)

    def is_in_scope(resource: Resource) -> bool:
        return resource.namespace == "shop"

    evaluator = IncrementalEvaluator(select_controls(), RegoPolicySet, kubernetes_minor=34, in_scope=is_in_scope)
    for _ in range(6):
        for _ in range(25):
            key = cluster.change()
            if key in cluster.objects:
                evaluator.put(key, Resource(cluster.objects[key]))
            else:
                evaluator.remove(key)
        evaluator.update()
        resources = map(Resource, cluster.list_objects())
        assert list_verdicts(evaluator.results.values()) == list_verdicts(
            evaluate(resources, select_controls(), RegoPolicySet, kubernetes_minor=34, in_scope=is_in_scope)
        )


def test_removed_objects_leave_no_state() -> None:
    cluster = RandomCluster(5)
    evaluator = IncrementalEvaluator(select_controls(), RegoPolicySet, kubernetes_minor=34)
    for _ in range(100):
        cluster.change()
    for key, content in cluster.objects.items():
        evaluator.put(key, Resource(content))
    evaluator.update()
    for key in cluster.objects:
        evaluator.remove(key)
    assert all(after is None for _, after in evaluator.update().values())
    assert evaluator.results == {}
    state = {name: value for name, value in vars(evaluator).items() if isinstance(value, dict)}
    assert [name for name in ("_entries", "_joined", "_changed") if state[name]] == []
    slices = vars(vars(evaluator)["_slices"])
    assert [name for name in ("_parts", "_contributions", "_dirty", "subjects") if slices[name]] == []
