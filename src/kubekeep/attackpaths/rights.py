"""Permissions of a role that lead an attacker further, with the rules that grant them.

Covers the known privilege escalations (Kubernetes docs, RBAC Good Practices) and no others. Uses only rules and their
scope, not the subjects.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from kubekeep.attackpaths import control_slugs
from kubekeep.attackpaths.graph import EVERYWHERE
from kubekeep.attackpaths.objects import describe_namespace
from kubekeep.attackpaths.shared_nodes import SharedNodes
from kubekeep.model.attack import AttackNode
from kubekeep.model.role_rules import RoleRules, RuleGrant

RBAC: Final = "rbac.authorization.k8s.io"
_CONTROLLERS: Final = (
    ("apps", "deployments"),
    ("apps", "daemonsets"),
    ("apps", "statefulsets"),
    ("apps", "replicasets"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
    ("", "replicationcontrollers"),
)
"""Resources that create pods from a template."""
_IMMUTABLE: Final = frozenset({"jobs", "pods"})
"""Resources with an immutable pod template."""
_CHANGE_VERBS: Final = ("update", "patch")
_WRITE_VERBS: Final = ("create", *_CHANGE_VERBS)
_ADMISSION: Final = "admissionregistration.k8s.io"
_CLIENT_SIGNER: Final = "kubernetes.io/kube-apiserver-client"
_FULL_ROLES: Final = ("cluster-admin", "admin", "edit")
"""Built-in roles that allow reading Secrets, creating pods and impersonating service accounts, the widest first."""
_MASTERS: Final = "system:masters"


class RbacPermission(msgspec.Struct, frozen=True, eq=False):
    """One permission of a role: the target node, a description, and the position of the rule.

    `slugs` are the controls that check it.
    """

    target: AttackNode
    text: str
    rule: int
    slugs: tuple[str, ...] = ()
    assumes: str = ""


def list_permissions(rules: RoleRules, scope: str, nodes: SharedNodes) -> Iterator[RbacPermission]:
    """Yield the permissions of `rules` in a namespace or the cluster that lead further, except `allow_everything`."""
    for list_category in (
        _list_secret_permissions,
        _list_pod_permissions,
        _list_container_permissions,
        _list_token_permissions,
        _list_impersonation,
        _list_role_granting,
    ):
        yield from list_category(rules, scope, nodes)
    if scope == EVERYWHERE:
        yield from _list_cluster_permissions(rules, nodes)


def _list_secret_permissions(rules: RoleRules, scope: str, nodes: SharedNodes) -> Iterator[RbacPermission]:
    position = rules.find_unrestricted("", "secrets", ("get", "list", "watch"))
    if position is not None:
        yield RbacPermission(nodes.secrets(scope), "it allows reading Secrets", position, control_slugs.SECRET_READING)
        creation = rules.find_unrestricted("", "secrets", ("create",))
        if creation is not None:
            text = "it allows creating token Secrets and reading them"
            yield RbacPermission(nodes.accounts(scope), text, creation, control_slugs.SECRET_READING)
    else:
        for grant in rules.find_grants("", "secrets", ("get", "list", "watch")):
            for name in grant.names:
                secrets = nodes.find_secrets(name) if scope == EVERYWHERE else [nodes.secret(scope, name)]
                for secret in secrets:
                    yield RbacPermission(secret, "it allows reading it", grant.rule, control_slugs.NAMED_SECRET_READING)


def _list_pod_permissions(rules: RoleRules, scope: str, nodes: SharedNodes) -> Iterator[RbacPermission]:
    """Yield permissions to create pods, which include the choice of service account, mounted Secrets and node."""
    by_rule: dict[int, list[str]] = {}
    for group, resource in (("", "pods"), *_CONTROLLERS):
        position = _find_pod_creation(rules, group, resource, scope)
        if position is not None:
            by_rule.setdefault(position, []).append(resource)
    for rule, resources in by_rule.items():
        # The control for creating pods checks the resource `pods` only; a wildcard resource includes pods.
        slugs = control_slugs.CREATING_PODS if resources == ["pods"] or rules.is_for_all_resources(rule) else ()
        text = f"it allows creating {'pods' if slugs else ', '.join(resources)}"
        yield RbacPermission(nodes.accounts(scope), text, rule, slugs)
        yield RbacPermission(nodes.secrets(scope), text, rule, slugs)
        yield from _list_privileged_pods(RbacPermission(nodes.hosts, text, rule, slugs), scope, nodes)


def _find_pod_creation(rules: RoleRules, group: str, resource: str, scope: str) -> int | None:
    """Return the position of a rule that allows to create pods through a resource; None if there is none."""
    position = rules.find_unrestricted(group, resource, ("create",))
    if position is not None or resource in _IMMUTABLE:
        return position
    position = rules.find_unrestricted(group, resource, _CHANGE_VERBS)
    if position is None and scope != EVERYWHERE:
        # Permission for one name suffices to change a template, but not to create one.
        position = next((grant.rule for grant in rules.find_grants(group, resource, _CHANGE_VERBS)), None)
    return position


def _list_privileged_pods(permission: RbacPermission, scope: str, nodes: SharedNodes) -> Iterator[RbacPermission]:
    is_blocked = False if scope == EVERYWHERE else nodes.blocks_privileged_pods(scope)
    if is_blocked is None:
        yield msgspec.structs.replace(
            permission, assumes=f"Pod Security permits privileged pods {describe_namespace(scope)}"
        )
    elif not is_blocked:
        yield permission


def _list_container_permissions(rules: RoleRules, scope: str, nodes: SharedNodes) -> Iterator[RbacPermission]:
    for resource, verbs, text in (
        ("pods/exec", ("create",), "it allows running commands in containers"),
        ("pods/attach", ("create",), "it allows attaching to containers"),
        ("pods/ephemeralcontainers", _CHANGE_VERBS, "it allows adding containers to pods"),
    ):
        position = rules.find_unrestricted("", resource, verbs)
        if position is not None:
            yield RbacPermission(nodes.pods(scope), text, position, control_slugs.EXEC)


def _list_token_permissions(rules: RoleRules, scope: str, nodes: SharedNodes) -> Iterator[RbacPermission]:
    for grant in rules.find_grants("", "serviceaccounts/token", ("create",)):
        if not grant.names:
            yield RbacPermission(nodes.accounts(scope), "it allows creating tokens", grant.rule, control_slugs.TOKENS)
        for account in _find_named_accounts(grant, scope, nodes):
            yield RbacPermission(account, "it allows creating its tokens", grant.rule, control_slugs.TOKENS)


def _find_named_accounts(grant: RuleGrant, scope: str, nodes: SharedNodes) -> Iterator[AttackNode]:
    for name in grant.names:
        yield from nodes.find_accounts(name) if scope == EVERYWHERE else [nodes.account(scope, name)]


def _list_impersonation(rules: RoleRules, scope: str, nodes: SharedNodes) -> Iterator[RbacPermission]:
    """Yield impersonation of service accounts in the scope, and of users and groups cluster-wide."""
    accounts = [*rules.find_grants("", "serviceaccounts", ("impersonate",))]
    for grant in accounts:
        if not grant.names:
            yield RbacPermission(
                nodes.accounts(scope), "it allows impersonating them", grant.rule, control_slugs.IMPERSONATION
            )
        for account in _find_named_accounts(grant, scope, nodes):
            yield RbacPermission(account, "it allows impersonating it", grant.rule, control_slugs.IMPERSONATION)
    if scope != EVERYWHERE:
        return
    users = [*rules.find_grants("", "users", ("impersonate",))]
    for grant in users:
        if not grant.names:
            yield RbacPermission(
                nodes.admin, "it allows impersonating any user", grant.rule, control_slugs.IMPERSONATION
            )
        for name in grant.names:
            yield RbacPermission(
                nodes.subject("User", name), "it allows impersonating it", grant.rule, control_slugs.IMPERSONATION
            )
    # Impersonating a group requires impersonating a user too.
    if users or accounts:
        yield from _list_group_impersonation(rules, nodes)


def _list_group_impersonation(rules: RoleRules, nodes: SharedNodes) -> Iterator[RbacPermission]:
    for grant in rules.find_grants("", "groups", ("impersonate",)):
        if not grant.names or _MASTERS in grant.names:
            text = f"it allows impersonating a member of {_MASTERS}"
            yield RbacPermission(nodes.admin, text, grant.rule, control_slugs.IMPERSONATION)
        for name in grant.names:
            yield RbacPermission(
                nodes.subject("Group", name),
                "it allows impersonating a member",
                grant.rule,
                control_slugs.IMPERSONATION,
            )


def _list_role_granting(rules: RoleRules, scope: str, nodes: SharedNodes) -> Iterator[RbacPermission]:
    """Yield permissions to grant more than one's own permissions, by `escalate` or `bind`."""
    is_cluster_wide = scope == EVERYWHERE
    roles = "clusterroles" if is_cluster_wide else "roles"
    escalation = rules.find_unrestricted(RBAC, roles, ("escalate",))
    if escalation is not None and rules.find_unrestricted(RBAC, roles, _CHANGE_VERBS) is not None:
        text = "it allows adding any permission to a role"
        if is_cluster_wide:
            yield RbacPermission(nodes.admin, text, escalation, control_slugs.ROLE_GRANTING)
        else:
            yield from _list_namespace_access(text, escalation, scope, nodes)
    binds_everywhere = is_cluster_wide and rules.allows(RBAC, "clusterrolebindings", _WRITE_VERBS)
    if not binds_everywhere and not rules.allows(RBAC, "rolebindings", _WRITE_VERBS):
        return
    for grant in rules.find_grants(RBAC, "clusterroles", ("bind",)):
        role = next((name for name in _FULL_ROLES if not grant.names or name in grant.names), "")
        text = f"it allows granting {role} with a binding"
        if role == "cluster-admin" and binds_everywhere:
            yield RbacPermission(nodes.admin, text, grant.rule, control_slugs.ROLE_GRANTING)
        elif role:
            yield from _list_namespace_access(text, grant.rule, scope, nodes)


