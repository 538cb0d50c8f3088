"""Objects inside other objects, in compressed files, and in files of OpenTofu."""

from __future__ import annotations

import gzip
import textwrap
from pathlib import Path

import pytest

from kubekeep.model.assessment import UnassessedInput, UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.sources.inputs import read
from kubekeep.sources.tree import Limits

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: inner}\nspec:\n  containers:\n  - name: a\n    image: a:1\n"


def wrap(group: str, kind: str, head: str, text: str = POD) -> str:
    """Return a custom object with a manifest below the keys of `head`."""
    indent = " " * (len(head.splitlines()[-1]) - len(head.splitlines()[-1].lstrip()) + 2)
    dash = textwrap.indent(text, indent)
    if head.endswith("-"):
        head, dash = head[:-1].rstrip(" "), f"{indent[:-2]}- {dash.lstrip()}"
    return f"apiVersion: {group}\nkind: {kind}\nmetadata: {{name: outer}}\n{head.rstrip()}\n{dash}"


WRAPPED = {
    "work of another cluster": wrap(
        "work.open-cluster-management.io/v1", "ManifestWork", "spec:\n  workload:\n    manifests:\n    -"
    ),
    "Karmada": wrap("work.karmada.io/v1alpha1", "Work", "spec:\n  workload:\n    manifests:\n    -"),
    "Crossplane": wrap("kubernetes.crossplane.io/v1alpha2", "Object", "spec:\n  forProvider:\n    manifest:"),
    "Hive": wrap("hive.openshift.io/v1", "SelectorSyncSet", "spec:\n  resources:\n  -"),
    "kro": wrap("kro.run/v1alpha1", "ResourceGraphDefinition", "spec:\n  resources:\n  - id: a\n    template:"),
    "OpenShift": wrap("template.openshift.io/v1", "Template", "objects:\n-"),
    "old OpenShift": wrap("v1", "Template", "objects:\n-"),
}


def read_text(folder: Path, text: str | bytes, name: str = "a.yaml") -> list[Resource | UnreadInput]:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return [entry for entry in read([str(folder)]) if isinstance(entry, Resource | UnreadInput)]


@pytest.mark.parametrize("name", WRAPPED)
def test_objects_in_objects_are_read_with_their_lines(name: str, tmp_path: Path) -> None:
    text = WRAPPED[name]
    outer, inner = read_text(tmp_path, text)
    assert isinstance(outer, Resource)
    assert isinstance(inner, Resource)
    assert (outer.name, inner.kind, inner.name) == ("outer", "Pod", "inner")
    location = inner.locate(("spec", "containers", 0, "image"))
    assert location is not None
    assert location.region is not None
    assert "image: a:1" in text.splitlines()[location.region.start.line - 1]


NOT_EMBEDDED = {
    "policy": wrap("kyverno.io/v1", "Policy", "spec:\n  rules:\n  - generate:"),
    "reference": "apiVersion: a.test/v1\nkind: A\nmetadata: {name: outer}\nspec: {ref: {apiVersion: v1, kind: Pod, name: b}}\n",
    "status": wrap("a.test/v1", "A", "status:\n  object:"),
    "built-in kind": wrap("apps/v1", "Deployment", "spec:\n  other:"),
}


@pytest.mark.parametrize("name", NOT_EMBEDDED)
def test_patterns_and_references_are_no_objects(name: str, tmp_path: Path) -> None:
    assert [entry.name for entry in read_text(tmp_path, NOT_EMBEDDED[name]) if isinstance(entry, Resource)] == ["outer"]


TEMPLATE = """\
apiVersion: template.openshift.io/v1
kind: Template
metadata: {name: outer}
labels: {app: '${NAME}'}
parameters:
- {name: NAME, value: shop}
- {name: ROOT, value: 'true'}
- {name: KEY, generate: expression, from: '[a-z]{8}'}
- {name: TAG, required: true}
- {name: EMPTY}
objects:
- apiVersion: v1
  kind: Pod
  metadata: {name: '${NAME}-pod'}
  spec:
    containers:
    - name: a
      image: 'a:${TAG}'
      env: [{name: KEY, value: '${KEY}'}, {name: E, value: 'x${EMPTY}'}]
      securityContext: {privileged: '${{ROOT}}'}
"""


