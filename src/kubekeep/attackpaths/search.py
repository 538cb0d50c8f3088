"""Search of attack paths: for each entry point, the best path to each group of targets.

The best path has the fewest assumptions, then the fewest steps. One search per target (Dijkstra), so that the cost grows
with the graph and not with the number of paths.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from kubekeep.attackpaths.exposure import INTERNET
from kubekeep.attackpaths.graph import Graph
from kubekeep.model.attack import AttackNodeKind
from kubekeep.model.severity import Severity

SEVERITIES: Final[Mapping[AttackNodeKind, Severity]] = {
    AttackNodeKind.CLUSTER_ADMIN: Severity.CRITICAL,
    AttackNodeKind.HOST: Severity.HIGH,
    AttackNodeKind.SECRETS: Severity.HIGH,
    AttackNodeKind.ACCOUNTS: Severity.HIGH,
    AttackNodeKind.PODS: Severity.HIGH,
    AttackNodeKind.SECRET: Severity.MEDIUM,
}
"""Severity of access to a node by kind; low for other kinds."""
_ASSUMPTION: Final = 1_000_000
"""The cost of an edge with an assumption, in steps."""

Step = tuple[str, str]
"""An edge, by the ids of its ends."""
Adjacency = Mapping[str, Sequence[tuple[str, int]]]
"""Adjacent nodes with the cost of the step, by node."""


class CandidatePath(msgspec.Struct, frozen=True):
    """The ids of the nodes along a path, and its cost.

    `start` is the first node with code execution by the attacker, `group` the index of the target group.
    """

    nodes: tuple[str, ...]
    cost: int
    severity: Severity
    start: str
    group: int

    @property
    def steps(self) -> tuple[Step, ...]:
        """The edges of the path."""
        return tuple(itertools.pairwise(self.nodes))

    def implies(self, other: CandidatePath) -> bool:
        """Return True if its target includes the target of `other`, a path from the same start."""
        sure = self.cost // _ASSUMPTION <= other.cost // _ASSUMPTION
        return sure and self.severity is Severity.CRITICAL and other.severity < self.severity


class PathSearch:
    """A graph prepared for searches, with groups of target nodes."""

    def __init__(self, graph: Graph, targets: Sequence[AbstractSet[str]]) -> None:
        self._graph = graph
        self._targets = targets
        self._forward: dict[str, list[tuple[str, int]]] = {}
        self._backward: dict[str, list[tuple[str, int]]] = {}
        for source, target, assumed in graph.steps():
            cost = _ASSUMPTION if assumed else 1
            self._forward.setdefault(source, []).append((target, cost))
            self._backward.setdefault(target, []).append((source, cost))

    def find_paths(self, sources: Iterable[str]) -> list[CandidatePath]:
        """Return the best path from each start to each group of targets, the worst first.

        Each workload reachable from the internet is a start. A path that is the beginning of another is left out, and
        so is a path to a lesser target if a path as certain leads from its start to cluster-admin.
        """
        starts = [start for source in sources for start in _starts(self._graph, source, self._forward)]
        by_start: dict[str, list[CandidatePath]] = {}
        for group, ends in enumerate(self._targets):
            after = _search(ends, self._backward)
            for start, cost in starts:
                path = _complete(self._graph, start, cost, after, group)
                if path is not None and not any(known.implies(path) for known in by_start.get(start[-1], ())):
                    by_start.setdefault(start[-1], []).append(path)
        longest = _drop_beginnings([path for paths in by_start.values() for path in paths])
        return sorted(longest, key=_rank)

    def count_detours(self, ended: Sequence[CandidatePath], removed: AbstractSet[Step]) -> int:
        """Return the number of paths in `ended`, all through `removed` edges, that have a detour."""
        return sum(
            len([path for path in ended if path.group == group and path.start in after])
            for group in {path.group for path in ended}
            for after in (_search(self._targets[group], self._backward, removed),)
        )


def _rank(path: CandidatePath) -> tuple[object, ...]:
    """Sort key: severity, number of assumptions, paths from the internet first, length."""
    return -path.severity, path.cost // _ASSUMPTION, path.nodes[0] != INTERNET, path.cost, path.nodes


def _starts(graph: Graph, source: str, forward: Adjacency) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the nodes from `source` to each first node with code execution by the attacker, with the cost."""
    if source != INTERNET:
        yield (source,), 0
        return
    inside = {
        name for name, node in graph.nodes.items() if node.kind in (AttackNodeKind.INTERNET, AttackNodeKind.ENTRY)
    }
    before = _search({source}, {name: adjacent for name, adjacent in forward.items() if name in inside})
    for name, (cost, _) in before.items():
        if name not in inside:
            yield tuple(reversed(_trail(name, before))), cost


