"""Templates as trees: delimiters, trims, comments and quotes as Go reads them, and everything has its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekeep.sources.helm.trace.template import (
    DEPTH,
    MAXIMUM,
    Action,
    Branch,
    Call,
    Jump,
    Range,
    TemplateError,
    Text,
    inside,
    read,
    unquoted,
)


def texts(source: str) -> list[str]:
    return [node.text for node in inside(read(source).body) if isinstance(node, Text)]


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
def test_literal_text_is_what_trims_leave(source: str, expected: list[str]) -> None:
    assert texts(source) == expected


@given(
    st.lists(
        st.sampled_from(["a\n", "  b: ", "{{- .x }}", "{{ .y -}}", "{{/* c */}}", "{{- /* d */ -}}", "é\r\n", "{x"])
    )
)
def test_every_text_and_action_stands_where_it_says(parts: list[str]) -> None:
    source = "".join(parts)
    for node in read(source).body:
        if isinstance(node, Text):
            assert source[node.at : node.at + len(node.text)] == node.text
        elif isinstance(node, Action):
            assert source[node.at : node.at + 2] == "{{"
            assert source[node.end - 2 : node.end] == "}}"
            assert node.source in source[node.at : node.end]


def test_branches_loops_and_jumps_nest() -> None:
    source = "{{ range $i, $x := .a }}{{ if eq $i 1 }}{{ break }}{{ else }}{{ continue }}{{ end }}{{ else }}-{{ end }}"
    (loop,) = read(source).body
    assert isinstance(loop, Range)
    assert loop.source == "$i, $x := .a "
    (branch,) = loop.body
    assert isinstance(branch, Branch)
    assert [case.source for case in branch.cases] == ["eq $i 1 ", None]
    assert [case.body for case in branch.cases] == [(Jump("break"),), (Jump("continue"),)]
    assert [source[case.at : case.at + 4] for case in branch.cases] == ["{{ i", "{{ e"]


@pytest.mark.parametrize("source", ["{{if.x}}1{{end}}", "{{if(.x)}}1{{end}}", "{{ if\n.x }}1{{ end }}"])
def test_a_keyword_needs_no_space_behind(source: str) -> None:
    (branch,) = read(source).body
    assert isinstance(branch, Branch)


def test_with_has_else_with() -> None:
    (branch,) = read("{{ with .a }}1{{ else with .b }}2{{ else }}3{{ end }}").body
    assert isinstance(branch, Branch)
    assert branch.rebinds
    assert [case.source for case in branch.cases] == [".a ", ".b ", None]


def test_definitions_are_apart_and_a_block_is_both() -> None:
    tree = read(
        '{{ define "a" }}A{{ end }}{{ block "b" .x }}B{{ end }}{{ template `c` }}{{ define "d" }} {{/* */}} {{ end }}'
    )
    assert set(tree.defines) == {"a", "b"}
    calls = [(node.name, node.source) for node in tree.body if isinstance(node, Call)]
    assert calls == [("b", ".x "), ("c", "")]


@pytest.mark.parametrize("word", ["iffy", "end1", "rangefinder .x", ".if", "$if", "ended"])
def test_words_that_only_begin_like_keywords_are_expressions(word: str) -> None:
    (action,) = read(f"{{{{ {word} }}}}").body
    assert isinstance(action, Action)


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
        "{{ if 1 }}" * (DEPTH + 2) + "{{ end }}" * (DEPTH + 2),
        "x" * (MAXIMUM + 1),
    ],
)
def test_what_is_no_template_is_refused_at_once(source: str) -> None:
    with pytest.raises(TemplateError):
        read(source)


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        ('"a\\n\\"b"', 'a\n"b'),
        ("`a\\n`", "a\\n"),
        ('"\\x41\\u00e9\\U0001F600\\101"', "Aé😀A"),
        ('"\\UFFFFFFFF"', "\ufffd"),
    ],
)
def test_string_literals_are_gos(literal: str, text: str) -> None:
    assert unquoted(literal) == text
