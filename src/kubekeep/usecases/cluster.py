"""Live cluster as the input of a scan: required kinds, objects and coverage gaps. Never evaluates the objects."""

from __future__ import annotations

import contextlib
import time
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
from kubekeep.model.cluster import IDENTITY_NAMESPACE, RBAC_KINDS, ClusterFacts, CoverageGap, expand_kind_names
from kubekeep.model.control import HOST_DATA, SUBJECT, WORKLOAD, Control, Provider
from kubekeep.model.distribution import OPENSHIFT_CONFIG_GROUP, detect_distribution, detect_provider
from kubekeep.model.resource import Resource
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.running_images import RunningImages
from kubekeep.posture.index import find_provider
from kubekeep.posture.isolation import CILIUM_CLUSTERWIDE, CILIUM_POLICY, NETWORK_POLICY, OTHER_POLICIES
from kubekeep.posture.resource_filter import ResourceFilter
from kubekeep.posture.routes import ROUTES
from kubekeep.posture.rule_scope import cluster_wide_kinds, has_no_targets
from kubekeep.posture.select import Selection
from kubekeep.posture.workload import parse_workload
from kubekeep.sources.cloud.identity import ClusterHints
from kubekeep.sources.cluster import kubelets
from kubekeep.sources.cluster.collect import Collection
from kubekeep.sources.cluster.definitions import DefinitionWatch, list_definition_queries
from kubekeep.sources.cluster.follower import ClusterFollower
from kubekeep.sources.cluster.kubelets import KubeletConfigurations
from kubekeep.sources.cluster.plan import ListTask, split_by_namespace
from kubekeep.sources.cluster.scope import MAX_NAMESPACE_QUERIES, ClusterScope, NamespaceSelection
from kubekeep.usecases.cloud import describe_live_cluster

WATCH: Final = "watch"
"""The RBAC verb of watch requests."""
SETTINGS: Final = frozenset({CONTROL_INPUT})
"""Kinds that set parameters of the evaluation."""
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
"""Kinds that affect every evaluation: namespace labels, the platform, enforced policies and exceptions."""
_NAMESPACE_LOCAL: Final = frozenset({"Namespace", "kubescape.io/SecurityException"})
"""Kinds of `_ALWAYS` that affect only their own namespace."""
_JOIN_SECONDS: Final = 5.0
_REPORTED: Final = frozenset({"Node", *_POLICIES})
"""Kinds of `_ALWAYS` that reports show if they can be listed."""
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
"""Kinds that connect workloads with each other and with permissions."""
VERSIONS: Final = Permission("list", OPENSHIFT_CONFIG_GROUP, "clusterversions")
"""Permission to read the OpenShift version; without it, only the version is missing from reports."""


class _Release(msgspec.Struct, frozen=True):
    version: str = ""
    state: str = ""


class _VersionStatus(msgspec.Struct, frozen=True):
    desired: _Release = _Release()
    history: tuple[_Release, ...] = ()


class _ClusterVersion(msgspec.Struct, frozen=True):
    """The singleton with the OpenShift version (config.openshift.io/v1, ClusterVersion)."""

    status: _VersionStatus = _VersionStatus()


class _ClusterVersions(msgspec.Struct, frozen=True):
    items: tuple[_ClusterVersion, ...] = ()


IDENTITY: Final = Permission("get", "", "namespaces", name=IDENTITY_NAMESPACE)
"""Permission to read the UID of a cluster."""


class _NamespaceMetadata(msgspec.Struct, frozen=True):
    uid: str = ""


class _Namespace(msgspec.Struct, frozen=True):
    metadata: _NamespaceMetadata = _NamespaceMetadata()


