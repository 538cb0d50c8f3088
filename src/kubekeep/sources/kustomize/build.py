"""Resources of kustomizations: each is built by the kustomize program, and every value has a source map.

A kustomization that fails or is refused becomes an `UnreadInput`; its manifests are then read as plain manifests, its patches
are not. Never fetches, never writes into the tree, never enables plugins or functions.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import msgspec

from kubekeep.confinement import is_confined
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location, line_starts
from kubekeep.model.paths import display_path
from kubekeep.model.resource import Resource
from kubekeep.model.source import RenderOrigin, Source
from kubekeep.sources import yaml_text
from kubekeep.sources.embedded import list_embedded
from kubekeep.sources.kustomize.documents import SourceFiles
from kubekeep.sources.kustomize.graph import KustomizationGraph, build_graph, find_kustomization_file
from kubekeep.sources.kustomize.messages import describe_failure, is_base_missing
from kubekeep.sources.kustomize.names import KUSTOMIZE
from kubekeep.sources.kustomize.source_map import Build, ObjectSourceMap
from kubekeep.sources.kustomize.tool import (
    MISSING_TOOL,
    BuildCopy,
    KustomizeTool,
    ProcessLimits,
    ProcessResult,
    find_tool,
)
from kubekeep.sources.objects import IncompleteObject, find_objects
from kubekeep.sources.process_limits import RenderingTime, RenderingTimeError
from kubekeep.sources.source import Root
from kubekeep.sources.tree import DEFAULT_LIMITS, Limits, Problem

_WORKERS: Final = 2
_MAX_WAITING: Final = 4
"""Builds that may wait for their output to be read."""


class Kustomizations:
    """Builds kustomizations, two at a time.

    unsaved: contents by real path that replace those of files. A component that cannot be built alone yields no resource and no error. A file that only has the name of a
    kustomization is ignored.
    """

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        *,
        allow_helm: bool = False,
        process_limits: ProcessLimits = ProcessLimits(),  # noqa: B008 - frozen
        rendering_time: RenderingTime | None = None,
        unsaved: Mapping[str, bytes] = {},
    ) -> None:
        self.included_files: set[str] = set()
        """Real paths of files not to read as plain manifests; complete when `read` has ended.

        Contains all files of successful builds, and the patches, data files and kustomizations of other builds.
        """
        self.files_by_folder: dict[str, set[str]] = {}
        """Real paths of all files of a kustomization, by the shown path of its folder."""
        self._kustomization_files: dict[str, str] = {}
        self._limits = limits
        self._allow_helm = allow_helm
        self._process_limits = process_limits
        self._rendering_time = rendering_time or RenderingTime()
        self._unsaved = unsaved
        self._files = SourceFiles(limits, unsaved)
        self._tool: KustomizeTool | None = None
        self._has_searched = False

    def read(self, folders: Sequence[Root]) -> Iterator[Resource | UnreadInput]:
        """Yield the objects of kustomizations, in the order of folders and of kustomize's output."""
        started: deque[tuple[Root, KustomizationGraph, Future[ProcessResult] | None]] = deque()
        pending = deque(folders)
        with ThreadPoolExecutor(_WORKERS) as pool:
            while pending or started:
                while pending and len(started) < _MAX_WAITING:
                    folder = pending.popleft()
                    real = os.path.realpath(folder.path)
                    graph = build_graph(real, self._files, max_bytes=self._limits.bytes, allow_helm=self._allow_helm)
                    started.append((folder, graph, self._start(real, graph, pool)))
                folder, graph, future = started.popleft()
                yield from self._finish(folder, graph, future)

    def find_bases(self) -> list[str]:
        """Return the shown paths of the folders that another folder includes."""
        uses = Counter(file for included in self.files_by_folder.values() for file in included)
        return [
            path
            for path, file in self._kustomization_files.items()
            if uses[file] > (file in self.files_by_folder.get(path, ()))
        ]

    def _start(self, real: str, graph: KustomizationGraph, pool: ThreadPoolExecutor) -> Future[ProcessResult] | None:
        """Start the build; None if it is refused or there is no kustomize."""
        root = graph.nodes.get(real)
        if graph.refusals or root is None or root.is_custom_resource:
            return None
        if not self._has_searched:
            self._has_searched = True
            self._tool = find_tool(allow_helm=self._allow_helm)
        if self._tool is None:
            return None
        return pool.submit(self._build, self._tool, real, {*graph.files, *graph.resources})

    def _build(self, tool: KustomizeTool, real: str, files: AbstractSet[str]) -> ProcessResult:
        try:
            with self._rendering_time.measure():
                if self._unsaved.keys().isdisjoint(files) and not is_confined():
                    return tool.build(real, self._process_limits)
                with BuildCopy(files, self._unsaved) as copy:
                    return copy.restore_paths(tool.build(copy.locate(real), self._process_limits))
        except RenderingTimeError as error:
            return ProcessResult(1, b"", b"", exceeded_limit=str(error))

    def _finish(
        self, folder: Root, graph: KustomizationGraph, future: Future[ProcessResult] | None
    ) -> Iterator[Resource | UnreadInput]:
        real = os.path.realpath(folder.path)
        if real in graph.nodes and graph.nodes[real].is_custom_resource:
            return
        self.included_files |= graph.files
        self.files_by_folder[folder.shown_path] = {*graph.files, *graph.resources}
        if real not in graph.nodes:
            file = find_kustomization_file(real)
            message = "no kustomization file" if file is None else "the kustomization cannot be read"
            yield UnreadInput(Location(folder.shown_path), message)
            return
        build = Build(real, folder.shown_path, graph, self._files)
        self._kustomization_files[folder.shown_path] = build.node.file
        if graph.refusals:
            refusal = graph.refusals[0]
            location = build.locate(refusal.origin) if refusal.origin else Location(build.display_path(refusal.file))
            yield UnreadInput(
                location, f"{refusal.message}; the kustomization {display_path(folder.shown_path)} was not built"
            )
            return
        location = Location(build.display_path(build.node.file))
        if future is None:
            yield UnreadInput(location, MISSING_TOOL)
            return
        try:
            result = future.result()
        except OSError as error:
            yield UnreadInput(location, f"kustomize cannot be started: {error.strerror}")
            return
        if result.exceeded_limit or result.code != 0:
            # The patches of a component are for objects of the kustomizations that include it.
            if not (build.node.is_component and is_base_missing(result)):
                yield UnreadInput(*describe_failure(result, build))
            return
        self.included_files |= graph.resources
        yield from self._read_output(result.output, folder, build)

    def _read_output(self, output: bytes, folder: Root, build: Build) -> Iterator[Resource | UnreadInput]:
        shown_path = display_path(folder.shown_path)
        text = output.decode("utf-8", "replace")
        limits = msgspec.structs.replace(self._limits, bytes=max(self._limits.bytes, len(output)))
        number = 0
        for document in yaml_text.parse_documents(text, line_starts(text), limits):
            if isinstance(document, Problem):
                file = build.display_path(build.node.file)
                yield UnreadInput(Location(file), f"in the output of kustomize: {document.message}")
            if document is None or isinstance(document, Problem):
                continue
            source = Source(
                shown_path,
                folder.base,
                KUSTOMIZE,
                number,
                origin=RenderOrigin(shown_path),
                lazy_source_map=ObjectSourceMap(build, number),
            )
            for match in find_objects(document.value):
                if isinstance(match, IncompleteObject):
                    yield UnreadInput(source.locate(document.value, match.path), match.message)
                    continue
                if match.path:
                    yield Resource(match.object, msgspec.structs.replace(source, root=match.path), document.value)
                else:
                    yield Resource(match.object, source)
                yield from list_embedded(match, document.value, source)
            number += 1
