"""An assessment that is kept current says what a run over everything says, after every change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library.load import builtin
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.resource import Resource
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.incremental import IncrementalEvaluator
from kubekeep.posture.select import Selection, find_frameworks, select
from tests.engine.counting import CountingPolicySet
from tests.posture.living import Living

Verdicts = list[tuple[str, str, dict[str, Any]]]


def everything() -> Selection:
    """All controls with a number, and those without one that compare."""
    others = [item for item in builtin().controls.values() if item.relates and not item.ids]
    return select(find_frameworks(["allcontrols"]), others, whole_cluster=True)


def told(results: Iterable[ResourceResult]) -> Verdicts:
    """What is said of which resource, in an order of its own. A subject may stand twice in a binding."""
    found = [(item.resource.id, repr(sorted(item.verdicts.items())), dict(item.verdicts)) for item in results]
    return sorted(found, key=lambda item: item[:2])


def full(living: Living, gaps: tuple[CoverageGap, ...] = ()) -> Verdicts:
    resources = map(Resource, living.listed())
    return told(evaluate(resources, everything(), RegoPolicySet, kubernetes_minor=34, gaps=gaps))


@pytest.mark.parametrize("seed", range(6))
def test_incremental_verdicts_equal_full_evaluation(seed: int) -> None:
    living = Living(seed)
    standing = IncrementalEvaluator(everything(), RegoPolicySet, kubernetes_minor=34)
    known: Verdicts = []
    for step in range(14):
        for _ in range(60 if step == 0 else living.dice.randrange(4)):
            key = living.change()
            if key in living.objects:
                standing.put(key, Resource(living.objects[key]))
            else:
                standing.remove(key)
        changes = standing.settle()
        expected = full(living)
        found = told(standing.results.values())
        for mine, theirs in zip(found, expected, strict=True):
            assert mine == theirs, f"step {step}"
        # What is told of changes adds up to the same.
        for before, after in changes.values():
            if before is not None:
                known.remove(*told([before]))
            if after is not None:
                known += told([after])
        assert sorted(known, key=lambda item: item[:2]) == expected


def test_unchanged_objects_are_not_evaluated_again() -> None:
    counting = CountingPolicySet()
    standing = IncrementalEvaluator(everything(), counting, kubernetes_minor=34)
    living = Living(6)
    for _ in range(120):
        living.change()
    for key, item in living.objects.items():
        standing.put(key, Resource(item))
    standing.settle()
    first, counting.documents = counting.documents, 0
    for item in living.objects.values():
        item["metadata"]["resourceVersion"] = "another"
    workload = next(key for key, item in living.objects.items() if item["kind"] == "Deployment")
    standing.put(workload, Resource(living.objects[workload]))
    assert standing.settle()
    # The object itself, without its pods, and what it relates to: nothing else.
    assert counting.documents == 2
    assert first > 20
    assert standing.settle() == {}


def test_verdicts_follow_coverage_gaps() -> None:
    living = Living(3)
    for _ in range(80):
        living.change()
    hidden = CoverageGap(group="", kind="Service", resource="services", why="forbidden")
    standing = IncrementalEvaluator(everything(), RegoPolicySet, kubernetes_minor=34)
    for key, item in living.objects.items():
        standing.put(key, Resource(item))
    standing.settle()
    assert told(standing.results.values()) == full(living)
    standing.settle((hidden,))
    assert told(standing.results.values()) == full(living, (hidden,)) != full(living)
    standing.settle()
    assert told(standing.results.values()) == full(living)


def test_out_of_scope_resources_affect_incremental_verdicts() -> None:
    living = Living(11)

    def focus(resource: Resource) -> bool:
        return resource.namespace == "shop"

    standing = IncrementalEvaluator(everything(), RegoPolicySet, kubernetes_minor=34, in_scope=focus)
    for _ in range(6):
        for _ in range(25):
            key = living.change()
            if key in living.objects:
                standing.put(key, Resource(living.objects[key]))
            else:
                standing.remove(key)
        standing.settle()
        resources = map(Resource, living.listed())
        assert told(standing.results.values()) == told(
            evaluate(resources, everything(), RegoPolicySet, kubernetes_minor=34, in_scope=focus)
        )


def test_removed_objects_leave_no_state() -> None:
    living = Living(5)
    standing = IncrementalEvaluator(everything(), RegoPolicySet, kubernetes_minor=34)
    for _ in range(100):
        living.change()
    for key, item in living.objects.items():
        standing.put(key, Resource(item))
    standing.settle()
    for key in living.objects:
        standing.remove(key)
    assert all(after is None for _, after in standing.settle().values())
    assert standing.results == {}
    held = {name: value for name, value in vars(standing).items() if isinstance(value, dict)}
    assert [name for name in ("_evaluated", "_joined", "_changed") if held[name]] == []
    slices = vars(vars(standing)["_slices"])
    assert [name for name in ("_parts", "_contributions", "_dirty", "subjects") if slices[name]] == []
