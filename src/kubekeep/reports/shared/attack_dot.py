"""Attack paths in DOT, the Graphviz language, for users who lay out the graph themselves.

Labels are quoted and node IDs are generated numbers, so names in the input cannot inject DOT syntax.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubekeep.model.attack import Attacks, Edge
from kubekeep.model.text import visible, xml_safe


def attack_dot(attacks: Attacks) -> str:
    """Return all listed paths as one directed graph; edges that rest on an assumption are dashed."""
    numbers = {node.id: f"n{number}" for number, node in enumerate(attacks.nodes)}
    lines = [
        "digraph attack_paths {",
        "  rankdir=LR;",
        '  node [shape=box, style=rounded, fontname="sans-serif"];',
        '  edge [fontname="sans-serif", fontsize=10];',
        *(f"  {numbers[node.id]} [label={_quoted(node.label)}];" for node in attacks.nodes),
        *(
            f"  {numbers[edge.source.id]} -> {numbers[edge.target.id]} [{_edge_attributes(edge)}];"
            for edge in attacks.edges
        ),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _edge_attributes(edge: Edge) -> str:
    style = ", style=dashed" if edge.assumes else ""
    return f"label={_quoted('; '.join(_openings(edge)))}{style}"


def _openings(edge: Edge) -> Iterator[str]:
    for opening in edge.openings:
        numbers = ", ".join(control.id for control in opening.controls)
        yield f"{opening.text} [{numbers}]" if numbers else opening.text


def _quoted(text: str) -> str:
    r"""Return text in double quotes; only `"` and `\` are special inside a quoted string (DOT language, escString)."""
    escaped = xml_safe(visible(text)).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
