"""Edits of hand-written texts: the lines that change are listed, all others stay byte for byte."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.fixes.edits.change import ABSENT, Change
from kubekeep.fixes.edits.parsed_text import ParsedText
from kubekeep.fixes.edits.text import EditResult, edit
from kubekeep.model.location import parse_path


def apply_changes(text: str, *changes: tuple[Any, ...], is_json: bool = False, document: int = 0) -> EditResult:
    """Return the result of changes, each a path with an optional value."""
    parsed_changes = [Change(document, parse_path(path), *value) for path, *value in changes]
    return edit(ParsedText(text, is_json=is_json), parsed_changes)


def edit_text(text: str, *changes: tuple[Any, ...], is_json: bool = False, document: int = 0) -> str:
    """Return the text after changes that are all possible."""
    result = apply_changes(text, *changes, is_json=is_json, document=document)
    assert result.refused == {}
    return result.text


POD = """\
# About the pod.
kind: Pod
spec:
  hostPID: true   # for the debugger
  containers:
    - name: a # the first
      securityContext:
        privileged: true
      ports:
      - hostPort: 80
        containerPort: 8080

    # The second.
    - name: b
      securityContext: {}  # none yet
    - image: c
      securityContext:
# The end.
"""


def test_boolean_changes_one_line() -> None:
    path = "spec.containers[0].securityContext.privileged"
    assert edit_text(POD, (path, False)) == POD.replace("privileged: true", "privileged: false")


def test_missing_keys_of_a_mapping_are_one_sorted_block() -> None:
    base = "spec.containers[0].securityContext"
    changes = [
        (f"{base}.runAsNonRoot", True),
        (f"{base}.capabilities.drop", ["ALL"]),
        (f"{base}.seccompProfile.type", "x"),
    ]
    block = """\
        privileged: true
        capabilities:
          drop:
            - ALL
        runAsNonRoot: true
        seccompProfile:
          type: x
