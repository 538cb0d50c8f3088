"""Every case of every control is a test: fail fails, pass passes, skip is not evaluated, and a fix mends."""

from __future__ import annotations

from collections import Counter

import pytest

from kubekeep.library.cases import Case, cases_of, objects
from kubekeep.library.load import builtin
from kubekeep.model.control import SUBJECT, WORKLOAD, Control
from kubekeep.model.resource import Resource
from kubekeep.usecases.control import judge, problems, verdicts

CASES = cases_of(builtin(), builtin().controls.values())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case) -> None:
    assert problems(case, builtin()) == []


@pytest.mark.parametrize("case", [case for case in CASES if case.expected == "fail"], ids=str)
def test_findings_say_what_is_wrong(case: Case) -> None:
    found = verdicts(case, judge(case, objects(case), builtin()))
    assert all(evidence.message for verdict in found for evidence in verdict.evidence)


MADE_OF = {
    "account_users": WORKLOAD,
    "enforcement": "ConfigMap",
    "grants": SUBJECT,
    "isolation": "NetworkPolicy",
    "nodes": "Node",
    "pods": WORKLOAD,
    "selecting": "Service",
}
"""What a control relates whose rule reads an index of the cluster."""
RULED = [control for control in builtin().controls.values() if not control.manual]


@pytest.mark.parametrize("control", RULED, ids=lambda control: control.slug)
def test_control_is_proven(control: Control) -> None:
    own = [case for case in CASES if case.control.slug == control.rule_name]
    counts = Counter(case.expected for case in own)
    assert len(own) >= 3, "a control needs three cases"
    assert counts["fail"] >= 2, "a control needs two failing cases"
    assert counts["pass"] >= 1, "a control needs a passing case"
    failing = [Resource(item) for case in own if case.expected == "fail" for item in objects(case)]
    kinds = {(item.group, item.kind) for item in failing}
    if WORKLOAD in control.targets or len(control.targets) > 1 or SUBJECT in control.targets:
        assert len(kinds) >= 2, "failing cases of two kinds"
    assert {case.expected for case in own} <= {"fail", "pass", "skip"}


@pytest.mark.parametrize("control", RULED, ids=lambda control: control.slug)
def test_control_is_consistent(control: Control) -> None:
    rule = builtin().rule(control)
    assert ("input.cluster" in rule.source) <= bool(control.relates), (
        "a rule that reads input.cluster names what it relates"
    )
    for index, kind in MADE_OF.items():
        assert f"input.cluster.{index}" not in rule.source or kind in control.relates, f"{index} is made of {kind}"
    assert {*control.within, *control.only_for} <= {*control.relates}
    assert {target for targets in control.only_for.values() for target in targets} <= {*control.targets}
    for name in control.params:
        assert f"input.params.{name}" in rule.source
    assert bool(control.targets)
    assert set(control.satisfies) <= set(builtin().frameworks)
    assert control.slug == control.slug.lower()
