"""The graph while it grows: nodes by id, edges by their ends, and everything on an edge that opens it.

Knows no object and no rule. Places and failing controls are looked up only for the edges that a path takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from kubekeep.attackpaths.objects import Item
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.attack import AttackNode, AttackNodeKind, Edge, EdgeKind, Opening
from kubekeep.model.control import Control
from kubekeep.model.finding import Status
from kubekeep.model.location import Path

MOST_EDGES: Final = 500_000
"""Beyond that no edge is added, and a note says so."""
EVERYWHERE: Final = "*"
"""Stands for the whole cluster where a namespace is expected."""


class Draft(msgspec.Struct, frozen=True, eq=False):
    """An opening as it is found: the object that makes it, the path in it, and slugs of controls that look at that.

    `judged` are other objects on all of which a control may fail instead of on `item`: a binding with its role.
    """

    text: str
    item: Item | None = None
    path: Path = ()
    slugs: tuple[str, ...] = ()
    assumes: str = ""
    judged: tuple[Item, ...] = ()


class Failing:
    """Which controls fail on which object; waived evidence does not count."""

    def __init__(self, results: Iterable[ResourceResult], controls: Mapping[str, Control]) -> None:
        self._controls = controls
        self._own: dict[int, set[str]] = {}
        self._joined: dict[int, set[str]] = {}
        """The same for objects as parts of an RBAC subject with its binding and role."""
        for result in results:
            failed = {
                slug
                for slug, verdict in result.verdicts.items()
                if verdict.status is Status.FAILED and verdict.unexcepted.evidence
            }
            if failed:
                self._own.setdefault(id(result.resource), set()).update(failed)
                for part in result.resource.related:
                    self._joined.setdefault(id(part), set()).update(failed)

    def of(self, draft: Draft) -> tuple[Control, ...]:
        """The controls that `draft` names and that fail on its object, or on all that it says have to be judged."""
        own = self._own.get(id(draft.item.resource), set[str]()) if draft.item else set[str]()
        parts = [self._of_either(item) for item in draft.judged]
        return tuple(
            self._controls[slug]
            for slug in draft.slugs
            if slug in own or (parts and all(slug in part for part in parts))
        )

    def _of_either(self, item: Item) -> set[str]:
        key = id(item.resource)
        return self._own.get(key, set()) | self._joined.get(key, set())


class Graph:
    """Nodes and edges."""

    def __init__(self, failing: Failing) -> None:
        self.nodes: dict[str, AttackNode] = {}
        self.items: dict[str, Item] = {}
        """The objects that nodes stand for, by the ids of these."""
        self.notes: list[str] = []
        self._failing = failing
        self._edges: dict[tuple[str, str], tuple[EdgeKind, list[Draft]]] = {}
        self.is_full = False
        """Whether edges were left out."""

    def node(self, identity: str, kind: AttackNodeKind, label: str, item: Item | None = None) -> AttackNode:
        """The node of that identity, made if there is none."""
        found = self.nodes.get(identity)
        if found is None:
            found = self.nodes[identity] = AttackNode(identity, kind, label)
            if item is not None:
                self.items[identity] = item
        return found

    def add(self, source: AttackNode, target: AttackNode, kind: EdgeKind, draft: Draft) -> None:
        """Open the edge from `source` to `target`; what opens one edge several times is all on it."""
        if source.id == target.id:
            return
        key = (source.id, target.id)
        if key not in self._edges and len(self._edges) >= MOST_EDGES:
            if not self.is_full:
                self.notes.append(f"the graph has more than {MOST_EDGES} edges: what lies beyond was not looked at")
            self.is_full = True
            return
        self._edges.setdefault(key, (kind, []))[1].append(draft)

    def steps(self) -> Iterator[tuple[str, str, bool]]:
        """Every edge: the ids of its ends, and whether it rests on an assumption."""
        for (source, target), (_, drafts) in self._edges.items():
            yield source, target, all(draft.assumes for draft in drafts)

    def kind(self, source: str, target: str) -> EdgeKind:
        """What kind of step leads from one node to another."""
        return self._edges[source, target][0]

    def edge(self, source: str, target: str) -> Edge:
        """The edge between two nodes as reports see it, with places and with the controls that fail."""
        kind, drafts = self._edges[source, target]
        ordered = sorted(drafts, key=lambda draft: bool(draft.assumes))
        openings = dict.fromkeys(map(self._opening, ordered))
        return Edge(self._placed(source), self._placed(target), kind, tuple(openings))

    def _opening(self, draft: Draft) -> Opening:
        item = draft.item
        return Opening(
            text=draft.text,
            owner=item.label if item else "",
            location=item.resource.locate(draft.path) if item else None,
            controls=self._failing.of(draft),
            assumes=draft.assumes,
        )

    def _placed(self, identity: str) -> AttackNode:
        item = self.items.get(identity)
        node = self.nodes[identity]
        return node if item is None else msgspec.structs.replace(node, location=item.resource.locate(()))
