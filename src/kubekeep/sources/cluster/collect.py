"""The objects of a cluster, as they come: pages of several kinds at a time, a few in memory.

What is owned by something that was seen (the Pods of a Deployment) is left out: it says nothing more. What could not
be listed becomes a gap; never an absence.
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
from kubekeep.model.resource import Resource, is_builtin
from kubekeep.model.resource_types import guess_plural
from kubekeep.sources.cluster.custom_kinds import has_pod_template, may_have_pod_template
from kubekeep.sources.cluster.host_data import GROUP as HOST_DATA
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
_WAITING: Final = 4
"""Pages that may wait to be looked at; whoever has another waits too."""
_LOOK: Final = 0.25
"""Seconds after which who waits looks whether all is over."""
_DEFINITIONS: Final = 25
"""Definitions a page: a single one may have a megabyte."""
_DEFINITION: Final = ("apiextensions.k8s.io", "CustomResourceDefinition")


class _Arrived(msgspec.Struct, frozen=True, gc=False):
    """A page of a task; without one, the task has ended."""

    task: ListTask
    items: list[dict[str, Any]] | None = None


class Collection:
    """The objects of a cluster that a scan wants; iterate over it once. `gaps` are complete when that has ended."""

    def __init__(
        self,
        connection: KubeConnection,
        catalogue: Catalogue,
        wanted: ClusterScope,
        is_judged: Callable[[Resource], bool] = lambda _: True,
    ) -> None:
        """Nothing is asked yet. What `is_judged` takes is never left out for an owner that it does not take."""
        self.gaps: list[CoverageGap] = []
        self.missing_namespaces: list[str] = []
        """Namespaces that are meant and do not exist."""
        self._catalogue = catalogue
        self._connection = connection
        self._wanted = wanted
        self._seen: set[str] = set()
        self._owners = OwnerIndex(is_judged)
        self.namespaces: tuple[str, ...] = ()
        """The names of the namespaces that are meant, once there are tasks; empty where those are not known, or are all."""

    def plan_tasks(self) -> list[ListTask]:
        """What has to be listed. Asks for definitions and the names of namespaces, where those matter."""
        namespaces = self._resolve_namespaces()
        self.namespaces = () if namespaces.has_patterns else namespaces.judged
        found = plan_tasks(self._wanted, self._catalogue, self._custom(), namespaces)
        self.gaps += find_unknown_kinds(self._wanted, self._catalogue)
        return sorted(found, key=lambda task: task.stage)

    def list_definition_queries(self) -> Iterator[ListQuery]:
        """What is listed to find out what there is to list.

        Who may see some namespaces may hardly ever see definitions: what is published of them will do then.
        """
        if self._definitions is not None and not self._wanted.namespaces.named:
            yield self._definitions

    @property
    def _definitions(self) -> ListQuery | None:
        """What asks for the definitions of custom kinds; None where those do not matter."""
        served = self._catalogue.find(*_DEFINITION)
        return ListQuery(served=served) if served is not None and needs_definitions(self._wanted) else None

    def __iter__(self) -> Iterator[Resource]:
        planned = self.plan_tasks()
        for stage in sorted({task.stage for task in planned}):
            for item in self._unmade([task for task in planned if task.stage == stage]):
                yield Resource(convert_host_data(item))

    def _unmade(self, planned: Sequence[ListTask]) -> Iterator[dict[str, Any]]:
        """The objects of one stage that nothing else has made; those whose maker may be yet to come are the last."""
        makers = {(task.query.served.group, task.query.served.kind) for task in planned if task.carries_pods}
        waiting: list[dict[str, Any]] = []
        for task, item in self._listed(planned):
            if not task.carries_pods:
                yield item
                continue
            self._owners.add(item)
            owner = get_controller(item)
            if owner is not None and get_owner_kind(owner) in makers:
                waiting.append(item)
            elif not self._owners.have_said(item):
                yield item
        yield from (item for item in waiting if not self._owners.have_said(item))

    def _listed(self, planned: Sequence[ListTask]) -> Iterator[tuple[ListTask, dict[str, Any]]]:
        """The objects of tasks, each once."""
        arrivals: queue.Queue[_Arrived] = queue.Queue(maxsize=_WAITING)
        # First the connection ends, so that the threads do, then there are none to wait for.
        with ThreadPoolExecutor(max_workers=_PARALLEL) as pool, self._connection.close_on_error():
            running = [pool.submit(self._fetch, task, arrivals) for task in planned]
            left = len(planned)
            while left:
                try:
                    arrived = arrivals.get(timeout=_LOOK)
                except queue.Empty:
                    continue
                if arrived.items is None:
                    left -= 1
                    continue
                for item in arrived.items:
                    if self._is_new(item):
                        yield arrived.task, item
            for future in running:
                future.result()

    def _fetch(self, task: ListTask, arrivals: queue.Queue[_Arrived]) -> None:
        """Hand the pages of a task on; it always ends with an arrival that has none."""
        some = False
        try:
            for page in Listing(self._connection, task.query):
                some = True
                self._hand(_Arrived(task, page), arrivals)
            if is_namespace(task.query) and not some:
                self.missing_namespaces.append(task.query.name)
        except KubeError as error:
            if isinstance(error, ApiError) and error.status == FORBIDDEN and not some:
                self.gaps += self._one_by_one(task, summarise_error(error), arrivals)
            elif not task.is_optional:
                self.gaps.append(task.gap(summarise_error(error), partial=some))
        finally:
            self._hand(_Arrived(task), arrivals)

    def _one_by_one(self, task: ListTask, why: str, arrivals: queue.Queue[_Arrived]) -> Iterator[CoverageGap]:
        """List in the namespaces that are judged what one may not list everywhere; gives what is missing then."""
        inner = split_by_namespace(task, self.namespaces)
        missing: list[CoverageGap] = []
        for item in inner:
            some = False
            try:
                for page in Listing(self._connection, item.query):
                    some = True
                    self._hand(_Arrived(task, page), arrivals)
            except KubeError as error:
                missing.append(item.gap(summarise_error(error), partial=some))
        if not task.is_optional:
            yield from report_refused(task, why, inner, missing)

    def _hand(self, arrived: _Arrived, arrivals: queue.Queue[_Arrived]) -> None:
        """Hand a page on as soon as there is room; if the connection ends meanwhile, nobody takes it any more."""
        while not self._connection.is_closed:
            with contextlib.suppress(queue.Full):
                arrivals.put(arrived, timeout=_LOOK)
                return

    def _is_new(self, item: dict[str, Any]) -> bool:
        """Whether an object has not been seen, in another version."""
        if not get_uid(item):
            return True
        key = build_key(item)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _custom(self) -> list[ApiResource]:
        """The custom kinds that carry pods."""
        if not needs_definitions(self._wanted):
            return []
        found: list[ApiResource] = []
        if self._wanted.namespaces.named:
            with contextlib.suppress(KubeError):
                found = self._published()
                if all(map(_has_no_pods, self._catalogue.failed)):
                    return found
        # Of a group that cannot be had, definitions alone tell.
        return list(dict.fromkeys((*found, *self._defined())))

    def _defined(self) -> list[ApiResource]:
        """The same by their definitions; takes note of those that are not served at this moment."""
        query = self._definitions
        failed = self._catalogue.failed
        # Custom kinds that nobody knows of may carry pods, if there are any.
        may_carry = any(self._others()) or not all(map(_has_no_pods, failed))
        if query is None:
            group, kind = _DEFINITION
            if group in failed:
                resource = guess_plural(kind)
                self.gaps.append(
                    CoverageGap(group=group, kind=kind, resource=resource, why=failed[group], carries_pods=may_carry)
                )
            return []
        found: list[ApiResource] = []
        try:
            for page in Listing(self._connection, query, _DEFINITIONS):
                found += filter(None, map(self._carrier, page))
        except KubeError as error:
            self.gaps.append(ListTask(query, carries_pods=may_carry).gap(summarise_error(error), partial=bool(found)))
        return found

    def _published(self) -> list[ApiResource]:
        """The same by the schemas that the API server publishes. Raises KubeError."""
        schemas = PublishedSchemas(self._connection)
        return [served for served in self._others() if may_have_pod_template(schemas.get(served))]

    def _others(self) -> Iterator[ApiResource]:
        """What is served beside the kinds of Kubernetes and may carry pods."""
        return (served for served in self._catalogue.kinds if not _has_no_pods(served.group))

    def _carrier(self, definition: dict[str, Any]) -> ApiResource | None:
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
        if why is not None and any(has_pod_template(definition, version) for version in _versions(spec)):
            resource = str(names.get("plural"))
            self.gaps.append(CoverageGap(group=group, kind=kind, resource=resource, why=why, carries_pods=True))
        return None

    def _resolve_namespaces(self) -> NamespaceSelection:
        """The namespaces that are meant, by their names."""
        asked = self._wanted.namespaces
        served = self._catalogue.find("", "Namespace")
        if not asked.has_patterns or served is None:
            return asked
        query = ListQuery(served=served, metadata_only=True)
        try:
            names = tuple(Resource(item).name for page in Listing(self._connection, query) for item in page)
        except KubeError as error:
            self.gaps.append(ListTask(query, carries_pods=False).gap(summarise_error(error)))
            # Then everything is listed, and who judges goes by the patterns.
            return NamespaceSelection()
        return asked.resolved(names)


def _has_no_pods(group: str) -> bool:
    """Whether no custom kind of a group is asked about: it is called as Kubernetes' own are, or is that of node agents.

    Schemas of the latter leave everything open, and who wants workloads need not be shown nodes.
    """
    return is_builtin(group) or group == HOST_DATA


def _versions(spec: dict[str, Any]) -> list[str]:
    """The versions of a definition; one without a name where it has none."""
    return [str(item.get("name")) for item in spec.get("versions") or ()] or [""]
