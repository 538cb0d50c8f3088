"""Which objects say nothing more than what made them: the Pods of a Deployment. Knows only what it was shown.

An object says itself who its owner is, and whoever may write objects may lie: so it is believed only of what a
controller of Kubernetes would have made, in the same namespace, or of what has no container that its owner has not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kubekeep.model.resource import Resource, is_builtin
from kubekeep.model.workload import pod_path, value_at_or

Kind = tuple[str, str]

_MADE: Final[Mapping[Kind, frozenset[Kind]]] = {
    ("", "ReplicationController"): frozenset({("", "Pod")}),
    ("apps", "DaemonSet"): frozenset({("", "Pod")}),
    ("apps", "Deployment"): frozenset({("apps", "ReplicaSet")}),
    ("apps", "ReplicaSet"): frozenset({("", "Pod")}),
    ("apps", "StatefulSet"): frozenset({("", "Pod")}),
    ("batch", "CronJob"): frozenset({("batch", "Job")}),
    ("batch", "Job"): frozenset({("", "Pod")}),
}
"""What the controllers of Kubernetes make of the kinds that carry pods."""


class Owners:
    """What carries pods among the objects shown so far."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[Kind, frozenset[str]]] = {}

    def add(self, item: dict[str, Any]) -> None:
        """Know of an object, which may own others."""
        resource = Resource(item)
        uid, own = _metadata(item).get("uid"), (resource.group, resource.kind)
        if is_builtin(resource.group) and own not in _MADE:
            return
        if isinstance(uid, str) and uid and pod_path(resource) is not None:
            containers = frozenset() if is_builtin(resource.group) else _containers(resource, complete=True)
            self._known[resource.namespace, uid] = own, containers

    def remove(self, namespace: str, uid: str) -> None:
        """Know of an object no longer."""
        self._known.pop((namespace, uid), None)

    def has_made(self, item: dict[str, Any]) -> bool:
        """Whether something shown so far has made `item`, and says all that it says."""
        resource = Resource(item)
        owner = controller(item)
        if owner is None or _has_more(item):
            return False
        uid = owner.get("uid")
        known = self._known.get((resource.namespace, str(uid))) or self._known.get(("", str(uid)))
        if known is None or known[0] != kind_of(owner):
            return False
        kind, containers = known
        if is_builtin(kind[0]):
            return (resource.group, resource.kind) in _MADE.get(kind, ())
        own = _containers(resource, complete=False)
        return bool(own) and own <= containers


def controller(item: dict[str, Any]) -> dict[str, Any] | None:
    """The reference of an object to the one owner that manages it."""
    references = _metadata(item).get("ownerReferences")
    for reference in references if isinstance(references, list) else ():
        if isinstance(reference, dict) and reference.get("controller") is True:
            return reference
    return None


def kind_of(reference: dict[str, Any]) -> Kind:
    """Group and kind of an owner."""
    group, slash, _ = str(reference.get("apiVersion")).partition("/")
    # Old objects still name their owners by the group that these have left.
    return ("apps" if group == "extensions" else group if slash else "", str(reference.get("kind")))


def _has_more(item: dict[str, Any]) -> bool:
    """Whether somebody has put a container into a pod that runs, which no template has."""
    spec = item.get("spec")
    return isinstance(spec, dict) and bool(spec.get("ephemeralContainers"))


def _metadata(item: dict[str, Any]) -> dict[str, Any]:
    metadata = item.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _containers(resource: Resource, *, complete: bool) -> frozenset[str]:
    """The names of the containers of the pod in `resource`; with `complete`, of those that say which image they run.

    Templates of custom kinds are often a few fields that an operator puts upon others of its own.
    """
    at = pod_path(resource)
    spec = value_at_or(resource.object, (*at, "spec"), None) if at is not None else None
    lists = (spec.get(field) for field in ("containers", "initContainers")) if isinstance(spec, dict) else ()
    items = [item for found in lists if isinstance(found, list) for item in found if isinstance(item, dict)]
    return frozenset(str(item.get("name")) for item in items if item.get("image") or not complete)
