"""The kustomizations that one build reads, walked before anything runs: what they name, and what is refused.

Refused are what would be fetched, what would run a program, charts unless they are allowed, and trees without end.
Never runs anything; what kustomize itself refuses (cycles, files out of the root, unknown fields) is left to it.
"""

# Paths are text here, as kustomize takes them:
# ruff: noqa: PTH118, PTH112, PTH113, PTH114, PTH202

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import msgspec

from kubekeep.model.json_values import as_mapping
from kubekeep.sources.kustomize.references import FILES, Reference, Role, charts, references
from kubekeep.sources.kustomize.written import Pages, Spot, Written

_FOLDERS: Final = 1_000
_DEPTH: Final = 64
_NAMED: Final = 20_000
_CHART_ENTRIES: Final = 20_000
_COMPONENT: Final = "Component"
_GROUP: Final = "kustomize.config.k8s.io/"
_BUILTIN: Final = "builtin"


class Refusal(msgspec.Struct, frozen=True):
    """Why a kustomization is not built: the place that asks for what is refused, and a sentence."""

    file: str
    spot: Spot | None
    message: str


class Node(msgspec.Struct, frozen=True):
    """One kustomization: its folder and file by their real paths, and what is written in it."""

    folder: str
    file: str
    written: Written

    @property
    def component(self) -> bool:
        """Whether it is a part for other kustomizations and need not build alone."""
        return as_mapping(self.written.value).get("kind") == _COMPONENT

    @property
    def foreign(self) -> bool:
        """Whether it is an object that only has the file name of a kustomization, such as one of Flux."""
        version = as_mapping(self.written.value).get("apiVersion")
        return isinstance(version, str) and version != "" and not version.startswith(_GROUP)

    def resolved(self, text: str) -> str:
        """The real path of what it names; a NUL, which no path holds, leads to nothing."""
        return os.path.realpath(os.path.join(self.folder, text.replace("\0", "\ufffd")))


class Graph(msgspec.Struct, frozen=True):
    """The kustomizations below one by their folder, the files that they name, and what is refused, if anything.

    `files` are those that are no objects by themselves (patches, data, kustomizations); `resources` those that are.
    """

    nodes: dict[str, Node] = {}
    files: set[str] = set()
    resources: set[str] = set()
    refusals: list[Refusal] = []


def kustomization_file(folder: str) -> str | None:
    """The real path of the file that makes `folder` a kustomization, None if there is none."""
    for name in FILES:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return os.path.realpath(path)
    return None


def walk(folder: str, pages: Pages, *, most_bytes: int, allow_helm: bool) -> Graph:
    """The kustomizations that a build of `folder`, a real path, reads."""
    return _Walk(pages, most_bytes, allow_helm=allow_helm).run(folder)


