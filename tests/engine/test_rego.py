"""Single queries: bindings, errors, limits and constructs that are rewritten for regorus."""

from typing import Any

import pytest

from kubekeep.engine.rego import RegoError, evaluate


def value(rules: str, **options: Any) -> Any:
    """Return the value of `p` in a module of these rules."""
    [bindings] = evaluate({"t.rego": f"package t\n{rules}"}, "data.t.p = x", **options)
    return bindings["x"]


def refusal(rules: str, **options: Any) -> RegoError:
    with pytest.raises(RegoError) as caught:
        value(rules, **options)
    return caught.value


def test_each_result_is_one_mapping() -> None:
    assert evaluate({}, "x = [1, 2][i]") == [{"i": 0, "x": 1}, {"i": 1, "x": 2}]


def test_undefined_query_has_no_result() -> None:
    assert evaluate({"t.rego": "package t"}, "data.t.p = x") == []


def test_data_and_input_are_documents() -> None:
    assert value("p := data.a + input.b", data={"a": 1}, input={"b": 2}) == 3


def test_missing_input_is_undefined_and_not_null() -> None:
    assert value("p if not input") is True


def test_integers_keep_their_digits() -> None:
    assert value("p := input + 1", input=2**70) == 2**70 + 1


def test_v0_syntax_is_parsed_on_request() -> None:
    assert value("p[x] { x := 1 }", rego_version="v0") == [1]
    assert refusal("p[x] { x := 1 }").code == "rego_parse_error"


def test_error_text_is_the_line_opa_prints() -> None:
    error = refusal("p if {\n  x > 1\n}")
    assert (error.code, error.file, error.line) == ("rego_unsafe_var_error", "t.rego", 3)
    assert str(error).startswith("t.rego:3: rego_unsafe_var_error: ")


def test_document_must_be_json() -> None:
    assert refusal("p := 1", input={1, 2}).code == "rego_parse_error"


def test_failing_builtins_are_undefined_unless_strict() -> None:
    rules = 'p := to_number("x")'
    assert evaluate({"t.rego": f"package t\n{rules}"}, "data.t.p = x") == []
    assert refusal(rules, strict_builtin_errors=True).code == "eval_type_error"


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ("p if q\nq if p", "rego_recursion_error"),
        ("f(x) := g(x)\ng(x) := f(x)\np := f(1)", "rego_recursion_error"),
        ("p := 1\np(x) := 2", "rego_type_error"),
        ("p := 1\np contains 2", "rego_type_error"),
        ("default p := 1\ndefault p := 2", "rego_type_error"),
        ("f(x) := x\nf(x, y) := y\np := f(1)", "rego_type_error"),
        ("p := nothing(1)", "rego_type_error"),
        ("p := count(1, 2, 3)", "rego_type_error"),
        ('p := startswith("a")', "rego_type_error"),
        ("p := any([true])", "rego_type_error"),
        ("f(input) := 1\np := f(1)", "rego_compile_error"),
        ("p if { x := 1; x := 2 }", "rego_compile_error"),
        ("import data.a\nimport data.b as a\np := a", "rego_compile_error"),
        ("p := 1\np := 2", "eval_conflict_error"),
        ("import future.keywords.unknown\np := 1", "rego_parse_error"),
    ],
)
def test_errors_of_opa_are_errors(rules: str, code: str) -> None:
    assert refusal(rules).code == code


@pytest.mark.parametrize(
    ("rules", "feature"),
    [
        ("import future.keywords.not\np if not { false }", "not with a body"),
        ("import future.keywords.and\np if { true and true }", "operator and"),
        ("import rego.v2\np := 1", "Rego v2"),
        ('p := $"{1}"', "string interpolation"),
        ("p := count(walk(input))", "walk() inside of an expression"),
        ('p[q].r contains 1 if q := "a"\np.b.r contains 2', "a variable where another rule has a name"),
    ],
)
def test_unsupported_construct_is_named(rules: str, feature: str) -> None:
    error = refusal(rules)
    assert feature in error.message
    assert "not supported" in error.message


def test_number_is_not_a_rule_name() -> None:
    assert evaluate({"t.rego": "package t\np := data[2]"}, "data.t.p = x") == []


def test_rules_never_reach_the_network() -> None:
    error = refusal('p := http.send({"method": "get", "url": "http://127.0.0.1"})')
    assert error.code == "eval_builtin_error"
    assert "network" in error.message


def test_refusal_is_kept_if_another_body_has_a_value() -> None:
    rules = 'f(x) if glob.match("{a,}b", null, x)\nf(x) if x == "b"\np := f("b")'
    assert "not supported" in refusal(rules).message


def test_time_limit_ends_the_evaluation() -> None:
    rules = "p := [a | some a in numbers.range(1, 10000); some b in numbers.range(1, 10000); a == b]"
    assert refusal(rules, time_limit=0.2).code == "eval_cancel_error"


@pytest.mark.parametrize(
    "source",
    ["[" * 900 + "]" * 900, "[" * 20 + "]" * 20, "(" * 9000 + "1" + ")" * 9000, "[x | x := " * 300 + "1" + "]" * 300],
)
def test_deep_nesting_is_refused_immediately(source: str) -> None:
    assert refusal(f"p := {source}").code == "rego_parse_error"


def test_long_chain_of_rules_is_evaluated() -> None:
    chain = "\n".join(f"r{number} := r{number + 1}" for number in range(2000))
    assert value(f"{chain}\nr2000 := 1\np := r0") == 1


def test_long_line_is_accepted() -> None:
    assert value(f'p := count("{"a" * 5000}")') == 5000


def test_function_of_a_head_with_constants_is_accepted() -> None:
    assert value('f("x")\np := f("x")') is True
    assert value('f("x")\nf("y")\np := f("y")', rego_version="v0") is True


@pytest.mark.parametrize(
    "body",
    [
        "[path, leaf] := walk(input)",
        "[path, leaf] = walk(input)",
        "walk(input, [path, leaf])",
    ],
)
def test_walk_yields_every_path(body: str) -> None:
    assert value(f"p contains path if {{\n{body}\nis_number(leaf)\n}}", input={"a": [1, {"b": 2}]}) == [
        ["a", 0],
        ["a", 1, "b"],
    ]


def test_declared_walk_variable_shadows_a_rule() -> None:
    assert value("leaf := 7\np contains path if {\n[path, leaf] := walk(input)\nleaf == 1\n}", input=[1]) == [[0]]


def test_both_sides_of_a_unification_may_have_variables() -> None:
    assert value('p := [x, y] if {"a": x, "b": [3]} = {"b": [y], "a": 4}') == [4, 3]


def test_indexed_value_is_destructured() -> None:
    assert value("p contains x if [x, 2] := input.a[i]", input={"a": [[1, 2], [3, 4]]}) == [1]


def test_set_members_are_their_own_keys() -> None:
    assert value('p if "a", "a" in {"a", "b"}') is True
    assert value('p if not "a", "b" in {"a", "b"}') is True
    assert value('p if 1, "b" in ["a", "b"]') is True
