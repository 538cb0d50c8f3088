"""Bindings to roles with unknown rules: no control passes a subject because the rules look empty."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library.load import Library, builtin
from kubekeep.model.cluster import RBAC, CoverageGap
from kubekeep.model.control import SUBJECT, Control
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Cause, Verdict
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import select

BINDING: dict[str, Any] = {
    "apiVersion": f"{RBAC}/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "reader", "namespace": "shop"},
    "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "reader"},
    "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}],
}
OTHER_ROLE = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "other", "uid": "1"}}
HIDDEN = CoverageGap(group=RBAC, kind="ClusterRole", resource="clusterroles", reason="forbidden")
BY_NAME = {"authenticated-group-roles", "cluster-admin-bindings", "dashboard-access"}
"""Controls that read the name of the role only."""
HOUSE_RULE = """
title: Subjects cannot read Secrets
severity: 5
asks: a
why: b
fix: c
targets: [rbac-subject]
"""
TAKES_UNKNOWN_FOR_EMPTY = """
package kubekeep.controls.house_rule

violation contains {"path": "", "message": "reads Secrets"} if {
	"secrets" in input.object.relatedObjects[1].rules[_].resources
}
"""


def find_verdict(
    control: Control,
    *others: dict[str, Any],
    library: Library | None = None,
    whole_cluster: bool = False,
    gaps: Sequence[CoverageGap] = (),
    binding: dict[str, Any] = BINDING,
) -> Verdict:
    """Return the verdict on the subject of the binding."""
    selection = select(named=[control], library=library, whole_cluster=whole_cluster)
    resources = map(Resource, (binding, *others))
    results = evaluate(resources, selection, RegoPolicySet, kubernetes_minor=34, gaps=gaps)
    (verdict,) = (result.verdicts[control.slug] for result in results if result.subject.related)
    return verdict


def describe(verdict: Verdict) -> tuple[Cause, str] | str:
    return verdict.status if verdict.reason is None else (verdict.reason.cause, verdict.reason.text)


SUBJECT_CONTROLS = [control for control in builtin().controls.values() if SUBJECT in control.targets]
NOT_IN_INPUT = (Cause.MISSING_DATA, "the rules of ClusterRole reader are not in the input")
NOT_LISTED = (
    Cause.NEEDS_ACCESS,
    "some resources could not be listed: list clusterroles.rbac.authorization.k8s.io",
)


@pytest.mark.parametrize("control", SUBJECT_CONTROLS, ids=lambda control: control.slug)
def test_controls_are_not_evaluated_without_the_rules(control: Control) -> None:
    is_by_name = control.slug in BY_NAME
    assert describe(find_verdict(control)) == ("passed" if is_by_name else NOT_IN_INPUT)
    hidden = find_verdict(control, OTHER_ROLE, whole_cluster=True, gaps=(HIDDEN,))
    assert describe(hidden) == ("passed" if is_by_name else NOT_LISTED)
    assert describe(find_verdict(control, OTHER_ROLE, whole_cluster=True)) == "passed"


def test_custom_rules_need_not_know_of_unknown_roles(tmp_path: Path) -> None:
    folder = tmp_path / "rbac" / "house-rule"
    folder.mkdir(parents=True)
    (folder / "control.yaml").write_text(HOUSE_RULE)
    (folder / "control.rego").write_text(TAKES_UNKNOWN_FOR_EMPTY)
    library = Library(tmp_path, parent=builtin())
    control = library.controls["house-rule"]
    reader = OTHER_ROLE | {"metadata": {"name": "reader"}, "rules": [{"resources": ["secrets"]}]}
    assert describe(find_verdict(control, reader, library=library)) == "failed"
    assert describe(find_verdict(control, reader | {"rules": []}, library=library)) == "passed"
    assert describe(find_verdict(control, library=library)) == NOT_IN_INPUT
    hidden = find_verdict(control, library=library, whole_cluster=True, gaps=(HIDDEN,))
    assert describe(hidden) == NOT_LISTED


def test_failures_that_need_no_rules_are_certain() -> None:
    everybody = BINDING | {"subjects": [{"kind": "Group", "name": "system:authenticated"}]}
    control = builtin().controls["authenticated-group-roles"]
    assert describe(find_verdict(control, binding=everybody)) == "failed"
    hidden = find_verdict(control, OTHER_ROLE, whole_cluster=True, gaps=(HIDDEN,), binding=everybody)
    assert describe(hidden) == "failed"


@pytest.mark.parametrize("role", [{}, {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}}])
def test_reason_names_a_role_without_its_parts(role: dict[str, Any]) -> None:
    reader = OTHER_ROLE | {"metadata": {"name": "reader"}} | role
    verdict = find_verdict(builtin().controls["reading-secrets"], reader)
    assert describe(verdict) == (NOT_IN_INPUT if role else "passed")


def test_reason_of_a_binding_without_the_name_of_a_role() -> None:
    unnamed = BINDING | {"roleRef": {"apiGroup": RBAC, "kind": "ClusterRole"}}
    verdict = find_verdict(builtin().controls["reading-secrets"], binding=unnamed)
    assert describe(verdict) == (Cause.MISSING_DATA, "the binding does not name a role")
