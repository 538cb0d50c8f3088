"""The parser ends on any text, with a program or an error that has file and line. Hostile texts are parsed in another process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kubekeep.engine.rego import RegoError, evaluate
from kubekeep.engine.rego_policies import RegoPolicySet

ROOT = Path(__file__).parents[2]
LOCATION = re.compile(r"\S+\.rego:[1-9]\d*: rego_\w+_error: .+", re.DOTALL)


@pytest.mark.parametrize(
    ("rule", "column"),
    [
        ("x == y if f(1)", 3),
        ("violaton == f(1)", 10),
        ("x[1] == f(2)", 6),
        ("f(1) == y", 6),
        ("a.b\nf(1) {}", 0),
        ("x if\nf(1", 0),
        ("x contian y if f(1)", 3),
        ('f("(") == 1', 8),
        ("f(`)`) 1", 8),
        ("f(1) # )\n== 2", 0),
        ('x if { true } {"a": 1}', 17),
        ("x := 1 {\n y: 1\n}", 0),
    ],
)
def test_typo_in_a_head_is_an_error_at_its_place(rule: str, column: int) -> None:
    with pytest.raises(RegoError) as error:
        evaluate({"typo.rego": f"package a\n{rule}\n"}, "x = data.a")
    assert error.value.code == "rego_parse_error"
    assert error.value.file == "typo.rego"
    assert error.value.line >= 2
    if column:
        assert error.value.column in (1, column)


def test_brackets_in_strings_and_comments_are_no_nesting() -> None:
    quoted = [f'r{number} := "\\"[{{(" # [[{{{{ "`' for number in range(600)]
    raw = [f's{number} := `\\[{{("\n`' for number in range(600)]
    module = "\n".join(["package a", *quoted, *raw])
    assert evaluate({"a.rego": module}, "x = data.a.r599; y = data.a.s599") == [{"x": '"[{(', "y": '\\[{("\n'}]


def test_heads_without_body_are_true() -> None:
    heads = ['f("a (")', 'f(`"`)', "g.h(1) # (", "\tf( [1,\n {2}] )", 'y := "é"\nf("ü")', 'f("last")']
    module = "package a\n" + "\n".join(heads)
    calls = 'x = [data.a.f("a ("), data.a.f(`"`), data.a.g.h(1), data.a.f([1, {2}]), data.a.f("last")]'
    assert evaluate({"a.rego": module}, calls) == [{"x": [True] * 5}]


def test_work_grows_with_the_length_and_not_with_its_square() -> None:
    heads = "".join(f"f({number})\n" for number in range(20_000))
    rules = RegoPolicySet([{"a.rego": f"package a\n{heads}"}], [], {})
    assert rules.evaluate([]) == []


def test_mutations_of_the_library_end_with_a_program_or_an_error_with_its_place() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.engine.mutations", "0", "3000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, f"{lines[-1]} ended with {run.returncode}: {run.stderr}"
    seeds, errors = lines[::2], [line["error"] for line in lines[1::2]]
    unlocated = [(seed, text) for seed, text in zip(seeds, errors, strict=True) if text and not LOCATION.match(text)]
    assert not unlocated
    assert len(errors) == 3000
    assert 100 < errors.count("") < 2900, "mutations reach both ends"
