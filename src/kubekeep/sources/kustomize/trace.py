"""From a value of a built object back to the line that set it: `model.location.Trace` for kustomizations.

Everything is worked out when the first place is asked for: a build without findings costs nothing more. Never names
a file that had no part in the value: what cannot be told has the place of the object, or of the kustomization.
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
from kubekeep.sources.kustomize.graph import Graph, Node
from kubekeep.sources.kustomize.instances import Instance, Instances
from kubekeep.sources.kustomize.shadow import Field, aligned, equal
from kubekeep.sources.kustomize.state import Asked, State
from kubekeep.sources.kustomize.written import Pages, Spot

_KEPT: Final = 32


class Build:
    """What the traces of one build share; `shown` is the folder of its kustomization as people see it."""

    def __init__(self, folder: str, shown: str, graph: Graph, pages: Pages) -> None:
        self._folder = folder
        self._shown = shown
        self._graph = graph
        self._pages = pages
        self._paths: dict[str, str] = {}
        self._instances: Instances | None = None
        self._replayed: OrderedDict[int, tuple[Instance | None, State | None]] = OrderedDict()

    def shown(self, file: str) -> str:
        """A file, by its real path, as people see it."""
        path = self._paths.get(file)
        if path is None:
            relative = os.path.relpath(file, self._folder)
            path = self._paths[file] = display_path(os.path.normpath(os.path.join(self._shown, relative)))
        return path

    @property
    def node(self) -> Node:
        """The kustomization that was built."""
        return self._graph.nodes[self._folder]

    @property
    def nodes(self) -> Iterator[Node]:
        """All kustomizations that took part."""
        return iter(self._graph.nodes.values())

    def location(self, spot: Spot) -> Location:
        """A place as people see it."""
        return spot.location(self.shown(spot.written.file))

    def replay(self, number: int, document: Any) -> tuple[Instance | None, State | None]:
        """The object `number` of the output, which is `document`, with what it went through. The last few are kept."""
        found = self._replayed.get(number)
        if found is None:
            if self._instances is None:
                self._instances = Instances(self._folder, self._graph, self._pages)
            instance = self._instances.of(document)
            found = instance, None if instance is None else self._instances.replay(instance, document)
            self._replayed[number] = found
            if len(self._replayed) > _KEPT:
                self._replayed.popitem(last=False)
        return found


class ObjectTrace:
    """One object of a build."""

    __slots__ = ("_build", "_number")

    def __init__(self, build: Build, number: int) -> None:
        self._build = build
        self._number = number

    def locate(self, document: Any, path: Path) -> Location:
        """The place that set `path`, or its nearest ancestor that is there."""
        instance, state = self._build.replay(self._number, document)
        if instance is None or state is None:
            return Location(self._build.shown(self._build.node.file))
        asked, above = _walked(document, path, state.root)
        return self._build.location(_set_by(asked, state) or (above or instance).spot)


def _walked(document: Any, path: Path, root: Field | None) -> tuple[Asked, Field | None]:
    """The value at `path` or its nearest ancestor that is there, with its field, and the nearest field at all."""
    value, field, nearest = document, root, root
    there: list[str | int] = []
    for step in path:
        try:
            below = value[step]
        except (LookupError, TypeError):
            break
        if field is not None and isinstance(value, list) and isinstance(step, int):
            items = field.value if isinstance(field.value, list) else []
            name = next((text for text in reversed(there) if isinstance(text, str)), "")
            field = aligned(items, value, step, name)
        elif field is not None:
            field = field.child(step)
        nearest = field or nearest
        value = below
        there.append(step)
    return Asked(document, tuple(there), value, field), nearest


def _set_by(asked: Asked, state: State) -> Spot | None:
    """Who set a value last: who wrote it, or whose rule put it there."""
    last: tuple[int, Spot] | None = None
    field = asked.field
    collection = isinstance(asked.value, dict | list)
    if field is not None and (collection or equal(field, asked.value)):
        last = field.time, field.spot
    if field is None or not collection:
        for time, claim in state.claims:
            if claim.sure and (last is None or time >= last[0]) and (spot := claim.spot(asked, state)) is not None:
                last = time, spot
                if collection:
                    # Those that follow only add to what is there.
                    break
    if last is not None:
        return last[1]
    for _, claim in reversed(state.claims):
        if not claim.sure and (spot := claim.spot(asked, state)) is not None:
            return spot
    return _elsewhere(asked, state) if field is None else field.spot


def _elsewhere(asked: Asked, state: State) -> Spot | None:
    """Who set an entry of the same name to the same value, where nobody set this one.

    kustomize puts one node of `commonAnnotations` into an object and its pod template, and a patch of one changes both.
    """
    todo = [] if state.root is None or not asked.path else [state.root]
    found: Field | None = None
    while todo:
        field = todo.pop()
        if isinstance(field.value, list):
            todo += field.value
        elif isinstance(field.value, dict):
            todo += field.value.values()
            same = field.value.get(asked.path[-1])
            if same is not None and equal(same, asked.value) and (found is None or same.time > found.time):
                found = same
    return None if found is None else found.spot
