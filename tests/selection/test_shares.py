"""Shares of long proofs."""

from __future__ import annotations

import pytest

from tests.selection.shares import COMPLETE, SEED, count_examples, draw_share


def test_share_changes_with_the_seed_and_keeps_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [f"case {number}" for number in range(100)]
    shares = []
    for seed in ("a", "b", "a"):
        monkeypatch.setenv(SEED, seed)
        shares.append(draw_share(cases, 10))
    assert shares[0] == shares[2] != shares[1]
    assert all(len(share) == 10 and share == sorted(share, key=cases.index) for share in shares)


def test_complete_run_has_all_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SEED, COMPLETE)
    assert draw_share(range(100), 10) == list(range(100))
    assert count_examples(10, 40) == 40
    monkeypatch.setenv(SEED, "a")
    assert count_examples(10, 40) == 10
    assert draw_share([1, 2], 10) == [1, 2]
