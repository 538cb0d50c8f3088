"""Kustomizations as resources, each built on its own by real kustomize, with the place of every value.

What cannot be built, or is refused, is an Unread; then the files that hold whole objects are left for whoever reads
plain manifests, and only patches and other parts are withheld from that. Never fetches, never writes into the tree,
never enables plugins or functions.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import msgspec

from kubekeep.model.assessment import Unread
from kubekeep.model.location import Location, line_starts
from kubekeep.model.paths import display_path
from kubekeep.model.resource import FileType, RenderOrigin, Resource, Source
from kubekeep.sources import yaml_text
from kubekeep.sources.kustomize.child import Cost, Outcome
from kubekeep.sources.kustomize.graph import Graph, kustomization_file, walk
from kubekeep.sources.kustomize.messages import failure, lacks_base
from kubekeep.sources.kustomize.tool import GET_ONE, Tool, find
from kubekeep.sources.kustomize.trace import Build, ObjectTrace
from kubekeep.sources.kustomize.written import Pages
from kubekeep.sources.objects import Doubt, objects
from kubekeep.sources.signals import awaited
from kubekeep.sources.tree import DEFAULT_LIMITS, Limits, Problem
from kubekeep.sources.walk import Root

_WORKERS: Final = 2
_AHEAD: Final = 4
"""Builds whose output may wait to be read."""


class Kustomizations:
    """Builds kustomizations, two at a time.

    `reached` holds, by their real paths, the files that need not be read as plain manifests any more: all that a
    successful build read, and of others the patches, data files and kustomizations, which are no objects. It is
    complete when `read` has ended. A component that does not build alone gives nothing and is no error: it is a
    part of other kustomizations. A file that only has the name of a kustomization is left to others.
    """

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        *,
        allow_helm: bool = False,
        cost: Cost = Cost(),  # noqa: B008 - frozen
    ) -> None:
        self.reached: set[str] = set()
        self.files_of: dict[str, set[str]] = {}
        """By the shown folder of a kustomization, the real paths of all files that it is made from."""
        self._limits = limits
        self._allow_helm = allow_helm
        self._cost = cost
        self._pages = Pages(limits)
        self._tool: Tool | None = None
        self._searched = False

    def read(self, folders: Sequence[Root]) -> Iterator[Resource | Unread]:
        """The objects of kustomizations, in the order given and that of kustomize's output."""
        waiting: deque[tuple[Root, Graph, Future[Outcome] | None]] = deque()
        todo = deque(folders)
        with ThreadPoolExecutor(_WORKERS) as pool:
            while todo or waiting:
                while todo and len(waiting) < _AHEAD:
                    folder = todo.popleft()
                    graph = self._walked(folder)
                    waiting.append((folder, graph, self._started(folder, graph, pool)))
                folder, graph, future = waiting.popleft()
                yield from self._finished(folder, graph, future)

    def _walked(self, folder: Root) -> Graph:
        real = os.path.realpath(folder.path)
        return walk(real, self._pages, most_bytes=self._limits.bytes, allow_helm=self._allow_helm)

    def _started(self, folder: Root, graph: Graph, pool: ThreadPoolExecutor) -> Future[Outcome] | None:
        """The build, if it may be and there is something to do it with."""
        root = graph.nodes.get(os.path.realpath(folder.path))
        if graph.refusals or root is None or root.foreign:
            return None
        if not self._searched:
            self._searched = True
            self._tool = find(allow_helm=self._allow_helm)
        if self._tool is None:
            return None
        return pool.submit(self._tool.build, os.path.realpath(folder.path), self._cost)

    def _finished(self, folder: Root, graph: Graph, future: Future[Outcome] | None) -> Iterator[Resource | Unread]:
        real = os.path.realpath(folder.path)
        if real in graph.nodes and graph.nodes[real].foreign:
            return
        self.reached |= graph.files
        self.files_of[folder.shown] = {*graph.files, *graph.resources}
        if real not in graph.nodes:
            file = kustomization_file(real)
            message = "there is no kustomization file" if file is None else "the kustomization cannot be read"
            yield Unread(Location(folder.shown), message)
            return
        build = Build(real, folder.shown, graph, self._pages)
        if graph.refusals:
            refusal = graph.refusals[0]
            where = build.location(refusal.spot) if refusal.spot else Location(build.shown(refusal.file))
            yield Unread(where, f"{refusal.message}; the kustomization {display_path(folder.shown)} was not built")
            return
        if future is None:
            yield Unread(Location(build.shown(build.node.file)), GET_ONE)
            return
        try:
            outcome = awaited(future)
        except OSError as error:
            yield Unread(Location(build.shown(build.node.file)), f"kustomize could not be started: {error.strerror}")
            return
        if outcome.exceeded or outcome.code != 0:
            # The patches of a component are for objects of those that use it.
            if not (build.node.component and lacks_base(outcome)):
                yield Unread(*failure(outcome, build))
            return
        self.reached |= graph.resources
        yield from self._resources(outcome.output, folder, build)

    def _resources(self, output: bytes, folder: Root, build: Build) -> Iterator[Resource | Unread]:
        shown = display_path(folder.shown)
        text = output.decode("utf-8", "replace")
        limits = msgspec.structs.replace(self._limits, bytes=max(self._limits.bytes, len(output)))
        number = 0
        for document in yaml_text.documents(text, line_starts(text), limits):
            if isinstance(document, Problem):
                yield Unread(Location(build.shown(build.node.file)), f"what kustomize built: {document.message}")
            if document is None or isinstance(document, Problem):
                continue
            source = Source(
                shown,
                folder.base,
                FileType.KUSTOMIZE,
                number,
                origin=RenderOrigin(shown),
                lazy_source_map=ObjectTrace(build, number),
            )
            for found in objects(document.value):
                if isinstance(found, Doubt):
                    yield Unread(source.locate(document.value, found.path), found.message)
                elif found.path:
                    yield Resource(found.object, msgspec.structs.replace(source, root=found.path), document.value)
                else:
                    yield Resource(found.object, source)
            number += 1