def _list_namespace_access(text: str, rule: int, scope: str, nodes: SharedNodes) -> Iterator[RbacPermission]:
    """Yield the access that full permissions in one or all namespaces give, also to nodes by a privileged pod."""
    for target in (nodes.accounts(scope), nodes.secrets(scope), nodes.pods(scope)):
        yield RbacPermission(target, text, rule, control_slugs.ROLE_GRANTING)
    permission = RbacPermission(nodes.hosts, text, rule, control_slugs.ROLE_GRANTING)
    yield from _list_privileged_pods(permission, scope, nodes)


def _list_cluster_permissions(rules: RoleRules, nodes: SharedNodes) -> Iterator[RbacPermission]:
    """Yield permissions that only a cluster-wide role gives."""
    position = rules.find_unrestricted("", "nodes/proxy", ("create", "get"))
    if position is not None:
        text = "it allows requests to kubelets that bypass the API server"
        yield RbacPermission(nodes.pods(EVERYWHERE), text, position, control_slugs.NODE_PROXY)
    for resource, target, text in (
        ("mutatingwebhookconfigurations", nodes.admin, "it allows changing all requests to the API server"),
        ("validatingwebhookconfigurations", nodes.secrets(EVERYWHERE), "it allows reading all write requests"),
    ):
        position = rules.find_unrestricted(_ADMISSION, resource, ("create", *_CHANGE_VERBS))
        if position is not None:
            yield RbacPermission(target, text, position, control_slugs.WEBHOOKS)
    group = "certificates.k8s.io"
    approval = rules.find_unrestricted(group, "certificatesigningrequests/approval", _CHANGE_VERBS)
    request = rules.find_unrestricted(group, "certificatesigningrequests", ("create",))
    signers = [
        grant
        for grant in rules.find_grants(group, "signers", ("approve",))
        if not grant.names or {_CLIENT_SIGNER, "kubernetes.io/*"} & {*grant.names}
    ]
    if approval is not None and request is not None and signers:
        text = "it allows creating a certificate of another user"
        yield RbacPermission(nodes.admin, text, approval, control_slugs.CERTIFICATES)
