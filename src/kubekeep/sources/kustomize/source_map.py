"""Source maps of built objects: from a value to the line in a base, patch or kustomization that set it.

Everything is computed when the first location is requested, so a build without findings pays nothing. Never names a file
that had no part in the value: an unknown origin falls back to the object's file or the kustomization.
"""

# Paths are text here, as kustomize takes them:
# ruff: noqa: PTH118

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final

from kubekeep.model.location import Location, Path
from kubekeep.model.paths import display_path
from kubekeep.sources.kustomize.documents import SourceFiles, SourcePath
from kubekeep.sources.kustomize.fields import Field, align, is_equal
from kubekeep.sources.kustomize.graph import Kustomization, KustomizationGraph
from kubekeep.sources.kustomize.history import BuildHistory, ObjectHistory
from kubekeep.sources.kustomize.transformers import ReplayState, ValueQuery

_MAX_REPLAYS: Final = 32


class Build:
    """State shared by the source maps of one build. display_folder: the path of its folder as shown to users."""

    def __init__(self, folder: str, display_folder: str, graph: KustomizationGraph, files: SourceFiles) -> None:
        self._folder = folder
        self._display_folder = display_folder
        self._graph = graph
        self._files = files
        self._display_paths: dict[str, str] = {}
        self._history: BuildHistory | None = None
        self._replays: OrderedDict[int, tuple[ObjectHistory | None, ReplayState | None]] = OrderedDict()

    def display_path(self, path: str) -> str:
        """Return the path shown to users for a real path."""
        shown_path = self._display_paths.get(path)
        if shown_path is None:
            relative = os.path.relpath(path, self._folder)
            shown_path = display_path(os.path.normpath(os.path.join(self._display_folder, relative)))
            self._display_paths[path] = shown_path
        return shown_path

    @property
    def node(self) -> Kustomization:
        """The kustomization that was built."""
        return self._graph.nodes[self._folder]

    @property
    def nodes(self) -> Iterator[Kustomization]:
        """All kustomizations of the build."""
        return iter(self._graph.nodes.values())

    def locate(self, origin: SourcePath) -> Location:
        """Return the location of an origin, with the path shown to users."""
        return origin.location(self.display_path(origin.document.file))

    def locate_line(self, origin: SourcePath, line: int) -> Location | None:
        """Return the location of a line of the text at an origin; None if it is no block scalar."""
        region = origin.document.line_region(origin.path, line)
        return None if region is None else Location(self.display_path(origin.document.file), region)

    def replay(self, number: int, document: Any) -> tuple[ObjectHistory | None, ReplayState | None]:
        """Return history and final state of a built object, identified by its number in the output.

        The last 32 replays are cached.
        """
        replay = self._replays.get(number)
        if replay is None:
            if self._history is None:
                self._history = BuildHistory(self._folder, self._graph, self._files)
            history = self._history.find(document)
            replay = history, None if history is None else self._history.replay(history, document)
            self._replays[number] = replay
            if len(self._replays) > _MAX_REPLAYS:
                self._replays.popitem(last=False)
        return replay


class ObjectSourceMap:
    """Source map of one built object (a `LazySourceMap`)."""

    __slots__ = ("_build", "_number")

    def __init__(self, build: Build, number: int) -> None:
        self._build = build
        self._number = number

    def locate_line(self, document: Any, path: Path, line: int) -> Location | None:
        """Return the location of a line of the text at path, in the document that set it; None if unknown."""
        history, state = self._build.replay(self._number, document)
        origin = None
        if history is not None and state is not None:
            query, _ = _build_query(document, path, state.root)
            origin = _find_origin(query, state) if query.path == path else None
        return None if origin is None else self._build.locate_line(origin, line)

    def locate(self, document: Any, path: Path) -> Location:
        """Return the location that set the value at path, or its nearest existing ancestor."""
        history, state = self._build.replay(self._number, document)
        if history is None or state is None:
            return Location(self._build.display_path(self._build.node.file))
        query, nearest = _build_query(document, path, state.root)
        return self._build.locate(_find_origin(query, state) or (nearest or history).origin)


def _build_query(document: Any, path: Path, root: Field | None) -> tuple[ValueQuery, Field | None]:
    """Return the value at path or at its nearest existing ancestor, and the nearest field of the replay."""
    value, field, nearest = document, root, root
    steps: list[str | int] = []
    for step in path:
        try:
            child = value[step]
        except (LookupError, TypeError):
            break
        if field is not None and isinstance(value, list) and isinstance(step, int):
            fields = field.value if isinstance(field.value, list) else []
            name = next((text for text in reversed(steps) if isinstance(text, str)), "")
            field = align(fields, value, step, name)
        elif field is not None:
            field = field.child(step)
        nearest = field or nearest
        value = child
        steps.append(step)
    return ValueQuery(document, tuple(steps), value, field), nearest


def _find_origin(query: ValueQuery, state: ReplayState) -> SourcePath | None:
    """Return the origin that set a value last: an explicit value or a claim."""
    last: tuple[int, SourcePath] | None = None
    field = query.field
    is_collection = isinstance(query.value, dict | list)
    if field is not None and (is_collection or is_equal(field, query.value)):
        last = field.time, field.origin
    if field is None or not is_collection:
        for time, claim in state.claims:
            is_later = last is None or time >= last[0]
            if claim.is_exact and is_later and (origin := claim.find_origin(query, state)) is not None:
                last = time, origin
                if is_collection:
                    # Later claims only add entries to the collection.
                    break
    if last is not None:
        return last[1]
    for _, claim in reversed(state.claims):
        if not claim.is_exact and (origin := claim.find_origin(query, state)) is not None:
            return origin
    return _find_shared_origin(query, state) if field is None else field.origin


def _find_shared_origin(query: ValueQuery, state: ReplayState) -> SourcePath | None:
    """Return the origin of another field with the same key and value, for a value without a field.

    kustomize puts one YAML node of `commonAnnotations` into an object and its pod template: a patch changes both.
    """
    pending = [] if state.root is None or not query.path else [state.root]
    match: Field | None = None
    while pending:
        field = pending.pop()
        if isinstance(field.value, list):
            pending += field.value
        elif isinstance(field.value, dict):
            pending += field.value.values()
            candidate = field.value.get(query.path[-1])
            if candidate is None or not is_equal(candidate, query.value):
                continue
            if match is None or candidate.time > match.time:
                match = candidate
    return None if match is None else match.origin
