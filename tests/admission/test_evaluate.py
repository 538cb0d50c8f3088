"""Admission policies as controls: what they are for, with which parameters, and what exactly made an object fail."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml

from kubekeep.admission.evaluate import PolicyEvaluator
from kubekeep.admission.policy import AdmissionError, collect_policies
from kubekeep.model.finding import Cause, Status, Verdict
from kubekeep.model.resource import Resource

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "replicas": 9,
        "hostNetwork": True,
        "containers": [
            {"name": "a", "image": "good/a"},
            {"name": "b", "image": "bad/b", "securityContext": {"privileged": True}},
        ],
        "initContainers": [{"name": "c", "image": "bad/c"}],
    },
}


def policy(*expressions: str, name: str = "p", metadata: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    rules = [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name, **(metadata or {})},
        "spec": {
            "matchConstraints": {"resourceRules": rules},
            "validations": [{"expression": text} for text in expressions],
            **spec,
        },
    }


def binding(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "b"},
        "spec": {"policyName": "p", "validationActions": ["Deny"], **spec},
    }


def verdict(found: dict[str, Any], *more: dict[str, Any], on: dict[str, Any] | None = None) -> Verdict | None:
    """The verdict of the policy `found` on `on`, the last of the resources; `more` are beside the policy."""
    judge = PolicyEvaluator(collect_policies(map(Resource, (found, *more))))
    said = [item for _, _, item in judge.evaluate([Resource(on or POD)])]
    return said[0] if said else None


def places(*expressions: str, on: dict[str, Any] | None = None, **spec: Any) -> list[str]:
    said = verdict(policy(*expressions, **spec), on=on)
    assert said is not None
    assert said.status is Status.FAILED, said
    return [item.path for item in said.evidence]


def reason(found: dict[str, Any], *more: dict[str, Any], on: dict[str, Any] | None = None) -> tuple[Cause, str]:
    said = verdict(found, *more, on=on)
    assert said is not None
    assert said.reason is not None, said
    return said.reason.cause, said.reason.text


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("object.spec.replicas <= 5", ["spec.replicas"]),
        ("5 >= object.spec.replicas", ["spec.replicas"]),
        ("!has(object.spec.replicas) || object.spec.replicas <= 5", ["spec.replicas"]),
        ("has(object.metadata.annotations)", ["metadata.annotations"]),
        ("'tier' in object.metadata.labels", ["metadata.labels"]),
        ("object.metadata.labels['app'] == 'x'", ["metadata.labels.app"]),
        ("object.?metadata.?labels[?'app'].orValue('') == 'x'", ["metadata.labels.app"]),
        ("!object.spec.hostNetwork", ["spec.hostNetwork"]),
        ("!(object.spec.hostNetwork && object.spec.replicas > 1)", ["spec.hostNetwork", "spec.replicas"]),
        ("object.spec.replicas < 5 && !object.spec.hostNetwork && true", ["spec.replicas", "spec.hostNetwork"]),
        ("object.spec.containers.all(c, c.image.startsWith('good/'))", ["spec.containers[1].image"]),
        ("object.spec.containers.all(i, c, i == 0 || c.name == 'x')", ["spec.containers[1].name"]),
        ("!object.spec.containers.exists(c, c.image.startsWith('bad/'))", ["spec.containers[1].image"]),
        ("object.spec.containers.exists(c, c.image.startsWith('none/'))", ["spec.containers"]),
        (
            "object.spec.containers.all(c, has(c.resources))",
            ["spec.containers[0].resources", "spec.containers[1].resources"],
        ),
        ("object.spec.containers.size() == 1", ["spec.containers"]),
        (
            "(object.spec.containers + object.spec.?initContainers.orValue([])).all(c, !c.image.contains('bad'))",
            ["spec.containers[1].image", "spec.initContainers[0].image"],
        ),
        ("object.spec.containers.filter(c, c.name == 'b').all(c, c.image == '')", ["spec.containers[1].image"]),
        ("object.metadata.labels.all(k, k != 'app')", ["metadata.labels.app"]),
        ("object.spec.replicas == size(object.spec.containers)", [""]),
        (
            "object.spec.containers.map(c, c.image).all(i, i == '')",
            ["spec.containers[0].image", "spec.containers[1].image"],
        ),
        ("false", [""]),
        ("object.spec.hostNetwork ? object.spec.replicas == 1 : false", ["spec.replicas"]),
    ],
)
def test_places(expression: str, expected: list[str]) -> None:
    assert places(expression) == expected


def test_places_through_variables() -> None:
    variables = [
        {"name": "spec", "expression": "object.spec"},
        {"name": "all", "expression": "variables.spec.containers + variables.spec.initContainers"},
        {"name": "host", "expression": "variables.spec.hostNetwork || false"},
        {"name": "few", "expression": "variables.spec.replicas < 5"},
    ]
    found = places(
        "variables.all.all(c, c.image.startsWith('good/'))", "!variables.host", "variables.few", variables=variables
    )
    assert found == ["spec.containers[1].image", "spec.initContainers[0].image", "spec.hostNetwork", "spec.replicas"]


def test_what_is_absent_does_not_exist() -> None:
    said = verdict(policy("has(object.spec.nodeName)"))
    assert said is not None
    assert [(item.path, item.exists) for item in said.evidence] == [("spec.nodeName", False)]


def test_control() -> None:
    marks = {"annotations": {"kubekeep.io/severity": "8", "kubekeep.io/title": "Few replicas"}}
    found = policy("true", name="few.example.com", metadata=marks)
    [control] = PolicyEvaluator(collect_policies([Resource(found)])).controls
    assert (control.slug, control.id, control.title) == ("few.example.com", "few.example.com", "Few replicas")
    assert (control.severity, control.area) == (8, "policies")
    named = collect_policies([Resource(policy("true", name="privileged-container"))])
    [control] = PolicyEvaluator(named, {"privileged-container"}).controls
    assert (control.slug, control.severity) == ("policy-privileged-container", 5)


def test_without_value_is_not_evaluated() -> None:
    cause, text = reason(policy("object.spec.nope == 1"))
    assert cause is Cause.RULE_ERROR
    assert text == (
        "expression 'object.spec.nope == 1' resulted in error: no such key: nope; the API server would refuse the "
        "object, unless its defaults make the difference"
    )
    assert "let the object through" in reason(policy("object.spec.nope == 1", failurePolicy="Ignore"))[1]
    said = verdict(policy("object.spec.nope == 1", "object.spec.replicas < 5"))
    assert said is not None
    assert said.status is Status.FAILED


@pytest.mark.parametrize(
    "expression",
    [
        "authorizer.group('').resource('pods').check('create').allowed()",
        "request.userInfo.username == 'admin'",
        "'team' in namespaceObject.metadata.labels",
        "namespaceObject.metadata.labels['team'] == 'a'",
        "has(namespaceObject.metadata.annotations)",
    ],
)
def test_what_only_a_cluster_knows(expression: str) -> None:
    assert reason(policy(expression))[0] is Cause.NEEDS_CLUSTER
    said = verdict(policy(f"{expression} || true"))
    assert said is not None
    assert said.status is Status.PASSED


def test_updates_alone_need_the_old_object() -> None:
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods"]}]
    constraints = {"resourceRules": rules}
    assert reason(policy("oldObject.spec == object.spec", matchConstraints=constraints))[0] is Cause.NEEDS_CLUSTER
    said = verdict(policy("request.operation == 'UPDATE'", matchConstraints=constraints))
    assert said is not None
    assert said.status is Status.PASSED


def test_namespace_selectors() -> None:
    rules = policy("true")["spec"]["matchConstraints"]["resourceRules"]

    def selecting(key: str) -> dict[str, Any]:
        selector = {"matchExpressions": [{"key": key, "operator": "In", "values": ["default", "prod"]}]}
        return policy("true", matchConstraints={"resourceRules": rules, "namespaceSelector": selector})

    assert verdict(selecting("kubernetes.io/metadata.name")) is not None
    assert "the label env of namespace default" in reason(selecting("env"))[1]
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": {"env": "prod"}}}
    said = verdict(selecting("env"), space)
    assert said is not None
    assert said.status is Status.PASSED
    assert verdict(selecting("env"), {**space, "metadata": {"name": "default"}}) is None


def test_an_object_without_namespace_goes_to_default() -> None:
    said = verdict(policy("request.namespace == 'default' && object.metadata.namespace == 'default'"))
    assert said is not None
    assert said.status is Status.PASSED


LIMIT = {"apiVersion": "rules.example.com/v1", "kind": "Limit", "max": 5}


def limits(*expressions: str) -> dict[str, Any]:
    return policy(*expressions, paramKind={"apiVersion": "rules.example.com/v1", "kind": "Limit"})


def test_params_by_name_and_selector() -> None:
    few = {**LIMIT, "metadata": {"name": "few", "labels": {"on": "yes"}}}
    many = {**LIMIT, "metadata": {"name": "many", "namespace": "default"}, "max": 50}
    elsewhere = {**LIMIT, "metadata": {"name": "many", "namespace": "other", "labels": {"on": "yes"}}, "max": 1}
    found = limits("object.spec.replicas <= params.max")
    objects = (few, many, elsewhere)

    def status(**reference: Any) -> Status | None:
        said = verdict(found, binding(paramRef=reference), *objects)
        return said.status if said else None

    assert status(name="few") is Status.FAILED
    assert status(name="many") is Status.PASSED
    assert status(name="many", namespace="other") is Status.FAILED
    assert status(selector={"matchLabels": {"on": "yes"}}) is Status.FAILED
    assert status(name="none", parameterNotFoundAction="Deny") is Status.NOT_EVALUATED
    assert status(name="none", parameterNotFoundAction="Allow") is None
    assert reason(found)[0] is Cause.NEEDS_CLUSTER


def test_bindings_narrow_and_say_what_they_do() -> None:
    rules = [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"]}]
    assert verdict(policy("false"), binding(matchResources={"resourceRules": rules})) is None
    said = verdict(policy("false"), binding(validationActions=["Warn", "Audit"]))
    assert said is not None
    assert said.evidence[0].message == "failed expression: false [Warn, Audit]"


SECRET: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s"},
    "stringData": {"password": "hunter2", "host": "x hunter2"},
}


def test_messages_do_not_tell_secrets() -> None:
    quoting = [{"expression": "false", "message": "no", "messageExpression": "'it is ' + object.stringData.password"}]
    said = verdict(policy(validations=quoting), on=SECRET)
    assert said is not None
    assert [item.message for item in said.evidence] == ["it is XXXXXX"]
    text = reason(policy("url(object.stringData.host).getHost() == ''"), on=SECRET)[1]
    assert "hunter2" not in text
    assert "could quote a secret" in text


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (policy("object.spec.replicas <"), "validations[0].expression: 1:23: mismatched input '<EOF>'"),
        (policy("nope == 1"), "undeclared reference to 'nope'"),
        (policy("nope()"), "undeclared reference to 'nope'"),
        (policy("params.x == 1"), "undeclared reference to 'params'"),
        (policy("1"), "must evaluate to bool but got int"),
        (
            policy("true", variables=[{"name": "a", "expression": "variables.b"}]),
            "variables.a: 1:11: undefined field 'b'",
        ),
        (
            policy("true", matchConditions=[{"name": "m", "expression": "'a'"}]),
            "matchConditions m: must evaluate to bool",
        ),
        (policy(), "it has no validations"),
        (policy("true", metadata={"annotations": {"kubekeep.io/severity": "high"}}), "not a number from 0 to 10"),
        (policy("true", matchConstraints=5), "Expected `object`"),
        (policy("(" * 5000 + "true" + ")" * 5000), "nested too deeply"),
        (policy("!" + ".a".join(["object"] * 300)), "too many selections in a row"),
        (policy("'" + "a" * 200_000 + "' == ''"), "longer than 100000 characters"),
    ],
)
def test_refused(found: dict[str, Any], message: str) -> None:
    with pytest.raises(AdmissionError, match="ValidatingAdmissionPolicy p: ") as caught:
        PolicyEvaluator(collect_policies([Resource(found)]))
    assert message in str(caught.value)


def test_refused_together() -> None:
    with pytest.raises(AdmissionError, match="there is no ValidatingAdmissionPolicy"):
        collect_policies([])
    with pytest.raises(AdmissionError, match="another policy of this name"):
        collect_policies([Resource(policy("true")), Resource(policy("true"))])
    with pytest.raises(AdmissionError, match="names the policy q"):
        collect_policies([Resource(policy("true")), Resource(binding(policyName="q"))])


def test_costs_are_bounded() -> None:
    many = {**POD, "spec": {"list": list(range(3000)), "text": "a" * 100_000}}
    doubled = [{"name": "v0", "expression": "object.spec.text"}]
    doubled += [{"name": f"v{i}", "expression": f"variables.v{i - 1} + variables.v{i - 1}"} for i in range(1, 60)]
    nested = "object.spec.list.all(a, object.spec.list.all(b, object.spec.list.all(c, a + b + c >= 0)))"
    wide = "[" + ", ".join(["object.spec.list"] * 400) + "].map(x, x.map(y, [x, x])).size() == 1"
    regular = "object.spec.list.all(x, object.spec.text.matches('(a|aa)+$') && !object.spec.text.matches('(a*)*b'))"
    copied = "object.spec.list.map(a, object.spec.list.map(b, object.spec.list)).size() == 1"
    chained = "['xxxxxxxxxxxxxxxx']" + "".join(f".map(a{i}, a{i} + a{i})" for i in range(60)) + " == []"
    for found in (
        policy("variables.v59 == ''", variables=doubled),
        *map(policy, (nested, wide, regular, copied, chained)),
    ):
        before = time.monotonic()
        cause, _ = reason(found, on=many)
        assert cause is Cause.RULE_ERROR
        assert time.monotonic() - before < 10


def test_long_chains_of_variables() -> None:
    chain = [{"name": "v0", "expression": "object.spec.replicas"}]
    chain += [{"name": f"v{i}", "expression": f"variables.v{i - 1} + 1"} for i in range(1, 800)]
    assert "nested too deeply" in reason(policy("variables.v799 == 1", variables=chain))[1]


def test_admission_objects_are_exempt() -> None:
    assert verdict(policy("false"), on=policy("true")) is None


def test_custom_kinds_by_their_definition() -> None:
    definition = yaml.safe_load("""
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {name: meese.example.com}
        spec: {group: example.com, names: {kind: Moose, plural: meese}, scope: Cluster}
    """)
    rule = {
        "apiGroups": ["example.com"],
        "apiVersions": ["v1"],
        "operations": ["*"],
        "resources": ["meese"],
        "scope": "Cluster",
    }
    moose = {"apiVersion": "example.com/v1", "kind": "Moose", "metadata": {"name": "m"}}
    found = policy("namespaceObject == null", matchConstraints={"resourceRules": [rule]})
    assert verdict(found, on=moose) is None
    assert verdict(found, definition, on=moose) is not None


@pytest.mark.parametrize(
    "metadata", [None, [], "x", 5, {}, {"name": 5, "labels": []}, {"name": "a", "labels": {"a": 5}}]
)
@pytest.mark.parametrize("kind", ["Pod", "Namespace", "Node", "CustomResourceDefinition", "Widget", ""])
def test_odd_objects_end_nothing(kind: str, metadata: Any) -> None:
    odd = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": metadata}
    found = policy("object.metadata.labels.all(k, v, v == request.name)", "namespaceObject.metadata.labels['a'] == 'b'")
    judge = PolicyEvaluator(collect_policies(map(Resource, (found, odd, {**odd, "kind": "Namespace"}))))
    for _, _, said in judge.evaluate(
        [Resource(odd), Resource({**POD, "metadata": {**POD["metadata"], "namespace": "a"}})]
    ):
        assert said.status in Status


def test_generated_names_are_not_known() -> None:
    said = verdict(policy("request.name == ''"), on={**POD, "metadata": {"generateName": "web-"}})
    assert said is not None
    assert said.status is Status.PASSED
