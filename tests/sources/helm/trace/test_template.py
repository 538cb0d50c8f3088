"""Parsing templates: delimiters, trim markers, comments and quotes as in Go, with positions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekeep.sources.helm.trace.template import (
    MAX_LENGTH,
    MAX_NESTING,
    ActionNode,
    BranchNode,
    JumpNode,
    RangeNode,
    TemplateCallNode,
    TemplateError,
    TextNode,
    parse_template,
    unquote,
    walk_nodes,
)


def texts(source: str) -> list[str]:
    return [node.text for node in walk_nodes(parse_template(source).body) if isinstance(node, TextNode)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a {{ .x }} b", ["a ", " b"]),
        ("a {{- .x }} b", ["a", " b"]),
        ("a\n\t {{- .x -}} \r\n b", ["a", "b"]),
        ("a {{-3}} b", ["a ", " b"]),
        ("a {{- /* c {{ }} */ -}} b", ["a", "b"]),
        ("a {{/* c */}} b", ["a ", " b"]),
        ("a {{- /* c */}} b", ["a", " b"]),
        ('a {{ "}}" }} b', ["a ", " b"]),
        ('a {{ `}}\n"` }} b', ["a ", " b"]),
        ("a {{ '}' }} b", ["a ", " b"]),
        ('a {{ "\\"}}" }} b', ["a ", " b"]),
        ("a{{ if .x -}} b {{- else if .y }} c {{ else -}} d {{- end }}e", ["a", "b", " c ", "d", "e"]),
        ("a{{ range .x }}b{{ else }}c{{ end }}d", ["a", "b", "c", "d"]),
        ("{ }} {{ .x }} }", ["{ }} ", " }"]),
        ("a {{- .x -}}", ["a"]),
        ("{{- .x -}} \n {{- .y -}} ", []),
    ],
)
def test_trim_markers_trim_text(source: str, expected: list[str]) -> None:
    assert texts(source) == expected


@given(
    st.lists(
        st.sampled_from(["a\n", "  b: ", "{{- .x }}", "{{ .y -}}", "{{/* c */}}", "{{- /* d */ -}}", "é\r\n", "{x"])
    )
)
def test_positions_of_text_and_actions(parts: list[str]) -> None:
    source = "".join(parts)
    for node in parse_template(source).body:
        if isinstance(node, TextNode):
            assert source[node.at : node.at + len(node.text)] == node.text
        elif isinstance(node, ActionNode):
            assert source[node.at : node.at + 2] == "{{"
            assert source[node.end - 2 : node.end] == "}}"
            assert node.source in source[node.at : node.end]


def test_branches_loops_and_jumps_nest() -> None:
    source = "{{ range $i, $x := .a }}{{ if eq $i 1 }}{{ break }}{{ else }}{{ continue }}{{ end }}{{ else }}-{{ end }}"
    (loop,) = parse_template(source).body
    assert isinstance(loop, RangeNode)
    assert loop.source == "$i, $x := .a "
    (branch,) = loop.body
    assert isinstance(branch, BranchNode)
    assert [case.source for case in branch.cases] == ["eq $i 1 ", None]
    assert [case.body for case in branch.cases] == [(JumpNode("break"),), (JumpNode("continue"),)]
    assert [source[case.at : case.at + 4] for case in branch.cases] == ["{{ i", "{{ e"]


@pytest.mark.parametrize("source", ["{{if.x}}1{{end}}", "{{if(.x)}}1{{end}}", "{{ if\n.x }}1{{ end }}"])
def test_keyword_without_space(source: str) -> None:
    (branch,) = parse_template(source).body
    assert isinstance(branch, BranchNode)


def test_else_with() -> None:
    (branch,) = parse_template("{{ with .a }}1{{ else with .b }}2{{ else }}3{{ end }}").body
    assert isinstance(branch, BranchNode)
    assert branch.rebinds
    assert [case.source for case in branch.cases] == [".a ", ".b ", None]


def test_definitions_and_blocks() -> None:
    tree = parse_template(
        '{{ define "a" }}A{{ end }}{{ block "b" .x }}B{{ end }}{{ template `c` }}{{ define "d" }} {{/* */}} {{ end }}'
    )
    assert set(tree.defines) == {"a", "b"}
    calls = [(node.name, node.source) for node in tree.body if isinstance(node, TemplateCallNode)]
    assert calls == [("b", ".x "), ("c", "")]


@pytest.mark.parametrize("word", ["iffy", "end1", "rangefinder .x", ".if", "$if", "ended"])
def test_keyword_prefix_is_expression(word: str) -> None:
    (action,) = parse_template(f"{{{{ {word} }}}}").body
    assert isinstance(action, ActionNode)


@pytest.mark.parametrize(
    "source",
    [
        "{{ .x",
        '{{ "a }}',
        "{{ if .x }}",
        "{{ range .x }}",
        "{{ end }}",
        "{{ else }}",
        "{{ define }}{{ end }}",
        "{{" * 10_000,
        "{{ `" * 10_000,
        "{{/*" * 10_000,
        "{{ if 1 }}" * (MAX_NESTING + 2) + "{{ end }}" * (MAX_NESTING + 2),
        "x" * (MAX_LENGTH + 1),
    ],
)
def test_invalid_template_is_rejected_quickly(source: str) -> None:
    with pytest.raises(TemplateError):
        parse_template(source)


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        ('"a\\n\\"b"', 'a\n"b'),
        ("`a\\n`", "a\\n"),
        ('"\\x41\\u00e9\\U0001F600\\101"', "Aé😀A"),
        ('"\\UFFFFFFFF"', "\ufffd"),
    ],
)
def test_go_string_literals(literal: str, text: str) -> None:
    assert unquote(literal) == text
