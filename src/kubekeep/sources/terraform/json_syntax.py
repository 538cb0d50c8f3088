"""Terraform's JSON syntax (`.tf.json`, `.tfvars.json`) as the bodies of the native syntax. Evaluates nothing.

In JSON, an object is a block or a map depending on the provider's schema; `kinds` lists the maps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from kubekeep.model.location import Location, line_starts
from kubekeep.sources import json_text
from kubekeep.sources.terraform.kinds import MAPS
from kubekeep.sources.terraform.syntax import (
    Expression,
    HclAttribute,
    HclBlock,
    HclBody,
    HclSyntaxError,
    JsonExpression,
    parse_expression,
)
from kubekeep.sources.terraform.values import DecodedDocument, LocatedMapping, LocatedText, list_entries
from kubekeep.sources.tree import Limits, Problem

_LIMITS: Final = Limits(depth=100, documents=1, nodes=200_000)
_LABEL_COUNTS: Final = {"resource": 2, "module": 1, "variable": 1, "output": 1, "locals": 0}
_ATTRIBUTES: Final = MAPS | {"for_each", "manifest"}
_SELECTOR: Final = frozenset(("match_labels", "match_expressions"))


def parse(text: str, file: str) -> HclBody:
    """Parse a `.tf.json` file. Raises HclSyntaxError."""
    blocks = [
        block
        for kind, value, location in list_entries(_decode(text, file))
        if kind in _LABEL_COUNTS
        for block in _list_labelled_blocks(kind, (), value, location or Location(file), _LABEL_COUNTS[kind])
    ]
    return HclBody({}, tuple(blocks))


def parse_values(text: str, file: str) -> HclBody:
    """Parse a `.tfvars.json` file. Raises HclSyntaxError."""
    return _create_plain_body(_decode(text, file), Location(file))


def _decode(text: str, file: str) -> LocatedMapping:
    lines = line_starts(text)
    document = None
    for result in json_text.parse_documents(text, lines, _LIMITS):
        if isinstance(result, Problem):
            raise HclSyntaxError(result.message, text.count("\n", 0, result.at) + 1)
        document = result
    if document is None or not isinstance(document.value, dict):
        raise HclSyntaxError("not Terraform: a JSON file must contain one object")
    located_text = LocatedText.from_lines(text, file, list(range(1, len(lines) + 1)))
    value: LocatedMapping = DecodedDocument(document.value, document.source_map, located_text).value()
    return value


def _list_labelled_blocks(
    kind: str, labels: tuple[str, ...], value: Any, location: Location, missing_labels: int
) -> Iterator[HclBlock]:
    for entry in value if isinstance(value, list) else (value,):
        if not isinstance(entry, LocatedMapping):
            continue
        if missing_labels:
            for key, child, entry_location in list_entries(entry):
                yield from _list_labelled_blocks(
                    kind, (*labels, key), child, entry_location or location, missing_labels - 1
                )
        else:
            body = _create_resource_body(entry, location) if kind == "resource" else _create_plain_body(entry, location)
            yield HclBlock(kind, labels, body, location)


def _create_plain_body(value: LocatedMapping, location: Location) -> HclBody:
    """Return a body without blocks."""
    attributes = {}
    for key, child, entry_location in list_entries(value):
        child_location = entry_location or location
        is_type = key == "type" and isinstance(child, str)
        expression = _parse_type(child, child_location) if is_type else JsonExpression(child)
        attributes[key] = HclAttribute(key, expression, child_location)
    return HclBody(attributes, ())


def _parse_type(text: str, location: Location) -> Expression:
    """Parse a type constraint at a location. Raises HclSyntaxError with its line in the file."""
    try:
        return parse_expression(text)
    except HclSyntaxError as error:
        start = location.region.start if location.region is not None else error.position
        raise HclSyntaxError(str(error), start.line, start.column) from None


def _create_resource_body(value: LocatedMapping, location: Location) -> HclBody:
    attributes: dict[str, HclAttribute] = {}
    blocks: list[HclBlock] = []
    for key, child, entry_location in list_entries(value):
        if key == "dynamic":
            blocks.extend(_list_dynamic_blocks(child, entry_location or location))
        elif mappings := _list_block_values(key, child):
            blocks.extend(
                HclBlock(
                    key, (), _create_resource_body(mapping, entry_location or location), entry_location or location
                )
                for mapping in mappings
            )
        elif key != "//":
            attributes[key] = HclAttribute(key, JsonExpression(child), entry_location or location)
    return HclBody(attributes, tuple(blocks))


def _list_block_values(key: str, value: Any) -> list[LocatedMapping]:
    """Return the blocks that an entry represents, [] for an attribute."""
    values = value if isinstance(value, list) else [value]
    if key in _ATTRIBUTES and not (key == "selector" and all(_is_label_selector(entry) for entry in values if entry)):
        return []
    mappings = [mapping for mapping in values if isinstance(mapping, LocatedMapping)]
    return mappings if len(mappings) == len(values) else []


def _is_label_selector(value: Any) -> bool:
    return isinstance(value, LocatedMapping) and value.keys() <= _SELECTOR


def _list_dynamic_blocks(value: Any, location: Location) -> Iterator[HclBlock]:
    for mapping in value if isinstance(value, list) else (value,):
        if isinstance(mapping, LocatedMapping):
            for name, child, entry_location in list_entries(mapping):
                for body in child if isinstance(child, list) else (child,):
                    if isinstance(body, LocatedMapping):
                        yield HclBlock(
                            "dynamic",
                            (name,),
                            _create_resource_body(body, entry_location or location),
                            entry_location or location,
                        )
