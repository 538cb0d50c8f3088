"""The attack graph under construction: nodes by id, edges by their ends, and the openings of each edge.

Knows no kinds of resources. Locations and failed controls are looked up only for the edges of reported paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from kubekeep.attackpaths.objects import PlacedResource
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.attack import AttackNode, AttackNodeKind, Edge, EdgeKind, Opening
from kubekeep.model.control import Control
from kubekeep.model.finding import Status
from kubekeep.model.location import Path

MOST_EDGES: Final = 500_000
"""The limit of edges; a note reports that it was reached."""
EVERYWHERE: Final = "*"
"""The scope of the whole cluster, in place of a namespace."""


class Draft(msgspec.Struct, frozen=True, eq=False):
    """An opening of an edge: the resource, the path in it, and the slugs of controls that check this path.

    `also_evaluated` are other resources; a control that fails on all of them counts too, for example on a binding and
    its role.
    """

    text: str
    resource: PlacedResource | None = None
    path: Path = ()
    slugs: tuple[str, ...] = ()
    assumes: str = ""
    also_evaluated: tuple[PlacedResource, ...] = ()


class FailedControls:
    """Failed controls by resource; excepted evidence does not count."""

    def __init__(self, results: Iterable[ResourceResult], controls: Mapping[str, Control]) -> None:
        self._controls = controls
        self._own: dict[int, set[str]] = {}
        self._joined: dict[int, set[str]] = {}
        """The same for resources as parts of an RBAC subject with its binding and role."""
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

    def list_failed(self, draft: Draft) -> tuple[Control, ...]:
        """Return the controls of `draft` that fail on its resource, or on all of the `also_evaluated` ones."""
        own = self._own.get(id(draft.resource.original), set[str]()) if draft.resource else set[str]()
        parts = [self._list_slugs(resource) for resource in draft.also_evaluated]
        return tuple(
            self._controls[slug]
            for slug in draft.slugs
            if slug in own or (parts and all(slug in part for part in parts))
        )

    def _list_slugs(self, resource: PlacedResource) -> set[str]:
        key = id(resource.original)
        return self._own.get(key, set()) | self._joined.get(key, set())


class Graph:
    """Nodes and edges."""

    def __init__(self, failed: FailedControls) -> None:
        self.nodes: dict[str, AttackNode] = {}
        self.resources: dict[str, PlacedResource] = {}
        """The resources of nodes, by node id."""
        self.notes: list[str] = []
        self._failed = failed
        self._edges: dict[tuple[str, str], tuple[EdgeKind, list[Draft]]] = {}
        self.is_full = False
        """True if edges were left out."""

    def node(
        self, identity: str, kind: AttackNodeKind, label: str, resource: PlacedResource | None = None
    ) -> AttackNode:
        """Return the node with that id; creates it if missing."""
        node = self.nodes.get(identity)
        if node is None:
            node = self.nodes[identity] = AttackNode(identity, kind, label)
            if resource is not None:
                self.resources[identity] = resource
        return node

    def add(self, source: AttackNode, target: AttackNode, kind: EdgeKind, draft: Draft) -> None:
        """Add an opening to the edge from `source` to `target`; creates the edge if missing."""
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
        """Yield every edge: the ids of its ends, and True if it rests on an assumption."""
        for (source, target), (_, drafts) in self._edges.items():
            yield source, target, all(draft.assumes for draft in drafts)

    def kind(self, source: str, target: str) -> EdgeKind:
        """Return the kind of the edge between two nodes."""
        return self._edges[source, target][0]

    def edge(self, source: str, target: str) -> Edge:
        """Return the edge between two nodes for reports, with locations and failed controls."""
        kind, drafts = self._edges[source, target]
        ordered = sorted(drafts, key=lambda draft: bool(draft.assumes))
        openings = dict.fromkeys(map(self._opening, ordered))
        return Edge(self._locate(source), self._locate(target), kind, tuple(openings))

    def _opening(self, draft: Draft) -> Opening:
        resource = draft.resource
        return Opening(
            text=draft.text,
            owner=resource.label if resource else "",
            location=resource.original.locate(draft.path) if resource else None,
            controls=self._failed.list_failed(draft),
            assumes=draft.assumes,
        )

    def _locate(self, identity: str) -> AttackNode:
        resource = self.resources.get(identity)
        node = self.nodes[identity]
        return node if resource is None else msgspec.structs.replace(node, location=resource.original.locate(()))
