"""Matching of exceptions: the controls of a scan and the resources, with their containers, that an exception names.

Never decides if an exception is in force.
"""

from __future__ import annotations

import functools
import itertools
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.exceptions.policy_exception import (
    ALL_VULNERABILITIES,
    CLUSTER,
    CONTAINER,
    EVERYTHING,
    IDENTITY,
    IMAGE_PARTS,
    IMAGE_PREFIX,
    KIND,
    NAME,
    NAMESPACE,
    PATH,
    Designator,
    PackageSelector,
    Patterns,
    PolicyException,
    PosturePolicy,
    convert_glob,
    is_glob,
    is_plain,
    matches,
    names_vulnerability,
)
from kubekeep.library.kubescape_names import load_kubescape_names
from kubekeep.model.definition import Definition
from kubekeep.model.framework import Framework
from kubekeep.model.json_values import as_mapping
from kubekeep.model.label_selector import NAME_LABEL, LabelSelector, get_labels, selects
from kubekeep.model.location import format_path
from kubekeep.model.similar_names import find_similar
from kubekeep.model.source import Source
from kubekeep.model.subject import Subject
from kubekeep.model.workload import pod_path, value_at_or
from kubekeep.posture.select import Selection

_OVERVIEWS: Final = frozenset({"clusterscan", "workloadscan"})
"""Kubescape's overviews when no framework is named; like all controls together they are no framework."""
_NUMBER: Final = re.compile(r"c?-?0*(\d{1,4})", re.ASCII)
"""The number of a control, with too few or too many zeros."""
_MOST_COMPARED: Final = 20
"""Unknown names that are compared with the known ones; an annotation may have 100,000."""
_FIELDS: Final = ("labels", "annotations")
_IMAGE_KEYS: Final = tuple(f"{IMAGE_PREFIX}{part}" for part in IMAGE_PARTS)
_LISTS: Final = ("containers", "initContainers", "ephemeralContainers")

Part = tuple[str, ...] | None
"""Paths of the matched containers or packages; None for the whole resource."""


class ControlScope(msgspec.Struct, frozen=True):
    """The controls that an exception applies to.

    slugs: controls of the scan. unknown: names of no control, with a `hint` if one is similar to a known name.
    everything: no control is excluded, other than by framework. shared: controls named for one framework that also
    belong to another framework of the scan.
    """

    slugs: frozenset[str]
    unknown: tuple[str, ...] = ()
    everything: bool = False
    shared: tuple[str, ...] = ()
    hint: str = ""


