"""Paths, and the regions of paths in source maps."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kubekeep.model.location import Path, Position, format_path, has_path, line_starts, parse_path, value_at
from kubekeep.sources import json_text, yaml_text
from kubekeep.sources.tree import Document, Limits


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ()),
        ("spec.containers[0].image", ("spec", "containers", 0, "image")),
        ('metadata.annotations["a.b/c"]', ("metadata", "annotations", "a.b/c")),
        ('["a\\"\\\\b"][1][2]', ('a"\\b', 1, 2)),
    ],
)
def test_paths_are_parsed_and_formatted(text: str, path: Path) -> None:
    assert parse_path(text) == path
    assert format_path(path) == text


@pytest.mark.parametrize("text", ["a[", "a[x]", "a]", '["a', "."])
def test_invalid_paths_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        parse_path(text)


@given(st.lists(st.one_of(st.text(min_size=1), st.integers(0, 10**6))))
def test_formatted_paths_can_be_parsed(steps: list[str | int]) -> None:
    assert parse_path(format_path(tuple(steps))) == tuple(steps)


def test_values_at_paths() -> None:
    document = {"a": [{"b": None}]}
    assert value_at(document, ("a", 0, "b")) is None
    assert has_path(document, ("a", 0, "b"))
    for path in (("a", "b"), ("a", 1), ("a", 0, "b", "c"), ("c",)):
        assert not has_path(document, path)


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("", [0]),
        ("a", [0]),
        ("a\n", [0, 2]),
        ("a\n\nb", [0, 2, 3]),
        ("a\r\nb\rc\nd", [0, 3, 5, 7]),
        ("\u2028\u0085", [0]),
    ],
)
def test_line_starts(text: str, starts: list[int]) -> None:
    assert list(line_starts(text)) == starts


@given(st.text(alphabet=["\r", "\n", "a", "\u00e9", "\u2028", "\U0001f600", "\ud800"]))
def test_line_starts_count_characters(text: str) -> None:
    ends = re.finditer(r"\r\n?|\n", text)
    assert list(line_starts(text)) == [0, *(match.end() for match in ends)]


YAML = """\
# a comment
apiVersion: v1   # another
spec:
  replicas: 2

  containers:
  - name: a
    image: "é:1"
    args: [x, 'y z',
      {k: v}]
  - {}
  empty: []
  block: |
    text
    more
  nothing:
  ? explicit
  : value
base: &base {one: 1, two: 2}
merged:
  <<: *base
  two: 3
