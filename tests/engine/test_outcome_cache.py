"""Cached outcomes equal those of a full evaluation, in every state of the file."""

from __future__ import annotations

import os
import random
import stat
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubekeep.engine.outcome_cache import OutcomeCache, cache_outcomes
from kubekeep.engine.policy_set import Outcome, RuleFailure, RuleQuery
from kubekeep.engine.rego_policies import RegoPolicySet
from tests.engine.counting import CountingPolicySet

RULE = """package rules
violation contains {"path": input.object.name, "limit": input.params.limit} if input.object.size > input.params.limit
"""
OTHER = """package others
violation contains "named" if startswith(input.object.name, "a")
"""
GROUPS = ([RuleQuery("size", "data.rules.violation", 0)], [RuleQuery("name", "data.others.violation", 1)])
PROGRAM = b"this one"


def document(name: str, size: int) -> tuple[bytes, tuple[int, ...]]:
    return f'{{"object":{{"name":"{name}","size":{size}}}}}'.encode(), (0, 1)


def evaluate_cached(
    path: Path,
    documents: Sequence[tuple[bytes, tuple[int, ...]]],
    *,
    rule: str = RULE,
    limit: int = 3,
    program: bytes = PROGRAM,
) -> tuple[list[Outcome], int]:
    """Return the outcomes with the cache at `path`, and the number of documents that were evaluated."""
    counting = CountingPolicySet()
    cache = OutcomeCache(path, program)
    shards = [{"rule.rego": rule}, {"other.rego": OTHER}]
    policies = cache_outcomes(counting, cache)(shards, GROUPS, {"params": {"limit": limit}})
    outcomes = policies.evaluate(documents)
    cache.save()
    return outcomes, counting.documents


