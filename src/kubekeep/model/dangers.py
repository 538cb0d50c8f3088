"""Permissions that lead to more than they state, by the rules that grant them (Kubernetes docs, RBAC Good Practices). No I/O.

The dangers of a role are a number with one bit for each entry of `DANGERS`; the first entry, the gravest, has the highest bit. Of
two numbers, the higher one has the graver permission.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from kubekeep.model.permissions import ANYTHING, PermissionRule
from kubekeep.model.severity import Severity

_RBAC: Final = "rbac.authorization.k8s.io"
_CERTIFICATES: Final = "certificates.k8s.io"
_ADMISSION: Final = "admissionregistration.k8s.io"
_CHANGE: Final = ("update", "patch")
_WRITE: Final = ("create", *_CHANGE)
_READ: Final = ("get", "list", "watch")
_Access = tuple[str, str, tuple[str, ...]]
"""API group, resource and verbs, of which one is enough."""


class Danger(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of dangerous permission.

    text: follows `can`. severity: in the whole cluster; in a namespace it is one level lower. is_cluster_wide: True if only a
    ClusterRoleBinding grants it. allows_names: True if a rule for objects of some names is dangerous too.
    """

    id: str
    text: str
    severity: Severity
    access: tuple[_Access, ...] = ()
    is_cluster_wide: bool = False
    allows_names: bool = False


EVERYTHING: Final = Danger(id="everything", text="do everything", severity=Severity.CRITICAL)
WILDCARD: Final = Danger(id="wildcard", text="use all verbs or all resources of an API group", severity=Severity.MEDIUM)
DANGERS: Final = (
    EVERYTHING,
    Danger(
        id="grant-permissions",
        text="grant itself permissions",
        severity=Severity.CRITICAL,
        access=(
            (_RBAC, "clusterroles", ("escalate", "bind")),
            (_RBAC, "roles", ("escalate", "bind")),
        ),
    ),
    Danger(
        id="impersonate",
        text="act as other users or service accounts",
        severity=Severity.CRITICAL,
        access=tuple(("", resource, ("impersonate",)) for resource in ("users", "groups", "serviceaccounts")),
        allows_names=True,
    ),
    Danger(
        id="change-admission",
        text="change or read all requests through webhooks",
        severity=Severity.CRITICAL,
        access=tuple((_ADMISSION, f"{kind}webhookconfigurations", _WRITE) for kind in ("mutating", "validating")),
        is_cluster_wide=True,
    ),
    Danger(
        id="approve-certificates",
        text="approve certificates of other users",
        severity=Severity.CRITICAL,
        access=((_CERTIFICATES, "certificatesigningrequests/approval", _CHANGE),),
        is_cluster_wide=True,
    ),
    Danger(
        id="node-proxy",
        text="run commands in all containers through kubelets",
        severity=Severity.CRITICAL,
        access=(("", "nodes/proxy", ("create", "get")),),
        is_cluster_wide=True,
    ),
    Danger(
        id="create-tokens",
        text="create tokens of service accounts",
        severity=Severity.HIGH,
        access=(("", "serviceaccounts/token", ("create",)),),
    ),
    Danger(
        id="create-pods",
        text="create pods",
        severity=Severity.HIGH,
        access=(
            ("", "pods", ("create",)),
            ("", "replicationcontrollers", _WRITE),
            *(("apps", kind, _WRITE) for kind in ("deployments", "daemonsets", "statefulsets", "replicasets")),
            ("batch", "cronjobs", _WRITE),
            ("batch", "jobs", ("create",)),
        ),
    ),
    Danger(
        id="run-commands",
        text="run commands in containers",
        severity=Severity.HIGH,
        access=(
            ("", "pods/exec", ("create", "get")),
            ("", "pods/attach", ("create", "get")),
            ("", "pods/ephemeralcontainers", _CHANGE),
        ),
    ),
    Danger(
        id="read-secrets",
        text="read Secrets",
        severity=Severity.HIGH,
        access=(("", "secrets", _READ),),
    ),
    Danger(
        id="create-volumes",
        text="create volumes with folders of nodes",
        severity=Severity.HIGH,
        access=(("", "persistentvolumes", ("create",)),),
        is_cluster_wide=True,
    ),
    WILDCARD,
)
_BITS: Final = {danger.id: 1 << (len(DANGERS) - 1 - number) for number, danger in enumerate(DANGERS)}


class _DangerousAccess(msgspec.Struct, frozen=True):
    """An access that has a danger. verbs: with the wildcard."""

    bit: int
    group: str
    verbs: frozenset[str]
    allows_names: bool


def _index_accesses() -> dict[str, list[_DangerousAccess]]:
    """Return the accesses by what a rule names for their resource: the resource itself, and wildcards."""
    accesses: dict[str, list[_DangerousAccess]] = {}
    for danger in DANGERS:
        for group, resource, verbs in danger.access:
            access = _DangerousAccess(
                _BITS[danger.id], group, frozenset({*verbs, ANYTHING}), allows_names=danger.allows_names
            )
            _, slash, subresource = resource.partition("/")
            for name in (resource, ANYTHING, *([f"*/{subresource}"] if slash else ())):
                accesses.setdefault(name, []).append(access)
    return accesses


_ACCESSES: Final = _index_accesses()
_OF_NAMESPACES: Final = sum(_BITS[danger.id] for danger in DANGERS if not danger.is_cluster_wide)
_CACHED: Final = 4_096


def find_dangers(rules: Iterable[PermissionRule]) -> int:
    """Return the dangers of rules in the whole cluster."""
    return functools.reduce(lambda dangers, rule: dangers | _find_dangers(rule), rules, 0)


def restrict_to_namespace(dangers: int) -> int:
    """Return those of the dangers that a RoleBinding grants."""
    return dangers & _OF_NAMESPACES


def list_dangers(dangers: int) -> Iterator[Danger]:
    """Yield the dangers of a number, the gravest first."""
    return (danger for danger in DANGERS if dangers & _BITS[danger.id])


@functools.lru_cache(maxsize=_CACHED)
def rate_dangers(in_cluster: int, in_namespaces: int) -> Severity:
    """Return the highest severity of dangers in the whole cluster and in namespaces; low without any."""
    severities = [danger.severity for danger in list_dangers(in_cluster)]
    severities += [Severity(danger.severity - 1) for danger in list_dangers(in_namespaces)]
    return max(severities, default=Severity.LOW)


def _find_dangers(rule: PermissionRule) -> int:
    resources, groups, verbs = set(rule.resources), set(rule.api_groups), set(rule.verbs)
    has_wildcard = not rule.resource_names and bool(resources) and (ANYTHING in verbs or ANYTHING in resources)
    if has_wildcard and ANYTHING in groups and ANYTHING in verbs and ANYTHING in resources:
        return sum(_BITS.values()) - _BITS[WILDCARD.id]
    dangers = has_wildcard * _BITS[WILDCARD.id]
    for resource in resources & _ACCESSES.keys():
        for access in _ACCESSES[resource]:
            is_named = not rule.resource_names or access.allows_names
            if is_named and (ANYTHING in groups or access.group in groups) and not access.verbs.isdisjoint(verbs):
                dangers |= access.bit
    return dangers
