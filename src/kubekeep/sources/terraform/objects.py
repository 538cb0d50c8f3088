"""One resource of Terraform as the object it makes in Kubernetes: with places, and Unknown where nobody knows yet."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any, Final

from kubekeep.model.location import Location
from kubekeep.sources.terraform import kinds
from kubekeep.sources.terraform.evaluate import Evaluator, Scope
from kubekeep.sources.terraform.syntax import Attribute, Block, Body
from kubekeep.sources.terraform.values import Mapping, Sequence, Unknown, entries, to_text

MOST_DYNAMIC: Final = 1_000
"""Blocks that one `dynamic` may make."""
_INTEGER: Final = re.compile(r"[-+]?\d{1,18}")
_OCTAL: Final = re.compile(r"0?[0-7]{1,4}")


class Objects:
    """Makes objects; within one evaluation budget."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def typed(self, block: Block, scope: Scope) -> Mapping:
        """The object of a resource `kubernetes_<kind>` whose kind is known."""
        found = kinds.kind_of(block.labels[0])
        if found is None:
            raise LookupError(block.labels[0])
        made = Mapping()
        made.put("apiVersion", found[0], block.place)
        made.put("kind", found[1], block.place)
        self._fill(made, block.body, scope, "")
        return _FINISH.get(found[1], _unchanged)(made)

    def manifest(self, block: Block, scope: Scope, attribute: str) -> tuple[Any, Location]:
        """The value of the attribute that holds a whole object, and where it is set."""
        given = block.body.attributes.get(attribute)
        if given is None:
            return Unknown(f"it has no {attribute}"), block.place
        value = self._evaluator.value(given.expression, scope.within(given.place.file))
        return value, self._evaluator.place(given.place, given.expression, scope)

    def _fill(self, made: Mapping, body: Body, scope: Scope, parent: str) -> None:
        for attribute in body.attributes.values():
            if parent or not kinds.is_for_terraform(attribute.name):
                self._attribute(made, attribute, scope, parent)
        for name, inner, place, inside in self._blocks(body, scope):
            if not parent and kinds.is_for_terraform(name):
                continue
            if name in kinds.INLINED and isinstance(inner, Body):
                self._fill(made, inner, inside, name)
                continue
            self._block(made, name, inner, place, inside, parent)

    def _attribute(self, made: Mapping, attribute: Attribute, scope: Scope, parent: str) -> None:
        value = self._evaluator.value(attribute.expression, scope)
        if value is None:
            # Terraform's way not to set an argument.
            return
        place = self._evaluator.place(attribute.place, attribute.expression, scope)
        made.put(kinds.field(parent, attribute.name), converted(parent, attribute.name, value), place)

    def _block(
        self, made: Mapping, name: str, inner: Body | Unknown, place: Location, scope: Scope, parent: str
    ) -> None:
        value: Any = inner
        if isinstance(inner, Body):
            value = Mapping()
            self._fill(value, inner, scope, name)
        listed = kinds.list_field(parent, name)
        if listed is None:
            self._single(made, kinds.field(parent, name), value, place)
        elif isinstance(value, Unknown) or isinstance(made.get(listed), Unknown):
            made.put(listed, value if isinstance(value, Unknown) else made[listed], place)
        else:
            if listed not in made:
                made.put(listed, Sequence(), place)
            for item in _split_sources(value) if name == "sources" else (value,):
                made[listed].add(item, place)

    def _single(self, made: Mapping, field: str, value: Any, place: Location) -> None:
        """A block that is one object; said several times, it is a list that the tables do not know."""
        before = made.get(field)
        if before is None or isinstance(value, Unknown):
            made.put(field, value, place)
        elif isinstance(before, Sequence):
            before.add(value, place)
        elif isinstance(before, Mapping):
            both = Sequence()
            both.add(before, made.place(field))
            both.add(value, place)
            made.put(field, both, made.place(field))

    def _blocks(self, body: Body, scope: Scope) -> Iterator[tuple[str, Body | Unknown, Location, Scope]]:
        """Each block with its name, body, place and scope; those that `dynamic` makes too."""
        for block in body.blocks:
            if block.type != "dynamic" or not block.labels:
                yield block.type, block.body, block.place, scope
                continue
            name = block.labels[0]
            content = next((inner for inner in block.body.blocks if inner.type == "content"), None)
            each = block.body.attributes.get("for_each")
            if content is None or each is None:
                yield name, Unknown("a dynamic block without for_each and content"), block.place, scope
                continue
            yield from self._dynamic(name, content, block, each, scope)

    def _dynamic(
        self, name: str, content: Block, block: Block, each: Attribute, scope: Scope
    ) -> Iterator[tuple[str, Body | Unknown, Location, Scope]]:
        over = self._evaluator.value(each.expression, scope)
        if isinstance(over, Unknown):
            yield name, over, block.place, scope
            return
        if over is None or not isinstance(over, dict | list) or len(over) > MOST_DYNAMIC:
            yield name, Unknown(f"its for_each is no collection of at most {MOST_DYNAMIC}"), block.place, scope
            return
        iterator = name
        if named := block.body.attributes.get("iterator"):
            root = getattr(named.expression, "children", [""])[0]
            iterator = str(root.children[0]) if hasattr(root, "children") else name
        for key, value, _ in entries(over):
            bound = Mapping([("key", key), ("value", value)])
            yield name, content.body, content.place, scope.binding(**{iterator: bound})


