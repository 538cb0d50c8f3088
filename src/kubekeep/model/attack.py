"""Attack paths from entry points to targets, the changes that break them, and priorities of resources.

Values only; the search is in `attackpaths`. A path is a possibility, not evidence of an attack.
"""

from __future__ import annotations

import enum

import msgspec

from kubekeep.model.control import Control
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity


class AttackNodeKind(enum.StrEnum):
    """Kind of a node: a position an attacker can hold or start from."""

    INTERNET = "internet"
    """Any client outside the cluster."""
    ENTRY = "entry"
    """An object that admits traffic: a Service, an Ingress, a route."""
    IMAGE = "image"
    """A container that runs an image with urgent vulnerabilities."""
    WORKLOAD = "workload"
    """The containers of a workload."""
    PODS = "pods"
    """The containers of all pods in a namespace or the cluster."""
    ACCOUNT = "service account"
    ACCOUNTS = "service accounts"
    """All service accounts of a namespace or the cluster."""
    SUBJECT = "subject"
    """A user or a group."""
    ROLE = "role"
    """A role, granted in a namespace or the cluster."""
    HOST = "node"
    """A node of the cluster as root, or with the credentials of its kubelet."""
    SECRET = "secret"  # noqa: S105 - a kind of node, no password
    SECRETS = "secrets"
    """All Secrets of a namespace or the cluster."""
    DATA = "data"
    """A ConfigMap or a volume."""
    CLUSTER_ADMIN = "cluster-admin"
    """Unrestricted permissions in the cluster."""


class AttackNode(msgspec.Struct, frozen=True, gc=False):
    """A node of the attack graph. `id` is unique in it; `label` is the display name, `Deployment shop/web`.

    `location` is the location of the object; None if it comes from no file.
    """

    id: str
    kind: AttackNodeKind
    label: str
    location: Location | None = None


class EdgeKind(enum.StrEnum):
    """Kind of a step from one node to the next."""

    EXPOSURE = "exposure"
    VULNERABILITY = "vulnerability"
    """A vulnerability of the image may give control of the container."""
    ESCAPE = "escape"
    """A container that does not isolate its processes from the node."""
    COLOCATION = "colocation"
    """Control of a node includes the pods on it."""
    IDENTITY = "identity"
    """The token of a service account is mounted in a container."""
    MEMBERSHIP = "membership"
    """Kubernetes treats the subject as a member of a group, or the object as one of many."""
    BINDING = "binding"
    PERMISSION = "permission"
    """A role permits the step."""
    DATA = "data"
    """A container reads the data."""


class Opening(msgspec.Struct, frozen=True):
    """One reason for an edge: a clause (`container web is privileged`) and its cause.

    `owner` is the display name of the object that causes it, and `location` the location in that object. `controls`
    fail there; fixing them removes the opening. `assumes` is a precondition that the input does not confirm.
    """

    text: str
    owner: str = ""
    location: Location | None = None
    controls: tuple[Control, ...] = ()
    assumes: str = ""


class Edge(msgspec.Struct, frozen=True):
    """One step. Removed only when all its openings are."""

    source: AttackNode
    target: AttackNode
    kind: EdgeKind
    openings: tuple[Opening, ...]

    @property
    def assumes(self) -> str:
        """Precondition of the step; empty if one of its openings has none."""
        assumed = [opening.assumes for opening in self.openings]
        return "" if not all(assumed) else assumed[0]


class AttackPath(msgspec.Struct, frozen=True):
    """A path from a source to a target of at least one edge. `severity` is the severity of controlling the target."""

    edges: tuple[Edge, ...]
    severity: Severity

    @property
    def source(self) -> AttackNode:
        """The entry point."""
        return self.edges[0].source

    @property
    def target(self) -> AttackNode:
        """The last node."""
        return self.edges[-1].target

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Preconditions of all steps that the input does not confirm, without repetition."""
        return tuple(dict.fromkeys(edge.assumes for edge in self.edges if edge.assumes))

    @property
    def controls(self) -> tuple[Control, ...]:
        """Failed controls along the path, without repetition."""
        controls = (control for edge in self.edges for opening in edge.openings for control in opening.controls)
        return tuple({control.slug: control for control in controls}.values())


class Cut(msgspec.Struct, frozen=True):
    """An edge worth removing. `paths` are the indexes in `Attacks.paths` of the paths that this breaks.

    `unlisted_path_count` is the number of broken paths that are not listed. `detours` is the number of all these paths that have an
    alternative to the same target, longer or less certain. Each cut in a list counts only the paths that the cuts
    before it do not break.
    """

    edge: Edge
    paths: tuple[int, ...]
    unlisted_path_count: int = 0
    detours: int = 0

    @property
    def count(self) -> int:
        """The number of paths it breaks."""
        return len(self.paths) + self.unlisted_path_count


class TrackStep(msgspec.Struct, frozen=True):
    """A failed control at a step of an attack track. `category` is the name of the step."""

    control: Control
    category: str
    tags: tuple[str, ...]


class PriorityVector(msgspec.Struct, frozen=True):
    """A path through an attack track, a failed control at each step, with the score of Kubescape's prioritisation."""

    track: str
    steps: tuple[TrackStep, ...]
    score: float
    severity: Severity


class PrioritisedResource(msgspec.Struct, frozen=True):
    """A resource with its vectors through attack tracks; `score` is their sum, `severity` the highest of them.

    `unlisted_vector_count` is the number of further vectors, neither listed nor counted.
    """

    resource: Resource
    vectors: tuple[PriorityVector, ...]
    score: float
    severity: Severity
    unlisted_vector_count: int = 0


class AttackQuery(msgspec.Struct, frozen=True):
    """Names of the entry points and targets of the paths to search for; empty for all relevant ones.

    Valid names are `internet`, `anonymous` and `authenticated` (clients without or with any credentials),
    `cluster-admin`, `node`, `secrets`, and objects as `deployment/web` or `shop/deployment/web`. At most `limit` paths
    are listed. With `images`, paths from the internet lead through vulnerabilities of images only.
    """

    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    limit: int = 100
    images: bool = False


ALL_PATHS = AttackQuery()
"""The query for all relevant entry points and targets."""


class Attacks(msgspec.Struct, frozen=True):
    """Result of the attack path analysis: resources by descending priority score, and paths, highest severity first.

    `unlisted_path_count` is the number of further paths. `is_from_outside`: the paths start outside the cluster, as the query
    names no source. `escaping` are names for `AttackQuery.sources`: the workloads that do not isolate their processes from
    the node, if no path was found from outside. `cuts` are the edges that break most paths, chosen one after the other,
    best first. `notes` list missing input, so that paths through it cannot be detected.
    """

    prioritised: tuple[PrioritisedResource, ...] = ()
    paths: tuple[AttackPath, ...] = ()
    unlisted_path_count: int = 0
    cuts: tuple[Cut, ...] = ()
    is_from_outside: bool = True
    escaping: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The distinct edges of all paths."""
        edges = {(edge.source.id, edge.target.id): edge for path in self.paths for edge in path.edges}
        return tuple(edges.values())

    @property
    def nodes(self) -> tuple[AttackNode, ...]:
        """The distinct nodes of all paths."""
        nodes = {node.id: node for path in self.paths for edge in path.edges for node in (edge.source, edge.target)}
        return tuple(nodes.values())
