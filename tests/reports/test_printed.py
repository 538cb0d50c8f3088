"""Text for print: escaped, bounded, breakable, and unchanged without the marks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekeep.model.text import json_text, visible
from kubekeep.reports.pdf.printed import BREAK, LONGEST, LONGEST_PROSE, code_line, escape_missing, line, paragraphs


@given(st.text(st.characters(exclude_categories=["Cn", "Co"]), max_size=200))
def test_marks_are_invisible(text: str) -> None:
    assert line(text).replace(BREAK, "") == visible(text)


@given(st.text(max_size=500))
def test_parts_between_marks_are_short(text: str) -> None:
    assert all(len(part) <= 17 for word in line(text).split() for part in word.split(BREAK))


def test_paths_break_at_their_joints() -> None:
    assert line("deploy/microservices/web.yaml:12").split(BREAK) == ["deploy/", "microservices/", "web.", "yaml:", "12"]
    assert line("spec.containers[0].privileged").split(BREAK) == ["spec.", "containers[", "0].", "privileged"]
    assert line("DenyServiceExternalIPs").split(BREAK) == ["Deny", "Service", "External", "IPs"]
    assert line("a short-one") == "a short-one"


def test_long_text_is_cut() -> None:
    assert line("x" * 1000).replace(BREAK, "") == "x" * LONGEST + "…"


def test_indentation_stays() -> None:
    assert code_line("  \tname: x  \n").startswith("\xa0" * 4 + "name")


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        (
            "Set `a` to\nfalse.\n\nMore.",
            [[["text", "Set "], ["code", "a"], ["text", " to false."]], [["text", "More."]]],
        ),
        ("an odd ` mark", [[["text", "an odd ` mark"]]]),
        ("\n\n", []),
    ],
)
def test_prose_has_paragraphs_and_code(text: str, runs: list[list[list[str]]]) -> None:
    assert paragraphs(text) == runs


@pytest.mark.parametrize("text", ["x" * 10_000, "x `y` " * 10_000, "`" * 10_000])
def test_long_paragraph_is_cut(text: str) -> None:
    (paragraph,) = paragraphs(text)
    shown = "".join(part for _, part in paragraph).replace(BREAK, "")
    assert len(shown) <= LONGEST_PROSE + 1
    assert shown.endswith("…")


def test_missing_glyphs_become_codes() -> None:
    text = escape_missing(json_text({"a": "x数\U00013000\\"}), {"数", "\U00013000"})
    assert json.loads(text) == {"a": f"x{BREAK}\\u6570{BREAK}\\U00013000\\"}
