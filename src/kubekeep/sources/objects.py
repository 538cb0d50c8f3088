"""Kubernetes objects in the documents of a file; Lists are split into their items.

Checks only that `apiVersion` and `kind` are text; never checks a schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path

_KUSTOMIZE: Final = "kustomize.config.k8s.io/"


class DocumentObject(msgspec.Struct, frozen=True):
    """An object, and its path in the document."""

    object: dict[str, Any]
    path: Path


class IncompleteObject(msgspec.Struct, frozen=True):
    """An incomplete object: the problem, and its path in the document."""

    message: str
    path: Path


def find_objects(document: Any) -> Iterator[DocumentObject | IncompleteObject]:
    """Yield the objects of a document: the items of a List, or the document itself.

    Yields nothing for a mapping with neither `apiVersion` nor `kind`, and for a kustomization. A list of objects at the
    top level is incomplete: the API server and kubectl accept a List with items only. So is a text, which is usually a
    mapping whose colons are missing.
    """
    if isinstance(document, str):
        yield IncompleteObject("the document is a text, not a Kubernetes object: `key: value` is expected", ())
        return
    if isinstance(document, list) and any(map(_is_object, document)):
        yield IncompleteObject("a list at the top level is not a Kubernetes object: use kind List with items", ())
        return
    yield from _find_objects(document, (), {})


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() >= {"apiVersion", "kind"}


def _find_objects(value: Any, path: Path, inherited: dict[str, str]) -> Iterator[DocumentObject | IncompleteObject]:
    if not isinstance(value, dict) or not (inherited or value.keys() & {"apiVersion", "kind"}):
        if path:
            yield IncompleteObject("this item of a list is not an object: apiVersion and kind are missing", path)
        return
    complete = {**inherited, **value}
    version, kind = complete.get("apiVersion"), complete.get("kind")
    if not (isinstance(version, str) and version and isinstance(kind, str) and kind):
        name = "kind" if isinstance(version, str) and version else "apiVersion"
        what = f"{name} is not text" if complete.get(name) else f"{name} is missing"
        yield IncompleteObject(f"not a complete Kubernetes object: {what}", (*path, name if name in value else "kind"))
    elif _is_list(value, kind):
        yield from _find_items(value, version, kind, path)
    elif not version.startswith(_KUSTOMIZE):
        yield DocumentObject(value if value.keys() >= inherited.keys() else complete, path)


def _is_list(value: dict[str, Any], kind: str) -> bool:
    """Return True for a List of objects: it has no name in its metadata, unlike an object of a kind that ends with List."""
    if kind == "List":
        return True
    metadata = value.get("metadata")
    named = isinstance(metadata, dict) and "name" in metadata
    return kind.endswith("List") and isinstance(value.get("items"), list) and not named


def _find_items(
    value: dict[str, Any], version: str, kind: str, path: Path
) -> Iterator[DocumentObject | IncompleteObject]:
    items = value.get("items")
    if items is None:
        return
    if not isinstance(items, list):
        yield IncompleteObject("the items of this list are not a list", (*path, "items"))
        return
    # The API server omits the kind of items: an item of a PodList is a Pod.
    inherited = {} if kind == "List" else {"apiVersion": version, "kind": kind.removesuffix("List")}
    for index, entry in enumerate(items):
        yield from _find_objects(entry, (*path, "items", index), inherited)
