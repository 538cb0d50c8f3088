"""Policies that enforce controls, exceptions and parameters in a real cluster."""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kubekeep.kube.access import ClusterRequest
from kubekeep.kube.kubeconfig import Kubeconfig
from kubekeep.library.extra import load_rules
from kubekeep.library.params import ParamsError
from kubekeep.model.assessment import Assessment, DefinitionSummary
from kubekeep.model.enforcement import Enforcement
from kubekeep.model.exception import ExceptionSource, ExceptionStatus, ExceptionUse
from kubekeep.model.verdict import Cause, Status, Verdict
from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.cli.test_scan import kubekeep
from tests.cluster.client import Refused
from tests.cluster.cluster import Cluster, eventually
from tests.cluster.fixtures import run_cluster
from tests.requests import replaced

PRIVILEGED, REGISTRIES = "privileged-container", "allowed-registries"
KUBESCAPE = "kubescape.io"
KINDS = {
    "ClusterSecurityException": ("clustersecurityexceptions", "v1beta1", "Cluster"),
    "ControlInput": ("controlinputs", "v1", "Cluster"),
    "SecurityException": ("securityexceptions", "v1beta1", "Namespaced"),
}
POLICIES = [{"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["list"]}]
CORE = [
    {
        "apiGroups": [""],
        "resources": ["namespaces", "nodes", "pods", "podtemplates", "replicationcontrollers"],
        "verbs": ["list"],
    }
]
WORKLOADS = [
    {"apiGroups": ["apps", "batch"], "resources": ["*"], "verbs": ["list"]},
    {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["list"]},
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Control plane for these tests only, as policies and parameters apply to the whole cluster."""
    yield from run_cluster(tmp_path_factory.mktemp("policies") / "cluster")


@pytest.fixture(scope="module")
def operator(cluster: Cluster) -> None:
    """Definitions of Kubescape's operator that keep every field: invalid fields are for the scan to report."""
    for kind, (plural, version, scope) in KINDS.items():
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        definition = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{KUBESCAPE}"},
            "spec": {
                "group": KUBESCAPE,
                "scope": scope,
                "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
                "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
            },
        }
        cluster.apply([definition])
    for version in ("v1", "v1beta1"):
        eventually(functools.partial(cluster.admin, "GET", f"/apis/{KUBESCAPE}/{version}"), Refused)


@pytest.fixture
def other(cluster: Cluster) -> Iterator[str]:
    """A second namespace."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"stage": "dev"}}}])
    yield name
    cluster.remove_namespace(name)


def request_as(cluster: Cluster, user: str = "admin", controls: Sequence[str] = (PRIVILEGED,)) -> ScanRequest:
    path = cluster.kubeconfig if user == "admin" else cluster.layout.kubeconfigs / user
    return ScanRequest(
        ScanInput(paths=(), cluster=ClusterRequest(access=Kubeconfig((str(path),)).get_access(user))),
        rules=RuleOptions(controls=tuple(controls)),
    )


def pod(namespace: str, name: str = "tool", *, privileged: bool = True, **metadata: Any) -> dict[str, Any]:
    container = {"name": "a", "image": "quay.io/shop/a:1", "securityContext": {"privileged": privileged}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"containers": [container], "automountServiceAccountToken": False},
    }


def summary(assessment: Assessment, slug: str = PRIVILEGED) -> DefinitionSummary:
    (match,) = [entry for entry in assessment.summaries if entry.definition.slug == slug]
    return match


def verdict(assessment: Assessment, namespace: str, name: str = "tool", slug: str = PRIVILEGED) -> Verdict:
    (match,) = [
        result.verdicts[slug]
        for result in assessment.results
        if (result.subject.namespace, result.subject.name) == (namespace, name) and slug in result.verdicts
    ]
    return match


def gaps(assessment: Assessment) -> set[str]:
    assert assessment.target.cluster is not None
    return {gap.permission for gap in assessment.target.cluster.gaps}


# ---- policies


def policy(name: str, expression: str = "true", **metadata: Any) -> dict[str, Any]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name, **metadata},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": expression, "message": f"{name} says no"}],
        },
    }


def binding(policy_name: str, *actions: str, **match: Any) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": f"{policy_name}-{uuid.uuid4().hex[:6]}"},
        "spec": {
            "policyName": policy_name,
            "validationActions": list(actions),
            **({"matchResources": match} if match else {}),
        },
    }


@pytest.fixture
def applied(cluster: Cluster) -> Iterator[list[dict[str, Any]]]:
    """List of the resources that a test applies with `apply`; they are deleted and out of force afterwards."""
    resources: list[dict[str, Any]] = []
    yield resources
    for resource in reversed(resources):
        cluster.delete(resource)
    path = "/api/v1/namespaces/default/pods?dryRun=All"
    eventually(functools.partial(cluster.admin, "POST", path, pod("default", "anything")), Refused)


def apply(cluster: Cluster, applied: list[dict[str, Any]], *objects: dict[str, Any]) -> None:
    for resource in objects:
        cluster.apply([resource])
        applied.append(resource)


def test_policies_are_reported_with_their_binding_actions(cluster: Cluster, applied: list[dict[str, Any]]) -> None:
    apply(
        cluster,
        applied,
        policy("kubescape-c-0057-privileged-container-denied"),
        binding("kubescape-c-0057-privileged-container-denied", "Deny"),
        binding("kubescape-c-0057-privileged-container-denied", "Audit", namespaceSelector={"matchLabels": {"a": "b"}}),
        policy("house-rule", labels={"controlId": "C-0057"}),
        binding("house-rule", "Warn", "Audit"),
        policy("ours", annotations={"kubekeep.io/control": f"C-0012, {PRIVILEGED}"}),
        policy("kubescape-c-0046-insecure-capabilities"),
        policy("kubescape-c-0057-of-another", labels={"controlId": "C-0999"}),
    )
    assessment = scan(request_as(cluster))
    assert summary(assessment).enforcement == (
        Enforcement(
            policy="kubescape-c-0057-privileged-container-denied",
            is_bound=True,
            actions=("Deny", "Audit"),
            is_partial=True,
        ),
        Enforcement(policy="house-rule", is_bound=True, actions=("Warn", "Audit")),
        Enforcement(policy="ours"),
    )


@pytest.mark.parametrize(
    ("match", "partial"),
    [
        ({}, False),
        ({"namespaceSelector": {}, "objectSelector": {}}, False),
        ({"namespaceSelector": {"matchExpressions": [{"key": "stage", "operator": "Exists"}]}}, True),
        ({"objectSelector": {"matchLabels": {"app": "web"}}}, True),
        (
            {
                "excludeResourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                        "resourceNames": ["tool"],
                    }
                ]
            },
            True,
        ),
    ],
)
def test_binding_with_selectors_enforces_partially(
    cluster: Cluster, applied: list[dict[str, Any]], match: dict[str, Any], *, partial: bool
) -> None:
    apply(cluster, applied, policy("kubescape-c-0057-a"), binding("kubescape-c-0057-a", "Deny", **match))
    (enforcement,) = summary(scan(request_as(cluster))).enforcement
    assert enforcement == Enforcement(policy="kubescape-c-0057-a", is_bound=True, actions=("Deny",), is_partial=partial)


def test_policy_with_restrictions_enforces_partially(cluster: Cluster, applied: list[dict[str, Any]]) -> None:
    one, two, three = (policy(f"kubescape-c-0057-{name}") for name in "abc")
    one["spec"]["matchConstraints"]["namespaceSelector"] = {"matchLabels": {"stage": "prod"}}
    two["spec"]["matchConditions"] = [{"name": "users", "expression": "request.userInfo.username != 'admin'"}]
    three["spec"]["matchConstraints"]["resourceRules"][0]["operations"] = ["UPDATE", "DELETE"]
    apply(cluster, applied, one, two, three, *(binding(f"kubescape-c-0057-{name}", "Deny") for name in "abc"))
    assert [enforcement.is_partial for enforcement in summary(scan(request_as(cluster))).enforcement] == [
        True,
        True,
        True,
    ]


@pytest.mark.parametrize(("missing", "partial"), [("Allow", True), ("Deny", False)])
def test_binding_that_allows_missing_parameters_enforces_partially(
    cluster: Cluster, applied: list[dict[str, Any]], missing: str, *, partial: bool
) -> None:
    """With Allow, everything is admitted while the parameters do not exist."""
    one, bound = policy("kubescape-c-0057-a", "params == null || true"), binding("kubescape-c-0057-a", "Deny")
    one["spec"]["paramKind"] = {"apiVersion": "v1", "kind": "ConfigMap"}
    bound["spec"]["paramRef"] = {"name": "nobody", "namespace": "default", "parameterNotFoundAction": missing}
    apply(cluster, applied, one, bound)
    (enforcement,) = summary(scan(request_as(cluster))).enforcement
    assert enforcement.is_partial is partial


def test_reports_name_the_enforcing_policy(cluster: Cluster, namespace: str, applied: list[dict[str, Any]]) -> None:
    cluster.apply([pod(namespace)])
    apply(cluster, applied, policy("kubescape-c-0057-a"), binding("kubescape-c-0057-a", "Deny"))
    words = ("scan", "control", "C-0057", "--kubeconfig", cluster.kubeconfig)
    assert "enforced by policy kubescape-c-0057-a (Deny)" in kubekeep(*words, "--view", "control").stdout
    report = json.loads(kubekeep(*words, "--format", "json").stdout)
    expected = {"policyName": "kubescape-c-0057-a", "bound": True, "actions": ["Deny"], "partial": False}
    assert report["summaryDetails"]["controls"]["C-0057"]["vapEnforcement"] == expected
    assert report["kubekeep"]["enforcement"] == {"C-0057": [expected]}


def test_unlisted_policies_are_a_coverage_gap(cluster: Cluster) -> None:
    user = f"lister-{uuid.uuid4().hex[:8]}"
    cluster.user(user, [*CORE, *WORKLOADS])
    assessment = scan(request_as(cluster, user))
    hidden = {f"list validatingadmission{kind}.admissionregistration.k8s.io" for kind in ("policies", "policybindings")}
    assert hidden <= gaps(assessment)
    assert hidden <= {str(unread.location) for unread in assessment.unread}
    assert summary(assessment).enforcement == ()


GADGET = "gadgets.example.com"


@pytest.fixture(scope="module")
def gadgets(cluster: Cluster) -> None:
    """Custom kind without pods, as a target of policies."""
    schema = {"type": "object", "properties": {"size": {"type": "integer"}}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": GADGET},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Gadget", "plural": "gadgets", "singular": "gadget", "listKind": "GadgetList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    cluster.apply([definition])
    eventually(functools.partial(cluster.admin, "GET", "/apis/example.com/v1"), Refused)


@pytest.mark.usefixtures("gadgets")
def test_resources_are_evaluated_by_policies_in_force(
    cluster: Cluster, namespace: str, other: str, applied: list[dict[str, Any]]
) -> None:
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "limits", "namespace": namespace},
        "data": {"names": "tool"},
    }
    gadget = {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g", "namespace": namespace}}
    cluster.apply([settings, gadget, pod(namespace), pod(namespace, "web", privileged=False), pod(other)])
    named = policy("named", "!(object.metadata.name in params.data.names.split(','))")
    named["spec"]["paramKind"] = {"apiVersion": "v1", "kind": "ConfigMap"}
    bound = binding("named", "Deny", namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": namespace}})
    bound["spec"]["paramRef"] = {"name": "limits", "namespace": namespace, "parameterNotFoundAction": "Deny"}
    custom = policy("custom", "has(object.size)")
    custom["spec"]["matchConstraints"]["resourceRules"][0] |= {"apiGroups": ["example.com"], "resources": ["gadgets"]}
    loose = policy("loose", "false")
    apply(cluster, applied, named, bound, custom, binding("custom", "Audit"), loose)
    request = replaced(request_as(cluster), cluster_policies=True)
    assessment = scan(request)
    assert {entry.definition.slug for entry in assessment.summaries} == {PRIVILEGED, "named", "custom"}, (
        "the third policy has no binding"
    )
    refused = verdict(assessment, namespace, slug="named")
    assert refused.status is Status.FAILED
    assert [evidence.message for evidence in refused.evidence] == ["named says no [Deny]"]
    assert verdict(assessment, namespace, "web", "named").status is Status.PASSED
    assert not [
        result for result in assessment.results if result.subject.namespace == other and "named" in result.verdicts
    ]
    assert verdict(assessment, namespace, "g", "custom").status is Status.FAILED
    assert summary(assessment, "named").enforcement == (
        Enforcement(policy="named", is_bound=True, actions=("Deny",), is_partial=True),
    )
    assert {entry.definition.slug for entry in scan(request_as(cluster)).controls} == {PRIVILEGED}
    words = ("scan", "control", "C-0057", "--kubeconfig", cluster.kubeconfig, "--cluster-policies")
    assert "named says no [Deny]" in kubekeep(*words).stdout


@pytest.mark.usefixtures("gadgets")
def test_policy_for_an_unlisted_kind_is_not_evaluated(cluster: Cluster, applied: list[dict[str, Any]]) -> None:
    custom = policy("custom", "has(object.size)")
    custom["spec"]["matchConstraints"]["resourceRules"][0] |= {"apiGroups": ["example.com"], "resources": ["gadgets"]}
    apply(cluster, applied, custom, binding("custom", "Deny"))
    user = f"lister-{uuid.uuid4().hex[:8]}"
    cluster.user(user, [*CORE, *WORKLOADS, *POLICIES])
    entry = summary(scan(replaced(request_as(cluster, user), cluster_policies=True)), "custom")
    assert (entry.status, entry.reason and entry.reason.cause) == (Status.NOT_EVALUATED, Cause.NEEDS_ACCESS)


@pytest.mark.usefixtures("gadgets")
def test_rule_for_any_kind_gets_custom_kinds(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    gadget = {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g", "namespace": namespace}}
    # Deleted policies stay in force for some moments.
    eventually(functools.partial(cluster.apply, [gadget]), Refused)
    file = tmp_path / "gadgets.rego"
    file.write_text(
        'package gadgets\n\ndeny contains {"alertMessage": "a gadget", "alertObject": {"k8sApiObjects": [item]}} if {\n'
        '\tsome item in input\n\titem.kind == "Gadget"\n}\n',
        encoding="utf-8",
    )
    assessment = scan(replaced(request_as(cluster), extra=load_rules((file,))))
    assert verdict(assessment, namespace, "g", "custom-gadgets").status is Status.FAILED


def test_policies_of_a_snapshot_are_evaluated(tmp_path: Path) -> None:
    objects = [pod("shop"), policy("no-pods", "false"), binding("no-pods", "Warn"), policy("loose", "false")]
    objects.append(policy("kubescape-c-0057-a"))
    file = tmp_path / "dump.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}), encoding="utf-8")
    words = ("scan", "control", "C-0057", file, "--format", "json", "--cluster-policies")
    report = json.loads(kubekeep(*words, "--snapshot").stdout)
    controls = report["summaryDetails"]["controls"]
    assert {name: control["status"] for name, control in controls.items()} == {"C-0057": "failed", "no-pods": "failed"}
    assert controls["C-0057"]["vapEnforcement"]["policyName"] == "kubescape-c-0057-a"
    assert controls["no-pods"]["vapEnforcement"]["actions"] == ["Warn"]
    refused = kubekeep(*words)
    assert refused.returncode == 2
    assert "--cluster-policies requires a live cluster" in refused.stderr


# ---- exceptions


def exception(name: str, namespace: str = "", **spec: Any) -> dict[str, Any]:
    posture = [{"controlID": "C-0057", "action": "ignore"}]
    kind = "SecurityException" if namespace else "ClusterSecurityException"
    return {
        "apiVersion": f"{KUBESCAPE}/v1beta1",
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "spec": {"reason": "a tool of the platform", "posture": posture, **spec},
    }


def use(assessment: Assessment, name: str) -> ExceptionUse:
    (match,) = [entry for entry in assessment.exceptions if entry.exception.name.rpartition("/")[2] == name]
    return match


@pytest.mark.usefixtures("operator")
def test_namespaced_exception_applies_in_its_namespace_only(
    cluster: Cluster, namespace: str, other: str, applied: list[dict[str, Any]]
) -> None:
    cluster.apply([pod(namespace), pod(other)])
    apply(cluster, applied, exception("tools", namespace, expiresAt="2999-01-01T00:00:00Z"))
    assessment = scan(request_as(cluster))
    accepted = verdict(assessment, namespace)
    assert accepted.is_excepted
    (applied_exception,) = {evidence.exception for evidence in accepted.evidence}
    assert applied_exception is not None
    assert applied_exception.reason == "a tool of the platform"
    assert applied_exception.expires is not None
    assert applied_exception.expires.year == 2999
    assert use(assessment, "tools").status is ExceptionStatus.MATCHED
    assert verdict(assessment, other).status is Status.FAILED


@pytest.mark.usefixtures("operator")
def test_expired_exception_has_no_effect(cluster: Cluster, namespace: str, applied: list[dict[str, Any]]) -> None:
    cluster.apply([pod(namespace)])
    apply(cluster, applied, exception("old", namespace, expiresAt="2020-01-01T00:00:00Z"))
    assessment = scan(request_as(cluster))
    assert verdict(assessment, namespace).status is Status.FAILED
    assert use(assessment, "old").status is ExceptionStatus.EXPIRED


@pytest.mark.usefixtures("operator")
def test_selectors_of_exceptions_are_applied(
    cluster: Cluster, namespace: str, other: str, applied: list[dict[str, Any]]
) -> None:
    cluster.apply([pod(namespace), pod(other), pod(namespace, "labelled", labels={"role": "probe"})])
    of_stage = exception("of-stage", match={"namespaceSelector": {"matchLabels": {"stage": "dev"}}})
    of_role = exception("of-role", namespace, match={"objectSelector": {"matchLabels": {"role": "probe"}}})
    apply(cluster, applied, of_stage, of_role)
    assessment = scan(request_as(cluster))
    assert verdict(assessment, other).is_excepted
    assert verdict(assessment, namespace, "labelled").is_excepted
    assert verdict(assessment, namespace).status is Status.FAILED


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"match": {"namespaceSelector": {"matchLabels": {"stage": "dev"}}}}, "namespaceSelector"),
        ({"match": {"resource": [{"kind": "Pod"}]}}, "resource"),
        ({"posture": [{"controlID": "C-0057", "action": "accept"}]}, "action"),
        ({"posture": "C-0057"}, "posture"),
        ({"expiresAt": "next year"}, "expiresAt"),
    ],
)
def test_invalid_exception_is_reported_and_has_no_effect(
    cluster: Cluster, namespace: str, applied: list[dict[str, Any]], spec: dict[str, Any], field: str
) -> None:
    cluster.apply([pod(namespace)])
    apply(cluster, applied, exception("odd", namespace, **spec))
    assessment = scan(request_as(cluster))
    assert verdict(assessment, namespace).status is Status.FAILED
    invalid = use(assessment, "odd")
    assert invalid.status is ExceptionStatus.INVALID
    assert field in invalid.text
    assert invalid.exception.source is ExceptionSource.OBJECT


@pytest.mark.usefixtures("operator")
def test_unlisted_exceptions_are_a_coverage_gap(
    cluster: Cluster, namespace: str, applied: list[dict[str, Any]]
) -> None:
    user = f"lister-{uuid.uuid4().hex[:8]}"
    inputs = {"apiGroups": [KUBESCAPE], "resources": ["controlinputs"], "verbs": ["list"]}
    cluster.user(user, [*CORE, *WORKLOADS, *POLICIES, inputs])
    cluster.apply([pod(namespace)])
    apply(cluster, applied, exception("tools", namespace))
    assessment = scan(request_as(cluster, user))
    assert gaps(assessment) == {
        f"list clustersecurityexceptions.{KUBESCAPE}",
        f"list securityexceptions.{KUBESCAPE}",
    }
    assert verdict(assessment, namespace).status is Status.FAILED


# ---- parameters


def control_input(**controls: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{KUBESCAPE}/v1",
        "kind": "ControlInput",
        "metadata": {"name": "default"},
        "spec": {"controls": controls},
    }


@pytest.mark.usefixtures("operator")
def test_request_parameters_override_cluster_parameters(
    cluster: Cluster, namespace: str, applied: list[dict[str, Any]]
) -> None:
    cluster.apply([pod(namespace)])
    request = request_as(cluster, controls=[REGISTRIES])
    unset = summary(scan(request), REGISTRIES)
    assert (unset.status, unset.reason and unset.reason.cause) == (Status.NOT_EVALUATED, Cause.CONFIGURATION)
    apply(cluster, applied, control_input(imageRepositoryAllowList=["registry.example.com"]))
    assessment = scan(request)
    assert verdict(assessment, namespace, slug=REGISTRIES).status is Status.FAILED
    assert assessment.set_params == {"imageRepositoryAllowList": ("registry.example.com",)}
    overriding = replaced(request, params={"imageRepositoryAllowList": ("quay.io",)})
    assert verdict(scan(overriding), namespace, slug=REGISTRIES).status is Status.PASSED


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(
    ("controls", "message"),
    [
        ({"imageRepositoryAllowlist": []}, "unknown parameter imageRepositoryAllowlist"),
        ({"imageRepositoryAllowList": "quay.io"}, "Expected `array`, got `str`"),
    ],
)
def test_malformed_parameters_are_an_error(
    cluster: Cluster, applied: list[dict[str, Any]], controls: dict[str, Any], message: str
) -> None:
    apply(cluster, applied, control_input(**controls))
    with pytest.raises(ParamsError, match=f"{KUBESCAPE}/ControlInput default: .*{message}"):
        scan(request_as(cluster))
    result = kubekeep("scan", "control", "C-0057", "--kubeconfig", cluster.kubeconfig)
    assert result.returncode == 2
    assert f"{KUBESCAPE}/ControlInput default" in result.stderr


@pytest.mark.usefixtures("operator")
def test_control_with_unlisted_parameters_is_not_evaluated(cluster: Cluster, namespace: str) -> None:
    user = f"lister-{uuid.uuid4().hex[:8]}"
    exceptions = ["clustersecurityexceptions", "securityexceptions"]
    rules = [{"apiGroups": [KUBESCAPE], "resources": exceptions, "verbs": ["list"]}]
    cluster.user(user, [*CORE, *WORKLOADS, *POLICIES, *rules])
    cluster.apply([pod(namespace)])
    slug = "insecure-capabilities"
    request = request_as(cluster, user, controls=[PRIVILEGED, slug])
    assessment = scan(request)
    assert gaps(assessment) == {f"list controlinputs.{KUBESCAPE}"}
    assert verdict(assessment, namespace).status is Status.FAILED
    unknown = verdict(assessment, namespace, slug=slug)
    assert unknown.status is Status.NOT_EVALUATED
    assert unknown.reason is not None
    assert unknown.reason.cause is Cause.NEEDS_ACCESS
    assert summary(assessment, slug).reason == unknown.reason
    overriding = replaced(request, params={"insecureCapabilities": ("SYS_ADMIN",)})
    assert verdict(scan(overriding), namespace, slug=slug).status is Status.PASSED
