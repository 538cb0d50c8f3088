"""Roles that bindings refer to, with their effective rules. Never evaluates a rule.

Includes the rules of aggregated ClusterRoles, and in files the roles that every cluster has. Controls and attack paths
share it.
"""

from __future__ import annotations

import functools
import pathlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.cluster import RBAC, CoverageGap
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.label_selector import LabelSelector, get_labels, parse_selector, selects
from kubekeep.model.location import Location, Path
from kubekeep.model.resource import DEFAULT_NAMESPACE, Resource
from kubekeep.posture.release_namespace import RELEASE_NAMESPACE

_encode: Final = msgspec.json.Encoder(order="sorted").encode
_RoleKey = tuple[str, str, str]
"""Kind, namespace (empty for a ClusterRole) and name."""


class RoleCoverage(msgspec.Struct, frozen=True):
    """The roles that an input contains.

    The roles of a whole cluster are complete except for `gaps`, so that a role outside both does not exist. Files may use
    roles that they do not contain.
    """

    is_whole_cluster: bool = False
    gaps: Sequence[CoverageGap] = ()

    def find_missing_permissions(self, kind: str, namespace: str, name: str) -> tuple[str, ...]:
        """Return the permissions without which a role could not be listed."""
        hiding = (gap.permission for gap in self.gaps if gap.may_hide(RBAC, kind, namespace, name))
        return tuple(dict.fromkeys(hiding))


FILES: Final = RoleCoverage()


class OwnedRule(msgspec.Struct, frozen=True, eq=False):
    """A rule of a role, with the role that it is written in and its position there."""

    content: Any
    owner: Resource
    position: int


class EffectiveRole(msgspec.Struct, frozen=True, eq=False):
    """A role with the rules that the API server grants to its subjects.

    `original` is the role in the input, the built-in role or a role without rules. `resource` is the same, or for an
    aggregated role a copy with the rules of the roles that are aggregated into it. `resource.missing` is set if the rules
    are unknown.
    """

    original: Resource
    resource: Resource
    rules: tuple[OwnedRule, ...]


