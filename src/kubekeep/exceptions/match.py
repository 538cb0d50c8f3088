"""Matching of exceptions: the controls of a scan and the resources, with their containers, that an exception names.

Never decides if an exception is in force.
"""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.exceptions.policy_exception import (
    CLUSTER,
    CONTAINER,
    EVERYTHING,
    IDENTITY,
    KIND,
    NAME,
    NAMESPACE,
    PATH,
    Designator,
    Patterns,
    Policy,
    PolicyException,
    is_glob,
    is_plain,
    matches,
    without_globs,
)
from kubekeep.model.control import Control
from kubekeep.model.framework import Framework
from kubekeep.model.json_values import as_mapping
from kubekeep.model.label_selector import NAME_LABEL, LabelSelector, get_labels, selects
from kubekeep.model.location import format_path
from kubekeep.model.resource import Resource, Source
from kubekeep.model.workload import pod_path, value_at_or
from kubekeep.posture.select import Selection

_OVERVIEWS: Final = frozenset({"clusterscan", "workloadscan"})
"""What Kubescape shows when nothing is named: like all controls together no framework in particular."""
_NUMBER: Final = re.compile(r"c?-?0*(\d{1,4})", re.ASCII)
"""The number of a control, written with too few or too many zeros."""
_FIELDS: Final = ("labels", "annotations")
_LISTS: Final = ("containers", "initContainers", "ephemeralContainers")

Part = tuple[str, ...] | None
"""The paths of the containers that are meant; None for the whole resource."""


class Reach(msgspec.Struct, frozen=True):
    """The controls that an exception is for.

    `slugs` are those in the scan; `unknown` the names that nobody knows, with a `hint` where one is nearly a name.
    `everything` says that it leaves out no control, but for those of other frameworks. `shared` are controls that it
    names for one framework while the scan judges by another one that holds them too.
    """

    slugs: frozenset[str]
    unknown: tuple[str, ...] = ()
    everything: bool = False
    shared: tuple[str, ...] = ()
    hint: str = ""


class Controls:
    """The controls and frameworks that exceptions may name: those of the library and of the scan."""

    def __init__(self, selection: Selection) -> None:
        known = {**selection.library.controls, **{control.slug: control for control in selection.controls}}
        self._controls: tuple[Control, ...] = tuple(known.values())
        self._names = {control.slug: (control.slug, control.title, *control.ids) for control in self._controls}
        self._frameworks: tuple[Framework, ...] = (*selection.frameworks, *selection.library.frameworks.values())
        self._by_name: dict[str, set[str]] = {}
        self._spelt: dict[str, str] = {}
        for slug, names in self._names.items():
            for name in names:
                self._by_name.setdefault(_key(name), set()).add(slug)
                self._spelt.setdefault(_key(name), name)
        self._members: dict[str, frozenset[str]] = {}
        self._found: dict[tuple[str, bool], frozenset[str]] = {}
        # What matches all of the numbers is written to match all controls, those without a number or not.
        self._numbered = frozenset(control.slug for control in self._controls if control.ids)
        self._ids = {control.slug: control.id for control in selection.controls}
        self._selected = frozenset(self._ids)
        self._judged_by = [
            item for item in selection.frameworks if not item.all_controls and item.slug not in _OVERVIEWS
        ]

    def id_of(self, slug: str) -> str:
        """What reports call the control."""
        return self._ids[slug]

    def named(self, name: str) -> frozenset[str]:
        """The slugs of the controls that are called exactly `name`, in any case."""
        return frozenset(self._by_name.get(_key(name), ()))

    def reach(self, policies: Sequence[Policy]) -> Reach:
        """What `policies` name."""
        if not policies:
            return Reach(self._selected, everything=True)
        unknown: list[str] = []
        for_all: set[str] = set()
        by_framework: dict[str, set[str]] = {}
        all_named: set[str] = set()
        for policy in policies:
            slugs = self._slugs(policy, unknown)
            all_named |= slugs
            if not policy.framework or policy.framework == EVERYTHING:
                for_all |= slugs
                continue
            frameworks = [
                item for item in self._frameworks if _is_called(policy.framework, _words(item), exact=policy.exact)
            ]
            if not frameworks:
                unknown.append(f"framework {policy.framework}")
            for framework in frameworks:
                for slug in slugs & self._held_by(framework):
                    by_framework.setdefault(slug, set()).add(framework.slug)
        shared = {slug for slug, named in by_framework.items() if self._others(slug, named)} - for_all
        covered = (for_all | (by_framework.keys() - shared)) & self._selected
        told = tuple(sorted(map(self.id_of, shared & self._selected)))
        return Reach(
            slugs=frozenset(covered),
            unknown=tuple(dict.fromkeys(unknown)),
            everything=all_named >= self._numbered,
            shared=told,
            hint=self._hint(unknown),
        )

    def _hint(self, unknown: Iterable[str]) -> str:
        """The name that one of `unknown` was perhaps meant to be."""
        for name in unknown:
            if is_glob(name):
                return f"; a pattern is a regular expression: {without_globs(name)}"
            number = _NUMBER.fullmatch(_key(name))
            if number and (same := f"c-{number[1]:0>4}") in self._by_name:
                return f"; did you mean {self._spelt[same]}?"
            near = difflib.get_close_matches(_key(name), self._by_name, n=1, cutoff=0.7)
            if near:
                return f"; did you mean {self._spelt[near[0]]}?"
        return ""

    def _slugs(self, policy: Policy, unknown: list[str]) -> frozenset[str]:
        """The controls that match all patterns of `policy`; without one, every control."""
        found = frozenset(self._names)
        for pattern in filter(None, (policy.control, policy.title)):
            called = self._called(pattern, exact=policy.exact)
            if not called:
                unknown.append(pattern)
            found &= called
        if policy.rule:
            # The rule of a control is named after it; a name of Kubescape's own rules is none of ours.
            ruled = frozenset(slug for slug in found if _is_called(policy.rule, (slug,), exact=policy.exact))
            if not ruled:
                unknown.append(f"rule {policy.rule}")
            found &= ruled
        return found

    def _called(self, pattern: str, *, exact: bool) -> frozenset[str]:
        """The slugs of the controls that `pattern` names."""
        key = pattern, exact
        if key not in self._found:
            found = self.named(pattern)
            if not found and not is_plain(pattern):
                found = frozenset(
                    slug for slug, names in self._names.items() if _is_called(pattern, names, exact=exact)
                )
            self._found[key] = found
        return self._found[key]

    def _held_by(self, framework: Framework) -> frozenset[str]:
        if framework.slug not in self._members:
            members = (control.slug for control in self._controls if framework.has(control))
            self._members[framework.slug] = frozenset(members)
        return self._members[framework.slug]

    def _others(self, slug: str, named: Iterable[str]) -> bool:
        """Whether the scan judges the control by a framework that is not named: one verdict counts for both."""
        return any(item.slug not in named and slug in self._held_by(item) for item in self._judged_by)


def _words(framework: Framework) -> tuple[str, ...]:
    return (framework.slug, framework.name, *framework.aliases)


def _is_called(pattern: str, names: Iterable[str], *, exact: bool) -> bool:
    if exact and pattern != EVERYTHING:
        return any(_key(pattern) == _key(name) for name in names)
    return any(_key(pattern) == _key(name) or matches(pattern, name, any_case=True) for name in names)


def _key(name: str) -> str:
    return " ".join(name.casefold().split())


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
