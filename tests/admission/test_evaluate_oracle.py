"""Admission policies against their reference: the API server's own admission code, in Go.

Every expression and every policy has to get the same answer on every object: the same decision and message of each
validation, or the same refusal when the policy is created.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import yaml

from kubekeep.admission.evaluate import PolicyEvaluator
from kubekeep.admission.policy import AdmissionError, AdmissionPolicies, collect_policies
from kubekeep.model.resource import Resource
from kubekeep.model.resource_types import ResourceTypes
from kubekeep.model.verdict import Cause, Status, Verdict
from tests.admission.expressions import expression
from tests.oracles.references import get_answer

FOLDER: Final = Path(__file__).parent / "policies"
CORPUS: Final = yaml.safe_load((FOLDER / "expressions.yaml").read_text())
EXPRESSIONS: Final = [text for group in CORPUS["expressions"].values() for text in group]
POLICIES: Final = list(yaml.safe_load_all((FOLDER / "policies.yaml").read_text()))
OBJECTS: Final = list(yaml.safe_load_all((FOLDER / "objects.yaml").read_text()))
NAMESPACE: Final = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "a"}}}
EVERYTHING: Final = [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]


def test_expressions() -> None:
    policies = [build_policy(text) for text in EXPRESSIONS]
    answers = query_reference([(policy, None) for policy in policies], [CORPUS["object"]], [NAMESPACE])
    differences = [
        (text, expected, actual)
        for text, policy, [expected] in zip(EXPRESSIONS, policies, answers, strict=True)
        if (actual := evaluate_policy(policy, None, [CORPUS["object"]], [NAMESPACE])[0]) != expected
    ]
    assert not differences, "\n".join(map(str, [len(differences), *differences]))
    counts = {
        kind: sum(answer[0][0] == kind for answer in answers) for kind in ("passed", "failed", "error", "refused")
    }
    assert min(counts.values()) >= 40, counts


def test_random_expressions() -> None:
    """Compare random expressions. Rejected ones (most) test the checker, the others test values at unusual positions.

    The API server rejects one in a few thousand that can never have a value; here such an expression has no value on any
    object, and it never decides a verdict.
    """
    random = Random(9)
    expressions = [expression(random) for _ in range(1000)]
    policies = [build_policy(text) for text in expressions]
    answers = query_reference([(policy, None) for policy in policies], [CORPUS["object"]], [NAMESPACE])
    differences = [
        (text, expected, actual)
        for text, policy, [expected] in zip(expressions, policies, answers, strict=True)
        if (actual := evaluate_policy(policy, None, [CORPUS["object"]], [NAMESPACE])[0]) != expected
    ]
    decided = [entry for entry in differences if entry[1:] != (("refused",), ("error",))]
    assert not decided, "\n".join(map(str, [len(decided), *decided]))
    assert len(differences) <= 2, differences
    assert sum(expected != ("refused",) for [expected] in answers) > 100


def test_policies() -> None:
    namespaces = [entry for entry in OBJECTS if entry["kind"] == "Namespace"]
    pairs = [(policy, read_params(policy)) for policy in POLICIES]
    answers = query_reference(pairs, OBJECTS, namespaces)
    differences = []
    for (policy, params), expected in zip(pairs, answers, strict=True):
        actual = evaluate_policy(policy, params, OBJECTS, namespaces)
        differences += [
            (policy["metadata"]["name"], entry["kind"], entry["metadata"]["name"], one, other)
            for entry, one, other in zip(OBJECTS, expected, actual, strict=True)
            if one != other
        ]
    assert not differences, "\n".join(map(str, [len(differences), *differences]))
    assert not any(("refused",) in policy for policy in answers)
    results = [answer[0] for policy in answers for answer in policy]
    assert {kind: results.count(kind) > 15 for kind in ("passed", "failed", "error", "none")} == dict.fromkeys(
        ("passed", "failed", "error", "none"), True
    )


def build_policy(expression: str) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "one"},
        "spec": {
            "matchConstraints": {"resourceRules": EVERYTHING},
            "validations": [{"expression": expression, "message": "no"}],
        },
    }


def read_params(policy: dict[str, Any]) -> dict[str, Any] | None:
    text = policy["metadata"].get("annotations", {}).get("test/params")
    actual: dict[str, Any] | None = json.loads(text) if text else None
    return actual


def query_reference(
    pairs: Sequence[tuple[dict[str, Any], Any]], objects: Sequence[dict[str, Any]], namespaces: Sequence[dict[str, Any]]
) -> list[list[tuple[str, ...]]]:
    """Return the API server's results for each policy and object."""
    known = {entry["metadata"]["name"]: add_name_label(entry) for entry in namespaces}
    kinds = ResourceTypes([])
    requests = []
    for entry in objects:
        is_namespace = entry["kind"] == "Namespace"
        name = entry["metadata"]["name"] if is_namespace else entry["metadata"].get("namespace")
        requests.append(
            {
                "object": add_name_label(entry) if is_namespace else entry,
                "resource": kinds.get_type(Resource(entry)).plural,
                "namespace": None if is_namespace else known.get(name),
            }
        )
    # An expression without a value never decides here, so every policy is compared with failurePolicy Fail.
    policies = [({**policy, "spec": {**policy["spec"], "failurePolicy": "Fail"}}, params) for policy, params in pairs]
    lines = [
        json.dumps({"policy": policy, "requests": [{**request, "params": params} for request in requests]})
        for policy, params in policies
    ]
    answer = get_answer("admission-policy", stdin="\n".join(lines))
    return [read_reference(json.loads(line), len(objects)) for line in answer.stdout.splitlines()]