class LiveCluster:
    """A live cluster during a scan or a watch."""

    def __init__(self, request: ClusterRequest, connection: KubeConnection, cloud: CloudRequest | None = None) -> None:
        """Read the version and the API discovery. Raises KubeError for an unreachable cluster.

        With `cloud`, the objects include documents from the cloud provider.
        """
        self._request = request
        self._connection = connection
        self._cloud = cloud
        self._version: ServerVersion = get_server_version(connection)
        self._record_catalogue(discover(connection))
        # Read now: `facts` is called after the connection is closed.
        self._openshift = read_openshift_version(connection) if OPENSHIFT_CONFIG_GROUP in self._groups else ""
        self.gaps: list[CoverageGap] = []
        self.absent: list[str] = []
        self.running_images = RunningImages()
        """Images of the Pods of `resources`, also of Pods that their owners cover; complete after the last object."""
        self._nodes = 0
        self._node: dict[str, Any] | None = None
        """The Node for platform detection: the first of a managed platform, else the first."""
        self._provider: Provider | None = None
        self._followers: list[ClusterFollower | DefinitionWatch] = []

    def _record_catalogue(self, catalogue: Catalogue) -> None:
        """Record the API discovery."""
        self._catalogue = catalogue
        self._groups = {served.group for served in catalogue.kinds}
        self._namespaced_by_name: dict[str, bool] = {}
        """Kind names as in controls, with True if one of the kinds is namespaced or Namespace."""
        for served in catalogue.kinds:
            for name in expand_kind_names(served.group, served.kind):
                is_namespaced = served.is_namespaced or served.kind == "Namespace"
                self._namespaced_by_name[name] = self._namespaced_by_name.get(name, False) or is_namespaced

    @property
    def minor(self) -> int | None:
        """Its minor version; None if unknown."""
        return self._version.minor_number

    def settings(self, *, policies: bool) -> list[Resource]:
        """Return the objects that set parameters; with `policies`, the admission policies too."""
        return list(self._collect(ClusterScope(kinds=SETTINGS | _POLICIES if policies else SETTINGS)))

    def resources(
        self, selection: Selection, resource_selection: ResourceSelection, *, everything: bool
    ) -> Iterator[Resource]:
        """Yield the objects that the controls of `selection` need; with `everything`, also all kinds in `RELATED`.

        `gaps` are complete after the last object.
        """
        scope = self._plan_scope(selection, resource_selection, everything=everything)
        nodes: list[str] = []
        for resource in self._collect(scope, create_filter(resource_selection)):
            if resource.kind == "Node" and not resource.group:
                nodes.append(resource.name)
                self._record_node(resource.object)
            yield resource
        self._nodes += len(nodes)
        if self._reads_kubelets(scope):
            configurations = KubeletConfigurations(self._request, nodes)
            yield from configurations
            self.gaps += (*configurations.gaps, *kubelets.list_unqueried(self.gaps))
        if self._cloud is not None:
            yield from self._read_cloud(self._cloud, scope)

    def _record_node(self, node: dict[str, Any]) -> None:
        platform = detect_provider(node)
        if self._node is None or (self._provider is None and platform is not None):
            self._node = node
        self._provider = self._provider or platform

    def _read_cloud(self, cloud: CloudRequest, scope: ClusterScope) -> Iterator[Resource]:
        """Yield the documents of the cloud provider."""
        hints = ClusterHints(self._request.access, self._node)
        for document in describe_live_cluster(cloud, hints, self._connection, scope.kinds):
            if isinstance(document, CoverageGap):
                self.gaps.append(document)
                continue
            resource = Resource(document)
            self._provider = self._provider or find_provider(resource)
            yield resource

    def follow(self, selection: Selection, resource_selection: ResourceSelection, pace: WatchTiming) -> ClusterFollower:
        """Return a follower of the objects of `resources` and `settings`; it records its own gaps."""
        follower = ClusterFollower(
            self._connection, *self._plan_watch(selection, resource_selection), pace, create_filter(resource_selection)
        )
        self._followers.append(follower)
        return follower

    def definitions(self, pace: WatchTiming) -> DefinitionWatch:
        """Return a watch for changes of the served kinds."""
        definitions = DefinitionWatch(self._connection, self._catalogue, pace)
        self._followers.append(definitions)
        return definitions

    def join_followers(self) -> None:
        """Wait until the threads of stopped followers have ended, which they do when the connection is closed.

        The interpreter stops the threads that are left at its end. In native code, that aborts the process.
        """
        deadline = time.monotonic() + _JOIN_SECONDS
        for follower in self._followers:
            follower.join(deadline)

    @property
    def is_closed(self) -> bool:
        """True if the connection is closed, which ends all watch requests without an error."""
        return self._connection.is_closed

    def interrupt(self) -> None:
        """Restart all watch requests, since the network may have changed."""
        self._connection.interrupt()

    def refresh(
        self, selection: Selection, resource_selection: ResourceSelection, following: ClusterFollower, *, routine: bool
    ) -> None:
        """Update the version and the followed kinds from the API discovery. Raises KubeError.

        A new API server may not serve all kinds yet: kinds that are followed successfully are dropped only by a `routine`
        poll.
        """
        version = get_server_version(self._connection)
        if version.fields:
            # Without permission to read it again, the previous version is kept.
            self._version = version
        self._record_catalogue(discover(self._connection))
        tasks, gaps = self._plan_watch(selection, resource_selection)
        if not routine:
            tasks += following.list_retained(tasks)
        if not following.has_tasks(tasks, gaps):
            following.replace_tasks(tasks, gaps)

    def _plan_watch(
        self, selection: Selection, resource_selection: ResourceSelection
    ) -> tuple[list[ListTask], list[CoverageGap]]:
        """Return the tasks to follow and their gaps.

        A kind that may not be watched cluster-wide is watched in the namespaces of the collection.
        """
        collection = self._plan_collection(selection, resource_selection, everything=False)
        tasks = collection.plan_tasks()
        namespaces = collection.namespaces if len(collection.namespaces) <= MAX_NAMESPACE_QUERIES else ()
        # Settings are read in all namespaces.
        by_namespace = {
            task: split_by_namespace(task, namespaces) if task.names.isdisjoint(SETTINGS) else [] for task in tasks
        }
        required = {
            task: _list_required(task, ("list", WATCH))
            for planned_task, narrow_tasks in by_namespace.items()
            if narrow_tasks
            for task in (planned_task, *narrow_tasks)
        }
        granted = self._review([permission for permissions in required.values() for permission in permissions])
        missing = {
            task: [permission for permission in permissions if not granted.get(permission, True)]
            for task, permissions in required.items()
        }
        narrowed, gaps = _narrow_to_namespaces(by_namespace, missing)
        return narrowed, [*collection.gaps, *gaps]

    def _review(self, permissions: Iterable[Permission]) -> dict[Permission, bool]:
        """Return for each permission if it is granted; {} if the review itself is forbidden.

        Without a review, forbidden requests are reported when they are sent. Raises KubeError.
        """
        try:
            return review_permissions(self._connection, permissions)
        except ApiError as error:
            if error.status != FORBIDDEN:
                raise
            return {}

    def _plan_collection(
        self, selection: Selection, resource_selection: ResourceSelection, *, everything: bool
    ) -> Collection:
        scope = self._plan_scope(selection, resource_selection, everything=everything)
        scope = msgspec.structs.replace(scope, kinds=scope.kinds | SETTINGS, cluster_wide=SETTINGS)
        return Collection(self._connection, self._catalogue, scope)

    def permissions(
        self,
        selection: Selection,
        resource_selection: ResourceSelection,
        verbs: Sequence[str],
        *,
        everything: bool,
        additional: Sequence[Permission] = (),
    ) -> tuple[dict[Permission, bool], tuple[CoverageGap, ...]]:
        """Return the permissions for `resources` or `follow`, each with True if granted, and the gaps.

        `verbs` apply to each kind: `list`, and `watch` for following, which includes the definitions of kinds. `additional`
        permissions are required too.
        """
        collection = self._plan_collection(selection, resource_selection, everything=everything)
        required = [*additional]
        required += [VERSIONS] if OPENSHIFT_CONFIG_GROUP in self._groups else []
        required += [derive_permission(query) for query in collection.list_definition_queries()]
        required += [
            permission
            for task in collection.plan_tasks()
            if not task.is_optional
            for permission in _list_required(task, verbs)
        ]
        if WATCH in verbs:
            required += [
                derive_permission(query, verb) for query in list_definition_queries(self._catalogue) for verb in verbs
            ]
        if self._reads_kubelets(self._plan_scope(selection, resource_selection, everything=everything)):
            required.append(Permission(kubelets.VERB, "", kubelets.RESOURCE))
        # A list permission includes get.
        list_permissions = {
            permission: _derive_list_permission(permission) for permission in required if permission.name
        }
        granted = review_permissions(self._connection, [*required, *list_permissions.values()])
        return {
            permission: granted[permission] or granted[list_permissions.get(permission, permission)]
            for permission in required
        }, tuple(collection.gaps)

    def _plan_scope(
        self, selection: Selection, resource_selection: ResourceSelection, *, everything: bool
    ) -> ClusterScope:
        scope = plan_scope(selection, resource_selection, everything=everything, is_namespaced=self._is_namespaced)
        if self._request.host_scan is True:
            # The Nodes are required to reach the kubelets.
            return msgspec.structs.replace(scope, optional=scope.optional - {"Node"})
        if self._request.host_scan is None:
            return scope
        kinds = frozenset(kind for kind in scope.kinds if kind.partition("/")[0] != HOST_DATA)
        return msgspec.structs.replace(scope, kinds=kinds)

    def _is_namespaced(self, name: str) -> bool:
        """Return True if the kinds called `name` in controls may have objects in a namespace, or are Namespaces."""
        return self._namespaced_by_name.get(name, bool(self._catalogue.failed))

    def _reads_kubelets(self, scope: ClusterScope) -> bool:
        return self._request.host_scan is True and kubelets.KIND in scope.kinds

    def _collect(
        self, scope: ClusterScope, in_scope: Callable[[Resource], bool] = lambda _: True
    ) -> Iterator[Resource]:
        collection = Collection(self._connection, self._catalogue, scope, in_scope)
        yield from collection
        self.absent += collection.missing_namespaces
        self.running_images.update(collection.running_images)
        # A kind may be listed twice (settings, objects): keep its latest gap.
        latest = sorted(collection.gaps, key=lambda gap: gap.permission)
        self.gaps[:] = {(gap.permission, gap.reason): gap for gap in (*self.gaps, *latest)}.values()

    def read_uid(self) -> str:
        """Return the UID of the Namespace kube-system, which identifies the cluster. Raises KubeError."""
        namespace = self._connection.get(f"/api/v1/namespaces/{IDENTITY_NAMESPACE}", _Namespace)
        return namespace.metadata.uid

    def facts(self) -> ClusterFacts:
        """Return the facts that a report shows."""
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


