"""Admission policies as controls: scope, parameters, and exact locations of failures."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml

from kubekeep.admission.evaluate import PolicyEvaluator
from kubekeep.admission.policy import AdmissionError, collect_policies
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Cause, Status, Verdict

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


def verdict(
    document: dict[str, Any], *more: dict[str, Any], on: dict[str, Any] | None = None, minor: int = 37
) -> Verdict | None:
    """Return the verdict of the policy `document` on the object `on`. more: other objects in the policy's file."""
    evaluator = PolicyEvaluator(collect_policies(map(Resource, (document, *more))))
    verdicts = [result for _, _, result in evaluator.evaluate([Resource(on or POD)], kubernetes_minor=minor)]
    return verdicts[0] if verdicts else None


def failing_paths(*expressions: str, on: dict[str, Any] | None = None, minor: int = 37, **spec: Any) -> list[str]:
    result = verdict(policy(*expressions, **spec), on=on, minor=minor)
    assert result is not None
    assert result.status is Status.FAILED, result
    return [piece.path for piece in result.evidence]


def reason(document: dict[str, Any], *more: dict[str, Any], on: dict[str, Any] | None = None) -> tuple[Cause, str]:
    result = verdict(document, *more, on=on)
    assert result is not None
    assert result.reason is not None, result
    return result.reason.cause, result.reason.text


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
def test_failing_paths(expression: str, expected: list[str]) -> None:
    assert failing_paths(expression) == expected


def test_failing_paths_through_variables() -> None:
    variables = [
        {"name": "spec", "expression": "object.spec"},
        {"name": "all", "expression": "variables.spec.containers + variables.spec.initContainers"},
        {"name": "host", "expression": "variables.spec.hostNetwork || false"},
        {"name": "few", "expression": "variables.spec.replicas < 5"},
    ]
    paths = failing_paths(
        "variables.all.all(c, c.image.startsWith('good/'))", "!variables.host", "variables.few", variables=variables
    )
    assert paths == ["spec.containers[1].image", "spec.initContainers[0].image", "spec.hostNetwork", "spec.replicas"]


def test_failing_paths_of_lists_that_are_not_optional() -> None:
    """Name the elements of a list that `orValue` returns, before Kubernetes 1.37."""
    expression = "object.spec.containers.orValue([]).all(c, c.image.startsWith('good/'))"
    assert failing_paths(expression, minor=36) == ["spec.containers[1].image"]
    variables = [{"name": "images", "expression": "object.spec.containers.orValue([]).map(c, c.image)"}]
    paths = failing_paths("!variables.images.exists(i, i == 'bad/b')", minor=36, variables=variables)
    assert paths == ["spec.containers[1].image"]


RECEIVERS = ["[1, 2]", "5", "5u", "1.5", "'a'", "b'a'", "true", "{'a': 1}", "null", "duration('1s')", "type(1)"]
OLD_OR = [36, 33, 25]
"""Minor versions before `or` and `orValue` of a value that is not optional became errors."""


@pytest.mark.parametrize("receiver", RECEIVERS)
@pytest.mark.parametrize("call", ["orValue('other')", "or(optional.of('other'))"])
def test_alternative_of_value_that_is_not_optional(receiver: str, call: str) -> None:
    document = policy(f"dyn(dyn({receiver}).{call}) == {receiver}")
    for minor in OLD_OR:
        result = verdict(document, minor=minor)
        assert result is not None
        assert result.status is Status.PASSED, (minor, result)
    cause, text = reason(document)
    assert cause is Cause.RULE_ERROR
    assert "no such overload" in text


@pytest.mark.parametrize("field", ["spec.containers", "spec.replicas", "metadata.labels", "metadata.name", "spec.nil"])
@pytest.mark.parametrize("call", ["orValue('other')", "or(optional.of('other'))"])
def test_alternative_of_field_that_is_not_optional(field: str, call: str) -> None:
    document, pod = (
        policy(f"dyn(object.{field}.{call}) == object.{field}"),
        {**POD, "spec": {**POD["spec"], "nil": None}},
    )
    result = verdict(document, on=pod, minor=36)
    assert result is not None
    assert result.status is Status.PASSED
    assert "no such overload" in reason(document, on=pod)[1]


