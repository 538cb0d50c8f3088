"""Documents about a node as one file for a scan. Never evaluates and never changes the node."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kubekeep.model.text import json_text
from kubekeep.reports.shared.yaml_text import mapping_lines
from kubekeep.sources.host.collect import CollectedNode, collect

__all__ = ["CollectedNode", "collect", "format_documents", "list_kinds"]

_INDENT: Final = 2


def format_documents(node_data: CollectedNode, *, as_json: bool) -> str:
    """Return the documents as one List, in YAML or JSON."""
    document_list: dict[str, Any] = {"apiVersion": "v1", "kind": "List", "items": list(node_data.documents)}
    if as_json:
        return msgspec.json.format(json_text(document_list), indent=_INDENT) + "\n"
    return mapping_lines(document_list)


def list_kinds(node_data: CollectedNode) -> list[str]:
    """Return the kinds of the documents, in order."""
    return [str(document["kind"]) for document in node_data.documents]
