"""Subjects that may make a request to the API server of a source, as its RBAC authorizer decides."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from kubekeep.model.permissions import AccessRequest, BindingEntry, BoundSubject
from kubekeep_server.store.numbers import to_moment
from kubekeep_server.store.permissions import PermissionContent, StoredPermissions
from kubekeep_server.store.queries.identities import BindingName, SubjectKind, name_binding
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, cut_page, read_cursor


class PermittedRow(Document, frozen=True):
    """A subject with a binding that permits the request. is_unknown: True if it may permit it, as the rules of the role are not known."""

    kind: SubjectKind
    namespace: str
    name: str
    binding: BindingName
    is_unknown: bool


class PermittedPage(Document, frozen=True, kw_only=True):
    """Subjects of a request by name; a group stands for its members. subjects, bindings: numbers of those on all pages.

    unknown, is_partial, changed: see `IdentityPage`.
    """

    rows: tuple[PermittedRow, ...] = ()
    cursor: str = ""
    subjects: int = 0
    bindings: int = 0
    unknown: tuple[str, ...] = ()
    is_partial: bool = False
    changed: dt.datetime | None = None


class _Permit(NamedTuple):
    is_unknown: bool
    kind: SubjectKind
    subject_namespace: str
    subject: str
    namespace: str
    name: str
    role: str


def list_permitted(
    content: PermissionContent | None,
    access: AccessRequest,
    namespace: str,
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> PermittedPage:
    """Return a page of the subjects that may make a request.

    namespace: of the request; empty for objects of all namespaces or of none. Raises ValueError for a cursor of another list.
    """
    after = read_cursor(cursor, "permitted", tuple[bool, str, str, str, str, str, str])
    if content is None:
        return PermittedPage()
    permissions = content.read()
    bindings = {
        _Permit(is_unknown, subject.kind, subject.namespace, subject.name, *_identify(binding)): binding
        for binding, is_unknown in _find_bindings(permissions, access, namespace)
        for subject in binding.subjects
    }
    following = [permit for permit in sorted(bindings) if after is None or permit > after]
    page, next_cursor = cut_page(following, limit, "permitted", tuple)
    subjects = {BoundSubject(permit.kind, permit.subject, permit.subject_namespace) for permit in bindings}
    return PermittedPage(
        rows=tuple(
            PermittedRow(
                permit.kind, permit.subject_namespace, permit.subject, name_binding(bindings[permit]), permit.is_unknown
            )
            for permit in page
        ),
        cursor=next_cursor,
        subjects=len(subjects),
        bindings=len({_identify(binding) for binding in bindings.values()}),
        unknown=permissions.unknown,
        is_partial=content.namespaces is not None,
        changed=to_moment(content.changed),
    )


def _find_bindings(
    permissions: StoredPermissions, access: AccessRequest, namespace: str
) -> Iterator[tuple[BindingEntry, bool]]:
    """Yield the bindings that permit a request, and those with unknown rules, with True."""
    roles = permissions.index_roles()
    is_permitted: dict[tuple[str, str], bool] = {}
    for binding in permissions.bindings:
        if binding.namespace and (access.path or binding.namespace != namespace):
            continue
        key = binding.role_key
        if key not in is_permitted:
            is_permitted[key] = any(rule.allows(access) for rule in roles[key].read_rules())
        if is_permitted[key] or roles[key].is_unknown:
            yield binding, not is_permitted[key]


def _identify(binding: BindingEntry) -> tuple[str, str, str]:
    return binding.namespace, binding.name, binding.role
