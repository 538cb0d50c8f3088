"""The index that relational rules read in `input.cluster`, in slices that are updated one by one.

`kubekeep.posture.index` builds each slice from the objects of one namespace; a slice equals the same part of an index
of the whole input. Changed slices identify the verdicts to recompute. Never evaluates a rule.

Rules:

1. A part has the objects of one family of kinds in one namespace. Its slices are built from these objects alone, by
   the code that indexes a whole scan, so there is no second definition of the index.
2. Bindings with their roles are in a part of their own (`grants`), and so are routes (`routed`), both of all
   namespaces: they lead from one namespace to another.
3. Objects are indexed in the order in which an API server lists them, not in that of `put`.
4. A part is built again only if the contribution of an object has changed. Fields that the index does not contain, such
   as `resourceVersion`, change nothing.
5. A slice has changed only if its bytes differ. A rebuilt slice with equal content causes no evaluation.
6. A change may state more than what has changed, never less: `home` is None for slices that all namespaces read,
   `names` is None if the changed names are unknown or include `default`, which objects refer to by leaving a field out.
7. `build` and the search for affected verdicts use the same `SliceChange`: a rule never reads a slice whose changes
   would not run it again.
8. A part without objects is deleted.

Example, for the kind ServiceAccount:

    put shop/web with automountServiceAccountToken: true; update() ->
        SliceChange(kinds={"ServiceAccount"}, home="shop", names={"web"})   slice ("named", "ServiceAccount", "shop")
        SliceChange(kinds={"ServiceAccount"}, home="shop", names=set())     slice ("objects", "ServiceAccount", "shop")
    put it with automountServiceAccountToken: false; update() -> the same two changes
    put it with another resourceVersion; update()            -> []
    put shop/default; update()                               -> the two changes, names=None in that of "named"
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from kubekeep.model.cluster import RBAC, CoverageGap
from kubekeep.model.control import SUBJECT, WORKLOAD, Provider
from kubekeep.model.resource import Resource
from kubekeep.model.workload import pod_path
from kubekeep.posture.index import Index
from kubekeep.posture.isolation import CILIUM_CLUSTERWIDE, CILIUM_POLICY, NETWORK_POLICY
from kubekeep.posture.roles import FILES, RoleCoverage
from kubekeep.posture.routes import ROUTES

_ROUTES: Final = frozenset(ROUTES)
_POLICIES: Final = frozenset({NETWORK_POLICY, CILIUM_POLICY, CILIUM_CLUSTERWIDE})
_GRANTS: Final = ("grants", "")
_WHOLE_GRANTS: Final = ("all", "complete")
"""Fields of grants that belong to no namespace."""
_ROUTED: Final = ("routed", "")
"""The part of routes. Like grants, routes affect other namespaces."""
_NODES: Final = ("/Node", "")
"""The part of Nodes. Only this part keeps the `nodes` slice: every index has one, also without Nodes."""
_SOURCES: Final[Mapping[str, frozenset[str]]] = {
    "account_users": frozenset({"ServiceAccount", WORKLOAD}),
    "custom_owners": frozenset({WORKLOAD}),
    "grants": frozenset({SUBJECT}),
    "enforcement": frozenset({"ConfigMap"}),
    # Controls that read `isolation` relate the other kinds of policies too.
    "isolation": frozenset({NETWORK_POLICY}),
    "nodes": frozenset({"Node"}),
    "pods": frozenset({WORKLOAD}),
    "routed": _ROUTES,
    "selecting": frozenset({"Service"}),
}
"""The kinds that controls relate to read a slice; for slices not listed here, the slice's own kind."""
_SEARCHED_BY_NAME: Final = frozenset({"grants", "named", "selecting"})
"""Slices in which rules look up names that the evaluated object mentions."""
_IMPLICIT_NAME: Final = "default"
"""A name that objects refer to by leaving the field out."""
_encode: Final = msgspec.json.Encoder().encode
_decode_entries: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_PartName = tuple[str, str]
"""A part: its family of kinds, and the namespace; empty for cluster-scoped objects."""
Path = tuple[str, ...]
"""The keys that lead to a slice in `input.cluster`."""


class SliceChange(msgspec.Struct, frozen=True):
    """A changed slice; controls that read it relate one of `kinds`.

    `home` is the namespace whose objects read the slice; None for all namespaces. `names` are the changed names of
    objects or label values, for rules that look up only the names their objects mention; None if unknown.
    """

    kinds: frozenset[str]
    home: str | None
    names: frozenset[str] | None = None


class SliceQuery(msgspec.Struct, frozen=True):
    """The slices that some rules read.

    `cluster_wide_kinds` are read in all namespaces (None: all slices are read), `namespaced_kinds` in `namespaces`.
    """

    cluster_wide_kinds: AbstractSet[str] | None
    namespaced_kinds: AbstractSet[str]
    namespaces: AbstractSet[str]

    def includes(self, change: SliceChange) -> bool:
        """Return True if the rules read the changed slice."""
        if self.cluster_wide_kinds is None or not change.kinds.isdisjoint(self.cluster_wide_kinds):
            return True
        return (change.home is None or change.home in self.namespaces) and not change.kinds.isdisjoint(
            self.namespaced_kinds
        )


