"""The indexes that relational rules find in `input.cluster`, in slices that are kept current one by one.

The slices are those that `kubekeep.posture.index` builds of the objects of one namespace, so that they say the same as an
index of everything; what differs after a change says whose verdicts may differ. Never judges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from kubekeep.model.cluster import RBAC
from kubekeep.model.control import SUBJECT, WORKLOAD, Provider
from kubekeep.model.resource import DEFAULT_NAMESPACE, Resource
from kubekeep.model.workload import pod_path
from kubekeep.posture import routes
from kubekeep.posture.index import Index
from kubekeep.posture.isolation import CILIUM_CLUSTERWIDE, CILIUM_POLICY, NETWORK_POLICY

_ROUTES: Final = frozenset({routes.INGRESS, *routes.GATEWAY_ROUTES, routes.VIRTUAL_SERVICE, routes.OPENSHIFT_ROUTE})
_POLICIES: Final = frozenset({NETWORK_POLICY, CILIUM_POLICY, CILIUM_CLUSTERWIDE})
_GRANTS: Final = ("grants", "")
_ROUTED: Final = ("routed", "")
"""The parts whose objects reach into other namespaces."""
_NODES: Final = ("/Node", "")
"""The part of Nodes: an index says of any input what Nodes have, and of one without Nodes that they have nothing."""
_SOURCES: Final[Mapping[str, frozenset[str]]] = {
    "account_users": frozenset({"ServiceAccount", WORKLOAD}),
    "grants": frozenset({SUBJECT}),
    "enforcement": frozenset({"ConfigMap"}),
    # Whoever looks there relates the others too, which may matter everywhere as such.
    "isolation": frozenset({NETWORK_POLICY}),
    "nodes": frozenset({"Node"}),
    "pods": frozenset({WORKLOAD}),
    "routed": _ROUTES,
    "selecting": frozenset({"Service"}),
}
"""What a control relates that looks at a slice; for those that are not here, their kind."""
_LOOKED_UP: Final = frozenset({"grants", "named", "selecting"})
"""Slices in which rules look up what their objects name."""
_LEFT_OUT: Final = "default"
"""A name that objects need not write down."""
_encode: Final = msgspec.json.Encoder().encode
_pieces: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_Name = tuple[str, str]
"""A part: what it is of, and the namespace; empty for what is in none."""
Path = tuple[str, ...]
"""The keys that lead to a slice in `input.cluster`."""


class Changed(msgspec.Struct, frozen=True):
    """A slice that is another one than before: what looks at it relates one of `kinds`.

    `home` is the namespace whose objects look there; None for those of all. Who looks up only what it names itself finds
    something else under `names`, of objects or values of labels; None if that cannot be said.
    """

    kinds: frozenset[str]
    home: str | None
    names: frozenset[str] | None = None


class Wanted(msgspec.Struct, frozen=True):
    """What some rules look at: the slices of the kinds in `whole`, and those of `near` kinds in the namespaces `homes`.

    Without `whole`, everything.
    """

    whole: AbstractSet[str] | None
    near: AbstractSet[str]
    homes: AbstractSet[str]

    def has(self, change: Changed) -> bool:
        """Whether a slice is among it."""
        if self.whole is None or not change.kinds.isdisjoint(self.whole):
            return True
        return (change.home is None or change.home in self.homes) and not change.kinds.isdisjoint(self.near)


class _Part:
    """The objects of some kinds in one namespace, and the slices that they make."""

    __slots__ = ("members", "provider", "slices")

    def __init__(self) -> None:
        self.members: dict[str, Resource] = {}
        self.slices: dict[Path, bytes] = {}
        self.provider: Provider | None = None


class Slices:
    """Everything that relational rules look at, by the keys of the objects that it is made of."""

    def __init__(self, kinds: Iterable[str], *, join_subjects: bool) -> None:
        """Keep what `kinds` (`kept_for` the controls) ask for, and RBAC when subjects are to be joined."""
        kinds = frozenset(kinds)
        self._kinds = kinds - {SUBJECT}
        self._joins = join_subjects or SUBJECT in kinds
        self._granted = frozenset({SUBJECT}) & kinds
        self._parts: dict[_Name, _Part] = {}
        self._places: dict[str, tuple[bytes, tuple[_Name, ...]]] = {}
        """The digest of what an object adds to its parts, by key; objects that add nothing are not there."""
        self._dirty: dict[_Name, None] = {}
        self.subjects: list[Resource] = []
        """The RBAC subjects of all bindings, joined with binding and role."""
        self.joined_anew = False
        """Whether the last time that all was settled made other subjects."""

    @property
    def provider(self) -> Provider | None:
        """The managed platform that a Node or a cloud's own document tells of."""
        told = {bool(namespace): part.provider for (_, namespace), part in self._parts.items() if part.provider}
        return told.get(False) or told.get(True)

    @property
    def homes(self) -> list[str]:
        """The namespaces that have slices."""
        return [*dict.fromkeys(namespace for _, namespace in self._parts if namespace)]

    def put(self, key: str, resource: Resource) -> None:
        """Take in `resource` in place of what was there under `key`."""
        seen = resource.unpacked()
        digest = self._contribution(seen)
        before = self._places.get(key)
        parts = self._parts_of(seen) if digest else ()
        if before is not None and before != (digest, parts):
            self.remove(key)
        if not digest:
            return
        for name in parts:
            self._parts.setdefault(name, _Part()).members[key] = resource.packed()
            if before != (digest, parts):
                self._dirty[name] = None
        self._places[key] = (digest, parts)

    def remove(self, key: str) -> None:
        """Forget what was there under `key`."""
        _, parts = self._places.pop(key, (b"", ()))
        for name in parts:
            self._parts[name].members.pop(key, None)
            self._dirty[name] = None

    def settle(self) -> list[Changed]:
        """Bring the slices up to date; gives those that changed."""
        changes: dict[Changed, None] = {}
        self.joined_anew = _GRANTS in self._dirty
        for name in self._dirty:
            part = self._parts[name]
            before, part.slices = part.slices, self._built(name, part)
            for path in before.keys() | part.slices.keys():
                old, new = before.get(path), part.slices.get(path)
                if old != new:
                    changes[_change(name, path, _names(path, old, new))] = None
            if not part.members:
                del self._parts[name]
        self._dirty.clear()
        return [*changes]

    def data(self, wanted: Wanted) -> dict[str, Any]:
        """The value of `input.cluster` without its provider, as far as it is `wanted`; see `Index.data`."""
        found: dict[str, Any] = Index((), join_subjects=False).data()
        for name, part in self._parts.items():
            for path, text in part.slices.items():
                if wanted.has(_change(name, path)):
                    _set(found, path, msgspec.Raw(text))
        return found

    def _contribution(self, resource: Resource) -> bytes:
        """The digest of what `resource` adds to the slices; empty if that is nothing."""
        index = Index(self._kinds, join_subjects=False)
        index.add(resource)
        said = index.data()
        rbac = self._joins and resource.group == RBAC
        if said == _NOTHING and not rbac and index.provider is None:
            return b""
        text = _encode([said, index.provider, resource.object if rbac else None])
        return hashlib.blake2b(text, digest_size=16).digest()

    def _parts_of(self, resource: Resource) -> tuple[_Name, ...]:
        names = [(_family(resource), _namespace(resource))]
        if self._joins and resource.group == RBAC:
            names.append(_GRANTS)
        if not resource.kind_names.isdisjoint(_ROUTES & self._kinds):
            names.append(_ROUTED)
        return tuple(names)

    def _built(self, name: _Name, part: _Part) -> dict[Path, bytes]:
        kinds = {_GRANTS: self._granted, _ROUTED: self._kinds & _ROUTES}.get(name, self._kinds)
        index = Index(kinds, join_subjects=name == _GRANTS)
        # The API lists by name, and some rules look at the first of a kind.
        for _, resource in sorted(part.members.items(), key=lambda item: _order(item[1])):
            index.add(resource.unpacked())
        data = index.data()
        part.provider = index.provider
        if name == _GRANTS:
            self.subjects = list(index.subjects())
            data = {"grants": data["grants"]}
        elif name == _ROUTED:
            data = {"routed": data["routed"]}
        else:
            del data["grants"], data["routed"]
            if name != _NODES:
                del data["nodes"]
        return {path: _encode(value) for path, value in _leaves(data)}