alias: *base
scalar: &s true
same: *s
"""


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("apiVersion", "apiVersion: v1"),
        ("spec", "spec"),
        ("spec.replicas", "replicas: 2"),
        ("spec.containers", "containers"),
        ("spec.containers[0]", "name"),
        ("spec.containers[0].image", 'image: "é:1"'),
        ("spec.containers[0].args[1]", "'y z'"),
        ("spec.containers[0].args[2]", "{k"),
        ("spec.containers[0].args[2].k", "k: v"),
        ("spec.containers[1]", "{}"),
        ("spec.empty", "empty"),
        ("spec.block", "block: |\n    text\n    more\n"),
        ("spec.nothing", "nothing:"),
        ("spec.explicit", "explicit\n  : value"),
        ("spec.absent.deep", "spec"),
        ("spec.containers[7].image", "containers"),
        ("absent", "apiVersion"),
        ("", "apiVersion"),
        ("merged.one", "one: 1"),
        ("merged.two", "two: 3"),
        ("alias", "alias"),
        ("alias.two", "two: 2"),
        ("same", "same: *s"),
    ],
)
def test_regions(path: str, text: str) -> None:
    assert _cut(YAML, yaml_document(YAML), parse_path(path)) == text


def test_regions_of_json() -> None:
    text = '{"a": {"b": [1, {"c": "\\u00e9"}]},\n "d":\n  null, "e": [[2]]}'
    document = json_document(text)
    cuts = {
        path: _cut(text, document, parse_path(path))
        for path in ("", "a", "a.b", "a.b[0]", "a.b[1]", "a.b[1].c", "d", "e[0]")
    }
    assert cuts == {
        "": '{"a"',
        "a": '"a"',
        "a.b": '"b"',
        "a.b[0]": "1",
        "a.b[1]": '{"c"',
        "a.b[1].c": '"c": "\\u00e9"',
        "d": '"d":\n  null',
        "e[0]": "[2",
    }


def test_regions_in_a_long_list() -> None:
    text = "items:\n" + "".join(f"- name: n{n}\n" for n in range(5_000))
    document = yaml_document(text)
    assert [document.source_map.region(document.value, ("items", n, "name")).start.line for n in range(5_000)] == list(
        range(2, 5_002)
    )


def yaml_document(text: str) -> Document:
    (document,) = yaml_text.parse_documents(text, line_starts(text), Limits())
    assert isinstance(document, Document)
    return document


def json_document(text: str) -> Document:
    (document,) = json_text.parse_documents(text, line_starts(text), Limits())
    assert isinstance(document, Document)
    return document


def _cut(text: str, document: Document, path: Path) -> str:
    """Return the text of the region of `path`."""
    region = document.source_map.region(document.value, path)
    starts = line_starts(text)
    first, last = (starts[position.line - 1] + position.column - 1 for position in (region.start, region.end))
    return text[first:last]


_scalars = st.one_of(
    st.integers(-100, 100),
    st.booleans(),
    st.none(),
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"])),
)
_documents = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4),
    max_leaves=20,
)


def paths(value: Any, path: Path = ()) -> list[tuple[Path, Any]]:
    """Return every path of a value with the value at it."""
    children: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    return [(path, value), *(descendant for step, child in children for descendant in paths(child, (*path, step)))]


def _assert_regions_match(text: str, document: Document, read: Any) -> None:
    """Assert that the text of every region has the value at its path."""
    for path, value in paths(document.value)[1:]:
        cut = _cut(text, document, path)
        if isinstance(path[-1], str):
            entry = read(cut)
            assert entry == (path[-1] if isinstance(value, dict | list) else {path[-1]: value}), (path, cut)
        elif not isinstance(value, dict | list):
            assert read(cut) == value, (path, cut)


@settings(derandomize=True, deadline=None, database=None)
@given(
    value=_documents,
    flow=st.sampled_from([True, False, None]),
    style=st.sampled_from([None, '"', "'", "|"]),
    width=st.sampled_from([4, 80]),
)
def test_regions_hold_the_text_of_their_value(value: Any, flow: bool | None, style: str | None, width: int) -> None:  # noqa: FBT001 - PyYAML's argument
    text = "# é\n---\n" + yaml.dump(
        value, default_flow_style=flow, default_style=style, width=width, allow_unicode=True
    )
    documents = list(yaml_text.parse_documents(text, line_starts(text), Limits()))
    if isinstance(documents[0], Document):
        _assert_regions_match(text, documents[0], yaml_value)


@settings(derandomize=True, deadline=None, database=None)
@given(value=_documents, indent=st.sampled_from([None, 0, 2, "\t"]), ascii_only=st.booleans())
def test_regions_of_json_hold_the_text_of_their_value(value: Any, indent: int | str | None, ascii_only: bool) -> None:  # noqa: FBT001 - json's argument
    text = json.dumps({"a": value}, indent=indent, ensure_ascii=ascii_only)
    document = json_document(text)
    assert document.value == {"a": value}
    _assert_regions_match(text, document, lambda cut: json.loads(f"{{{cut}}}" if '":' in cut else cut))


def yaml_value(text: str) -> Any:
    """Return the value of a YAML text, None for an empty one."""
    (document,) = yaml_text.parse_documents(text, line_starts(text), Limits())
    assert document is None or isinstance(document, Document), (text, document)
    return document and document.value


class Pairs(tuple[tuple[str, Any], ...]):
    """A mapping in flow style that may repeat a key."""

    __slots__ = ()


def _flow(value: Any) -> str:
    if isinstance(value, Pairs):
        return "{" + ", ".join(f"{key}: {_flow(child)}" for key, child in value) + "}"
    return "[" + ", ".join(map(_flow, value)) + "]" if isinstance(value, list) else str(value)


_tangles = st.recursive(
    st.sampled_from(["1", "x", "*m", "*p"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(st.tuples(st.sampled_from(["a", "b", "c", "<<"]), inner), min_size=1, max_size=5).map(Pairs)
    ),
    max_leaves=15,
)


@settings(derandomize=True, deadline=None, database=None, max_examples=300)
@given(tangle=_tangles)
def test_regions_of_merged_and_overridden_entries(tangle: Any) -> None:
    text = "m: &m {a: 1, b: {c: 2, c: 3}}\np: &p {<<: *m, b: 4, d: [5]}\nt: " + _flow(tangle)
    (document,) = yaml_text.parse_documents(text, line_starts(text), Limits())
    if isinstance(document, Document):
        assert len(document.source_map) == sum(
            2 if path and isinstance(path[-1], str) else 1 for path, _ in paths(document.value)
        )
        _assert_regions_match(text, document, yaml_value)


@settings(derandomize=True, deadline=None, database=None, max_examples=300)
@given(tangle=_tangles)
def test_values_from_other_lines_have_alias_lines(tangle: Any) -> None:
    text = "m: &m {a: 1, b: {c: 2, d: 3}}\np: &p {<<: *m, b: 4, d: [5]}\nt: " + _flow(tangle)
    (document,) = yaml_text.parse_documents(text, line_starts(text), Limits())
    if isinstance(document, Document):
        for path, _ in paths(document.value):
            line = {"m": 1, "p": 2, "t": 3}[str(path[0])] if path else 1
            is_own_line = document.source_map.region(document.value, path).start.line == line
            assert document.source_map.find_alias_lines(document.value, path) == (() if is_own_line else (line,)), (
                text,
                path,
            )


ALIASES = """\
a: &a
  x: {y: 1}
b:
  c: &c {d: 1}
  <<: *c
  e: 2

  # a remark
f:
- <<: [*a,
    *c]
  g: 1
