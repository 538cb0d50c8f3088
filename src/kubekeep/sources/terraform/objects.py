"""Kubernetes objects of Terraform resources, with locations, and `UnknownValue` for values known only after apply."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any, Final

from kubekeep.model.location import Location
from kubekeep.sources.terraform import kinds
from kubekeep.sources.terraform.evaluate import ExpressionEvaluator, ExpressionScope
from kubekeep.sources.terraform.syntax import HclAttribute, HclBlock, HclBody
from kubekeep.sources.terraform.values import LocatedList, LocatedMapping, UnknownValue, list_entries, to_text

MAX_DYNAMIC_BLOCKS: Final = 1_000
"""Blocks that one `dynamic` block may create."""
_BLOCK_STEPS: Final = 5
"""Steps for each of these blocks: nested `dynamic` blocks multiply, and an empty block takes one kilobyte."""
_INTEGER: Final = re.compile(r"[-+]?\d{1,18}")
_OCTAL: Final = re.compile(r"0?[0-7]{1,4}")


class ObjectBuilder:
    """Builds objects within one evaluation budget."""

    def __init__(self, evaluator: ExpressionEvaluator) -> None:
        self._evaluator = evaluator

    def build_typed(self, block: HclBlock, scope: ExpressionScope) -> LocatedMapping:
        """Build the object of a `kubernetes_<kind>` resource; raises LookupError for an unknown kind."""
        identity = kinds.find_kind(block.labels[0])
        if identity is None:
            raise LookupError(block.labels[0])
        mapping = LocatedMapping()
        mapping.put("apiVersion", identity[0], block.location)
        mapping.put("kind", identity[1], block.location)
        self._fill(mapping, block.body, scope, "")
        return _ADJUST.get(identity[1], _unchanged)(mapping)

    def read_manifest(self, block: HclBlock, scope: ExpressionScope, attribute: str) -> tuple[Any, Location]:
        """Return the value and location of the attribute that holds a whole object."""
        definition = block.body.attributes.get(attribute)
        if definition is None:
            return UnknownValue(f"{attribute} is missing"), block.location
        value = self._evaluator.evaluate(definition.expression, scope.in_file(definition.location.file))
        return value, self._evaluator.locate(definition.location, definition.expression, scope)

    def _fill(self, mapping: LocatedMapping, body: HclBody, scope: ExpressionScope, parent: str) -> None:
        for attribute in body.attributes.values():
            if parent or not kinds.is_for_terraform(attribute.name):
                self._set_attribute(mapping, attribute, scope, parent)
        for name, inner, location, inner_scope in self._list_blocks(body, scope):
            if not parent and kinds.is_for_terraform(name):
                continue
            if name in kinds.INLINED and isinstance(inner, HclBody):
                self._fill(mapping, inner, inner_scope, name)
                continue
            self._set_block(mapping, name, inner, location, inner_scope, parent)

    def _set_attribute(
        self, mapping: LocatedMapping, attribute: HclAttribute, scope: ExpressionScope, parent: str
    ) -> None:
        value = self._evaluator.evaluate(attribute.expression, scope)
        if value is None:
            # null leaves an argument unset.
            return
        location = self._evaluator.locate(attribute.location, attribute.expression, scope)
        mapping.put(
            kinds.get_field_name(parent, attribute.name), convert_value(parent, attribute.name, value), location
        )

    def _set_block(
        self,
        mapping: LocatedMapping,
        name: str,
        inner: HclBody | UnknownValue,
        location: Location,
        scope: ExpressionScope,
        parent: str,
    ) -> None:
        value: Any = inner
        if isinstance(inner, HclBody):
            value = LocatedMapping()
            self._fill(value, inner, scope, name)
        list_name = kinds.find_list_field(parent, name)
        if list_name is None:
            self._set_single(mapping, kinds.get_field_name(parent, name), value, location)
        elif isinstance(value, UnknownValue) or isinstance(mapping.get(list_name), UnknownValue):
            mapping.put(list_name, value if isinstance(value, UnknownValue) else mapping[list_name], location)
        else:
            if list_name not in mapping:
                mapping.put(list_name, LocatedList(), location)
            for entry in _split_sources(value) if name == "sources" else (value,):
                mapping[list_name].add(entry, location)

    def _set_single(self, mapping: LocatedMapping, field_name: str, value: Any, location: Location) -> None:
        """Set a block that is one object; repeated, it forms a list missing in the tables."""
        existing = mapping.get(field_name)
        if existing is None or isinstance(value, UnknownValue):
            mapping.put(field_name, value, location)
        elif isinstance(existing, LocatedList):
            existing.add(value, location)
        elif isinstance(existing, LocatedMapping):
            values = LocatedList()
            values.add(existing, mapping.location(field_name))
            values.add(value, location)
            mapping.put(field_name, values, mapping.location(field_name))

    def _list_blocks(
        self, body: HclBody, scope: ExpressionScope
    ) -> Iterator[tuple[str, HclBody | UnknownValue, Location, ExpressionScope]]:
        """Yield name, body, location and scope of each block, including those created by `dynamic`."""
        for block in body.blocks:
            self._evaluator.spend()
            if block.type != "dynamic" or not block.labels:
                yield block.type, block.body, block.location, scope
                continue
            name = block.labels[0]
            content = next((inner for inner in block.body.blocks if inner.type == "content"), None)
            for_each = block.body.attributes.get("for_each")
            if content is None or for_each is None:
                yield name, UnknownValue("a dynamic block without for_each and content"), block.location, scope
                continue
            yield from self._expand_dynamic(name, content, block, for_each, scope)

    def _expand_dynamic(
        self, name: str, content: HclBlock, block: HclBlock, for_each: HclAttribute, scope: ExpressionScope
    ) -> Iterator[tuple[str, HclBody | UnknownValue, Location, ExpressionScope]]:
        collection = self._evaluator.evaluate(for_each.expression, scope)
        if isinstance(collection, UnknownValue):
            yield name, collection, block.location, scope
            return
        if collection is None or not isinstance(collection, dict | list) or len(collection) > MAX_DYNAMIC_BLOCKS:
            yield (
                name,
                UnknownValue(f"for_each is not a collection of at most {MAX_DYNAMIC_BLOCKS} entries"),
                block.location,
                scope,
            )
            return
        iterator = name
        if iterator_attribute := block.body.attributes.get("iterator"):
            root = getattr(iterator_attribute.expression, "children", [""])[0]
            iterator = str(root.children[0]) if hasattr(root, "children") else name
        for key, value, _ in list_entries(collection):
            self._evaluator.spend(_BLOCK_STEPS)
            bound_names = LocatedMapping([("key", key), ("value", value)])
            yield name, content.body, content.location, scope.extend(**{iterator: bound_names})


def convert_value(parent: str, name: str, value: Any) -> Any:
    """Convert a value to the type of the field in Kubernetes; unchanged if it does not fit."""
    if isinstance(value, UnknownValue):
        return value
    if isinstance(value, LocatedMapping):
        texts = LocatedMapping()
        for key, child, location in list_entries(value):
            if child is not None:
                texts.put(key, _convert_text(child), location)
        return texts
    if isinstance(value, LocatedList):
        elements = LocatedList()
        for _, child, location in list_entries(value):
            elements.add(_convert_scalar(parent, name, child, in_list=True), location)
        return elements
    return _convert_scalar(parent, name, value)


def _convert_scalar(parent: str, name: str, value: Any, *, in_list: bool = False) -> Any:
    if isinstance(value, UnknownValue | dict | list) or value is None:
        return value
    if name in kinds.BOOLEANS:
        return value == "true" if value in ("true", "false") else value
    is_integer = name in kinds.INTEGERS or (parent, name) in kinds.NESTED_INTEGERS or name.endswith("_seconds")
    if is_integer or name in kinds.NUMBER_OR_NAME:
        return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value
    if name in kinds.MODES:
        return int(str(value), 8) if _OCTAL.fullmatch(str(value)) else value
    if name in kinds.BYTES:
        return _encode_base64(_convert_text(value))
    return value if name in kinds.UNCONVERTED and not in_list else _convert_text(value)


def _convert_text(value: Any) -> Any:
    return value if isinstance(value, UnknownValue | dict | list) or value is None else to_text(value)


def _encode_base64(value: Any) -> Any:
    return base64.b64encode(value.encode("utf-8", "replace")).decode() if isinstance(value, str) else value


def _split_sources(value: Any) -> Iterator[Any]:
    """Yield the sources in a `sources` block of a projected volume, one per inner block."""
    for key, child, location in list_entries(value):
        for element in child if isinstance(child, list) else (child,):
            source = LocatedMapping()
            source.put(key, element, location)
            yield source


def _adjust_secret(mapping: LocatedMapping) -> LocatedMapping:
    """Encode `data` in base64, as the provider does; `binary_data` is encoded already."""
    encoded = LocatedMapping()
    for name, encode in (("data", True), ("binaryData", False)):
        pairs = mapping.pop(name, None)
        if isinstance(pairs, UnknownValue):
            mapping.put("data", pairs, mapping.location(name))
            return mapping
        if pairs is None:
            continue
        mapping.put("data", encoded, mapping.location(name))
        for key, value, location in list_entries(pairs):
            encoded.put(key, _encode_base64(value) if encode else value, location)
    return mapping


def _adjust_daemon_set(mapping: LocatedMapping) -> LocatedMapping:
    """Rename the provider's `strategy` of a DaemonSet to `updateStrategy`."""
    spec = mapping.get("spec")
    if isinstance(spec, LocatedMapping) and "strategy" in spec:
        spec.put("updateStrategy", spec.pop("strategy"), spec.location("strategy"))
    return mapping


def _adjust_autoscaler(mapping: LocatedMapping) -> LocatedMapping:
    """Select the API version with metrics if the resource has metrics and no version in its name."""
    spec = mapping.get("spec")
    if mapping["apiVersion"] == "autoscaling/v1" and isinstance(spec, dict) and "metrics" in spec:
        mapping["apiVersion"] = "autoscaling/v2beta2"
    return mapping


def _unchanged(mapping: LocatedMapping) -> LocatedMapping:
    return mapping


_ADJUST: Final = {
    "DaemonSet": _adjust_daemon_set,
    "Secret": _adjust_secret,
    "HorizontalPodAutoscaler": _adjust_autoscaler,
}
