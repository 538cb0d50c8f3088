"""Insertion of suppression comments: each covers its line and changes no value."""

from __future__ import annotations

import datetime as dt

import pytest

from kubekeep.exceptions.inline.comments import find_comments
from kubekeep.exceptions.inline.insert import format_comment, insert_comment
from kubekeep.model.source import CommentSyntax

COMMENT = format_comment(["C-0057", "C-0016"], dt.date(2999, 12, 31), "loads a\nmodule")


def insert(text: str, line: int, syntax: CommentSyntax = CommentSyntax.YAML) -> str:
    insertion = insert_comment(text, line, COMMENT, syntax)
    assert insertion is not None
    return text[: insertion.at] + insertion.text + text[insertion.at :]


def test_comment_is_one_line() -> None:
    assert COMMENT == "# kubekeep:ignore C-0057, C-0016 until=2999-12-31 reason=loads a module"


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("a: 1\nb: 2\n", 2, f"a: 1\nb: 2 {COMMENT}\n"),
        ("a: 1\nb: 2", 2, f"a: 1\nb: 2 {COMMENT}"),
        ("a: 1\r\nb: 2\r\n", 1, f"a: 1 {COMMENT}\r\nb: 2\r\n"),
        ("a:\n  b: 2 # why\n", 2, f"a:\n  {COMMENT}\n  b: 2 # why\n"),
        ("a:\r\n  b: 2 # why\r\n", 2, f"a:\r\n  {COMMENT}\r\n  b: 2 # why\r\n"),
        ("a: |\n  text\nb: 1\n", 1, f"a: | {COMMENT}\n  text\nb: 1\n"),
        ('a: "one\n  two"\nb: 1\n', 1, f'{COMMENT}\na: "one\n  two"\nb: 1\n'),
        ("a:\n  - b: '#1'\n", 2, f"a:\n  {COMMENT}\n  - b: '#1'\n"),
    ],
)
def test_position(text: str, line: int, expected: str) -> None:
    changed = insert(text, line)
    assert changed == expected
    assert find_comments(changed, CommentSyntax.YAML, ())[0].names == ("C-0057", "C-0016")


def test_template() -> None:
    text = "spec:\n  hostPID: {{ .Values.pid }}\n"
    assert insert(text, 2, CommentSyntax.TEMPLATE) == text.replace(" }}\n", f" }}}} {COMMENT}\n")


@pytest.mark.parametrize(("text", "line"), [("a: |\n  one\n  two\n", 2), ("a: 1\n", 9), ("a: 1\n", 0)])
def test_no_position_is_certain(text: str, line: int) -> None:
    assert insert_comment(text, line, COMMENT, CommentSyntax.YAML) is None
