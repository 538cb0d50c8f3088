"""The live cluster of a scan: what is wanted of it, its objects, and what it did not show. Never judges those."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.kube.access import ClusterRequest
from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.discovery import Catalogue, ServerVersion, discover, get_server_version
from kubekeep.kube.errors import FORBIDDEN, ApiError, KubeError
from kubekeep.kube.listing import ListQuery
from kubekeep.kube.review import Permission, review_permissions
from kubekeep.kube.watching import WatchTiming
from kubekeep.library.params import CONTROL_INPUT
from kubekeep.model.cloud import CloudRequest
from kubekeep.model.cluster import RBAC_KINDS, ClusterFacts, CoverageGap, expand_kind_names
from kubekeep.model.control import SUBJECT, WORKLOAD, Control, Provider
from kubekeep.model.distribution import OPENSHIFT, detect_distribution, detect_provider
from kubekeep.model.resource import Resource
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.posture.choice import Chooser
from kubekeep.posture.index import provider_of
from kubekeep.posture.isolation import CILIUM_CLUSTERWIDE, CILIUM_POLICY, NETWORK_POLICY, OTHER_POLICIES
from kubekeep.posture.reach import judges_nothing, wide
from kubekeep.posture.routes import ROUTES
from kubekeep.posture.select import Selection
from kubekeep.posture.workload import parse_workload
from kubekeep.sources.cloud.identity import ClusterHints
from kubekeep.sources.cluster import kubelets
from kubekeep.sources.cluster.collect import Collection
from kubekeep.sources.cluster.definitions import DefinitionWatch, list_definition_queries
from kubekeep.sources.cluster.follower import ClusterFollower
from kubekeep.sources.cluster.host_data import GROUP as HOST_DATA
from kubekeep.sources.cluster.kubelets import KubeletConfigurations
from kubekeep.sources.cluster.plan import ListTask, split_by_namespace
from kubekeep.sources.cluster.scope import MAX_NAMESPACE_QUERIES, ClusterScope, NamespaceSelection
from kubekeep.usecases.cloud import described_live

WATCH: Final = "watch"
"""The verb of who follows."""
SETTINGS: Final = frozenset({CONTROL_INPUT})
"""What says how a cluster wants to be judged."""
_POLICIES: Final = frozenset({"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"})
_ALWAYS: Final = frozenset(
    {
        "Namespace",
        "Node",
        *_POLICIES,
        "kubescape.io/ClusterSecurityException",
        "kubescape.io/SecurityException",
    }
)
"""What tells about everything else: its labels, the platform, what is enforced, and what is accepted."""
_OF_NAMESPACES: Final = frozenset({"Namespace", "kubescape.io/SecurityException"})
"""What of that tells of its own namespace alone."""
_TOLD: Final = frozenset({"Node", *_POLICIES})
"""What of that reports tell of where it is shown."""
RELATED: Final = frozenset(
    {
        WORKLOAD,
        SUBJECT,
        *RBAC_KINDS,
        *ROUTES,
        NETWORK_POLICY,
        CILIUM_POLICY,
        CILIUM_CLUSTERWIDE,
        *OTHER_POLICIES,
        "ConfigMap",
        "Gateway",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "ReferenceGrant",
        "Secret",
        "Service",
        "ServiceAccount",
    }
)
"""What leads from a workload to others, and to who may do what."""
VERSIONS: Final = Permission("list", OPENSHIFT, "clusterversions")
"""What OpenShift tells its version by, wherever it is; who may not see it misses nothing but that."""


class _Release(msgspec.Struct, frozen=True):
    version: str = ""
    state: str = ""


class _VersionStatus(msgspec.Struct, frozen=True):
    desired: _Release = _Release()
    history: tuple[_Release, ...] = ()


class _ClusterVersion(msgspec.Struct, frozen=True):
    """What OpenShift says of its version (config.openshift.io/v1, ClusterVersion); there is one."""

    status: _VersionStatus = _VersionStatus()


class _ClusterVersions(msgspec.Struct, frozen=True):
    items: tuple[_ClusterVersion, ...] = ()


class LiveCluster:
    """One cluster while it is being scanned."""

    def __init__(self, request: ClusterRequest, connection: KubeConnection, cloud: CloudRequest | None = None) -> None:
        """Ask for its version and what it serves. Raises KubeError if it cannot be reached.

        With `cloud`, what its cloud tells of it is among its objects.
        """
        self._request = request
        self._connection = connection
        self._cloud = cloud
        self._version: ServerVersion = get_server_version(connection)
        self._serves(discover(connection))
        # Facts are asked for when the connection has ended.
        self._openshift = openshift_version(connection) if OPENSHIFT in self._groups else ""
        self.gaps: list[CoverageGap] = []
        self.absent: list[str] = []
        self._nodes = 0
        self._node: dict[str, Any] | None = None
        """The Node that tells most of the platform: the first of a managed one, or else the first."""
        self._provider: Provider | None = None

    def _serves(self, catalogue: Catalogue) -> None:
        """Take note of what it serves by now."""
        self._catalogue = catalogue
        self._groups = {served.group for served in catalogue.kinds}
        self._inside: dict[str, bool] = {}
        """What controls call the kinds, and whether one of those is in namespaces, or Namespace."""
        for served in catalogue.kinds:
            for name in expand_kind_names(served.group, served.kind):
                is_inside = served.namespaced or served.kind == "Namespace"
                self._inside[name] = self._inside.get(name, False) or is_inside

    @property
    def minor(self) -> int | None:
        """Its minor version, where it tells one."""
        return self._version.minor_number

    def settings(self, *, policies: bool) -> list[Resource]:
        """The objects that say how the cluster wants to be judged; with `policies`, its admission policies too."""
        return list(self._collected(ClusterScope(kinds=SETTINGS | _POLICIES if policies else SETTINGS)))

    def resources(self, selection: Selection, choice: ResourceSelection, *, everything: bool) -> Iterator[Resource]:
        """What the controls of `selection` look at and compare with; with `everything`, all that leads anywhere.

        What is not shown is among `gaps` when they have ended.
        """
        needed = self._wanted(selection, choice, everything=everything)
        nodes: list[str] = []
        for resource in self._collected(needed, judged(choice)):
            if resource.kind == "Node" and not resource.group:
                nodes.append(resource.name)
                self._note(resource.object)
            yield resource
        self._nodes += len(nodes)
        if self._asks_kubelets(needed):
            found = KubeletConfigurations(self._request, nodes)
            yield from found
            self.gaps += (*found.gaps, *kubelets.list_unqueried(self.gaps))
        if self._cloud is not None:
            yield from self._described(self._cloud, needed)

    def _note(self, node: dict[str, Any]) -> None:
        platform = detect_provider(node)
        if self._node is None or (self._provider is None and platform is not None):
            self._node = node
        self._provider = self._provider or platform

    def _described(self, cloud: CloudRequest, needed: ClusterScope) -> Iterator[Resource]:
        """What its cloud tells of it."""
        hints = ClusterHints(self._request.access, self._node)
        for item in described_live(cloud, hints, self._connection, needed.kinds):
            if isinstance(item, CoverageGap):
                self.gaps.append(item)
                continue
            resource = Resource(item)
            self._provider = self._provider or provider_of(resource)
            yield resource

    def follow(self, selection: Selection, choice: ResourceSelection, pace: WatchTiming) -> ClusterFollower:
        """The same objects as they come, change and go, and those of `settings`; what is missing is its affair."""
        return ClusterFollower(self._connection, *self._followed(selection, choice), pace, judged(choice))

    def definitions(self, pace: WatchTiming) -> DefinitionWatch:
        """What tells that other kinds may be served than when this connection began."""
        return DefinitionWatch(self._connection, self._catalogue, pace)

    @property
    def is_closed(self) -> bool:
        """Whether nothing comes of it any more: what is followed has ended then, and does not say so."""
        return self._connection.is_closed

    def interrupt(self) -> None:
        """Let all that is followed be taken up anew: the network may be another one."""
        self._connection.interrupt()

    def look(
        self, selection: Selection, choice: ResourceSelection, following: ClusterFollower, *, routine: bool
    ) -> None:
        """Let what is followed be what the cluster serves, or shows, by now, and know its version. Raises KubeError.

        An API server that has just been started does not know all that it serves: unless this is a `routine`, what is
        being followed all the same is not taken for gone.
        """
        version = get_server_version(self._connection)
        if version.fields:
            # Who may not ask for it any more knows it from before.
            self._version = version
        self._serves(discover(self._connection))
        planned, gaps = self._followed(selection, choice)
        if not routine:
            planned += following.list_retained(planned)
        if not following.has_tasks(planned, gaps):
            following.replace_tasks(planned, gaps)

    def _followed(self, selection: Selection, choice: ResourceSelection) -> tuple[list[ListTask], list[CoverageGap]]:
        """What is to be followed, and what is missing then: what one may not follow everywhere is in some namespaces."""
        collection = self._planned(selection, choice, everything=False)
        planned = collection.plan_tasks()
        few = collection.namespaces if len(collection.namespaces) <= MAX_NAMESPACE_QUERIES else ()
        # What says how the cluster is to be judged counts wherever it is.
        inner = {task: split_by_namespace(task, few) if task.names.isdisjoint(SETTINGS) else [] for task in planned}
        asked = {
            task: _taking(task, ("list", WATCH))
            for tasks in inner.items()
            if tasks[1]
            for task in (tasks[0], *tasks[1])
        }
        granted = self._granted([one for ones in asked.values() for one in ones])
        lacks = {task: [one for one in ones if not granted.get(one, True)] for task, ones in asked.items()}
        found, gaps = _instead(inner, lacks)
        return found, [*collection.gaps, *gaps]

    def _granted(self, asked: Iterable[Permission]) -> dict[Permission, bool]:
        """Which permissions are; nothing for who may not even ask, as he is told of every refusal. Raises KubeError."""
        try:
            return review_permissions(self._connection, asked)
        except ApiError as error:
            if error.status != FORBIDDEN:
                raise
            return {}

    def _planned(self, selection: Selection, choice: ResourceSelection, *, everything: bool) -> Collection:
        needed = self._wanted(selection, choice, everything=everything)
        needed = msgspec.structs.replace(needed, kinds=needed.kinds | SETTINGS, cluster_wide=SETTINGS)
        return Collection(self._connection, self._catalogue, needed)

    def permissions(
        self, selection: Selection, choice: ResourceSelection, verbs: Sequence[str], *, everything: bool
    ) -> tuple[dict[Permission, bool], tuple[CoverageGap, ...]]:
        """What it takes to see what `resources` or `follow` show, each with whether it is granted, and what hides that.

        `verbs` are what becomes of each kind: `list`, and `watch` for who follows, and sees when other kinds are served.
        """
        collection = self._planned(selection, choice, everything=everything)
        asked = [VERSIONS] if OPENSHIFT in self._groups else []
        asked += [permission_of(query) for query in collection.list_definition_queries()]
        asked += [one for task in collection.plan_tasks() if not task.is_optional for one in _taking(task, verbs)]
        if WATCH in verbs:
            asked += [
                permission_of(query, verb) for query in list_definition_queries(self._catalogue) for verb in verbs
            ]
        if self._asks_kubelets(self._wanted(selection, choice, everything=everything)):
            asked.append(Permission(kubelets.VERB, "", kubelets.RESOURCE))
        # Who may list need not be allowed to get.
        instead = {one: _list_of(one) for one in asked if one.name}
        granted = review_permissions(self._connection, [*asked, *instead.values()])
        return {one: granted[one] or granted[instead.get(one, one)] for one in asked}, tuple(collection.gaps)

    def _wanted(self, selection: Selection, choice: ResourceSelection, *, everything: bool) -> ClusterScope:
        needed = wanted(selection, choice, everything=everything, is_inside=self._is_inside)
        if self._request.host_scan is True:
            # Its Nodes tell whose kubelets there are.
            return msgspec.structs.replace(needed, optional=needed.optional - {"Node"})
        if self._request.host_scan is None:
            return needed
        kinds = frozenset(kind for kind in needed.kinds if kind.partition("/")[0] != HOST_DATA)
        return msgspec.structs.replace(needed, kinds=kinds)

    def _is_inside(self, name: str) -> bool:
        """Whether there may be objects in a namespace, or Namespaces, among what controls call `name`."""
        return self._inside.get(name, bool(self._catalogue.failed))

    def _asks_kubelets(self, needed: ClusterScope) -> bool:
        return self._request.host_scan is True and kubelets.KIND in needed.kinds

    def _collected(
        self, wanted: ClusterScope, is_judged: Callable[[Resource], bool] = lambda _: True
    ) -> Iterator[Resource]:
        collection = Collection(self._connection, self._catalogue, wanted, is_judged)
        yield from collection
        self.absent += collection.missing_namespaces
        # What is wanted twice is missed once, and what is known later is known better.
        found = sorted(collection.gaps, key=lambda gap: gap.permission)
        self.gaps[:] = {(gap.permission, gap.why): gap for gap in (*self.gaps, *found)}.values()

    def facts(self) -> ClusterFacts:
        """What a report says of it."""
        version = self._version.fields.get("gitVersion", "")
        distribution = detect_distribution(version, self._groups, [] if self._node is None else [self._node])
        return ClusterFacts(
            name=self._request.access.name,
            info=self._version.fields,
            provider=self._provider or "",
            nodes=self._nodes,
            gaps=tuple(dict.fromkeys(self.gaps)),
            distribution=distribution,
            distribution_version=self._openshift if distribution == "openshift" else version,
        )


def openshift_version(connection: KubeConnection) -> str:
    """The version that OpenShift says it is at, such as `4.16.3`; empty where it does not tell us."""
    try:
        path = f"/apis/{VERSIONS.group}/v1/{VERSIONS.resource}"
        said = connection.get(path, _ClusterVersions, {"limit": "1"}).items
    except KubeError:
        return ""
    releases = [release for item in said for release in (*item.status.history, item.status.desired)]
    done = (release.version for release in releases if release.state == "Completed")
    return next(done, releases[-1].version if releases else "")


@contextlib.contextmanager
def connected(request: ClusterRequest, cloud: CloudRequest | None = None) -> Iterator[LiveCluster]:
    """The cluster of `request`, with what its `cloud` tells. Raises KubeError if it cannot be reached."""
    with KubeConnection(request) as connection:
        yield LiveCluster(request, connection, cloud)


def wanted(
    selection: Selection,
    choice: ResourceSelection,
    *,
    everything: bool,
    is_inside: Callable[[str], bool] = lambda _: True,
) -> ClusterScope:
    """What the controls of `selection` look at and compare with; with `everything`, all that leads anywhere.

    `is_inside` tells whether there may be objects in a namespace among what controls call by a name.
    """
    active = [control for control in selection.controls if control.slug not in selection.set_aside]
    if choice.include_namespaces:
        active = [control for control in active if not judges_nothing(control, is_inside)]
    looked_at = {kind for control in active for kind in (*control.targets, *control.relates)}
    far = _far(active, selection)
    kinds = looked_at | far | _ALWAYS | (RELATED if everything else set())
    near = kinds - far - (_ALWAYS - _OF_NAMESPACES) - SETTINGS
    beside = (_TOLD | {"PodTemplate"}) - looked_at - far
    brought = {kind for control in active if control.brought for kind in control.targets}
    is_narrow = bool(choice.include_namespaces) and not everything
    return ClusterScope(
        kinds=frozenset(kinds),
        complete=frozenset(brought),
        local=frozenset(near) if is_narrow else frozenset(),
        optional=beside if is_narrow else frozenset(),
        namespaces=NamespaceSelection(choice.include_namespaces, choice.exclude_namespaces),
    )


def _far(active: Sequence[Control], selection: Selection) -> frozenset[str]:
    """The kinds that matter wherever they are."""
    by_platform = any(control.providers and control.slug not in selection.named for control in active)
    return frozenset({"Node"} if by_platform else ()).union(*map(wide, active))


def judged(choice: ResourceSelection) -> Callable[[Resource], bool]:
    """What takes the resources that `choice` wants judged. Raises UnknownNameError for a workload that is no name."""
    if choice.workload:
        return parse_workload(choice.workload).means
    return Chooser(choice) if str(choice) else lambda _: True


def permission_of(query: ListQuery, verb: str = "") -> Permission:
    """What it takes to do `verb` with the objects of `query`; without one, to read them once."""
    return Permission(verb or query.verb, query.served.group, query.served.plural, query.namespace, query.name)


def _taking(task: ListTask, verbs: Sequence[str]) -> list[Permission]:
    """What it takes to do `verbs` with what a task is about; what has a name is only asked for."""
    return [permission_of(task.query, verb) for verb in ([""] if task.query.name else verbs)]


def _instead(
    inner: Mapping[ListTask, Sequence[ListTask]], lacks: Mapping[ListTask, Sequence[Permission]]
) -> tuple[list[ListTask], list[CoverageGap]]:
    """What can be followed, in namespaces where it cannot be everywhere, and what is missing then."""
    found: list[ListTask] = []
    gaps: list[CoverageGap] = []
    for task, few in inner.items():
        if not lacks.get(task) or all(lacks[one] for one in few):
            found.append(task)
            continue
        found += few
        if not task.is_local and not task.is_optional:
            gaps.append(msgspec.structs.replace(task.gap("forbidden", inside=True), verb=lacks[task][0].verb))
    return found, gaps


def _list_of(one: Permission) -> Permission:
    """What shows an object too that one may not get; a Namespace is in itself."""
    namespace = "" if one.resource == "namespaces" else one.namespace
    return msgspec.structs.replace(one, verb="list", namespace=namespace, name="")