class _Part:
    """The objects of some kinds in one namespace, and the slices built from them."""

    __slots__ = ("members", "provider", "slices")

    def __init__(self) -> None:
        self.members: dict[str, Resource] = {}
        self.slices: dict[Path, bytes] = {}
        self.provider: Provider | None = None


class IndexSlices:
    """All index slices, updated by the keys of the objects they are built from."""

    def __init__(self, kinds: Iterable[str], *, join_subjects: bool, roles: RoleCoverage = FILES) -> None:
        """Keep the objects of `kinds` (see `kinds_to_index`), and RBAC if subjects are to be joined."""
        kinds = frozenset(kinds)
        self._roles = roles
        self._kinds = kinds - {SUBJECT}
        self._joins_subjects = join_subjects or SUBJECT in kinds
        self._grant_kinds = frozenset({SUBJECT}) & kinds
        self._parts: dict[_PartName, _Part] = {}
        self._contributions: dict[str, tuple[bytes, tuple[_PartName, ...]]] = {}
        """Digest of each object's contribution and the parts it belongs to, by key; absent without a contribution."""
        self._dirty: dict[_PartName, None] = {}
        self.subjects: list[Resource] = []
        """The RBAC subjects of all bindings, joined with binding and role."""
        self.has_new_subjects = False
        """True if the last call of `update` joined the subjects again."""

    @property
    def provider(self) -> Provider | None:
        """The managed platform, detected from a Node or a cloud provider's document."""
        providers = {bool(namespace): part.provider for (_, namespace), part in self._parts.items() if part.provider}
        return providers.get(False) or providers.get(True)

    @property
    def namespaces(self) -> list[str]:
        """The namespaces that have slices."""
        return [*dict.fromkeys(namespace for _, namespace in self._parts if namespace)]

    def put(self, key: str, resource: Resource) -> None:
        """Add `resource`, replacing the object under `key`."""
        unpacked = resource.unpack()
        digest = self._hash_contribution(unpacked)
        before = self._contributions.get(key)
        parts = self._list_parts(unpacked) if digest else ()
        if before is not None and before != (digest, parts):
            # Marks the parts that the object leaves: without a contribution it is in none.
            self.remove(key)
        if not digest:
            return
        for name in parts:
            self._parts.setdefault(name, _Part()).members[key] = resource.pack()
            if before != (digest, parts):
                self._dirty[name] = None
        self._contributions[key] = (digest, parts)

    def remove(self, key: str) -> None:
        """Remove the object under `key`."""
        _, parts = self._contributions.pop(key, (b"", ()))
        for name in parts:
            self._parts[name].members.pop(key, None)
            self._dirty[name] = None

    def update(self, gaps: Sequence[CoverageGap] = ()) -> list[SliceChange]:
        """Update the slices, with the present coverage `gaps`, and return the changes."""
        roles = RoleCoverage(self._roles.is_whole_cluster, tuple(gap for gap in gaps if gap.group == RBAC))
        if roles != self._roles and _GRANTS in self._parts:
            self._dirty[_GRANTS] = None
        self._roles = roles
        changes: dict[SliceChange, None] = {}
        self.has_new_subjects = _GRANTS in self._dirty
        for name in self._dirty:
            part = self._parts[name]
            before, part.slices = part.slices, self._build_slices(name, part)
            for path in before.keys() | part.slices.keys():
                old, new = before.get(path), part.slices.get(path)
                if old != new:
                    changes[_build_change(name, path, _find_changed_names(path, old, new))] = None
            if not part.members:
                del self._parts[name]
        self._dirty.clear()
        return [*changes]

    def build(self, query: SliceQuery) -> dict[str, Any]:
        """Build the value of `input.cluster` without its provider, limited to `query`; see `Index.build`."""
        index: dict[str, Any] = Index((), join_subjects=False).build()
        for name, part in self._parts.items():
            for path, text in part.slices.items():
                if query.includes(_build_change(name, path)):
                    _insert_slice(index, path, msgspec.Raw(text))
        return index

    def _hash_contribution(self, resource: Resource) -> bytes:
        """Return the digest of the resource's contribution to the slices; empty if it has none."""
        index = Index(self._kinds, join_subjects=False, roles=self._roles)
        index.add(resource)
        content = index.build()
        rbac = self._joins_subjects and resource.group == RBAC
        if content == _EMPTY_INDEX and not rbac and index.provider is None:
            return b""
        text = _encode([content, index.provider, resource.object if rbac else None])
        return hashlib.blake2b(text, digest_size=16).digest()

    def _list_parts(self, resource: Resource) -> tuple[_PartName, ...]:
        names = [(_find_family(resource), _find_part_namespace(resource))]
        if self._joins_subjects and resource.group == RBAC:
            names.append(_GRANTS)
        if not resource.kind_names.isdisjoint(_ROUTES & self._kinds):
            names.append(_ROUTED)
        return tuple(names)

    def _build_slices(self, name: _PartName, part: _Part) -> dict[Path, bytes]:
        kinds = {_GRANTS: self._grant_kinds, _ROUTED: self._kinds & _ROUTES}.get(name, self._kinds)
        index = Index(kinds, join_subjects=name == _GRANTS, roles=self._roles)
        # The API lists by name, and some rules read the first object of a kind. The sort is stable.
        for resource in sorted(part.members.values(), key=_sort_key):
            index.add(resource.unpack())
        content = index.build()
        part.provider = index.provider
        if name == _GRANTS:
            self.subjects = list(index.iterate_subjects())
            content = {"grants": content["grants"]}
        elif name == _ROUTED:
            content = {"routed": content["routed"]}
        else:
            del content["grants"], content["routed"], content["unchecked"]
            if name != _NODES:
                del content["nodes"]
        return {path: _encode(value) for path, value in _split_index(content)}


