"""Every case of every built-in control: fail.* fails, pass.* passes, skip.* is not evaluated, and fixes fix."""

from __future__ import annotations

import pytest

from kubekeep.library.cases import Case
from kubekeep.library.load import builtin
from kubekeep.model.control import Control
from kubekeep.usecases.control import find_problems
from tests.library.builtin_cases import list_builtin_cases
from tests.library.checks import check_cases, check_consistency, check_messages

CASES = list_builtin_cases()
AUTOMATED = [control for control in builtin().controls.values() if not control.is_manual]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case) -> None:
    assert find_problems(case, builtin()) == []


@pytest.mark.parametrize("case", [case for case in CASES if case.expected == "fail"], ids=str)
def test_findings_have_messages(case: Case) -> None:
    check_messages(case, builtin())


@pytest.mark.parametrize("control", AUTOMATED, ids=lambda control: control.slug)
def test_control_has_enough_cases(control: Control) -> None:
    check_cases(control, CASES)


@pytest.mark.parametrize("control", AUTOMATED, ids=lambda control: control.slug)
def test_control_is_consistent(control: Control) -> None:
    check_consistency(control, builtin())
