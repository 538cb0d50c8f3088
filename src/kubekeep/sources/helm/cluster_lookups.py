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
    variables: set[str] = set()
    # For each open block, the innermost one around it that `lookup` hides.
    blocks: list[int | None] = []
    end, reported = 0, set[int]()
    while (start := text.find("{{", end)) >= 0:
        hidden = blocks[-1] if blocks else None
        if hidden is not None and hidden not in reported and _OBJECT.search(text[end:start]):
            reported.add(hidden)
            yield hidden
        stop = text.find("}}", start)
        if stop < 0:
            return
        end = stop + len("}}")
        body = text[start + len("{{") : stop].strip("- \t\n")
        if body.startswith("/*"):
            continue
        assignment = _ASSIGNMENT.search(body)
        depends = _depends_on_lookup(assignment["value"] if assignment else body, variables, definitions)
        if assignment and depends:
            variables.add(assignment["name"])
        match = _CONDITION.match(body)
        if match is None:
            continue
        word = match["word"].split()
        if word[0] in ("end", "else") and blocks:
            blocks.pop()
        if word[0] != "end":
            is_hidden = word[-1] in ("if", "with", "range") and depends and not _NEGATION.search(match["text"])
            blocks.append(start if is_hidden else blocks[-1] if blocks else None)


def _depends_on_lookup(text: str, variables: set[str], definitions: set[str]) -> bool:
    return (
        _LOOKUP.search(text) is not None
        or not variables.isdisjoint(_VARIABLE.findall(text))
        or not definitions.isdisjoint(match["name"] for match in _INCLUDE.finditer(text))
    )
