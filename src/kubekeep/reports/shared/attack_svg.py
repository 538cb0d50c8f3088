"""Attack paths as a self-contained SVG picture without scripts, style sheets or external references.

Only presentation attributes are used, so the picture also renders under a Content Security Policy that forbids
styles. Lines and text outside boxes inherit the text colour of the page. All text from the input is escaped.
"""

from __future__ import annotations

import html
import itertools
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.model.attack import AttackNode, AttackNodeKind, Attacks, Edge
from kubekeep.model.text import visible, xml_safe
from kubekeep.reports.shared.wording import count_noun

DRAWN: Final = 12
"""Maximum number of paths in a picture."""
_BOX_WIDTH, _BOX_HEIGHT = 188, 48
_GAP, _ROW, _MARGIN = 104, 68, 16
"""Space between columns, height of a row, and margin of the picture, in pixels."""
_LINE_CELLS: Final = 23
"""Maximum width of a line in a box, in character cells."""
_FONT: Final = "system-ui, 'Noto Sans', 'DejaVu Sans', 'Noto Sans CJK SC', Helvetica, Arial, sans-serif"
_LINE: Final = "#7d8590"
"""A grey with enough contrast on both white and black."""
_FILLS: Final = {
    AttackNodeKind.INTERNET: "#374151",
    AttackNodeKind.SUBJECT: "#374151",
    AttackNodeKind.ENTRY: "#1d4ed8",
    AttackNodeKind.IMAGE: "#b45309",
    AttackNodeKind.WORKLOAD: "#0f766e",
    AttackNodeKind.PODS: "#0f766e",
    AttackNodeKind.ACCOUNT: "#6d28d9",
    AttackNodeKind.ACCOUNTS: "#6d28d9",
    AttackNodeKind.ROLE: "#6d28d9",
    AttackNodeKind.HOST: "#9a3412",
    AttackNodeKind.SECRET: "#9a3412",
    AttackNodeKind.SECRETS: "#9a3412",
    AttackNodeKind.DATA: "#9a3412",
    AttackNodeKind.CLUSTER_ADMIN: "#b91c1c",
}


