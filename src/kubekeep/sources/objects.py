"""Kubernetes objects in the documents of a file: lists taken apart, everything else left alone.

Knows the shape of an object (`apiVersion`, `kind`), never the kinds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path

_KUSTOMIZE: Final = "kustomize.config.k8s.io/"


class Found(msgspec.Struct, frozen=True):
    """An object and its path in the document."""

    object: dict[str, Any]
    path: Path


class Doubt(msgspec.Struct, frozen=True):
    """Something that is nearly an object, and its path in the document."""

    message: str
    path: Path


def objects(document: Any) -> Iterator[Found | Doubt]:
    """The objects of one document: none if it is not of Kubernetes, the items if it is a list.

    A document is not of Kubernetes if it has neither `apiVersion` nor `kind`, or is a kustomization.
    """
    yield from _objects(document, (), {})


def _objects(value: Any, path: Path, inherited: dict[str, str]) -> Iterator[Found | Doubt]:
    if not isinstance(value, dict) or not (inherited or value.keys() & {"apiVersion", "kind"}):
        if path:
            yield Doubt("this item of a list is no object: it has neither apiVersion nor kind", path)
        return
    given = {**inherited, **value}
    version, kind = given.get("apiVersion"), given.get("kind")
    if not (isinstance(version, str) and version and isinstance(kind, str) and kind):
        name = "kind" if isinstance(version, str) and version else "apiVersion"
        what = f"its {name} is not text" if given.get(name) else f"it has no {name}"
        yield Doubt(f"not a complete Kubernetes object: {what}", (*path, name if name in value else "kind"))
    elif _is_list(value, kind):
        yield from _items(value, version, kind, path)
    elif not version.startswith(_KUSTOMIZE):
        yield Found(value if value.keys() >= inherited.keys() else given, path)


def _is_list(value: dict[str, Any], kind: str) -> bool:
    """Whether this is a list of objects: their metadata have no name, unlike an object of a kind called so."""
    if kind == "List":
        return True
    metadata = value.get("metadata")
    named = isinstance(metadata, dict) and "name" in metadata
    return kind.endswith("List") and isinstance(value.get("items"), list) and not named


def _items(value: dict[str, Any], version: str, kind: str, path: Path) -> Iterator[Found | Doubt]:
    items = value.get("items")
    if items is None:
        return
    if not isinstance(items, list):
        yield Doubt("the items of this list are not a list", (*path, "items"))
        return
    # The API server leaves out what the list's own kind says: an item of a PodList is a Pod.
    inherited = {} if kind == "List" else {"apiVersion": version, "kind": kind.removesuffix("List")}
    for index, item in enumerate(items):
        yield from _objects(item, (*path, "items", index), inherited)
