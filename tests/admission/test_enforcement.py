"""Partial enforcement: policies that cover only a part of a control's scope."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.admission.enforcement import EnforcementCollector
from kubekeep.library.load import builtin
from kubekeep.model.resource import Resource

GROUP = "admissionregistration.k8s.io"
WORKLOADS, SERVICES, BINDINGS, SUBJECTS, BOTH = (
    "privileged-container",
    "service-without-workload",
    "anonymous-bindings",
    "reading-secrets",
    "automatic-service-account-token",
)


def rule(*resources: str, groups: tuple[str, ...] = ("",), on: tuple[str, ...] = ("CREATE",), **more: Any) -> Any:
    return {
        "apiGroups": [*groups],
        "apiVersions": ["*"],
        "operations": [*on],
        "resources": [*resources],
        **more,
    }


def is_partial(control: str, *rules: Any) -> bool:
    kind = "ValidatingAdmissionPolicy"
    policy = {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": {"name": "a", "labels": {"kubekeep.io/control": control}},
        "spec": {"matchConstraints": {"resourceRules": [*rules]}, "validations": [{"expression": "true"}]},
    }
    binding = {
        "apiVersion": f"{GROUP}/v1",
        "kind": f"{kind}Binding",
        "metadata": {"name": "a"},
        "spec": {"policyName": "a", "validationActions": ["Deny"]},
    }
    enforcers = EnforcementCollector()
    assert len([*enforcers.collect(map(Resource, (policy, binding)))]) == 2
    (enforcement,) = enforcers.list_enforcement([builtin().controls[control]])[control]
    return enforcement.is_partial


@pytest.mark.parametrize(
    "rules",
    [
        [rule("pods")],
        [rule("*")],
        [rule("*/*", groups=("*",), on=("*",))],
        [rule("deployments", groups=("apps",)), rule("pods", "pods/ephemeralcontainers", on=("UPDATE", "CREATE"))],
        [rule("pods", scope="Namespaced")],
        [rule("pods", scope="*")],
    ],
)
def test_policy_on_pod_creation_covers_all_workloads(rules: list[Any]) -> None:
    assert not is_partial(WORKLOADS, *rules)


@pytest.mark.parametrize(
    "rules",
    [
        [rule("deployments", groups=("apps",))],
        [rule("pods", on=("UPDATE",)), rule("deployments", groups=("apps",))],
        [rule("pods", scope="Cluster")],
        [rule("pods", groups=("apps",))],
        [rule("pods/exec")],
        [rule("*/scale", groups=("*",))],
    ],
)
def test_other_policies_cover_workloads_partly(rules: list[Any]) -> None:
    assert is_partial(WORKLOADS, *rules)


@pytest.mark.parametrize(
    ("control", "rules", "partial"),
    [
        (SERVICES, [rule("services")], False),
        (SERVICES, [rule("pods")], True),
        (BINDINGS, [rule("rolebindings", "clusterrolebindings", groups=("rbac.authorization.k8s.io",))], False),
        (BINDINGS, [rule("rolebindings", groups=("rbac.authorization.k8s.io",))], True),
        (BINDINGS, [rule("*", groups=("rbac.authorization.k8s.io",), scope="Namespaced")], True),
        # The control also evaluates roles that no binding refers to.
        (SUBJECTS, [rule("*", groups=("rbac.authorization.k8s.io",))], False),
        (SUBJECTS, [rule("rolebindings", "clusterrolebindings", groups=("rbac.authorization.k8s.io",))], True),
        (SUBJECTS, [rule("rolebindings", groups=("rbac.authorization.k8s.io",))], True),
        (BOTH, [rule("pods", "serviceaccounts")], False),
        (BOTH, [rule("pods")], True),
    ],
)
def test_scope_of_control_is_compared_with_scope_of_policy(control: str, rules: list[Any], *, partial: bool) -> None:
    assert is_partial(control, *rules) is partial
