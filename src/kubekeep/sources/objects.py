"""Kubernetes objects in the documents of a file; lists are split into their items.

Checks only that `apiVersion` and `kind` are text; never checks a schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeGuard

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


def find_objects(document: Any, *, only_list_kinds: bool = False) -> Iterator[DocumentObject | IncompleteObject]:
    """Yield the objects of a document: the items of a list, or the document itself.

    kubectl and Helm treat every object with `items` as a list, whatever its kind and name, and create only its items
    (UnstructuredJSONScheme of k8s.io/apimachinery). only_list_kinds: kinds that end with `List` only, as Kustomize does.

    Yields nothing for a mapping with neither `apiVersion` nor `kind`, and for a kustomization. A list of objects without
    the object around it is incomplete: the API server and kubectl accept a List with items only. So is a text, which is
    usually a mapping whose colons are missing.
    """
    if isinstance(document, str):
        yield IncompleteObject("the document is a text, not a Kubernetes object: `key: value` is expected", ())
    elif isinstance(document, list) and any(map(_is_object, document)):
        yield IncompleteObject("a list at the top level is not a Kubernetes object: use kind List with items", ())
    elif isinstance(document, dict) and _has_either(document):
        yield from _find_objects(document, (), only_list_kinds=only_list_kinds)
    elif isinstance(document, dict) and (names := _list_miscased(document)):
        yield IncompleteObject(
            f"not a Kubernetes object: {' and '.join(names)} must be written apiVersion and kind", (names[0],)
        )
    elif (
        isinstance(document, dict) and isinstance(items := document.get("items"), list) and any(map(_is_object, items))
    ):
        yield IncompleteObject("these items are not in a Kubernetes object: use kind List", ("items",))


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() >= {"apiVersion", "kind"}


def _has_either(value: dict[str, Any]) -> bool:
    return not value.keys().isdisjoint(("apiVersion", "kind"))


def _list_miscased(value: dict[Any, Any]) -> list[str]:
    """Return the keys `apiVersion` and `kind` of a mapping that has both in other case, else nothing."""
    names = {key.lower(): key for key in value if isinstance(key, str)}
    return [names["apiversion"], names["kind"]] if names.keys() >= {"apiversion", "kind"} else []


def _find_objects(
    value: dict[str, Any], path: Path, *, only_list_kinds: bool
) -> Iterator[DocumentObject | IncompleteObject]:
    version, kind = value.get("apiVersion"), value.get("kind")
    if not (_is_text(version) and _is_text(kind)):
        name = "kind" if _is_text(version) else "apiVersion"
        problem = f"{name} is not text" if value.get(name) else f"{name} is missing"
        yield IncompleteObject(
            f"not a complete Kubernetes object: {problem}", (*path, name if name in value else "kind")
        )
    elif kind == "List" or ("items" in value and (kind.endswith("List") or not only_list_kinds)):
        yield from _find_items(value, path, only_list_kinds=only_list_kinds)
    elif not version.startswith(_KUSTOMIZE):
        yield DocumentObject(value, path)


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and value != ""


def _find_items(
    value: dict[str, Any], path: Path, *, only_list_kinds: bool
) -> Iterator[DocumentObject | IncompleteObject]:
    items = value.get("items")
    if items is None:
        return
    if not isinstance(items, list):
        message = "kubectl treats an object with items as a list, but its items are not a list"
        yield IncompleteObject(message, (*path, "items"))
        return
    # The API server omits the kind of items: an item of a PodList is a Pod.
    inherited = {"apiVersion": value["apiVersion"], "kind": value["kind"].removesuffix("List")}
    for index, entry in enumerate(items):
        entry_path = (*path, "items", index)
        has_type = isinstance(entry, dict) and (_is_text(entry.get("apiVersion")) or _is_text(entry.get("kind")))
        if not isinstance(entry, dict) or not (has_type or inherited["kind"]):
            message = "this item of a list is not an object: apiVersion and kind are missing"
            yield IncompleteObject(message, entry_path)
        else:
            complete = entry if has_type else {**entry, **inherited}
            yield from _find_objects(complete, entry_path, only_list_kinds=only_list_kinds)
