"""Who is granted which role where, and what the role allows: bindings, and the rules behind them.

A role is looked at once for each place where it holds, however many hold it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.assess.attack.graph import EVERYWHERE, Draft, Graph
from kubekeep.assess.attack.objects import Item, Objects, called, within
from kubekeep.assess.attack.places import Places
from kubekeep.assess.attack.rights import BUILT_IN, RBAC, Rules, rights
from kubekeep.assess.joins import account_of
from kubekeep.assess.matching import labels_of, selects
from kubekeep.assess.shapes import mapping, sequence
from kubekeep.library.admission import Selector
from kubekeep.model.attack import EdgeKind, Node, NodeKind

_SAME: Final = {"edit": "admin"}
_HARMLESS: Final = frozenset({"view"})
_ON_BINDINGS: Final = (
    "cluster-admin-bindings",
    "administrative-roles",
    "anonymous-bindings",
    "authenticated-group-roles",
)
"""Controls that ask who is granted much."""


class _Role(msgspec.Struct, frozen=True, eq=False):
    """A role as bindings name it: its rules, each with the object that it stands in."""

    label: str
    rules: Rules
    items: tuple[Item, ...]
    """By the place of a rule, the object it comes from; empty for a role that every cluster has."""
    first: int = 0


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
        self._looked_at: dict[str, bool] = {}
        self._unknown: set[str] = set()

    def add(self) -> None:
        """Add all of it."""
        for binding in (*self._objects.of("RoleBinding"), *self._objects.of("ClusterRoleBinding")):
            if binding.resource.group == RBAC:
                self._binding(binding)
        if self._unknown:
            names = ", ".join(sorted(self._unknown)[:3])
            more = len(self._unknown) - 3
            self._graph.notes.append(
                f"not in the input, so that what they allow is not known: {names}{f' and {more} more' if more > 0 else ''}"
            )

    def _binding(self, binding: Item) -> None:
        reference = mapping(binding.object.get("roleRef"))
        kind, name = str(reference.get("kind")), str(reference.get("name"))
        whole = binding.kind == "ClusterRoleBinding"
        if whole and kind != "ClusterRole":
            return
        scope = EVERYWHERE if whole else binding.namespace
        for role in self._named(kind, binding.namespace if kind == "Role" else "", name):
            target = self._granted(role, scope)
            if target is None:
                continue
            for number, subject in enumerate(sequence(binding.object.get("subjects"))):
                source = self._subject(mapping(subject), binding)
                if source is not None:
                    judged = (binding, *role.items[:1])
                    text = f"{binding.label} grants {'it' if target.kind is NodeKind.ROLE else role.label}"
                    draft = Draft(text, binding, ("subjects", number), _ON_BINDINGS, judged=judged)
                    self._graph.add(source, target, EdgeKind.BINDING, draft)

    def _subject(self, subject: Mapping[str, Any], binding: Item) -> Node | None:
        account = account_of(subject, msgspec.structs.replace(binding.resource, object=binding.object))
        if account is not None:
            return self._places.account(*account)
        kind, name = subject.get("kind"), subject.get("name")
        return self._places.subject(str(kind), str(name)) if kind in ("User", "Group") and name else None

    def _named(self, kind: str, namespace: str, name: str) -> list[_Role]:
        """The roles of that name: files may define several. Those that every cluster has need not be in the input."""
        found = self._roles.get((kind, namespace, name), [])
        if found:
            return [self._read(item) for item in found]
        known = BUILT_IN.get(_SAME.get(name, name)) if kind == "ClusterRole" else None
        if known is not None:
            return [_Role(f"{kind} {name}", Rules(known), ())]
        if kind != "ClusterRole" or name not in _HARMLESS:
            self._unknown.add(called(kind, namespace, name) if namespace else f"{kind} {name}")
        return []

    def _read(self, item: Item) -> _Role:
        rules = sequence(item.object.get("rules"))
        pairs = [(rule, item) for rule in rules]
        if item.object.get("aggregationRule"):
            pairs = [(rule, part) for part in self._parts(item) for rule in sequence(part.object.get("rules"))]
        return _Role(item.label, Rules([rule for rule, _ in pairs]), tuple(owner for _, owner in pairs))

    def _parts(self, item: Item) -> Iterable[Item]:
        """The roles that a ClusterRole is put together from (Kubernetes docs, RBAC, Aggregated ClusterRoles)."""
        selectors = []
        for found in sequence(mapping(item.object.get("aggregationRule")).get("clusterRoleSelectors")):
            try:
                selectors.append(msgspec.convert(mapping(found), Selector))
            except msgspec.ValidationError:
                continue
        for part in self._objects.of("ClusterRole"):
            if any(selects(selector, labels_of(part.object)) for selector in selectors):
                yield part

    def _granted(self, role: _Role, scope: str) -> Node | None:
        """The node of a role where it holds, or cluster-admin for one that allows everything; None if it leads nowhere."""
        if role.rules.everything is not None and scope == EVERYWHERE:
            return self._places.admin
        where = "in the cluster" if scope == EVERYWHERE else within(scope)
        owner = role.items[0].resource.id if role.items else role.label
        identity = f"role:{owner}@{scope}"
        if identity not in self._looked_at:
            self._looked_at[identity] = self._look(role, scope, identity, f"{role.label} {where}")
        return self._graph.nodes[identity] if self._looked_at[identity] else None

    def _look(self, role: _Role, scope: str, identity: str, label: str) -> bool:
        """Add what the role allows; whether that is anything."""
        found: Sequence[Any] = [*rights(role.rules, scope, self._places)]
        if not found:
            return False
        node = self._graph.node(identity, NodeKind.ROLE, label, role.items[0] if role.items else None)
        for right in found:
            item = role.items[right.rule] if role.items else None
            path = ("rules", self._place(role, right.rule))
            draft = Draft(right.text, item, path, right.slugs, right.assumes, judged=role.items[:1])
            self._graph.add(node, right.target, EdgeKind.PERMISSION, draft)
        return True

    @staticmethod
    def _place(role: _Role, rule: int) -> int:
        """The place of a rule in the object that it comes from."""
        return rule - role.items.index(role.items[rule]) if role.items else rule