class ControlMatcher:
    """Lookup of the controls and frameworks that exceptions may name: those of the library and of the scan."""

    def __init__(self, selection: Selection) -> None:
        known = {**selection.library.controls, **{control.slug: control for control in selection.definitions}}
        self._controls: tuple[Definition, ...] = tuple(known.values())
        self._frameworks: tuple[Framework, ...] = (*selection.frameworks, *selection.library.frameworks.values())
        self._members: dict[str, frozenset[str]] = {}
        self._matches: dict[tuple[str, bool], frozenset[str]] = {}
        # A pattern that matches all numbered controls is intended for all controls, with or without a number.
        self._numbered = frozenset(control.slug for control in self._controls if control.ids)
        self._ids = {control.slug: control.id for control in selection.definitions}
        self._selected = frozenset(self._ids)
        self._frameworks_of_scan = [
            framework
            for framework in selection.frameworks
            if not framework.all_controls and framework.slug not in _OVERVIEWS
        ]

    # A scan without exceptions never looks up a name, so these indexes are built on first use.
    @functools.cached_property
    def _names(self) -> dict[str, tuple[str, ...]]:
        """Names of each control, by slug."""
        former = load_kubescape_names()
        return {
            control.slug: (
                control.slug,
                control.title,
                *control.ids,
                *(former[number] for number in control.ids if number in former),
            )
            for control in self._controls
        }

    @functools.cached_property
    def _by_name(self) -> dict[str, set[str]]:
        """Slugs of the controls with a name, by its normalised form."""
        slugs: dict[str, set[str]] = {}
        for slug, names in self._names.items():
            for name in names:
                slugs.setdefault(_normalise(name), set()).add(slug)
        return slugs

    @functools.cached_property
    def _spellings(self) -> dict[str, str]:
        """The first spelling of each normalised name."""
        spellings: dict[str, str] = {}
        for names in self._names.values():
            for name in names:
                spellings.setdefault(_normalise(name), name)
        return spellings

    @functools.cached_property
    def _vulnerabilities(self) -> frozenset[str]:
        """Slugs of the known vulnerabilities of the scan."""
        return frozenset(control.slug for control in self._controls if control.concerns_packages)

    def find_by_name(self, name: str) -> frozenset[str]:
        """Return the slugs of the controls named exactly `name`, ignoring case."""
        return frozenset(self._by_name.get(_normalise(name), ()))

    def resolve_scope(self, policies: Sequence[PosturePolicy]) -> ControlScope:
        """Resolve the controls that policies name."""
        if not policies:
            return ControlScope(self._selected, everything=True)
        unknown: list[str] = []
        for_all: set[str] = set()
        by_framework: dict[str, set[str]] = {}
        all_named: set[str] = set()
        for policy in policies:
            slugs = self._match_policy(policy, unknown)
            all_named |= slugs
            if not policy.framework or policy.framework == EVERYTHING:
                for_all |= slugs
                continue
            normalised = _normalise(policy.framework)
            frameworks = [
                framework
                for framework in self._frameworks
                if _matches_name(policy.framework, normalised, _list_names(framework), exact=policy.exact)
            ]
            if not frameworks:
                unknown.append(f"framework {policy.framework}")
            for framework in frameworks:
                for slug in slugs & self._get_members(framework):
                    by_framework.setdefault(slug, set()).add(framework.slug)
        shared = {slug for slug, named in by_framework.items() if self._is_shared(slug, named)} - for_all
        covered = (for_all | (by_framework.keys() - shared)) & self._selected
        shared_ids = tuple(sorted(self._ids[slug] for slug in shared & self._selected))
        return ControlScope(
            slugs=frozenset(covered),
            unknown=tuple(dict.fromkeys(unknown)),
            everything=all_named >= self._numbered,
            shared=shared_ids,
            hint=self._suggest(unknown),
        )

    def _suggest(self, unknown: Iterable[str]) -> str:
        """Suggest a known name for one of the first unknown names."""
        for name in itertools.islice(dict.fromkeys(unknown), _MOST_COMPARED):
            if is_glob(name):
                return f"; a pattern is a regular expression: {convert_glob(name)}"
            number = _NUMBER.fullmatch(_normalise(name))
            if number and (same := f"c-{number[1]:0>4}") in self._by_name:
                return f"; did you mean {self._spellings[same]}?"
            similar = find_similar(_normalise(name), self._by_name, cutoff=0.7)
            if similar:
                return f"; did you mean {self._spellings[similar]}?"
        return ""

    def _match_policy(self, policy: PosturePolicy, unknown: list[str]) -> frozenset[str]:
        """Return the controls that match all patterns of a policy, every control if it has none."""
        slugs = frozenset(self._names)
        for pattern in filter(None, (policy.control, policy.title)):
            named = self._find_matching(pattern, exact=policy.exact)
            if not named and not names_vulnerability(pattern):
                unknown.append(pattern)
            slugs &= named
        if policy.rule:
            # Our rule of a control has the control's name; names of Kubescape's rules are unknown here.
            with_rule = frozenset(
                slug
                for slug in slugs
                if _matches_name(policy.rule, _normalise(policy.rule), (slug,), exact=policy.exact)
            )
            if not with_rule:
                unknown.append(f"rule {policy.rule}")
            slugs &= with_rule
        if policy.severity:
            slugs &= frozenset(control.slug for control in self._controls if control.level.label == policy.severity)
        return slugs

    def _find_matching(self, pattern: str, *, exact: bool) -> frozenset[str]:
        """Return the slugs of the controls that match a pattern."""
        key = pattern, exact
        if key not in self._matches:
            slugs = self._vulnerabilities if pattern == ALL_VULNERABILITIES else self.find_by_name(pattern)
            if not slugs and not is_plain(pattern):
                normalised = _normalise(pattern)
                slugs = frozenset(
                    slug
                    for slug, names in self._names.items()
                    if _matches_name(pattern, normalised, names, exact=exact)
                )
            self._matches[key] = slugs
        return self._matches[key]

    def _get_members(self, framework: Framework) -> frozenset[str]:
        if framework.slug not in self._members:
            members = (control.slug for control in self._controls if framework.has(control))
            self._members[framework.slug] = frozenset(members)
        return self._members[framework.slug]

    def _is_shared(self, slug: str, named: Iterable[str]) -> bool:
        """Return True if a framework of the scan that is not named contains the control: both share one verdict."""
        return any(
            framework.slug not in named and slug in self._get_members(framework)
            for framework in self._frameworks_of_scan
        )


def _list_names(framework: Framework) -> tuple[str, ...]:
    return (framework.slug, framework.name, *framework.aliases)


def _matches_name(pattern: str, normalised: str, names: Iterable[str], *, exact: bool) -> bool:
    """Return True if one of names matches; normalised: `_normalise(pattern)`, which may be long."""
    if exact and pattern != EVERYTHING:
        return any(normalised == _normalise(name) for name in names)
    return any(normalised == _normalise(name) or matches(pattern, name, any_case=True) for name in names)


