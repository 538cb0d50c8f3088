"""Collection of the objects of a cluster: several kinds in parallel, page by page, with few pages in memory.

Objects covered by their owner (the Pods of a Deployment) are left out. A failed list request becomes a coverage gap;
its objects are never treated as absent.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec

from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.discovery import ApiResource, Catalogue, PublishedSchemas
from kubekeep.kube.errors import FORBIDDEN, ApiError, KubeError, summarise_error
from kubekeep.kube.listing import Listing, ListQuery
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.control import HOST_DATA
from kubekeep.model.resource import Resource, is_builtin
from kubekeep.model.resource_types import guess_plural
from kubekeep.model.running_images import RunningImages
from kubekeep.model.struct_types import prepare_types
from kubekeep.sources.cluster.custom_kinds import has_pod_template, may_have_pod_template
from kubekeep.sources.cluster.host_data import convert_host_data
from kubekeep.sources.cluster.object_key import build_key, get_uid
from kubekeep.sources.cluster.owners import OwnerIndex, get_controller, get_owner_kind
from kubekeep.sources.cluster.plan import (
    ListTask,
    find_unknown_kinds,
    is_namespace,
    needs_definitions,
    plan_tasks,
    report_refused,
    split_by_namespace,
)
from kubekeep.sources.cluster.scope import ClusterScope, NamespaceSelection

_PARALLEL: Final = 4
_QUEUE_SIZE: Final = 4
"""Pages that may wait in the queue; further threads block."""
_POLL_SECONDS: Final = 0.25
"""Seconds between checks for the end of the collection."""
_DEFINITIONS: Final = 25
"""Definitions per page: a single one may have a megabyte."""
_POD: Final = ("", "Pod")
_DEFINITION: Final = ("apiextensions.k8s.io", "CustomResourceDefinition")


class _ArrivedPage(msgspec.Struct, frozen=True, gc=False):
    """A page of a task, or the end of the task if `objects` is None."""

    task: ListTask
    objects: list[dict[str, Any]] | None = None


class Collection:
    """The objects of a cluster in scope; iterate over it once. `gaps` are complete after the iteration."""

    def __init__(
        self,
        connection: KubeConnection,
        catalogue: Catalogue,
        scope: ClusterScope,
        is_evaluated: Callable[[Resource], bool] = lambda _: True,
    ) -> None:
        """Send no request yet. An evaluated object (`is_evaluated`) is covered only by an evaluated owner."""
        self.gaps: list[CoverageGap] = []
        self.missing_namespaces: list[str] = []
        """Namespaces in scope that do not exist."""
        self.running_images = RunningImages()
        """Images of all listed Pods, also of those that are left out."""
        self._catalogue = catalogue
        self._connection = connection
        self._scope = scope
        self._seen: set[str] = set()
        self._owners = OwnerIndex(is_evaluated)
        self.namespaces: tuple[str, ...] = ()
        """Names of the namespaces in scope, set by `plan_tasks`; empty if unknown, or if all are in scope."""

    def plan_tasks(self) -> list[ListTask]:
        """Plan the list requests. Queries definitions and the names of namespaces if the plan depends on them."""
        namespaces = self._resolve_namespaces()
        self.namespaces = () if namespaces.has_patterns else namespaces.selected
        planned = plan_tasks(self._scope, self._catalogue, self._find_custom_kinds(), namespaces)
        self.gaps += find_unknown_kinds(self._scope, self._catalogue)
        return sorted(planned, key=lambda task: task.stage)

    def list_definition_queries(self) -> Iterator[ListQuery]:
        """Yield the queries needed for planning.

        Users with access to a few namespaces can rarely list definitions; the published schemas are used instead.
        """
        if self._definitions is not None and not self._scope.namespaces.query_names:
            yield self._definitions

    @property
    def _definitions(self) -> ListQuery | None:
        """The query for the definitions of custom kinds; None if they do not matter."""
        served = self._catalogue.find(*_DEFINITION)
        return ListQuery(served=served) if served is not None and needs_definitions(self._scope) else None

    def __iter__(self) -> Iterator[Resource]:
        planned = self.plan_tasks()
        for stage in sorted({task.stage for task in planned}):
            for resource_object in self._list_uncovered([task for task in planned if task.stage == stage]):
                yield Resource(convert_host_data(resource_object))

    def _list_uncovered(self, planned: Sequence[ListTask]) -> Iterator[dict[str, Any]]:
        """Yield the objects of one stage not covered by an owner; those with an owner of the same stage come last."""
        owner_kinds = {(task.query.served.group, task.query.served.kind) for task in planned if task.carries_pods}
        deferred: list[dict[str, Any]] = []
        for task, resource_object in self._list_objects(planned):
            if not task.carries_pods:
                yield resource_object
                continue
            self._owners.add(resource_object)
            if (task.query.served.group, task.query.served.kind) == _POD:
                self.running_images.add_pod(resource_object)
            owner = get_controller(resource_object)
            if owner is not None and get_owner_kind(owner) in owner_kinds:
                deferred.append(resource_object)
            elif not self._owners.is_covered(resource_object):
                yield resource_object
        yield from (resource_object for resource_object in deferred if not self._owners.is_covered(resource_object))

    def _list_objects(self, planned: Sequence[ListTask]) -> Iterator[tuple[ListTask, dict[str, Any]]]:
        """Yield the objects of tasks, each once."""
        arrivals: queue.Queue[_ArrivedPage] = queue.Queue(maxsize=_QUEUE_SIZE)
        prepare_types()
        # Close the connection first: its threads end, so the pool has none to wait for.
        with ThreadPoolExecutor(max_workers=_PARALLEL) as pool, self._connection.close_on_error():
            running = [pool.submit(self._fetch, task, arrivals) for task in planned]
            remaining = len(planned)
            while remaining:
                try:
                    arrived = arrivals.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    continue
                if arrived.objects is None:
                    remaining -= 1
                    continue
                for resource_object in arrived.objects:
                    if self._is_new(resource_object):
                        yield arrived.task, resource_object
            for future in running:
                future.result()

    def _fetch(self, task: ListTask, arrivals: queue.Queue[_ArrivedPage]) -> None:
        """Put the pages of a task into the queue, followed by an end marker in any case."""
        has_pages = False
        try:
            for page in Listing(self._connection, task.query):
                has_pages = True
                self._enqueue(_ArrivedPage(task, page), arrivals)
            if is_namespace(task.query) and not has_pages:
                self.missing_namespaces.append(task.query.name)
        except KubeError as error:
            if isinstance(error, ApiError) and error.status == FORBIDDEN and not has_pages:
                self.gaps += self._list_by_namespace(task, summarise_error(error), arrivals)
            elif not task.is_optional:
                self.gaps.append(task.create_gap(summarise_error(error), is_truncated=has_pages))
        finally:
            self._enqueue(_ArrivedPage(task), arrivals)

    def _list_by_namespace(
        self, task: ListTask, why: str, arrivals: queue.Queue[_ArrivedPage]
    ) -> Iterator[CoverageGap]:
        """List in each evaluated namespace after a cluster-wide request was forbidden; yields the remaining gaps."""
        namespace_tasks = split_by_namespace(task, self.namespaces)
        namespace_gaps: list[CoverageGap] = []
        for namespace_task in namespace_tasks:
            has_pages = False
            try:
                for page in Listing(self._connection, namespace_task.query):
                    has_pages = True
                    self._enqueue(_ArrivedPage(task, page), arrivals)
            except KubeError as error:
                namespace_gaps.append(namespace_task.create_gap(summarise_error(error), is_truncated=has_pages))
        if not task.is_optional:
            yield from report_refused(task, why, namespace_tasks, namespace_gaps)

    def _enqueue(self, arrived: _ArrivedPage, arrivals: queue.Queue[_ArrivedPage]) -> None:
        """Put a page into the queue as soon as there is room; drop it if the connection is closed meanwhile."""
        while not self._connection.is_closed:
            with contextlib.suppress(queue.Full):
                arrivals.put(arrived, timeout=_POLL_SECONDS)
                return

    def _is_new(self, resource_object: dict[str, Any]) -> bool:
        """Return True unless the object was already seen in another API version."""
        if not get_uid(resource_object):
            return True
        key = build_key(resource_object)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _find_custom_kinds(self) -> list[ApiResource]:
        """Return the custom kinds with a pod template."""
        if not needs_definitions(self._scope):
            return []
        kinds: list[ApiResource] = []
        if self._scope.namespaces.query_names:
            with contextlib.suppress(KubeError):
                kinds = self._find_published()
                if all(map(_has_no_pods, self._catalogue.failed)):
                    return kinds
        # For groups that cannot be discovered only the definitions are available.
        return list(dict.fromkeys((*kinds, *self._find_defined())))

    def _find_defined(self) -> list[ApiResource]:
        """Return the custom kinds with a pod template, by their definitions; records gaps for kinds not served now."""
        query = self._definitions
        failed = self._catalogue.failed
        # Unknown custom kinds may have pod templates, if there are any.
        may_carry = any(self._list_custom_kinds()) or not all(map(_has_no_pods, failed))
        if query is None:
            group, kind = _DEFINITION
            if group in failed:
                resource = guess_plural(kind)
                self.gaps.append(
                    CoverageGap(group=group, kind=kind, resource=resource, reason=failed[group], carries_pods=may_carry)
                )
            return []
        kinds: list[ApiResource] = []
        try:
            for page in Listing(self._connection, query, _DEFINITIONS):
                kinds += filter(None, map(self._find_pod_kind, page))
        except KubeError as error:
            self.gaps.append(
                ListTask(query, carries_pods=may_carry).create_gap(summarise_error(error), is_truncated=bool(kinds))
            )
        return kinds

    def _find_published(self) -> list[ApiResource]:
        """Return the custom kinds with a pod template, by the published schemas. Raises KubeError."""
        schemas = PublishedSchemas(self._connection)
        return [served for served in self._list_custom_kinds() if may_have_pod_template(schemas.get(served))]

    def _list_custom_kinds(self) -> Iterator[ApiResource]:
        """Return the served custom kinds that may have a pod template."""
        return (served for served in self._catalogue.kinds if not _has_no_pods(served.group))

    def _find_pod_kind(self, definition: dict[str, Any]) -> ApiResource | None:
        spec = definition.get("spec")
        if not isinstance(spec, dict):
            return None
        group, names = str(spec.get("group")), spec.get("names") or {}
        kind = str(names.get("kind"))
        if group == HOST_DATA:
            return None
        served = self._catalogue.find(group, kind)
        if served is not None:
            return served if has_pod_template(definition, served.version) else None
        why = self._catalogue.failed.get(group)
        if why is not None and any(has_pod_template(definition, version) for version in _list_versions(spec)):
            resource = str(names.get("plural"))
            self.gaps.append(CoverageGap(group=group, kind=kind, resource=resource, reason=why, carries_pods=True))
        return None

    def _resolve_namespaces(self) -> NamespaceSelection:
        """Return the namespaces in scope by name."""
        selection = self._scope.namespaces
        served = self._catalogue.find("", "Namespace")
        if not selection.has_patterns or served is None:
            return selection
        query = ListQuery(served=served, metadata_only=True)
        try:
            names = tuple(Resource(namespace).name for page in Listing(self._connection, query) for namespace in page)
        except KubeError as error:
            self.gaps.append(ListTask(query, carries_pods=False).create_gap(summarise_error(error)))
            # Everything is listed then, and the evaluation applies the patterns.
            return NamespaceSelection()
        return selection.resolve(names)


def _has_no_pods(group: str) -> bool:
    """Return True if custom kinds of a group are never checked: Kubernetes' own groups and those of node agents.

    Schemas of node agents allow any field, and scans of workloads need no access to nodes.
    """
    return is_builtin(group) or group == HOST_DATA


def _list_versions(spec: dict[str, Any]) -> list[str]:
    """Return the versions of a definition; [""] if it has none."""
    return [str(version.get("name")) for version in spec.get("versions") or ()] or [""]
