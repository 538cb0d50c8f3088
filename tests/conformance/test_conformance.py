"""OPA's own cases: never fewer in agreement than before, and never one that is silently wrong."""

import json

import pytest

from tests.conformance import page
from tests.conformance.judge import Judged, Verdict
from tests.conformance.run import run
from tests.conformance.suite import directory, load


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    root = directory()
    if root is None:
        pytest.skip("the `go` command is needed to fetch OPA's cases")
    return run(list(load(root)))


def test_no_case_is_answered_differently(judged: list[Judged]) -> None:
    assert [item for item in judged if item.verdict in (Verdict.WRONG, Verdict.CRASH)] == []


def test_agreement_does_not_drop(judged: list[Judged]) -> None:
    before = json.loads(page.BASELINE.read_text("utf-8"))
    now = page.totals(judged)
    assert sum(now.values()) == sum(before.values())
    assert now["agree"] >= before["agree"]


def test_the_reference_page_is_of_this_run(judged: list[Judged]) -> None:
    assert page.PAGE.read_text("utf-8") == page.render(judged)


def test_an_error_about_newer_syntax_names_it(judged: list[Judged]) -> None:
    unnamed = [
        item
        for item in judged
        if item.folder in page.NEWEST and item.verdict == Verdict.RAISES and "not supported" not in item.detail
    ]
    assert unnamed == []
