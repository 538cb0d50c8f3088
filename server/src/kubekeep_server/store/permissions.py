"""Roles and bindings of sources: one document for each source, replaced when its digest changes, and the part that a scope shows.

Rules stay encoded until a query needs them: most queries need those of a few roles.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from kubekeep.model.dangers import find_dangers
from kubekeep.model.permissions import (
    ACCOUNT_GROUP,
    BindingEntry,
    BoundSubject,
    ClusterPermissions,
    PermissionRule,
    list_groups,
)
from kubekeep.uplink.delta import DivergenceError
from kubekeep_server.store.compression import compress, decompress
from kubekeep_server.store.document import SubmittedDocument
from kubekeep_server.store.numbers import to_number
from kubekeep_server.store.permission_schema import cluster_permissions
from kubekeep_server.store.schema import source
from kubekeep_server.store.scopes import Scope
from kubekeep_server.store.upsert import replace_rows

HIDDEN: Final = "a permission to list roles or bindings is missing"
"""The sentence about unknown roles and bindings for users who may not read the names of other namespaces."""
_SHARED_GROUPS: Final = frozenset(list_groups(BoundSubject("ServiceAccount", "", ""))) - {ACCOUNT_GROUP}
"""Groups of the service accounts of all namespaces."""
_encoder: Final = msgspec.msgpack.Encoder()
_rules: Final = msgspec.msgpack.Decoder(tuple[PermissionRule, ...])
_NO_RULES: Final = msgspec.Raw(_encoder.encode(()))


class StoredRole(msgspec.Struct, frozen=True, array_like=True):
    """A role. dangers: see `kubekeep.model.dangers`. is_unknown: True if its rules are not known. rules: encoded."""

    namespace: str
    name: str
    dangers: int = 0
    is_unknown: bool = True
    rules: msgspec.Raw = _NO_RULES

    def read_rules(self) -> tuple[PermissionRule, ...]:
        """Return the rules."""
        return _rules.decode(self.rules)


class StoredPermissions(msgspec.Struct, frozen=True, array_like=True):
    """Roles and bindings of a source, or those that a scope shows. unknown: sentences about those that the scan did not see."""

    roles: tuple[StoredRole, ...]
    bindings: tuple[BindingEntry, ...]
    unknown: tuple[str, ...] = ()

    def index_roles(self) -> dict[tuple[str, str], StoredRole]:
        """Return the roles of the bindings by `BindingEntry.role_key`; one that was not submitted is unknown."""
        roles = {(role.namespace, role.name): role for role in self.roles}
        for binding in self.bindings:
            if binding.role_key not in roles:
                roles[binding.role_key] = StoredRole(*binding.role_key)
        return roles


_stored: Final = msgspec.msgpack.Decoder(StoredPermissions)


class PermissionContent(msgspec.Struct, frozen=True):
    """The stored roles and bindings of a source. namespaces: those that the user may see; None for all. changed: a time of `numbers`."""

    content: bytes
    namespaces: frozenset[str] | None
    changed: int

    def read(self) -> StoredPermissions:
        """Return the roles and bindings that the user may see. Takes long for a large cluster."""
        permissions = _stored.decode(decompress(self.content))
        return permissions if self.namespaces is None else _restrict(permissions, self.namespaces)


def store_permissions(connection: Connection, document: SubmittedDocument, number: int) -> None:
    """Replace the roles and bindings of a source, if the submission has others. number: of the locked source.

    Raises DivergenceError if it names others without their content, and msgspec.DecodeError.
    """
    submission, table = document.submission, cluster_permissions
    if not submission.permissions_digest:
        return
    digest = bytes.fromhex(submission.permissions_digest)
    stored = connection.execute(select(table.c.digest).where(table.c.source == number)).scalar()
    if stored == digest:
        return
    permissions = document.decode_permissions()
    if permissions is None:
        raise DivergenceError(f"{submission.id} has the digest of other roles and bindings than the server has")
    row = {
        "source": number,
        "digest": digest,
        "content": compress(_encoder.encode(_pack(permissions))),
        "changed": to_number(submission.finished),
    }
    replace_rows(connection, table, ("digest", "content", "changed"), [row])


def load_permissions(connection: Connection, scope: Scope, number: int) -> PermissionContent | None:
    """Return the roles and bindings of a source; None if no scan has submitted them. Raises LookupError for a source outside of the scope."""
    table = cluster_permissions
    query = select(source.c.id, table.c.content, table.c.changed).outerjoin(table, table.c.source == source.c.id)
    row: Any = connection.execute(query.where(source.c.id == number, scope.contains(source.c.id))).first()
    is_whole = scope.has_whole(number)
    namespaces = None if is_whole else scope.limited.get(number, frozenset()) | scope.everywhere
    if row is None or not (is_whole or namespaces):
        raise LookupError(f"there is no source {number}")
    return None if row.content is None else PermissionContent(row.content, namespaces, row.changed)


def _pack(permissions: ClusterPermissions) -> StoredPermissions:
    roles = (
        StoredRole(
            role.namespace,
            role.name,
            find_dangers(role.rules),
            role.is_unknown,
            msgspec.Raw(_encoder.encode(role.rules)),
        )
        for role in permissions.roles
    )
    return StoredPermissions(tuple(roles), permissions.bindings, permissions.unknown)


def _restrict(permissions: StoredPermissions, namespaces: frozenset[str]) -> StoredPermissions:
    """Return what a user of some namespaces may see.

    Those are the RoleBindings of the namespaces with all subjects, and of ClusterRoleBindings the service accounts of the
    namespaces and the groups that each of them is in. Roles are those of the namespaces, and the ClusterRoles of these bindings.
    """
    bindings = []
    for binding in permissions.bindings:
        if binding.namespace in namespaces:
            bindings.append(binding)
        elif not binding.namespace:
            subjects = tuple(each for each in binding.subjects if _is_visible(each, namespaces))
            if subjects:
                bindings.append(msgspec.structs.replace(binding, subjects=subjects))
    used = {binding.role_key for binding in bindings}
    roles = (role for role in permissions.roles if role.namespace in namespaces or (role.namespace, role.name) in used)
    return StoredPermissions(tuple(roles), tuple(bindings), (HIDDEN,) if permissions.unknown else ())


def _is_visible(subject: BoundSubject, namespaces: frozenset[str]) -> bool:
    if subject.kind == "ServiceAccount":
        return subject.namespace in namespaces
    prefix, group, namespace = subject.name.partition(ACCOUNT_GROUP)
    is_of_namespace = bool(group) and not prefix and namespace in namespaces
    return subject.kind == "Group" and (subject.name in _SHARED_GROUPS or is_of_namespace)