Reached = dict[str, tuple[int, str]]
"""For each reached node, the cost and the previous node; the node itself if the search began there."""


def _search(begins: Iterable[str], adjacency: Adjacency, removed: AbstractSet[Step] = frozenset()) -> Reached:
    """Return the nodes reached on shortest paths; `removed` edges are in the direction opposite to `adjacency`."""
    reached: Reached = {}
    queue = [(0, name, name) for name in sorted(begins)]
    while queue:
        cost, name, previous = heapq.heappop(queue)
        if name in reached:
            continue
        reached[name] = (cost, previous)
        for adjacent, step in adjacency.get(name, ()):
            if adjacent not in reached and (adjacent, name) not in removed:
                heapq.heappush(queue, (cost + step, adjacent, name))
    return reached


def _trail(name: str, reached: Reached) -> list[str]:
    """Return the nodes from `name` back to the beginning of the search."""
    trail = [name]
    while reached[trail[-1]][1] != trail[-1]:
        trail.append(reached[trail[-1]][1])
    return trail


def _complete(graph: Graph, start: tuple[str, ...], cost: int, after: Reached, group: int) -> CandidatePath | None:
    if start[-1] not in after:
        return None
    nodes = (*start[:-1], *_trail(start[-1], after))
    if len(nodes) < 2 or len({*nodes}) < len(nodes):
        return None
    severity = SEVERITIES.get(graph.nodes[nodes[-1]].kind, Severity.LOW)
    return CandidatePath(nodes, cost + after[start[-1]][0], severity, start[-1], group)


def _drop_beginnings(paths: Sequence[CandidatePath]) -> list[CandidatePath]:
    """Return the distinct paths that are not the beginning of another."""
    distinct = {path.nodes: path for path in paths}
    beginnings = {nodes[:length] for nodes in distinct for length in range(2, len(nodes))}
    return [path for nodes, path in distinct.items() if nodes not in beginnings]


def choose_cuts(
    paths: Sequence[CandidatePath], breakable: AbstractSet[Step], most: int
) -> list[tuple[Step, tuple[int, ...]]]:
    """Return up to `most` edges to remove, the best first, each with the positions of the paths that it ends.

    Greedy: each time the `breakable` edge on most of the remaining paths, among equals the nearest to the target.
    """
    left = {position: [step for step in path.steps if step in breakable] for position, path in enumerate(paths)}
    using: dict[Step, set[int]] = {}
    depth: dict[Step, int] = {}
    for position, steps in left.items():
        for number, step in enumerate(steps):
            using.setdefault(step, set()).add(position)
            depth[step] = max(depth.get(step, 0), number)
    chosen: list[tuple[Step, tuple[int, ...]]] = []
    while using and len(chosen) < most:
        best = max(using, key=lambda step: (len(using[step]), depth[step], step))
        ended = tuple(sorted(using[best]))
        if not ended:
            break
        chosen.append((best, ended))
        for position in ended:
            for step in left[position]:
                using[step].discard(position)
    return chosen
