"""Attack paths as machine-readable documents: JSON, and DOT for Graphviz.

The JSON document has nodes, edges and paths that refer to nodes by ID; `docs/guides/attack-paths.md` describes the
layout, which scripts depend on. In DOT, labels are quoted and node IDs are generated numbers, so names in the input
cannot inject syntax. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubekeep.model.assessment import Assessment
from kubekeep.model.attack import AttackNode, Attacks, Edge, Opening
from kubekeep.model.location import Location
from kubekeep.model.text import utc_text, visible, xml_safe


def attack_document(assessment: Assessment, attacks: Attacks) -> dict[str, Any]:
    """Return the JSON document. Unknown values are left out."""
    return {
        "generationTime": utc_text(assessment.finished),
        "version": assessment.version,
        "paths": [
            {
                "severity": path.severity.label,
                "nodes": [path.source.id, *(edge.target.id for edge in path.edges)],
                "assumptions": list(path.assumptions),
                "controls": [control.id for control in path.controls],
            }
            for path in attacks.paths
        ],
        "pathsLeftOut": attacks.unlisted_path_count,
        "nodes": [_node(node) for node in attacks.nodes],
        "edges": [_edge(edge) for edge in attacks.edges],
        "cuts": [
            {
                "from": cut.edge.source.id,
                "to": cut.edge.target.id,
                "paths": list(cut.paths),
                "count": cut.count,
                "detours": cut.detours,
            }
            for cut in attacks.cuts
        ],
        "notes": list(attacks.notes),
        "unread": [{"location": _location(unread.location), "message": unread.message} for unread in assessment.unread],
    }


def _node(node: AttackNode) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": node.id, "kind": node.kind.value, "label": node.label}
    return entry if node.location is None else {**entry, "location": _location(node.location)}


def _edge(edge: Edge) -> dict[str, Any]:
    return {
        "from": edge.source.id,
        "to": edge.target.id,
        "kind": edge.kind.value,
        "openings": [_opening(opening) for opening in edge.openings],
    }


def _opening(opening: Opening) -> dict[str, Any]:
    entry: dict[str, Any] = {"text": opening.text}
    if opening.owner:
        entry["object"] = opening.owner
    if opening.location is not None:
        entry["location"] = _location(opening.location)
    entry["controls"] = [control.id for control in opening.controls]
    if opening.assumes:
        entry["assumes"] = opening.assumes
    return entry


def _location(location: Location) -> dict[str, Any]:
    entry: dict[str, Any] = {"file": location.file}
    if location.region is not None:
        entry |= {"line": location.region.start.line, "column": location.region.start.column}
    return entry


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