def converted(parent: str, name: str, value: Any) -> Any:
    """A value as the type that the field has in Kubernetes; what cannot be that type stays as it is."""
    if isinstance(value, Unknown):
        return value
    if isinstance(value, Mapping):
        texts = Mapping()
        for key, item, place in entries(value):
            if item is not None:
                texts.put(key, _text(item), place)
        return texts
    if isinstance(value, Sequence):
        items = Sequence()
        for _, item, place in entries(value):
            items.add(_scalar(parent, name, item, in_list=True), place)
        return items
    return _scalar(parent, name, value)


def _scalar(parent: str, name: str, value: Any, *, in_list: bool = False) -> Any:
    if isinstance(value, Unknown | dict | list) or value is None:
        return value
    if name in kinds.BOOLEANS:
        return value == "true" if value in ("true", "false") else value
    integers = name in kinds.INTEGERS or (parent, name) in kinds.INTEGERS_THERE or name.endswith("_seconds")
    if integers or name in kinds.NUMBER_OR_NAME:
        return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value
    if name in kinds.MODES:
        return int(str(value), 8) if _OCTAL.fullmatch(str(value)) else value
    if name in kinds.BYTES:
        return _in_base64(_text(value))
    return value if name in kinds.AS_THEY_STAND and not in_list else _text(value)


def _text(value: Any) -> Any:
    return value if isinstance(value, Unknown | dict | list) or value is None else to_text(value)


def _in_base64(value: Any) -> Any:
    return base64.b64encode(value.encode("utf-8", "replace")).decode() if isinstance(value, str) else value


def _split_sources(value: Any) -> Iterator[Any]:
    """A projected volume's `sources` block: each block in it is a source of its own."""
    for key, item, place in entries(value):
        for one in item if isinstance(item, list) else (item,):
            source = Mapping()
            source.put(key, one, place)
            yield source


def _secret(made: Mapping) -> Mapping:
    """The provider takes text and sends it in base64; `binary_data` is in base64 already."""
    data = Mapping()
    for name, encode in (("data", True), ("binaryData", False)):
        given = made.pop(name, None)
        if isinstance(given, Unknown):
            made.put("data", given, made.place(name))
            return made
        if given is None:
            continue
        made.put("data", data, made.place(name))
        for key, value, place in entries(given):
            data.put(key, _in_base64(value) if encode else value, place)
    return made


def _daemon_set(made: Mapping) -> Mapping:
    """What the provider calls `strategy` is a DaemonSet's `updateStrategy`."""
    spec = made.get("spec")
    if isinstance(spec, Mapping) and "strategy" in spec:
        spec.put("updateStrategy", spec.pop("strategy"), spec.place("strategy"))
    return made


def _autoscaler(made: Mapping) -> Mapping:
    """Without a version in its name, the resource takes the API that knows metrics if there are any."""
    spec = made.get("spec")
    if made["apiVersion"] == "autoscaling/v1" and isinstance(spec, dict) and "metrics" in spec:
        made["apiVersion"] = "autoscaling/v2beta2"
    return made


def _unchanged(made: Mapping) -> Mapping:
    return made


_FINISH: Final = {"DaemonSet": _daemon_set, "Secret": _secret, "HorizontalPodAutoscaler": _autoscaler}