class Roles:
    """Roles of an input by name. Built-in roles need not be in files."""

    def __init__(self, coverage: RoleCoverage = FILES) -> None:
        self._coverage = coverage
        self._roles: dict[_RoleKey, dict[bytes, dict[str, Resource]]] = {}
        """Roles by their rules, then by the file of each copy."""
        self._labelled: list[tuple[Resource, Mapping[str, str]]] = []
        """All ClusterRoles of the input with their labels."""
        self._effective: dict[tuple[_RoleKey, str], list[EffectiveRole]] = {}
        self._selected: dict[bytes, list[Resource]] = {}
        """ClusterRoles by the selector that matches them."""

    def add(self, role: Resource) -> None:
        """Add a Role or ClusterRole of the input, before the first search."""
        content = role.object
        # Equal copies of a role, for example from overlays, count once; different ones are all kept.
        rules = _encode([content.get("rules"), content.get("aggregationRule")])
        copies = self._roles.setdefault(_build_key(role.kind, role.namespace, role.name), {}).setdefault(rules, {})
        copies.setdefault(_get_file(role), role)
        if role.kind == "ClusterRole":
            self._labelled.append((role, get_labels(content)))

    def find(self, kind: str, namespace: str, name: str, beside: Resource | None = None) -> Sequence[EffectiveRole]:
        """Return the roles of this name, of which files may define several; one without rules if there is none.

        Of equal copies, the one in the file of `beside` is returned, else the first one.
        """
        key = _build_key(kind, namespace, name)
        copies = self._roles.get(key, {}).values()
        file = "" if beside is None else _get_file(beside)
        cached = key, file if any(file in files for files in copies) else ""
        if cached not in self._effective:
            candidates = [files.get(file) or next(iter(files.values())) for files in copies]
            self._effective[cached] = [
                self._resolve(role) for role in candidates or self._find_absent(kind, namespace, name)
            ]
        return self._effective[cached]

    def _find_absent(self, kind: str, namespace: str, name: str) -> list[Resource]:
        """Return a role that the input does not contain."""
        permissions = self._coverage.find_missing_permissions(kind, namespace, name)
        builtin = None if permissions or self._is_complete else _read_builtin().get(_build_key(kind, namespace, name))
        if builtin is not None:
            return [builtin]
        metadata = {"name": name} | ({"namespace": namespace} if kind == "Role" and _is_known(namespace) else {})
        role = {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata}
        if permissions or not self._is_complete:
            return [Resource(role, missing=permissions)]
        return [Resource({**role, "rules": []})]

    @property
    def _is_complete(self) -> bool:
        """True if roles outside the input do not exist. Every cluster has ClusterRoles, so a dump without any is not complete."""
        return self._coverage.is_whole_cluster and bool(self._labelled)

    def _resolve(self, role: Resource) -> EffectiveRole:
        """Return the role with its effective rules, as missing if all of them are in roles outside the input."""
        if not _is_aggregated(role):
            return EffectiveRole(role, role, (*_list_rules(role),))
        if not self._list_parts(role):
            rules = (*_list_rules(role),)
            is_missing = not rules and not self._is_complete
            return EffectiveRole(role, msgspec.structs.replace(role, missing=()) if is_missing else role, rules)
        parts = self._list_all_parts(role)
        rules = (*_unite_rules(parts),)
        unknown = (*role.unknown, *self._list_unknown(parts, rules))
        return EffectiveRole(role, _build_aggregated(role, rules, unknown), rules)

    def _list_all_parts(self, role: Resource) -> list[Resource]:
        """Return the roles with the rules of an aggregated role, also those aggregated through others."""
        pending, visited = deque([role]), {id(role)}
        parts: list[Resource] = []
        while pending:
            for part in self._list_parts(pending.popleft()):
                if id(part) not in visited:
                    visited.add(id(part))
                    (pending if _is_aggregated(part) and self._list_parts(part) else parts).append(part)
        return parts

    def list_aggregated(self, role: Resource) -> list[Resource]:
        """Return the roles that are aggregated into a role, also through others, and also if an API server did it."""
        pending, aggregated = [role], dict[int, Resource]()
        while pending:
            for part in self._list_parts(pending.pop()):
                if id(part) not in aggregated:
                    aggregated[id(part)] = part
                    pending.append(part)
        return [*aggregated.values()]

    def _list_unknown(self, parts: Sequence[Resource], rules: Sequence[OwnedRule]) -> Iterator[Path]:
        """Yield the paths in an aggregated role that depend on values not known yet; rules that may follow are last."""
        numbers = {(id(rule.owner), rule.position): number for number, rule in enumerate(rules)}
        for part in parts:
            for path in part.unknown:
                match path:
                    case ("rules", int(position), *rest) if (id(part), position) in numbers:
                        yield ("rules", numbers[id(part), position], *rest)
                    case ("rules" | "aggregationRule", *_):
                        yield ("rules", len(rules))
        if any(path[:2] == ("metadata", "labels") for role, _ in self._labelled for path in role.unknown):
            yield ("rules", len(rules))

    def _list_parts(self, role: Resource) -> list[Resource]:
        """Return the ClusterRoles that the selectors of a role match, by name, without the role itself."""
        selectors = as_list(as_mapping(role.object.get("aggregationRule")).get("clusterRoleSelectors"))
        return [part for selector in selectors for part in self._select(as_mapping(selector)) if part.name != role.name]

    def _select(self, selector: Mapping[str, Any]) -> list[Resource]:
        key = _encode(selector)
        if key not in self._selected:
            parsed = parse_selector(selector)
            self._selected[key] = [] if parsed is None else sorted(self._match(parsed), key=lambda role: role.name)
        return self._selected[key]

    def _match(self, selector: LabelSelector) -> Iterator[Resource]:
        first = next(iter(selector.match_labels.items()), None)
        candidates = self._all_labelled if first is None else self._by_label.get(first, [])
        return (role for role, labels in candidates if selects(selector, labels))

    @functools.cached_property
    def _all_labelled(self) -> list[tuple[Resource, Mapping[str, str]]]:
        """All ClusterRoles with their labels: those of the input, and built-in ones that are not in the input."""
        builtin = (
            role
            for key, role in ({} if self._is_complete else _read_builtin()).items()
            if role.kind == "ClusterRole" and key not in self._roles
        )
        return [*self._labelled, *((role, get_labels(role.object)) for role in builtin)]

    @functools.cached_property
    def _by_label(self) -> dict[tuple[str, str], list[tuple[Resource, Mapping[str, str]]]]:
        by_label: dict[tuple[str, str], list[tuple[Resource, Mapping[str, str]]]] = {}
        for role, labels in self._all_labelled:
            for label in labels.items():
                by_label.setdefault(label, []).append((role, labels))
        return by_label