class _Walk:
    def __init__(self, pages: Pages, most_bytes: int, *, allow_helm: bool) -> None:
        self._pages = pages
        self._most_bytes = most_bytes
        self._allow_helm = allow_helm
        self._graph = Graph({}, set(), set(), [])
        self._named = 0
        self._todo: list[tuple[str, int, bool]] = []

    def run(self, folder: str) -> Graph:
        self._todo.append((folder, 0, False))
        while self._todo and not self._graph.refusals:
            self._visit(*self._todo.pop())
        return self._graph

    def _visit(self, folder: str, depth: int, plugins: bool) -> None:  # noqa: FBT001 - from `_todo`
        """Look at one kustomization; `plugins` says that its objects are configured plugins."""
        file = kustomization_file(folder)
        if folder in self._graph.nodes or file is None:
            return
        if len(self._graph.nodes) >= _FOLDERS or depth > _DEPTH:
            text = f"more than {_FOLDERS} kustomizations or {_DEPTH} levels of them: not built"
            self._graph.refusals.append(Refusal(file, None, text))
            return
        documents = self._pages.page(file).documents
        node = Node(folder, file, documents[0] if documents else Written(file, None))
        self._graph.nodes[folder] = node
        self._graph.files.add(file)
        self._charts(node)
        for reference in references(node.written):
            self._named += 1
            if self._named > _NAMED:
                self._refuse(reference.spot, f"more than {_NAMED} references: not built")
            if self._graph.refusals:
                return
            if plugins and reference.role is Role.RESOURCE:
                reference = msgspec.structs.replace(reference, role=Role.PLUGIN)  # noqa: PLW2901
            self._follow(node, reference, depth, plugins=plugins)

    def _follow(self, node: Node, reference: Reference, depth: int, *, plugins: bool) -> None:
        inline = reference.role in (Role.PLUGIN, Role.PATCH) and "\n" in reference.text
        path = "" if inline else node.resolved(reference.text)
        if reference.remote and not (os.path.isfile(path) and reference.role is Role.RESOURCE):
            what = "remote base" if reference.role in (Role.RESOURCE, Role.COMPONENT) else "remote file"
            self._refuse(
                reference.spot,
                f"{what} {reference.text[:200]!r}: nothing is fetched during a scan; vendor it, that is, keep a copy "
                "in the repository and name that",
            )
        elif reference.role is Role.PLUGIN:
            self._plugin(reference, path, depth)
        elif path and os.path.isdir(path):
            self._todo.append((path, depth + 1, plugins))
        elif path and os.path.isfile(path):
            self._file(reference, path)

    def _file(self, reference: Reference, path: str) -> None:
        (self._graph.resources if reference.role is Role.RESOURCE else self._graph.files).add(path)
        if os.path.getsize(path) > self._most_bytes:
            self._refuse(reference.spot, f"{reference.text[:200]!r} is larger than {self._most_bytes} bytes: not read")

    def _plugin(self, reference: Reference, path: str, depth: int) -> None:
        """A generator, transformer or validator: those that are built into kustomize run no program."""
        if path and os.path.isdir(path):
            if self._allow_helm:
                self._refuse(reference.spot, "plugins made by a kustomization are not built when charts are allowed")
            self._todo.append((path, depth + 1, True))
            return
        if path and os.path.isfile(path):
            self._file(reference, path)
            self._graph.resources.discard(path)
            documents = self._pages.page(path).documents
        else:
            documents = self._pages.inline(reference.spot)
        for document in documents:
            value = as_mapping(document.value)
            if value.get("apiVersion") != _BUILTIN:
                self._refuse(reference.spot, f"{_plugin_name(value)} runs a program or a container: not allowed")
            elif value.get("kind") == "HelmChartInflationGenerator":
                self._refuse(reference.spot, "charts are inflated from the field helmCharts only: not built")
            elif any(inner.remote for inner in references(_as_kustomization(document))):
                self._refuse(reference.spot, f"{_plugin_name(value)} names a remote file: nothing is fetched")

    def _charts(self, node: Node) -> None:
        for spot in charts(node.written):
            if not self._allow_helm:
                self._refuse(spot, "helmCharts: charts are not inflated by kustomizations unless that is allowed")
            elif (reason := _chart_problem(node, spot)) is not None:
                self._refuse(spot, reason)

    def _refuse(self, spot: Spot, message: str) -> None:
        self._graph.refusals.append(Refusal(spot.written.file, spot, message))


def _plugin_name(value: dict[str, object]) -> str:
    return f"the plugin {str(value.get('kind'))[:80]!r}"


def _as_kustomization(document: Written) -> Written:
    """A configured plugin as the kustomization whose fields do the same, so that its files are found alike."""
    value = as_mapping(document.value)
    fields = {
        "patches": [value],
        "configMapGenerator": [value],
        "helmCharts": [value],
        "patchesStrategicMerge": value.get("paths"),
        "replacements": value.get("replacements"),
    }
    return Written(document.file, fields)


def _chart_problem(node: Node, spot: Spot) -> str | None:
    """What keeps a chart from being inflated offline and inside the kustomization, if anything.

    kustomize puts its names on the command line of helm, where one that begins with a dash would be an option.
    """
    chart = as_mapping(spot.value)
    root = as_mapping(node.written.value)
    shared = as_mapping(root.get("helmGlobals"))
    texts = [text for text in _texts(chart) if isinstance(text, str)]
    if any(text.startswith("-") or "\0" in text for text in texts):
        return "helmCharts: a value that begins with a dash would be an option of helm: not allowed"
    if shared.get("configHome") or chart.get("configHome"):
        return "helmCharts: a configuration of helm in the repository may run programs: not allowed"
    name, version = str(chart.get("name") or chart.get("chartName") or ""), chart.get("version")
    home = str(shared.get("chartHome") or chart.get("chartHome") or "charts")
    versioned = f"{name}-{version}" if version and chart.get("repo") else ""
    folder = os.path.realpath(os.path.join(node.folder, home, versioned, name))
    if not folder.startswith(node.folder + os.sep):
        return f"helmCharts: the chart {name[:80]!r} is not below the kustomization: not allowed"
    if not os.path.isdir(folder):
        return f"helmCharts: the chart {name[:80]!r} is not in {home[:80]!r}: nothing is fetched during a scan"
    if _has_link(folder):
        return f"helmCharts: the chart {name[:80]!r} holds symbolic links, or is too large: not inflated"
    return None


def _texts(chart: dict[str, object]) -> Iterator[object]:
    for key, value in chart.items():
        if key != "valuesInline":
            yield from value if isinstance(value, list) else (value,)


def _has_link(folder: str) -> bool:
    """Whether helm could be led out of `folder`, or along without end."""
    seen = 0
    for parent, folders, files in os.walk(folder):
        seen += len(folders) + len(files)
        if seen > _CHART_ENTRIES or any(os.path.islink(os.path.join(parent, name)) for name in (*folders, *files)):
            return True
    return False
