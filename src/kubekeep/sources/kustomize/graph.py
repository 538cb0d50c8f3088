"""Graph of the kustomizations one build reads, walked before anything runs, with the reasons to refuse the build.

Refuses remote bases and files, programs, charts unless allowed, and trees beyond limits. Never runs anything; errors that
kustomize itself reports (cycles, files outside the root, unknown fields) are left to it.
"""

# Paths are text here, as kustomize takes them:
# ruff: noqa: PTH118, PTH112, PTH113, PTH114, PTH120, PTH202

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import msgspec

from kubekeep.model.json_values import as_mapping
from kubekeep.sources.kustomize.documents import (
    FileReference,
    ReferenceRole,
    SourceDocument,
    SourceFiles,
    SourcePath,
    list_charts,
    list_references,
)
from kubekeep.sources.kustomize.names import KUSTOMIZATIONS

_MAX_KUSTOMIZATIONS: Final = 1_000
_MAX_DEPTH: Final = 64
_MAX_REFERENCES: Final = 20_000
_MAX_CHART_ENTRIES: Final = 20_000
_COMPONENT: Final = "Component"
_GROUP: Final = "kustomize.config.k8s.io/"
_BUILTIN: Final = "builtin"


class Refusal(msgspec.Struct, frozen=True):
    """Reason not to build a kustomization, and the origin of the refused entry (None for the whole file)."""

    file: str
    origin: SourcePath | None
    message: str


class Kustomization(msgspec.Struct, frozen=True):
    """One kustomization: real paths of its folder and file, and its document."""

    folder: str
    file: str
    document: SourceDocument

    @property
    def is_component(self) -> bool:
        """True for a component, which is part of other kustomizations and need not build alone."""
        return as_mapping(self.document.value).get("kind") == _COMPONENT

    @property
    def is_custom_resource(self) -> bool:
        """True for an object in a file named like a kustomization, such as a `Kustomization` of Flux."""
        version = as_mapping(self.document.value).get("apiVersion")
        return isinstance(version, str) and version != "" and not version.startswith(_GROUP)

    def resolve(self, text: str) -> str:
        """Return the real path of a reference; a NUL, invalid in paths, is replaced."""
        return os.path.realpath(os.path.join(self.folder, text.replace("\0", "\ufffd")))


class KustomizationGraph(msgspec.Struct, frozen=True):
    """Kustomizations of a build by folder, the files they reference, and refusals.

    files: real paths of patches, data files and kustomizations. resources: real paths of manifests.
    """

    nodes: dict[str, Kustomization] = {}
    files: set[str] = set()
    resources: set[str] = set()
    refusals: list[Refusal] = []


def find_kustomization_file(folder: str) -> str | None:
    """Return the real path of the file that makes folder a kustomization, None if there is none."""
    path = _find_file(folder)
    return None if path is None else os.path.realpath(path)


def _find_file(folder: str) -> str | None:
    paths = (os.path.join(folder, name) for name in KUSTOMIZATIONS)
    return next(filter(os.path.isfile, paths), None)


def build_graph(folder: str, files: SourceFiles, *, max_bytes: int, allow_helm: bool) -> KustomizationGraph:
    """Walk the kustomizations that a build of folder, a real path, reads, as far as the first one that is refused."""
    return _GraphBuilder(files, max_bytes, allow_helm=allow_helm).run(folder)


