"""Parsing expressions, with the spans that instrumentation rewrites."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekeep.sources.helm.trace.expression import (
    MAX_NESTING,
    Chain,
    Dot,
    FunctionName,
    LiteralOperand,
    Pipeline,
    Variable,
    parse,
)
from kubekeep.sources.helm.trace.template import TemplateError


def test_fields_bind_to_adjacent_operand() -> None:
    (command,) = parse('index .Values.a $x.b .c (dict "k" .).k.l $ .').commands
    assert command[1:] == (
        Chain(Dot(6, 6), ("Values", "a")),
        Chain(Variable("x", 16, 18), ("b",)),
        Chain(Dot(21, 21), ("c",)),
        Chain(
            Pipeline((), False, ((FunctionName("dict", 25, 29), LiteralOperand("k", 30, 33), Dot(34, 35)),)), ("k", "l")
        ),
        Variable("", 41, 42),
        Dot(43, 44),
    )


@pytest.mark.parametrize(
    ("source", "names", "assigns"),
    [
        ("$x := .a", ("x",), False),
        ("$x = .a", ("x",), True),
        (" $k, $v := .a", ("k", "v"), False),
        ("$x", (), False),
        ("eq $x 1", (), False),
    ],
)
def test_declarations(source: str, names: tuple[str, ...], assigns: bool) -> None:  # noqa: FBT001 - a table
    pipe = parse(source)
    assert (pipe.names, pipe.assigns) == (names, assigns)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1", 1),
        ("-2", -2),
        (".5", 0.5),
        ("0x1F", 31),
        ("1e3", 1000.0),
        ("true", True),
        ("nil", None),
        ('`a"`', 'a"'),
        ("'a'", "'a'"),
        ("1_000", 1000),
    ],
)
def test_constants(source: str, value: Any) -> None:
    assert parse(source).commands == ((LiteralOperand(value, 0, len(source)),),)


def test_pipeline_order_and_spans() -> None:
    source = ' include "a.b" . | nindent 4 '
    pipe = parse(source)
    assert [command[0] for command in pipe.commands] == [FunctionName("include", 1, 8), FunctionName("nindent", 19, 26)]
    name = pipe.commands[0][1]
    assert isinstance(name, LiteralOperand)
    assert source[name.at : name.end] == '"a.b"'


@pytest.mark.parametrize(
    "source", ["(", ")", "a)", '"a', "#", "a | (b", "(" * (MAX_NESTING + 2) + ")" * (MAX_NESTING + 2)]
)
def test_invalid_expression_is_rejected(source: str) -> None:
    with pytest.raises(TemplateError):
        parse(source)


@given(st.text(alphabet=' .$|()"`\\:=,abx1-', max_size=40))
def test_any_text_is_parsed_or_rejected(source: str) -> None:
    with suppress(TemplateError):
        assert isinstance(parse(source), Pipeline)
