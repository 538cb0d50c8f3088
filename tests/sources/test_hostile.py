"""Broken, endless or malicious input: reported with file and line, while the scan continues."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.model.subject import Subject
from kubekeep.sources.inputs import read
from kubekeep.sources.tree import Limits

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose last file is valid: it must always be read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zz.yaml").write_text(POD.format("last"))
    return tmp_path


def read_folder(limits: Limits | None = None) -> list[str]:
    """Return the names of objects, and location and message of each UnreadInput, in the working folder."""
    results = [describe(result) for result in (read(["."], limits=limits) if limits else read(["."]))]
    assert results[-1] == "zz.yaml last"
    return results[:-1]


def describe(result: Subject | UnreadInput) -> str:
    if isinstance(result, UnreadInput):
        return f"{result.location} {result.message}"
    assert result.source is not None
    return f"{result.source.path} {result.name}"


def test_error_in_third_document_keeps_the_first_two(folder: Path) -> None:
    (folder / "a.yaml").write_text(
        "---\n".join([POD.format("one"), POD.format("two"), "a: b: c\n", POD.format("four")])
    )
    assert read_folder() == [
        "a.yaml one",
        "a.yaml two",
        "a.yaml:11 not YAML: mapping values are not allowed in this context",
    ]


def test_semantic_error_skips_one_document(folder: Path) -> None:
    (folder / "a.yaml").write_text(
        f"? [a]\n: b\n---\na: .nan\n---\na: !!int x\n---\na:\n- *b\n---\n{POD.format('five')}"
    )
    assert read_folder() == [
        "a.yaml:1 a mapping key must be text, not a list",
        "a.yaml:4 JSON has no number nan",
        "a.yaml:6 the value is not a !!int",
        "a.yaml:9 unknown anchor: quote a text that begins with *",
        "a.yaml five",
    ]


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_duplicate_keys_are_reported_and_last_value_is_used(folder: Path, name: str) -> None:
    (folder / name).write_text(
        '{"apiVersion": "v1", "kind": "Pod",\n"spec": {"a": [1], "b": 2,\n"a": 3},\n"spec": {"a": 1,\n"a": 2}}'
    )
    resource, *problems, _ = read(["."])
    assert isinstance(resource, Resource)
    assert resource.object["spec"] == {"a": 2}
    assert {str(resource.locate(("spec",))), str(resource.locate(("spec", "a")))} == {f"{name}:4", f"{name}:5"}
    assert [describe(problem) for problem in problems] == [
        f"{name}:{line} duplicate key, first on line {first}: the last value is used, as in kubectl"
        for line, first in ((3, 2), (4, 2), (5, 4))
    ]


def test_duplicate_keys_in_other_documents_are_ignored(folder: Path) -> None:
    (folder / "a.yaml").write_text("a: 1\na: 2\n")
    assert read_folder() == []


def test_many_duplicate_keys_give_few_messages(folder: Path) -> None:
    (folder / "a.yaml").write_text(POD.format("a") + "a: 1\n" * 10_000)
    results = read_folder()
    assert results[0] == "a.yaml a"
    assert results[1] == "a.yaml:6 duplicate key, first on line 5: the last value is used, as in kubectl"
    assert results[-1] == "a.yaml:16 9989 more duplicate keys in this document"
    assert len(results) == 12


def build_bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_yaml_bombs_are_limited(folder: Path) -> None:
    (folder / "a.yaml").write_text(f"{build_bomb(12)}\n---\n{POD.format('after')}")
    assert read_folder() == ["a.yaml:6 excessive aliasing: aliases add more than 400000 nodes", "a.yaml after"]


def test_aliases_are_limited_in_all_documents_together(folder: Path) -> None:
    (folder / "a.yaml").write_text(f"{build_bomb(2)}\n---\n{build_bomb(2)}\n")
    assert read_folder(Limits(aliased=100)) == ["a.yaml:5 excessive aliasing: aliases add more than 100 nodes"]


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "a: &a {<<: *a}"])
def test_cyclic_aliases_are_reported(folder: Path, text: str) -> None:
    (folder / "a.yaml").write_text(text)
    assert read_folder() == ["a.yaml:1 an anchor contains itself"]


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "- " * 100_000, "? " * 100_000, "{a: " * 100_000, "[" * 600 + "]" * 600]
)
def test_deep_nesting_is_limited(folder: Path, text: str) -> None:
    (folder / "a.yaml").write_text(text)
    (result,) = read_folder()
    # The parser looks ahead and may reach its own limit first.
    assert result in (
        "a.yaml:1 nested deeper than 500 levels",
        "a.yaml:1 not YAML: while increasing flow level, exceeded maximum nesting depth",
    )


@pytest.mark.parametrize("count", [600, 100_000])
def test_deep_nesting_in_json_is_limited(folder: Path, count: int) -> None:
    (folder / "a.json").write_text("[" * count + "]" * count)
    assert read_folder() == ["a.json:1 nested deeper than 500 levels"]


def test_nested_lists_at_the_depth_limit_are_read(folder: Path) -> None:
    text = POD.format("a").replace("\n  name: a\n", " {name: a}\n").strip().replace("\n", ", ")
    for _ in range(240):
        text = f"apiVersion: v1, kind: List, items: [{{{text}}}]"
    (folder / "a.yaml").write_text(f"{{{text}}}")
    assert read_folder() == ["a.yaml a"]


def test_depth_limit_is_inclusive(folder: Path) -> None:
    (folder / "a.yaml").write_text(POD.format("a") + "spec: " + "[" * 450 + "]" * 450)
    (folder / "b.json").write_text('{"apiVersion": "v1", "kind": "Pod", "spec": ' + "[" * 450 + "]" * 450 + "}")
    assert read_folder() == ["a.yaml a", "b.json "]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: b\nc: \xff\n", "a.yaml:2 not UTF-8 text: invalid start byte"),
        (b"\xef\xbb\xbfa: b\nc: \xff\n", "a.yaml:2 not UTF-8 text: invalid start byte"),
        (b"a: b\n\nc: \x00\n", "a.yaml:3 not YAML: control characters are not allowed"),
        ("é: b\nc: \x07\n".encode(), "a.yaml:2 not YAML: control characters are not allowed"),
        (
            b"a:\n\tb: c\n",
            "a.yaml:2 not YAML: while scanning for the next token, found character that cannot start any token",
        ),
        (b"%YAML 3.0\n---\na: b", "a.yaml:1 not YAML: found incompatible YAML document"),
        ("a: b\n".encode("utf-16") + b"\x00", "a.yaml:2 not UTF-16 text: truncated data"),
        (b"a: {{ .Values.x }}\n", "a.yaml:1 a mapping key must be text, not a mapping"),
    ],
)
def test_invalid_text_is_reported(folder: Path, data: bytes, message: str) -> None:
    (folder / "a.yaml").write_bytes(data)
    assert read_folder() == [message]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_encodings_and_line_ends_are_read(folder: Path, encoding: str, end: str, name: str) -> None:
    text = POD.format("é") if name == "a.yaml" else '{"apiVersion": "v1",\n"kind": "Pod",\n"metadata": {\n"name": "é"}}'
    text = text.replace("\n", end)
    (folder / name).write_bytes(("\ufeff" + text if encoding.endswith("e") else text).encode(encoding))
    resource, _ = read(["."])
    assert isinstance(resource, Resource)
    assert resource.name == "é"
    assert str(resource.locate(("metadata", "name"))) == f"{name}:4"


def test_line_numbers_equal_those_of_editors(folder: Path) -> None:
    (folder / "a.yaml").write_text("apiVersion: v1\nx: 'a\u2028b\u0085c'\nkind: Pod\n", "utf-8")
    resource, _ = read(["."])
    assert isinstance(resource, Resource)
    assert str(resource.locate(("kind",))) == "a.yaml:3"


def test_large_files_are_not_read(folder: Path) -> None:
    with (folder / "a.yaml").open("wb") as file:
        file.truncate(33 * 1024 * 1024)
    assert read_folder() == ["a.yaml larger than 33554432 bytes: not read"]


def test_very_long_line_is_read(folder: Path) -> None:
    (folder / "a.yaml").write_text(POD.format("a") + "x: '" + "x" * 30_000_000 + "'\n")
    (folder / "b.yaml").write_text(POD.format("b") + "x: [" + "x," * 100_000 + "]\n")
    assert read_folder() == ["a.yaml a", "b.yaml b"]


def test_documents_are_limited(folder: Path) -> None:
    (folder / "a.yaml").write_text("---\n" * 20)
    (folder / "b.json").write_text("1\n" * 20)
    message = "more than 10 documents: the rest was not read"
    assert read_folder(Limits(documents=10)) == [f"a.yaml:11 {message}", f"b.json:11 {message}"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"),
        ("a.json", "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, {}]"),
        ("a.yaml", "{a: 1, b: {c: 1, d: 2}, e: [[]]}"),
        ("a.yaml", "- &x [1, 1, 1]\n- *x\n- a\n- b\n-\n"),
    ],
)
def test_values_are_limited(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    assert read_folder(Limits(nodes=13)) == []
    assert read_folder(Limits(nodes=12)) == []
    (result,) = read_folder(Limits(nodes=11))
    assert result.startswith(f"{name}:")
    assert result.endswith(" more than 11 values: the rest was not read")


def test_values_are_limited_in_all_documents_together(folder: Path) -> None:
    (folder / "a.yaml").write_text("---\n".join([POD.format("one"), POD.format("two"), POD.format("three")]))
    (folder / "b.json").write_text('{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}}\n' * 3)
    message = "more than 20 values: the rest was not read"
    assert read_folder(Limits(nodes=20)) == [
        "a.yaml one",
        "a.yaml two",
        f"a.yaml:11 {message}",
        "b.json one",
        "b.json one",
        f"b.json:3 {message}",
    ]


def test_millions_of_values_exceed_the_limit(folder: Path) -> None:
    (folder / "a.yaml").write_text("[" + "1," * 4_000_000 + "1]")
    assert read_folder() == ["a.yaml:1 more than 4000000 values: the rest was not read"]


def test_directives_are_limited(folder: Path) -> None:
    tags = "".join(f"%TAG !a{number}! tag:example.org,2026:\n" for number in range(1_001))
    (folder / "a.yaml").write_text(f"{tags}---\n{POD.format('a')}")
    (folder / "b.yaml").write_text(f"{tags[tags.index(chr(10)) + 1 :]}---\n{POD.format('b')}")
    assert read_folder() == ["a.yaml:1001 more than 1000 %TAG directives: not read", "b.yaml b"]


def test_merge_keys_are_limited(folder: Path) -> None:
    entries = ", ".join(f"k{number}: 1" for number in range(1_000))
    (folder / "a.yaml").write_text("{<<: " * 450 + f"{{{entries}}}" + "}" * 450)
    assert read_folder() == ["a.yaml:1 excessive merging: merge keys (<<) add more than 400000 entries"]


_PIECES = [
    "- ",
    ": ",
    "? ",
    "\n",
    "  ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&a ",
    "*a",
    "<<: ",
    "!!int ",
    "!<%FF> ",
    "|\n",
    ">-\n",
]
_PIECES += [
    "'",
    '"',
    "\\",
    "#",
    "%YAML 1.1\n",
    "---\n",
    "...\n",
    "@",
    "\t",
    "\r",
    "\x00",
    "\u2028",
    "\ufeff",
    "é",
    "a",
    "1e9",
]
_BYTES = st.binary(max_size=60) | st.lists(st.sampled_from(_PIECES), max_size=30).map("".join).map(str.encode)
_MANIFEST = (
    (POD + "  labels: &a {{a: 'b', c: \"d\"}}\nspec:\n  <<: *a\n  x: |\n    é\n  y: [1, 2.5, yes]\n")
    .format("a")
    .encode()
)


@settings(derandomize=True, deadline=None, database=None, max_examples=600)
@given(inserted=_BYTES, start=st.integers(0, len(_MANIFEST)), length=st.integers(0, 40), keeps_end=st.booleans())
def test_any_bytes_give_objects_or_messages(inserted: bytes, start: int, length: int, keeps_end: bool) -> None:  # noqa: FBT001 - generated
    mutated = _MANIFEST[:start] + inserted + (_MANIFEST[start + length :] if keeps_end else b"")
    for data in (inserted, mutated):
        results = list(read(["-"], stdin=io.BytesIO(data), limits=Limits(depth=8, aliased=20, documents=5, nodes=60)))
        for result in results:
            location = result.location if isinstance(result, UnreadInput) else result.locate(())
            assert location is not None
            assert location.region is not None


def test_devices_and_pipes_are_rejected(folder: Path) -> None:
    (folder / "a.yaml").mkdir()
    (folder / "b.yaml").symlink_to("missing")
    (folder / "c.yaml").symlink_to("c.yaml")
    os.mkfifo(folder / "d.yaml")
    (folder / "e.yaml").symlink_to("/dev/zero")
    assert read_folder() == [
        "b.yaml symbolic link: no such file or directory",
        "c.yaml symbolic link: too many levels of symbolic links",
        "e.yaml symbolic link to a path outside the scanned folder: not followed",
        "d.yaml not a regular file",
    ]
    assert [describe(result) for result in read(["d.yaml", "/dev/zero"])] == [
        "d.yaml not a regular file",
        "/dev/zero not a regular file",
    ]


def test_outside_links_are_not_followed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.yaml").write_text(POD.format("secret"))
    (folder / "a").mkdir()
    (folder / "a" / "loop").symlink_to("..")
    (folder / "a" / "out").symlink_to(outside)
    (folder / "a" / "out.yaml").symlink_to(outside / "secret.yaml")
    (folder / "..data").mkdir()
    (folder / "..data" / "mounted.yaml").write_text(POD.format("mounted"))
    (folder / "mounted.yaml").symlink_to("..data/mounted.yaml")
    (folder / "data").symlink_to("..data")
    assert read_folder() == [
        "a/out symbolic link to a path outside the scanned folder: not followed",
        "a/out.yaml symbolic link to a path outside the scanned folder: not followed",
        "data symbolic link to a folder that is not read: not followed",
        "mounted.yaml mounted",
    ]
    assert [describe(result) for result in read(["a/out.yaml"])] == ["a/out.yaml secret"]


def test_only_folders_of_mounted_volumes_are_left_out(folder: Path) -> None:
    mounted = ("..data", "..data_tmp", "..2026_11_28_10_00_00.1234567")
    for name in (*mounted, "..evil", "...", "..data2", "..2026"):
        (folder / name).mkdir()
        (folder / name / "a.yaml").write_text(POD.format("a"))
    assert read_folder() == [f"{name}/a.yaml a" for name in ("...", "..2026", "..data2", "..evil")]


def test_file_names_that_are_not_utf_8(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/a\xff.yaml")).write_text(POD.format("a"))
    (folder / "b\n\x1b[31m.yaml").write_text(POD.format("b"))
    (folder / "é.yaml").write_text(POD.format("c"))
    (folder / "zz.yaml").rename(folder / "\U0001f600zz.yaml")
    assert [describe(result) for result in read(["."])] == [
        "a\\xff.yaml a",
        "b\\n\\x1b[31m.yaml b",
        "é.yaml c",
        "\U0001f600zz.yaml last",
    ]


def test_unlistable_folder_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a").mkdir()
    original_scandir = os.scandir

    def scandir(path: str) -> object:
        if path == "a":
            raise PermissionError(13, "Permission denied", path)
        return original_scandir(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert read_folder() == ["a permission denied"]
