"""Changes of the objects of one kind: a list, followed by a watch (Kubernetes docs, API concepts).

Recovers from temporary failures: streams that end or break, server errors, expired resource versions, revoked
permissions. Keeps no objects and never treats silence as a change.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.errors import (
    GONE,
    NOT_FOUND,
    UNAUTHORIZED,
    ApiError,
    ConnectionLostError,
    KubeError,
    LoginError,
    SilentStreamError,
    UnreadableResponseError,
    summarise_error,
)
from kubekeep.kube.listing import Listing, ListQuery, complete_object
from kubekeep.kube.responses import JSON, TOO_DEEP
from kubekeep.model.text import visible

_REFUSALS: Final = frozenset({403, 405, 406, 415})
"""Status codes that are not expected to change soon."""
_METADATA_ONLY: Final = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_MIN_STREAM_SECONDS: Final = 0.5
"""Seconds: a stream that ends sooner without an event counts as a failure."""
_MAX_LINE: Final = 64 << 20
"""Maximum size of one event in bytes; etcd accepts objects of 1.5 MB."""


class WatchTiming(msgspec.Struct, frozen=True, kw_only=True):
    """Timing of a watch in seconds.

    The server ends a stream after about `stream_seconds`. A stream without events and bookmarks for `read_timeout` is opened
    again; it is lost if that fails.
    """

    stream_seconds: float = 300.0
    read_timeout: float = 120.0
    first_wait: float = 0.5
    max_wait: float = 30.0
    refusal_wait: float = 30.0
    """Wait before retrying after a refusal or rejected credentials."""
    poll_interval: float = 30.0
    """Interval of reading an object requested by name."""


class PageListed(msgspec.Struct, frozen=True, gc=False):
    """Objects of a list; the `is_first` page starts a new, complete list."""

    objects: list[dict[str, Any]]
    is_first: bool


class ListCompleted(msgspec.Struct, frozen=True):
    """The list is complete: objects that were not in it do not exist."""


class ObjectChanged(msgspec.Struct, frozen=True, gc=False):
    """An object was created or changed."""

    object: dict[str, Any]


class ObjectDeleted(msgspec.Struct, frozen=True, gc=False):
    """An object was deleted."""

    object: dict[str, Any]


class WatchRefused(msgspec.Struct, frozen=True):
    """The objects cannot be read and are unknown until the next list. `verb` is the denied verb."""

    reason: str
    verb: str


class WatchLost(msgspec.Struct, frozen=True):
    """The watch is interrupted, or the kind is not served; known objects may have changed."""

    reason: str
    is_served: bool = True


class WatchResumed(msgspec.Struct, frozen=True):
    """The watch has resumed from the point of interruption."""


ObjectEvent = PageListed | ListCompleted | ObjectChanged | ObjectDeleted | WatchRefused | WatchLost | WatchResumed


class _ExpiredError(Exception):
    """The resource version has expired (410 Gone)."""


class _StreamEvent(msgspec.Struct, frozen=True):
    type: str
    object: dict[str, Any]


def watch_objects(
    connection: KubeConnection,
    query: ListQuery,
    stopped: threading.Event,
    timing: WatchTiming = WatchTiming(),  # noqa: B008 - frozen
) -> Iterator[ObjectEvent]:
    """Yield events of the objects of `query` until `stopped` is set or the connection is closed.

    An object requested by name is read periodically: users who may get it need not be allowed to watch it.
    """
    state = _Watch(connection, query, stopped, timing)
    while not state.is_over():
        try:
            if query.name:
                yield from state.poll()
                continue
            yield from state.list_objects()
            while not state.is_over():
                yield from state.stream_events()
        except _ExpiredError:
            # The list starts again, after a wait in case the server expires versions immediately.
            state.wait(is_refused=False)
        except KubeError as error:
            if state.is_over():
                return
            is_refused = isinstance(error, UnreadableResponseError) or (
                isinstance(error, ApiError) and error.status in _REFUSALS
            )
            yield WatchRefused(summarise_error(error), state.verb) if is_refused else _to_lost(error)
            state.wait(is_refused=is_refused or _is_unauthenticated(error))


class _Watch:
    """State of one watch."""

    def __init__(
        self, connection: KubeConnection, query: ListQuery, stopped: threading.Event, timing: WatchTiming
    ) -> None:
        self.verb = "list"
        self._connection = connection
        self._query = query
        self._stopped = stopped
        self._timing = timing
        self._version = ""
        self._failures = 0
        self._last_objects: list[dict[str, Any]] | None = None

    def is_over(self) -> bool:
        """Return True if the watch was stopped or the connection is closed."""
        return self._stopped.is_set() or self._connection.is_closed

    def wait(self, *, is_refused: bool) -> None:
        """Wait before the next attempt, longer after each failure in a row."""
        timing = self._timing
        wait = timing.refusal_wait if is_refused else min(timing.first_wait * 2**self._failures, timing.max_wait)
        self._failures = min(self._failures + 1, 16)
        # Jitter: clients that were refused together must not retry together.
        self._stopped.wait(wait * random.uniform(0.8, 1.2))  # noqa: S311 - no secret

    def list_objects(self) -> Iterator[ObjectEvent]:
        """List all objects and remember the resource version."""
        self.verb, self._version = "list", ""
        listing = Listing(self._connection, self._query)
        yield PageListed([], is_first=True)
        for objects in listing:
            yield PageListed(objects, is_first=False)
        self._version = listing.resource_version
        self._failures = 0
        yield ListCompleted()

    def poll(self) -> Iterator[ObjectEvent]:
        """Read the single object, yield it if it changed, and wait."""
        self.verb = "get"
        try:
            objects = [resource for page in Listing(self._connection, self._query) for resource in page]
        except KubeError:
            self._last_objects = None
            raise
        self._failures = 0
        if objects != self._last_objects:
            self._last_objects = objects
            yield PageListed(objects, is_first=True)
            yield ListCompleted()
        self._stopped.wait(self._timing.poll_interval * random.uniform(0.8, 1.2))  # noqa: S311 - no secret

    def stream_events(self) -> Iterator[ObjectEvent]:
        """Yield events of the watch until the stream ends; a broken stream is resumed after a wait."""
        self.verb = "watch"
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(max(1, round(self._timing.stream_seconds * random.uniform(0.8, 1.2)))),  # noqa: S311
            "fieldSelector": self._query.fields,
            "labelSelector": self._query.labels,
        }
        started, version = time.monotonic(), self._version
        try:
            with self._connection.stream(
                self._query.served.build_path(self._query.namespace),
                {key: value for key, value in params.items() if value},
                self._timing.read_timeout,
                _METADATA_ONLY if self._query.metadata_only else JSON,
            ) as pieces:
                yield from self._decode_events(pieces)
            if version == self._version and time.monotonic() - started < _MIN_STREAM_SECONDS:
                yield from self._recover(ConnectionLostError("the API server ended the watch immediately"))
        except ApiError as error:
            if error.status == GONE:
                raise _ExpiredError from error
            if error.status in _REFUSALS:
                raise
            yield from self._recover(error)
        except UnreadableResponseError:
            raise
        except SilentStreamError:
            # The API server sends no bookmarks for a kind without any change since its start. A connection that is dead
            # cannot be opened again, which then is a loss.
            return
        except KubeError as error:
            yield from self._recover(error)

    def _recover(self, error: KubeError) -> Iterator[ObjectEvent]:
        if not self.is_over():
            yield _to_lost(error)
            self.wait(is_refused=_is_unauthenticated(error))

    def _decode_events(self, pieces: Iterator[bytes]) -> Iterator[ObjectEvent]:
        if self._failures:
            yield WatchResumed()
        for line in _split_lines(pieces):
            try:
                event = msgspec.json.decode(line, type=_StreamEvent)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise ConnectionLostError(
                    f"the API server sent an invalid or incomplete event: {visible(str(error))}"
                ) from None
            except RecursionError:
                raise UnreadableResponseError(TOO_DEEP) from None
            yield from self._convert_event(event)
            if self.is_over():
                return

    def _convert_event(self, event: _StreamEvent) -> Iterator[ObjectEvent]:
        resource = event.object
        if event.type == "ERROR":
            if resource.get("code") == GONE:
                raise _ExpiredError
            raise ConnectionLostError(f"the API server ended the watch: {visible(str(resource.get('message'))[:600])}")
        metadata = resource.get("metadata")
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        if not isinstance(version, str) or not version:
            raise ConnectionLostError("the API server sent an event without resourceVersion")
        if event.type in ("ADDED", "MODIFIED"):
            yield ObjectChanged(complete_object(self._query.served, resource))
        elif event.type == "DELETED":
            yield ObjectDeleted(complete_object(self._query.served, resource))
        self._version = version
        self._failures = 0


def _to_lost(error: KubeError) -> WatchLost:
    return WatchLost(str(error), is_served=not (isinstance(error, ApiError) and error.status == NOT_FOUND))


def _is_unauthenticated(error: KubeError) -> bool:
    """Return True if credentials are missing or rejected."""
    return isinstance(error, LoginError) or (isinstance(error, ApiError) and error.status == UNAUTHORIZED)


def _split_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the complete lines of a stream; an incomplete last line is dropped."""
    rest: list[bytes] = []
    size = 0
    for piece in pieces:
        *lines, last = piece.split(b"\n")
        for line in lines:
            complete_line = b"".join([*rest, line])
            rest.clear()
            size = 0
            if complete_line:
                yield complete_line
        rest.append(last)
        size += len(last)
        if size > _MAX_LINE:
            raise UnreadableResponseError(f"the API server sent an event larger than {_MAX_LINE} bytes")
