"""Objects of kustomizations: exactly those of kustomize, and the files that are not read again."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import pytest

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.model.source import RenderOrigin
from kubekeep.sources.inputs import read
from kubekeep.sources.kustomize.build import Kustomizations
from kubekeep.sources.kustomize.names import KUSTOMIZE
from tests.sources.kustomize.builds import build, build_with_kustomize, list_folders, resources, write_tree
from tests.sources.kustomize.features import BUILT, CHART, TREES

COMPONENT = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: one}\nspec: {}\n"


@pytest.mark.parametrize("name", TREES)
def test_objects_match_kustomize(name: str, tmp_path: Path) -> None:
    root = write_tree(tmp_path, TREES[name])
    results = build(root, BUILT)
    assert [result.object for result in results if isinstance(result, Resource)] == build_with_kustomize(root / BUILT)
    assert len(results) == len(build_with_kustomize(root / BUILT))


@pytest.mark.skipif(shutil.which("helm") is None, reason="no helm on the PATH")
def test_charts_are_inflated_if_allowed(tmp_path: Path) -> None:
    root = write_tree(tmp_path, CHART)
    paths_before = sorted(root.rglob("*"))
    results = build(root, BUILT, Kustomizations(allow_helm=True))
    assert [result.object for result in results if isinstance(result, Resource)] == build_with_kustomize(
        root / BUILT, allow_helm=True
    )
    assert sorted(root.rglob("*")) == paths_before


def test_objects_have_kustomization_and_document_number(tmp_path: Path) -> None:
    root = write_tree(tmp_path, TREES["overlays"])
    sources = [result.source for result in build(root, "prod") if isinstance(result, Resource)]
    assert [(source.path, source.base, source.document) for source in sources if source] == [
        ("prod", str(root), 0),
        ("prod", str(root), 1),
        ("prod", str(root), 2),
    ]
    assert {source.file_type for source in sources if source} == {KUSTOMIZE}
    assert {source.origin for source in sources if source} == {RenderOrigin("prod")}


def test_kustomizations_are_built_in_order(tmp_path: Path) -> None:
    root = write_tree(tmp_path, TREES["overlays"])
    results = list(Kustomizations().read(list_folders(root)))
    paths = [result.source.path for result in results if isinstance(result, Resource) and result.source]
    assert paths == ["base"] * 2 + ["prod"] * 3 + ["staging"] * 2


def test_note_names_the_bases_that_are_built_alone_too(tmp_path: Path) -> None:
    root = write_tree(tmp_path, TREES["overlays"])
    with read([str(root)]) as inputs:
        assert len(list(inputs)) == 7
    assert inputs.notes == [
        (
            f"2 bases of overlays are evaluated alone, too ({root}/base, {root}/staging); "
            "to count their findings only once, scan the folder of an overlay"
        )
    ]
    with read([str(root / "prod")]) as inputs:
        assert len(list(inputs)) == 3
    assert inputs.notes == []


def test_files_of_a_build_are_included(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {**TREES["generators"], "other.yaml": POD})
    reader = Kustomizations()
    build(root, "prod", reader)
    included = {Path(path).relative_to(root.resolve()).as_posix() for path in reader.included_files}
    assert included == set(TREES["generators"])


def test_component_without_base_is_no_error(tmp_path: Path) -> None:
    patch = "patches:\n- path: p.yaml\n"
    root = write_tree(
        tmp_path,
        {
            "whole/kustomization.yaml": f"{COMPONENT}resources: [pod.yaml]\n",
            "whole/pod.yaml": POD,
            "part/kustomization.yaml": f"{COMPONENT}resources: [pod.yaml]\n{patch}",
            "part/pod.yaml": POD,
            "part/p.yaml": POD.replace("one", "of-a-base"),
        },
    )
    reader = Kustomizations()
    results = list(reader.read(list_folders(root)))
    assert [
        (result.source.path, result.name) for result in results if isinstance(result, Resource) and result.source
    ] == [("whole", "one")]
    assert len(results) == 1
    included = {Path(path).relative_to(root.resolve()).as_posix() for path in reader.included_files}
    # The manifest of the part is left to the reader of plain manifests; its patch is not.
    assert included == {"whole/kustomization.yaml", "whole/pod.yaml", "part/kustomization.yaml", "part/p.yaml"}


def test_failed_kustomization_is_unread_and_its_manifests_are_not_included(tmp_path: Path) -> None:
    files = {"k/kustomization.yaml": "resources:\n- pod.yaml\n- missing.yaml\npatches:\n- path: p.yaml\n"}
    root = write_tree(tmp_path, {**files, "k/pod.yaml": POD, "k/p.yaml": POD})
    reader = Kustomizations()
    (unread,) = build(root, "k", reader)
    assert isinstance(unread, UnreadInput)
    assert str(unread.location) == "k/kustomization.yaml:3"
    assert "missing.yaml" in unread.message
    assert str(tmp_path) not in unread.message
    assert {Path(path).name for path in reader.included_files} == {"kustomization.yaml", "p.yaml"}


@pytest.mark.parametrize(
    "refused",
    ["resources: ['https://host.test/base', pod.yaml]\n", "resources: [pod.yaml]\nhelmCharts: [{name: x}]\n"],
    ids=["remote", "chart"],
)
def test_patches_of_a_refused_kustomization_are_no_manifests(refused: str, tmp_path: Path) -> None:
    patches = "patches: [{path: p.yaml}, {path: https://host.test/p.yaml}]\npatchesStrategicMerge: [q.yaml]\n"
    files = {"k/kustomization.yaml": refused + patches, "k/pod.yaml": POD, "k/p.yaml": POD, "k/q.yaml": POD}
    reader = Kustomizations()
    (result,) = build(write_tree(tmp_path, files), "k", reader)
    assert isinstance(result, UnreadInput)
    assert {Path(path).name for path in reader.included_files} == {"kustomization.yaml", "p.yaml", "q.yaml"}


def test_broken_component_is_unread(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {"part/kustomization.yaml": f"{COMPONENT}resources: [missing.yaml]\n"})
    (unread,) = build(root, "part")
    assert isinstance(unread, UnreadInput)
    assert str(unread.location) == "part/kustomization.yaml:3"


def test_flux_object_is_no_kustomization(tmp_path: Path) -> None:
    text = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\n"
    reader = Kustomizations()
    assert build(write_tree(tmp_path, {"k/kustomization.yaml": text}), "k", reader) == []
    assert reader.included_files == set()


def test_missing_kustomize_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_tree(tmp_path, TREES["access"])
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    (unread,) = build(root, "prod")
    assert isinstance(unread, UnreadInput)
    assert str(unread.location) == "prod/kustomization.yml"
    assert "kubekeep[kustomize]" in unread.message


def test_packaged_kubectl_needs_no_active_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_tree(tmp_path, TREES["access"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert len(resources(root, "prod")) == 3


def test_other_program_named_kustomize_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_tree(tmp_path, {**TREES["access"], "bin/kustomize": "#!/bin/sh\nexit 0\n"})
    (root / "bin/kustomize").chmod(0o755)
    monkeypatch.setenv("PATH", str(root / "bin"))
    assert len(resources(root, "prod")) == 3