"""
    assert edit_text(POD, *changes) == POD.replace("        privileged: true\n", block)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ":\n  b: true\n"),
        (" null", ":\n  b: true\n"),
        (" ~ # why", ": # why\n  b: true\n"),
        (" {}", ":\n  b: true\n"),
        (" {} # why", ": # why\n  b: true\n"),
        (" {c: 1}", ": {c: 1, b: true}\n"),
        (" { c: 1 }", ": { c: 1, b: true }\n"),
        (" {c: 1,}", ": {c: 1, b: true,}\n"),
        (" {\n  c: 1,\n  d: 2\n  }", ": {\n  c: 1,\n  d: 2,\n  b: true\n  }\n"),
        ("\n    c: 1", ":\n    c: 1\n    b: true\n"),
        ("\n    c: |\n      text\n\n    # comment", ":\n    c: |\n      text\n    b: true\n\n    # comment\n"),
        ("\n    c: |+\n      text\n", ":\n    c: |+\n      text\n\n    b: true\n"),
        (" &x\n    c: 1", ": &x\n    c: 1\n    b: true\n"),
        (" !!map\n    c: 1", ": !!map\n    c: 1\n    b: true\n"),
    ],
)
def test_added_key_keeps_the_style(value: str, expected: str) -> None:
    text = f"a{value}\n" if value.startswith(":") else f"a:{value}\n"
    assert edit_text(text, ("a.b", True)) == f"a{expected}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a: true # c", False, "a: false # c"),
        ('a: "x"', "y", 'a: "y"'),
        ("a: 'x'", "it's", "a: 'it''s'"),
        ("a: x", "yes", 'a: "yes"'),
        ("a: x", "0644", 'a: "0644"'),
        ("a: x", "1e3", 'a: "1e3"'),
        ("a: x", "12:30:45", 'a: "12:30:45"'),
        ("a: x", "~", 'a: "~"'),
        ("a: x", "", 'a: ""'),
        ("a: x", "registry.k8s.io/pause:3.9", "a: registry.k8s.io/pause:3.9"),
        ("a: x", "--insecure-port=0", "a: --insecure-port=0"),
        ("a: x", "a: b", 'a: "a: b"'),
        ("a: x", "tab\there", 'a: "tab\\there"'),
        ("a: !!str yes", True, "a: true"),
        ("a: &b yes", False, "a: &b false"),
        ("a: 0644", 420, "a: 0644"),
        ("a: |\n  text\n  more", "x", "a: x"),
        ("a: >-\n  text\nb: 1", "x", "a: x\nb: 1"),
        ("a: x\n  y", 1, "a: 1"),
        ("a:\n  b: 1\n  c: 2\nd: 1", True, "a: true\nd: 1"),
        ("? a\n: x", 1, None),
    ],
)
def test_replaced_scalar_keeps_the_style(old: str, new: Any, expected: str | None) -> None:
    if expected == old:
        assert ParsedText(old).values == [{"a": new}], "nothing to do"
        return
    result = apply_changes(old + "\n", ("a", new))
    assert result.text == (expected or old) + "\n"
    assert bool(result.refused) == (expected is None)


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("a: 1\nb: 2 # own\nc: 3\n", "b", "a: 1\nc: 3\n"),
        ("a: 1\n# own\n# own too\nb: 2\n# next\nc: 3\n", "b", "a: 1\n# next\nc: 3\n"),
        ("a: 1\n\n# apart\n\nb: 2\n", "b", "a: 1\n\n# apart\n\n"),
        ("# about all\na: 1\nb: 2\n", "a", "# about all\nb: 2\n"),
        ("a: 1\nb: 2", "b", "a: 1"),
        ("a:\n  b: 1\nc: 1\n", "a.b", "a: {}\nc: 1\n"),
        ("a: # why\n  b: 1\n", "a.b", "a: {} # why\n"),
        ("a:\n- b\n- c\n", "a[0]", "a:\n- c\n"),
        ("a:\n- b\n", "a[0]", "a: []\n"),
        ("a:\n  - b: 1\n    c: 2\n", "a[0].b", "a:\n  - c: 2\n"),
        ("a:\n  - b: 1\n    # about c\n    c: 2\n", "a[0].b", "a:\n    # about c\n  - c: 2\n"),
        ("a:\n  - b: 1\n", "a[0].b", "a:\n  - {}\n"),
        ("a: {b: 1, c: 2}\n", "a.b", "a: {c: 2}\n"),
        ("a: {b: 1, c: 2}\n", "a.c", "a: {b: 1}\n"),
        ("a: [b]\n", "a[0]", "a: []\n"),
        ("a: [b, c, d]\n", "a[1]", "a: [b, d]\n"),
        ("a: 1\na: 2\nb: 3\n", "a", "b: 3\n"),
        ("a: |\n  text\n\nb: 1\n", "a", "\nb: 1\n"),
        ("a:\n  b:\n    - c: 1\n      d:\n        - e\n  f: 1\n", "a.b", "a:\n  f: 1\n"),
    ],
)
def test_removed_key_or_item_includes_line_and_comment(text: str, path: str, expected: str) -> None:
    assert edit_text(text, (path,)) == expected


def test_windows_line_breaks_stay() -> None:
    text = POD.replace("\n", "\r\n")
    changes = [
        ("spec.containers[1].securityContext.a", 1),
        ("spec.containers[2].securityContext.a", 1),
        ("spec.hostPID",),
    ]
    assert edit_text(text, *changes) == edit_text(POD, *changes).replace("\n", "\r\n")


@pytest.mark.parametrize("text", ["a: 1", "a:\n  b: 1", "a: {b: 1}"])
def test_missing_final_line_break_stays(text: str) -> None:
    assert not edit_text(text, ("z", 1)).endswith("\n")


def test_addressed_document_is_changed() -> None:
    text = "# empty\n---\na: 1\n--- # second\na: 1\n...\n---\n- a: 1\n"
    assert edit_text(text, ("a", 2), document=1) == text.replace("second\na: 1", "second\na: 2")
    assert edit_text(text, ("[0].a", 2), document=2) == text.replace("- a: 1", "- a: 2")


def test_unreadable_document_does_not_affect_others() -> None:
    text = "a: 1\n---\na: .nan\n---\na: 1\n"
    assert edit_text(text, ("a", 2), document=2) == "a: 1\n---\na: .nan\n---\na: 2\n"
    assert apply_changes(text, ("a", 2), document=1).refused == {0: "its document cannot be read"}


def test_json_stays_json() -> None:
    small = '{"a":{"b":true},"c":[]}\n'
    assert edit_text(small, ("a.b", False), ("a.d", {"e": "yes"}), ("c[0]", "x"), is_json=True) == (
        '{"a":{"b":false,"d":{"e":"yes"}},"c":["x"]}\n'
    )
    pretty = '{\n\t"a": {\n\t\t"b": "\\ud83d\\ude00"\n\t},\n\t"c": []\n}\n'
    assert edit_text(pretty, ("a.d.e", ["x"]), ("c[0]", 1), is_json=True) == (
        '{\n\t"a": {\n\t\t"b": "\\ud83d\\ude00",\n\t\t"d": {\n\t\t\t"e": [\n\t\t\t\t"x"\n\t\t\t]\n\t\t}\n\t},\n'
        '\t"c": [\n\t\t1\n\t]\n}\n'
    )
    assert edit_text(pretty, ("a",), is_json=True) == '{\n\t"c": []\n}\n'
    assert edit_text('{"a": 1} {"a": 1}', ("a", 2), is_json=True, document=1) == '{"a": 1} {"a": 2}'


SHARED = "a: &x\n  b: 1\nc: *x\nd:\n  <<: *x\n  e: 1\n"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # All users of the anchor change in the same way: it is edited in place.
        ([("a.z", 1), ("c.z", 1), ("d.z", 1)], "a: &x\n  b: 1\n  z: 1\nc: *x\nd:\n  <<: *x\n  e: 1\n"),
        ([("a.b", 2), ("c.b", 2), ("d.b", 2)], "a: &x\n  b: 2\nc: *x\nd:\n  <<: *x\n  e: 1\n"),
        # Only some users change: they get their own values.
        ([("c.z", 1)], "a: &x\n  b: 1\nc:\n  <<: *x\n  z: 1\nd:\n  <<: *x\n  e: 1\n"),
        ([("d.b", 2)], "a: &x\n  b: 1\nc: *x\nd:\n  <<: *x\n  e: 1\n  b: 2\n"),
        ([("c", 1)], "a: &x\n  b: 1\nc: 1\nd:\n  <<: *x\n  e: 1\n"),
        # YAML has no syntax for it.
        ([("a.z", 1)], None),
        ([("a.z", 1), ("c.z", 2), ("d.z", 1)], None),
        ([("d.b",)], None),
        ([("c.b",)], None),
        ([("a",)], None),
    ],
)
def test_shared_collections(changes: list[tuple[Any, ...]], expected: str | None) -> None:
    result = apply_changes(SHARED, *changes)
    if expected is None:
        assert result.refused
        assert "z" not in str(ParsedText(result.text).values[0]["a"])
    else:
        assert (result.text, result.refused) == (expected, {})


def test_shared_scalar() -> None:
    text = "a: &x true\nb: *x\n"
    assert edit_text(text, ("a", False), ("b", False)) == "a: &x false\nb: *x\n"
    assert edit_text(text, ("b", False)) == "a: &x true\nb: false\n"
    assert apply_changes(text, ("a", False)).refused == {
        0: "an anchor shares the value with other fields, which must not change"
    }


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ([("a", 1), ("a", 2)], {1: "another change sets a different value"}),
        ([("a", 1), ("a", 1)], {}),
        ([("a.b", 1), ("a", 2)], {1: "another change replaces its parent or a value below it"}),
        ([("a", 2), ("a.b", 1)], {1: "another change replaces its parent or a value below it"}),
        ([("b.c.d", 1)], {0: "its parent is not a mapping"}),
        ([("l.c", 1)], {0: "it is below a list"}),
        ([("z.c",)], {0: "there is nothing to remove"}),
    ],
)
def test_impossible_changes_are_refused_and_others_made(
    changes: list[tuple[Any, ...]], refused: dict[int, str]
) -> None:
    result = apply_changes("a: null\nb: text\nl: [1]\n", *changes, ("z2", 1))
    assert result.refused == refused
    assert result.text.endswith("z2: 1\n")


def test_many_changes_of_one_file() -> None:
    count = 3_000
    text = "".join(f"---\nspec:\n  a: true # {n}\n  l:\n  - x\n" for n in range(count))
    changes = [
        Change(n, *rest)
        for n in range(count)
        for rest in ((("spec", "a"), False), (("spec", "l", 1), "w"), (("spec", "l", 0),))
    ]
    result = edit(ParsedText(text), changes)
    assert result.refused == {}
    assert result.text == "".join(f"---\nspec:\n  a: false # {n}\n  l:\n  - w\n" for n in range(count))


def test_absent_is_no_value() -> None:
    assert Change(0, ("a",)).removes
    assert not Change(0, ("a",), None).removes
    assert Change(0, ("a",)).value is ABSENT


def test_lines_are_added_after_removed_ones() -> None:
    text = "a:\n  b:\n    - x\n    - y\n"
    assert edit_text(text, ("a.b[1]",), ("a.c", 1)) == "a:\n  b:\n    - x\n  c: 1\n"
    assert edit_text(text, ("a.b[1]",), ("a.b[2]", "z"), ("c", 1)) == "a:\n  b:\n    - x\n    - z\nc: 1\n"
