"""What an expression consists of, macros already taken apart. Pure values: never evaluates, never knows a type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec


class Literal(msgspec.Struct, frozen=True, eq=False):
    """A constant."""

    value: Any
    at: int


class Ident(msgspec.Struct, frozen=True, eq=False):
    """A name: of a variable, of a bound name or of a type."""

    name: str
    at: int


class Select(msgspec.Struct, frozen=True, eq=False):
    """`operand.field`; `operand.?field` if `optional`, `has(operand.field)` if `test`."""

    operand: Node
    field: str
    at: int
    optional: bool = False
    test: bool = False


class Call(msgspec.Struct, frozen=True, eq=False):
    """A function, an operator (`_+_`) or, with `member`, a method whose target is the first argument."""

    function: str
    arguments: tuple[Node, ...]
    at: int
    member: bool = False


class ListLiteral(msgspec.Struct, frozen=True, eq=False):
    """`[a, ?b]`; `optional` are the indexes of the elements that may be left out."""

    items: tuple[Node, ...]
    optional: frozenset[int]
    at: int


class MapLiteral(msgspec.Struct, frozen=True, eq=False):
    """`{key: value, ?key: value}`: key, value and whether it may be left out."""

    entries: tuple[tuple[Node, Node, bool], ...]
    at: int


class Fold(msgspec.Struct, frozen=True, eq=False):
    """A macro over the elements of `source`: `all`, `exists`, `map`, `transformList`, `optMap`, `sortBy`, ..."""

    kind: str
    source: Node
    names: tuple[str, ...]
    body: Node
    at: int
    condition: Node | None = None


Node: TypeAlias = Literal | Ident | Select | Call | ListLiteral | MapLiteral | Fold


def children(node: Node) -> Iterator[Node]:
    """The parts of `node`, in the order of the text."""
    match node:
        case Select(operand=operand):
            yield operand
        case Call(arguments=arguments):
            yield from arguments
        case ListLiteral(items=items):
            yield from items
        case MapLiteral(entries=entries):
            for key, value, _ in entries:
                yield key
                yield value
        case Fold():
            yield node.source
            if node.condition is not None:
                yield node.condition
            yield node.body
        case _:
            return


def walk(node: Node) -> Iterator[Node]:
    """`node` and everything below it."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(children(found))


def dotted(node: Node) -> str | None:
    """The name that a chain of plain selects spells, as in `a.b.c`; None for anything else."""
    if isinstance(node, Ident):
        return node.name
    if isinstance(node, Select) and not node.optional and not node.test:
        head = dotted(node.operand)
        return None if head is None else f"{head}.{node.field}"
    return None
