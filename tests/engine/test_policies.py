"""The policy set: groups, errors told apart, documents that cannot be taken in, shards, and other contexts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kubekeep.engine.policies import RegoPolicySet
from kubekeep.engine.port import Query, RuleFailure

LIBRARY = {
    "lib.rego": "package lib\nbig contains x if { some x in input.items; x > input.params.limit }",
}
FIRST = {
    "a.rego": 'package a\nimport data.lib\nviolation contains {"path": sprintf("items[%d]", [x])} if some x in lib.big',
}
SECOND = {
    "b.rego": 'package b\napplies if input.kind == "b"\nclash := 1 if input.kind\nclash := 2 if input.clash',
}
SHARDS = [LIBRARY | FIRST, SECOND]
GROUPS = [
    [Query("a", "data.a.violation"), Query("b applies", "data.b.applies", 1)],
    [Query("b clash", "data.b.clash", 1)],
]


@pytest.fixture(scope="module")
def policies() -> RegoPolicySet:
    return RegoPolicySet(SHARDS, GROUPS, {"params": {"limit": 10}})


def outcome(policies: RegoPolicySet, document: Any, *groups: int) -> Any:
    (found,) = policies.evaluate([(json.dumps(document).encode(), groups)])
    return found


def test_only_what_rules_say_comes_back(policies: RegoPolicySet) -> None:
    assert outcome(policies, {"items": [1, 2]}, 0) == {}
    assert outcome(policies, {"items": [11, 12], "kind": "b"}, 0) == {
        "a": [{"path": "items[11]"}, {"path": "items[12]"}],
        "b applies": True,
    }


def test_groups_are_evaluated_as_asked(policies: RegoPolicySet) -> None:
    assert outcome(policies, {"items": [11], "kind": "x"}, 1) == {"b clash": 1}
    assert set(outcome(policies, {"items": [11], "kind": "x"}, 0, 1)) == {"a", "b clash"}


def test_a_rule_that_fails_does_not_silence_the_others() -> None:
    groups = [[*GROUPS[0], *GROUPS[1]]]
    found = outcome(
        RegoPolicySet(SHARDS, groups, {"params": {"limit": 10}}), {"items": [11], "kind": "b", "clash": 1}, 0
    )
    assert isinstance(found["b clash"], RuleFailure)
    assert found["a"] == [{"path": "items[11]"}]
    assert found["b applies"] is True


def test_a_document_too_deep_fails_every_rule_and_not_the_batch(policies: RegoPolicySet) -> None:
    deep = b'{"items":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    found, after = policies.evaluate([(deep, [0]), (b'{"items":[99]}', [0])])
    assert all(isinstance(value, RuleFailure) for value in found.values())
    assert set(found) == {"a", "b applies"}
    assert after == {"a": [{"path": "items[99]"}]}


def test_other_data_gives_other_outcomes(policies: RegoPolicySet) -> None:
    other = policies.with_context({"params": {"limit": 100}})
    assert outcome(other, {"items": [11]}, 0) == {}
    assert outcome(policies, {"items": [11]}, 0) != {}, "the first set keeps its data"


def test_order_is_kept_over_many_documents(policies: RegoPolicySet) -> None:
    documents = [(json.dumps({"items": [number]}).encode(), [0]) for number in range(3000)]
    for number, found in enumerate(policies.evaluate(documents)):
        assert found == ({"a": [{"path": f"items[{number}]"}]} if number > 10 else {})


def test_a_shard_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="a: no shard 1"):
        RegoPolicySet([LIBRARY | FIRST], [[Query("a", "data.a.violation", 1)]], {})


def test_a_module_that_does_not_compile_is_named() -> None:
    with pytest.raises(ValueError, match=r"broken\.rego:2"):
        RegoPolicySet([{"broken.rego": "package x\np if {"}], [], {})
