"""The framework `recommended`: each problem once, and nothing that a scan cannot evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library.load import builtin
from kubekeep.model.cluster import RBAC
from kubekeep.model.control import Control
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Status
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import select


def recommended() -> tuple[Control, ...]:
    return builtin().select_members(builtin().frameworks["recommended"])


def test_size() -> None:
    assert 70 <= len(recommended()) <= 80


def test_no_control_is_manual_or_needs_a_parameter() -> None:
    for control in recommended():
        assert not control.is_manual, control.slug
        needed = [name for name, parameter in control.params.items() if parameter.required and not parameter.default]
        assert needed == [], control.slug


def test_no_control_overlaps_with_another() -> None:
    slugs = {control.slug for control in recommended()}
    assert {control.slug: slugs.intersection(control.overlaps) for control in recommended()} == {
        slug: set() for slug in slugs
    }


def test_overlaps_name_other_controls() -> None:
    controls = builtin().controls
    for control in controls.values():
        for slug in control.overlaps:
            assert slug in controls, control.slug
            # One direction is enough, and the control that others repeat repeats none itself.
            assert not controls[slug].overlaps, control.slug


ALL_PERMISSIONS: Final = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}


def list_failed(
    *frameworks: str,
    named: Sequence[str] = (),
    excluded: AbstractSet[str] = frozenset(),
    rules: Sequence[dict[str, Any]] = (ALL_PERMISSIONS,),
) -> set[str]:
    """Return the controls that fail for an account with these permissions, by slug."""
    library = builtin()
    selection = select(
        [library.frameworks[name] for name in frameworks],
        [library.controls[slug] for slug in named],
        excluded=excluded,
    )
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "installer"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "installer"},
        "subjects": [{"kind": "ServiceAccount", "name": "installer", "namespace": "tools"}],
    }
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "installer"}, "rules": [*rules]}
    (result,) = [
        result
        for result in evaluate([Resource(role), Resource(binding)], selection, RegoPolicySet, kubernetes_minor=37)
        if result.subject.related
    ]
    return {slug for slug, verdict in result.verdicts.items() if verdict.status is Status.FAILED}


def test_account_with_all_permissions_counts_once() -> None:
    assert list_failed("recommended") == {"administrative-roles"}


def test_implied_controls_are_reported_where_something_else_needs_them() -> None:
    (implied,) = [
        {*entry.implies}
        for entry in builtin().frameworks["recommended"].implications
        if entry.control == "administrative-roles"
    ]
    assert list_failed("recommended", named=["reading-secrets"]) == {"administrative-roles", "reading-secrets"}
    assert list_failed("recommended", "clusterscan") >= {"administrative-roles", "reading-secrets", "creating-pods"}
    causes = {"reading-secrets", "webhook-configuration-changes"}
    assert list_failed("recommended", excluded={"administrative-roles"}) == {*causes, "bind-impersonate-escalate"}
    assert list_failed("recommended", excluded={"administrative-roles", *causes}) == implied - causes
    assert list_failed("allcontrols") > implied


def test_one_wildcard_counts_as_few_problems() -> None:
    rule = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["delete", "get", "patch", "list", "create"]}
    assert list_failed("recommended", rules=[rule]) == {"reading-secrets", "webhook-configuration-changes"}
    assert list_failed("recommended", rules=[rule | {"verbs": ["get"]}]) == {"reading-secrets"}


def test_entries_without_a_wildcard_count_each() -> None:
    named = {"apiGroups": [""], "resources": ["secrets", "pods/exec", "nodes/proxy"], "verbs": ["get", "create"]}
    expected = {"reading-secrets", "exec-into-containers", "node-proxy"}
    assert list_failed("recommended", rules=[named]) == expected
    # Another rule has a wildcard.
    wildcard = {"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["patch"]}
    assert list_failed("recommended", rules=[named, wildcard]) == expected | {"webhook-configuration-changes"}


def test_ports_of_the_host_network_count_once() -> None:
    container = {"name": "web", "image": "registry.example.com/web:1.2", "ports": [{"containerPort": 80}]}
    spec = {"hostNetwork": True, "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}
    for framework, expected in (("recommended", {"host-network"}), ("nsa", {"host-network", "host-port"})):
        selection = select([builtin().frameworks[framework]])
        (result,) = evaluate([Resource(pod)], selection, RegoPolicySet, kubernetes_minor=37)
        failed = {slug for slug, verdict in result.verdicts.items() if verdict.status is Status.FAILED}
        assert failed & {"host-network", "host-port"} == expected


def test_implications_name_controls_of_their_framework() -> None:
    library = builtin()
    for framework in library.frameworks.values():
        members = {control.slug for control in library.select_members(framework)}
        assert members.issuperset(
            slug for entry in framework.implications for slug in (entry.control, *entry.implies)
        ), framework.slug
