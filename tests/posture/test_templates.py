"""Resources with several pod templates: one verdict from all of them, in whole and incremental evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import pytest

from kubekeep.engine.policy_set import RuleFailure, RuleQuery
from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Status, Verdict
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.incremental import IncrementalEvaluator
from kubekeep.posture.select import find_controls, select
from kubekeep.posture.templates import TemplatePolicySet, encode_workload

SAFE = {"name": "main", "securityContext": {"privileged": False, "readOnlyRootFilesystem": True}}
PRIVILEGED = {"name": "main", "securityContext": {"privileged": True}}


def template(container: dict[str, Any], app: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [container], **spec}}


def ray(*workers: dict[str, Any], head: dict[str, Any]) -> Resource:
    return Resource(
        {
            "apiVersion": "ray.io/v1",
            "kind": "RayCluster",
            "metadata": {"name": "ray", "namespace": "shop"},
            "spec": {
                "headGroupSpec": {"template": head},
                "workerGroupSpecs": [{"template": worker} for worker in workers],
            },
        }
    )


def find_verdict(control: str, *resources: Resource) -> Verdict | None:
    """Return the verdict on the first of `resources`, the same in whole and incremental evaluation."""
    selection = select(named=find_controls([control]))
    [slug] = [control.slug for control in selection.library_controls]
    verdicts = [
        next((result.verdicts.get(slug) for result in evaluated if result.subject.kind == resources[0].kind), None)
        for inputs in ([*map(copy, resources)], [resource.pack() for resource in resources])
        for evaluated in [evaluate(inputs, selection, RegoPolicySet, kubernetes_minor=37)]
    ]
    incremental = IncrementalEvaluator(selection, RegoPolicySet, kubernetes_minor=37)
    for number, resource in enumerate(resources):
        incremental.put(str(number), resource)
    incremental.update()
    result = incremental.results.get("0")
    verdicts.append(None if result is None else result.verdicts.get(slug))
    assert verdicts[0] == verdicts[1] == verdicts[2]
    return verdicts[0]


def list_paths(verdict: Verdict | None) -> list[str]:
    return [evidence.path for evidence in verdict.evidence] if verdict else []


def test_each_template_is_evaluated() -> None:
    cluster = ray(template(SAFE, "a"), template(PRIVILEGED, "b"), head=template(PRIVILEGED, "head"))
    assert list_paths(find_verdict("C-0057", cluster)) == [
        "spec.headGroupSpec.template.spec.containers[0].securityContext.privileged",
        "spec.workerGroupSpecs[1].template.spec.containers[0].securityContext.privileged",
    ]
    safe = find_verdict("C-0057", ray(template(SAFE, "a"), head=template(SAFE, "head")))
    assert safe is not None
    assert safe.status is Status.PASSED


def test_a_template_to_which_a_control_does_not_apply_does_not_count() -> None:
    windows = template(PRIVILEGED, "windows", os={"name": "windows"})
    verdict = find_verdict("C-0017", ray(windows, head=template(SAFE, "head")))
    assert verdict is not None
    assert verdict.status is Status.PASSED
    assert list_paths(find_verdict("C-0017", ray(windows, head=template(PRIVILEGED, "head")))) == [
        "spec.headGroupSpec.template.spec.containers[0].securityContext.readOnlyRootFilesystem"
    ]
    assert find_verdict("C-0017", ray(windows, head=windows)) is None


@pytest.mark.parametrize(("selected", "status"), [("head", Status.FAILED), (None, Status.PASSED)])
def test_related_resources_are_those_of_each_template(selected: str | None, status: Status) -> None:
    selector = {"matchLabels": {"app": selected}} if selected else {}
    policy = Resource(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "policy", "namespace": "shop"},
            "spec": {"podSelector": selector},
        }
    )
    verdict = find_verdict("C-0260", ray(template(SAFE, "a"), head=template(SAFE, "head")), policy)
    assert verdict is not None
    assert verdict.status is status


def test_an_object_wide_violation_is_one_finding() -> None:
    cluster = ray(template(SAFE, "a"), head=template(SAFE, "head"))
    cluster.object["metadata"].pop("namespace")
    assert list_paths(find_verdict("C-0061", cluster)) == ["metadata.namespace"]


def test_a_malformed_template_leaves_the_resource_without_verdicts() -> None:
    broken = template({"name": "main", "securityContext": {"privileged": "no"}}, "a")
    verdict = find_verdict("C-0057", ray(broken, head=template(SAFE, "head")))
    assert verdict is not None
    assert verdict.status is Status.NOT_EVALUATED


RULE = """package rule

import rego.v1

broken := 1 if input.workload.value == 3

broken := 2 if input.workload.value == 3

violation contains {"path": "x"} if input.workload.value == 2

violation contains {"path": "y"} if broken == 1

outcome := {"violation": violation}
"""


@pytest.mark.parametrize(
    ("values", "paths"), [((1, 1), []), ((1, 2), ["x"]), ((2, 3), ["x"]), ((1, 3), None), ((3, 1), None)]
)
def test_a_rule_that_fails_for_one_template(values: Sequence[int], paths: list[str] | None) -> None:
    rules = RegoPolicySet([{"rule.rego": RULE}], [[RuleQuery("rule", "data.rule.outcome")]], {})
    text = b'{"workload":%b}' % encode_workload([{"value": value} for value in values])
    [outcome] = TemplatePolicySet(rules).evaluate([(text, [0])])
    value = outcome.get("rule", {})
    if paths is None:
        assert isinstance(value, RuleFailure)
    else:
        assert [violation["path"] for violation in value.get("violation", [])] == paths
