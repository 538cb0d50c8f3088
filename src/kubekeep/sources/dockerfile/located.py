"""Values with their positions in a file, and the source map made of them. Knows no syntax."""

from __future__ import annotations

from array import array
from typing import Any

import msgspec

from kubekeep.model.location import SourceMap

Span = tuple[int, int]
"""Start and end index in a file."""


class LocatedNode(msgspec.Struct, frozen=True):
    """A scalar, a mapping or a list with its span in the file. key: span that stands for a collection of a mapping."""

    value: str | int | bool | dict[str, LocatedNode] | list[LocatedNode]
    span: Span
    key: Span | None = None


def build_source_map(node: LocatedNode, lines: array[int]) -> tuple[Any, SourceMap]:
    """Return the plain value and its source map. lines: start of each line of the file."""
    numbers = array("I")
    return _add(node, numbers), SourceMap(numbers, lines)


def _add(node: LocatedNode, numbers: array[int]) -> Any:
    at = len(numbers)
    numbers.extend((*node.span, 0))
    plain: Any = node.value
    if isinstance(node.value, dict):
        plain = {}
        for key, child in node.value.items():
            numbers.extend((*(child.key or child.span), 1))
            plain[key] = _add(child, numbers)
    elif isinstance(node.value, list):
        plain = [_add(child, numbers) for child in node.value]
    numbers[at + 2] = (len(numbers) - at) // 3
    return plain