def evaluate_uncached(
    documents: Sequence[tuple[bytes, tuple[int, ...]]], *, rule: str = RULE, limit: int = 3
) -> list[Outcome]:
    shards = [{"rule.rego": rule}, {"other.rego": OTHER}]
    return RegoPolicySet(shards, GROUPS, {"params": {"limit": limit}}).evaluate(documents)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_cached_outcomes_equal_fresh_ones(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("cache") / "outcomes"
    for _ in range(data.draw(st.integers(1, 5))):
        names = data.draw(st.lists(st.sampled_from(["a", "b", "ab"]), max_size=5))
        documents = [document(name, data.draw(st.integers(0, 6))) for name in names]
        rule = data.draw(st.sampled_from([RULE, RULE.replace(">", "<")]))
        limit = data.draw(st.sampled_from([2, 3]))
        damage = data.draw(st.sampled_from(["none", "none", "deleted", "torn", "flipped", "empty"]))
        if path.exists():
            text = path.read_bytes()
            at = data.draw(st.integers(0, max(0, len(text) - 1)))
            flipped = text[:at] + bytes(byte ^ 1 for byte in text[at : at + 1]) + text[at + 1 :]
            content = {"none": text, "deleted": b"", "torn": text[:at], "flipped": flipped, "empty": b""}[damage]
            path.write_bytes(content)
            if damage == "deleted":
                path.unlink()
        outcomes, _ = evaluate_cached(path, documents, rule=rule, limit=limit)
        assert outcomes == evaluate_uncached(documents, rule=rule, limit=limit)


def test_only_changed_inputs_are_evaluated(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "outcomes"
    documents = [document("a", 5), document("b", 1)]
    assert evaluate_cached(path, documents)[1] == 2
    assert evaluate_cached(path, documents) == (evaluate_uncached(documents), 0)
    assert evaluate_cached(path, [*documents, document("c", 9)])[1] == 1
    assert evaluate_cached(path, documents, limit=4) == (evaluate_uncached(documents, limit=4), 2)
    assert evaluate_cached(path, documents, rule=RULE.replace(">", "<"))[1] == 2
    assert evaluate_cached(path, documents, program=b"another")[1] == 2
    # Another context has another key; the first is kept.
    assert evaluate_cached(path, documents, program=b"another", limit=4)[1] == 2
    assert evaluate_cached(path, documents, program=b"another")[1] == 0


def test_cluster_context_is_part_of_the_key(tmp_path: Path) -> None:
    rule = "package rules\nviolation contains name if some name in input.cluster.names"
    documents = [document("a", 1)]
    for names, count in ((["x"], 1), (["x"], 0), (["y"], 1)):
        counting, cache = CountingPolicySet(), OutcomeCache(tmp_path / "outcomes", PROGRAM)
        shards = [{"rule.rego": rule}, {"other.rego": OTHER}]
        policies = cache_outcomes(counting, cache)(shards, GROUPS, {})
        (outcome,) = policies.with_context({"cluster": {"names": names}}).evaluate(documents)
        cache.save()
        assert outcome["size"] == names
        assert counting.documents == count


@pytest.mark.parametrize(
    "call",
    [
        "time.now_ns() > 0",
        'time["now_ns"]() > 0',
        'time["now\\u005fns"]() > 0',
        'rand.intn("x", 5) >= 0',
    ],
)
def test_unstable_rules_are_not_cached(tmp_path: Path, call: str) -> None:
    rule = f'package rules\nviolation contains "now" if {call}\n'
    documents = [document("a", 1)]
    for _ in range(2):
        assert evaluate_cached(tmp_path / "outcomes", documents, rule=rule) == (
            evaluate_uncached(documents, rule=rule),
            1,
        )


def test_failures_are_not_cached(tmp_path: Path) -> None:
    rule = 'package rules\nviolation := "one" if input.object.size > 0\nviolation := "two" if input.object.size > 1\n'
    for _ in range(2):
        (outcome,), count = evaluate_cached(tmp_path / "outcomes", [document("a", 5)], rule=rule)
        assert isinstance(outcome["size"], RuleFailure)
        assert count == 1


def test_file_is_private_and_has_no_leftovers(tmp_path: Path) -> None:
    path = tmp_path / "kubekeep" / "outcomes"
    evaluate_cached(path, [document("a", 5)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["outcomes"]
    assert b"size" not in path.read_bytes()


def test_links_pipes_and_folders_are_ignored(tmp_path: Path) -> None:
    documents = [document("a", 5)]
    evaluate_cached(tmp_path / "real", documents)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert evaluate_cached(tmp_path / "link", documents)[1] == 1
    os.mkfifo(tmp_path / "pipe")
    assert evaluate_cached(tmp_path / "pipe", documents)[1] == 1
    (tmp_path / "folder").mkdir()
    cache = OutcomeCache(tmp_path / "folder", PROGRAM)
    cache.put(b"key", {})
    with pytest.raises(OSError, match="folder"):
        cache.save()
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_oldest_outcomes_are_dropped_first(tmp_path: Path) -> None:
    path = tmp_path / "outcomes"
    for number in range(10):
        cache = OutcomeCache(path, PROGRAM, limit=200)
        cache.put(b"%d" % number, {"rule": "x" * 40})
        assert cache.get(b"0") is not None or number > 2
        cache.save()
    last = OutcomeCache(path, PROGRAM, limit=200)
    # Used outcomes are kept, unused ones are dropped.
    assert [number for number in range(10) if last.get(b"%d" % number)][-1] == 9
    assert 1 < sum(last.get(b"%d" % number) is not None for number in range(10)) < 5


def test_concurrent_writers_leave_a_valid_file(tmp_path: Path) -> None:
    path = tmp_path / "outcomes"
    dice = random.Random(1)
    parts = [[document("a", dice.randrange(50)) for _ in range(50)] for _ in range(8)]
    threads = [threading.Thread(target=evaluate_cached, args=(path, part)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = [evaluate_cached(tmp_path / "outcomes", part) for part in parts]
    assert [outcomes for outcomes, _ in counts] == [evaluate_uncached(part) for part in parts]
    assert sum(count for _, count in counts) < sum(map(len, parts))


def test_file_that_others_may_write_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "outcomes"
    documents = [document("a", 5)]
    evaluate_cached(path, documents)
    for mode, evaluated in ((0o644, 0), (0o664, 1), (0o602, 1)):
        path.chmod(mode)
        assert evaluate_cached(path, documents)[1] == evaluated
        path.chmod(0o600)
