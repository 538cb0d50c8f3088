"""Rego policy sets: groups, separate errors, unreadable documents, shards, contexts and stopping."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubekeep.engine.policy_set import RuleFailure, RuleQuery, StoppablePolicySet, StoppedError
from kubekeep.engine.rego import evaluate
from kubekeep.engine.rego_policies import RegoPolicySet, decode_outcome

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
    [RuleQuery("a", "data.a.violation"), RuleQuery("b applies", "data.b.applies", 1)],
    [RuleQuery("b clash", "data.b.clash", 1)],
]


@pytest.fixture(scope="module")
def policies() -> RegoPolicySet:
    return RegoPolicySet(SHARDS, GROUPS, {"params": {"limit": 10}})


def outcome(policies: RegoPolicySet, document: Any, *groups: int) -> Any:
    (result,) = policies.evaluate([(json.dumps(document).encode(), groups)])
    return result


def test_outcome_has_only_non_empty_values(policies: RegoPolicySet) -> None:
    assert outcome(policies, {"items": [1, 2]}, 0) == {}
    assert outcome(policies, {"items": [11, 12], "kind": "b"}, 0) == {
        "a": [{"path": "items[11]"}, {"path": "items[12]"}],
        "b applies": True,
    }


def test_only_requested_groups_are_evaluated(policies: RegoPolicySet) -> None:
    assert outcome(policies, {"items": [11], "kind": "x"}, 1) == {"b clash": 1}
    assert set(outcome(policies, {"items": [11], "kind": "x"}, 0, 1)) == {"a", "b clash"}


def test_failing_rule_does_not_affect_others() -> None:
    groups = [[*GROUPS[0], *GROUPS[1]]]
    values = outcome(
        RegoPolicySet(SHARDS, groups, {"params": {"limit": 10}}), {"items": [11], "kind": "b", "clash": 1}, 0
    )
    assert isinstance(values["b clash"], RuleFailure)
    assert values["a"] == [{"path": "items[11]"}]
    assert values["b applies"] is True


@pytest.mark.parametrize(
    "text",
    [
        "[1, -2, 0, -0, 3.5, -0.0, 1e3, 1E-7, 0.1, 18446744073709551615, 18446744073709551616, -9223372036854775809]",
        "12345678901234567890.123456789",
        '{"b": [], "a": {"c": null, "d": [true, false]}, "": {}, "\\u00e9\\n\\"": "\\ud83d\\ude00"}',
        '{"a": 1, "b": 2, "a": 3}',
        f'{{"{"k" * 300}": "{"v" * 300}"}}',
        '[{"name": "x"}, {"name": "y"}, "name"]',
        '{"z": 1, "$serde_json::private::Number": "7"}',
        '[{"$serde_json::private::Number": 1}]',
    ],
)
def test_documents_have_the_values_of_their_json(text: str) -> None:
    modules = {"echo.rego": "package echo\nvalue := [input.value]"}
    echo = RegoPolicySet([modules], [[RuleQuery("echo", "data.echo.value")]], {})
    (result,) = echo.evaluate([(f'{{"value": {text}}}'.encode(), (0,))])
    (expected,) = evaluate(modules, "x = data.echo.value", input=msgspec.Raw(f'{{"value": {text}}}'.encode()))
    assert result["echo"] == expected["x"]


@pytest.mark.parametrize("text", ['"\\ud800"', "nan", "[1,]", "{1: 2}", '{"a" 1}', "01", "1 2"])
def test_documents_that_are_not_json_fail(text: str) -> None:
    modules = {"echo.rego": "package echo\nvalue := [input.value]"}
    echo = RegoPolicySet([modules], [[RuleQuery("echo", "data.echo.value")]], {})
    (result,) = echo.evaluate([(f'{{"value": {text}}}'.encode(), (0,))])
    assert isinstance(result["echo"], RuleFailure)


def test_deepest_documents_of_sources_are_evaluated() -> None:
    modules = {"deep.rego": "package deep\nvalue := count([1 | walk(input, _)])"}
    deep = RegoPolicySet([modules], [[RuleQuery("deep", "data.deep.value")]], {})
    (result,) = deep.evaluate([(b'{"value":' + b"[" * 520 + b"]" * 520 + b"}", (0,))])
    assert result["deep"] == 521


def test_too_deep_document_fails_its_rules_and_not_the_batch(policies: RegoPolicySet) -> None:
    deep = b'{"items":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    failed, after = policies.evaluate([(deep, [0]), (b'{"items":[99]}', [0])])
    assert all(isinstance(value, RuleFailure) for value in failed.values())
    assert set(failed) == {"a", "b applies"}
    assert after == {"a": [{"path": "items[99]"}]}


def test_context_changes_outcomes(policies: RegoPolicySet) -> None:
    other = policies.with_context({"params": {"limit": 100}})
    assert outcome(other, {"items": [11]}, 0) == {}
    assert outcome(policies, {"items": [11]}, 0) != {}, "the first set keeps its context"


def test_context_with_equal_and_similar_parts_keeps_its_values() -> None:
    web = {"name": "web", "ports": [{"port": 80}], "labels": {"app": "web"}, "empty": [], "none": {}}
    similar = {**web, "ports": [{"port": 81}]}
    context = {"objects": [web, similar, web, similar], "named": {"web": [similar, web], "labels": {"app": "web"}}}
    module = "package a\nwhole := input.context"
    rules = RegoPolicySet([{"a.rego": module}], [[RuleQuery("whole", "data.a.whole")]], {})
    (result,) = rules.with_context({"context": context}).evaluate([(b"{}", (0,))])
    # Empty fields at the top of a value are removed, not those below.
    assert result["whole"] == context


def test_equal_elements_of_outcomes_are_one_object() -> None:
    first, second = (
        decode_outcome(f'{{"a":{{"violation":[{{"path":"spec"}},{{"path":"{path}"}}]}},"b":[1],"c":"d"}}')
        for path in ("x", "y")
    )
    assert first == {"a": {"violation": [{"path": "spec"}, {"path": "x"}]}, "b": [1], "c": "d"}
    assert first["a"] != second["a"]
    assert first["a"]["violation"][0] is second["a"]["violation"][0]


def test_outcomes_are_in_the_order_of_documents(policies: RegoPolicySet) -> None:
    documents = [(json.dumps({"items": [number]}).encode(), [0]) for number in range(3000)]
    for number, values in enumerate(policies.evaluate(documents)):
        assert values == ({"a": [{"path": f"items[{number}]"}]} if number > 10 else {})


def test_unknown_shard_is_refused() -> None:
    with pytest.raises(ValueError, match="a: no shard 1"):
        RegoPolicySet([LIBRARY | FIRST], [[RuleQuery("a", "data.a.violation", 1)]], {})


def test_compile_error_names_the_module() -> None:
    with pytest.raises(ValueError, match=r"broken\.rego:2"):
        RegoPolicySet([{"broken.rego": "package x\np if {"}], [], {})


def test_stopped_policy_set_evaluates_nothing() -> None:
    stopped = threading.Event()
    module = "package a\nname := input.name"
    rules = RegoPolicySet([{"a.rego": module}], [[RuleQuery("name", "data.a.name")]], {"name": "one"})
    first = StoppablePolicySet(rules, stopped)
    second = first.with_context({"name": "two"})
    assert [policies.evaluate([(b"{}", (0,))]) for policies in (first, second)] == [
        [{"name": "one"}],
        [{"name": "two"}],
    ]
    stopped.set()
    for policies in (first, second):
        with pytest.raises(StoppedError):
            policies.evaluate([(b"{}", (0,))])
    with pytest.raises(StoppedError):
        first.with_context({})


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_threads_are_no_more_than_processors() -> None:
    code = (
        "import os; from kubekeep import _native\n"
        "policies = _native.PolicySet([[('m', 'package m\\nv := 1')]], [[('v', 'data.m.v', 0)]], '{}')\n"
        "policies.evaluate([(b'{}', [0])] * 1000)\n"
        "print(len(os.listdir('/proc/self/task')))"
    )
    environment = {**os.environ, "RAYON_NUM_THREADS": "500"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(result.stdout) <= len(os.sched_getaffinity(0)) + 2
