"""Who is granted which role where, and what the role allows: bindings, and the rules behind them.

A role is looked at once for each place where it holds, however many hold it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.attackpaths import cited
from kubekeep.attackpaths.graph import EVERYWHERE, Draft, Graph
from kubekeep.attackpaths.objects import Item, Objects, absent_label, few, selector_of, within
from kubekeep.attackpaths.places import Places
from kubekeep.attackpaths.rights import BUILT_IN, RBAC, Rules, rights
from kubekeep.model.attack import AttackNode, AttackNodeKind, EdgeKind
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.label_selector import get_labels, selects
from kubekeep.posture.joins import find_account

_SAME: Final = {"edit": "admin"}
_PARTS: Final = {"admin": ("admin", "edit", "view"), "edit": ("edit", "view"), "view": ("view",)}
"""By which endings of a label other roles are made part of these (Kubernetes docs, RBAC, user-facing roles)."""
_AGGREGATE: Final = "rbac.authorization.k8s.io/aggregate-to-"
_HARMLESS: Final = frozenset({"view"})


class _Role(msgspec.Struct, frozen=True, eq=False):
    """A role as bindings name it, with its rules.

    `item` is the object; None for a role that every cluster has. `origins` are, for each rule, the object that it
    stands in and its place there.
    """

    label: str
    rules: Rules
    item: Item | None = None
    origins: tuple[tuple[Item | None, int], ...] = ()


class Granted:
    """Puts into a graph what subjects are granted."""

    def __init__(self, objects: Objects, graph: Graph, places: Places) -> None:
        self._objects = objects
        self._graph = graph
        self._places = places
        self._roles: dict[tuple[str, str, str], list[Item]] = {}
        for kind in ("Role", "ClusterRole"):
            for item in objects.of(kind):
                self._roles.setdefault((kind, item.namespace, item.name), []).append(item)
        self._read_roles: dict[int, _Role] = {}
        self._looked_at: dict[str, bool] = {}
        self._unknown: set[str] = set()

    def add(self) -> None:
        """Add all of it."""
        for binding in (*self._objects.of("RoleBinding"), *self._objects.of("ClusterRoleBinding")):
            if binding.resource.group == RBAC:
                self._binding(binding)
        if self._unknown:
            names = few(self._unknown)
            self._graph.notes.append(f"not in the input, so that what they allow is not known: {names}")

    def _binding(self, binding: Item) -> None:
        reference = as_mapping(binding.object.get("roleRef"))
        kind, name = str(reference.get("kind")), str(reference.get("name"))
        whole = binding.kind == "ClusterRoleBinding"
        if whole and kind != "ClusterRole":
            return
        scope = EVERYWHERE if whole else binding.namespace
        for role in self._named(kind, binding.namespace if kind == "Role" else "", name):
            target = self._granted(role, scope)
            if target is None:
                continue
            for number, subject in enumerate(as_list(binding.object.get("subjects"))):
                source = self._subject(as_mapping(subject), binding)
                if source is not None:
                    judged = (binding, role.item) if role.item else (binding,)
                    text = f"{binding.label} grants {'it' if target.kind is AttackNodeKind.ROLE else role.label}"
                    slugs = (*cited.GRANTED, *(cited.WILD if target.kind is AttackNodeKind.CLUSTER_ADMIN else ()))
                    draft = Draft(text, binding, ("subjects", number), slugs, judged=judged)
                    self._graph.add(source, target, EdgeKind.BINDING, draft)

    def _subject(self, subject: Mapping[str, Any], binding: Item) -> AttackNode | None:
        account = find_account(subject, msgspec.structs.replace(binding.resource, content=binding.object))
        if account is not None:
            return self._places.account(*account)
        kind, name = subject.get("kind"), subject.get("name")
        return self._places.subject(str(kind), str(name)) if kind in ("User", "Group") and name else None

    def _named(self, kind: str, namespace: str, name: str) -> list[_Role]:
        """The roles of that name: files may define several. Those that every cluster has need not be in the input."""
        found = self._roles.get((kind, namespace, name), [])
        if found:
            return [self._read(item) for item in found]
        known = BUILT_IN.get(_SAME.get(name, name), ()) if kind == "ClusterRole" else ()
        added = [*self._added(name)] if kind == "ClusterRole" else []
        if known or added:
            origins = (*((None, 0) for _ in known), *((item, place) for _, item, place in added))
            return [_Role(f"{kind} {name}", Rules([*known, *(rule for rule, _, _ in added)]), origins=origins)]
        if kind != "ClusterRole" or name not in _HARMLESS:
            self._unknown.add(absent_label(kind, namespace, name))
        return []

    def _added(self, name: str) -> Iterator[tuple[Any, Item, int]]:
        """The rules that other roles of the input add, by their labels, to one that every cluster has."""
        wanted = {f"{_AGGREGATE}{part}" for part in _PARTS.get(name, ())}
        for item in self._objects.of("ClusterRole"):
            if any(get_labels(item.object).get(label) == "true" for label in wanted):
                yield from ((rule, item, place) for place, rule in enumerate(as_list(item.object.get("rules"))))

    def _read(self, item: Item) -> _Role:
        known = self._read_roles.get(id(item))
        if known is None:
            known = self._read_roles[id(item)] = self._as_role(item)
        return known

    def _as_role(self, item: Item) -> _Role:
        # A cluster has filled in the rules already, files have not.
        is_empty = item.object.get("aggregationRule") and not as_list(item.object.get("rules"))
        owners = self._parts(item) if is_empty else (item,)
        found = [
            (rule, owner, place) for owner in owners for place, rule in enumerate(as_list(owner.object.get("rules")))
        ]
        rules = Rules([rule for rule, _, _ in found])
        return _Role(item.label, rules, item, tuple((owner, place) for _, owner, place in found))

    def _parts(self, item: Item) -> Iterable[Item]:
        """The roles that a ClusterRole is put together from (Kubernetes docs, RBAC, Aggregated ClusterRoles)."""
        listed = as_list(as_mapping(item.object.get("aggregationRule")).get("clusterRoleSelectors"))
        selectors = [selector_of(as_mapping(found)) for found in listed]
        for part in self._objects.of("ClusterRole"):
            if any(selector and selects(selector, get_labels(part.object)) for selector in selectors):
                yield part

    def _granted(self, role: _Role, scope: str) -> AttackNode | None:
        """The node of a role where it holds, cluster-admin for one that allows everything; None if it leads nowhere."""
        if role.rules.allow_everything and scope == EVERYWHERE:
            return self._places.admin
        identity = f"role:{role.item.resource.id if role.item else role.label}@{scope}"
        if identity not in self._looked_at:
            self._looked_at[identity] = self._look(role, scope, identity)
        return self._graph.nodes[identity] if self._looked_at[identity] else None

    def _look(self, role: _Role, scope: str, identity: str) -> bool:
        """Add what the role allows there; whether that is anything."""
        found = [*rights(role.rules, scope, self._places)]
        if not found:
            return False
        where = " in the cluster" if scope == EVERYWHERE else f" {within(scope)}"
        label = role.label if role.item and role.item.kind == "Role" else f"{role.label}{where}"
        node = self._graph.node(identity, AttackNodeKind.ROLE, label, role.item)
        for right in found:
            item, place = role.origins[right.rule] if role.origins else (None, 0)
            # Without its wildcard a rule may still allow it, but then somebody has to write so.
            slugs = (*right.slugs, *(cited.WILD if role.rules.is_wild(right.rule) else ()))
            judged = (role.item,) if role.item else ()
            draft = Draft(right.text, item, ("rules", place), slugs, right.assumes, judged)
            self._graph.add(node, right.target, EdgeKind.PERMISSION, draft)
        return True
