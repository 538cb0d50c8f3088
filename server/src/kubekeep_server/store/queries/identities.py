"""Subjects of the bindings of a source with what is dangerous about them, and the permissions of one subject.

Functions on stored content, which take up to a second for the largest cluster: no connection waits for them.
"""

from __future__ import annotations

import collections
import datetime as dt
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from kubekeep.model.dangers import find_dangers, list_dangers, rate_dangers, restrict_to_namespace
from kubekeep.model.permissions import BindingEntry, BoundSubject, PermissionRule, list_groups
from kubekeep.model.severity import Severity
from kubekeep_server.store.numbers import to_moment
from kubekeep_server.store.permissions import PermissionContent, StoredPermissions, StoredRole
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, cut_page, read_cursor

SubjectKind = Literal["User", "Group", "ServiceAccount"]
_MOST_VALUES: Final = 100
"""Values of one field of a rule in an answer."""

_FIRST: Final = -len(Severity)
"""Position of rules that are not known, before those of all severities."""


class IdentityFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of a list of subjects. text: a part of the name or namespace. namespace: of service accounts. danger: its id.

    has_defaults: True for subjects that only bindings of Kubernetes itself name, too.
    """

    text: str = ""
    kind: str = ""
    namespace: str = ""
    danger: str = ""
    has_defaults: bool = False


EVERY_IDENTITY: Final = IdentityFilter()


class DangerRow(Document, frozen=True):
    """A dangerous permission of a subject. text: follows `can`. namespaces: their number; 0 for the whole cluster."""

    id: str
    text: str
    severity: str
    namespaces: int


class DangerCount(Document, frozen=True):
    """Subjects with a dangerous permission: in the whole cluster, and in namespaces only."""

    id: str
    text: str
    severity: str
    in_cluster: int
    in_namespaces: int


class IdentityRow(Document, frozen=True, kw_only=True):
    """A subject of bindings. dangers: with those through groups that Kubernetes adds, the gravest first.

    bindings: number of those that name it. is_default: Kubernetes itself has created all of them. is_unknown: True if the rules of some
    of its roles are not known.
    """

    kind: SubjectKind
    namespace: str
    name: str
    severity: str
    dangers: tuple[DangerRow, ...]
    bindings: int
    is_default: bool
    is_unknown: bool


class IdentityPage(Document, frozen=True, kw_only=True):
    """Subjects of a source, the most dangerous first. total: their number on all pages. counts: of those before the filter by danger.

    unknown: sentences about roles and bindings that the scan did not see. is_partial: True for a user who sees some namespaces only.
    changed: the last change of roles or bindings; None if no scan has submitted them.
    """

    rows: tuple[IdentityRow, ...] = ()
    cursor: str = ""
    total: int = 0
    counts: tuple[DangerCount, ...] = ()
    unknown: tuple[str, ...] = ()
    is_partial: bool = False
    changed: dt.datetime | None = None


class BindingName(Document, frozen=True):
    """A binding and its role. namespace: of the RoleBinding; empty for the whole cluster. role_kind: `ClusterRole` or `Role`."""

    namespace: str
    name: str
    role_kind: str
    role: str
    is_default: bool


class PermissionRow(Document, frozen=True, kw_only=True):
    """A rule that a binding grants. group: through which the subject has it; empty for itself. omitted: number of values that are left out.

    dangers: ids. is_unknown: True if the rules of the role are not known; the row has no values then.
    """

    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = ()
    omitted: int = 0
    dangers: tuple[str, ...] = ()
    severity: str
    group: str
    binding: BindingName
    is_unknown: bool = False


class PermissionPage(Document, frozen=True, kw_only=True):
    """The permissions of a subject, the most dangerous first. total: number of rules. Others: see `IdentityPage`."""

    identity: IdentityRow
    groups: tuple[str, ...]
    rows: tuple[PermissionRow, ...]
    cursor: str
    total: int
    unknown: tuple[str, ...]
    is_partial: bool
    changed: dt.datetime


class _Order(NamedTuple):
    """Position of a rule in the list of a subject. severity, dangers: negative, so that the highest comes first."""

    severity: int
    dangers: int
    namespace: str
    api_group: str = ""
    resource: str = ""
    binding: str = ""
    role: str = ""
    through: str = ""
    number: int = 0


class _Access(NamedTuple):
    """Dangers of a subject in the whole cluster, and in any namespace."""

    in_cluster: int = 0
    in_namespaces: int = 0

    def unite(self, other: _Access) -> _Access:
        return _Access(self.in_cluster | other.in_cluster, self.in_namespaces | other.in_namespaces)


class _Grant(NamedTuple):
    """A rule that a subject has, with the order of the list. rule: None if it is not known."""

    order: _Order
    dangers: int
    group: str
    binding: BindingEntry
    rule: PermissionRule | None


class _Index:
    """Bindings by their subjects."""

    def __init__(self, permissions: StoredPermissions) -> None:
        self.roles: Mapping[tuple[str, str], StoredRole] = permissions.index_roles()
        self.bindings: dict[BoundSubject, list[BindingEntry]] = {}
        for binding in permissions.bindings:
            for subject in binding.subjects:
                self.bindings.setdefault(subject, []).append(binding)
        self._direct: dict[BoundSubject, _Access] = {}
        self._of_groups: dict[tuple[str, ...], _Access] = {}

    def rate(self, subject: BoundSubject) -> _Access:
        """Return the dangers of a subject with those of its groups."""
        groups = list_groups(subject)
        if groups not in self._of_groups:
            accesses = (self._rate(BoundSubject("Group", name)) for name in groups)
            self._of_groups[groups] = functools.reduce(_Access.unite, accesses, _Access())
        return self._rate(subject).unite(self._of_groups[groups])

    def list_bindings(self, subject: BoundSubject) -> Iterator[tuple[str, BindingEntry]]:
        """Yield the bindings of a subject and its groups. The text is the group; empty for the subject itself."""
        yield from (("", binding) for binding in self.bindings.get(subject, ()))
        for group in list_groups(subject):
            yield from ((group, binding) for binding in self.bindings.get(BoundSubject("Group", group), ()))

    def describe(self, subject: BoundSubject) -> IdentityRow:
        """Return the row of a subject."""
        in_cluster, in_namespaces = self.rate(subject)
        namespaces: dict[str, int] = collections.defaultdict(int)
        for _, binding in self.list_bindings(subject):
            if binding.namespace:
                namespaces[binding.namespace] |= restrict_to_namespace(self.roles[binding.role_key].dangers)
        numbers = collections.Counter(danger.id for mask in namespaces.values() for danger in list_dangers(mask))
        dangers = [(danger, 0) for danger in list_dangers(in_cluster)]
        dangers += [(danger, numbers[danger.id]) for danger in list_dangers(in_namespaces & ~in_cluster)]
        bindings = self.bindings.get(subject, [])
        return IdentityRow(
            kind=subject.kind,
            namespace=subject.namespace,
            name=subject.name,
            severity=_name(rate_dangers(in_cluster, in_namespaces)),
            dangers=tuple(DangerRow(each.id, each.text, _name(each.severity), number) for each, number in dangers),
            bindings=len(bindings),
            is_default=self.is_default(subject),
            is_unknown=any(self.roles[binding.role_key].is_unknown for _, binding in self.list_bindings(subject)),
        )

    def is_default(self, subject: BoundSubject) -> bool:
        """Return True if only bindings of Kubernetes itself name a subject."""
        bindings = self.bindings.get(subject, ())
        return bool(bindings) and all(binding.is_default for binding in bindings)

    def _rate(self, subject: BoundSubject) -> _Access:
        """Return the dangers of a subject without those of its groups."""
        access = self._direct.get(subject)
        if access is None:
            in_cluster = in_namespaces = 0
            for binding in self.bindings.get(subject, ()):
                dangers = self.roles[binding.role_key].dangers
                if binding.namespace:
                    in_namespaces |= dangers
                else:
                    in_cluster |= dangers
            access = self._direct[subject] = _Access(in_cluster, restrict_to_namespace(in_namespaces))
        return access


def list_identities(
    content: PermissionContent | None,
    selection: IdentityFilter = EVERY_IDENTITY,
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> IdentityPage:
    """Return a page of the subjects of bindings. Raises ValueError for a cursor of another list."""
    after = read_cursor(cursor, "identities", tuple[int, int, int, str, str, str])
    if content is None:
        return IdentityPage()
    permissions = content.read()
    index = _Index(permissions)
    selected = [(subject, index.rate(subject)) for subject in index.bindings if _matches(subject, selection, index)]
    counts = tuple(_count_dangers(access for _, access in selected))
    if selection.danger:
        selected = [each for each in selected if selection.danger in _list_ids(each[1])]
    ordered = sorted((_order(subject, access), subject) for subject, access in selected)
    following = [each for each in ordered if after is None or each[0] > after]
    page, next_cursor = cut_page(following, limit, "identities", lambda each: each[0])
    return IdentityPage(
        rows=tuple(index.describe(subject) for _, subject in page),
        cursor=next_cursor,
        total=len(ordered),
        counts=counts,
        unknown=permissions.unknown,
        is_partial=content.namespaces is not None,
        changed=to_moment(content.changed),
    )


def list_permissions(
    content: PermissionContent | None, subject: BoundSubject, cursor: str = "", limit: int = DEFAULT_LIMIT
) -> PermissionPage:
    """Return a page of the rules that bindings grant to a subject and its groups.

    Raises ValueError for a cursor of another list, and LookupError without roles and bindings, or for a subject that the user may
    not see.
    """
    after = read_cursor(cursor, "permissions", _Order)
    if content is None:
        raise LookupError("no scan has submitted roles and bindings of the source")
    permissions = content.read()
    index = _Index(permissions)
    if content.namespaces is not None and subject not in index.bindings and subject.namespace not in content.namespaces:
        raise LookupError(f"there is no {subject.kind} of this name in the scope")
    grants = sorted(_list_grants(index, subject), key=lambda grant: grant.order)
    following = [grant for grant in grants if after is None or grant.order > after]
    page, next_cursor = cut_page(following, limit, "permissions", lambda grant: grant.order)
    return PermissionPage(
        identity=index.describe(subject),
        groups=list_groups(subject),
        rows=tuple(map(_describe_grant, page)),
        cursor=next_cursor,
        total=len(grants),
        unknown=permissions.unknown,
        is_partial=content.namespaces is not None,
        changed=to_moment(content.changed),
    )


def name_binding(binding: BindingEntry) -> BindingName:
    """Return the name of a binding and its role."""
    return BindingName(binding.namespace, binding.name, binding.role_kind, binding.role, binding.is_default)


def _name(severity: Severity) -> str:
    return severity.name.lower()


def _matches(subject: BoundSubject, selection: IdentityFilter, index: _Index) -> bool:
    """Return True if a subject matches all filters but that by danger."""
    text = selection.text.lower()
    return (
        (not selection.kind or subject.kind == selection.kind)
        and (not selection.namespace or subject.namespace == selection.namespace)
        and (not text or text in subject.name.lower() or text in subject.namespace.lower())
        and (selection.has_defaults or not index.is_default(subject))
    )


def _order(subject: BoundSubject, access: _Access) -> tuple[int, int, int, str, str, str]:
    return (
        -rate_dangers(*access),
        -access.in_cluster,
        -access.in_namespaces,
        subject.kind,
        subject.namespace,
        subject.name,
    )


def _list_ids(access: _Access) -> frozenset[str]:
    return frozenset(danger.id for danger in list_dangers(access.in_cluster | access.in_namespaces))


def _count_dangers(accesses: Iterable[_Access]) -> Iterator[DangerCount]:
    """Yield the numbers of subjects by danger, the gravest first."""
    numbers = collections.Counter(accesses)
    in_cluster: collections.Counter[str] = collections.Counter()
    in_namespaces: collections.Counter[str] = collections.Counter()
    highest = 0
    for access, number in numbers.items():
        highest |= access.in_cluster | access.in_namespaces
        in_cluster.update({danger.id: number for danger in list_dangers(access.in_cluster)})
        only = access.in_namespaces & ~access.in_cluster
        in_namespaces.update({danger.id: number for danger in list_dangers(only)})
    for danger in list_dangers(highest):
        count = in_cluster[danger.id], in_namespaces[danger.id]
        yield DangerCount(danger.id, danger.text, _name(danger.severity), *count)


def _list_grants(index: _Index, subject: BoundSubject) -> Iterator[_Grant]:
    for group, binding in index.list_bindings(subject):
        role = index.roles[binding.role_key]
        names = (binding.name, binding.role, group)
        if role.is_unknown:
            yield _Grant(_Order(_FIRST, 0, binding.namespace, "", "", *names), 0, group, binding, None)
        for number, rule in enumerate(role.read_rules()):
            dangers = find_dangers((rule,))
            if binding.namespace:
                if not rule.resources:
                    # Paths are of no namespace.
                    continue
                dangers = restrict_to_namespace(dangers)
            api_group, resource = next(iter(rule.api_groups), ""), next(iter(rule.resources), "")
            severity = _rate(dangers, binding)
            order = _Order(-severity, -dangers, binding.namespace, api_group, resource, *names, number)
            yield _Grant(order, dangers, group, binding, rule)


def _rate(dangers: int, binding: BindingEntry) -> Severity:
    return rate_dangers(0, dangers) if binding.namespace else rate_dangers(dangers, 0)


def _describe_grant(grant: _Grant) -> PermissionRow:
    rule, binding = grant.rule or PermissionRule(), grant.binding
    fields = ("verbs", "api_groups", "resources", "resource_names", "non_resource_urls")
    values: dict[str, tuple[str, ...]] = {name: getattr(rule, name) for name in fields}
    return PermissionRow(
        **{name: texts[:_MOST_VALUES] for name, texts in values.items()},
        omitted=sum(max(0, len(texts) - _MOST_VALUES) for texts in values.values()),
        dangers=tuple(danger.id for danger in list_dangers(grant.dangers)),
        severity=_name(Severity.UNKNOWN if grant.rule is None else _rate(grant.dangers, binding)),
        group=grant.group,
        binding=name_binding(binding),
        is_unknown=grant.rule is None,
    )
