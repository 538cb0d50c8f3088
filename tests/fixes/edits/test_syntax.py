"""Nodes of JSON texts whose end is invalid: the documents before it are read, so they can be fixed."""

from __future__ import annotations

import pytest

from kubekeep.fixes.edits.syntax import parse_json_nodes


@pytest.mark.parametrize("rest", ["", "]}", "}", "] {", ' {"b": [}'])
def test_documents_before_invalid_text_are_parsed(rest: str) -> None:
    text = '{"a": [1, {"b": 2}]}'
    root = parse_json_nodes(text + rest, frozenset({0}))[0]
    assert (root.start, root.end, [node.text for node in root.children]) == (0, len(text), ["a", ""])
