"""How an attacker could get from where he stands to what he wants: paths, what would break them, and priorities.

Values only; how they are found is in `attackpaths`. Nothing here says that an attack took place.
"""

from __future__ import annotations

import enum

import msgspec

from kubekeep.model.control import Control
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity


class NodeKind(enum.StrEnum):
    """What an attacker can hold, or come from."""

    INTERNET = "internet"
    """Anyone outside the cluster."""
    ENTRY = "entry"
    """What lets traffic in: a Service, an Ingress, a route."""
    WORKLOAD = "workload"
    """The containers of a workload."""
    PODS = "pods"
    """The containers of every pod of a namespace, or of the cluster."""
    ACCOUNT = "service account"
    ACCOUNTS = "service accounts"
    """Every service account of a namespace, or of the cluster."""
    SUBJECT = "subject"
    """A user or a group."""
    ROLE = "role"
    """A role, granted in a namespace or in the cluster."""
    HOST = "node"
    """A node of the cluster as root, or with the credentials of its kubelet."""
    SECRET = "secret"  # noqa: S105 - a kind of node, no password
    SECRETS = "secrets"
    """Every Secret of a namespace, or of the cluster."""
    DATA = "data"
    """A ConfigMap or a volume."""
    CLUSTER_ADMIN = "cluster-admin"
    """Whoever may do everything in the cluster."""


class AttackNode(msgspec.Struct, frozen=True, gc=False):
    """A place in the graph. `id` is unique in it; `label` is what people read, `Deployment shop/web`.

    `location` is where the object stands; None for what stands in no file.
    """

    id: str
    kind: NodeKind
    label: str
    location: Location | None = None


class EdgeKind(enum.StrEnum):
    """What takes an attacker from one node to the next."""

    EXPOSURE = "exposure"
    ESCAPE = "escape"
    """A container is no boundary to the node."""
    COLOCATION = "colocation"
    """Who holds a node holds the pods on it."""
    IDENTITY = "identity"
    """The token of a service account lies in a container."""
    MEMBERSHIP = "membership"
    """Kubernetes itself counts someone as a member of a group, or something as one of many."""
    BINDING = "binding"
    PERMISSION = "permission"
    """What a role allows leads there."""
    DATA = "data"
    """A container reads it."""


class Opening(msgspec.Struct, frozen=True):
    """One reason why an edge is there: a sentence part (`container web is privileged`), and what makes it so.

    `owner` is the object that makes it, as people read it, and `location` the place in it. `controls` fail there, so
    that what they ask for closes the opening. `assumes` is what the input does not tell and must hold too.
    """

    text: str
    owner: str = ""
    location: Location | None = None
    controls: tuple[Control, ...] = ()
    assumes: str = ""


class Edge(msgspec.Struct, frozen=True):
    """One step. It is gone only when all its openings are."""

    source: AttackNode
    target: AttackNode
    kind: EdgeKind
    openings: tuple[Opening, ...]

    @property
    def assumes(self) -> str:
        """What must hold for the step; empty if one of its openings needs nothing else."""
        assumed = [opening.assumes for opening in self.openings]
        return "" if not all(assumed) else assumed[0]


class AttackPath(msgspec.Struct, frozen=True):
    """A way from a source to a target, at least one edge long. `severity` is that of holding the target."""

    edges: tuple[Edge, ...]
    severity: Severity

    @property
    def source(self) -> AttackNode:
        """Where it starts."""
        return self.edges[0].source

    @property
    def target(self) -> AttackNode:
        """What it reaches."""
        return self.edges[-1].target

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the input does not tell and must hold for the path, without repetition."""
        return tuple(dict.fromkeys(edge.assumes for edge in self.edges if edge.assumes))

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls that fail along it, without repetition."""
        found = (control for edge in self.edges for opening in edge.openings for control in opening.controls)
        return tuple({control.slug: control for control in found}.values())


class Cut(msgspec.Struct, frozen=True):
    """An edge that is worth removing, with the places in `Attacks.paths` of the paths that are no more without it.

    `further` is how many paths it ends that are not listed. After `detours` of all these paths there is still another
    way to the same, longer or less sure. Of a list of cuts each counts what those before it leave.
    """

    edge: Edge
    paths: tuple[int, ...]
    further: int = 0
    detours: int = 0

    @property
    def count(self) -> int:
        """How many paths it ends."""
        return len(self.paths) + self.further


class TrackStep(msgspec.Struct, frozen=True):
    """A failed control at a step of an attack track. `category` is the name of the step."""

    control: Control
    category: str
    tags: tuple[str, ...]


class PriorityVector(msgspec.Struct, frozen=True):
    """One way through an attack track, a failed control at each step, with the score of Kubescape's prioritisation."""

    track: str
    steps: tuple[TrackStep, ...]
    score: float
    severity: Severity


class PrioritisedResource(msgspec.Struct, frozen=True):
    """A resource with all its ways through attack tracks; `score` is their sum, `severity` the worst of them.

    `left_out` is how many ways more there are that are neither listed nor counted.
    """

    resource: Resource
    vectors: tuple[PriorityVector, ...]
    score: float
    severity: Severity
    left_out: int = 0


class AttackQuery(msgspec.Struct, frozen=True):
    """Where paths start and where they end, by the names that people give them; without names, all that matters.

    Known are `internet`, `anonymous` and `authenticated` (anyone without or with any credentials), `cluster-admin`,
    `node`, `secrets`, and objects as `deployment/web` or `shop/deployment/web`. At most `limit` paths are listed.
    """

    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    limit: int = 100


ALL_PATHS = AttackQuery()
"""All that matters."""


class Attacks(msgspec.Struct, frozen=True):
    """What attackers could do: resources by priority, the highest score first, and paths, the worst first.

    `left_out` is how many paths more there are. `cuts` are the edges whose removal ends most paths, chosen one after
    the other, the best first. `notes` say what the input lacks, so that paths through it cannot be seen.
    """

    prioritised: tuple[PrioritisedResource, ...] = ()
    paths: tuple[AttackPath, ...] = ()
    left_out: int = 0
    cuts: tuple[Cut, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges of all paths, each once."""
        found = {(edge.source.id, edge.target.id): edge for path in self.paths for edge in path.edges}
        return tuple(found.values())

    @property
    def nodes(self) -> tuple[AttackNode, ...]:
        """The nodes of all paths, each once."""
        found = {node.id: node for path in self.paths for edge in path.edges for node in (edge.source, edge.target)}
        return tuple(found.values())
