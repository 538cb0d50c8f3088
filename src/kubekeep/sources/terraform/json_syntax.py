"""Terraform's JSON syntax (`.tf.json`, `.tfvars.json`) as the same bodies as the native one. Evaluates nothing.

In JSON an object may be a block or a map; which of them, the provider's schema says, of which `kinds` knows the maps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from kubekeep.model.location import Location, line_starts
from kubekeep.sources import json_text
from kubekeep.sources.terraform.kinds import MAPS
from kubekeep.sources.terraform.syntax import Attribute, Block, Body, HclSyntaxError, Json, parse_expression
from kubekeep.sources.terraform.values import Decoded, Mapping, Text, entries
from kubekeep.sources.tree import Limits, Problem

_LIMITS: Final = Limits(depth=100, documents=1, nodes=200_000)
_LABELS: Final = {"resource": 2, "module": 1, "variable": 1, "output": 1, "locals": 0}
_ATTRIBUTES: Final = MAPS | {"for_each", "manifest"}
_SELECTOR: Final = frozenset(("match_labels", "match_expressions"))


def parse(text: str, file: str) -> Body:
    """The body of a `.tf.json` file. Raises HclSyntaxError."""
    blocks = [
        block
        for kind, value, place in entries(_document(text, file))
        if kind in _LABELS
        for block in _labelled(kind, (), value, place or Location(file), _LABELS[kind])
    ]
    return Body({}, tuple(blocks))


def parse_values(text: str, file: str) -> Body:
    """The body of a `.tfvars.json` file. Raises HclSyntaxError."""
    return _plain_body(_document(text, file), Location(file))


def _document(text: str, file: str) -> Mapping:
    lines = line_starts(text)
    found = None
    for one in json_text.documents(text, lines, _LIMITS):
        if isinstance(one, Problem):
            raise HclSyntaxError(one.message, text.count("\n", 0, one.at) + 1)
        found = one
    if found is None or not isinstance(found.value, dict):
        raise HclSyntaxError("not Terraform: a file in JSON is one object")
    numbered = Text.of(text, file, list(range(1, len(lines) + 1)))
    value: Mapping = Decoded(found.value, found.source_map, numbered).value()
    return value


def _labelled(kind: str, labels: tuple[str, ...], value: Any, place: Location, left: int) -> Iterator[Block]:
    for one in value if isinstance(value, list) else (value,):
        if not isinstance(one, Mapping):
            continue
        if left:
            for key, inner, at in entries(one):
                yield from _labelled(kind, (*labels, key), inner, at or place, left - 1)
        else:
            body = _body(one, place) if kind == "resource" else _plain_body(one, place)
            yield Block(kind, labels, body, place)


def _plain_body(value: Mapping, place: Location) -> Body:
    """A body without blocks."""
    attributes = {}
    for key, item, at in entries(value):
        expression = parse_expression(item) if key == "type" and isinstance(item, str) else Json(item)
        attributes[key] = Attribute(key, expression, at or place)
    return Body(attributes, ())


def _body(value: Mapping, place: Location) -> Body:
    attributes: dict[str, Attribute] = {}
    blocks: list[Block] = []
    for key, item, at in entries(value):
        if key == "dynamic":
            blocks.extend(_dynamic(item, at or place))
        elif inner := _blocks(key, item):
            blocks.extend(Block(key, (), _body(one, at or place), at or place) for one in inner)
        elif key != "//":
            attributes[key] = Attribute(key, Json(item), at or place)
    return Body(attributes, tuple(blocks))


def _blocks(key: str, item: Any) -> list[Mapping]:
    """The blocks that an entry stands for; none if it is an attribute."""
    items = item if isinstance(item, list) else [item]
    if key in _ATTRIBUTES and not (key == "selector" and all(one.keys() <= _SELECTOR for one in items if one)):
        return []
    found = [one for one in items if isinstance(one, Mapping)]
    return found if len(found) == len(items) else []


def _dynamic(item: Any, place: Location) -> Iterator[Block]:
    for one in item if isinstance(item, list) else (item,):
        if isinstance(one, Mapping):
            for name, inner, at in entries(one):
                for block in inner if isinstance(inner, list) else (inner,):
                    if isinstance(block, Mapping):
                        yield Block("dynamic", (name,), _body(block, at or place), at or place)
