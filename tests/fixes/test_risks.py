"""Risks of single changes: which settings can stop a program, and which cannot."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubekeep.fixes.risks import find_risk
from kubekeep.model.location import parse_path
from kubekeep.model.resource import Resource

CONTEXT = "spec.containers[0].securityContext"


def describe(path: str, value: Any, **container: Any) -> str:
    """Return the risk of a change of a pod with one container."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"serviceAccount": "web", "containers": [{"name": "web", **container}]},
    }
    return find_risk(Resource(pod), parse_path(path), value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("runAsNonRoot", True),
        ("runAsUser", 1000),
        ("runAsGroup", 1000),
        ("readOnlyRootFilesystem", True),
        ("capabilities.drop", ["ALL"]),
        ("capabilities.drop[0]", "ALL"),
    ],
)
def test_restrictions_of_a_container_are_risky(field: str, value: Any) -> None:
    assert describe(f"{CONTEXT}.{field}", value).startswith((f"{field}: ", "drop: "))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{CONTEXT}.allowPrivilegeEscalation", False),
        (f"{CONTEXT}.privileged", False),
        (f"{CONTEXT}.seccompProfile.type", "RuntimeDefault"),
        (f"{CONTEXT}.capabilities.drop[0]", "NET_RAW"),
        ("spec.containers[0].imagePullPolicy", "Always"),
        ("spec.containers[0].resources.limits.memory", "1Gi"),
        ("spec.serviceAccount", msgspec.UNSET),
        ("metadata.labels.team", "shop"),
    ],
)
def test_settings_that_programs_do_not_notice_have_no_risk(path: str, value: Any) -> None:
    assert describe(path, value) == ""


@pytest.mark.parametrize(
    ("context", "field", "value"),
    [
        ({"privileged": True}, "privileged", False),
        ({"capabilities": {"add": ["NET_ADMIN"]}}, "capabilities.add[0]", msgspec.UNSET),
        ({"seccompProfile": {"type": "Unconfined"}}, "seccompProfile.type", "RuntimeDefault"),
        ({"allowPrivilegeEscalation": True}, "allowPrivilegeEscalation", False),
        ({"runAsUser": 0}, "runAsUser", msgspec.UNSET),
    ],
)
def test_chosen_values_may_be_needed(context: dict[str, Any], field: str, value: Any) -> None:
    assert describe(f"{CONTEXT}.{field}", value, securityContext=context).endswith("may need the present value")


def test_user_in_container_or_pod_starts_without_root() -> None:
    path = f"{CONTEXT}.runAsNonRoot"
    assert describe(path, True, securityContext={"runAsUser": 1000}) == ""
    assert describe(path, True, securityContext={"runAsUser": 0}) != ""


@pytest.mark.parametrize("context", [{"privileged": True}, {"capabilities": {"add": ["CAP_SYS_ADMIN"]}}])
def test_api_server_rejects_privileged_without_escalation(context: dict[str, Any]) -> None:
    text = describe(f"{CONTEXT}.allowPrivilegeEscalation", False, securityContext=context)
    assert "the API server rejects false for a privileged container" in text


def test_image_on_the_node_only_is_not_pulled() -> None:
    path = "spec.containers[0].imagePullPolicy"
    assert describe(path, "Always", imagePullPolicy="IfNotPresent") == ""
    assert describe(path, "Always", imagePullPolicy="Never") != ""


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Namespace", "metadata.labels.enforce", "restricted"),
        ("ServiceAccount", "automountServiceAccountToken", False),
        ("KubeletConfiguration", "protectKernelDefaults", True),
        ("Pod", "spec.containers[0].command[1]", "--anonymous-auth=false"),
    ],
)
def test_settings_of_other_resources(kind: str, path: str, value: Any) -> None:
    steps = parse_path(path)
    if kind == "Namespace":
        steps = ("metadata", "labels", "pod-security.kubernetes.io/enforce")
    assert find_risk(Resource({"kind": kind, "metadata": {"name": "a"}}), steps, value) != ""
