"""The syntax of a document: where each node stands and how it is written, which a value cannot tell.

Nodes of YAML come from libyaml's events, those of JSON from its tokens; both have the same form. Never gives a scalar
a meaning, and never changes a text.
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
_REST: Final = re.compile(r"[ \t]*(?:(?<=[ \t])#[^\r\n]*)?(?=[\r\n]|\Z)")


class Kind(enum.Enum):
    """What a node is."""

    SCALAR = "a scalar"
    MAPPING = "a mapping"
    SEQUENCE = "a list"
    ALIAS = "an alias"


class Node:
    """A node of a document.

    `start` is the index of its first character, with its anchor and tag; `end` that after its last one, which for a
    block collection only its last child knows: see `content_end`. `column` counts from 0. `children` are the items of
    a list, or keys and values of a mapping in turns. `text` is what a scalar says, or the name of an alias; `style`
    how a scalar is quoted (`|` and `>` for blocks). `target` is what an alias stands for, `users` the aliases that
    stand for this node.
    """

    __slots__ = (
        "anchor",
        "children",
        "column",
        "end",
        "flow",
        "kind",
        "start",
        "style",
        "tag",
        "target",
        "text",
        "users",
    )

    def __init__(self, kind: Kind, start: int, end: int, column: int = 0) -> None:
        self.kind = kind
        self.start = start
        self.end = end
        self.column = column
        self.flow = False
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
        """Whether it is a collection written in lines."""
        return self.kind in {Kind.MAPPING, Kind.SEQUENCE} and not self.flow

    @property
    def is_empty(self) -> bool:
        """Whether nothing, or an empty collection, is written there."""
        if self.kind is Kind.SCALAR:
            return self.start == self.end or not (self.text or self.style)
        return self.kind is not Kind.ALIAS and not self.children


def yaml_nodes(text: str, wanted: frozenset[int]) -> dict[int, Node]:
    """The roots of the documents with these numbers, from 0, in a text of which libyaml has nothing to say.

    Raises ValueError for one that is no YAML, or has aliases for nothing.
    """
    found: dict[int, Node] = {}
    number, builder = -1, _Builder()
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.DocumentStartEvent):
                number, builder = number + 1, _Builder()
            elif isinstance(event, yaml.DocumentEndEvent):
                if builder.root is not None:
                    found[number] = builder.root
                if len(found) == len(wanted):
                    break
            elif number in wanted and isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
                builder.take(event)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    return found


class _Builder:
    """One document as its events come."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._stack: list[Node] = []
        self._anchors: dict[str, Node] = {}

    def take(self, event: yaml.Event) -> None:
        """Add what an event tells."""
        # libyaml marks every event, though the types of PyYAML know some without.
        mark: Any = event.end_mark
        if isinstance(event, yaml.CollectionEndEvent):
            self._stack.pop().end = mark.index
            return
        node = self._node(event, mark.index)
        if self._stack:
            self._stack[-1].children.append(node)
        else:
            self.root = node
        if isinstance(event, yaml.CollectionStartEvent):
            self._stack.append(node)

    def _node(self, event: Any, end: int) -> Node:
        start = event.start_mark
        node = Node(_kind(event), start.index, end, start.column)
        if node.kind is Kind.ALIAS:
            node.text = event.anchor
            node.target = self._anchors.get(event.anchor)
            if node.target is None:
                raise ValueError(f"unknown anchor {event.anchor!r}")
            node.target.users += 1
            return node
        node.anchor, node.tag = event.anchor, event.tag
        if node.kind is Kind.SCALAR:
            node.text, node.style = event.value, event.style or ""
        else:
            node.flow = bool(event.flow_style)
        if node.anchor is not None:
            self._anchors[node.anchor] = node
        return node


def _kind(event: yaml.Event) -> Kind:
    match event:
        case yaml.AliasEvent():
            return Kind.ALIAS
        case yaml.MappingStartEvent():
            return Kind.MAPPING
        case yaml.SequenceStartEvent():
            return Kind.SEQUENCE
        case _:
            return Kind.SCALAR


def json_nodes(text: str, wanted: frozenset[int]) -> dict[int, Node]:
    """The roots of the documents with these numbers, from 0, in a text whose JSON is right."""
    found: dict[int, Node] = {}
    number = 0
    stack: list[Node] = []
    for match in _TOKEN.finditer(text):
        node = _json_node(match, stack)
        if node is not None and not stack and number in wanted:
            found[number] = node
        number += node is not None and not stack
    return found


def _json_node(match: re.Match[str], stack: list[Node]) -> Node | None:
    """The node that this token ends, if it is the root of a document; it joins the innermost open one otherwise."""
    piece = match[0]
    if piece in "}]":
        closed = stack.pop()
        closed.end = match.end()
        return closed if not stack else None
    kind = {"{": Kind.MAPPING, "[": Kind.SEQUENCE}.get(piece, Kind.SCALAR)
    node = Node(kind, match.start(), match.end())
    node.flow = kind is not Kind.SCALAR
    if stack:
        stack[-1].children.append(node)
    if node.flow:
        stack.append(node)
        return None
    quoted = piece[0] == '"'
    node.text, node.style = (json.loads(piece), '"') if quoted else (piece, "")
    return node if not stack else None


def after_properties(text: str, node: Node) -> int:
    """The index where what a node says begins, after its anchor and tag."""
    at = node.start
    for _ in filter(None, (node.anchor, node.tag)):
        match = _PROPERTY.match(text, at)
        if match is not None:
            behind = after_space(text, match.end())
            # Nothing may follow: what comes then is not of this node.
            at = behind if behind < node.end else match.end()
    return at


def after_space(text: str, at: int) -> int:
    """The index of the first character from `at` on that is neither white nor in a comment."""
    match = _SPACE.match(text, at)
    return match.end() if match else at


def content_end(text: str, node: Node) -> int:
    """The index after the last character that belongs to a node: the end of its last child for a block collection.

    The blank lines after a block scalar are left out, but for one that keeps them (`|+`); its last line break always.
    """
    while node.is_block and node.children:
        node = node.children[-1]
    if node.style not in {"|", ">"}:
        return node.end
    begin = after_properties(text, node)
    head = text[begin : node.end].partition("\n")[0].partition("#")[0]
    if "+" not in head:
        return begin + len(text[begin : node.end].rstrip())
    return begin + len(text[begin : node.end].removesuffix("\n").removesuffix("\r"))


def line_start(text: str, at: int) -> int:
    """The index of the first character of the line that holds `at`."""
    return max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1


def line_end(text: str, at: int) -> int | None:
    """The index of the line break, or of the end of the text, after `at`; None if more than a comment is before it."""
    match = _REST.match(text, at)
    return match.end() if match else None


def after_break(text: str, at: int) -> int:
    """The index after the line break at `at`, if there is one."""
    return at + (2 if text.startswith("\r\n", at) else at < len(text))


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    todo = [node]
    while todo:
        found = todo.pop()
        yield found
        todo.extend(found.children)
