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
    """Field selection `operand.field`; `operand.?field` if `optional`, `has(operand.field)` if `test`."""

    operand: CelNode
    field: str
    at: int
    optional: bool = False
    test: bool = False


class CallNode(msgspec.Struct, frozen=True, eq=False):
    """A call of a function, of an operator (`_+_`) or, if `member`, of a method; its target is the first argument."""

    function: str
    arguments: tuple[CelNode, ...]
    at: int
    member: bool = False


class ListNode(msgspec.Struct, frozen=True, eq=False):
    """A list `[a, ?b]`; `optional` holds the indexes of the optional elements."""

    items: tuple[CelNode, ...]
    optional: frozenset[int]
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


def children(node: CelNode) -> Iterator[CelNode]:
    """Yield the direct children of `node` in the order of the text."""
    match node:
        case SelectNode(operand=operand):
            yield operand
        case CallNode(arguments=arguments):
            yield from arguments
        case ListNode(items=items):
            yield from items
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
    waiting = [node]
    while waiting:
        visited = waiting.pop()
        yield visited
        waiting.extend(children(visited))


def qualified_name(node: CelNode) -> str | None:
    """Return the name spelled by a chain of plain selections (`a.b.c`), or None for any other node."""
    if isinstance(node, IdentifierNode):
        return node.name
    if isinstance(node, SelectNode) and not node.optional and not node.test:
        head = qualified_name(node.operand)
        return None if head is None else f"{head}.{node.field}"
    return None
