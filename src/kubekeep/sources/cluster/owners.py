"""Which objects say nothing more than what made them: the Pods of a Deployment. Knows only what it was shown.

An object says itself who its owner is, and whoever may write objects may lie: so it is believed only of what a
controller of Kubernetes would have made, in the same namespace, and would not have removed if somebody else had; or of
what has no container that its owner has not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

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
_STEADY: Final = frozenset(
    {("", "ReplicationController"), ("apps", "ReplicaSet"), ("batch", "CronJob"), ("batch", "Job")}
)
"""Makers whose template hardly changes while what they have made runs; the others replace what differs from theirs."""
_STATEFUL: Final = ("apps", "StatefulSet")
_ORDINAL: Final = re.compile(r"-\d+")
_ENDED: Final = frozenset({"Complete", "Failed", "Succeeded"})
_HOST: Final = ("hostIPC", "hostNetwork", "hostPID")
_LONGEST_CHAIN: Final = 16
"""Makers of makers: an operator's object has a Deployment, that a ReplicaSet and that Pods. A circle has no end."""


class _Claim(msgspec.Struct, frozen=True, gc=False):
    """What an object says of who has made it; `containers` are its own where the maker is of a custom kind.

    `powers` are those of its pods where they run, and the template of the maker is steady.
    """

    namespace: str
    name: str
    own: Kind
    maker: Kind
    uid: str
    containers: frozenset[str]
    powers: frozenset[str]


class _Maker(msgspec.Struct, frozen=True, gc=False):
    """What may have made others: its kind, its containers where that is a custom one, and what has made it in turn."""

    name: str
    own: Kind
    containers: frozenset[str]
    powers: frozenset[str]
    claim: _Claim | None
    is_judged: bool


class Owners:
    """What carries pods among the objects shown so far, of which those that `is_judged` takes are judged."""

    def __init__(self, is_judged: Callable[[Resource], bool] = lambda _: True) -> None:
        self._known: dict[tuple[str, str], _Maker] = {}
        self._is_judged = is_judged

    def add(self, item: dict[str, Any]) -> bool:
        """Know of an object, which may own others; gives whether that says something else than what was known of it."""
        resource = Resource(item)
        uid, own = _metadata(item).get("uid"), (resource.group, resource.kind)
        if not isinstance(uid, str) or not uid or (is_builtin(resource.group) and own not in _MADE):
            return False
        key = resource.namespace, uid
        if pod_path(resource) is None:
            return self._known.pop(key, None) is not None
        containers = frozenset() if is_builtin(resource.group) else _containers(resource, complete=True)
        powers = _powers(resource) if own in _STEADY else frozenset[str]()
        maker = _Maker(resource.name, own, containers, powers, _claim(resource), self._is_judged(resource))
        if self._known.get(key) == maker:
            return False
        self._known[key] = maker
        return True

    def remove(self, namespace: str, uid: str) -> None:
        """Know of an object no longer."""
        self._known.pop((namespace, uid), None)

    def have_said(self, item: dict[str, Any]) -> bool:
        """Whether something shown so far has made `item`, and says all that it says.

        Of what is judged, only something that is judged too does, however far up. Who goes round in a circle has made nothing.
        """
        resource = Resource(item)
        maker, is_told = self._maker(_claim(resource)), False
        if maker is None:
            return False
        for _ in range(_LONGEST_CHAIN):
            if maker is None:
                return is_told or not self._is_judged(resource)
            is_told = is_told or maker.is_judged
            maker = self._maker(maker.claim)
        return False

    def _maker(self, claim: _Claim | None) -> _Maker | None:
        """What has made an object, if its claim can be believed."""
        if claim is None:
            return None
        known = self._known.get((claim.namespace, claim.uid)) or self._known.get(("", claim.uid))
        if known is None or known.own != claim.maker or not claim.powers <= known.powers:
            return None
        if known.own == _STATEFUL and not _ORDINAL.fullmatch(claim.name.removeprefix(known.name)):
            # Its controller leaves alone what it would not have called so.
            return None
        if is_builtin(known.own[0]):
            return known if claim.own in _MADE.get(known.own, ()) else None
        return known if claim.containers and claim.containers <= known.containers else None


def _claim(resource: Resource) -> _Claim | None:
    """What `resource` says of who has made it; None if it says nothing, or has more than any maker would give it."""
    item = resource.object
    owner = controller(item)
    if owner is None or _has_more(item):
        return None
    maker = kind_of(owner)
    containers = frozenset() if is_builtin(maker[0]) else _containers(resource, complete=False)
    powers = _powers(resource) if maker in _STEADY and not _has_ended(item) else frozenset[str]()
    own, uid = (resource.group, resource.kind), str(owner.get("uid"))
    return _Claim(resource.namespace, resource.name, own, maker, uid, containers, powers)


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
    return bool(_mapping(item.get("spec")).get("ephemeralContainers"))


def _metadata(item: dict[str, Any]) -> dict[str, Any]:
    return _mapping(item.get("metadata"))


def _containers(resource: Resource, *, complete: bool) -> frozenset[str]:
    """The names of the containers of the pod in `resource`; with `complete`, of those that say which image they run.

    Templates of custom kinds are often a few fields that an operator puts upon others of its own.
    """
    items = _items(_pod_spec(resource), "containers", "initContainers")
    return frozenset(str(item.get("name")) for item in items if item.get("image") or not complete)


def _has_ended(item: dict[str, Any]) -> bool:
    """Whether a Pod or Job does not run any more, so that what it was allowed matters no more."""
    status = _mapping(item.get("status"))
    ends = (said.get("type") in _ENDED and said.get("status") == "True" for said in _items(status, "conditions"))
    return status.get("phase") in _ENDED or any(ends)


def _powers(resource: Resource) -> frozenset[str]:
    """What lets the pod in `resource` reach the node or the API, which controllers copy and liars add."""
    spec = _pod_spec(resource)
    found = {field for field in _HOST if spec.get(field) is True}
    found.add(f"account {spec.get('serviceAccountName') or spec.get('serviceAccount') or 'default'}")
    for volume in _items(spec, "volumes"):
        if isinstance(path := volume.get("hostPath"), dict):
            found.add(f"path {path.get('path')}")
    for one in (spec, *_items(spec, "containers", "initContainers")):
        context = _mapping(one.get("securityContext"))
        if context.get("privileged") is True:
            found.add("privileged")
        if _mapping(context.get("windowsOptions")).get("hostProcess") is True:
            found.add("hostProcess")
    return frozenset(found)


def _pod_spec(resource: Resource) -> dict[str, Any]:
    at = pod_path(resource)
    return _mapping(value_at_or(resource.object, (*at, "spec"), None)) if at is not None else {}


def _items(spec: dict[str, Any], *fields: str) -> list[dict[str, Any]]:
    lists = (spec.get(field) for field in fields)
    return [item for found in lists if isinstance(found, list) for item in found if isinstance(item, dict)]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