def add_name_label(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the namespace with the label that the API server sets."""
    metadata = entry["metadata"]
    labels = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}
    return {**entry, "metadata": {**metadata, "labels": labels}}


def read_reference(answer: dict[str, Any], count: int) -> list[tuple[str, ...]]:
    if "problems" in answer:
        return [("refused",)] * count
    results: list[tuple[str, ...]] = []
    for reply in answer["answers"]:
        decisions = reply["decisions"] or []
        denied = sorted({entry["message"] for entry in decisions if entry["evaluation"] == "deny"})
        if denied:
            results.append(("failed", *denied))
        elif any(entry["evaluation"] == "error" for entry in decisions):
            results.append(("error",))
        else:
            results.append(("passed",) if decisions else ("none",))
    return results


def evaluate_policy(
    policy: dict[str, Any],
    params: dict[str, Any] | None,
    objects: Sequence[dict[str, Any]],
    namespaces: Sequence[dict[str, Any]],
) -> list[tuple[str, ...]]:
    """Return Kubekeep's results in the same form."""
    others = [Resource(add_name_label(entry)) for entry in namespaces]
    name = policy["metadata"]["name"]
    bound: list[Resource] = []
    if params is not None:
        reference = {"name": params["metadata"]["name"], "parameterNotFoundAction": "Deny"}
        spec = {"policyName": name, "paramRef": reference, "validationActions": []}
        kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding"}
        bound = [Resource({**kind, "metadata": {"name": name}, "spec": spec}), Resource(params)]
    try:
        actual = collect_policies([Resource(policy), *bound])
        judge = PolicyEvaluator(AdmissionPolicies(actual.policies, (*actual.other_resources, *others)))
    except AdmissionError:
        return [("refused",)] * len(objects)
    resources = [Resource(add_name_label(entry) if entry["kind"] == "Namespace" else entry) for entry in objects]
    results = {place: verdict for place, _, verdict in judge.evaluate(resources, kubernetes_minor=37)}
    return [summarize_verdict(results.get(place)) for place in range(len(objects))]


def summarize_verdict(verdict: Verdict | None) -> tuple[str, ...]:
    if verdict is None:
        return ("none",)
    if verdict.status is Status.NOT_EVALUATED:
        assert verdict.reason is not None
        return ("error",) if verdict.reason.cause is Cause.RULE_ERROR else ("unknown", verdict.reason.text)
    return (str(verdict.status), *sorted({entry.message for entry in verdict.evidence}))
