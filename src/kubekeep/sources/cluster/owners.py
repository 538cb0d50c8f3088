"""Which objects say nothing more than what made them: the Pods of a Deployment. Knows only what it was shown.

An object says itself who its owner is, and whoever may write objects may lie; nor does a controller replace at once, or
ever, what its template has changed since. So an object that runs is believed only to say nothing more than what made
it where it is no weaker than the template of that, and of what made that in turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.json_values import as_mapping
from kubekeep.model.resource import Resource, is_builtin
from kubekeep.model.workload import pod_path
from kubekeep.sources.cluster.privileges import PodPrivileges, read_privileges

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
_REVISIONS: Final = frozenset({("", "ReplicationController"), ("apps", "ReplicaSet")})
"""What is kept without a pod, to go back to."""
_STATEFUL: Final = ("apps", "StatefulSet")
_ORDINAL: Final = re.compile(r"-\d+")
_ENDING: Final = frozenset({("", "Pod"), ("batch", "Job")})
_ENDED: Final = frozenset({"Complete", "Failed", "Succeeded"})
_LONGEST_CHAIN: Final = 16
"""Makers of makers: an operator's object has a Deployment, that a ReplicaSet and that Pods. A circle has no end."""


class _Claim(msgspec.Struct, frozen=True, gc=False):
    """What an object says of who has made it."""

    namespace: str
    name: str
    own: Kind
    maker: Kind
    uid: str


class _Maker(msgspec.Struct, frozen=True, gc=False):
    """What may have made others: its kind, what its template says, and what has made it in turn.

    Without a `posture`, nothing of it runs, and what has made it speaks for it.
    """

    name: str
    own: Kind
    privileges: PodPrivileges | None
    claim: _Claim | None
    is_judged: bool


class OwnerIndex:
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
        claim = _claim(resource)
        said = None if claim is not None and _is_idle(item, own) else read_privileges(resource)
        maker = _Maker(resource.name, own, said, claim, self._is_judged(resource))
        if self._known.get(key) == maker:
            return False
        self._known[key] = maker
        return True

    def remove(self, namespace: str, uid: str) -> None:
        """Know of an object no longer."""
        self._known.pop((namespace, uid), None)

    def have_said(self, item: dict[str, Any]) -> bool:
        """Whether something shown so far has made `item`, and says all that it says.

        Of what is judged, only something that is judged too does, however far up. Who goes round in a circle has made
        nothing.
        """
        resource = Resource(item)
        maker, is_told, is_compared = self._maker(_claim(resource)), False, False
        if maker is None:
            return False
        own = None if _is_idle(item, (resource.group, resource.kind)) else read_privileges(resource)
        for _ in range(_LONGEST_CHAIN):
            if not _is_within(own, maker.privileges):
                return False
            if own is None or maker.privileges is not None:
                is_compared, is_told = True, is_told or maker.is_judged
            above = self._maker(maker.claim)
            if above is None or not _is_within(maker.privileges, above.privileges):
                return is_compared and (is_told or not self._is_judged(resource))
            maker = above
        return False

    def _maker(self, claim: _Claim | None) -> _Maker | None:
        """What has made an object, if its claim can be believed."""
        if claim is None:
            return None
        known = self._known.get((claim.namespace, claim.uid)) or self._known.get(("", claim.uid))
        if known is None or known.own != claim.maker:
            return None
        if known.own == _STATEFUL and not _ORDINAL.fullmatch(claim.name.removeprefix(known.name)):
            # Its controller leaves alone what it would not have called so.
            return None
        return known if not is_builtin(known.own[0]) or claim.own in _MADE.get(known.own, ()) else None


def _claim(resource: Resource) -> _Claim | None:
    """What `resource` says of who has made it; None if it says nothing."""
    owner = get_controller(resource.object)
    if owner is None:
        return None
    own = resource.group, resource.kind
    return _Claim(resource.namespace, resource.name, own, get_owner_kind(owner), str(owner.get("uid")))


def get_controller(item: dict[str, Any]) -> dict[str, Any] | None:
    """The reference of an object to the one owner that manages it."""
    references = _metadata(item).get("ownerReferences")
    for reference in references if isinstance(references, list) else ():
        if isinstance(reference, dict) and reference.get("controller") is True:
            return reference
    return None


def get_owner_kind(reference: dict[str, Any]) -> Kind:
    """Group and kind of an owner."""
    group, slash, _ = str(reference.get("apiVersion")).partition("/")
    # Old objects still name their owners by the group that these have left.
    return ("apps" if group == "extensions" else group if slash else "", str(reference.get("kind")))


def _metadata(item: dict[str, Any]) -> dict[str, Any]:
    return as_mapping(item.get("metadata"))


def _is_within(own: PodPrivileges | None, other: PodPrivileges | None) -> bool:
    """Whether what runs with `own` is no weaker than `other`; what does not run never is."""
    return own is None or other is None or own.is_within(other)


def _is_idle(item: dict[str, Any], own: Kind) -> bool:
    """Whether nothing of an object runs: a Pod or Job that has ended, a former revision without pods."""
    status, spec = as_mapping(item.get("status")), as_mapping(item.get("spec"))
    if own in _REVISIONS:
        return spec.get("replicas") == 0 and not status.get("replicas")
    conditions = status.get("conditions")
    said = (one for one in conditions if isinstance(one, dict)) if isinstance(conditions, list) else ()
    ends = (one.get("type") in _ENDED and one.get("status") == "True" for one in said)
    return own in _ENDING and (status.get("phase") in _ENDED or any(ends))