def _normalise(name: str) -> str:
    return " ".join(name.casefold().split())


class _DesignatorEntry(msgspec.Struct, frozen=True, gc=False):
    """A designator prepared for lookup: by kind and namespace, then by one attribute (`key`), then by the object."""

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
    packages: tuple[PackageSelector, ...]
    home: str


class _CandidateEntries(msgspec.Struct, frozen=True):
    """The entries for one kind and namespace: by the pattern of their key, and those without a key."""

    keyed: dict[str, dict[str, list[_DesignatorEntry]]]
    others: list[_DesignatorEntry]


class ResourceMatcher:
    """Lookup of the exceptions that match a resource.

    namespaces: labels by namespace name, as far as known. folder: absolute path that relative file paths start from.
    Only exceptions for the kind, namespace and name of a resource are compared, so that the time does not grow with
    exceptions x resources.
    """

    def __init__(
        self, policy_exceptions: Mapping[int, PolicyException], namespaces: Mapping[str, Mapping[str, str]], folder: str
    ) -> None:
        self._namespaces = namespaces
        self._folder = folder
        self._entries = [
            entry for number, exception in policy_exceptions.items() for entry in _prepare_entries(number, exception)
        ]
        keys = {entry.key for entry in self._entries} - {""}
        self._patterns = {key: Patterns(entry.pattern for entry in self._entries if entry.key == key) for key in keys}
        self._matching: dict[tuple[str, str], tuple[str, ...]] = {}
        self._entries_by_kind: dict[tuple[str, str, str], _CandidateEntries] = {}

    def find_matching(self, resource: Subject) -> dict[int, Part]:
        """Return the matching exceptions by number, each with the matched part of the resource.

        A resource with related objects matches if one of them or the subject itself matches. Its first related object
        is the binding: a namespaced exception matches only in the namespace of the binding, wherever the subject is.
        """
        parts: dict[int, Part] = {}
        granted = {_get_namespace(binding) for binding in resource.related[:1]}
        for candidate in (*resource.related, resource):
            for entry in self._find_candidates(candidate):
                if entry.number in parts and parts[entry.number] is None:
                    continue
                if entry.home and granted and entry.home not in granted:
                    continue
                part = self._match_part(entry, candidate)
                if part != ():
                    before = parts.get(entry.number, ())
                    parts[entry.number] = None if part is None or before is None else (*before, *part)
        return parts

    def _find_candidates(self, candidate: Subject) -> Iterator[_DesignatorEntry]:
        """Yield the entries with matching kind, namespace and key."""
        candidates = self._find_entries(candidate)
        yield from candidates.others
        for key, entries in candidates.keyed.items():
            for value in _list_values(key, candidate, self._folder):
                if (key, value) not in self._matching:
                    self._matching[key, value] = self._patterns[key].find_matching(value)
                for pattern in self._matching[key, value]:
                    yield from entries.get(pattern, ())

    def _find_entries(self, candidate: Subject) -> _CandidateEntries:
        """Return the entries for the kind and namespace of an object."""
        key = (candidate.group, candidate.kind, _get_namespace(candidate))
        if key not in self._entries_by_kind:
            candidates = self._entries_by_kind[key] = _CandidateEntries({}, [])
            for entry in self._entries:
                if (
                    entry.group in {"", candidate.group}
                    and (not entry.kind or matches(entry.kind, candidate.kind))
                    and (not entry.namespace or matches(entry.namespace, key[2]))
                ):
                    by_pattern = candidates.keyed.setdefault(entry.key, {}) if entry.key else None
                    (candidates.others if by_pattern is None else by_pattern.setdefault(entry.pattern, [])).append(
                        entry
                    )
        return self._entries_by_kind[key]

    def _match_part(self, entry: _DesignatorEntry, candidate: Subject) -> Part:
        """Return the part of the object that the entry matches, () for none. The kind and namespace match already."""
        if entry.labels and not _has_labels(entry, candidate):
            return ()
        if entry.objects is not None and not selects(entry.objects, get_labels(candidate.object)):
            return ()
        if entry.namespaces is not None and not self._is_namespace_selected(entry.namespaces, candidate):
            return ()
        containers = None
        for key, pattern in entry.others:
            if key == CONTAINER:
                containers = pattern
            elif not any(matches(pattern, value) for value in _list_values(key, candidate, self._folder)):
                return ()
        if entry.packages:
            # Few scans have exceptions for packages.
            from kubekeep.exceptions.packages import find_packages  # noqa: PLC0415

            # A package is in no container.
            return () if containers is not None else find_packages(candidate, entry.packages)
        return None if containers is None else tuple(_find_containers(candidate, containers))

    def _is_namespace_selected(self, selector: LabelSelector, candidate: Subject) -> bool:
        """Return True if the namespace of an object is selected; False if that depends on unknown labels."""
        name = _get_namespace(candidate)
        if not name:
            return False
        labels = get_labels(candidate.object) if _is_namespace(candidate) else self._namespaces.get(name)
        if labels is None and any(requirement.key != NAME_LABEL for requirement in selector.requirements):
            return False
        return selects(selector, {**(labels or {}), NAME_LABEL: name})


