"""Owners of objects, to leave out objects that their owner covers: the Pods of a Deployment. No I/O.

Owner references can be forged, and controllers do not update all objects when a template changes. A running object is
therefore covered only if it is no weaker than the template of its owner, and the owner's owner in turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.resource import Resource, is_builtin
from kubekeep.model.workload import pod_path
from kubekeep.sources.cluster.privileges import PodPrivileges, read_privileges

Kind = tuple[str, str]

_CREATED_KINDS: Final[Mapping[Kind, frozenset[Kind]]] = {
    ("", "ReplicationController"): frozenset({("", "Pod")}),
    ("apps", "DaemonSet"): frozenset({("", "Pod")}),
    ("apps", "Deployment"): frozenset({("apps", "ReplicaSet")}),
    ("apps", "ReplicaSet"): frozenset({("", "Pod")}),
    ("apps", "StatefulSet"): frozenset({("", "Pod")}),
    ("batch", "CronJob"): frozenset({("batch", "Job")}),
    ("batch", "Job"): frozenset({("", "Pod")}),
}
"""Kinds that the controllers of Kubernetes create from each kind with a pod template."""
_REVISIONS: Final = frozenset({("", "ReplicationController"), ("apps", "ReplicaSet")})
"""Kinds kept without pods as a rollback target."""
_STATEFUL: Final = ("apps", "StatefulSet")
_ORDINAL: Final = re.compile(r"-\d+")
_ENDING: Final = frozenset({("", "Pod"), ("batch", "Job")})
_ENDED: Final = frozenset({"Complete", "Failed", "Succeeded"})
_LONGEST_CHAIN: Final = 16
"""Limit on nested owners: a custom resource owns a Deployment, which owns a ReplicaSet, which owns Pods. Stops cycles.
"""


class _OwnerClaim(msgspec.Struct, frozen=True, gc=False):
    """The owner reference of an object."""

    namespace: str
    name: str
    kind: Kind
    owner_kind: Kind
    uid: str


class _Owner(msgspec.Struct, frozen=True, gc=False):
    """A possible owner: its kind, the privileges of its template, and its owner reference (`claim`).

    `privileges` is None if no pod of it runs; then only the owner's owner is compared.
    """

    name: str
    kind: Kind
    privileges: PodPrivileges | None
    claim: _OwnerClaim | None
    is_evaluated: bool


class OwnerIndex:
    """Objects with pods listed so far."""

    def __init__(self, is_evaluated: Callable[[Resource], bool] = lambda _: True) -> None:
        """Create an empty index; `is_evaluated` returns True for resources that get verdicts."""
        self._owners: dict[tuple[str, str], _Owner] = {}
        self._is_evaluated = is_evaluated

    def add(self, resource_object: dict[str, Any]) -> bool:
        """Add or update a possible owner; returns True if the index changed."""
        resource = Resource(resource_object)
        uid, kind = _get_metadata(resource_object).get("uid"), (resource.group, resource.kind)
        if not isinstance(uid, str) or not uid or (is_builtin(resource.group) and kind not in _CREATED_KINDS):
            return False
        key = resource.namespace, uid
        if pod_path(resource) is None:
            return self._owners.pop(key, None) is not None
        claim = _read_claim(resource)
        privileges = None if claim is not None and _is_idle(resource_object, kind) else read_privileges(resource)
        owner = _Owner(resource.name, kind, privileges, claim, self._is_evaluated(resource))
        if self._owners.get(key) == owner:
            return False
        self._owners[key] = owner
        return True

    def remove(self, namespace: str, uid: str) -> None:
        """Remove an object."""
        self._owners.pop((namespace, uid), None)

    def is_covered(self, resource_object: dict[str, Any]) -> bool:
        """Return True if an owner listed so far exists and `resource_object` is no weaker than it.

        An evaluated object needs an evaluated owner somewhere up the chain. Cyclic references cover nothing.
        """
        resource = Resource(resource_object)
        owner, has_evaluated, is_compared = self._find_owner(_read_claim(resource)), False, False
        if owner is None:
            return False
        privileges = None if _is_idle(resource_object, (resource.group, resource.kind)) else read_privileges(resource)
        for _ in range(_LONGEST_CHAIN):
            if not _is_within(privileges, owner.privileges):
                return False
            if privileges is None or owner.privileges is not None:
                is_compared, has_evaluated = True, has_evaluated or owner.is_evaluated
            grandowner = self._find_owner(owner.claim)
            if grandowner is None or not _is_within(owner.privileges, grandowner.privileges):
                return is_compared and (has_evaluated or not self._is_evaluated(resource))
            owner = grandowner
        return False

    def _find_owner(self, claim: _OwnerClaim | None) -> _Owner | None:
        """Return the owner in a reference, if the reference is plausible."""
        if claim is None:
            return None
        owner = self._owners.get((claim.namespace, claim.uid)) or self._owners.get(("", claim.uid))
        if owner is None or owner.kind != claim.owner_kind:
            return None
        if owner.kind == _STATEFUL and not _ORDINAL.fullmatch(claim.name.removeprefix(owner.name)):
            # A StatefulSet ignores pods whose names do not match its pattern.
            return None
        return owner if not is_builtin(owner.kind[0]) or claim.kind in _CREATED_KINDS.get(owner.kind, ()) else None


def _read_claim(resource: Resource) -> _OwnerClaim | None:
    """Return the owner reference of `resource`; None if it has none."""
    owner = get_controller(resource.object)
    if owner is None:
        return None
    kind = resource.group, resource.kind
    return _OwnerClaim(resource.namespace, resource.name, kind, get_owner_kind(owner), str(owner.get("uid")))


def get_controller(resource_object: dict[str, Any]) -> dict[str, Any] | None:
    """Return the reference of an object to its controller."""
    for reference in as_list(_get_metadata(resource_object).get("ownerReferences")):
        if isinstance(reference, dict) and reference.get("controller") is True:
            return reference
    return None


def get_owner_kind(reference: dict[str, Any]) -> Kind:
    """Return group and kind of an owner reference."""
    group, slash, _ = str(reference.get("apiVersion")).partition("/")
    # Old objects still refer to their owners by a former API group.
    return ("apps" if group == "extensions" else group if slash else "", str(reference.get("kind")))


def _get_metadata(resource_object: dict[str, Any]) -> dict[str, Any]:
    return as_mapping(resource_object.get("metadata"))


def _is_within(privileges: PodPrivileges | None, other: PodPrivileges | None) -> bool:
    """Return True if a pod with `privileges` is no weaker than `other`; always for objects that do not run."""
    return privileges is None or other is None or privileges.is_within(other)


def _is_idle(resource_object: dict[str, Any], kind: Kind) -> bool:
    """Return True if no container of an object runs: a finished Pod or Job, an old revision without pods."""
    status, spec = as_mapping(resource_object.get("status")), as_mapping(resource_object.get("spec"))
    if kind in _REVISIONS:
        return spec.get("replicas") == 0 and not status.get("replicas")
    conditions = (condition for condition in as_list(status.get("conditions")) if isinstance(condition, dict))
    ends = (condition.get("type") in _ENDED and condition.get("status") == "True" for condition in conditions)
    return kind in _ENDING and (status.get("phase") in _ENDED or any(ends))