class _GraphBuilder:
    def __init__(self, files: SourceFiles, max_bytes: int, *, allow_helm: bool) -> None:
        self._files = files
        self._max_bytes = max_bytes
        self._allow_helm = allow_helm
        self._graph = KustomizationGraph({}, set(), set(), [])
        self._references = 0
        self._pending: list[tuple[str, int, bool]] = []

    def run(self, folder: str) -> KustomizationGraph:
        """Visit kustomizations depth first until the first refusal; the one that is refused is read to its end."""
        self._pending.append((folder, 0, False))
        while self._pending and not self._graph.refusals:
            self._visit(*self._pending.pop())
        return self._graph

    def _visit(self, folder: str, depth: int, is_plugin: bool) -> None:  # noqa: FBT001 - from `_pending`
        """Add one kustomization; plugins: its objects are configurations of plugins."""
        link = _find_file(folder)
        file = os.path.realpath(link or "")
        if folder in self._graph.nodes or link is None:
            return
        if len(self._graph.nodes) >= _MAX_KUSTOMIZATIONS or depth > _MAX_DEPTH:
            text = f"more than {_MAX_KUSTOMIZATIONS} kustomizations or {_MAX_DEPTH} levels: not built"
            self._graph.refusals.append(Refusal(file, None, text))
            return
        if os.path.dirname(file) != folder:
            self._graph.nodes[folder] = Kustomization(folder, link, SourceDocument(link, None))
            text = "symbolic link to a file outside of its folder: not followed"
            self._graph.refusals.append(Refusal(link, None, text))
            return
        documents = self._files.read(file).documents
        node = Kustomization(folder, file, documents[0] if documents else SourceDocument(file, None))
        self._graph.nodes[folder] = node
        self._graph.files.add(file)
        self._check_charts(node)
        for reference in list_references(node.document):
            self._references += 1
            if self._references > _MAX_REFERENCES:
                self._refuse(reference.origin, f"more than {_MAX_REFERENCES} references: not built")
                return
            if self._graph.refusals:
                self._add_other_file(node, reference)
                continue
            if is_plugin and reference.role is ReferenceRole.RESOURCE:
                reference = msgspec.structs.replace(reference, role=ReferenceRole.PLUGIN)  # noqa: PLW2901
            self._follow(node, reference, depth, is_plugin=is_plugin)

    def _follow(self, node: Kustomization, reference: FileReference, depth: int, *, is_plugin: bool) -> None:
        inline = reference.role in (ReferenceRole.PLUGIN, ReferenceRole.PATCH) and "\n" in reference.text
        path = "" if inline else node.resolve(reference.text)
        if reference.is_remote and not (os.path.isfile(path) and reference.role is ReferenceRole.RESOURCE):
            is_base = reference.role in (ReferenceRole.RESOURCE, ReferenceRole.COMPONENT)
            self._refuse(
                reference.origin,
                f"remote {'base' if is_base else 'file'} {reference.text[:200]!r}: not fetched; "
                "keep a copy in the repository and refer to the copy",
            )
        elif reference.role is ReferenceRole.PLUGIN:
            self._check_plugin(reference, path, depth)
        elif path and os.path.isdir(path):
            self._pending.append((path, depth + 1, is_plugin))
        elif path and os.path.isfile(path):
            self._add_file(reference, path)

    def _add_other_file(self, node: Kustomization, reference: FileReference) -> None:
        """Add a patch or data file of a refused build: alone, it is no manifest, although it may look like one."""
        if reference.role not in (ReferenceRole.RESOURCE, ReferenceRole.COMPONENT) and not reference.is_remote:
            path = node.resolve(reference.text)
            if os.path.isfile(path):
                self._graph.files.add(path)

    def _add_file(self, reference: FileReference, path: str) -> None:
        (self._graph.resources if reference.role is ReferenceRole.RESOURCE else self._graph.files).add(path)
        if os.path.getsize(path) > self._max_bytes:
            self._refuse(reference.origin, f"{reference.text[:200]!r} is larger than {self._max_bytes} bytes: not read")

    def _check_plugin(self, reference: FileReference, path: str, depth: int) -> None:
        """Refuse a generator, transformer or validator unless it is built into kustomize and runs no program."""
        if path and os.path.isdir(path):
            if self._allow_helm:
                self._refuse(
                    reference.origin, "plugins generated by a kustomization are not supported with --enable-helm"
                )
            self._pending.append((path, depth + 1, True))
            return
        if path and os.path.isfile(path):
            self._add_file(reference, path)
            self._graph.resources.discard(path)
            documents = self._files.read(path).documents
        else:
            documents = self._files.parse_inline(reference.origin)
        for document in documents:
            value = as_mapping(document.value)
            name = f"the plugin {str(value.get('kind'))[:80]!r}"
            if value.get("apiVersion") != _BUILTIN:
                self._refuse(reference.origin, f"{name} runs a program or a container: refused")
            elif value.get("kind") == "HelmChartInflationGenerator":
                self._refuse(reference.origin, "only charts in the field helmCharts are supported: not built")
            elif any(reference.is_remote for reference in list_references(_as_kustomization(document))):
                self._refuse(reference.origin, f"{name} refers to a remote file: not fetched")

    def _check_charts(self, node: Kustomization) -> None:
        for chart in list_charts(node.document):
            if not self._allow_helm:
                self._refuse(chart, "helmCharts: charts in kustomizations require --enable-helm")
            elif (problem := _find_chart_problem(node, chart)) is not None:
                self._refuse(chart, problem)

    def _refuse(self, origin: SourcePath, message: str) -> None:
        self._graph.refusals.append(Refusal(origin.document.file, origin, message))


def _as_kustomization(document: SourceDocument) -> SourceDocument:
    """Convert a configured plugin to the equivalent fields of a kustomization, to list its references."""
    value = as_mapping(document.value)
    fields = {
        "patches": [value],
        "configMapGenerator": [value],
        "helmCharts": [value],
        "patchesStrategicMerge": value.get("paths"),
        "replacements": value.get("replacements"),
    }
    return SourceDocument(document.file, fields)


def _find_chart_problem(node: Kustomization, entry: SourcePath) -> str | None:
    """Return the reason not to inflate a chart: it needs the network or leaves the kustomization; None if it is safe.

    kustomize puts names on the command line of helm, where a leading dash would make an option.
    """
    chart = as_mapping(entry.value)
    global_settings = as_mapping(as_mapping(node.document.value).get("helmGlobals"))
    texts = [text for text in _list_values(chart) if isinstance(text, str)]
    if any(text.startswith("-") or "\0" in text for text in texts):
        return "helmCharts: a value that begins with a dash would be an option of helm: refused"
    if global_settings.get("configHome") or chart.get("configHome"):
        return "helmCharts: a configuration of helm in the repository can run programs: refused"
    name, version = str(chart.get("name") or chart.get("chartName") or ""), chart.get("version")
    home = str(global_settings.get("chartHome") or chart.get("chartHome") or "charts")
    version_folder = f"{name}-{version}" if version and chart.get("repo") else ""
    folder = os.path.realpath(os.path.join(node.folder, home, version_folder, name))
    if not folder.startswith(node.folder + os.sep):
        return f"helmCharts: the chart {name[:80]!r} is outside the folder of the kustomization: refused"
    if not os.path.isdir(folder):
        return f"helmCharts: the chart {name[:80]!r} is not in {home[:80]!r}: not fetched"
    if _has_links(folder):
        return f"helmCharts: the chart {name[:80]!r} contains symbolic links, or is too large: not rendered"
    return None


def _list_values(chart: dict[str, object]) -> Iterator[object]:
    for key, value in chart.items():
        if key != "valuesInline":
            yield from value if isinstance(value, list) else (value,)


def _has_links(folder: str) -> bool:
    """Return True if a chart has symbolic links, which may lead outside, or too many files."""
    count = 0
    for parent, folders, files in os.walk(folder):
        count += len(folders) + len(files)
        if count > _MAX_CHART_ENTRIES or any(os.path.islink(os.path.join(parent, name)) for name in (*folders, *files)):
            return True
    return False