class _AggregatedSourceMap:
    """Locations of an aggregated role: its rules are in other roles."""

    def __init__(self, role: Resource, rules: Sequence[OwnedRule]) -> None:
        self._role = role
        self._rules = rules
        self._root = () if role.source is None else role.source.root

    def locate(self, document: Any, path: Path) -> Location:  # noqa: ARG002 - the document of the role has no such rules
        """Return the location of a rule in the role that it is written in, else the location in the role itself."""
        location = None
        match path[len(self._root) :]:
            case ("rules", int(number), *rest) if number < len(self._rules):
                rule = self._rules[number]
                location = rule.owner.locate(("rules", rule.position, *rest))
                path = (*self._root, "aggregationRule")
        location = location or self._role.locate(path[len(self._root) :])
        return location or Location("" if self._role.source is None else self._role.source.path)


def _unite_rules(roles: Iterable[Resource]) -> Iterator[OwnedRule]:
    """Yield the distinct rules of some roles."""
    distinct: set[bytes] = set()
    for role in roles:
        for rule in _list_rules(role):
            text = _encode(rule.content)
            if text not in distinct:
                distinct.add(text)
                yield rule


def _build_aggregated(role: Resource, rules: Sequence[OwnedRule], unknown: tuple[Path, ...]) -> Resource:
    source = role.source
    if source is not None:
        source = msgspec.structs.replace(source, lazy_source_map=_AggregatedSourceMap(role, rules))
    content = {**role.object, "rules": [rule.content for rule in rules]}
    return msgspec.structs.replace(role, content=content, source=source, unknown=unknown)


def _is_aggregated(role: Resource) -> bool:
    """Return True if the rules of a ClusterRole are yet to be filled in from others.

    An object with a `uid` was stored by an API server, whose controller has filled in the rules.
    """
    content = role.object
    return (
        role.kind == "ClusterRole"
        and bool(content.get("aggregationRule"))
        and not as_mapping(content.get("metadata")).get("uid")
    )


def _list_rules(role: Resource) -> Iterator[OwnedRule]:
    return (OwnedRule(rule, role, position) for position, rule in enumerate(as_list(role.object.get("rules"))))


def _get_file(resource: Resource) -> str:
    return "" if resource.source is None else resource.source.path


def _build_key(kind: str, namespace: str, name: str) -> _RoleKey:
    return kind, (namespace or DEFAULT_NAMESPACE) if kind == "Role" else "", name


def _is_known(namespace: str) -> bool:
    return namespace not in ("", RELEASE_NAMESPACE)


@functools.cache
def _read_builtin() -> Mapping[_RoleKey, Resource]:
    """Return the roles that an API server creates at its start, by key."""
    text = pathlib.Path(__file__).with_name("builtin_roles.json").read_bytes()
    roles = [
        Resource({"apiVersion": f"{RBAC}/v1", **role}) for role in msgspec.json.decode(text, type=list[dict[str, Any]])
    ]
    return {_build_key(role.kind, role.namespace, role.name): role for role in roles}
