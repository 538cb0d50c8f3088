"""Kubescape rules on real resources: both Rego versions, joined input, and unsupported functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library.kubescape_rules import (
    API_SERVER,
    EVERYTHING,
    SUBJECTS,
    KubescapeControl,
    KubescapeRule,
    RuleMatch,
    build_modules,
    list_targets,
)
from kubekeep.library.rego_files import read_rego
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.control import Control, Provider
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Cause, Reason, Status, Verdict
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.kubescape_rules import KubescapeEvaluator, KubescapeRuleError
from kubekeep.posture.select import select

ODD_NAME = """
package armo_builtins

deny[response] {
	pod := input[_]
	pod.metadata.name == "odd"
	response := {"alertMessage": "an odd name", "alertObject": {"k8sApiObjects": [pod]}}
}
"""
"""A rule in the syntax before OPA 1.0."""


def deny(body: str, objects: str = "[item]", more: str = "") -> str:
    """Return a Rego v1 rule that fails `objects` if `body` is true."""
    return (
        f"package armo_builtins\n\nimport rego.v1\n\ndeny contains response if {{\n{body}\n"
        f'\tresponse := {{"alertMessage": "no", "alertObject": {{"k8sApiObjects": {objects}}}{more}}}\n}}\n'
    )


def pod(name: str, namespace: str = "", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [], **spec}}


def service(name: str, **selector: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"selector": selector}}


def match(*kinds: str, groups: tuple[str, ...] = ("*",), fields: tuple[tuple[str, bool, str], ...] = ()) -> RuleMatch:
    return RuleMatch(groups, ("*",), kinds, fields)


def control(*rules: KubescapeRule, **fields: Any) -> KubescapeControl:
    described = Control(
        slug="x", title="X", severity=5, asks="x", why="", fix="x", targets=list_targets(rules), satisfies={"own": ()}
    )
    return KubescapeControl(control=described, rules=rules, **fields)


def rule(source: str, *matches: RuleMatch, **fields: Any) -> KubescapeRule:
    return KubescapeRule(name="rule", file="rule.rego", source=source, matches=matches or (EVERYTHING,), **fields)


def results(
    checked_control: KubescapeControl,
    *objects: dict[str, Any],
    params: dict[str, tuple[str, ...]] | None = None,
    provider: Provider | None = None,
    time_limit: float = 30.0,
) -> list[SubjectResult]:
    evaluator = KubescapeEvaluator([checked_control], params=params or {}, provider=provider, time_limit=time_limit)
    resources = [Resource(content) for content in objects]
    return evaluate(resources, select(evaluators=[evaluator]), RegoPolicySet, kubernetes_minor=37)


def verdicts(checked_control: KubescapeControl, *objects: dict[str, Any], **options: Any) -> dict[str, Verdict]:
    return {result.subject.name: result.verdicts["x"] for result in results(checked_control, *objects, **options)}


def statuses(checked_control: KubescapeControl, *objects: dict[str, Any], **options: Any) -> dict[str, str]:
    return {name: str(verdict.status) for name, verdict in verdicts(checked_control, *objects, **options).items()}


def reason(checked_control: KubescapeControl, *objects: dict[str, Any], **options: Any) -> Reason:
    """Return the only reason of the verdicts, none of which is evaluated."""
    reasons = {verdict.reason for verdict in verdicts(checked_control, *objects, **options).values()}
    assert None not in reasons
    (one,) = reasons
    assert one is not None
    return one


def test_both_rego_versions_are_supported() -> None:
    modern = deny('\tsome item in input\n\titem.metadata.name == "odd"')
    for source in (ODD_NAME, modern):
        by_name = statuses(control(rule(source, match("Pod"))), pod("odd"), pod("even"), service("odd-service"))
        assert by_name == {"odd": "failed", "even": "passed"}


@pytest.mark.parametrize("word", ["Pod", "pod", "pods", "PODS", "*"])
def test_kinds_are_matched_by_name_and_plural_in_any_case(word: str) -> None:
    assert statuses(control(rule(ODD_NAME, match(word))), pod("odd")) == {"odd": "failed"}


def test_groups_versions_and_fields_restrict_the_match() -> None:
    for other in (match("Pod", groups=("apps",)), RuleMatch(("",), ("v2",), ("Pod",)), match("Deployment")):
        assert statuses(control(rule(ODD_NAME, other)), pod("odd")) == {}
    selected = match("pods", groups=("",), fields=(("metadata.namespace", True, "shop"),))
    assert list(statuses(control(rule(ODD_NAME, selected)), pod("odd", "shop"), pod("even", "bank"))) == ["odd"]
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p"}}
    plural = match("networkpolicies", groups=("networking.k8s.io",))
    assert statuses(control(rule(ODD_NAME, plural)), policy) == {"p": "passed"}


def test_rule_relates_objects_of_its_input() -> None:
    body = """
	some item in input
	item.kind == "Service"
	every other in input { not cautils.is_subobject(item.spec.selector, object.get(other, ["metadata", "labels"], {})) }