@pytest.mark.parametrize("minor", [*OLD_OR, 37])
def test_alternatives_in_every_version(minor: int) -> None:
    """Evaluate what no version changed: optional values, methods without alternative, and types known to the checker."""
    result = verdict(
        policy(
            "object.?spec.?replicas.orValue(1) == 9",
            "object.?spec.?none.orValue(1) == 1",
            "object.?spec.?none.or(object.?spec.?replicas).value() == 9",
            # The alternative is not evaluated if there is a value.
            "object.?spec.?replicas.orValue(object.none) == 9",
            "object.?spec.?replicas.or(object.none).value() == 9",
            # Its type is not checked either.
            "dyn(object.?spec.?none.or(object.metadata.name)) == 'web'",
        ),
        minor=minor,
    )
    assert result is not None
    assert result.status is Status.PASSED, result
    for call in ("value() == 9", "hasValue()", "optMap(r, r).orValue(9) == 9"):
        document = policy(f"object.spec.replicas.{call}")
        result = verdict(document, minor=minor)
        assert result is not None
        assert result.reason is not None
        assert "no such overload" in result.reason.text
    for expression in ("[1].orValue([]) == []", "'a'.or(optional.of('b')) == 'a'", "orValue(optional.of(1), 2) == 1"):
        with pytest.raises(AdmissionError, match=r"validations\[0\]\.expression: .*'(or|orValue)'"):
            verdict(policy(expression), minor=minor)


def test_every_expression_of_policy_has_the_version() -> None:
    """Evaluate variables, match conditions and messages as in the requested version."""
    document = policy(
        "variables.count > 10",
        variables=[{"name": "count", "expression": "object.spec.replicas.orValue(1)"}],
        matchConditions=[{"name": "web", "expression": "object.metadata.name.orValue('') == 'web'"}],
    )
    document["spec"]["validations"][0]["messageExpression"] = "'not ' + string(object.spec.replicas.orValue(1))"
    result = verdict(document, minor=36)
    assert result is not None
    assert [(piece.path, piece.message) for piece in result.evidence] == [("spec.replicas", "not 9")]
    assert "object.metadata.name.orValue('')" in reason(document)[1]


def test_evidence_of_missing_field_does_not_exist() -> None:
    result = verdict(policy("has(object.spec.nodeName)"))
    assert result is not None
    assert [(piece.path, piece.exists) for piece in result.evidence] == [("spec.nodeName", False)]


def test_policy_becomes_control() -> None:
    marks = {"annotations": {"kubekeep.io/severity": "8", "kubekeep.io/title": "Few replicas"}}
    document = policy("true", name="few.example.com", metadata=marks)
    [control] = PolicyEvaluator(collect_policies([Resource(document)])).controls
    assert (control.slug, control.id, control.title) == ("few.example.com", "few.example.com", "Few replicas")
    assert (control.severity, control.area) == (8, "policies")
    named = collect_policies([Resource(policy("true", name="privileged-container"))])
    [control] = PolicyEvaluator(named, {"privileged-container"}).controls
    assert (control.slug, control.severity) == ("policy-privileged-container", 5)


def test_expression_without_value_is_not_evaluated() -> None:
    cause, text = reason(policy("object.spec.nope == 1"))
    assert cause is Cause.RULE_ERROR
    assert text == (
        "expression 'object.spec.nope == 1' resulted in error: no such key: nope; the API server would reject the "
        "object, unless its defaults change the result"
    )
    assert "accept the object" in reason(policy("object.spec.nope == 1", failurePolicy="Ignore"))[1]
    result = verdict(policy("object.spec.nope == 1", "object.spec.replicas < 5"))
    assert result is not None
    assert result.status is Status.FAILED


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
def test_expression_on_cluster_data_needs_cluster(expression: str) -> None:
    assert reason(policy(expression))[0] is Cause.NEEDS_CLUSTER
    result = verdict(policy(f"{expression} || true"))
    assert result is not None
    assert result.status is Status.PASSED


def test_old_object_is_needed_only_for_updates() -> None:
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods"]}]
    constraints = {"resourceRules": rules}
    assert reason(policy("oldObject.spec == object.spec", matchConstraints=constraints))[0] is Cause.NEEDS_CLUSTER
    result = verdict(policy("request.operation == 'UPDATE'", matchConstraints=constraints))
    assert result is not None
    assert result.status is Status.PASSED


def test_namespace_selectors() -> None:
    rules = policy("true")["spec"]["matchConstraints"]["resourceRules"]

    def selecting(key: str) -> dict[str, Any]:
        selector = {"matchExpressions": [{"key": key, "operator": "In", "values": ["default", "prod"]}]}
        return policy("true", matchConstraints={"resourceRules": rules, "namespaceSelector": selector})

    assert verdict(selecting("kubernetes.io/metadata.name")) is not None
    assert "the label env of namespace default" in reason(selecting("env"))[1]
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": {"env": "prod"}}}
    result = verdict(selecting("env"), space)
    assert result is not None
    assert result.status is Status.PASSED
    assert verdict(selecting("env"), {**space, "metadata": {"name": "default"}}) is None


def test_object_without_namespace_is_in_default() -> None:
    result = verdict(policy("request.namespace == 'default' && object.metadata.namespace == 'default'"))
    assert result is not None
    assert result.status is Status.PASSED