def test_parameters_of_a_template_have_their_default_values(tmp_path: Path) -> None:
    _, pod = read_text(tmp_path, TEMPLATE)
    assert isinstance(pod, Resource)
    container = pod.object["spec"]["containers"][0]
    assert (pod.name, pod.object["metadata"]["labels"]) == ("shop-pod", {"app": "shop"})
    assert container["securityContext"] == {"privileged": True}
    assert container["env"] == [{"name": "KEY"}, {"name": "E", "value": "x"}]
    at = ("spec", "containers", 0)
    assert sorted(pod.unknown, key=str) == sorted([(*at, "image"), (*at, "env", 0, "value")], key=str)
    location = pod.locate((*at, "securityContext", "privileged"))
    assert location is not None
    assert location.region is not None
    assert location.region.start.line == 20


def test_pods_in_objects_are_evaluated_once(tmp_path: Path) -> None:
    from kubekeep.model.workload import list_pod_paths  # noqa: PLC0415

    template = "metadata: {}\nspec: {containers: [{name: a, image: 'a:1'}]}\n"
    deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: inner}\nspec:\n  template:\n"
    text = wrap("a.test/v1", "A", "spec:\n  templates:\n  -", deployment + textwrap.indent(template, "    "))
    outer, inner = read_text(tmp_path, text)
    assert isinstance(outer, Resource)
    assert isinstance(inner, Resource)
    assert (list_pod_paths(outer), list_pod_paths(inner)) == ((), (("spec", "template"),))


@pytest.mark.parametrize("name", ["a.yaml.gz", "a.yml.gz", "a.JSON.GZ"])
def test_compressed_files_are_read(name: str, tmp_path: Path) -> None:
    text = POD if "y" in name else '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "inner"}}'
    (pod,) = read_text(tmp_path, gzip.compress(text.encode()), name)
    assert isinstance(pod, Resource)
    assert pod.name == "inner"
    assert str(pod.locate(("metadata", "name"))) == f"{tmp_path / name}:{3 if 'y' in name else 1}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"plain", "not a complete file of gzip"),
        (gzip.compress(POD.encode())[:-9], "not a complete file of gzip"),
        (gzip.compress(POD.encode())[:20] + b"\xff" * 30, "not a complete file of gzip"),
        (gzip.compress(b"#" * (1 << 20)), "larger than 1000 bytes"),
    ],
    ids=["plain", "truncated", "damaged", "bomb"],
)
def test_damaged_compressed_files_are_reported(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml.gz").write_bytes(content)
    (unread,) = read([str(tmp_path)], limits=Limits(bytes=1000))
    assert isinstance(unread, UnreadInput)
    assert message in unread.message


def test_files_of_opentofu_are_read_and_replace_those_of_terraform(tmp_path: Path) -> None:
    pattern = 'resource "kubernetes_namespace" "a" {{\n  metadata {{\n    name = "{}"\n  }}\n}}\n'
    for name in ("main.tf", "main.tofu", "more.tofu", "rest.tf"):
        (tmp_path / name).write_text(pattern.format(name).replace('"a"', f'"{name[:2]}"'))
    names = [entry.name for entry in read([str(tmp_path)]) if isinstance(entry, Resource)]
    assert names == ["main.tofu", "more.tofu", "rest.tf"]


@pytest.mark.parametrize("name", ["modules/a/pod.yaml", "modules/a/main.tf"])
def test_downloads_of_terraform_are_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (".terraform", "infra/.terragrunt-cache"):
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True)
        path.write_text(POD if name.endswith("yaml") else "")
    (tmp_path / "other/.terraform/providers").mkdir(parents=True)
    (tmp_path / "other/.terraform/providers/lock.json").write_text("{}")
    parts = list(read(["."]))
    assert all(isinstance(part, UnassessedInput) for part in parts)
    assert sorted(str(part.location) for part in parts if isinstance(part, UnassessedInput)) == [
        ".terraform",
        "infra/.terragrunt-cache",
    ]
    assert not [part for part in read([".terraform"]) if isinstance(part, UnassessedInput)]
