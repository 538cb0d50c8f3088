"""Which resources an exception is for, and which containers of them. Never looks at a control."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.exceptions.policy_exception import (
    CLUSTER,
    CONTAINER,
    IDENTITY,
    KIND,
    NAME,
    NAMESPACE,
    PATH,
    Designator,
    Patterns,
    PolicyException,
    matches,
)
from kubekeep.model.json_values import as_mapping
from kubekeep.model.label_selector import NAME_LABEL, LabelSelector, get_labels, selects
from kubekeep.model.location import format_path
from kubekeep.model.resource import Resource, Source
from kubekeep.model.workload import pod_path, value_at_or

_FIELDS: Final = ("labels", "annotations")
_LISTS: Final = ("containers", "initContainers", "ephemeralContainers")

Part = tuple[str, ...] | None
"""The paths of the containers that are meant; None for the whole resource."""


class _Entry(msgspec.Struct, frozen=True, gc=False):
    """One designator: what is told by kind and namespace, by one value more (`key`), and what needs the object."""

    number: int
    group: str
    kind: str
    namespace: str
    key: str
    pattern: str
    others: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]
    objects: LabelSelector | None
    namespaces: LabelSelector | None
    home: str


class _Near(msgspec.Struct, frozen=True):
    """The entries for one kind and namespace: those by the pattern of their key, and those without one."""

    keyed: dict[str, dict[str, list[_Entry]]]
    others: list[_Entry]


class Resources:
    """The resources that some exceptions are for.

    `namespaces` are the labels of the namespaces that are known, and `folder` is the one that paths start from.
    Only the few exceptions for the kind, namespace and name of a resource are looked at, so that many exceptions for
    many resources are no product.
    """

    def __init__(
        self, policy_exceptions: Mapping[int, PolicyException], namespaces: Mapping[str, Mapping[str, str]], folder: str
    ) -> None:
        self._namespaces = namespaces
        self._folder = folder
        self._entries = [entry for number, item in policy_exceptions.items() for entry in _entries(number, item)]
        keys = {entry.key for entry in self._entries} - {""}
        self._patterns = {key: Patterns(entry.pattern for entry in self._entries if entry.key == key) for key in keys}
        self._matching: dict[tuple[str, str], tuple[str, ...]] = {}
        self._known: dict[tuple[str, str, str], _Near] = {}

    def covering(self, resource: Resource) -> dict[int, Part]:
        """The numbers of the exceptions for `resource`, each with the part of it that is meant.

        One made of related objects is meant by what matches one of them, or the subject itself. Where its binding is, it
        is granted something: only there an exception of one namespace can mean it, wherever the subject comes from.
        """
        found: dict[int, Part] = {}
        granted = {_namespace(binding) for binding in resource.related[:1]}
        for item in (*resource.related, resource):
            for entry in self._candidates(item):
                if entry.number in found and found[entry.number] is None:
                    continue
                if entry.home and granted and entry.home not in granted:
                    continue
                part = self._part(entry, item)
                if part != ():
                    before = found.get(entry.number, ())
                    found[entry.number] = None if part is None or before is None else (*before, *part)
        return found

    def _candidates(self, item: Resource) -> Iterator[_Entry]:
        """The entries whose kind, namespace and key fit an object."""
        near = self._near(item)
        yield from near.others
        for key, entries in near.keyed.items():
            for value in _values(key, item, self._folder):
                if (key, value) not in self._matching:
                    self._matching[key, value] = self._patterns[key].matching(value)
                for pattern in self._matching[key, value]:
                    yield from entries.get(pattern, ())

    def _near(self, item: Resource) -> _Near:
        """The entries for the kind and the namespace of an object."""
        key = (item.group, item.kind, _namespace(item))
        if key not in self._known:
            near = self._known[key] = _Near({}, [])
            for entry in self._entries:
                if (
                    entry.group in {"", item.group}
                    and (not entry.kind or matches(entry.kind, item.kind))
                    and (not entry.namespace or matches(entry.namespace, key[2]))
                ):
                    by_pattern = near.keyed.setdefault(entry.key, {}) if entry.key else None
                    (near.others if by_pattern is None else by_pattern.setdefault(entry.pattern, [])).append(entry)
        return self._known[key]

    def _part(self, entry: _Entry, item: Resource) -> Part:
        """What `entry` means of an object of the right kind and namespace; an empty part if nothing."""
        if entry.labels and not _labelled(entry, item):
            return ()
        if entry.objects is not None and not selects(entry.objects, get_labels(item.object)):
            return ()
        if entry.namespaces is not None and not self._is_in(entry.namespaces, item):
            return ()
        containers = None
        for key, pattern in entry.others:
            if key == CONTAINER:
                containers = pattern
            elif not any(matches(pattern, value) for value in _values(key, item, self._folder)):
                return ()
        return None if containers is None else tuple(_containers(item, containers))

    def _is_in(self, selector: LabelSelector, item: Resource) -> bool:
        """Whether the namespace of an object is selected; not if that depends on labels that nobody knows."""
        name = _namespace(item)
        if not name:
            return False
        labels = get_labels(item.object) if _is_namespace(item) else self._namespaces.get(name)
        if labels is None and any(requirement.key != NAME_LABEL for requirement in selector.requirements):
            return False
        return selects(selector, {**(labels or {}), NAME_LABEL: name})


def _entries(number: int, policy_exception: PolicyException) -> Iterator[_Entry]:
    for designator in policy_exception.designators or (Designator(()),):
        said = dict(designator.patterns)
        kind, namespace = said.pop(KIND, ""), said.pop(NAMESPACE, "")
        others = tuple((key, said.pop(key)) for key in (NAME, PATH, IDENTITY, CLUSTER, CONTAINER) if key in said)
        labels = tuple(said.items())
        key, pattern = next((pair for pair in (*others, *labels) if pair[0] not in {CLUSTER, CONTAINER}), ("", ""))
        yield _Entry(
            number=number,
            group=designator.group,
            kind=kind,
            namespace=namespace,
            key=key,
            pattern=pattern,
            others=tuple(pair for pair in others if pair[0] != key),
            labels=labels,
            objects=policy_exception.objects,
            namespaces=policy_exception.namespaces,
            home=policy_exception.home,
        )


def _values(key: str, item: Resource, folder: str) -> Iterator[str]:
    """What the pattern of an attribute is compared with; one of them has to match."""
    match key:
        case "name":
            yield item.name
        case "resourceID":
            yield from (item.id, item.identity)
        case "path" if item.source is not None:
            for path in _paths(item.source, folder):
                yield from (path, f"{path}:{item.source.document}")
        case "path" | "cluster":
            # Objects in files belong to no cluster that has a name: only a pattern for all of them matches.
            yield ""
        case _:
            for field in _FIELDS:
                said = _texts(item, field)
                if key in said:
                    yield str(said[key])


def _paths(source: Source, folder: str) -> Iterator[str]:
    """What people may call a file: as it was named, its whole path, and its path from `folder` if it is below."""
    whole = posixpath.normpath(posixpath.join(folder, source.path))
    below = whole.removeprefix(f"{folder.rstrip('/')}/")
    # An exception goes on meaning the same file, however the paths of a scan are typed.
    yield from dict.fromkeys((source.path, whole, *(() if below == whole else (below, f"./{below}"))))


def _labelled(entry: _Entry, item: Resource) -> bool:
    """Whether all labels that are asked for are there, or all as annotations."""
    return any(
        all(key in said and matches(pattern, str(said[key])) for key, pattern in entry.labels)
        for said in (_texts(item, field) for field in _FIELDS)
    )


def _texts(item: Resource, field: str) -> dict[Any, Any]:
    return as_mapping(as_mapping(item.object.get("metadata")).get(field))


def _containers(item: Resource, pattern: str) -> Iterator[str]:
    """The paths of the containers whose names match."""
    at = pod_path(item)
    if at is None:
        return
    for field in _LISTS:
        path = (*at, "spec", field)
        found = value_at_or(item.object, path, ())
        for index, container in enumerate(found if isinstance(found, list) else ()):
            if isinstance(container, dict) and matches(pattern, str(container.get("name") or "")):
                yield format_path((*path, index))


def _namespace(item: Resource) -> str:
    """The namespace an object is in; a Namespace is in itself."""
    return item.name if _is_namespace(item) else item.namespace


def _is_namespace(item: Resource) -> bool:
    return item.kind == "Namespace" and not item.group
