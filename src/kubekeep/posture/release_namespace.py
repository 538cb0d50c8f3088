"""Resources in the namespace of a release that is chosen at installation. Never evaluates a rule.

A chart is rendered before the namespace of its release is chosen. Relations between objects must not depend on the
namespace used for rendering: policies and accounts of other files in `default` do not belong to the chart.
"""

from __future__ import annotations

import copy
import operator
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path, value_at
from kubekeep.model.resource import Resource, join_related
from kubekeep.model.resource_types import BUILTIN_TYPES

RELEASE_NAMESPACE: Final = "release-namespace"
"""Placeholder for the namespace that will be chosen."""
_NAMESPACE: Final[Path] = ("metadata", "namespace")
_WORDS: Final = (
    (f"namespace {RELEASE_NAMESPACE}", "the namespace of the release"),
    (f"{RELEASE_NAMESPACE}/", ""),
    (RELEASE_NAMESPACE, "the namespace of the release"),
)


class InstalledResource(msgspec.Struct, frozen=True, gc=False):
    """A resource as written, and as rules evaluate it; they differ only if the namespace is chosen at installation."""

    resource: Resource
    evaluated: Resource

    @staticmethod
    def install(resource: Resource) -> InstalledResource:
        """Return `resource` with the form that rules evaluate; removes the namespace used for rendering from `resource`."""
        if resource.release_namespace_paths is None:
            return InstalledResource(resource, resource)
        evaluated = _install(resource)
        _remove_namespace(resource)
        return InstalledResource(resource, evaluated)


class OriginalResources:
    """Index from the evaluated forms of resources to the resources as written."""

    def __init__(self) -> None:
        self._installed: dict[int, InstalledResource] = {}

    def add(self, installed: InstalledResource) -> None:
        """Record `installed` if its two forms differ."""
        if installed.evaluated is not installed.resource:
            self._installed[id(installed.evaluated)] = installed

    def restore(self, subject: Resource) -> InstalledResource:
        """Return both forms of a joined RBAC subject; its parts are evaluated forms that `add` recorded."""
        installed_parts = (self._installed.get(id(part)) for part in subject.related)
        related = tuple(
            part if installed is None else installed.resource
            for part, installed in zip(subject.related, installed_parts, strict=True)
        )
        if all(map(operator.is_, related, subject.related)):
            return InstalledResource(subject, subject)
        content = subject.object
        if content.get("namespace") == RELEASE_NAMESPACE:
            content = {key: value for key, value in content.items() if key != "namespace"}
        return InstalledResource(join_related(content, related), subject)


def _install(resource: Resource) -> Resource:
    """Return `resource` with RELEASE_NAMESPACE at each path with a namespace that is chosen at installation."""
    resource_type = BUILTIN_TYPES.get((resource.group, resource.kind))
    paths = [*(resource.release_namespace_paths or ())]
    if not resource.namespace and resource_type is not None and resource_type.is_namespaced:
        paths.append(_NAMESPACE)
    changed = copy.deepcopy(resource.object) if paths else resource.object
    for path in paths:
        _set_release_namespace(changed, path)
    return msgspec.structs.replace(resource, content=changed)


def _remove_namespace(resource: Resource) -> None:
    """Remove the namespace that is chosen at installation from a resource, so that reports never name the one of Helm.

    Locations still refer to the document.
    """
    if _NAMESPACE not in (resource.release_namespace_paths or ()) or not resource.namespace:
        return
    content = resource.object
    metadata = {key: value for key, value in content["metadata"].items() if key != "namespace"}
    if resource.document is None:
        msgspec.structs.force_setattr(resource, "document", content)
    msgspec.structs.force_setattr(resource, "content", {**content, "metadata": metadata})


def word_release_namespace(text: str) -> str:
    """Return a message of a rule about an evaluated form without the placeholder for the namespace."""
    for placeholder, words in _WORDS:
        text = text.replace(placeholder, words)
    return text


def _set_release_namespace(document: dict[str, Any], path: Path) -> None:
    try:
        owner = value_at(document, path[:-1])
    except LookupError:
        return
    if isinstance(owner, dict):
        owner[path[-1]] = RELEASE_NAMESPACE
