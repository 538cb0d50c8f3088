"""Attack paths in DOT, the language of Graphviz, for people who draw their own pictures.

Every name is a label in quotes; the ids of nodes are numbers of our own, so that no name can be anything else.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubekeep.model.attack import Attacks, Edge
from kubekeep.model.text import visible, xml_safe


def attack_dot(attacks: Attacks) -> str:
    """The graph of all listed paths; edges that rest on an assumption are dashed."""
    numbers = {node.id: f"n{number}" for number, node in enumerate(attacks.nodes)}
    lines = [
        "digraph attack_paths {",
        "  rankdir=LR;",
        '  node [shape=box, style=rounded, fontname="sans-serif"];',
        '  edge [fontname="sans-serif", fontsize=10];',
        *(f"  {numbers[node.id]} [label={_quoted(node.label)}];" for node in attacks.nodes),
        *(f"  {numbers[edge.source.id]} -> {numbers[edge.target.id]} [{_drawn(edge)}];" for edge in attacks.edges),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _drawn(edge: Edge) -> str:
    style = ", style=dashed" if edge.assumes else ""
    return f"label={_quoted('; '.join(_said(edge)))}{style}"


def _said(edge: Edge) -> Iterator[str]:
    for opening in edge.openings:
        numbers = ", ".join(control.id for control in opening.controls)
        yield f"{opening.text} [{numbers}]" if numbers else opening.text


def _quoted(text: str) -> str:
    r"""`text` in double quotes: of what stands between them only `"` and `\` mean anything (DOT language, escString)."""
    escaped = xml_safe(visible(text)).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
