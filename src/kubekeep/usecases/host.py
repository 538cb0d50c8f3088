"""What a node tells of itself, as one file that a scan takes. Judges nothing and changes nothing."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kubekeep.model.text import json_text
from kubekeep.reports.shared.yaml_text import mapping_lines
from kubekeep.sources.host.collect import CollectedNode, collect

__all__ = ["CollectedNode", "collect", "kinds", "text"]

_INDENT: Final = 2


def text(collected: CollectedNode, *, as_json: bool) -> str:
    """The documents as one List, in YAML or JSON."""
    whole: dict[str, Any] = {"apiVersion": "v1", "kind": "List", "items": list(collected.documents)}
    if as_json:
        return msgspec.json.format(json_text(whole), indent=_INDENT) + "\n"
    return mapping_lines(whole)


def kinds(collected: CollectedNode) -> list[str]:
    """What the documents are about, in their order."""
    return [str(document["kind"]) for document in collected.documents]
