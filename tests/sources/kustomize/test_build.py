"""What kustomizations give: exactly the objects of real kustomize, each once, and which files are spoken for."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import pytest

from kubekeep.model.assessment import Unread
from kubekeep.model.resource import FileType, RenderOrigin, Resource
from kubekeep.sources.kustomize.build import Kustomizations
from tests.sources.kustomize.builds import build, folders, plainly, resources, written
from tests.sources.kustomize.features import BUILT, CHART, TREES

COMPONENT = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: one}\nspec: {}\n"


@pytest.mark.parametrize("name", TREES)
def test_objects_are_those_of_kustomize(name: str, tmp_path: Path) -> None:
    root = written(tmp_path, TREES[name])
    found = build(root, BUILT)
    assert [item.object for item in found if isinstance(item, Resource)] == plainly(root / BUILT)
    assert len(found) == len(plainly(root / BUILT))


@pytest.mark.skipif(shutil.which("helm") is None, reason="no helm on the PATH")
def test_charts_are_inflated_when_that_is_allowed(tmp_path: Path) -> None:
    root = written(tmp_path, CHART)
    before = sorted(root.rglob("*"))
    found = build(root, BUILT, Kustomizations(allow_helm=True))
    assert [item.object for item in found if isinstance(item, Resource)] == plainly(root / BUILT, allow_helm=True)
    assert sorted(root.rglob("*")) == before


def test_each_object_tells_its_kustomization_and_its_place_in_the_output(tmp_path: Path) -> None:
    root = written(tmp_path, TREES["overlays"])
    sources = [item.source for item in build(root, "prod") if isinstance(item, Resource)]
    assert [(source.path, source.base, source.document) for source in sources if source] == [
        ("prod", str(root), 0),
        ("prod", str(root), 1),
        ("prod", str(root), 2),
    ]
    assert {source.file_type for source in sources if source} == {FileType.KUSTOMIZE}
    assert {source.origin for source in sources if source} == {RenderOrigin("prod")}


def test_every_kustomization_is_built_in_the_order_given(tmp_path: Path) -> None:
    root = written(tmp_path, TREES["overlays"])
    found = list(Kustomizations().read(folders(root)))
    paths = [item.source.path for item in found if isinstance(item, Resource) and item.source]
    assert paths == ["base"] * 2 + ["prod"] * 3 + ["staging"] * 2


def test_files_of_a_build_are_spoken_for(tmp_path: Path) -> None:
    root = written(tmp_path, {**TREES["generators"], "other.yaml": POD})
    reader = Kustomizations()
    build(root, "prod", reader)
    reached = {Path(path).relative_to(root.resolve()).as_posix() for path in reader.reached}
    assert reached == set(TREES["generators"])


def test_a_component_alone_gives_what_it_can_and_is_no_error_otherwise(tmp_path: Path) -> None:
    patch = "patches:\n- path: p.yaml\n"
    root = written(
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
    found = list(reader.read(folders(root)))
    assert [(item.source.path, item.name) for item in found if isinstance(item, Resource) and item.source] == [
        ("whole", "one")
    ]
    assert len(found) == 1
    reached = {Path(path).relative_to(root.resolve()).as_posix() for path in reader.reached}
    # The object of the part is left for whoever reads plain manifests; its patch is no object.
    assert reached == {"whole/kustomization.yaml", "whole/pod.yaml", "part/kustomization.yaml", "part/p.yaml"}


def test_a_failed_kustomization_is_told_and_its_objects_are_left_to_others(tmp_path: Path) -> None:
    files = {"k/kustomization.yaml": "resources:\n- pod.yaml\n- missing.yaml\npatches:\n- path: p.yaml\n"}
    root = written(tmp_path, {**files, "k/pod.yaml": POD, "k/p.yaml": POD})
    reader = Kustomizations()
    (unread,) = build(root, "k", reader)
    assert isinstance(unread, Unread)
    assert str(unread.location) == "k/kustomization.yaml:3"
    assert "missing.yaml" in unread.message
    assert str(tmp_path) not in unread.message
    assert {Path(path).name for path in reader.reached} == {"kustomization.yaml", "p.yaml"}


def test_a_broken_component_is_told(tmp_path: Path) -> None:
    root = written(tmp_path, {"part/kustomization.yaml": f"{COMPONENT}resources: [missing.yaml]\n"})
    (unread,) = build(root, "part")
    assert isinstance(unread, Unread)
    assert str(unread.location) == "part/kustomization.yaml:3"


def test_an_object_of_flux_is_no_kustomization(tmp_path: Path) -> None:
    text = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\n"
    reader = Kustomizations()
    assert build(written(tmp_path, {"k/kustomization.yaml": text}), "k", reader) == []
    assert reader.reached == set()


def test_without_kustomize_people_learn_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = written(tmp_path, TREES["access"])
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    (unread,) = build(root, "prod")
    assert isinstance(unread, Unread)
    assert str(unread.location) == "prod/kustomization.yml"
    assert "kubekeep[kustomize]" in unread.message


def test_the_packaged_kubectl_is_found_without_an_active_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = written(tmp_path, TREES["access"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert len(resources(root, "prod")) == 3


def test_a_program_that_is_no_kustomize_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = written(tmp_path, {**TREES["access"], "bin/kustomize": "#!/bin/sh\nexit 0\n"})
    (root / "bin/kustomize").chmod(0o755)
    monkeypatch.setenv("PATH", str(root / "bin"))
    assert len(resources(root, "prod")) == 3
