"""Admission policies against their reference: the API server's own admission code, in Go.

Every expression and every policy has to get the same answer on every object: the same decision and message of each
validation, or the same refusal when the policy is created.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import yaml

from kubekeep.admission.evaluate import PolicyEvaluator
from kubekeep.admission.policy import AdmissionError, AdmissionPolicies, collect_policies
from kubekeep.model.finding import Cause, Status, Verdict
from kubekeep.model.resource import Resource
from kubekeep.model.resource_types import ResourceTypes
from tests.admission.expressions import expression
from tests.oracles.program import program

FOLDER: Final = Path(__file__).parent / "policies"
CORPUS: Final = yaml.safe_load((FOLDER / "expressions.yaml").read_text())
EXPRESSIONS: Final = [text for group in CORPUS["expressions"].values() for text in group]
POLICIES: Final = list(yaml.safe_load_all((FOLDER / "policies.yaml").read_text()))
OBJECTS: Final = list(yaml.safe_load_all((FOLDER / "objects.yaml").read_text()))
NAMESPACE: Final = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "a"}}}
EVERYTHING: Final = [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]


def test_expressions() -> None:
    policies = [policy_of(text) for text in EXPRESSIONS]
    answers = ask([(policy, None) for policy in policies], [CORPUS["object"]], [NAMESPACE])
    differences = [
        (text, wanted, found)
        for text, policy, [wanted] in zip(EXPRESSIONS, policies, answers, strict=True)
        if (found := ours(policy, None, [CORPUS["object"]], [NAMESPACE])[0]) != wanted
    ]
    assert not differences, "\n".join(map(str, [len(differences), *differences]))
    counts = {
        kind: sum(answer[0][0] == kind for answer in answers) for kind in ("passed", "failed", "error", "refused")
    }
    assert min(counts.values()) >= 40, counts


def test_random_expressions() -> None:
    """Most of them are refused, which holds the checker; the others show what values do at odd places.

    The API server refuses some that can never have a value, where here they have none on any object: one in a few
    thousand, and never one that decides anything.
    """
    random = Random(9)
    expressions = [expression(random) for _ in range(1000)]
    policies = [policy_of(text) for text in expressions]
    answers = ask([(policy, None) for policy in policies], [CORPUS["object"]], [NAMESPACE])
    differences = [
        (text, wanted, found)
        for text, policy, [wanted] in zip(expressions, policies, answers, strict=True)
        if (found := ours(policy, None, [CORPUS["object"]], [NAMESPACE])[0]) != wanted
    ]
    decided = [item for item in differences if item[1:] != (("refused",), ("error",))]
    assert not decided, "\n".join(map(str, [len(decided), *decided]))
    assert len(differences) <= 2, differences
    assert sum(wanted != ("refused",) for [wanted] in answers) > 100


def test_policies() -> None:
    namespaces = [item for item in OBJECTS if item["kind"] == "Namespace"]
    given = [(policy, params_of(policy)) for policy in POLICIES]
    answers = ask(given, OBJECTS, namespaces)
    differences = []
    for (policy, params), wanted in zip(given, answers, strict=True):
        found = ours(policy, params, OBJECTS, namespaces)
        differences += [
            (policy["metadata"]["name"], item["kind"], item["metadata"]["name"], one, other)
            for item, one, other in zip(OBJECTS, wanted, found, strict=True)
            if one != other
        ]
    assert not differences, "\n".join(map(str, [len(differences), *differences]))
    assert not any(("refused",) in policy for policy in answers)
    said = [answer[0] for policy in answers for answer in policy]
    assert {kind: said.count(kind) > 15 for kind in ("passed", "failed", "error", "none")} == dict.fromkeys(
        ("passed", "failed", "error", "none"), True
    )


def policy_of(expression: str) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "one"},
        "spec": {
            "matchConstraints": {"resourceRules": EVERYTHING},
            "validations": [{"expression": expression, "message": "no"}],
        },
    }


def params_of(policy: dict[str, Any]) -> dict[str, Any] | None:
    text = policy["metadata"].get("annotations", {}).get("test/params")
    found: dict[str, Any] | None = json.loads(text) if text else None
    return found


def ask(
    given: Sequence[tuple[dict[str, Any], Any]], objects: Sequence[dict[str, Any]], namespaces: Sequence[dict[str, Any]]
) -> list[list[tuple[str, ...]]]:
    """What the API server says of each object under each policy."""
    known = {item["metadata"]["name"]: with_name_label(item) for item in namespaces}
    kinds = ResourceTypes([])
    requests = []
    for item in objects:
        is_namespace = item["kind"] == "Namespace"
        name = item["metadata"]["name"] if is_namespace else item["metadata"].get("namespace")
        requests.append(
            {
                "object": with_name_label(item) if is_namespace else item,
                "resource": kinds.of(Resource(item)).plural,
                "namespace": None if is_namespace else known.get(name),
            }
        )
    # What has no value decides nothing here, so both failure policies are compared as the one that tells.
    policies = [({**policy, "spec": {**policy["spec"], "failurePolicy": "Fail"}}, params) for policy, params in given]
    lines = [
        json.dumps({"policy": policy, "requests": [{**request, "params": params} for request in requests]})
        for policy, params in policies
    ]
    run = subprocess.run(
        [program("admission-policy")], input="\n".join(lines), capture_output=True, text=True, check=True, timeout=120
    )
    return [their(json.loads(line), len(objects)) for line in run.stdout.splitlines()]


def with_name_label(item: dict[str, Any]) -> dict[str, Any]:
    """The namespace with the label that the API server sets."""
    metadata = item["metadata"]
    labels = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}
    return {**item, "metadata": {**metadata, "labels": labels}}


def their(answer: dict[str, Any], count: int) -> list[tuple[str, ...]]:
    if "problems" in answer:
        return [("refused",)] * count
    said: list[tuple[str, ...]] = []
    for reply in answer["answers"]:
        decisions = reply["decisions"] or []
        denied = sorted({item["message"] for item in decisions if item["evaluation"] == "deny"})
        if denied:
            said.append(("failed", *denied))
        elif any(item["evaluation"] == "error" for item in decisions):
            said.append(("error",))
        else:
            said.append(("passed",) if decisions else ("none",))
    return said


def ours(
    policy: dict[str, Any],
    params: dict[str, Any] | None,
    objects: Sequence[dict[str, Any]],
    namespaces: Sequence[dict[str, Any]],
) -> list[tuple[str, ...]]:
    """What Kubekeep says of each, in the same words."""
    others = [Resource(with_name_label(item)) for item in namespaces]
    name = policy["metadata"]["name"]
    bound: list[Resource] = []
    if params is not None:
        reference = {"name": params["metadata"]["name"], "parameterNotFoundAction": "Deny"}
        spec = {"policyName": name, "paramRef": reference, "validationActions": []}
        kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding"}
        bound = [Resource({**kind, "metadata": {"name": name}, "spec": spec}), Resource(params)]
    try:
        found = collect_policies([Resource(policy), *bound])
        judge = PolicyEvaluator(AdmissionPolicies(found.policies, (*found.others, *others)))
    except AdmissionError:
        return [("refused",)] * len(objects)
    resources = [Resource(with_name_label(item) if item["kind"] == "Namespace" else item) for item in objects]
    said = {place: verdict for place, _, verdict in judge.evaluate(resources)}
    return [shown(said.get(place)) for place in range(len(objects))]


def shown(verdict: Verdict | None) -> tuple[str, ...]:
    if verdict is None:
        return ("none",)
    if verdict.status is Status.NOT_EVALUATED:
        assert verdict.reason is not None
        return ("error",) if verdict.reason.cause is Cause.RULE_ERROR else ("unknown", verdict.reason.text)
    return (str(verdict.status), *sorted({item.message for item in verdict.evidence}))