"""
    source = deny(body).replace("import rego.v1", "import data.cautils\nimport rego.v1")
    labelled = pod("web")
    labelled["metadata"]["labels"] = {"app": "web", "tier": "front"}
    by_name = statuses(control(rule(source)), service("used", app="web"), service("lost", app="no"), labelled)
    assert by_name == {"used": "passed", "lost": "failed", "web": "passed"}


def test_response_fails_several_objects_with_own_paths() -> None:
    body = '\tsome item in input\n\titem.kind == "Pod"\n\tsome other in input\n\tother.kind == "Service"'
    more = ', "failedPaths": ["spec.containers", "spec.selector"]'
    by_name = verdicts(control(rule(deny(body, "[item, other]", more))), pod("web"), service("front", app="web"))
    paths = {name: [piece.path for piece in verdict.evidence] for name, verdict in by_name.items()}
    assert paths == {"web": ["spec.containers"], "front": ["spec.selector"]}
    assert all(piece.exists for verdict in by_name.values() for piece in verdict.evidence)


def test_paths_and_fixes_become_evidence() -> None:
    more = (
        ', "failedPaths": ["spec.hostPID", "spec.hostIPC"], "reviewPaths": ["spec.hostIPC"], "deletePaths": '
        '["spec.hostIPC"], "fixPaths": [{"path": "spec.hostPID", "value": "false"}, '
        '{"path": "spec.nodeName", "value": "YOUR_NODE"}, {"path": "metadata.labels.on", "value": "true"}]'
    )
    by_name = verdicts(control(rule(deny("\tsome item in input", more=more))), pod("a", hostPID=True, hostIPC=True))
    evidence = {piece.path: (piece.exists, piece.fix, piece.delete) for piece in by_name["a"].evidence}
    assert evidence == {
        "spec.hostPID": (True, "false", False),
        "spec.hostIPC": (True, None, True),
        "spec.nodeName": (False, '"YOUR_NODE"', False),
        "metadata.labels.on": (False, '"true"', False),
    }
    assert {piece.message for piece in by_name["a"].evidence} == {"no"}


def test_related_objects_are_named_in_the_message() -> None:
    body = '\tsome item in input\n\titem.kind == "Pod"\n\tsome other in input\n\tother.kind == "Service"'
    more = ', "relatedObjects": [{"object": other, "failedPaths": ["spec.selector"]}]'
    by_name = verdicts(control(rule(deny(body, more=more))), pod("web"), service("front", app="web"))
    assert [piece.message for piece in by_name["web"].evidence] == ["no (Service front)"]
    assert by_name["front"].status is Status.PASSED


def test_objects_with_same_name_are_distinguished() -> None:
    body = "\tsome item in input\n\titem.spec.hostPID"
    statuses_in_order = [
        result.verdicts["x"].status for result in results(control(rule(deny(body))), pod("a"), pod("a", hostPID=True))
    ]
    assert statuses_in_order == [Status.PASSED, Status.FAILED]


def test_enumerator_restricts_evaluated_objects() -> None:
    enumerator = deny('\tsome item in input\n\titem.metadata.namespace == "shop"')
    checked_control = control(rule(ODD_NAME, enumerator=enumerator))
    assert statuses(checked_control, pod("even", "shop"), pod("far", "bank")) == {"even": "passed"}
    stranger = deny("\tcount(input) > 0", '[{"kind": "Pod", "metadata": {"name": "nobody"}}]')
    assert reason(control(rule(ODD_NAME, enumerator=stranger)), pod("a")).cause is Cause.RULE_ERROR


def binding(kind: str, namespace: str, role: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"b-{namespace}", "namespace": namespace},
        "roleRef": {"kind": kind, "name": role},
        "subjects": [{"kind": "User", "name": f"ann-{namespace}"}],
    }


def role(namespace: str, *verbs: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "reader", "namespace": namespace},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": [*verbs]}],
    }


def test_subjects_are_joined_with_roles_of_their_namespace() -> None:
    body = """
	some subject in input
	some i, part in subject.relatedObjects
	endswith(part.kind, "Role")
	cautils.list_contains(part.rules[j].verbs, "delete")
	path := sprintf("relatedObjects[%d].rules[%d].verbs", [i, j])