_EMPTY_INDEX: Final = Index((), join_subjects=False).build()


def find_home_namespace(resource: Resource) -> str:
    """Return the namespace whose slices rules read for `resource`: its own, or the one that a Namespace is."""
    if resource.kind == "Namespace" and not resource.group:
        return resource.name
    return resource.namespace_or_default


def _find_part_namespace(resource: Resource) -> str:
    """Return the namespace of the resource's part; empty for cluster-scoped resources.

    The index has pods of objects without a namespace among those of the default namespace.
    """
    is_namespace = resource.kind == "Namespace" and not resource.group
    is_namespaced = bool(resource.namespace) or is_namespace or pod_path(resource) is not None
    return find_home_namespace(resource) if is_namespaced else ""


def _find_family(resource: Resource) -> str:
    """Return the family of the resource's part: kinds that contribute to the same slices are together."""
    if pod_path(resource) is not None:
        return WORKLOAD
    if not resource.kind_names.isdisjoint(_POLICIES):
        return "policies"
    return f"{resource.group}/{resource.kind}"


def _sort_key(resource: Resource) -> tuple[str, str, str]:
    """Return the sort key for the order in which an API server lists objects."""
    return resource.group, resource.kind, f"{resource.namespace}/{resource.name}"


def _split_index(content: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Yield the slices of an index with their paths."""
    for family, value in content.items():
        if family in ("objects", "named", "custom_owners"):
            yield from _split_kinds(family, value)
        elif family == "grants":
            for field in _WHOLE_GRANTS:
                yield (family, field), value[field]
            for field in ("accounts", "namespaces", "bound", "roles"):
                yield from (((family, field, namespace), grants) for namespace, grants in value[field].items())
        else:
            yield from (((family, key), part) for key, part in value.items())


def _split_kinds(family: str, kinds: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Yield the slices of objects by namespace; Namespaces are cluster-scoped and split by name."""
    for kind, namespaces in kinds.items():
        for namespace, objects in namespaces.items():
            if kind != "Namespace":
                yield (family, kind, namespace), objects
            elif family == "named":
                yield from (((family, kind, namespace, name), same_name) for name, same_name in objects.items())
            else:
                yield from (((family, kind, namespace, Resource(content).name), content) for content in objects)


def _insert_slice(content: dict[str, Any], path: Path, value: msgspec.Raw) -> None:
    *owners, last = path
    if len(path) == 4 and path[0] == "objects":
        last = owners.pop()
        content.setdefault("objects", {}).setdefault(path[1], {}).setdefault(last, []).append(value)
        return
    parent = content
    for key in owners:
        parent = parent.setdefault(key, {})
    parent[last] = value


def _build_change(part: _PartName, path: Path, names: frozenset[str] | None = None) -> SliceChange:
    """Build the change of the slice at `path` of `part`."""
    kinds = _SOURCES.get(path[0]) or frozenset({path[1]})
    if part in (_GRANTS, _ROUTED):
        return SliceChange(kinds, None if path[1] in _WHOLE_GRANTS else path[-1], names)
    return SliceChange(kinds, None if path[0] == "enforcement" else part[1] or None, names)


def _find_changed_names(path: Path, before: bytes | None, after: bytes | None) -> frozenset[str] | None:
    """Return the changed names and label values (`key=value`) by which rules look up the slice; see `SliceChange`."""
    family, *keys = path
    if family not in _SEARCHED_BY_NAME:
        return frozenset()
    if family == "grants" and keys[0] not in ("accounts", "bound"):
        return None
    if len(keys) == len(("kind", "namespace", "name")):
        changed = {keys[-1]}
    else:
        old, new = (_decode_entries(text) if text else {} for text in (before, after))
        changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    if family == "selecting":
        return frozenset(name.partition("=")[2] for name in changed)
    return None if _IMPLICIT_NAME in changed else frozenset(changed)
