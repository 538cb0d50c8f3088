"""The YAML reader compared with sigs.k8s.io/yaml, the parser of kubectl: same value or both reject.

Documents are listed, drawn with a fixed seed, and in the complete run drawn freely by Hypothesis.
"""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubekeep.model.location import line_starts
from kubekeep.sources import yaml_text
from kubekeep.sources.tree import Limits, Problem
from tests.oracles.program import program
from tests.oracles.references import Mode, get_answer

_REFUSED = "refused"

Parse = Callable[[list[str]], list[Any]]


@pytest.fixture
def parse_in_go() -> Parse:
    """Return the answers of the Go program to documents: the value as JSON, or `_REFUSED`."""

    def parse(documents: list[str]) -> list[Any]:
        return _read_answers(get_answer("yaml", stdin=json.dumps(documents)).stdout)

    return parse


@pytest.fixture(scope="module")
def run_go(pytestconfig: pytest.Config) -> Parse:
    """Run the Go program on documents that differ from run to run, so that their answers cannot be recorded."""
    if pytestconfig.getoption("references") == Mode.RECORDED:
        pytest.skip("the complete run, with --references compare, draws documents freely")
    reference = program("yaml")

    def run(documents: list[str]) -> list[Any]:
        process = subprocess.run(
            [reference], input=json.dumps(documents).encode(), capture_output=True, check=True, timeout=60
        )
        return _read_answers(process.stdout)

    return run


def _read_answers(output: str | bytes) -> list[Any]:
    return [_typed(_REFUSED if "error" in answer else _go_json(answer["json"])) for answer in json.loads(output)]


def _go_json(text: str) -> Any:
    """Decode JSON as Kubernetes does: int64 where it fits, else float64."""
    return json.loads(text, parse_int=lambda digits: int(digits) if -(2**63) <= int(digits) < 2**63 else float(digits))


