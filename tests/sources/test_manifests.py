"""Manifests in files, folders and standard input, and the messages about other content."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.model.subject import Subject
from kubekeep.sources.inputs import read
from kubekeep.sources.manifests.names import JSON, YAML

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {}\n"
NO_LIST = "kubectl treats an object with items as a list, but its items are not a list"
NO_ITEM = "this item of a list is not an object: apiVersion and kind are missing"


def pod(name: str) -> str:
    return POD.format(name)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def describe_results(*paths: str) -> list[str]:
    """Return resources as `path:document name`, and each UnreadInput as `location message`."""
    return [describe(result) for result in read(paths)]


def describe(result: Subject | UnreadInput) -> str:
    if isinstance(result, UnreadInput):
        return f"{result.location} {result.message}"
    assert result.source is not None
    return f"{result.source.path}:{result.source.document} {result.name}"


def read_single(text: str, *, stdin: bool = True) -> Resource:
    (result,) = read(["-"], stdin=io.BytesIO(text.encode()) if stdin else None)
    assert isinstance(result, Resource), result
    return result


def line(resource: Resource, *path: str | int) -> int:
    location = resource.locate(path)
    assert location is not None
    assert location.region is not None
    return location.region.start.line


def test_folders_are_walked_in_order(folder: Path) -> None:
    for name in ("b/z.yaml", "b/a.yml", "a.json", "c.YAML", "b.yaml", "d.txt", ".git/x.yaml", ".hidden.yaml"):
        path = folder / "deploy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = pod(name)
        path.write_text(
            json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}})
            if name.endswith("json")
            else text
        )
    expected = [".hidden.yaml", "a.json", "b/a.yml", "b/z.yaml", "b.yaml", "c.YAML"]
    assert describe_results("deploy") == [f"deploy/{name}:0 {name}" for name in expected]
    assert describe_results("deploy/") == describe_results("deploy") == describe_results("./deploy")
    manifests = read(["deploy"])
    bases = {result.source.base for result in manifests if isinstance(result, Resource) and result.source}
    assert bases == {str(folder / "deploy")}
    assert manifests.files == 6


def test_working_folder_is_not_part_of_paths(folder: Path) -> None:
    (folder / "a.yaml").write_text(pod("a"))
    assert describe_results(".") == ["a.yaml:0 a"]


def test_each_file_is_read_once(folder: Path) -> None:
    (folder / "a.yaml").write_text(pod("a"))
    assert describe_results("a.yaml", ".", "a.yaml") == ["a.yaml:0 a"]


def test_named_file_needs_no_extension(folder: Path) -> None:
    (folder / "rendered.txt").write_text(pod("a"))
    assert describe_results("rendered.txt") == ["rendered.txt:0 a"]


def test_missing_path_is_reported(folder: Path) -> None:
    (folder / "a.yaml").write_text(pod("a"))
    assert describe_results("missing", "a.yaml", "nul\0") == [
        "missing no such file or directory",
        "nul\\x00 embedded null byte",
        "a.yaml:0 a",
    ]


def test_standard_input() -> None:
    resource = read_single(pod("a"))
    assert resource.source is not None
    assert (resource.source.path, resource.source.file_type) == ("<stdin>", YAML)
    resource = read_single('{"apiVersion": "v1", "kind": "Pod"}')
    assert resource.source is not None
    assert resource.source.file_type is JSON
    assert [describe(result) for result in read(["-"])] == ["<stdin> standard input is not available"]


def test_other_documents_are_counted_and_ignored(folder: Path) -> None:
    (folder / "a.yaml").write_text(
        f"# only a comment\n---\n{pod('a')}---\n---\nservices: {{}}\n---\n- 1\n---\n{pod('b')}...\n"
    )
    manifests = read(["a.yaml"])
    assert [describe(result) for result in manifests] == ["a.yaml:0 a", "a.yaml:4 b"]
    assert manifests.files == 1


@pytest.mark.parametrize(
    "text", ["", "\n", "---", "---\n---\n", "# x", "%YAML 1.2\n---\n", "null", "a: 1", "1", "\ufeff"]
)
def test_files_without_objects_are_accepted(folder: Path, text: str) -> None:
    (folder / "a.yaml").write_text(text, "utf-8")
    manifests = read(["a.yaml"])
    assert list(manifests) == []
    assert manifests.files == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nkind: Pod\n", "a.yaml:2 not a complete Kubernetes object: apiVersion is missing"),
        ("apiVersion: v1\n", "a.yaml:1 not a complete Kubernetes object: kind is missing"),
        ("apiVersion: 1\nkind: Pod\n", "a.yaml:1 not a complete Kubernetes object: apiVersion is not text"),
        ("apiVersion: v1\nkind: [Pod]\n", "a.yaml:2 not a complete Kubernetes object: kind is not text"),
        ("apiVersion: v1\nkind: List\nitems: {}\n", f"a.yaml:3 {NO_LIST}"),
        (
            "apiVersion: v1\nkind: List\nitems:\n- a: 1\n",
            f"a.yaml:4 {NO_ITEM}",
        ),
        ("apiVersion: v1\nkind: ConfigMap\nitems: text\n", f"a.yaml:3 {NO_LIST}"),
        ("apiVersion: v1\nkind: ConfigMap\nitems:\n- text\n", f"a.yaml:4 {NO_ITEM}"),
        (
            "apiVersion: v1\nkind: ConfigMap\nitems:\n- kind: Pod\n",
            "a.yaml:4 not a complete Kubernetes object: apiVersion is missing",
        ),
        (
            "\nitems:\n- apiVersion: v1\n  kind: Pod\n",
            "a.yaml:2 these items are not in a Kubernetes object: use kind List",
        ),
        (
            "metadata: {}\nApiVersion: v1\nKind: Pod\n",
            "a.yaml:2 not a Kubernetes object: ApiVersion and Kind must be written apiVersion and kind",
        ),
    ],
)
def test_incomplete_objects_are_reported(folder: Path, text: str, message: str) -> None:
    (folder / "a.yaml").write_text(text)
    assert describe_results("a.yaml") == [message]


@pytest.mark.parametrize(
    "name",
    [
        "values-prod.yaml",
        "values.prod.yml",
        "ci/test-values.yaml",
        "Values_a.json",
        "values/prod.yaml",
        "prod.values.yaml",
    ],
)
def test_values_files_may_have_a_kind(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    for text in ('{"kind": "DaemonSet", "image": "a"}', '{"apiVersion": "v1"}'):
        (folder / name).write_text(text)
        assert describe_results(".") == describe_results(name) == []
    (folder / name).write_text('{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}')
    assert describe_results(".") == [f"{name}:0 a"]


@pytest.mark.parametrize(
    "name", ["myvalues.yaml", "valuesfrom.yaml", "kind.yaml", "values/more/a.yaml", "values.d/a.yaml"]
)
def test_other_files_with_a_kind_are_reported(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("kind: DaemonSet\n")
    assert describe_results(".") == [f"{name}:1 not a complete Kubernetes object: apiVersion is missing"]


def test_object_without_name_is_read() -> None:
    assert read_single("apiVersion: v1\nkind: Pod\n").name == ""


def test_kustomizations_are_not_objects(folder: Path) -> None:
    (folder / "other.yaml").write_text("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n")
    assert describe_results(".") == []


def test_list_items_are_read() -> None:
    text = f"apiVersion: v1\nkind: List\nitems:\n- {pod('a').replace(chr(10), chr(10) + '  ')}\n- apiVersion: v1\n  kind: Pod\n"
    first, second = read(["-"], stdin=io.BytesIO(text.encode()))
    assert isinstance(first, Resource)
    assert isinstance(second, Resource)
    assert (first.kind, first.name, line(first, "metadata", "name")) == ("Pod", "a", 7)
    assert (second.kind, line(second), line(second, "kind"), line(second, "spec")) == ("Pod", 9, 10, 9)
    assert second.source is not None
    assert (second.source.document, second.source.root) == (0, ("items", 1))


def test_items_of_typed_list_have_its_kind() -> None:
    items: list[Any] = [{"metadata": {"name": "a"}}, {"apiVersion": "v1", "kind": "Pod"}]
    text = json.dumps({"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": items}, indent=2)
    first, second = read(["-"], stdin=io.BytesIO(text.encode()))
    assert isinstance(first, Resource)
    assert (first.api_version, first.kind, first.name) == ("v1", "Pod", "a")
    assert line(first, "metadata", "name") == text[: text.index('"name"')].count("\n") + 1
    assert isinstance(second, Resource)
    assert second.kind == "Pod"


def test_nested_and_empty_lists_are_read() -> None:
    inner = "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod, metadata: {name: a}}]}"
    resource = read_single(f"{{apiVersion: v1, kind: List, items: [{inner}]}}")
    assert resource.source is not None
    assert (resource.name, resource.source.root) == ("a", ("items", 0, "items", 0))
    for text in (
        "apiVersion: v1\nkind: List\nitems:\n",
        "apiVersion: v1\nkind: List\n",
        "{apiVersion: v1, kind: PodList, items: []}",
    ):
        assert list(read(["-"], stdin=io.BytesIO(text.encode()))) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {}", "v1 Pod"),
        ("apiVersion: example.org/v1\nkind: AccessList\nmetadata: {name: a}", "v1 Pod"),
        ("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization", "v1 Pod"),
        ("apiVersion: apps/v1\nkind: Deployment", "apps/v1 Deployment"),
        ("apiVersion: example.org/v1\nkind: AccessList", "example.org/v1 Access"),
    ],
)
def test_object_of_any_kind_with_items_is_a_list(text: str, expected: str) -> None:
    type_text = "" if expected != "v1 Pod" else "apiVersion: v1, kind: Pod, "
    resource = read_single(f"{text}\nitems:\n- {{{type_text}metadata: {{name: b}}}}\n")
    assert (f"{resource.api_version} {resource.kind}", resource.name) == (expected, "b")
    assert list(read(["-"], stdin=io.BytesIO(f"{text}\nitems:\n".encode()))) == []


def test_json_that_is_invalid_yaml_is_read(folder: Path) -> None:
    long_key = "k" * 2000
    text = f'{{\n\t"apiVersion": "v1",\n\t"kind": "Pod",\n\t"a": "\\ud83d\\ude00 \\/ \\ud83d",\n\t"{long_key}": [1.0, 1e400]}}'
    (folder / "a.json").write_text(text.replace("1e400", "12345678901234567890"))
    (resource,) = read(["a.json"])
    assert isinstance(resource, Resource)
    assert resource.object["a"] == "\U0001f600 / \ufffd"
    assert resource.object[long_key] == [1.0, 12345678901234567890.0]
    assert line(resource, long_key, 1) == 5
    (folder / "a.json").write_text(text)
    assert describe_results("a.json") == ["a.json:5 number out of range"]


def test_concatenated_json_documents_are_read(folder: Path) -> None:
    one = '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "%s"}}\n'
    (folder / "a.json").write_text(one % "a" + one % "b" + "{")
    assert describe_results("a.json") == [
        "a.json:0 a",
        "a.json:1 b",
        "a.json:3 not JSON: Expecting property name enclosed in double quotes",
    ]


def test_yaml_that_resembles_json_is_read(folder: Path) -> None:
    (folder / "a.yaml").write_text("{apiVersion: v1, kind: Pod, metadata: {name: a}}\n---\n" + pod("b"))
    assert describe_results("a.yaml") == ["a.yaml:0 a", "a.yaml:1 b"]
