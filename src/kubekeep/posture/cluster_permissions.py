"""Roles and bindings of an input for a submission, with the effective rules of aggregated roles. Never rates them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

from kubekeep.model.cluster import RBAC, RBAC_KINDS, CoverageGap
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.label_selector import get_labels
from kubekeep.model.permissions import (
    LONGEST_TEXT,
    MOST_OBJECTS,
    MOST_PARTS,
    MOST_REASONS,
    BindingEntry,
    BoundSubject,
    ClusterPermissions,
    RoleEntry,
    parse_rule,
    parse_subject,
)
from kubekeep.model.resource import Resource
from kubekeep.posture.roles import EffectiveRole, RoleCoverage, Roles

_BOOTSTRAPPING: Final = "kubernetes.io/bootstrapping"
"""Label of the objects that the API server creates at its start."""
_Key = tuple[str, str, str]
_Entry = TypeVar("_Entry", RoleEntry, BindingEntry)


def has_permissions(resource: Resource) -> bool:
    """Return True for a role or binding."""
    return resource.kind in RBAC_KINDS and resource.group == RBAC


def describe_permissions(
    resources: Iterable[Resource], gaps: Sequence[CoverageGap] = (), *, is_whole_cluster: bool
) -> ClusterPermissions | None:
    """Return the roles and bindings among some resources; None if the input has none, or a cluster was not read for all of them.

    gaps: of the cluster. A live or recorded cluster has objects of each of the four kinds.
    """
    objects = [resource.unpack() for resource in resources if has_permissions(resource)]
    hidden = [gap for gap in gaps if gap.group == RBAC and gap.kind in RBAC_KINDS]
    missing = {*RBAC_KINDS} - {resource.kind for resource in objects} - {gap.kind for gap in hidden}
    if not (objects or hidden) or (missing and is_whole_cluster):
        return None
    bindings = [_Binding(resource) for resource in objects if resource.kind.endswith("Binding")]
    roles = [resource for resource in objects if not resource.kind.endswith("Binding")]
    unknown = [f"{gap.permission}: {gap.reason}"[:LONGEST_TEXT] for gap in hidden]
    role_entries = _describe_roles(roles, bindings, RoleCoverage(is_whole_cluster, gaps))
    binding_entries = sorted(_list_bindings(bindings, unknown), key=_sort_key)
    return ClusterPermissions(
        roles=tuple(_limit(role_entries, "roles", unknown)),
        bindings=tuple(_limit(binding_entries, "bindings", unknown)),
        unknown=tuple(dict.fromkeys(unknown))[:MOST_REASONS],
    )


class WatchedPermissions:
    """The roles and bindings of a watched cluster. They are described again only after a change."""

    def __init__(self, *, is_active: bool) -> None:
        """Keep roles and bindings if `is_active`."""
        self._is_active = is_active
        self._objects: dict[str, Resource] = {}
        self._described: tuple[Sequence[CoverageGap], ClusterPermissions | None] | None = None

    def put(self, key: str, resource: Resource | None) -> None:
        """Add or change the object with a key; remove it with None."""
        is_kept = self._is_active and resource is not None and has_permissions(resource)
        if is_kept or key in self._objects:
            self._described = None
        self._objects.pop(key, None)
        if is_kept and resource is not None:
            self._objects[key] = resource

    def describe(self, gaps: Sequence[CoverageGap]) -> ClusterPermissions | None:
        """Return the current roles and bindings; None if not all kinds are collected."""
        if not self._is_active:
            return None
        if self._described is None or self._described[0] != gaps:
            self._described = gaps, describe_permissions(self._objects.values(), gaps, is_whole_cluster=True)
        return self._described[1]


class _Binding:
    """A binding with the key of its role."""

    def __init__(self, resource: Resource) -> None:
        reference = as_mapping(resource.object.get("roleRef"))
        self.name, self.content = resource.name, resource.object
        self.namespace = resource.namespace_or_default if resource.kind == "RoleBinding" else ""
        kind, self.role = str(reference.get("kind")), str(reference.get("name"))[:LONGEST_TEXT]
        self.is_of_role = kind == "Role" and bool(self.namespace)
        self.role_key: _Key = (kind if self.is_of_role else "ClusterRole", self.namespace * self.is_of_role, self.role)


def _list_bindings(bindings: Iterable[_Binding], unknown: list[str]) -> Iterator[BindingEntry]:
    """Yield the bindings, equal ones of several overlays once."""
    entries = dict.fromkeys(_describe_binding(binding, unknown) for binding in bindings)
    count = 0
    for entry in entries:
        count += len(entry.subjects)
        if count > MOST_PARTS:
            unknown.append(f"subjects of bindings after the first {MOST_PARTS} are not submitted")
            return
        yield entry


def _describe_binding(binding: _Binding, unknown: list[str]) -> BindingEntry:
    subjects: dict[BoundSubject, None] = {}
    for content in as_list(binding.content.get("subjects")):
        subject = parse_subject(content, binding.namespace)
        if subject is not None and max(len(subject.name), len(subject.namespace)) > LONGEST_TEXT:
            unknown.append(f"subjects with a name of more than {LONGEST_TEXT} characters are not submitted")
        elif subject is not None:
            subjects[subject] = None
    return BindingEntry(
        name=binding.name[:LONGEST_TEXT],
        role=binding.role,
        namespace=binding.namespace[:LONGEST_TEXT],
        role_kind="Role" if binding.is_of_role else "ClusterRole",
        subjects=tuple(sorted(subjects)),
        is_default=_BOOTSTRAPPING in get_labels(binding.content),
    )


def _describe_roles(roles: Sequence[Resource], bindings: Sequence[_Binding], coverage: RoleCoverage) -> list[RoleEntry]:
    """Return the roles of the input, and those that its bindings refer to."""
    effective = Roles(coverage)
    for role in roles:
        effective.add(role)
    keys = {*map(_get_key, roles), *(binding.role_key for binding in bindings)}
    return [_describe_role(key, effective.find(*key)) for key in sorted(keys)]


def _describe_role(key: _Key, definitions: Iterable[EffectiveRole]) -> RoleEntry:
    """Return a role. Files may define several with one name: their rules are united."""
    definitions = tuple(definitions)
    rules = dict.fromkeys(parse_rule(rule.content) for role in definitions for rule in role.rules)
    is_unknown = any(role.resource.missing is not None or role.resource.unknown for role in definitions)
    return RoleEntry(key[2][:LONGEST_TEXT], key[1][:LONGEST_TEXT], tuple(rules), is_unknown)


def _get_key(role: Resource) -> _Key:
    return role.kind, role.namespace_or_default if role.kind == "Role" else "", role.name


def _sort_key(binding: BindingEntry) -> tuple[str, str, str]:
    return binding.namespace, binding.name, binding.role


def _limit(entries: Sequence[_Entry], noun: str, unknown: list[str]) -> Iterator[_Entry]:
    """Yield the entries that a submission may have, and state how many more there are."""
    count = 0
    for number, entry in enumerate(entries):
        count += len(entry.rules) if isinstance(entry, RoleEntry) else 0
        if number == MOST_OBJECTS or count > MOST_PARTS:
            unknown.append(
                f"{len(entries) - number} more {noun} are not submitted: there are more than a server stores"
            )
            return
        yield entry
