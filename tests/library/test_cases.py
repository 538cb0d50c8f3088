"""Every case of every control is a test: fail fails, pass passes, skip is not evaluated, and a fix mends."""

from __future__ import annotations

from collections import Counter

import pytest

from kubekeep.library.load import builtin
from kubekeep.model.control import SUBJECT, WORKLOAD, Control
from kubekeep.model.finding import Status
from kubekeep.model.resource import Resource
from tests.library.cases import Case, all_cases, judge, mended, objects, verdicts

CASES = all_cases()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case) -> None:
    results = judge(case, objects(case))
    statuses = {verdict.status for verdict in verdicts(case, results)}
    if case.expected == "fail":
        assert Status.FAILED in statuses
        assert Status.NOT_EVALUATED not in statuses, verdicts(case, results)
    elif case.expected == "pass":
        assert statuses == {Status.PASSED}, verdicts(case, results)
    else:
        assert statuses <= {Status.NOT_EVALUATED}, verdicts(case, results)
    if "paths" in case.options:
        found = [item.path for verdict in verdicts(case, results) for item in verdict.evidence]
        assert sorted(found) == sorted(case.options["paths"])


@pytest.mark.parametrize("case", [case for case in CASES if case.expected == "fail"], ids=str)
def test_fix_mends(case: Case) -> None:
    documents = objects(case)
    fixed = mended(documents, judge(case, documents), case.control.slug)
    if fixed is not None:
        statuses = {verdict.status for verdict in verdicts(case, judge(case, fixed))}
        assert statuses <= {Status.PASSED}, fixed


RULED = [control for control in builtin().controls.values() if not control.manual]


@pytest.mark.parametrize("control", RULED, ids=lambda control: control.slug)
def test_control_is_proven(control: Control) -> None:
    own = [case for case in CASES if case.control.slug == control.judged_by]
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
    # `"data.cluster.version"` is a path into a cloud document, in text.
    assert ("data.cluster" in rule.source.replace('"data.cluster', "")) <= bool(control.relates), (
        "a rule that reads data.cluster names what it relates"
    )
    for name in control.params:
        assert f"data.params.{name}" in rule.source or f'data.params["{name}"]' in rule.source
    assert bool(control.targets)
    assert set(control.satisfies) <= set(builtin().frameworks)
    assert control.slug == control.slug.lower()
