"""Attack paths as a JSON document: nodes, edges and paths that refer to nodes by ID.

`docs/guides/attack-paths.md` describes the layout, which scripts depend on. No I/O.
"""

from __future__ import annotations

from typing import Any

from kubekeep.model.assessment import Assessment
from kubekeep.model.attack import AttackNode, Attacks, Edge, Opening
from kubekeep.model.location import Location
from kubekeep.model.text import utc_text


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
        "pathsLeftOut": attacks.left_out,
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