LIMIT = {"apiVersion": "rules.example.com/v1", "kind": "Limit", "max": 5}


def limits(*expressions: str) -> dict[str, Any]:
    return policy(*expressions, paramKind={"apiVersion": "rules.example.com/v1", "kind": "Limit"})


def test_params_by_name_and_selector() -> None:
    few = {**LIMIT, "metadata": {"name": "few", "labels": {"on": "yes"}}}
    many = {**LIMIT, "metadata": {"name": "many", "namespace": "default"}, "max": 50}
    elsewhere = {**LIMIT, "metadata": {"name": "many", "namespace": "other", "labels": {"on": "yes"}}, "max": 1}
    document = limits("object.spec.replicas <= params.max")
    objects = (few, many, elsewhere)

    def status(**reference: Any) -> Status | None:
        result = verdict(document, binding(paramRef=reference), *objects)
        return result.status if result else None

    assert status(name="few") is Status.FAILED
    assert status(name="many") is Status.PASSED
    assert status(name="many", namespace="other") is Status.FAILED
    assert status(selector={"matchLabels": {"on": "yes"}}) is Status.FAILED
    assert status(name="none", parameterNotFoundAction="Deny") is Status.NOT_EVALUATED
    assert status(name="none", parameterNotFoundAction="Allow") is None
    assert reason(document)[0] is Cause.NEEDS_CLUSTER


def test_bindings_narrow_scope_and_name_actions() -> None:
    rules = [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"]}]
    assert verdict(policy("false"), binding(matchResources={"resourceRules": rules})) is None
    result = verdict(policy("false"), binding(validationActions=["Warn", "Audit"]))
    assert result is not None
    assert result.evidence[0].message == "failed expression: false [Warn, Audit]"


SECRET: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s"},
    "stringData": {"password": "hunter2", "host": "x hunter2"},
}


def test_messages_have_no_secret_values() -> None:
    quoting = [{"expression": "false", "message": "no", "messageExpression": "'it is ' + object.stringData.password"}]
    result = verdict(policy(validations=quoting), on=SECRET)
    assert result is not None
    assert [piece.message for piece in result.evidence] == ["it is XXXXXX"]
    text = reason(policy("url(object.stringData.host).getHost() == ''"), on=SECRET)[1]
    assert "hunter2" not in text
    assert "could contain a secret" in text


@pytest.mark.parametrize(
    ("document", "message"),
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
def test_invalid_policy_is_rejected(document: dict[str, Any], message: str) -> None:
    with pytest.raises(AdmissionError, match="ValidatingAdmissionPolicy p: ") as caught:
        PolicyEvaluator(collect_policies([Resource(document)]))
    assert message in str(caught.value)


def test_invalid_set_of_policies_is_rejected() -> None:
    with pytest.raises(AdmissionError, match="the files of --policies contain no ValidatingAdmissionPolicy"):
        collect_policies([])
    with pytest.raises(AdmissionError, match="another policy has the same name"):
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
    for document in (
        policy("variables.v59 == ''", variables=doubled),
        *map(policy, (nested, wide, regular, copied, chained)),
    ):
        # Processor time, because wall-clock time depends on the load of the machine.
        before = time.process_time()
        cause, _ = reason(document, on=many)
        assert cause is Cause.RULE_ERROR
        assert time.process_time() - before < 10


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
    document = policy("namespaceObject == null", matchConstraints={"resourceRules": [rule]})
    assert verdict(document, on=moose) is None
    assert verdict(document, definition, on=moose) is not None


@pytest.mark.parametrize(
    "metadata", [None, [], "x", 5, {}, {"name": 5, "labels": []}, {"name": "a", "labels": {"a": 5}}]
)
@pytest.mark.parametrize("kind", ["Pod", "Namespace", "Node", "CustomResourceDefinition", "Widget", ""])
def test_malformed_objects_raise_no_error(kind: str, metadata: Any) -> None:
    odd = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": metadata}
    document = policy(
        "object.metadata.labels.all(k, v, v == request.name)", "namespaceObject.metadata.labels['a'] == 'b'"
    )
    evaluator = PolicyEvaluator(collect_policies(map(Resource, (document, odd, {**odd, "kind": "Namespace"}))))
    for _, _, result in evaluator.evaluate(
        [Resource(odd), Resource({**POD, "metadata": {**POD["metadata"], "namespace": "a"}})], kubernetes_minor=37
    ):
        assert result.status in Status


def test_generated_name_is_empty() -> None:
    result = verdict(policy("request.name == ''"), on={**POD, "metadata": {"generateName": "web-"}})
    assert result is not None
    assert result.status is Status.PASSED
