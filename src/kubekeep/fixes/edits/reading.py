"""A text as it is read: its documents, how they are written, and where each line starts. Never changes it.

Everything is read when it is first asked for, and once.
"""

from __future__ import annotations

from array import array
from functools import cached_property
from typing import Any

from kubekeep.fixes.edits.change import same
from kubekeep.fixes.edits.style import Style, style_of
from kubekeep.fixes.edits.syntax import Node, json_nodes, yaml_nodes
from kubekeep.model.location import line_starts
from kubekeep.sources import json_text, yaml_text
from kubekeep.sources.tree import DEFAULT_LIMITS, Document


class Reading:
    """A text of YAML or JSON, without byte order mark."""

    def __init__(self, text: str, *, is_json: bool = False) -> None:
        self.text = text
        self.is_json = is_json
        self._styles: dict[int, Style] = {}
        self._said: dict[int, Any] = {}

    @cached_property
    def lines(self) -> array[int]:
        """The index of the first character of each line."""
        return line_starts(self.text)

    @cached_property
    def values(self) -> list[Any]:
        """What its documents say: None for an empty one, a Problem for what cannot be read."""
        reader = json_text if self.is_json else yaml_text
        found = reader.documents(self.text, self.lines, DEFAULT_LIMITS)
        return [item.value if isinstance(item, Document) else item for item in found]

    @cached_property
    def roots(self) -> dict[int, Node]:
        """The syntax of the documents that hold a mapping or list, by their number."""
        wanted = frozenset(number for number, value in enumerate(self.values) if isinstance(value, dict | list))
        try:
            return json_nodes(self.text, wanted) if self.is_json else yaml_nodes(self.text, wanted)
        except ValueError:
            return {}

    def style(self, number: int) -> Style:
        """How a document is written."""
        if number not in self._styles:
            self._styles[number] = style_of(self.text, self.roots[number], is_json=self.is_json)
        return self._styles[number]

    def says(self, number: int, value: Any) -> bool:
        """Whether a document has this value."""
        # Thousands of findings ask for the same document with the same object.
        if number not in self._said or self._said[number] is not value:
            if not (number < len(self.values) and same(self.values[number], value)):
                return False
            self._said[number] = value
        return True
