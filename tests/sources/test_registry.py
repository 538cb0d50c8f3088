"""Registration of sources: a folder with a module `source` is enough. Real sources are tested in their own folders."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kubekeep.sources
from kubekeep.model.resource import Resource
from kubekeep.reports.kubescape_v2.write import resource_entry
from kubekeep.reports.shared.content import describe_source
from kubekeep.sources.inputs import read
from kubekeep.sources.registry import load_sources

TOY = '''
"""Pods listed by name in files called `pods.toy`."""

from kubekeep.model.resource import Resource
from kubekeep.model.source import FileType, RenderOrigin, Source
from kubekeep.sources.source import Root, SourceType

TOY = FileType("Toy", origin="toy", fields=(("toyFolder", "folder"),))


class ToySource(SourceType):
    name = "toy"
    order = 45

    def matches_address(self, address):
        return address == "toy:"

    def open_address(self, address, context):
        yield Root(self.name, "pods.toy", "pods.toy", ".")

    def matches_file(self, name):
        return name.endswith(".toy")

    matches_entry = matches_file

    def read(self, roots, context):
        for root in roots:
            with open(root.path) as file:
                for number, name in enumerate(file.read().split()):
                    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}}
                    yield Resource(pod, Source(root.shown_path, root.base, TOY, number, origin=RenderOrigin("toys")))


SOURCE = ToySource()
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with manifests and toy files, and a package with the toy source on the path of sources."""
    package = tmp_path / "plugins" / "toy"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "source.py").write_text(TOY)
    monkeypatch.setattr(kubekeep.sources, "__path__", [*kubekeep.sources.__path__, str(package.parent)])
    load_sources.cache_clear()
    folder = tmp_path / "scanned"
    folder.mkdir()
    (folder / "pods.toy").write_text("one two")
    (folder / "c.yaml").write_text("{apiVersion: v1, kind: Pod, metadata: {name: three}}")
    monkeypatch.chdir(folder)
    yield folder
    load_sources.cache_clear()
    for name in ("kubekeep.sources.toy", "kubekeep.sources.toy.source"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("path", "names"),
    [(".", ["one", "two", "three"]), ("pods.toy", ["one", "two"]), ("toy:", ["one", "two"]), ("c.yaml", ["three"])],
)
def test_new_source_needs_only_its_folder(toy: Path, path: str, names: list[str]) -> None:
    del toy
    resources = [resource for resource in read([path]) if isinstance(resource, Resource)]
    assert [resource.name for resource in resources] == names


def test_reports_take_names_from_source(toy: Path) -> None:
    resource = next(iter(read([str(toy)])))
    assert isinstance(resource, Resource)
    assert describe_source(resource) == "toy toys"
    assert resource_entry("id", resource)["source"] == {
        "path": str(toy),
        "relativePath": str(toy / "pods.toy"),
        "fileType": "Toy",
        "toyFolder": "toys",
    }


def test_order_of_sources() -> None:
    readers = [name for name in load_sources() if name not in {"git", "remote", "archive"}]
    assert readers == [
        "kustomize",
        "manifests",
        "dockerfile",
        "terraform",
        "gitops",
        "helm",
        "images",
        "registries",
        "sboms",
    ]


def test_same_name_twice_is_rejected(toy: Path) -> None:
    source = toy.parent / "plugins" / "toy" / "source.py"
    source.write_text(TOY.replace('name = "toy"', 'name = "helm"'))
    with pytest.raises(ValueError, match="two sources"):
        load_sources()


def test_manifests_load_no_other_reader(tmp_path: Path) -> None:
    """A scan of plain YAML imports the registrations of all sources and the reader of manifests."""
    (tmp_path / "a.yaml").write_text("a: b\n")
    script = "import sys\nfrom kubekeep.sources.inputs import read\nlist(read(sys.argv[1:]))\nprint(*sys.modules)"
    command = [sys.executable, "-c", script, str(tmp_path)]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    others = (
        "archive",
        "cloud",
        "cluster",
        "git",
        "gitops",
        "helm",
        "host",
        "images",
        "kustomize",
        "remote",
        "terraform",
    )
    loaded = {name for name in modules if name.startswith(tuple(f"kubekeep.sources.{other}." for other in others))}
    # Modules of names have constants only, which other sources read.
    allowed = {f"kubekeep.sources.{other}.{module}" for other in others for module in ("source", "names")} | {
        "kubekeep.sources.git.changed_files",
        "kubekeep.sources.git.changes",
        "kubekeep.sources.images.address",
    }
    assert loaded <= allowed
