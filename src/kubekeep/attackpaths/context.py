"""The context of resources that makes their findings more urgent, from the attack graph.

Only steps without assumptions count. No I/O.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from kubekeep.attackpaths.exposure import INTERNET
from kubekeep.attackpaths.find import build_graph
from kubekeep.attackpaths.graph import Graph
from kubekeep.model.attack import AttackNodeKind
from kubekeep.model.priority import ResourceContext
from kubekeep.model.resource import Resource
from kubekeep.posture.roles import FILES, RoleCoverage

_POWERS: Final[Mapping[AttackNodeKind, str]] = {
    AttackNodeKind.CLUSTER_ADMIN: "can take over the cluster",
    AttackNodeKind.HOST: "can take over its node",
}
_ON_THE_WAY: Final = frozenset({AttackNodeKind.INTERNET, AttackNodeKind.ENTRY})


def find_contexts(resources: Iterable[Resource], roles: RoleCoverage = FILES) -> dict[int, ResourceContext]:
    """Return the context of resources by their id(); resources without any are absent."""
    graph = build_graph(resources, roles)
    edges = [(source, target) for source, target, assumed in graph.iterate_edges() if not assumed]
    exposures = dict(_list_exposed(graph, edges))
    powers, rights = _list_powerful(graph, edges)
    steps = _list_steps(graph, edges)
    keys = {*exposures, *powers, *rights, *steps}
    return {
        key: ResourceContext(exposures.get(key, ""), powers.get(key, ""), rights.get(key, ""), steps.get(key, {}))
        for key in keys
    }


def _list_exposed(graph: Graph, edges: Sequence[tuple[str, str]]) -> Iterator[tuple[int, str]]:
    """Yield each resource that can be reached from outside, with the way as a clause."""
    ways: dict[str, list[str]] = {}
    for source, target in edges:
        if graph.nodes[source].kind in _ON_THE_WAY:
            ways.setdefault(source, []).append(target)
    pending, seen = [INTERNET], {INTERNET}
    while pending:
        node = pending.pop()
        for target in ways.get(node, ()):
            if target in seen:
                continue
            seen.add(target)
            pending.append(target)
            resource = graph.resources.get(target)
            if resource is not None and graph.nodes[target].kind is AttackNodeKind.WORKLOAD:
                through = "" if node == INTERNET else f" through {graph.nodes[node].label}"
                yield id(resource.original), f"reachable from the internet{through}"


def _list_powerful(graph: Graph, edges: Sequence[tuple[str, str]]) -> tuple[dict[int, str], dict[int, str]]:
    """Return the workloads that lead to a node or to cluster-admin in any number of steps, and others that lead to Secrets."""
    back: dict[str, list[str]] = {}
    for source, target in edges:
        back.setdefault(target, []).append(source)
    powers: dict[int, str] = {}
    for kind, clause in _POWERS.items():
        targets = [name for name, node in graph.nodes.items() if node.kind is kind]
        for workload in _list_leading(graph, back, targets):
            powers.setdefault(workload, clause)
    rights: dict[int, str] = {}
    for name, node in graph.nodes.items():
        if node.kind is AttackNodeKind.SECRETS:
            for workload in _list_leading(graph, back, [name]):
                if workload not in powers:
                    rights.setdefault(workload, f"can read {node.label}")
    return powers, rights


def _list_leading(graph: Graph, back: Mapping[str, Sequence[str]], targets: Iterable[str]) -> Iterator[int]:
    """Yield the workloads that lead to one of the targets, each once."""
    pending = [*targets]
    seen = set(pending)
    while pending:
        for source in back.get(pending.pop(), ()):
            # Control of one node is no step to other workloads' own power.
            if source in seen or graph.nodes[source].kind is AttackNodeKind.HOST:
                continue
            seen.add(source)
            pending.append(source)
            resource = graph.resources.get(source)
            if resource is not None and graph.nodes[source].kind is AttackNodeKind.WORKLOAD:
                yield id(resource.original)


def _list_steps(graph: Graph, edges: Sequence[tuple[str, str]]) -> dict[int, dict[str, str]]:
    """Return the controls whose failure gives a node or cluster-admin in one step, by resource, with the reason."""
    steps: dict[int, dict[str, str]] = {}
    for source, target in edges:
        if graph.nodes[target].kind not in _POWERS:
            continue
        for draft in graph.list_openings(source, target):
            parts = (*draft.also_evaluated, *((draft.resource,) if draft.resource else ()))
            for part, slug in itertools.product(parts, () if draft.assumes else draft.slugs):
                steps.setdefault(id(part.original), {}).setdefault(slug, draft.text)
    return steps
