"""Syntax tree of an expression with macros expanded. Contains no evaluation and no types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec


class LiteralNode(msgspec.Struct, frozen=True, eq=False):
    """A constant. `at` is the character offset of a node in the text."""

    value: Any
    at: int


class IdentifierNode(msgspec.Struct, frozen=True, eq=False):
    """A name: a variable, a name bound by a macro, or a type."""

    name: str
    at: int


class SelectNode(msgspec.Struct, frozen=True, eq=False):
    """Field selection `operand.field`; `operand.?field` if `is_optional`, `has(operand.field)` if `is_presence_test`."""

    operand: CelNode
    field: str
    at: int
    is_optional: bool = False
    is_presence_test: bool = False


class CallNode(msgspec.Struct, frozen=True, eq=False):
    """A call of a function, of an operator (`_+_`) or, if `is_method`, of a method; its target is the first argument."""

    function: str
    arguments: tuple[CelNode, ...]
    at: int
    is_method: bool = False


class ListNode(msgspec.Struct, frozen=True, eq=False):
    """A list `[a, ?b]`; `optional_indexes` holds the indexes of the optional elements."""

    elements: tuple[CelNode, ...]
    optional_indexes: frozenset[int]
    at: int


class MapNode(msgspec.Struct, frozen=True, eq=False):
    """A map `{key: value, ?key: value}`; entries are (key, value, optional)."""

    entries: tuple[tuple[CelNode, CelNode, bool], ...]
    at: int


class MacroNode(msgspec.Struct, frozen=True, eq=False):
    """A macro over the elements of `source`: `all`, `exists`, `map`, `transformList`, `optMap`, `sortBy`, ..."""

    kind: str
    source: CelNode
    names: tuple[str, ...]
    body: CelNode
    at: int
    condition: CelNode | None = None


CelNode: TypeAlias = LiteralNode | IdentifierNode | SelectNode | CallNode | ListNode | MapNode | MacroNode


def list_children(node: CelNode) -> Iterator[CelNode]:
    """Yield the direct children of `node` in the order of the text."""
    match node:
        case SelectNode(operand=operand):
            yield operand
        case CallNode(arguments=arguments):
            yield from arguments
        case ListNode(elements=elements):
            yield from elements
        case MapNode(entries=entries):
            for key, value, _ in entries:
                yield key
                yield value
        case MacroNode():
            yield node.source
            if node.condition is not None:
                yield node.condition
            yield node.body
        case _:
            return


def walk(node: CelNode) -> Iterator[CelNode]:
    """Yield `node` and all its descendants."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(list_children(current))


def get_qualified_name(node: CelNode) -> str | None:
    """Return the name spelled by a chain of plain selections (`a.b.c`), or None for any other node."""
    if isinstance(node, IdentifierNode):
        return node.name
    if isinstance(node, SelectNode) and not node.is_optional and not node.is_presence_test:
        head = get_qualified_name(node.operand)
        return None if head is None else f"{head}.{node.field}"
    return None
