"""Objects of a cluster for a watch, kept up to date: additions, changes and deletions since the last call.

Yields the same objects as a collection at the same moment: each once, and none that its owner covers. A kind that
cannot be listed or watched is a coverage gap, and none of its objects is yielded. Never evaluates.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.watching import (
    ListCompleted,
    ObjectChanged,
    ObjectDeleted,
    ObjectEvent,
    PageListed,
    WatchLost,
    WatchRefused,
    WatchResumed,
    WatchTiming,
    watch_objects,
)
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.resource import Resource
from kubekeep.model.struct_types import prepare_types
from kubekeep.sources.cluster.object_key import build_key, parse_uid
from kubekeep.sources.cluster.owners import OwnerIndex, get_controller
from kubekeep.sources.cluster.plan import ListTask, is_namespace

_QUEUE_SIZE: Final = 4096
"""Packed events that may wait in the queue; further threads block, and with them the server, until it closes the
stream."""
_CONCURRENT_LISTS: Final = 4
"""Concurrent list requests; their pages are in memory."""
_POLL_SECONDS: Final = 0.25
"""Seconds between checks for the end of the watch."""


class _ListedObjects(msgspec.Struct, frozen=True, gc=False):
    """Packed objects of a list by key."""

    items: list[tuple[str, Resource]]
    first: bool


class _ObjectUpdated(msgspec.Struct, frozen=True, gc=False):
    """An added or changed object."""

    key: str
    resource: Resource


class _ObjectRemoved(msgspec.Struct, frozen=True, gc=False):
    """A deleted object."""

    key: str


_Arrival = _ListedObjects | _ObjectUpdated | _ObjectRemoved | ListCompleted | WatchRefused | WatchLost | WatchResumed


class FollowerCounters(msgspec.Struct):
    """Event counters since the start."""

    events: int = 0
    lists: int = 0
    lost: int = 0
    """Number of broken streams and failed requests."""
    last_event: float = 0.0
    """Time of the last change of an object, in seconds since the epoch."""


class _FollowedTask:
    """State of one query."""

    __slots__ = ("gap", "is_current", "is_known", "is_served", "keys", "listing", "lost", "number", "stopped", "task")

    def __init__(self, task: ListTask, number: int) -> None:
        self.task = task
        self.number = number
        """Order of the task: if several list an object, the version of the first one counts."""
        self.stopped = threading.Event()
        self.keys: set[str] = set()
        self.listing: set[str] | None = None
        """Keys of the list in progress."""
        self.is_known = False
        """True once a list was completed or refused."""
        self.is_current = False
        """True if it is being watched, or refused."""
        self.is_served = True
        """True if the last request found the kind."""
        self.lost = ""
        """Reason that it is not being watched; empty if it is."""
        self.gap: CoverageGap | None = None


class ClusterFollower:
    """The objects of `tasks` as they change; each task has a thread."""

    def __init__(
        self,
        connection: KubeConnection,
        tasks: Sequence[ListTask],
        gaps: Iterable[CoverageGap] = (),
        pace: WatchTiming = WatchTiming(),  # noqa: B008
        is_evaluated: Callable[[Resource], bool] = lambda _: True,
    ) -> None:
        """Start; `gaps` are the coverage gaps of the plan. `is_evaluated` as for a collection."""
        self.counters = FollowerCounters()
        self.unserved_since = 0.0
        """Time of the last discovery of an unserved kind, on the monotonic clock; 0 for never."""
        self._connection = connection
        self._gaps = tuple(gaps)
        self._pace = pace
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._arrivals: queue.Queue[tuple[_FollowedTask, _Arrival]] = queue.Queue(maxsize=_QUEUE_SIZE)
        self._lists = threading.BoundedSemaphore(_CONCURRENT_LISTS)
        self._followed: list[_FollowedTask] = []
        self._threads: list[threading.Thread] = []
        self._begun = 0
        self._versions: dict[str, dict[int, Resource]] = {}
        """Versions of an object by key and number of the task."""
        self._owners = OwnerIndex(is_evaluated)
        self._owner: dict[str, str] = {}
        """Uid of the owner of an object, by key."""
        self._children: dict[str, set[str]] = {}
        """Keys of owned objects, by the uid of the owner."""
        self._changed_keys: dict[str, None] = {}
        self._reported: set[str] = set()
        for task in tasks:
            self._begin(task)

    def _begin(self, task: ListTask) -> None:
        followed = _FollowedTask(task, self._begun)
        self._begun += 1
        self._followed.append(followed)
        prepare_types()
        thread = threading.Thread(target=self._run, args=(followed,), daemon=True)
        self._threads = [running for running in self._threads if running.is_alive()] + [thread]
        thread.start()

    def stop(self) -> None:
        """Ask all threads to end; they do so after the connection is closed."""
        self._stopped.set()
        for followed in self._followed:
            followed.stopped.set()

    def join(self, deadline: float) -> None:
        """Wait until all threads have ended, but not longer than `deadline` on the monotonic clock."""
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def replace_tasks(self, tasks: Iterable[ListTask], gaps: Iterable[CoverageGap]) -> None:
        """Replace the tasks and the gaps of the plan: new tasks are listed, objects of removed tasks disappear."""
        planned = dict.fromkeys(tasks)
        removed = [followed for followed in self._followed if followed.task not in planned]
        self._followed = [followed for followed in self._followed if followed.task in planned]
        for followed in removed:
            followed.stopped.set()
            self._complete(followed, set(), None)
        current = {followed.task for followed in self._followed}
        for task in planned:
            if task not in current:
                self._begin(task)
        self._gaps = tuple(gaps)

    def list_retained(self, tasks: Iterable[ListTask]) -> list[ListTask]:
        """Return current tasks of served kinds that `tasks` do not contain."""
        kinds = {(task.query.served.group, task.query.served.kind) for task in tasks}
        served = [followed.task for followed in self._followed if followed.is_served]
        return [task for task in served if (task.query.served.group, task.query.served.kind) not in kinds]

    def has_tasks(self, tasks: Iterable[ListTask], gaps: Iterable[CoverageGap]) -> bool:
        """Return True if tasks and gaps are the current ones, in any order."""
        current = {followed.task for followed in self._followed}
        return current == set(tasks) and set(self._gaps) == set(gaps)

    @property
    def gaps(self) -> tuple[CoverageGap, ...]:
        """Current coverage gaps."""
        return tuple(
            dict.fromkeys((*self._gaps, *(followed.gap for followed in self._followed if followed.gap is not None)))
        )

    @property
    def unlisted(self) -> tuple[CoverageGap, ...]:
        """Gaps of failed requests, which are repeated."""
        return tuple(followed.gap for followed in self._followed if followed.gap is not None and followed.lost)

    @property
    def missing_namespaces(self) -> tuple[str, ...]:
        """Namespaces that were requested by name and do not exist at present."""
        named = (followed for followed in self._followed if is_namespace(followed.task.query))
        return tuple(
            followed.task.query.name
            for followed in named
            if followed.is_known and not followed.keys and followed.gap is None
        )

    @property
    def is_known(self) -> bool:
        """True once each task was listed or refused."""
        return all(followed.is_known for followed in self._followed)

    @property
    def is_current(self) -> bool:
        """True if all tasks without a gap are being watched."""
        has_current = not self._followed or any(followed.is_current for followed in self._followed)
        return has_current and all(followed.is_current or followed.gap is not None for followed in self._followed)

    @property
    def is_disconnected(self) -> bool:
        """True if no task can be watched."""
        return bool(self._followed) and all(followed.lost for followed in self._followed)

    @property
    def disconnect_reason(self) -> str:
        """Reason that objects are out of date, with the kinds affected unless all are; empty if they are current."""
        lost = [
            followed for followed in self._followed if followed.lost and (followed.gap is None or self.is_disconnected)
        ]
        if not lost:
            return ""
        first = lost[0]
        if len(lost) == len(self._followed):
            return first.lost
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        return f"{first.task.query.served.full_name}{more}: {first.lost}"

    def changes(
        self, first: float, rest: float, most: float = 0.0, ended: threading.Event | None = None
    ) -> Mapping[str, Resource | None]:
        """Return the changes since the last call by key; None for objects that disappeared.

        Waits up to `first` seconds for an event, then until none has arrived for `rest` seconds, but no longer than the
        larger of `rest` and `most`; returns at once if `ended` is set. Raises RuntimeError if a thread ended because of
        a bug.
        """
        if self._error is not None:
            raise RuntimeError("a watch has stopped unexpectedly") from self._error
        wait, until = first, float("inf")
        while not (self._stopped.is_set() or (ended is not None and ended.is_set())):
            try:
                followed, event = self._arrivals.get(timeout=max(0.0, min(wait, until - time.monotonic())))
            except queue.Empty:
                break
            if not followed.stopped.is_set():
                self._apply(followed, event)
            if until == float("inf"):
                wait, until = rest, time.monotonic() + max(rest, most)
            elif time.monotonic() > until:
                break
        return self._collect_changes()

    def _run(self, followed: _FollowedTask) -> None:
        """Watch one task; record an unexpected error for `changes`, as the thread ends with it."""
        try:
            self._follow(followed)
        finally:
            error = sys.exc_info()[1]
            if error is not None:
                self._error = error

    def _follow(self, followed: _FollowedTask) -> None:
        """Queue the events of one task; limits concurrent lists."""
        with contextlib.ExitStack() as list_permit:
            for event in watch_objects(self._connection, followed.task.query, followed.stopped, self._pace):
                if isinstance(event, PageListed) and event.is_first:
                    list_permit.close()
                    self._lists.acquire()
                    list_permit.callback(self._lists.release)
                elif not isinstance(event, PageListed):
                    list_permit.close()
                if not self._enqueue(followed, _pack_event(event)):
                    return

    def _enqueue(self, followed: _FollowedTask, event: _Arrival) -> bool:
        """Queue an event as soon as there is room; returns False if the task was stopped."""
        while not followed.stopped.is_set():
            with contextlib.suppress(queue.Full):
                self._arrivals.put((followed, event), timeout=_POLL_SECONDS)
                return True
        return False

    def _apply(self, followed: _FollowedTask, event: _Arrival) -> None:
        match event:
            case _ListedObjects(items, first):
                if first or followed.listing is None:
                    followed.listing = set()
                for key, resource in items:
                    self._put(followed, key, resource)
                    followed.listing.add(key)
            case _ObjectUpdated(key, resource):
                self._count_event()
                self._put(followed, key, resource)
            case _ObjectRemoved(key):
                self._count_event()
                self._remove(followed, key)
            case ListCompleted():
                self.counters.lists += 1
                self._complete(followed, followed.listing or set(), None)
            case WatchRefused(why, verb):
                gap = msgspec.structs.replace(followed.task.create_gap(why), verb=verb)
                self._complete(followed, set(), None if followed.task.is_optional else gap)
            case WatchLost(why, is_served):
                self._mark_lost(followed, why, is_served=is_served)
            case WatchResumed():
                followed.is_current = followed.is_known and followed.listing is None
                followed.is_served, followed.lost = True, ""

    def _complete(self, followed: _FollowedTask, keys: set[str], gap: CoverageGap | None) -> None:
        """Record the complete set of keys of a task, and its gap."""
        for key in followed.keys - keys:
            self._remove(followed, key)
        followed.listing = None
        followed.is_known = followed.is_current = followed.is_served = True
        followed.lost = ""
        followed.gap = gap

    def _mark_lost(self, followed: _FollowedTask, why: str, *, is_served: bool) -> None:
        """Record a lost connection: known objects may be out of date; without a list there is a gap."""
        self.counters.lost += 1
        if followed.is_served and not is_served:
            self.unserved_since = time.monotonic()
        followed.is_served = is_served
        followed.is_current = False
        followed.lost = why
        if not followed.is_known:
            gap = followed.task.create_gap(why, is_truncated=bool(followed.keys))
            followed.gap = None if followed.task.is_optional else gap
            followed.is_known = True

    def _count_event(self) -> None:
        self.counters.events += 1
        self.counters.last_event = time.time()

    def _put(self, followed: _FollowedTask, key: str, resource: Resource) -> None:
        number = followed.number
        followed.keys.add(key)
        versions = self._versions.setdefault(key, {})
        if versions.get(number) == resource:
            return
        versions[number] = resource
        self._changed_keys[key] = None
        if followed.task.carries_pods:
            resource_object = resource.object
            owner = get_controller(resource_object)
            self._set_owner(key, str(owner.get("uid")) if owner is not None else "")
            if self._owners.add(resource_object):
                self._mark_owned(key)

    def _remove(self, followed: _FollowedTask, key: str) -> None:
        followed.keys.discard(key)
        versions = self._versions.get(key)
        if versions is None:
            return
        self._changed_keys[key] = None
        known = versions.pop(followed.number, None)
        if versions:
            return
        del self._versions[key]
        self._set_owner(key, "")
        if known is not None:
            self._owners.remove(known.namespace, parse_uid(key))
        self._mark_owned(key)

    def _mark_owned(self, key: str) -> None:
        """Mark all objects owned by an object, directly or indirectly, for another check."""
        todo, seen = [key], {key}
        while todo:
            owned = self._children.get(parse_uid(todo.pop()), set()) - seen
            self._changed_keys |= dict.fromkeys(owned)
            seen |= owned
            todo += owned

    def _set_owner(self, key: str, owner: str) -> None:
        """Record the uid of the owner of an object; none if `owner` is empty."""
        previous = self._owner.pop(key, "")
        if previous and previous != owner:
            children = self._children[previous]
            children.discard(key)
            if not children:
                del self._children[previous]
        if owner:
            self._owner[key] = owner
            self._children.setdefault(owner, set()).add(key)

    def _collect_changes(self) -> dict[str, Resource | None]:
        changes: dict[str, Resource | None] = {}
        for key in self._changed_keys:
            resource = self._find_visible(key)
            if resource is not None:
                self._reported.add(key)
                changes[key] = resource
            elif key in self._reported:
                self._reported.discard(key)
                changes[key] = None
        self._changed_keys.clear()
        return changes

    def _find_visible(self, key: str) -> Resource | None:
        versions = self._versions.get(key)
        if versions is None:
            return None
        resource = versions[min(versions)]
        return None if key in self._owner and self._owners.is_covered(resource.object) else resource


def _pack_event(event: ObjectEvent) -> _Arrival:
    """Pack the objects of an event, to save memory while it waits."""
    match event:
        case PageListed(items, first):
            return _ListedObjects(
                [(build_key(resource_object), Resource(resource_object).pack()) for resource_object in items], first
            )
        case ObjectChanged(resource_object):
            return _ObjectUpdated(build_key(resource_object), Resource(resource_object).pack())
        case ObjectDeleted(resource_object):
            return _ObjectRemoved(build_key(resource_object))
        case _:
            return event
