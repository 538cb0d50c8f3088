"""Objects as they will be in a cluster, where the namespace is chosen by whoever installs them. Never judges.

A chart is rendered for some namespace when nobody has chosen one yet. What relates to its objects must not take that
for a decision: policies and accounts of other files in `default` are not theirs.
"""

from __future__ import annotations

import copy
import operator
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path, value_at
from kubekeep.model.resource import Resource
from kubekeep.model.resource_types import BUILTIN_TYPES

RELEASE_NAMESPACE: Final = "release-namespace"
"""Stands for the namespace that will be chosen."""


class Pair(msgspec.Struct, frozen=True, gc=False):
    """A resource as it was written, and as rules see it: the same, unless its namespace is chosen later."""

    resource: Resource
    judged: Resource

    @staticmethod
    def of(resource: Resource) -> Pair:
        """The pair of `resource`."""
        return Pair(resource, resource if resource.release_namespace_paths is None else _installed(resource))

    def packed(self, text: bytes, derived: bytes) -> Pair:
        """The same in less memory; what is joined from others shares theirs.

        `text` is the JSON of what rules see, `derived` is kept with it.
        """
        if self.resource.related:
            return self
        judged = self.judged.packed(text, derived)
        return Pair(judged if self.judged is self.resource else self.resource.packed(), judged)


class Written:
    """Which resource was written for one that rules see."""

    def __init__(self) -> None:
        self._pairs: dict[int, Pair] = {}

    def add(self, pair: Pair) -> None:
        """Remember `pair`, if its halves differ."""
        if pair.judged is not pair.resource:
            self._pairs[id(pair.judged)] = pair

    def joined(self, subject: Resource) -> Pair:
        """The pair of an RBAC subject that was joined with what rules see."""
        related = tuple(self._pairs[id(item)].resource if id(item) in self._pairs else item for item in subject.related)
        if all(map(operator.is_, related, subject.related)):
            return Pair(subject, subject)
        joined = {**subject.object, "relatedObjects": [item.object for item in related]}
        return Pair(msgspec.structs.replace(subject, content=joined, related=related), subject)


def _installed(resource: Resource) -> Resource:
    """`resource` in RELEASE_NAMESPACE wherever its namespace is chosen later."""
    served = BUILTIN_TYPES.get((resource.group, resource.kind))
    paths = [*(resource.release_namespace_paths or ())]
    if not resource.namespace and served is not None and served.namespaced:
        paths.append(("metadata", "namespace"))
    changed = copy.deepcopy(resource.object) if paths else resource.object
    for path in paths:
        _set(changed, path)
    return msgspec.structs.replace(resource, content=changed)


def _set(document: dict[str, Any], path: Path) -> None:
    try:
        owner = value_at(document, path[:-1])
    except LookupError:
        return
    if isinstance(owner, dict):
        owner[path[-1]] = RELEASE_NAMESPACE