- *a
h:
  *a
i: &i
  j: *a
k: *i
<<: *c
"""


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("", ()),
        ("a.x.y", ()),
        ("b.c.d", ()),
        ("b.d", (3, 5)),
        ("b.e", ()),
        ("f[0].x", (10, 11)),
        ("f[0].x.y", (10, 11)),
        ("f[0].d", (10, 11)),
        ("f[0].g", ()),
        ("f[1]", ()),
        ("f[1].x.y", (13,)),
        ("h", ()),
        ("h.x", (14, 15)),
        ("i.j.x", (17,)),
        ("k.j.x", (18,)),
        ("d", (7, 8, 19)),
        ("f[1].absent", ()),
        ("f[1].x.absent", (13,)),
    ],
)
def test_alias_lines(path: str, lines: tuple[int, ...]) -> None:
    document = yaml_document(ALIASES)
    assert document.source_map.find_alias_lines(document.value, parse_path(path)) == lines


def test_json_has_no_alias_lines() -> None:
    text = '{"a": {"b": [1, {"c": 2}], "": {}},\n "d": null}'
    document = json_document(text)
    assert {document.source_map.find_alias_lines(document.value, path) for path, _ in paths(document.value)} == {()}


def test_source_map_of_a_part_and_of_shifted_text() -> None:
    text = "a: 1\nb:\n  c: [x, {d: 2}]\n  e: 3\nf: 4\n"
    (document,) = yaml_text.parse_documents(text, line_starts(text), Limits())
    assert isinstance(document, Document)
    part = document.source_map.extract(document.value, ("b",))
    assert part is not None
    value = document.value["b"]
    for path in (("c",), ("c", 0), ("c", 1, "d"), ("e",)):
        assert part.region(value, path) == document.source_map.region(document.value, ("b", *path))
    assert document.source_map.extract(document.value, ("b", "none")) is None
    shifted = part.shift(10)
    assert shifted.region(value, ("e",)).start == Position(14, 3)
    assert shifted.region(value, ("c", 1, "d")).end == Position(13, 15)


def test_fields_below_a_root_have_the_regions_and_existence_of_their_paths() -> None:
    text = "items:\n- spec: {a: [x, {d: 2}], b: null}\n"
    document = yaml_document(text)
    root: Path = ("items", 0)
    item = document.value["items"][0]
    fields: list[Path] = [
        (),
        ("spec", "a", 1, "d"),
        ("spec", "b"),
        ("spec", "a", 7),
        ("spec", "none", "below"),
        ("spec", "a", "key"),
    ]
    located = document.source_map.find_fields(document.value, root, fields)
    regions = [document.source_map.region(document.value, (*root, *path)) for path in fields]
    assert located == [(region, has_path(item, path)) for region, path in zip(regions, fields, strict=True)]
    assert [exists for _, exists in located] == [True, True, True, False, False, False]
    nowhere = document.source_map.find_fields(document.value, ("items", 3), fields)
    assert nowhere == [(document.source_map.region(document.value, ("items",)), False)] * len(fields)


BLOCKS = """\
data:
  literal: |

    a: 1
    # comment
    db:
      password: x
  folded: >-
    first
    second

    third

      more
      lines

    last
  indented: |2+
      a
    b

  flow: "a\\nb\\n"
  lines: "a\\n\\
    b"
  plain: a
    b
  empty: |
  end: |-
    a
     b"""


@pytest.mark.parametrize(
    ("key", "line", "text"),
    [
        ("literal", 2, "a: 1"),
        ("literal", 5, "  password: x"),
        ("folded", 1, "first"),
        ("folded", 2, "third"),
        ("folded", 5, "  lines"),
        ("folded", 7, "last"),
        ("indented", 1, "  a"),
        ("indented", 2, "b"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_of_a_block_scalar_is_located(key: str, line: int, text: str, end: str) -> None:
    content = BLOCKS.replace("\n", end)
    (document,) = yaml_text.parse_documents(content, line_starts(content), Limits())
    assert isinstance(document, Document)
    assert text.strip() in document.value["data"][key].split("\n")[line - 1]
    span = document.source_map.find_line(document.value, ("data", key), line)
    assert span is not None
    assert content[slice(*span)].removesuffix("\r").removeprefix("    ") == text


def test_last_line_without_an_end_is_located() -> None:
    (document,) = yaml_text.parse_documents(BLOCKS, line_starts(BLOCKS), Limits())
    assert isinstance(document, Document)
    assert document.source_map.find_line(document.value, ("data", "end"), 2) == (len(BLOCKS) - 6, len(BLOCKS))


@pytest.mark.parametrize(
    ("key", "line"), [("flow", 2), ("lines", 2), ("plain", 1), ("empty", 1), ("end", 3), ("no", 1)]
)
def test_line_of_another_text_has_no_location(key: str, line: int) -> None:
    (document,) = yaml_text.parse_documents(BLOCKS, line_starts(BLOCKS), Limits())
    assert isinstance(document, Document)
    assert document.source_map.find_line(document.value, ("data", key), line) is None
