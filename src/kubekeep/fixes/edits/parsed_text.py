"""A parsed text: its documents, their syntax and style, and the start of each line. Never changes the text.

Everything is computed on first use and cached.
"""

from __future__ import annotations

from array import array
from functools import cached_property
from typing import Any

from kubekeep.fixes.edits.change import is_equal
from kubekeep.fixes.edits.style import Style, detect_style
from kubekeep.fixes.edits.syntax import Node, parse_json_nodes, parse_yaml_nodes
from kubekeep.model.location import line_starts
from kubekeep.sources import json_text, yaml_text
from kubekeep.sources.tree import DEFAULT_LIMITS, Document


class ParsedText:
    """A text of YAML or JSON, without byte order mark."""

    def __init__(self, text: str, *, is_json: bool = False) -> None:
        self.text = text
        self.is_json = is_json
        self._styles: dict[int, Style] = {}
        self._equal_values: dict[int, Any] = {}

    @cached_property
    def lines(self) -> array[int]:
        """Index of the first character of each line."""
        return line_starts(self.text)

    @cached_property
    def values(self) -> list[Any]:
        """Values of the documents: None for an empty one, a Problem for an unreadable one."""
        reader = json_text if self.is_json else yaml_text
        documents = reader.parse_documents(self.text, self.lines, DEFAULT_LIMITS)
        return [document.value if isinstance(document, Document) else document for document in documents]

    @cached_property
    def roots(self) -> dict[int, Node]:
        """Syntax nodes of the documents that are a mapping or list, by number."""
        numbers = frozenset(number for number, value in enumerate(self.values) if isinstance(value, dict | list))
        try:
            return parse_json_nodes(self.text, numbers) if self.is_json else parse_yaml_nodes(self.text, numbers)
        except ValueError:
            return {}

    def get_style(self, number: int) -> Style:
        """Return the style of a document."""
        if number not in self._styles:
            self._styles[number] = detect_style(self.text, self.roots[number], is_json=self.is_json)
        return self._styles[number]

    def has_value(self, number: int, value: Any) -> bool:
        """Return True if a document has this value."""
        # Thousands of findings compare the same document with the same object.
        if number not in self._equal_values or self._equal_values[number] is not value:
            if not (number < len(self.values) and is_equal(self.values[number], value)):
                return False
            self._equal_values[number] = value
        return True
