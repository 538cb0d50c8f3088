"""The objects of a cluster, as they come: pages of several kinds at a time, a few in memory.

What is owned by something that was seen (the Pods of a Deployment) is left out: it says nothing more. What could not
be listed becomes a gap; never an absence.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import msgspec

from kubekeep.kube.connection import Connection
from kubekeep.kube.discovery import Catalogue, Served
from kubekeep.kube.errors import KubeError
from kubekeep.kube.listing import Listing, Query
from kubekeep.model.cluster import Gap
from kubekeep.model.resource import Resource
from kubekeep.sources.cluster.custom import carries_pods
from kubekeep.sources.cluster.host_data import as_document
from kubekeep.sources.cluster.plan import Task, needs_definitions, tasks, unknown
from kubekeep.sources.cluster.wanted import Namespaces, Wanted

_PARALLEL: Final = 4
_WAITING: Final = 4
"""Pages that may wait to be looked at; whoever has another waits too."""
_DEFINITIONS: Final = 25
"""Definitions a page: a single one may have a megabyte."""
_DEFINITION: Final = ("apiextensions.k8s.io", "CustomResourceDefinition")


class _Arrived(msgspec.Struct, frozen=True, gc=False):
    """A page of a task; with a problem instead, the task has ended before its end, without one and a page it is done."""

    task: Task
    items: list[dict[str, Any]] | None = None
    problem: str = ""


class Collection:
    """The objects of a cluster that a scan wants; iterate over it once. `gaps` are complete when that has ended."""

    def __init__(self, connection: Connection, catalogue: Catalogue, wanted: Wanted) -> None:
        self.gaps: list[Gap] = []
        self._catalogue = catalogue
        self._connection = connection
        self._wanted = wanted
        self._seen: set[str] = set()
        self._carriers: set[str] = set()

    def tasks(self) -> list[Task]:
        """What has to be listed. Asks for definitions and the names of namespaces, where those matter."""
        found = tasks(self._wanted, self._catalogue, self._custom(), self._namespaces())
        self.gaps += unknown(self._wanted, self._catalogue)
        return sorted(found, key=lambda task: task.stage)

    def queries(self) -> list[Query]:
        """Everything that is asked for on the way, with what is asked before it is known what to list."""
        return [*self._before(), *(task.query for task in self.tasks())]

    def __iter__(self) -> Iterator[Resource]:
        planned = self.tasks()
        for stage in sorted({task.stage for task in planned}):
            yield from self._listed([task for task in planned if task.stage == stage])

    def _listed(self, planned: Sequence[Task]) -> Iterator[Resource]:
        arrivals: queue.Queue[_Arrived] = queue.Queue(maxsize=_WAITING)
        stopped = threading.Event()
        with ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
            running = [pool.submit(self._fetch, task, arrivals, stopped) for task in planned]
            try:
                left = len(planned)
                while left:
                    arrived = arrivals.get()
                    if arrived.items is None:
                        left -= 1
                        continue
                    for item in arrived.items:
                        if self._is_new(item, arrived.task):
                            yield Resource(as_document(item))
            finally:
                stopped.set()
                _drain(arrivals, running)
        for future in running:
            future.result()

    def _fetch(self, task: Task, arrivals: queue.Queue[_Arrived], stopped: threading.Event) -> None:
        """Hand the pages of a task on; it always ends with an arrival that has none."""
        some = False
        try:
            for page in Listing(self._connection, task.query):
                if stopped.is_set():
                    break
                some = True
                arrivals.put(_Arrived(task, page))
        except KubeError as error:
            self.gaps.append(task.gap(str(error), partial=some))
        finally:
            arrivals.put(_Arrived(task))

    def _is_new(self, item: dict[str, Any], task: Task) -> bool:
        """Whether an object is neither one that was seen, in another version, nor owned by one with the same pods."""
        metadata = item.get("metadata")
        known = metadata if isinstance(metadata, dict) else {}
        identity = str(known.get("uid") or "")
        if identity and identity in self._seen:
            return False
        self._seen.add(identity)
        if not task.carries_pods:
            return True
        self._carriers.add(identity)
        return not any(
            isinstance(owner, dict) and owner.get("uid") in self._carriers
            for owner in known.get("ownerReferences") or ()
        )

    def _before(self) -> Iterator[Query]:
        served = self._catalogue.of(*_DEFINITION)
        if served is not None and needs_definitions(self._wanted):
            yield Query(served=served)

    def _custom(self) -> list[Served]:
        """The custom kinds that carry pods."""
        query = next(self._before(), None)
        if query is None:
            return []
        found: list[Served] = []
        try:
            for page in Listing(self._connection, query, _DEFINITIONS):
                found += filter(None, map(self._carrier, page))
        except KubeError as error:
            self.gaps.append(Task(query, carries_pods=False).gap(str(error), partial=bool(found)))
        return found

    def _carrier(self, definition: dict[str, Any]) -> Served | None:
        spec = definition.get("spec") or {}
        served = self._catalogue.of(str(spec.get("group")), str((spec.get("names") or {}).get("kind")))
        return served if served is not None and carries_pods(definition, served.version) else None

    def _namespaces(self) -> Namespaces:
        """The namespaces that are meant, by their names."""
        asked = self._wanted.namespaces
        served = self._catalogue.of("", "Namespace")
        if not asked.has_patterns or served is None:
            return asked
        query = Query(served=served, metadata_only=True)
        try:
            names = tuple(str(item["metadata"]["name"]) for page in Listing(self._connection, query) for item in page)
        except KubeError as error:
            self.gaps.append(Task(query, carries_pods=False).gap(str(error)))
            # Then everything is listed, and who judges goes by the patterns.
            return Namespaces()
        return asked.resolved(names)


def _drain(arrivals: queue.Queue[_Arrived], running: Iterable[Future[None]]) -> None:
    """Let who waits to hand a page on go on, and end."""
    for future in running:
        future.cancel()
        while not future.done():
            try:
                arrivals.get(timeout=0.05)
            except queue.Empty:
                continue