_NOTHING: Final = Index((), join_subjects=False).data()


def home_of(resource: Resource) -> str:
    """The namespace whose slices rules look at for `resource`: its own; of a Namespace, the one that it is."""
    if resource.kind == "Namespace" and not resource.group:
        return resource.name
    return resource.namespace or DEFAULT_NAMESPACE


def _namespace(resource: Resource) -> str:
    """The namespace of the part of `resource`; empty for what is in none.

    The index has pods of objects that name no namespace among those of the default one.
    """
    is_namespace = resource.kind == "Namespace" and not resource.group
    inside = bool(resource.namespace) or is_namespace or pod_path(resource) is not None
    return home_of(resource) if inside else ""


def _family(resource: Resource) -> str:
    """What the part of `resource` is of: kinds that make the same slices are together."""
    if pod_path(resource) is not None:
        return WORKLOAD
    if not resource.kind_names.isdisjoint(_POLICIES):
        return "policies"
    return f"{resource.group}/{resource.kind}"


def _order(resource: Resource) -> tuple[str, str, str]:
    """The order of an API server's lists."""
    return resource.group, resource.kind, f"{resource.namespace}/{resource.name}"


def _leaves(data: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """The slices of `data`."""
    for family, value in data.items():
        if family in ("objects", "named"):
            yield from _of_kinds(family, value)
        elif family == "grants":
            yield (family, "all"), value["all"]
            for of in ("accounts", "namespaces", "bound"):
                yield from (((family, of, namespace), found) for namespace, found in value[of].items())
        else:
            yield from (((family, key), found) for key, found in value.items())


def _of_kinds(family: str, kinds: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """The slices of objects by namespace; Namespaces are in no namespace and told apart by name."""
    for kind, namespaces in kinds.items():
        for namespace, found in namespaces.items():
            if kind != "Namespace":
                yield (family, kind, namespace), found
            elif family == "named":
                yield from (((family, kind, namespace, name), items) for name, items in found.items())
            else:
                yield from (((family, kind, namespace, Resource(item).name), item) for item in found)


def _set(data: dict[str, Any], path: Path, value: msgspec.Raw) -> None:
    *owners, last = path
    if len(path) == 4 and path[0] == "objects":
        last = owners.pop()
        data.setdefault("objects", {}).setdefault(path[1], {}).setdefault(last, []).append(value)
        return
    at = data
    for key in owners:
        at = at.setdefault(key, {})
    at[last] = value


def _change(part: _Name, path: Path, names: frozenset[str] | None = None) -> Changed:
    """What it means that the slice at `path` of `part` is another one."""
    kinds = _SOURCES.get(path[0]) or frozenset({path[1]})
    if part in (_GRANTS, _ROUTED):
        return Changed(kinds, None if path == ("grants", "all") else path[-1], names)
    return Changed(kinds, None if path[0] == "enforcement" else part[1] or None, names)


def _names(path: Path, before: bytes | None, after: bytes | None) -> frozenset[str] | None:
    """What differs in a slice by what rules look it up: names, and values of labels (`key=value`); see `Changed`."""
    family, *keys = path
    if family not in _LOOKED_UP:
        return frozenset()
    if family == "grants" and keys[0] not in ("accounts", "bound"):
        return None
    if len(keys) == len(("kind", "namespace", "name")):
        found = {keys[-1]}
    else:
        old, new = (_pieces(text) if text else {} for text in (before, after))
        found = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    if family == "selecting":
        return frozenset(name.partition("=")[2] for name in found)
    return None if _LEFT_OUT in found else frozenset(found)
