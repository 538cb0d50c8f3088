"""OPA's own cases: the number that agree never drops, and no result is silently wrong."""

import json

import pytest

from tests.conformance import page
from tests.conformance.comparison import Agreement, CaseResult
from tests.conformance.run import run
from tests.conformance.suite import directory, load


@pytest.fixture(scope="module")
def results() -> list[CaseResult]:
    root = directory()
    if root is None:
        pytest.skip("the `go` command is needed to fetch OPA's cases")
    return run(list(load(root)))


def test_no_result_differs_from_opa(results: list[CaseResult]) -> None:
    assert [result for result in results if result.agreement in (Agreement.WRONG, Agreement.CRASH)] == []


def test_agreement_does_not_drop(results: list[CaseResult]) -> None:
    before = json.loads(page.BASELINE.read_text("utf-8"))
    now = page.totals(results)
    assert sum(now.values()) == sum(before.values())
    assert now["agree"] >= before["agree"]


def test_reference_page_is_current(results: list[CaseResult]) -> None:
    assert page.PAGE.read_text("utf-8") == page.render(results)


def test_error_names_newer_syntax(results: list[CaseResult]) -> None:
    unnamed = [
        result
        for result in results
        if result.folder in page.NEWEST
        and result.agreement == Agreement.RAISES
        and "not supported" not in result.detail
    ]
    assert unnamed == []
