"""Blocks of templates that print objects only if `lookup` finds something in a cluster. Without one, it finds nothing.

Follows conditions with `lookup`, variables assigned from it, and named templates that call it. Never renders.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

_LOOKUP: Final = re.compile(r'(?<![\w."$-])lookup\s')
_DEFINITION: Final = re.compile(r'(?:define|block)\s+"(?P<name>[^"]+)"')
_ASSIGNMENT: Final = re.compile(r"(?P<name>\$\w+)\s*:?=\s*(?P<value>.*)", re.DOTALL)
_VARIABLE: Final = re.compile(r"\$\w+")
_INCLUDE: Final = re.compile(r'(?:include|template)\s+"(?P<name>[^"]+)"')
_CONDITION: Final = re.compile(
    r"(?P<word>else\s+if|else\s+with|if|with|range|else|end|define|block)\b(?P<text>.*)", re.DOTALL
)
_NEGATION: Final = re.compile(r"^\s*\(*\s*(?:not|empty)\b")
_OBJECT: Final = re.compile(r"^kind:\s", re.MULTILINE)
_MAX_BYTES: Final = 1 << 20


def find_hidden_objects(texts: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Yield the template and the line of each block with an object that `lookup` hides. texts: templates by name."""
    texts = {name: text for name, text in texts.items() if len(text) <= _MAX_BYTES}
    if not any(map(_LOOKUP.search, texts.values())):
        return
    definitions = {name for text in texts.values() for name in _list_definitions(text)}
    for name, text in texts.items():
        for index in _find_blocks(text, definitions):
            yield name, text.count("\n", 0, index) + 1


def _list_definitions(text: str) -> Iterator[str]:
    """Yield the names of named templates that call `lookup`."""
    starts = [(match.start(), match["name"]) for match in _DEFINITION.finditer(text)]
    for number, (start, name) in enumerate(starts):
        end = starts[number + 1][0] if number + 1 < len(starts) else len(text)
        if _LOOKUP.search(text, start, end):
            yield name


def _find_blocks(text: str, definitions: set[str]) -> Iterator[int]:
    """Yield the index of the innermost block with `lookup` around each object."""
    blocks, reported = _OpenBlocks(definitions), set[int]()
    end = 0
    while (start := text.find("{{", end)) >= 0:
        hidden = blocks.hidden
        if hidden is not None and hidden not in reported and _OBJECT.search(text[end:start]):
            reported.add(hidden)
            yield hidden
        stop = text.find("}}", start)
        if stop < 0:
            return
        end = stop + len("}}")
        blocks.enter(text[start + len("{{") : stop].strip("- \t\n"), start)


class _OpenBlocks:
    """The blocks that are open at one place of a template."""

    def __init__(self, definitions: set[str]) -> None:
        self._definitions = definitions
        self._variables: set[str] = set()
        self._blocks: list[int | None] = []
        """For each open block, the innermost one around it that `lookup` hides."""

    @property
    def hidden(self) -> int | None:
        """Index of the innermost open block that `lookup` hides."""
        return self._blocks[-1] if self._blocks else None

    def enter(self, action: str, index: int) -> None:
        """Follow the action at an index."""
        if action.startswith("/*"):
            return
        assignment = _ASSIGNMENT.search(action)
        depends = self._depends_on_lookup(assignment["value"] if assignment else action)
        if assignment and depends:
            self._variables.add(assignment["name"])
        match = _CONDITION.match(action)
        if match is not None:
            self._open_or_close(match["word"].split(), index, hides=depends and not _NEGATION.search(match["text"]))

    def _open_or_close(self, words: list[str], index: int, *, hides: bool) -> None:
        if words[0] in ("end", "else") and self._blocks:
            self._blocks.pop()
        if words[0] != "end":
            self._blocks.append(index if hides and words[-1] in ("if", "with", "range") else self.hidden)

    def _depends_on_lookup(self, text: str) -> bool:
        return (
            _LOOKUP.search(text) is not None
            or not self._variables.isdisjoint(_VARIABLE.findall(text))
            or not self._definitions.isdisjoint(match["name"] for match in _INCLUDE.finditer(text))
        )
