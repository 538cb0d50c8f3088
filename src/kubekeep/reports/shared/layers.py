"""Layered layout of a small directed graph: columns from left to right with few edge crossings.

Pure geometry without text or drawing. Edges that close a cycle are kept but ignored for the order of columns.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

Edge = tuple[str, str]

_SWEEPS: Final = 8


class GraphLayout(msgspec.Struct, frozen=True):
    """Positions in the grid: column and row of each node, and the rows at which each edge crosses the columns between.

    Rows have equal height; half rows centre short columns. `rows` is the number of rows of the tallest column.
    """

    places: Mapping[str, tuple[int, float]]
    bends: Mapping[Edge, tuple[tuple[int, float], ...]]
    columns: int
    rows: int


def layout(edges: Sequence[Edge]) -> GraphLayout:
    """Compute the layout of the graph with these edges."""
    columns = _columns(edges)
    chains = {edge: _chain(edge, columns) for edge in dict.fromkeys(edges)}
    layers = _layers(columns, chains.values())
    links = [link for chain in chains.values() for link in itertools.pairwise(name for name, _ in chain)]
    _untangle(layers, links)
    rows = max(map(len, layers), default=0)
    at = {
        name: (column, place + (rows - len(layer)) / 2)
        for column, layer in enumerate(layers)
        for place, name in enumerate(layer)
    }
    bends = {edge: tuple(at[name] for name, _ in chain[1:-1]) for edge, chain in chains.items()}
    return GraphLayout({name: at[name] for name in columns}, bends, len(layers), rows)


def _layers(columns: Mapping[str, int], chains: Iterable[Sequence[tuple[str, int]]]) -> list[list[str]]:
    """Return the members of each column: nodes, and passing edges."""
    layers: list[list[str]] = [[] for _ in range(max(columns.values(), default=-1) + 1)]
    passing = (entry for chain in chains for entry in chain[1:-1])
    for name, column in (*columns.items(), *passing):
        layers[column].append(name)
    return layers


def _columns(edges: Sequence[Edge]) -> dict[str, int]:
    """Return the column of each node: one more than the highest column of its predecessors."""
    names = list(dict.fromkeys(name for edge in edges for name in edge))
    ahead = _break_cycles(names, edges)
    waiting = dict.fromkeys(names, 0)
    for near in ahead.values():
        for name in near:
            waiting[name] += 1
    columns: dict[str, int] = {}
    ready = [name for name in names if not waiting[name]]
    for name in ready:
        columns.setdefault(name, 0)
        for after in ahead[name]:
            columns[after] = max(columns.get(after, 0), columns[name] + 1)
            waiting[after] -= 1
            if not waiting[after]:
                ready.append(after)
    return columns


def _break_cycles(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, list[str]]:
    """Return the successors of each node without the edges that close a cycle."""
    ahead: dict[str, list[str]] = {name: [] for name in names}
    for source, target in dict.fromkeys(edges):
        if source != target and not _is_reachable(ahead, target, source):
            ahead[source].append(target)
    return ahead


def _is_reachable(ahead: Mapping[str, Sequence[str]], source: str, target: str) -> bool:
    todo, seen = [source], {source}
    while todo:
        name = todo.pop()
        if name == target:
            return True
        fresh = [near for near in ahead[name] if near not in seen]
        seen.update(fresh)
        todo += fresh
    return False


def _chain(edge: Edge, columns: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return an edge as its two ends with a placeholder in each column between them."""
    source, target = edge
    between = range(columns[source] + 1, columns[target])
    return [
        (source, columns[source]),
        *((f"{source}\n{target}\n{column}", column) for column in between),
        (target, columns[target]),
    ]


def _untangle(layers: Sequence[list[str]], links: Sequence[Edge]) -> None:
    """Sort each layer by the mean position of its linked nodes, alternating from left to right and back."""
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for source, target in links:
        after.setdefault(source, []).append(target)
        before.setdefault(target, []).append(source)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        near = before if forward else after
        for layer in layers if forward else reversed(layers):
            place = {name: number for other in layers for number, name in enumerate(other)}
            middle = {
                name: sum(place[other] for other in near[name]) / len(near[name]) if name in near else place[name]
                for name in layer
            }
            layer.sort(key=lambda name: (middle[name], place[name]))