def read_openshift_version(connection: KubeConnection) -> str:
    """Return the OpenShift version, such as `4.16.3`; empty if unknown."""
    try:
        path = f"/apis/{VERSIONS.group}/v1/{VERSIONS.resource}"
        versions = connection.get(path, _ClusterVersions, {"limit": "1"}).items
    except KubeError:
        return ""
    releases = [release for version in versions for release in (*version.status.history, version.status.desired)]
    done = (release.version for release in releases if release.state == "Completed")
    return next(done, releases[-1].version if releases else "")


@contextlib.contextmanager
def connect_cluster(request: ClusterRequest, cloud: CloudRequest | None = None) -> Iterator[LiveCluster]:
    """Yield the cluster of `request`, with documents of its `cloud`. Raises KubeError for an unreachable cluster."""
    cluster = None
    try:
        with KubeConnection(request) as connection:
            cluster = LiveCluster(request, connection, cloud)
            yield cluster
    finally:
        if cluster is not None:
            cluster.join_followers()


def plan_scope(
    selection: Selection,
    resource_selection: ResourceSelection,
    *,
    everything: bool,
    is_namespaced: Callable[[str], bool] = lambda _: True,
) -> ClusterScope:
    """Return the kinds that the controls of `selection` need; with `everything`, also all kinds in `RELATED`.

    `is_namespaced` returns True for names of kinds (as in `Control.targets`) that may be namespaced.
    """
    active = [control for control in selection.controls if control.slug not in selection.skip_reasons]
    if resource_selection.include_namespaces:
        active = [control for control in active if not has_no_targets(control, is_namespaced)]
    evaluated_or_related = {kind for control in active for kind in (*control.targets, *control.relates)}
    cluster_wide = _list_cluster_wide_kinds(active, selection)
    kinds = evaluated_or_related | cluster_wide | _ALWAYS | (RELATED if everything else set())
    local = kinds - cluster_wide - (_ALWAYS - _NAMESPACE_LOCAL) - SETTINGS
    optional = (_REPORTED | {"PodTemplate"}) - evaluated_or_related - cluster_wide
    custom_targets = {kind for control in active if control.is_user_supplied for kind in control.targets}
    is_narrow = bool(resource_selection.include_namespaces) and not everything
    return ClusterScope(
        kinds=frozenset(kinds),
        complete=frozenset(custom_targets),
        local=frozenset(local) if is_narrow else frozenset(),
        optional=optional if is_narrow else frozenset(),
        namespaces=NamespaceSelection(resource_selection.include_namespaces, resource_selection.exclude_namespaces),
    )


