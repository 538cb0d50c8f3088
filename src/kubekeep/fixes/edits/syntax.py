"""Syntax nodes of a document: the position and notation of each value.

YAML nodes come from libyaml's events, JSON nodes from tokens; both have the same form. Never resolves scalars and never
changes a text.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s,:{}\[\]"]+')
_PROPERTY: Final = re.compile(r"[&!][^\s,\[\]{}]*")
_SPACE: Final = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)*")
_LINE_REST: Final = re.compile(r"[ \t]*(?:(?<=[ \t])#[^\r\n]*)?(?=[\r\n]|\Z)")


class NodeKind(enum.Enum):
    """Kind of a node."""

    SCALAR = "a scalar"
    MAPPING = "a mapping"
    SEQUENCE = "a list"
    ALIAS = "an alias"


class Node:
    """A node of a document.

    start: index of its first character, including anchor and tag. end: index after its last one; for a block collection
    see `find_content_end`. column: from 0. children: items of a list, or keys and values of a mapping in turn. text:
    content of a scalar, or name of an alias. style: quote of a scalar (`|` and `>` for blocks). target: node of an
    alias. users: number of aliases of this node.
    """

    __slots__ = (
        "anchor",
        "children",
        "column",
        "end",
        "is_flow",
        "kind",
        "start",
        "style",
        "tag",
        "target",
        "text",
        "users",
    )

    def __init__(self, kind: NodeKind, start: int, end: int, column: int = 0) -> None:
        self.kind = kind
        self.start = start
        self.end = end
        self.column = column
        self.is_flow = False
        self.anchor: str | None = None
        self.tag: str | None = None
        self.style = ""
        self.text = ""
        self.children: list[Node] = []
        self.target: Node | None = None
        self.users = 0

    @property
    def entries(self) -> list[tuple[Node, Node]]:
        """The keys and values of a mapping."""
        return list(zip(self.children[::2], self.children[1::2], strict=True))

    @property
    def is_block(self) -> bool:
        """True for a collection in block style."""
        return self.kind in {NodeKind.MAPPING, NodeKind.SEQUENCE} and not self.is_flow

    @property
    def is_empty(self) -> bool:
        """True if there is no text, or an empty collection."""
        if self.kind is NodeKind.SCALAR:
            return self.start == self.end or not (self.text or self.style)
        return self.kind is not NodeKind.ALIAS and not self.children


def parse_yaml_nodes(text: str, numbers: frozenset[int]) -> dict[int, Node]:
    """Parse the roots of numbered documents (from 0) of a text that libyaml accepts.

    Raises ValueError for invalid YAML and for aliases without an anchor.
    """
    roots: dict[int, Node] = {}
    number, builder = -1, _NodeBuilder()
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.DocumentStartEvent):
                number, builder = number + 1, _NodeBuilder()
            elif isinstance(event, yaml.DocumentEndEvent):
                if builder.root is not None:
                    roots[number] = builder.root
                if len(roots) == len(numbers):
                    break
            elif number in numbers and isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
                builder.add(event)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    return roots


class _NodeBuilder:
    """Builder of one document from its events."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._stack: list[Node] = []
        self._anchors: dict[str, Node] = {}

    def add(self, event: yaml.Event) -> None:
        """Add an event."""
        # libyaml marks every event, although PyYAML's types allow None.
        mark: Any = event.end_mark
        if isinstance(event, yaml.CollectionEndEvent):
            self._stack.pop().end = mark.index
            return
        node = self._build_node(event, mark.index)
        if self._stack:
            self._stack[-1].children.append(node)
        else:
            self.root = node
        if isinstance(event, yaml.CollectionStartEvent):
            self._stack.append(node)

    def _build_node(self, event: Any, end: int) -> Node:
        start = event.start_mark
        node = Node(_get_kind(event), start.index, end, start.column)
        if node.kind is NodeKind.ALIAS:
            node.text = event.anchor
            node.target = self._anchors.get(event.anchor)
            if node.target is None:
                raise ValueError(f"unknown anchor {event.anchor!r}")
            node.target.users += 1
            return node
        node.anchor, node.tag = event.anchor, event.tag
        if node.kind is NodeKind.SCALAR:
            node.text, node.style = event.value, event.style or ""
        else:
            node.is_flow = bool(event.flow_style)
        if node.anchor is not None:
            self._anchors[node.anchor] = node
        return node