"""
    source = deny(body, "[]").replace("import rego.v1", "import data.cautils\nimport rego.v1")
    source = source.replace('"k8sApiObjects": []', '"k8sApiObjects": [], "externalObjects": subject')
    source = source.replace('"alertMessage"', '"failedPaths": [path], "alertMessage"')
    checked_control = control(rule(source, match("Role", "RoleBinding"), aggregator=SUBJECTS))
    objects = [role("shop", "get"), role("bank", "delete"), binding("Role", "shop", "reader")]
    by_name = verdicts(checked_control, *objects, binding("Role", "bank", "reader"), binding("Role", "zoo", "reader"))
    assert {name: str(verdict.status) for name, verdict in by_name.items()} == {
        "ann-shop": "passed",
        "ann-bank": "failed",
    }
    (piece,) = by_name["ann-bank"].evidence
    assert (piece.path, piece.exists) == ("relatedObjects[1].rules[0].verbs", True)
    only_bindings = control(rule(source, match("RoleBinding"), aggregator=SUBJECTS))
    assert results(only_bindings, *objects) == []


def test_vector_joined_by_rule_fails_its_objects() -> None:
    body = (
        '\tsome role in input\n\trole.kind == "Role"\n\titem := {"kind": "User", "name": "x", "relatedObjects": [role]}'
    )
    by_name = statuses(control(rule(deny(body))), role("shop", "get"), pod("a"))
    assert by_name == {"reader": "failed", "a": "passed"}


def test_api_server_is_recognised_by_name() -> None:
    checked_control = control(rule(deny("\tsome item in input"), match("Pod"), aggregator=API_SERVER))
    names = [pod("kube-apiserver-1", "kube-system"), pod("kube-apiserver-2", "shop"), pod("etcd", "kube-system")]
    assert statuses(checked_control, *names) == {"kube-apiserver-1": "failed"}


REGISTRIES = deny("\tsome item in input\n\tnot item.metadata.name in data.postureControlInputs.names")


def test_parameters_come_from_the_control_and_the_configuration() -> None:
    checked_control = control(rule(REGISTRIES, inputs=("names",)))
    assert statuses(checked_control, pod("a"), pod("b"), params={"names": ("a",)}) == {"a": "passed", "b": "failed"}
    fixed = msgspec.structs.replace(checked_control, fixed_params={"names": ("b",)})
    assert statuses(fixed, pod("a"), pod("b"), params={"names": ("a",)}) == {"a": "failed", "b": "passed"}
    unasked = control(rule(REGISTRIES))
    assert statuses(unasked, pod("a"), params={"names": ("a",)}) == {"a": "failed"}


def test_missing_parameter_is_not_evaluated() -> None:
    checked_control = control(rule(REGISTRIES, inputs=("names",)))
    assert reason(checked_control, pod("a")) == Reason(Cause.CONFIGURATION, "set names in --controls-config")
    required = msgspec.structs.replace(checked_control, needs_parameters=True)
    assert reason(required, pod("a"), params={"names": ()}).cause is Cause.CONFIGURATION


def test_rules_receive_cloud_provider() -> None:
    checked_control = control(rule(deny('\tdata.dataControlInputs.cloudProvider == "eks"\n\tsome item in input')))
    assert statuses(checked_control, pod("a"), provider="eks") == {"a": "failed"}
    assert statuses(checked_control, pod("a")) == {"a": "passed"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {"providerID": "aws:///a/i-1"}}
    assert statuses(checked_control, pod("a"), node)["a"] == "failed"


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("nginx", "docker.io/library/nginx"),
        ("nginx:1.29", "docker.io/library/nginx:1.29"),
        ("team/web", "docker.io/team/web"),
        ("index.docker.io/team/web:1", "docker.io/team/web:1"),
        ("quay.io/team/web", "quay.io/team/web"),
        ("localhost:5000/web:1", "localhost:5000/web:1"),
        (f"web:1@sha256:{'a' * 64}", f"docker.io/library/web:1@sha256:{'a' * 64}"),
        ("Web", ""),
        ("web:", ""),
        ("", ""),
    ],
)
@pytest.mark.parametrize("modern", [True, False])
def test_image_names_are_normalised(image: str, name: str, modern: bool) -> None:  # noqa: FBT001
    body = f'\tsome item in input\n\timage.parse_normalized_name("{image}") == "{name}"'
    source = deny(body) if modern else deny(body).replace("import rego.v1", "import future.keywords")
    assert statuses(control(rule(source)), pod("a")) == {"a": "failed" if name else "passed"}


def test_function_call_in_string_is_not_rewritten() -> None:
    source = deny("\tsome item in input").replace('"no"', '"image.parse_normalized_name(x)"')
    assert list(build_modules("f", source).values()) == [source]
    (piece,) = verdicts(control(rule(source)), pod("a"))["a"].evidence
    assert piece.message == "image.parse_normalized_name(x)"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("\tcosign.has_signature(item.spec.image)", "verifying signatures requires the registry"),
        ('\tcosign.verify(item.spec.image, "key")', "verifying signatures requires the registry"),
        ('\thttp.send({"method": "get", "url": "https://example.com"}).status_code == 200', "the rule calls http.send"),
        ("\tclient.query_all(item)", "the rule calls the API server"),
    ],
)
def test_rule_that_needs_network_is_not_evaluated(tmp_path: Path, line: str, text: str) -> None:
    source = deny(f"\tsome item in input\n{line}").replace(
        "import rego.v1", "import data.kubernetes.api.client\nimport rego.v1"
    )
    file = tmp_path / "signed.rego"
    file.write_text(source)
    (checked_control,) = read_rego([file], "custom-rules")
    evaluator = KubescapeEvaluator([checked_control], params={})
    ((_, slug, verdict),) = evaluator.evaluate([Resource(pod("a"))], kubernetes_minor=37)
    assert (slug, verdict.status) == ("custom-signed", Status.NOT_EVALUATED)
    assert verdict.reason is not None
    assert verdict.reason.cause is Cause.NEEDS_NETWORK
    assert verdict.reason.text.startswith(text)


def test_unused_client_import_is_accepted(tmp_path: Path) -> None:
    file = tmp_path / "plain.rego"
    file.write_text(f"package armo_builtins\nimport data.kubernetes.api.client as client\n{ODD_NAME[24:]}")
    (checked_control,) = read_rego([file], "custom-rules")
    assert [
        verdict.status
        for _, _, verdict in KubescapeEvaluator([checked_control], params={}).evaluate(
            [Resource(pod("odd"))], kubernetes_minor=37
        )
    ] == ["failed"]


def test_failed_rule_leaves_matched_objects_not_evaluated() -> None:
    broken = rule(deny("\tsome item in nowhere"), match("Pod"))
    by_name = verdicts(control(broken, rule(ODD_NAME, match("Service"))), pod("a"), service("s"))
    assert by_name["s"].status is Status.PASSED
    assert by_name["a"].reason is not None
    assert by_name["a"].reason.cause is Cause.RULE_ERROR
    assert "rule.rego:6" in by_name["a"].reason.text


def test_failure_overrides_rule_error() -> None:
    assert statuses(control(rule(deny("\tsome item in nowhere")), rule(ODD_NAME)), pod("odd")) == {"odd": "failed"}


def test_rule_has_time_limit() -> None:
    body = "\tsome item in input\n\tnumbers := numbers.range(1, 4000)\n\tcount([1 | numbers[_] + numbers[_] > 0]) == 0"
    rule_error = reason(
        control(rule(deny(body.replace("numbers :=", "n :=").replace("numbers[_]", "n[_]")))), pod("a"), time_limit=0.2
    )
    assert rule_error.cause is Cause.RULE_ERROR
    assert "eval_cancel_error" in rule_error.text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('package p\nimport rego.v1\ndeny contains "no"\n', "deny contains a value that is not a response"),
        ("package p\ndeny := true\n", "deny is not a set of responses"),
        (deny("\tcount(input) > 0", "[]"), "deny names no object"),
        (deny("\tcount(input) > 0", '[{"kind": "Pod", "metadata": {"name": "z"}}]'), "it fails Pod z"),
        (deny("\tsome item in input", more=', "failedPaths": 7'), "deny: Expected"),
        ("# no package\n", "no package with plain names"),
    ],
)
def test_invalid_response_is_a_rule_error(source: str, text: str) -> None:
    rule_error = reason(control(rule(source)), pod("a"))
    assert rule_error.cause is Cause.RULE_ERROR
    assert text in rule_error.text


def test_other_sets_are_responses_and_constants_are_not() -> None:
    source = deny("\tsome item in input").replace("deny contains", "untrusted contains") + '\nnames := {"a", "b"}\n'
    assert statuses(control(rule(source)), pod("a")) == {"a": "failed"}


def test_manual_review_is_not_evaluated() -> None:
    checked_control = control(rule(ODD_NAME), review_reason=Reason(Cause.MANUAL, "look"))
    assert statuses(checked_control, pod("odd"), pod("even")) == {"odd": "notEvaluated", "even": "passed"}


def test_file_that_does_not_compile_is_rejected(tmp_path: Path) -> None:
    for text in (deny("\tsome item in nowhere"), deny("\tsome item in"), ODD_NAME.replace("input[_]", "input[")):
        file = tmp_path / "mine.rego"
        file.write_text(text)
        with pytest.raises(KubescapeRuleError, match=r"mine\.rego:\d+: rego_"):
            KubescapeEvaluator(read_rego([file], "custom-rules"), params={})
