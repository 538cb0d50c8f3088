"""Evaluation: independent of order, once for equal workloads, and not evaluated if no rule could read the input."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubekeep.engine.policy_set import Outcome, PolicySet, RuleFailure
from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Cause, Status, Verdict
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import find_controls, find_frameworks, select
from kubekeep.sources.inputs import read
from tests.engine.counting import CountingPolicySet

SHOP = Path(__file__).parents[2] / "examples" / "online-shop"


def pod(name: str, **spec: Any) -> Resource:
    containers = [{"name": "main", "image": "registry.example.com/app:1", "securityContext": {"privileged": True}}]
    metadata = {"name": name, "namespace": "shop"}
    return Resource(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}
    )


def verdicts(results: Sequence[SubjectResult]) -> dict[str, dict[str, Any]]:
    return {result.subject.id: dict(result.verdicts) for result in results}


def test_verdicts_are_independent_of_resource_order() -> None:
    resources = [resource for resource in read([str(SHOP)]) if isinstance(resource, Resource)]
    selection = select(find_frameworks(["allcontrols"]))
    expected = verdicts(evaluate(resources, selection, RegoPolicySet, kubernetes_minor=34))
    assert any(verdict.status is Status.FAILED for by_slug in expected.values() for verdict in by_slug.values())
    for seed in range(3):
        shuffled = random.Random(seed).sample(resources, len(resources))
        assert verdicts(evaluate(shuffled, selection, RegoPolicySet, kubernetes_minor=34)) == expected


def test_equal_workloads_are_evaluated_once() -> None:
    counting = CountingPolicySet()
    resources = [pod(f"web-{number}") for number in range(700)] + [pod("other", hostNetwork=True)]
    selection = select(named=find_controls(["C-0057"]))
    results = evaluate(resources, selection, counting, kubernetes_minor=34)
    assert counting.documents == 2
    assert len(results) == 701
    paths = [evidence.path for result in results for evidence in result.verdicts["privileged-container"].evidence]
    assert paths == ["spec.containers[0].securityContext.privileged"] * 701


def test_rules_of_workloads_and_objects_share_a_document() -> None:
    counting = CountingPolicySet()
    selection = select(named=find_controls(["C-0057", "C-0073"]))
    pods = [pod(f"web-{number}", hostNetwork=number % 2 == 0) for number in range(10)]
    results = evaluate(pods, selection, counting, kubernetes_minor=37)
    assert counting.documents == 10
    assert all(len(result.verdicts) == 2 for result in results)


def test_deepest_objects_of_sources_are_evaluated() -> None:
    deepest: Any = {}
    for _ in range(480):
        deepest = {"a": deepest}
    selection = select(named=find_controls(["C-0057", "C-0073"]))
    containers = [{"name": "a", "image": "b", "securityContext": {"privileged": True}}]
    (result,) = evaluate(
        [pod("web", containers=containers, extra=deepest)], selection, RegoPolicySet, kubernetes_minor=37
    )
    assert {verdict.status for verdict in result.verdicts.values()} == {Status.FAILED}


def test_equal_workloads_in_later_batches_share_the_verdict() -> None:
    # One control reads the workload, so equal pods share a verdict; the other reads the object and fills the batches.
    selection = select(named=find_controls(["C-0057", "C-0073"]))
    containers = [{"name": "a", "image": "b", "securityContext": {"privileged": True}}]
    pods = [pod(f"pod-{number}", containers=containers) for number in range(1_200)]
    results = evaluate(pods, selection, RegoPolicySet, kubernetes_minor=37)
    assert len(results) == len(pods)
    assert {result.verdicts["privileged-container"].status for result in results} == {Status.FAILED}


def test_many_batches_keep_each_verdict_with_its_resource() -> None:
    resources = [pod(f"web-{number}", hostNetwork=number % 3 == 0, dnsPolicy=f"p{number}") for number in range(1000)]
    results = evaluate(resources, select(named=find_controls(["C-0041"])), RegoPolicySet, kubernetes_minor=34)
    failed = {result.subject.name for result in results for v in result.verdicts.values() if v.status is Status.FAILED}
    assert failed == {f"web-{number}" for number in range(0, 1000, 3)}


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"containers": "none"}, "spec.containers: "),
        ({"containers": ["none"]}, "spec.containers[0]: "),
        ({"initContainers": {"a": 1}}, "spec.initContainers: "),
        ({"securityContext": []}, "spec.securityContext: "),
    ],
)
def test_malformed_workload_is_not_evaluated(spec: dict[str, Any], path: str) -> None:
    (result,) = evaluate(
        [pod("odd", **spec)], select(named=find_controls(["C-0057"])), RegoPolicySet, kubernetes_minor=34
    )
    (verdict,) = result.verdicts.values()
    assert verdict.status is Status.NOT_EVALUATED
    assert verdict.reason is not None
    assert verdict.reason.cause is Cause.MALFORMED
    assert verdict.reason.text.startswith(path)


class Failing(PolicySet):
    """Policy set of rules that all fail to evaluate."""

    def __init__(self, *arguments: Any) -> None:
        self._groups = arguments[1]

    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[Outcome]:
        names = [query.name for query in itertools.chain.from_iterable(self._groups)]
        return [dict.fromkeys(names, RuleFailure("broken")) for _ in documents]

    def with_context(self, context: Mapping[str, Any]) -> Failing:  # noqa: ARG002 - the Protocol's signature
        return self


def test_failed_rule_is_not_evaluated() -> None:
    (result,) = evaluate([pod("web")], select(named=find_controls(["C-0057"])), Failing, kubernetes_minor=34)
    (verdict,) = result.verdicts.values()
    assert verdict.status is Status.NOT_EVALUATED
    assert verdict.reason is not None
    assert (verdict.reason.cause, verdict.reason.text) == (Cause.RULE_ERROR, "broken")


def test_out_of_scope_resources_are_context_only() -> None:
    policy = Resource(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "deny", "namespace": "shop"},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        }
    )
    resources = [policy, pod("web"), pod("api")]
    selection = select(named=find_controls(["C-0260", "C-0057"]))
    for known, status in ((resources, Status.PASSED), (resources[1:], Status.FAILED)):
        results = evaluate(
            known, selection, RegoPolicySet, kubernetes_minor=34, in_scope=lambda resource: resource.name == "web"
        )
        assert [result.subject.name for result in results] == ["web"]
        slugs = {control.ids[0]: control.slug for control in selection.controls}
        assert results[0].verdicts[slugs["C-0260"]].status is status


def test_evaluators_see_out_of_scope_resources_without_reporting_them() -> None:
    seen_names: list[list[str]] = []

    class FailEverything:
        """Evaluator that fails every resource."""

        controls = ()

        def evaluate(
            self,
            resources: Sequence[Resource],
            *,
            kubernetes_minor: int,  # noqa: ARG002 - the rule is the same in every version
        ) -> Iterator[tuple[int, str, Verdict]]:
            seen_names.append([resource.name for resource in resources])
            return ((place, "mine", Verdict(Status.FAILED)) for place, _ in enumerate(resources))

    selection = msgspec.structs.replace(select(named=find_controls(["C-0057"])), evaluators=(FailEverything(),))
    resources = [pod("web"), pod("api"), pod("db")]
    results = evaluate(
        resources, selection, RegoPolicySet, kubernetes_minor=34, in_scope=lambda resource: resource.name == "api"
    )
    assert [(result.subject.name, sorted(result.verdicts)) for result in results] == [
        ("api", ["mine", "privileged-container"])
    ]
    assert seen_names == [["api", "web", "db"]]


def test_unknown_values_are_not_evaluated() -> None:
    known = pod("web", hostNetwork=True)
    unknown: tuple[tuple[str | int, ...], ...] = (("spec", "hostPID"), ("spec", "containers", 0, "resources"))
    resource = Resource(known.object, unknown=unknown)
    selection = select(named=find_controls(["C-0057", "C-0270", "C-0041", "C-0016"]))
    sure, doubtful = (
        evaluate([subject], selection, RegoPolicySet, kubernetes_minor=34)[0].verdicts for subject in (known, resource)
    )
    assert {verdict.status for verdict in sure.values()} == {Status.FAILED}
    assert doubtful["privileged-container"] == sure["privileged-container"]
    cpu = next(slug for slug in sure if "cpu" in slug)
    assert doubtful[cpu].status is Status.NOT_EVALUATED
    reason = doubtful[cpu].reason
    assert reason is not None
    assert reason.text == "known only after it is applied: spec.hostPID, spec.containers[0].resources"
    quiet = Resource({**known.object, "spec": {"containers": []}}, unknown=(("spec", "hostPID"),))
    passed = evaluate([quiet], selection, RegoPolicySet, kubernetes_minor=34)[0].verdicts
    assert {verdict.status for verdict in passed.values()} == {Status.NOT_EVALUATED}
