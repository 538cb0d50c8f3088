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
_BEFORE_CONTROL: Final = frozenset({AttackNodeKind.INTERNET, AttackNodeKind.ENTRY, AttackNodeKind.IMAGE})
"""Kinds of nodes that an attacker reaches without code execution."""
_ASSUMPTION: Final = 1_000_000
"""The cost of an edge with an assumption, in steps."""

EdgeKey = tuple[str, str]
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
    def steps(self) -> tuple[EdgeKey, ...]:
        """The edges of the path."""
        return tuple(itertools.pairwise(self.nodes))

    def implies(self, other: CandidatePath) -> bool:
        """Return True if its target includes the target of `other`, a path from the same start."""
        is_as_certain = self.cost // _ASSUMPTION <= other.cost // _ASSUMPTION
        return is_as_certain and self.severity is Severity.CRITICAL and other.severity < self.severity


class PathSearch:
    """A graph prepared for searches, with groups of target nodes."""

    def __init__(self, graph: Graph, targets: Sequence[AbstractSet[str]]) -> None:
        self._graph = graph
        self._targets = targets
        self._forward: dict[str, list[tuple[str, int]]] = {}
        self._backward: dict[str, list[tuple[str, int]]] = {}
        for source, target, has_assumption in graph.iterate_edges():
            cost = _ASSUMPTION if has_assumption else 1
            self._forward.setdefault(source, []).append((target, cost))
            self._backward.setdefault(target, []).append((source, cost))

    def find_paths(self, sources: Iterable[str]) -> list[CandidatePath]:
        """Return the best path from each start to each group of targets, the most severe first.

        Each workload reachable from the internet is a start. A path that is the beginning of another is left out, and
        so is a path to a less severe target if a path with no more assumptions leads from its start to cluster-admin.
        """
        starts = [start for source in sources for start in _find_starts(self._graph, source, self._forward)]
        by_start: dict[str, list[CandidatePath]] = {}
        for group, ends in enumerate(self._targets):
            reached = _search(ends, self._backward)
            for start, cost in starts:
                path = _complete_path(self._graph, start, cost, reached, group)
                if path is not None and not any(other.implies(path) for other in by_start.get(start[-1], ())):
                    by_start.setdefault(start[-1], []).append(path)
        longest = _drop_prefixes([path for paths in by_start.values() for path in paths])
        return sorted(longest, key=_rank)

    def count_detours(self, broken: Sequence[CandidatePath], removed: AbstractSet[EdgeKey]) -> int:
        """Return the number of paths in `broken` whose start still reaches the target group without `removed` edges."""
        return sum(
            len([path for path in broken if path.group == group and path.start in reached])
            for group in {path.group for path in broken}
            for reached in (_search(self._targets[group], self._backward, removed),)
        )


def _rank(path: CandidatePath) -> tuple[object, ...]:
    """Return the sort key: severity, number of assumptions, paths from the internet first, length."""
    return -path.severity, path.cost // _ASSUMPTION, path.nodes[0] != INTERNET, path.cost, path.nodes


def _find_starts(graph: Graph, source: str, forward: Adjacency) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the nodes from `source` to each first node with code execution by the attacker, with the cost."""
    if source != INTERNET:
        yield (source,), 0
        return
    entry_nodes = {name for name, node in graph.nodes.items() if node.kind in _BEFORE_CONTROL}
    reached = _search({source}, {name: adjacent for name, adjacent in forward.items() if name in entry_nodes})
    for name, (cost, _) in reached.items():
        if name not in entry_nodes:
            yield tuple(reversed(_trail(name, reached))), cost


ReachedNodes = dict[str, tuple[int, str]]
"""For each reached node, the cost and the previous node; the node itself if the search began there."""


def _search(begins: Iterable[str], adjacency: Adjacency, removed: AbstractSet[EdgeKey] = frozenset()) -> ReachedNodes:
    """Return the nodes reached on shortest paths; `removed` edges are in the direction opposite to `adjacency`."""
    reached: ReachedNodes = {}
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


def _trail(name: str, reached: ReachedNodes) -> list[str]:
    """Return the nodes from `name` back to the beginning of the search."""
    trail = [name]
    while reached[trail[-1]][1] != trail[-1]:
        trail.append(reached[trail[-1]][1])
    return trail


def _complete_path(
    graph: Graph, start: tuple[str, ...], cost: int, reached: ReachedNodes, group: int
) -> CandidatePath | None:
    if start[-1] not in reached:
        return None
    nodes = (*start[:-1], *_trail(start[-1], reached))
    if len(nodes) < 2 or len({*nodes}) < len(nodes):
        return None
    severity = SEVERITIES.get(graph.nodes[nodes[-1]].kind, Severity.LOW)
    return CandidatePath(nodes, cost + reached[start[-1]][0], severity, start[-1], group)


def _drop_prefixes(paths: Sequence[CandidatePath]) -> list[CandidatePath]:
    """Return the distinct paths that are not the beginning of another path."""
    distinct = {path.nodes: path for path in paths}
    prefixes = {nodes[:length] for nodes in distinct for length in range(2, len(nodes))}
    return [path for nodes, path in distinct.items() if nodes not in prefixes]


def choose_cuts(
    paths: Sequence[CandidatePath], breakable: AbstractSet[EdgeKey], limit: int
) -> list[tuple[EdgeKey, tuple[int, ...]]]:
    """Return up to `limit` edges to remove, the best first, each with the positions of the paths that it breaks.

    Greedy: each time the `breakable` edge on most of the remaining paths; of several, the nearest to the target.
    """
    remaining = {position: [step for step in path.steps if step in breakable] for position, path in enumerate(paths)}
    paths_by_edge: dict[EdgeKey, set[int]] = {}
    depth: dict[EdgeKey, int] = {}
    for position, steps in remaining.items():
        for number, step in enumerate(steps):
            paths_by_edge.setdefault(step, set()).add(position)
            depth[step] = max(depth.get(step, 0), number)
    cuts: list[tuple[EdgeKey, tuple[int, ...]]] = []
    while paths_by_edge and len(cuts) < limit:
        best = max(paths_by_edge, key=lambda step: (len(paths_by_edge[step]), depth[step], step))
        broken = tuple(sorted(paths_by_edge[best]))
        if not broken:
            break
        cuts.append((best, broken))
        for position in broken:
            for step in remaining[position]:
                paths_by_edge[step].discard(position)
    return cuts
