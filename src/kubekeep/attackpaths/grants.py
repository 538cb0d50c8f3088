"""Roles granted to subjects by bindings, and the permissions in their rules.

Each role is evaluated once per scope, independent of the number of its subjects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kubekeep.attackpaths import control_slugs
from kubekeep.attackpaths.graph import EVERYWHERE, Draft, Graph
from kubekeep.attackpaths.objects import (
    Objects,
    PlacedResource,
    describe_namespace,
    format_missing_label,
    join_labels,
)
from kubekeep.attackpaths.rights import RBAC, list_permissions
from kubekeep.attackpaths.shared_nodes import SharedNodes
from kubekeep.model.attack import AttackNode, AttackNodeKind, EdgeKind
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.permissions import parse_rule
from kubekeep.model.role_rules import RoleRules
from kubekeep.posture.joins import find_account
from kubekeep.posture.roles import EffectiveRole, RoleCoverage, Roles


class _Role(msgspec.Struct, frozen=True, eq=False):
    """A role that bindings refer to, with its rules.

    `resource` is None for a built-in role. `origins` are, for each rule, the resource that contains it and its position
    there.
    """

    label: str
    rules: RoleRules
    resource: PlacedResource | None
    origins: tuple[tuple[PlacedResource | None, int], ...]


class RoleGrants:
    """Adds the edges of bindings and role permissions to a graph."""

    def __init__(self, objects: Objects, graph: Graph, shared_nodes: SharedNodes, roles: RoleCoverage) -> None:
        self._objects = objects
        self._graph = graph
        self._shared_nodes = shared_nodes
        self._roles = Roles(roles)
        self._placed: dict[int, PlacedResource] = {}
        """Roles of the input by the id of the resource in `_roles`."""
        for role in (*objects.list_kind("Role"), *objects.list_kind("ClusterRole")):
            if role.original.group == RBAC:
                self._placed[id(role.installed)] = role
                self._roles.add(role.installed)
        self._roles_by_resource: dict[int, _Role] = {}
        self._has_permissions: dict[str, bool] = {}
        self._unknown_roles: set[str] = set()

    def add(self) -> None:
        """Add all edges, and a note about unknown roles."""
        for binding in (*self._objects.list_kind("RoleBinding"), *self._objects.list_kind("ClusterRoleBinding")):
            if binding.original.group == RBAC:
                self._add_binding(binding)
        if self._unknown_roles:
            names = join_labels(self._unknown_roles)
            self._graph.notes.append(f"not in the input, so that their permissions are unknown: {names}")

    def _add_binding(self, binding: PlacedResource) -> None:
        reference = as_mapping(binding.object.get("roleRef"))
        kind, name = str(reference.get("kind")), str(reference.get("name"))
        is_cluster_wide = binding.kind == "ClusterRoleBinding"
        if is_cluster_wide and kind != "ClusterRole":
            return
        scope = EVERYWHERE if is_cluster_wide else binding.namespace
        for role in self._find_roles(kind, binding.namespace if kind == "Role" else "", name):
            target = self._find_role_node(role, scope)
            if target is None:
                continue
            for number, subject in enumerate(as_list(binding.object.get("subjects"))):
                source = self._find_subject_node(as_mapping(subject), binding)
                if source is not None:
                    also_evaluated = (binding, role.resource) if role.resource else (binding,)
                    text = f"{binding.label} grants {'it' if target.kind is AttackNodeKind.ROLE else role.label}"
                    slugs = (
                        *control_slugs.GRANTED_ROLES,
                        *(control_slugs.WILDCARDS if target.kind is AttackNodeKind.CLUSTER_ADMIN else ()),
                    )
                    draft = Draft(text, binding, ("subjects", number), slugs, also_evaluated=also_evaluated)
                    self._graph.add(source, target, EdgeKind.BINDING, draft)

    def _find_subject_node(self, subject: Mapping[str, Any], binding: PlacedResource) -> AttackNode | None:
        account = find_account(subject, binding.installed)
        if account is not None:
            return self._shared_nodes.account(*account)
        kind, name = subject.get("kind"), subject.get("name")
        return self._shared_nodes.subject(str(kind), str(name)) if kind in ("User", "Group") and name else None

    def _find_roles(self, kind: str, namespace: str, name: str) -> list[_Role]:
        """Return the roles called `name`, of which files may define several."""
        roles = self._roles.find(kind, namespace, name)
        if any(role.resource.missing is not None for role in roles):
            self._unknown_roles.add(format_missing_label(kind, namespace, name))
        return [self._get_role(role) for role in roles]

    def _get_role(self, effective: EffectiveRole) -> _Role:
        role = self._roles_by_resource.get(id(effective))
        if role is None:
            resource = self._placed.get(id(effective.original))
            role = self._roles_by_resource[id(effective)] = _Role(
                resource.label if resource else effective.original.label,
                RoleRules(parse_rule(rule.content) for rule in effective.rules),
                resource,
                tuple((self._placed.get(id(rule.owner)), rule.position) for rule in effective.rules),
            )
        return role

    def _find_role_node(self, role: _Role, scope: str) -> AttackNode | None:
        """Return the node of a role in a scope, cluster-admin if it allows everything; None if it leads nowhere."""
        if role.rules.allows_everything and scope == EVERYWHERE:
            return self._shared_nodes.admin
        identity = f"role:{role.resource.original.id if role.resource else role.label}@{scope}"
        if identity not in self._has_permissions:
            self._has_permissions[identity] = self._add_permissions(role, scope, identity)
        return self._graph.nodes[identity] if self._has_permissions[identity] else None

    def _add_permissions(self, role: _Role, scope: str, identity: str) -> bool:
        """Add the edges of the role's permissions; return True if there are any."""
        permissions = [*list_permissions(role.rules, scope, self._shared_nodes)]
        if not permissions:
            return False
        suffix = " in the cluster" if scope == EVERYWHERE else f" {describe_namespace(scope)}"
        label = role.label if role.resource and role.resource.kind == "Role" else f"{role.label}{suffix}"
        node = self._graph.ensure_node(identity, AttackNodeKind.ROLE, label, role.resource)
        for permission in permissions:
            resource, position = role.origins[permission.rule]
            # Without the wildcard the permission would have to be listed explicitly.
            slugs = (*permission.slugs, *(control_slugs.WILDCARDS if role.rules.has_wildcard(permission.rule) else ()))
            also_evaluated = (role.resource,) if role.resource else ()
            draft = Draft(permission.text, resource, ("rules", position), slugs, permission.assumes, also_evaluated)
            self._graph.add(node, permission.target, EdgeKind.PERMISSION, draft)
        return True