def _prepare_entries(number: int, policy_exception: PolicyException) -> Iterator[_DesignatorEntry]:
    for designator in policy_exception.designators or (Designator(()),):
        patterns = dict(designator.patterns)
        kind, namespace = patterns.pop(KIND, ""), patterns.pop(NAMESPACE, "")
        others = tuple(
            (key, patterns.pop(key))
            for key in (NAME, PATH, IDENTITY, CLUSTER, CONTAINER, *_IMAGE_KEYS)
            if key in patterns
        )
        labels = tuple(patterns.items())
        key, pattern = next((pair for pair in (*others, *labels) if pair[0] not in {CLUSTER, CONTAINER}), ("", ""))
        yield _DesignatorEntry(
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
            packages=policy_exception.packages,
            home=policy_exception.home,
        )


def _list_values(key: str, resource: Subject, folder: str) -> Iterator[str]:
    """Yield the values to compare with the pattern of an attribute; one of them has to match."""
    match key:
        case "name":
            yield resource.name
        case "resourceID":
            yield from (resource.id, resource.identity)
        case "path" if resource.source is not None:
            for path in _list_paths(resource.source, folder):
                yield from (path, f"{path}:{resource.source.document}")
        case image_part if image_part.startswith(IMAGE_PREFIX):
            yield _get_image_part(image_part.removeprefix(IMAGE_PREFIX), resource)
        case "path" | "cluster":
            # Resources in files have no cluster name: only a pattern for all clusters matches.
            yield ""
        case _:
            for field in _FIELDS:
                metadata = _get_metadata(resource, field)
                if key in metadata:
                    yield str(metadata[key])


def _get_image_part(key: str, resource: Subject) -> str:
    """Return a part of an image's name: registry, organization, imageName or imageTag; "" if there is none."""
    # Few scans have exceptions for images.
    from kubekeep.model.image import KIND as IMAGE  # noqa: PLC0415
    from kubekeep.registry.reference import DEFAULT_TAG, canonical_name, parse_image_name  # noqa: PLC0415

    if resource.kind != IMAGE:
        return ""
    try:
        reference = parse_image_name(resource.name)
    except ValueError:
        return ""
    registry, _, repository = canonical_name(reference.name).partition("/")
    organization, _, name = repository.rpartition("/")
    tag = reference.tag or ("" if reference.digest else DEFAULT_TAG)
    return {"registry": registry, "organization": organization, "imageName": name, "imageTag": tag}[key]


def _list_paths(source: Source, folder: str) -> Iterator[str]:
    """Yield the paths a user may write for a file: as scanned, absolute, and relative to folder if it is below."""
    whole = posixpath.normpath(posixpath.join(folder, source.path))
    below = whole.removeprefix(f"{folder.rstrip('/')}/")
    # An exception keeps matching a file whatever form of its path a scan was given.
    yield from dict.fromkeys((source.path, whole, *(() if below == whole else (below, f"./{below}"))))


def _has_labels(entry: _DesignatorEntry, resource: Subject) -> bool:
    """Return True if all required labels are present as labels, or all of them as annotations."""
    return any(
        all(key in metadata and matches(pattern, str(metadata[key])) for key, pattern in entry.labels)
        for metadata in (_get_metadata(resource, field) for field in _FIELDS)
    )


def _get_metadata(resource: Subject, field: str) -> dict[Any, Any]:
    return as_mapping(as_mapping(resource.object.get("metadata")).get(field))


def _find_containers(resource: Subject, pattern: str) -> Iterator[str]:
    """Yield the paths of the containers with matching names."""
    at = pod_path(resource)
    if at is None:
        return
    for field in _LISTS:
        path = (*at, "spec", field)
        containers = value_at_or(resource.object, path, ())
        for index, container in enumerate(containers if isinstance(containers, list) else ()):
            if isinstance(container, dict) and matches(pattern, str(container.get("name") or "")):
                yield format_path((*path, index))


def _get_namespace(resource: Subject) -> str:
    """Return the namespace of an object, for a Namespace its own name."""
    return resource.name if _is_namespace(resource) else resource.namespace


def _is_namespace(resource: Subject) -> bool:
    return resource.kind == "Namespace" and not resource.group
