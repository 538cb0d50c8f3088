"""Which file or generator each object of a build comes from, and what it went through on its way out.

Walks the kustomizations as kustomize accumulates them: resources, generators, components, then its own
transformations over all of that. Names are followed, so that an object of the output is found by its name.
"""

# Paths are text here, as kustomize takes them:
# ruff: noqa: PTH112

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from kubekeep.model.json_values import as_mapping
from kubekeep.sources.kustomize.generators import generated, merged
from kubekeep.sources.kustomize.graph import Graph, Node
from kubekeep.sources.kustomize.level import steps
from kubekeep.sources.kustomize.references import charts, entries
from kubekeep.sources.kustomize.selector import Identity
from kubekeep.sources.kustomize.shadow import Field, grown
from kubekeep.sources.kustomize.state import State, Step
from kubekeep.sources.kustomize.written import Pages, Spot, Written
from kubekeep.sources.objects import Found, objects

_MOST: Final = 200_000
_HASH: Final = re.compile(r"-[a-z0-9]{10}$")


class Instance:
    """An object on its way out: where it begins, and the steps it goes through.

    `start` makes its fields anew, because a replay changes them; None where only the output tells what it is made of.
    """

    __slots__ = ("chain", "identity", "spot", "start")

    def __init__(self, identity: Identity, spot: Spot, start: Callable[[], Field] | None) -> None:
        self.identity = identity
        self.spot = spot
        self.start = start
        self.chain: list[tuple[Step, ...]] = []

    def replay(self, document: Any, *, schema: bool) -> State:
        """The state after all steps; `document` is the built object, which stands in for an unknown start."""
        if self.start is None:
            state = State(grown(document, self.spot, 0, fixed=True), Identity.of(document), schema=schema)
        else:
            state = State(self.start(), self.identity, schema=schema)
        for group in self.chain:
            for step in group:
                state.time += 1
                step.apply(state)
        return state


class Instances:
    """The instances of one build."""

    def __init__(self, root: str, graph: Graph, pages: Pages) -> None:
        self._graph = graph
        self._pages = pages
        self._schema = any(as_mapping(node.written.value).get("openapi") for node in graph.nodes.values())
        self._steps: dict[str, tuple[Step, ...]] = {}
        self._count = 0
        self._all: list[Instance] = []
        self._accumulate(root, self._all, 0)
        self._by_name: dict[tuple[str, str, str], list[tuple[Identity, Instance]]] = defaultdict(list)
        for instance in self._all:
            last = self.replay(instance, {}).ids[-1]
            self._by_name[last.group, last.kind, last.name].append((last, instance))

    def of(self, document: Any) -> Instance | None:
        """The one that became an object of the output; None where none plainly did."""
        wanted = Identity.of(document)
        for name in (wanted.name, _HASH.sub("", wanted.name)):
            found = self._by_name.get((wanted.group, wanted.kind, name), [])
            same = [instance for identity, instance in found if identity.same(wanted)]
            if len(same) == 1 or len(found) == 1:
                return same[0] if same else found[0][1]
        unknown = [instance for instance in self._all if instance.start is None]
        if len(unknown) > 1:
            unknown = [instance for instance in unknown if _release(instance.spot) in wanted.name]
        return unknown[0] if len(unknown) == 1 else None

    def replay(self, instance: Instance, document: Any) -> State:
        """An instance after all that the build did to it; `document` is what it became."""
        return instance.replay(document, schema=self._schema)

    def _accumulate(self, folder: str, found: list[Instance], depth: int) -> None:
        node = self._graph.nodes.get(folder)
        if node is None or depth > len(self._graph.nodes) or self._count > _MOST:
            return
        for spot in _named(node, "resources", "bases"):
            path = node.resolved(spot.value)
            if os.path.isdir(path):
                base: list[Instance] = []
                self._accumulate(path, base, depth + 1)
                found += base
            else:
                found += self._file(path)
        found += self._generated(node, found)
        for spot in _named(node, "components"):
            self._accumulate(node.resolved(spot.value), found, depth + 1)
        if folder not in self._steps:
            self._steps[folder] = steps(node, self._pages)
        if own := self._steps[folder]:
            for instance in found:
                instance.chain.append(own)

    def _file(self, path: str) -> Iterator[Instance]:
        for written in self._pages.page(path).documents:
            for item in objects(written.value):
                if isinstance(item, Found):
                    self._count += 1
                    yield Instance(
                        Identity.of(item.object), Spot(written, item.path), _start(item.object, written, item)
                    )

    def _generated(self, node: Node, found: Sequence[Instance]) -> list[Instance]:
        fresh = []
        for spot, kind in _generators(node):
            change = merged(spot, kind, node, self._pages)
            if change is not None:
                for instance in found:
                    instance.chain.append((change,))
                continue
            identity, make = generated(spot, kind, node, self._pages)
            fresh.append(Instance(identity, spot, make))
        unknown = Identity("", "", "", "", "")
        fresh += [Instance(unknown, spot, None) for spot in (*charts(node.written), *_named(node, "generators"))]
        self._count += len(fresh)
        return fresh


def _release(chart: Spot) -> str:
    """What charts commonly put into the names of their objects."""
    entry = as_mapping(chart.value)
    return str(entry.get("releaseName") or entry.get("name") or "\0")


def _start(value: Any, written: Written, item: Found) -> Callable[[], Field]:
    return lambda: grown(value, Spot(written, item.path), 0)


def _named(node: Node, *fields: str) -> Iterator[Spot]:
    for field in fields:
        for spot in entries(Spot(node.written, (field,))):
            if isinstance(spot.value, str):
                yield spot


def _generators(node: Node) -> Iterator[tuple[Spot, str]]:
    for field, kind in (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")):
        for spot in entries(Spot(node.written, (field,))):
            if as_mapping(spot.value):
                yield spot, kind