def _list_cluster_wide_kinds(active: Sequence[Control], selection: Selection) -> frozenset[str]:
    """Return the kinds that are needed cluster-wide."""
    by_platform = any(control.providers and control.slug not in selection.requested_controls for control in active)
    return frozenset({"Node"} if by_platform else ()).union(*map(cluster_wide_kinds, active))


def create_filter(resource_selection: ResourceSelection) -> Callable[[Resource], bool]:
    """Return a filter for `resource_selection`. Raises UnknownNameError for a malformed workload name."""
    if resource_selection.workload:
        return parse_workload(resource_selection.workload).matches
    return ResourceFilter(resource_selection) if str(resource_selection) else lambda _: True


def derive_permission(query: ListQuery, verb: str = "") -> Permission:
    """Return the permission for `verb` on the objects of `query`; without a verb, for one read."""
    return Permission(verb or query.verb, query.served.group, query.served.plural, query.namespace, query.name)


def _list_required(task: ListTask, verbs: Sequence[str]) -> list[Permission]:
    """Return the permissions for `verbs` on the objects of a task; for a named object, the one for `get`."""
    return [derive_permission(task.query, verb) for verb in ([""] if task.query.name else verbs)]


def _narrow_to_namespaces(
    by_namespace: Mapping[ListTask, Sequence[ListTask]], missing: Mapping[ListTask, Sequence[Permission]]
) -> tuple[list[ListTask], list[CoverageGap]]:
    """Return the tasks to follow, by namespace where cluster-wide access is forbidden, and the resulting gaps."""
    tasks: list[ListTask] = []
    gaps: list[CoverageGap] = []
    for task, narrow_tasks in by_namespace.items():
        if not missing.get(task) or all(missing[narrow_task] for narrow_task in narrow_tasks):
            tasks.append(task)
            continue
        tasks += narrow_tasks
        if not task.is_local and not task.is_optional:
            gaps.append(
                msgspec.structs.replace(
                    task.create_gap("forbidden", is_outside_selection=True), verb=missing[task][0].verb
                )
            )
    return tasks, gaps


def _derive_list_permission(permission: Permission) -> Permission:
    """Return the list permission that includes a get permission; a Namespace is listed cluster-wide."""
    namespace = "" if permission.resource == "namespaces" else permission.namespace
    return msgspec.structs.replace(permission, verb="list", namespace=namespace, name="")
