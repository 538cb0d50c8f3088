"""ConfigMaps and Secrets that a kustomization generates, as fields with the place of each: literals, files, variables.

Only places: the values are what kustomize made of them, and those of secrets are never held here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Final

from kubekeep.model.json_values import as_mapping
from kubekeep.sources.kustomize.graph import Node
from kubekeep.sources.kustomize.references import entries
from kubekeep.sources.kustomize.selector import Identity
from kubekeep.sources.kustomize.shadow import Field, grown
from kubekeep.sources.kustomize.state import Step
from kubekeep.sources.kustomize.steps import Generated
from kubekeep.sources.kustomize.written import Pages, Spot

UNKNOWN: Final = object()
"""A value that is not looked at: its place is known."""


def generated(spot: Spot, kind: str, node: Node, pages: Pages) -> tuple[Identity, Callable[[], Field]]:
    """The object that the entry at `spot` generates: its identity before any transformation, and its fields."""
    entry = as_mapping(spot.value)
    identity = Identity("", "v1", kind, str(entry.get("namespace") or ""), str(entry.get("name") or ""))
    return identity, lambda: _root(spot, kind, node, pages)


def merged(spot: Spot, kind: str, node: Node, pages: Pages) -> Step | None:
    """The entry as a change of an object that was there before; None if it makes one of its own."""
    behavior = as_mapping(spot.value).get("behavior")
    if behavior not in ("merge", "replace"):
        return None
    identity, make = generated(spot, kind, node, pages)
    return Generated(identity, make(), replace=behavior == "replace")


def _root(spot: Spot, kind: str, node: Node, pages: Pages) -> Field:
    data = {key: Field(UNKNOWN, at, 0) for key, at in _data(spot, node, pages)}
    options = spot.below("options")
    shared = Spot(node.written, ("generatorOptions",))
    metadata: dict[str, Any] = {"name": _field(spot, "name")}
    for name in ("labels", "annotations"):
        said = {
            key: grown(value, at.below(name, key), 0)
            for at in (shared, options)
            for key, value in as_mapping(at.below(name).value).items()
        }
        if said:
            at = options.below(name) if options.below(name).value else shared.below(name)
            metadata[name] = Field(said, at, 0)
    if as_mapping(spot.value).get("namespace"):
        metadata["namespace"] = _field(spot, "namespace")
    root = {
        "apiVersion": Field("v1", spot, 0),
        "kind": Field(kind, spot, 0),
        "metadata": Field(metadata, spot, 0),
        "data": Field(data, spot, 0),
        "binaryData": Field(data, spot, 0),
    }
    if as_mapping(spot.value).get("type"):
        root["type"] = _field(spot, "type")
    for at in (shared, options):
        if at.below("immutable").value is not None:
            root["immutable"] = _field(at, "immutable")
    return Field(root, spot, 0)


def _field(spot: Spot, name: str) -> Field:
    return Field(spot.below(name).value, spot.below(name), 0)


def _data(spot: Spot, node: Node, pages: Pages) -> Iterator[tuple[str, Spot]]:
    for item in entries(spot.below("literals")):
        yield str(item.value).partition("=")[0], item
    for item in entries(spot.below("files")):
        if isinstance(item.value, str):
            key, equals, path = item.value.partition("=")
            yield (key if equals else os.path.basename(item.value)), pages.start(node.resolved(path or key))  # noqa: PTH119
    for item in (*entries(spot.below("envs")), spot.below("env")):
        if isinstance(item.value, str):
            for line, at in pages.lines(node.resolved(item.value)):
                key = line.strip().partition("=")[0]
                if key and not key.startswith("#"):
                    yield key, at