def attack_svg(attacks: Attacks, most: int = DRAWN) -> str:
    """Return a picture of the first `most` paths and the number of omitted ones. Without paths, the picture says so."""
    paths = attacks.paths[:most]
    edges = {(edge.source.id, edge.target.id): edge for path in paths for edge in path.edges}
    nodes = {node.id: node for edge in edges.values() for node in (edge.source, edge.target)}
    grid = layout(list(edges))
    width = max(grid.columns * (_BOX_WIDTH + _GAP) - _GAP, 360) + 2 * _MARGIN
    height = max(grid.rows, 1) * _ROW + 2 * _MARGIN + 22
    left_out = len(attacks.paths) - len(paths) + attacks.unlisted_path_count
    title = f"{count_noun(len(paths), 'attack path')}{f' of {len(paths) + left_out}' if left_out else ''}"
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="{_FONT}" font-size="12">'
    )
    parts = [
        opening,
        f"<title>{_text(title if paths else 'No attack path was found')}</title>",
        f"<desc>{_text(_describe(attacks, paths_shown=len(paths)))}</desc>",
        *(_line(edge, grid) for edge in edges.values()),
        *(_box(node, *grid.positions[name]) for name, node in nodes.items()),
        _legend(edges.values(), title if paths else "No attack path was found", height),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _describe(attacks: Attacks, paths_shown: int) -> str:
    """Return the paths as text for screen readers."""
    descriptions = (
        " → ".join((path.source.label, *(edge.target.label for edge in path.edges)))
        for path in attacks.paths[:paths_shown]
    )
    return "; ".join(descriptions)


def _left(column: int) -> int:
    """Return the x coordinate of the left side of a column's boxes."""
    return _MARGIN + column * (_BOX_WIDTH + _GAP)


def _middle(row: float) -> float:
    """Return the y coordinate of the middle of a row."""
    return _MARGIN + row * _ROW + _ROW / 2


def _box(node: AttackNode, column: int, row: float) -> str:
    x, y = _left(column), _middle(row) - _BOX_HEIGHT / 2
    location = f"\n{visible(str(node.location))}" if node.location else ""
    lines = [_short(line) for line in _lines(visible(node.label))]
    texts = "".join(
        f'<text x="{x + 10}" y="{y + (29 if len(lines) == 1 else 21) + 16 * number:g}" fill="#ffffff">'
        f"{_text(line)}</text>"
        for number, line in enumerate(lines)
    )
    return (
        f"<g><title>{_text(visible(node.label) + location)}</title>"
        f'<rect x="{x}" y="{y:g}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="6" fill="{_FILLS[node.kind]}"/>'
        f"{texts}</g>"
    )


def _line(edge: Edge, grid: GraphLayout) -> str:
    """Return an edge as a curve with an arrow, the ID of its first control, and its reasons as a tooltip."""
    ends = (edge.source.id, edge.target.id)
    start, *between, end = (grid.positions[ends[0]], *grid.bends[ends], grid.positions[ends[1]])
    x, y = _left(start[0]) + _BOX_WIDTH, _middle(start[1])
    path = [f"M{x} {y:g}"]
    for column, row in between:
        path.append(_curve(x, y, _left(column), _middle(row)))
        x, y = _left(column) + _BOX_WIDTH, _middle(row)
        path.append(f"H{x}")
    tip = _left(end[0])
    path.append(_curve(x, y, tip - 8, _middle(end[1])))
    middle = ((x + tip) / 2 if end[0] > start[0] else tip + _BOX_WIDTH / 2, (y + _middle(end[1])) / 2 - 5)
    reasons = "\n".join(_reasons(edge))
    dash = ' stroke-dasharray="5 4"' if edge.assumes else ""
    label = _control_label(edge, *middle, drop=_middle(end[1]) - y)
    y = _middle(end[1])
    return (
        f'<g><title>{_text(reasons)}</title><path d="{" ".join(path)}" fill="none" stroke="{_LINE}" stroke-width="1.6"'
        f'{dash}/><path d="M{tip - 9} {y - 4.5:g}L{tip} {y:g}L{tip - 9} {y + 4.5:g}Z" fill="{_LINE}"/>{label}</g>'
    )


def _control_label(edge: Edge, x: float, y: float, drop: float) -> str:
    """Return the ID of the first control, placed at the middle of an edge on the side without the curve."""
    controls = list(dict.fromkeys(control.id for opening in edge.openings for control in opening.controls))
    if not controls:
        return ""
    more = f" +{len(controls) - 1}" if len(controls) > 1 else ""
    anchor, aside = ("start", 3) if drop > 0 else ("end", -3) if drop < 0 else ("middle", 0)
    return (
        f'<text x="{x + aside:g}" y="{y:g}" font-size="10" text-anchor="{anchor}" fill="currentColor">'
        f"{_text(_short(controls[0], 14) + more)}</text>"
    )


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    reach = max(abs(to_x - x) / 2, 30)
    return f"C{x + reach:g} {y:g} {to_x - reach:g} {to_y:g} {to_x:g} {to_y:g}"


def _reasons(edge: Edge) -> Iterator[str]:
    for opening in edge.openings:
        numbers = ", ".join(control.id for control in opening.controls)
        assumes = f", provided that {opening.assumes}" if opening.assumes else ""
        location = f" ({opening.location})" if opening.location else ""
        yield visible(f"{opening.text}{assumes}{location}{f' [{numbers}]' if numbers else ''}")


def _legend(edges: Iterable[Edge], title: str, height: float) -> str:
    dashed = " · dashed: depends on an assumption" if any(edge.assumes for edge in edges) else ""
    return f'<text x="{_MARGIN}" y="{height - 10:g}" fill="currentColor">{_text(title + dashed)}</text>'


def _lines(label: str) -> list[str]:
    """Return a label on one line, or split into kind and name on two."""
    if _cells(label) <= _LINE_CELLS:
        return [label]
    kind, _, name = label.partition(" ")
    if _cells(kind) > _LINE_CELLS or not name:
        return [label]
    words = label.split(" ")
    first = [words[0]]
    for word in words[1:]:
        if _cells(" ".join((*first, word))) > _LINE_CELLS:
            break
        first.append(word)
    return [" ".join(first), " ".join(words[len(first) :])]


def _short(text: str, most: int = _LINE_CELLS) -> str:
    """Return text with at most `most` cells; an ellipsis replaces the middle of longer text."""
    if _cells(text) <= most:
        return text
    head, tail = text[: most // 2], text[-(most // 2 - 1) :]
    while _cells(head) + _cells(tail) + 1 > most and head:
        head, tail = head[:-1], tail[1:]
    return f"{head}…{tail}"


def _cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _text(text: str) -> str:
    return html.escape(xml_safe(text))


_Ends = tuple[str, str]

_SWEEPS: Final = 8
"""Number of passes over the columns that reduce crossings; more make hardly a difference."""


class GraphLayout(msgspec.Struct, frozen=True):
    """Positions in a grid: (column, row) of each node, and of each edge in the columns that it crosses (`bends`).

    Rows have equal height; half rows centre short columns. `rows` is the number of rows of the tallest column.
    """

    positions: Mapping[str, tuple[int, float]]
    bends: Mapping[_Ends, tuple[tuple[int, float], ...]]
    columns: int
    rows: int


def layout(edges: Sequence[_Ends]) -> GraphLayout:
    """Compute the layout of the graph with these edges."""
    columns = _columns(edges)
    chains = {edge: _chain(edge, columns) for edge in dict.fromkeys(edges)}
    layers = _fill_columns(columns, chains.values())
    links = [link for chain in chains.values() for link in itertools.pairwise(name for name, _ in chain)]
    _untangle(layers, links)
    rows = max(map(len, layers), default=0)
    positions = {
        name: (column, row + (rows - len(layer)) / 2)
        for column, layer in enumerate(layers)
        for row, name in enumerate(layer)
    }
    bends = {edge: tuple(positions[name] for name, _ in chain[1:-1]) for edge, chain in chains.items()}
    return GraphLayout({name: positions[name] for name in columns}, bends, len(layers), rows)


def _fill_columns(columns: Mapping[str, int], chains: Iterable[Sequence[tuple[str, int]]]) -> list[list[str]]:
    """Return the members of each column: nodes, and placeholders of edges that cross it."""
    layers: list[list[str]] = [[] for _ in range(max(columns.values(), default=-1) + 1)]
    placeholders = (entry for chain in chains for entry in chain[1:-1])
    for name, column in (*columns.items(), *placeholders):
        layers[column].append(name)
    return layers


def _columns(edges: Sequence[_Ends]) -> dict[str, int]:
    """Return the column of each node: one more than the highest column of its predecessors."""
    names = list(dict.fromkeys(name for edge in edges for name in edge))
    successors = _break_cycles(names, edges)
    open_predecessors = dict.fromkeys(names, 0)
    for targets in successors.values():
        for name in targets:
            open_predecessors[name] += 1
    columns: dict[str, int] = {}
    ready = [name for name in names if not open_predecessors[name]]
    for name in ready:
        columns.setdefault(name, 0)
        for successor in successors[name]:
            columns[successor] = max(columns.get(successor, 0), columns[name] + 1)
            open_predecessors[successor] -= 1
            if not open_predecessors[successor]:
                ready.append(successor)
    return columns


def _break_cycles(names: Sequence[str], edges: Sequence[_Ends]) -> dict[str, list[str]]:
    """Return the successors of each node without the edges that close a cycle."""
    successors: dict[str, list[str]] = {name: [] for name in names}
    for source, target in dict.fromkeys(edges):
        if source != target and not _is_reachable(successors, target, source):
            successors[source].append(target)
    return successors


def _is_reachable(successors: Mapping[str, Sequence[str]], source: str, target: str) -> bool:
    pending, visited = [source], {source}
    while pending:
        name = pending.pop()
        if name == target:
            return True
        unvisited = [successor for successor in successors[name] if successor not in visited]
        visited.update(unvisited)
        pending += unvisited
    return False


def _chain(edge: _Ends, columns: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return an edge as its two ends with a placeholder in each column between them."""
    source, target = edge
    between = range(columns[source] + 1, columns[target])
    return [
        (source, columns[source]),
        *((f"{source}\n{target}\n{column}", column) for column in between),
        (target, columns[target]),
    ]


def _untangle(layers: Sequence[list[str]], links: Sequence[_Ends]) -> None:
    """Sort each layer by the mean position of its linked nodes (barycentre heuristic), forward and backward in turn."""
    predecessors: dict[str, list[str]] = {}
    successors: dict[str, list[str]] = {}
    for source, target in links:
        successors.setdefault(source, []).append(target)
        predecessors.setdefault(target, []).append(source)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        neighbours = predecessors if forward else successors
        for layer in layers if forward else reversed(layers):
            position = {name: number for other in layers for number, name in enumerate(other)}
            middle = {
                name: sum(position[other] for other in neighbours[name]) / len(neighbours[name])
                if name in neighbours
                else position[name]
                for name in layer
            }
            layer.sort(key=lambda name: (middle[name], position[name]))
