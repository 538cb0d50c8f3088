"""The framework `recommended`: each problem once, and nothing that a scan cannot evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

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


def list_failed(*frameworks: str, named: Sequence[str] = (), excluded: AbstractSet[str] = frozenset()) -> set[str]:
    """Return the controls that fail for an account with all permissions, by slug."""
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
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "installer", "namespace": "tools"}],
    }
    (result,) = [
        result
        for result in evaluate([Resource(binding)], selection, RegoPolicySet, kubernetes_minor=37)
        if result.subject.related
    ]
    return {slug for slug, verdict in result.verdicts.items() if verdict.status is Status.FAILED}


def test_account_with_all_permissions_counts_once() -> None:
    assert list_failed("recommended") == {"administrative-roles"}


def test_implied_controls_are_reported_where_something_else_needs_them() -> None:
    implied = {slug for entry in builtin().frameworks["recommended"].implications for slug in entry.implies}
    assert list_failed("recommended", named=["reading-secrets"]) == {"administrative-roles", "reading-secrets"}
    assert list_failed("recommended", "clusterscan") >= {"administrative-roles", "reading-secrets", "creating-pods"}
    assert list_failed("recommended", excluded={"administrative-roles"}) == implied
    assert list_failed("allcontrols") > implied


def test_implications_name_controls_of_their_framework() -> None:
    library = builtin()
    for framework in library.frameworks.values():
        members = {control.slug for control in library.select_members(framework)}
        assert members.issuperset(
            slug for entry in framework.implications for slug in (entry.control, *entry.implies)
        ), framework.slug
