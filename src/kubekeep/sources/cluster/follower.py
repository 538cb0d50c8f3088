"""The objects of a cluster that a watch wants, kept up to date: what came, changed or went since it was last asked.

Shows what a collection at the same moment would yield: each object once, and none that says nothing more than what made
it. What cannot be listed or watched is a gap, and then nothing of it is shown. Never judges.
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
from kubekeep.sources.cluster.object_key import build_key, parse_uid
from kubekeep.sources.cluster.owners import OwnerIndex, get_controller
from kubekeep.sources.cluster.plan import ListTask, is_namespace

_WAITING: Final = 4096
"""Events that may wait to be looked at, packed; whoever has another waits too, and the server with it, until that gives
the stream up."""
_LISTS: Final = 4
"""Lists at a time, whose pages are in memory."""
_LOOK: Final = 0.25
"""Seconds after which who waits looks whether all is over."""


class _Items(msgspec.Struct, frozen=True, gc=False):
    """Objects of a list, packed, by key."""

    items: list[tuple[str, Resource]]
    first: bool


class _Came(msgspec.Struct, frozen=True, gc=False):
    """An object has come or changed."""

    key: str
    resource: Resource


class _Went(msgspec.Struct, frozen=True, gc=False):
    """An object has gone."""

    key: str


_Arrival = _Items | _Came | _Went | ListCompleted | WatchRefused | WatchLost | WatchResumed


class FollowerCounters(msgspec.Struct):
    """What has happened so far."""

    events: int = 0
    lists: int = 0
    lost: int = 0
    """How often a stream broke off or a server did not answer."""
    last_event: float = 0.0
    """When the last object came, changed or went, in seconds since the epoch."""


class _Followed:
    """One query on its way."""

    __slots__ = ("gap", "is_current", "is_known", "is_served", "keys", "listing", "lost", "number", "stopped", "task")

    def __init__(self, task: ListTask, number: int) -> None:
        self.task = task
        self.number = number
        """Which it is: an object that several show is shown as the first of them does."""
        self.stopped = threading.Event()
        self.keys: set[str] = set()
        self.listing: set[str] | None = None
        """The objects of the list that is under way."""
        self.is_known = False
        """Whether a list has ended, or was refused."""
        self.is_current = False
        """Whether it is followed at this moment, or refused."""
        self.is_served = True
        """Whether the server knew the kind when it was last asked."""
        self.lost = ""
        """Why it is not, where it has been."""
        self.gap: CoverageGap | None = None


class ClusterFollower:
    """The objects of `tasks` as they come and go; a thread waits for each."""

    def __init__(
        self,
        connection: KubeConnection,
        tasks: Sequence[ListTask],
        gaps: Iterable[CoverageGap] = (),
        pace: WatchTiming = WatchTiming(),  # noqa: B008
        is_judged: Callable[[Resource], bool] = lambda _: True,
    ) -> None:
        """Begin; `gaps` are what is missing anyhow. `is_judged` as for a collection."""
        self.counters = FollowerCounters()
        self.unserved_since = 0.0
        """When a kind turned out not to be served any more, last; on the monotonic clock, 0 for never."""
        self._connection = connection
        self._gaps = tuple(gaps)
        self._pace = pace
        self._stopped = threading.Event()
        self._accident: BaseException | None = None
        self._arrivals: queue.Queue[tuple[_Followed, _Arrival]] = queue.Queue(maxsize=_WAITING)
        self._lists = threading.BoundedSemaphore(_LISTS)
        self._followed: list[_Followed] = []
        self._begun = 0
        self._versions: dict[str, dict[int, Resource]] = {}
        """An object by key, as each query shows it that does."""
        self._owners = OwnerIndex(is_judged)
        self._owner: dict[str, str] = {}
        """The uid of the owner of an object, by key."""
        self._children: dict[str, set[str]] = {}
        """The keys of what an owner has, by its uid."""
        self._touched: dict[str, None] = {}
        self._shown: set[str] = set()
        for task in tasks:
            self._begin(task)

    def _begin(self, task: ListTask) -> None:
        followed = _Followed(task, self._begun)
        self._begun += 1
        self._followed.append(followed)
        threading.Thread(target=self._run, args=(followed,), daemon=True).start()

    def stop(self) -> None:
        """Let all threads end; they do when the connection is closed."""
        self._stopped.set()
        for followed in self._followed:
            followed.stopped.set()

    def replace_tasks(self, tasks: Iterable[ListTask], gaps: Iterable[CoverageGap]) -> None:
        """Follow `tasks` from now on, with what is missing anyhow: what is new is listed, what is left is not shown."""
        planned = dict.fromkeys(tasks)
        left = [item for item in self._followed if item.task not in planned]
        self._followed = [item for item in self._followed if item.task in planned]
        for followed in left:
            followed.stopped.set()
            self._know(followed, set(), None)
        own = {item.task for item in self._followed}
        for task in planned:
            if task not in own:
                self._begin(task)
        self._gaps = tuple(gaps)

    def list_retained(self, tasks: Iterable[ListTask]) -> list[ListTask]:
        """What is followed and served, though `tasks` have nothing of the kind."""
        kinds = {(task.query.served.group, task.query.served.kind) for task in tasks}
        served = [item.task for item in self._followed if item.is_served]
        return [task for task in served if (task.query.served.group, task.query.served.kind) not in kinds]

    def has_tasks(self, tasks: Iterable[ListTask], gaps: Iterable[CoverageGap]) -> bool:
        """Whether it follows `tasks` with `gaps` from the beginning, in whatever order."""
        own = {item.task for item in self._followed}
        return own == set(tasks) and set(self._gaps) == set(gaps)

    @property
    def gaps(self) -> tuple[CoverageGap, ...]:
        """What is not shown at this moment."""
        return tuple(dict.fromkeys((*self._gaps, *(item.gap for item in self._followed if item.gap is not None))))

    @property
    def unlisted(self) -> tuple[CoverageGap, ...]:
        """Those of what the server was asked for and did not answer; it is asked again."""
        return tuple(item.gap for item in self._followed if item.gap is not None and item.lost)

    @property
    def missing_namespaces(self) -> tuple[str, ...]:
        """The Namespaces that are asked for by their names and do not exist at this moment."""
        asked = (item for item in self._followed if is_namespace(item.task.query))
        return tuple(item.task.query.name for item in asked if item.is_known and not item.keys and item.gap is None)

    @property
    def is_known(self) -> bool:
        """Whether everything has been listed once, or was refused."""
        return all(item.is_known for item in self._followed)

    @property
    def is_current(self) -> bool:
        """Whether everything is followed at this moment that is not among the gaps."""
        some = not self._followed or any(item.is_current for item in self._followed)
        return some and all(item.is_current or item.gap is not None for item in self._followed)

    @property
    def is_disconnected(self) -> bool:
        """Whether nothing at all can be followed at this moment."""
        return bool(self._followed) and all(item.lost for item in self._followed)

    @property
    def disconnect_reason(self) -> str:
        """Why what is shown cannot be followed at this moment, and of which kinds if not of all; empty if it can."""
        found = [item for item in self._followed if item.lost and (item.gap is None or self.is_disconnected)]
        if not found:
            return ""
        first = found[0]
        if len(found) == len(self._followed):
            return first.lost
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        return f"{first.task.query.served.full_name}{more}: {first.lost}"

    def changes(
        self, first: float, rest: float, most: float = 0.0, ended: threading.Event | None = None
    ) -> Mapping[str, Resource | None]:
        """What changed since the last call, by key; None for what is not to be seen any more.

        Waits `first` seconds for something to happen, and then until nothing has for `rest` seconds, but no longer than
        `rest` or `most`, whichever is more, and not when `ended` is set. Raises RuntimeError where a mistake of ours has
        ended a thread.
        """
        if self._accident is not None:
            raise RuntimeError("something is not followed any more") from self._accident
        wait, until = first, float("inf")
        while not (self._stopped.is_set() or (ended is not None and ended.is_set())):
            try:
                followed, event = self._arrivals.get(timeout=max(0.0, min(wait, until - time.monotonic())))
            except queue.Empty:
                break
            if not followed.stopped.is_set():
                self._take(followed, event)
            if until == float("inf"):
                wait, until = rest, time.monotonic() + max(rest, most)
            elif time.monotonic() > until:
                break
        return self._seen()

    def _run(self, followed: _Followed) -> None:
        """Follow; an accident is told to who looks, as nothing would come of the kind any more."""
        try:
            self._follow(followed)
        finally:
            error = sys.exc_info()[1]
            if error is not None:
                self._accident = error

    def _follow(self, followed: _Followed) -> None:
        """Hand on what happens; while a list comes in, few others may."""
        with contextlib.ExitStack() as turn:
            for event in watch_objects(self._connection, followed.task.query, followed.stopped, self._pace):
                if isinstance(event, PageListed) and event.first:
                    turn.close()
                    self._lists.acquire()
                    turn.callback(self._lists.release)
                elif not isinstance(event, PageListed):
                    turn.close()
                if not self._hand(followed, _packed(event)):
                    return

    def _hand(self, followed: _Followed, event: _Arrival) -> bool:
        """Hand an event on as soon as there is room; gives False when nobody takes it any more."""
        while not followed.stopped.is_set():
            with contextlib.suppress(queue.Full):
                self._arrivals.put((followed, event), timeout=_LOOK)
                return True
        return False

    def _take(self, followed: _Followed, event: _Arrival) -> None:
        match event:
            case _Items(items, first):
                if first or followed.listing is None:
                    followed.listing = set()
                for key, resource in items:
                    self._put(followed, key, resource)
                    followed.listing.add(key)
            case _Came(key, resource):
                self._count()
                self._put(followed, key, resource)
            case _Went(key):
                self._count()
                self._remove(followed, key)
            case ListCompleted():
                self.counters.lists += 1
                self._know(followed, followed.listing or set(), None)
            case WatchRefused(why, verb):
                gap = msgspec.structs.replace(followed.task.gap(why), verb=verb)
                self._know(followed, set(), None if followed.task.is_optional else gap)
            case WatchLost(why, is_served):
                self._lose(followed, why, is_served=is_served)
            case WatchResumed():
                followed.is_current = followed.is_known and followed.listing is None
                followed.is_served, followed.lost = True, ""

    def _know(self, followed: _Followed, there: set[str], gap: CoverageGap | None) -> None:
        """Everything that is there is known by now, but for the gap."""
        for key in followed.keys - there:
            self._remove(followed, key)
        followed.listing = None
        followed.is_known = followed.is_current = followed.is_served = True
        followed.lost = ""
        followed.gap = gap

    def _lose(self, followed: _Followed, why: str, *, is_served: bool) -> None:
        """What was known may have changed; what never was is missing."""
        self.counters.lost += 1
        if followed.is_served and not is_served:
            self.unserved_since = time.monotonic()
        followed.is_served = is_served
        followed.is_current = False
        followed.lost = why
        if not followed.is_known:
            gap = followed.task.gap(why, partial=bool(followed.keys))
            followed.gap = None if followed.task.is_optional else gap
            followed.is_known = True

    def _count(self) -> None:
        self.counters.events += 1
        self.counters.last_event = time.time()

    def _put(self, followed: _Followed, key: str, resource: Resource) -> None:
        number = followed.number
        followed.keys.add(key)
        versions = self._versions.setdefault(key, {})
        if versions.get(number) == resource:
            return
        versions[number] = resource
        self._touched[key] = None
        if followed.task.carries_pods:
            item = resource.object
            owner = get_controller(item)
            self._belongs(key, str(owner.get("uid")) if owner is not None else "")
            if self._owners.add(item):
                self._touch_made(key)

    def _remove(self, followed: _Followed, key: str) -> None:
        followed.keys.discard(key)
        versions = self._versions.get(key)
        if versions is None:
            return
        self._touched[key] = None
        known = versions.pop(followed.number, None)
        if versions:
            return
        del self._versions[key]
        self._belongs(key, "")
        if known is not None:
            self._owners.remove(known.namespace, parse_uid(key))
        self._touch_made(key)

    def _touch_made(self, key: str) -> None:
        """Look again at what an object has made, and what that has."""
        todo, seen = [key], {key}
        while todo:
            made = self._children.get(parse_uid(todo.pop()), set()) - seen
            self._touched |= dict.fromkeys(made)
            seen |= made
            todo += made

    def _belongs(self, key: str, owner: str) -> None:
        """Remember the uid of who owns an object; nobody if `owner` is empty."""
        before = self._owner.pop(key, "")
        if before and before != owner:
            children = self._children[before]
            children.discard(key)
            if not children:
                del self._children[before]
        if owner:
            self._owner[key] = owner
            self._children.setdefault(owner, set()).add(key)

    def _seen(self) -> dict[str, Resource | None]:
        found: dict[str, Resource | None] = {}
        for key in self._touched:
            resource = self._visible(key)
            if resource is not None:
                self._shown.add(key)
                found[key] = resource
            elif key in self._shown:
                self._shown.discard(key)
                found[key] = None
        self._touched.clear()
        return found

    def _visible(self, key: str) -> Resource | None:
        versions = self._versions.get(key)
        if versions is None:
            return None
        resource = versions[min(versions)]
        return None if key in self._owner and self._owners.have_said(resource.object) else resource


def _packed(event: ObjectEvent) -> _Arrival:
    """An event that takes little room while it waits."""
    match event:
        case PageListed(items, first):
            return _Items([(build_key(item), Resource(item).packed()) for item in items], first)
        case ObjectChanged(item):
            return _Came(build_key(item), Resource(item).packed())
        case ObjectDeleted(item):
            return _Went(build_key(item))
        case _:
            return event
