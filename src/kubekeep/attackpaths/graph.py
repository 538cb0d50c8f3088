"""The attack graph under construction: nodes by id, edges by their ends, and the openings of each edge.

Independent of kinds of resources. Locations and failed controls are looked up only for the edges of reported paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.attackpaths.objects import PlacedResource
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.attack import AttackNode, AttackNodeKind, Edge, EdgeKind, Opening
from kubekeep.model.control import Control
from kubekeep.model.location import Path
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Status

MAX_EDGES: Final = 500_000
"""The limit of edges; a note reports that it was reached."""
EVERYWHERE: Final = "*"
"""The scope of the whole cluster, in place of a namespace."""


class Draft(msgspec.Struct, frozen=True, eq=False):
    """An opening before its location and failed controls are looked up.

    `path` is the path in `resource`, `slugs` are the controls that check this path. A control counts as failed too if it
    fails on all resources in `also_evaluated`, for example on a binding and its role.
    """

    text: str
    resource: PlacedResource | None = None
    path: Path = ()
    slugs: tuple[str, ...] = ()
    assumes: str = ""
    also_evaluated: tuple[PlacedResource, ...] = ()


class FailedControls:
    """Failed controls by resource; excepted evidence does not count."""

    def __init__(self, results: Iterable[SubjectResult], controls: Mapping[str, Control]) -> None:
        self._controls = controls
        self._slugs_by_resource: dict[int, set[str]] = {}
        self._slugs_by_part: dict[int | str, set[str]] = {}
        """Failed controls of joined RBAC subjects, by binding and by role."""
        for result in results:
            failed = {
                slug
                for slug, verdict in result.verdicts.items()
                if verdict.status is Status.FAILED and verdict.unexcepted.evidence
            }
            if failed:
                self._slugs_by_resource.setdefault(id(result.subject), set()).update(failed)
                for part in result.subject.related:
                    self._slugs_by_part.setdefault(_build_part_key(part), set()).update(failed)

    def list_failed(self, draft: Draft) -> tuple[Control, ...]:
        """Return the controls of `draft` that fail on its resource, or on all of the `also_evaluated` ones."""
        failed = self._slugs_by_resource.get(id(draft.resource.original), set[str]()) if draft.resource else set[str]()
        failed_by_resource = [self._list_slugs(resource) for resource in draft.also_evaluated]
        return tuple(
            self._controls[slug]
            for slug in draft.slugs
            if slug in failed or (failed_by_resource and all(slug in part for part in failed_by_resource))
        )

    def _list_slugs(self, resource: PlacedResource) -> set[str]:
        slugs = self._slugs_by_resource.get(id(resource.original), set())
        return slugs | self._slugs_by_part.get(_build_part_key(resource.original), set())


def _build_part_key(part: Subject) -> int | str:
    """Return the key of a binding or role; subjects are joined with copies of aggregated roles."""
    return part.id if part.kind == "ClusterRole" and part.object.get("aggregationRule") else id(part)


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

    def ensure_node(
        self, identity: str, kind: AttackNodeKind, label: str, resource: PlacedResource | None = None
    ) -> AttackNode:
        """Return the node with the id `identity`, created if missing."""
        node = self.nodes.get(identity)
        if node is None:
            node = self.nodes[identity] = AttackNode(identity, kind, label)
            if resource is not None:
                self.resources[identity] = resource
        return node

    def add(self, source: AttackNode, target: AttackNode, kind: EdgeKind, draft: Draft) -> None:
        """Add an opening to the edge from `source` to `target`; creates the edge if missing.

        Does nothing for an edge from a node to itself, or a new edge beyond MAX_EDGES.
        """
        if source.id == target.id:
            return
        key = (source.id, target.id)
        if key not in self._edges and len(self._edges) >= MAX_EDGES:
            if not self.is_full:
                self.notes.append(f"the graph has more than {MAX_EDGES} edges: further edges were not evaluated")
            self.is_full = True
            return
        self._edges.setdefault(key, (kind, []))[1].append(draft)

    def has_edge(self, source: AttackNode, target: AttackNode) -> bool:
        """Return True if there is an edge from `source` to `target`."""
        return (source.id, target.id) in self._edges

    def iterate_edges(self) -> Iterator[tuple[str, str, bool]]:
        """Yield every edge: the ids of its ends, and True if it rests on an assumption."""
        for (source, target), (_, drafts) in self._edges.items():
            yield source, target, all(draft.assumes for draft in drafts)

    def list_openings(self, source: str, target: str) -> Sequence[Draft]:
        """Return the openings of the edge between two nodes."""
        return self._edges[source, target][1]

    def get_kind(self, source: str, target: str) -> EdgeKind:
        """Return the kind of the edge between two nodes."""
        return self._edges[source, target][0]

    def build_edge(self, source: str, target: str) -> Edge:
        """Return the edge between two nodes for reports, with locations and failed controls."""
        kind, drafts = self._edges[source, target]
        ordered = sorted(drafts, key=lambda draft: bool(draft.assumes))
        openings = dict.fromkeys(map(self._build_opening, ordered))
        return Edge(self._locate(source), self._locate(target), kind, tuple(openings))

    def _build_opening(self, draft: Draft) -> Opening:
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