def _get_kind(event: yaml.Event) -> NodeKind:
    match event:
        case yaml.AliasEvent():
            return NodeKind.ALIAS
        case yaml.MappingStartEvent():
            return NodeKind.MAPPING
        case yaml.SequenceStartEvent():
            return NodeKind.SEQUENCE
        case _:
            return NodeKind.SCALAR


def parse_json_nodes(text: str, numbers: frozenset[int]) -> dict[int, Node]:
    """Parse the roots of numbered documents (from 0) of JSON; text after the last valid document is ignored."""
    roots: dict[int, Node] = {}
    number = 0
    stack: list[Node] = []
    for match in _TOKEN.finditer(text):
        if not stack and match[0] in "}]":
            break
        node = _add_json_node(match, stack)
        if node is not None and not stack and number in numbers:
            roots[number] = node
        number += node is not None and not stack
    return roots


def _add_json_node(match: re.Match[str], stack: list[Node]) -> Node | None:
    """Return the node that a token completes if it is a root; add it to the innermost open node otherwise."""
    piece = match[0]
    if piece in "}]":
        closed = stack.pop()
        closed.end = match.end()
        return closed if not stack else None
    kind = {"{": NodeKind.MAPPING, "[": NodeKind.SEQUENCE}.get(piece, NodeKind.SCALAR)
    node = Node(kind, match.start(), match.end())
    node.is_flow = kind is not NodeKind.SCALAR
    if stack:
        stack[-1].children.append(node)
    if node.is_flow:
        stack.append(node)
        return None
    quoted = piece[0] == '"'
    node.text, node.style = (json.loads(piece), '"') if quoted else (piece, "")
    return node if not stack else None


def skip_properties(text: str, node: Node) -> int:
    """Return the index after the anchor and tag of a node."""
    at = node.start
    for _ in filter(None, (node.anchor, node.tag)):
        match = _PROPERTY.match(text, at)
        if match is not None:
            next_content = skip_space(text, match.end())
            # An empty node: the following text belongs to another one.
            at = next_content if next_content < node.end else match.end()
    return at


def skip_space(text: str, at: int) -> int:
    """Return the index of the first character from `at` that is neither white space nor in a comment."""
    match = _SPACE.match(text, at)
    return match.end() if match else at


def find_content_end(text: str, node: Node) -> int:
    """Return the index after the last character of a node; for a block collection, of its last child.

    Blank lines after a block scalar are not included, unless it keeps them (`|+`); its last line break never is.
    """
    while node.is_block and node.children:
        node = node.children[-1]
    if node.style not in {"|", ">"}:
        return node.end
    begin = skip_properties(text, node)
    head = text[begin : node.end].partition("\n")[0].partition("#")[0]
    if "+" not in head:
        return begin + len(text[begin : node.end].rstrip())
    return begin + len(text[begin : node.end].removesuffix("\n").removesuffix("\r"))


def find_line_start(text: str, at: int) -> int:
    """Return the index of the first character of the line of `at`."""
    return max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1


def find_line_end(text: str, at: int) -> int | None:
    """Return the index of the line break or end of text after `at`; None if more than a comment precedes it."""
    match = _LINE_REST.match(text, at)
    return match.end() if match else None


def skip_line_break(text: str, at: int) -> int:
    """Return the index after the line break at `at`, if there is one."""
    return at + (2 if text.startswith("\r\n", at) else at < len(text))


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and all nodes below it."""
    todo = [node]
    while todo:
        current = todo.pop()
        yield current
        todo.extend(current.children)
