"""Ways through a graph: for each place where an attacker starts, the best way to each kind of thing he wants.

The best way rests on the fewest assumptions, then has the fewest steps. One search a target (Dijkstra), so that the
cost grows with the graph and not with the number of ways through it.
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
"""How bad it is that an attacker holds something; of anything else it is low."""
_ASSUMPTION: Final = 1_000_000
"""What an edge costs that rests on an assumption, in steps."""

Step = tuple[str, str]
"""An edge, by the ids of its ends."""
Arrows = Mapping[str, Sequence[tuple[str, int]]]
"""For each node, those next to it with the cost of the step."""


class Way(msgspec.Struct, frozen=True):
    """The ids of the nodes along a path, and what it costs.

    `start` is where the attacker first runs something of his own, `group` the place of what he wants among the targets.
    """

    nodes: tuple[str, ...]
    cost: int
    severity: Severity
    start: str
    group: int

    @property
    def steps(self) -> tuple[Step, ...]:
        """Its edges."""
        return tuple(itertools.pairwise(self.nodes))

    def implies(self, other: Way) -> bool:
        """Whether it makes `other`, from the same start, one to what its end has anyway."""
        sure = self.cost // _ASSUMPTION <= other.cost // _ASSUMPTION
        return sure and self.severity is Severity.CRITICAL and other.severity < self.severity


class Roads:
    """A graph as searches walk it, with what is to be reached in it: groups of nodes."""

    def __init__(self, graph: Graph, targets: Sequence[AbstractSet[str]]) -> None:
        self._graph = graph
        self._targets = targets
        self._forward: dict[str, list[tuple[str, int]]] = {}
        self._backward: dict[str, list[tuple[str, int]]] = {}
        for source, target, assumed in graph.steps():
            cost = _ASSUMPTION if assumed else 1
            self._forward.setdefault(source, []).append((target, cost))
            self._backward.setdefault(target, []).append((source, cost))

    def ways(self, sources: Iterable[str]) -> list[Way]:
        """The best way from each start to each group of targets, the worst first.

        From the internet, each workload that it reaches is a start of its own. A way that is the beginning of another
        is left out, and so is one to less where one that is as sure makes its start cluster-admin.
        """
        starts = [start for source in sources for start in _starts(self._graph, source, self._forward)]
        found: dict[str, list[Way]] = {}
        for group, ends in enumerate(self._targets):
            after = _search(ends, self._backward)
            for start, cost in starts:
                way = _way(self._graph, start, cost, after, group)
                if way is not None and not any(known.implies(way) for known in found.get(start[-1], ())):
                    found.setdefault(start[-1], []).append(way)
        whole = _longest([way for ways in found.values() for way in ways])
        return sorted(whole, key=_rank)

    def detours(self, ended: Sequence[Way], removed: AbstractSet[Step]) -> int:
        """How many of the ways `ended`, all through edges that are `removed`, can be gone around."""
        return sum(
            len([way for way in ended if way.group == group and way.start in after])
            for group in {way.group for way in ended}
            for after in (_search(self._targets[group], self._backward, removed),)
        )


def _rank(way: Way) -> tuple[object, ...]:
    """The worst first, then the surest, then those from outside, then the shortest."""
    return -way.severity, way.cost // _ASSUMPTION, way.nodes[0] != INTERNET, way.cost, way.nodes


def _starts(graph: Graph, source: str, forward: Arrows) -> Iterator[tuple[tuple[str, ...], int]]:
    """The nodes up to where an attacker who comes from `source` first runs something of his own, with the cost."""
    if source != INTERNET:
        yield (source,), 0
        return
    inside = {
        name for name, node in graph.nodes.items() if node.kind in (AttackNodeKind.INTERNET, AttackNodeKind.ENTRY)
    }
    before = _search({source}, {name: near for name, near in forward.items() if name in inside})
    for name, (cost, _) in before.items():
        if name not in inside:
            yield tuple(reversed(_trail(name, before))), cost


Found = dict[str, tuple[int, str]]
"""For each node that is reached, the cost and the node before it; itself for those where the search began."""


def _search(begins: Iterable[str], arrows: Arrows, removed: AbstractSet[Step] = frozenset()) -> Found:
    """What is reached, on the shortest ways; edges that are `removed` are those of the graph, against the arrows."""
    found: Found = {}
    queue = [(0, name, name) for name in sorted(begins)]
    while queue:
        cost, name, previous = heapq.heappop(queue)
        if name in found:
            continue
        found[name] = (cost, previous)
        for near, step in arrows.get(name, ()):
            if near not in found and (near, name) not in removed:
                heapq.heappush(queue, (cost + step, near, name))
    return found


def _trail(name: str, found: Found) -> list[str]:
    """The nodes from `name` back to where the search began."""
    trail = [name]
    while found[trail[-1]][1] != trail[-1]:
        trail.append(found[trail[-1]][1])
    return trail


def _way(graph: Graph, start: tuple[str, ...], cost: int, after: Found, group: int) -> Way | None:
    if start[-1] not in after:
        return None
    nodes = (*start[:-1], *_trail(start[-1], after))
    if len(nodes) < 2 or len({*nodes}) < len(nodes):
        return None
    severity = SEVERITIES.get(graph.nodes[nodes[-1]].kind, Severity.LOW)
    return Way(nodes, cost + after[start[-1]][0], severity, start[-1], group)


def _longest(found: Sequence[Way]) -> list[Way]:
    """Without the ways that are the beginning of another, and each once."""
    whole = {way.nodes: way for way in found}
    beginnings = {nodes[:length] for nodes in whole for length in range(2, len(nodes))}
    return [way for nodes, way in whole.items() if nodes not in beginnings]


def cuts(ways: Sequence[Way], breakable: AbstractSet[Step], most: int) -> list[tuple[Step, tuple[int, ...]]]:
    """The edges to remove, the best first, each with the places of those of the ways left that it ends.

    Greedy: each time the edge on most of the ways that are left, of equals the one nearest to the target. Of edges
    that are not `breakable` none is chosen.
    """
    left = {place: [step for step in way.steps if step in breakable] for place, way in enumerate(ways)}
    using: dict[Step, set[int]] = {}
    depth: dict[Step, int] = {}
    for place, steps in left.items():
        for number, step in enumerate(steps):
            using.setdefault(step, set()).add(place)
            depth[step] = max(depth.get(step, 0), number)
    chosen: list[tuple[Step, tuple[int, ...]]] = []
    while using and len(chosen) < most:
        best = max(using, key=lambda step: (len(using[step]), depth[step], step))
        ended = tuple(sorted(using[best]))
        if not ended:
            break
        chosen.append((best, ended))
        for place in ended:
            for step in left[place]:
                using[step].discard(place)
    return chosen