def _typed(value: Any) -> str:
    """Return a value in which 1, 1.0 and true differ, with mappings without order."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_typed(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_typed, value)) + "]"
    return repr(value)


def _parse(text: str) -> str:
    actual = list(yaml_text.parse_documents(text, line_starts(text), Limits()))
    if not actual or actual[0] is None:
        return _typed(None)
    return _typed(_REFUSED if isinstance(actual[0], Problem) else actual[0].value)


def _assert_same_values(parse_in_go: Parse, documents: list[str]) -> None:
    differences = [
        f"{document!r}: Go {expected}, KubeKeep {actual}"
        for document, expected in zip(documents, parse_in_go(documents), strict=True)
        if (actual := _parse(document)) != expected
    ]
    assert not differences, "\n".join(differences)


_SCALARS = """
y Y yes Yes YES yES n N no No NO on On ON off Off OFF true True TRUE tRUE false False FALSE ~ null Null NULL nUll
0 -0 +0 00 1 +1 -1 0644 -0644 +0644 0o644 0O17 0o8 08 09 0888 0b1 0B11 -0b1 0b2 0b 0x 0x1F 0X1f -0x1F +0x1f 0xG
0b+1 0b-1 -0b+1 0_1 1_000 1__000 _1 1_ 0x_1 0x1_F 1_000.5 1_0e1_0 0o1_7 0b1_0
1e3 1E3 1e+3 1e-3 1e 1e+ e3 .5 -.5 +.5 5. .5e3 .5E-3 . .. ... .e1 .5_0 .5__0 .5_ ._5 .5e1_0 1.0 -1.0 1.5 01.5 1.2.3 0.1 1e21 1e20 1e22
123456789012345678901234567890 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809
18446744073709551615 18446744073709551616 +18446744073709551615 9223372036854775807.0 9.2e18 9.3e18 4611686018427387905.0
0xFFFFFFFFFFFFFFFF 0x10000000000000000 -0x8000000000000000 0777777777777777777777 01777777777777777777777 02777777777777777777777
1e308 1e309 -1e309 1e-400 5e-324 1.7976931348623157e308 .5e999 0.1e-6 1e-7
.inf .Inf .INF +.inf -.inf .nan .NaN .NAN inf nan Infinity -Infinity +inf
12:30:45 1:30 190:20:30 2001-01-01 2001-1-1 2001-13-01 2001-01-01T00:00:00Z 2001-12-14t21:59:43.10-05:00 2001-02-30 0000-01-01
<< = - -- --- --x + ++ +- ? !x !!str ! a-b 1a a1 1.5m 100m 1Gi 0x1F:2 v1 1.30 1.3 3.10 007 1,000 1/2 é ½ ٣ 1٣ \u00a0
0e0 0e5 00e1 -0.0 0.0 0. 1e5 1e6 1e7 123456.7 1234567.8 1100000.2 1100000.3 0.5 2.25 99999.95 1048577.5 8388609.5 16777217 16777217.0 1e38 3.5e38 1e39 1e-5 0.0001 0.00001 1.1 2.5e-46
""".split()  # noqa: SIM905 - a table is easier to read

_TAGS = [
    "!!str",
    "!!int",
    "!!float",
    "!!bool",
    "!!null",
    "!!timestamp",
    "!!binary",
    "!",
    "!own",
    "!!set",
    "!!map",
    "!!merge",
]

_DOCUMENTS = [
    "",
    "---",
    "# only a comment",
    "...",
    "a: 1\na: 2",
    "b: 4\n<<: {b: 3}",
    "<<: {b: 3}\nb: 4",
    "<<: [{a: 1}, {a: 2, b: 3}]\nb: 4",
    "<<: []",
    "<<: [1]",
    "<<: 1",
    "<<:",
    "<<: {}\na: 1",
    "'<<': {b: 3}",
    "! '<<': {b: 3}",
    "!!merge <<: {b: 3}",
    "!!str <<: {b: 3}",
    "a: <<",
    "- <<",
    "x: &x {a: 1, b: {c: 2}}\ny:\n  b: 0\n  <<: *x\n  a: 5",
    "x: &x {a: 1}\ny: &y {b: 2, a: 3}\nz:\n  <<: [*x, *y]",
    "x: &x {<<: {a: 1}, b: 2}\ny: {<<: *x}",
    "a: &a 1\nb: *a\n? *a\n: c",
    "a: &a [1]\nb: [*a, *a]",
    "a: &a b\n*a : c",
    "a: &x 1\nb: &x 2\nc: *x",
    "a: *missing",
    "a: &a [*a]",
    "a: &a {b: *a}",
    "a: &a {<<: *a}",
    "? {a: 1}\n: 2",
    "? [a]\n: 2",
    "~: 1",
    "'': 1",
    ": 1",
    "1: a\n'1': a",
    "true: a\nno: b\n1.5: c\n1e6: d\n100000.0: e\n0.1: f\n1e39: g",
    "18446744073709551615: a",
    "2001-01-01: a",
    "a: |\n  x\n  y\n\nb: >-\n  x\n  y\n",
    "a: ! '12'\nb: ! 12\nc: !!int '12'\nd: !!str 12",
    'a: "\\x41\\u00e9\\U0001F600\\t\\e\\0"',
    'a: "\\ud83d\\ude00"',
    "a:\tb",
    "a: b\n\tc: d",
    "{a: [1, 2, {b: c}], d: }",
    "{a, b: c}",
    "[a: b, c]",
    "a: [",
    "a: }",
    "a: b: c",
    "a: 'x",
    "%YAML 1.1\n---\na: yes",
    "%TAG ! tag:example.org,2026:\n---\na: !x 1",
    "a: b # c\n#d\n",
    "\ufeffa: b",
    "a: b\r\nc: d\r\n",
    "a: b\rc: d\r",
    "a: x\u0085b: c",
    "a: 'x\u2028y'",
    "a: \x01",
    "- a\n-\n- - b\n  - c\n",
    "a:\n- b\n- c\n",
    "k: !!binary aGVsbG8=\nl: !!binary gIE=\nm: !!binary '4pyT/w=='",
    "k: !!binary '*'",
    "k: !!binary aGV8=",
    "k: !!binary '===='",
    "k: !!binary ''",
    "k: !!binary 'aG Vs'",
    "a: &a 1.0\n? *a\n: c",
    "a: &a 1e6\n? *a\n: c",
    "a: &a .nan",
    "? &a 1.5\n: *a",
    "? &a 1e6\n: *a",
    "? &a 1\n: *a",
    "? &a <<\n: {b: 3}\nc: *a",
    "a: &a ~\n? *a\n: c",
    "? a\n? b\n",
    "!!set {a, b}",
    "!!omap [a: 1]",
]


def test_scalars_as_value_key_and_item(parse_in_go: Parse) -> None:
    _assert_same_values(
        parse_in_go, [form.format(word) for word in _SCALARS for form in ("a: {}", "{}: a", "- {}", "a: '{}'", "{}")]
    )


def test_scalars_with_tags(parse_in_go: Parse) -> None:
    words = [*_SCALARS, "''", "'12'", "'x y'"]
    _assert_same_values(
        parse_in_go, [form.format(tag, word) for word in words for tag in _TAGS for form in ("a: {} {}", "{} {}: a")]
    )


_LENIENT = {
    "%YAML 1.2\n---\na: yes": {"a": True},
    'a: "b\\/c"': {"a": "b/c"},
}
"""Documents that only our reader accepts; the parser of kubectl implements an older version of YAML."""


def test_documents(parse_in_go: Parse) -> None:
    _assert_same_values(parse_in_go, _DOCUMENTS)


def test_lenient_documents(parse_in_go: Parse) -> None:
    assert parse_in_go(list(_LENIENT)) == [_typed(_REFUSED)] * len(_LENIENT)
    assert [_parse(document) for document in _LENIENT] == [_typed(value) for value in _LENIENT.values()]


_HEAD = "m: &m {a: 1, b: {c: 2}}\ns: &s yes\nt: "
_CHARACTERS = "0123456789_+-.eExXoObBaAfFinNyYtTZ:~<"
_LEAVES = ["a", "yes", "1", "0644", "1e3", "~", "'x y'", '"z"', "*m", "*s"]
# Not both 1 and '1': Go gives one of the two at random.
_KEYS = ["a", "b", "c", "<<", "1", "yes", "'<<'", "1.5"]


def _draw_number(draw: random.Random) -> str:
    sign, prefix = draw.choice(["", "-", "+"]), draw.choice(["", "0x", "0o", "0b"])
    digits = "".join(draw.choices("0123456789_", k=draw.randint(1, 22)))
    fraction = "." + "".join(draw.choices("0123456789", k=draw.randint(0, 4))) if draw.random() < 0.5 else ""
    exponent = f"{draw.choice('eE')}{draw.choice(['', '-', '+'])}{draw.randint(0, 999)}" if draw.random() < 0.5 else ""
    return f"{sign}{prefix}{digits}{fraction}{exponent}"


def _draw_scalar(draw: random.Random) -> str:
    word = "".join(draw.choices(_CHARACTERS, k=draw.randint(1, 12)))
    return draw.choice([word, _draw_number(draw), draw.choice(_SCALARS)])


def _draw_tree(draw: random.Random, depth: int = 4) -> Any:
    form = draw.random()
    if depth == 0 or form < 0.3:
        return draw.choice([*_LEAVES, _draw_number(draw)])
    if form < 0.5:
        return [_draw_tree(draw, depth - 1) for _ in range(draw.randint(0, 3))]
    return {key: _draw_tree(draw, depth - 1) for key in draw.sample(_KEYS, draw.randint(0, 4))}


def test_drawn_scalars(parse_in_go: Parse) -> None:
    draw = random.Random(1)
    words = [_draw_scalar(draw) for _ in range(1600)]
    _assert_same_values(parse_in_go, [form.format(word) for word in words for form in ("a: {}", "{}: a")])


def test_drawn_mappings_with_merges_and_aliases(parse_in_go: Parse) -> None:
    draw = random.Random(2)
    _assert_same_values(parse_in_go, [_HEAD + _flow(_draw_tree(draw)) for _ in range(800)])


_word = st.text(_CHARACTERS, min_size=1, max_size=12)
_number = st.from_regex(r"[-+]?(0[xob])?[0-9_]{1,22}(\.[0-9]{0,4})?([eE][-+]?[0-9]{1,3})?", fullmatch=True)
_scalar = st.one_of(_word, _number, st.sampled_from(_SCALARS))


@settings(max_examples=40, derandomize=True, deadline=None, database=None)
@given(words=st.lists(_scalar, min_size=20, max_size=60))
def test_generated_scalars(run_go: Parse, words: list[str]) -> None:
    _assert_same_values(run_go, [form.format(word) for word in words for form in ("a: {}", "{}: a")])


def _flow(value: Any) -> str:
    """Format a generated structure in flow style."""
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(scalar)}" for key, scalar in value.items()) + "}"
    return str(value)


_leaf = st.one_of(st.sampled_from(_LEAVES), _number)
_key = st.sampled_from(_KEYS)
_trees = st.recursive(
    _leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_key, inner, max_size=4), max_leaves=12
)


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(trees=st.lists(_trees, min_size=5, max_size=20))
def test_generated_mappings_with_merges_and_aliases(run_go: Parse, trees: list[Any]) -> None:
    _assert_same_values(run_go, [_HEAD + _flow(tree) for tree in trees])
