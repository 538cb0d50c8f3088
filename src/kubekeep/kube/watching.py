"""The objects of one kind as they come, change and go: a list, and from there on a watch (Kubernetes docs, API concepts).

Goes on by itself after everything that may pass: a stream that ends or breaks off, a server that stumbles, a version that
it has forgotten, a permission that is taken away. Keeps no object; never takes silence for news.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.kube.answer import JSON, TOO_DEEP
from kubekeep.kube.connection import Connection
from kubekeep.kube.errors import ApiError, ConnectionLostError, KubeError, LoginError, UnreadableError, brief
from kubekeep.kube.listing import Listing, Query, named
from kubekeep.model.text import visible

_GONE: Final = 410
_REFUSALS: Final = frozenset({403, 405, 406, 415})
"""What a server answers that will not change its mind soon."""
_NOT_FOUND: Final = 404
"""The kind is not served, or not yet."""
_UNAUTHORIZED: Final = 401
"""Nothing is said of what one may see: who one is has to be found out anew."""
_METADATA_ONLY: Final = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_SHORT: Final = 0.5
"""Seconds: a stream that ends sooner without a word was none."""
_LONGEST_LINE: Final = 64 << 20
"""Bytes of one event; etcd takes objects of 1.5 MB."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How patient a watch is; times in seconds.

    The server ends a stream after `stream`, and says something at least every `silence`, or is taken for gone.
    """

    stream: float = 300.0
    silence: float = 120.0
    first_wait: float = 0.5
    longest_wait: float = 30.0
    refused: float = 30.0
    """How long until what was refused is asked for again, or who is not known tries again."""
    look: float = 30.0
    """How long until an object that is asked for by its name is asked for again."""


class Page(msgspec.Struct, frozen=True, gc=False):
    """Objects of a list; those of the `first` page begin a list of everything."""

    items: list[dict[str, Any]]
    first: bool


class Listed(msgspec.Struct, frozen=True):
    """The list is complete: what was not in it is not there."""


class Put(msgspec.Struct, frozen=True, gc=False):
    """An object has come or changed."""

    item: dict[str, Any]


class Gone(msgspec.Struct, frozen=True, gc=False):
    """An object has gone."""

    item: dict[str, Any]


class Refused(msgspec.Struct, frozen=True):
    """Objects are not shown: nothing is known of them until the next list. `verb` is what is not allowed."""

    why: str
    verb: str


class Lost(msgspec.Struct, frozen=True):
    """The server cannot be followed for now, or the kind is not served by it; what was known may have changed."""

    why: str
    is_served: bool = True


class Resumed(msgspec.Struct, frozen=True):
    """The server is being followed again, from where it was lost."""


Event = Page | Listed | Put | Gone | Refused | Lost | Resumed


class _ForgottenError(Exception):
    """The server does not know any more what has happened since."""


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: dict[str, Any]


def watching(
    connection: Connection,
    query: Query,
    stopped: threading.Event,
    pace: Pace = Pace(),  # noqa: B008 - frozen
) -> Iterator[Event]:
    """What becomes of the objects of `query`, until `stopped` is set or the connection is closed.

    A single object is looked at from time to time: who may get it need not be allowed to watch it.
    """
    watch = _Watch(connection, query, stopped, pace)
    while not watch.over():
        try:
            if query.name:
                yield from watch.looked()
                continue
            yield from watch.listed()
            while not watch.over():
                yield from watch.streamed()
        except _ForgottenError:
            # Everything is listed anew then, but not by a server that forgets as fast as it tells.
            watch.wait(refused=False)
        except KubeError as error:
            if watch.over():
                return
            refused = isinstance(error, UnreadableError) or (isinstance(error, ApiError) and error.status in _REFUSALS)
            yield Refused(brief(error), watch.verb) if refused else _loss(error)
            watch.wait(refused=refused or _is_unknown(error))


class _Watch:
    """Where one watch is."""

    def __init__(self, connection: Connection, query: Query, stopped: threading.Event, pace: Pace) -> None:
        self.verb = "list"
        self._connection = connection
        self._query = query
        self._stopped = stopped
        self._pace = pace
        self._version = ""
        self._failures = 0
        self._looked: list[dict[str, Any]] | None = None

    def over(self) -> bool:
        """Whether nobody wants to know any more."""
        return self._stopped.is_set() or self._connection.is_closed

    def wait(self, *, refused: bool) -> None:
        """Let some time pass, more after each failure in a row."""
        pace = self._pace
        wait = pace.refused if refused else min(pace.first_wait * 2**self._failures, pace.longest_wait)
        self._failures = min(self._failures + 1, 16)
        # Whoever was turned away together must not come back together.
        self._stopped.wait(wait * random.uniform(0.8, 1.2))  # noqa: S311 - no secret

    def listed(self) -> Iterator[Event]:
        """Everything that is there."""
        self.verb, self._version = "list", ""
        listing = Listing(self._connection, self._query)
        yield Page([], first=True)
        for items in listing:
            yield Page(items, first=False)
        self._version = listing.resource_version
        self._failures = 0
        yield Listed()

    def looked(self) -> Iterator[Event]:
        """The one object of a name where it is another one than before, and a pause."""
        self.verb = "get"
        try:
            found = [item for items in Listing(self._connection, self._query) for item in items]
        except KubeError:
            self._looked = None
            raise
        self._failures = 0
        if found != self._looked:
            self._looked = found
            yield Page(found, first=True)
            yield Listed()
        self._stopped.wait(self._pace.look * random.uniform(0.8, 1.2))  # noqa: S311 - no secret

    def streamed(self) -> Iterator[Event]:
        """What happens from there on, until the stream ends; one that breaks off is taken up again after a while."""
        self.verb = "watch"
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(max(1, round(self._pace.stream * random.uniform(0.8, 1.2)))),  # noqa: S311
            "fieldSelector": self._query.fields,
            "labelSelector": self._query.labels,
        }
        started, version = time.monotonic(), self._version
        try:
            with self._connection.stream(
                self._query.served.path(self._query.namespace),
                {key: value for key, value in params.items() if value},
                self._pace.silence,
                _METADATA_ONLY if self._query.metadata_only else JSON,
            ) as pieces:
                yield from self._events(pieces)
            if version == self._version and time.monotonic() - started < _SHORT:
                yield from self._lost(ConnectionLostError("the API server ends the watch at once"))
        except ApiError as error:
            if error.status == _GONE:
                raise _ForgottenError from error
            if error.status in _REFUSALS:
                raise
            yield from self._lost(error)
        except UnreadableError:
            raise
        except KubeError as error:
            yield from self._lost(error)

    def _lost(self, error: KubeError) -> Iterator[Event]:
        if not self.over():
            yield _loss(error)
            self.wait(refused=_is_unknown(error))

    def _events(self, pieces: Iterator[bytes]) -> Iterator[Event]:
        if self._failures:
            yield Resumed()
        for line in _lines(pieces):
            try:
                event = msgspec.json.decode(line, type=_Event)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise ConnectionLostError(f"the API server sends no whole event: {visible(str(error))}") from None
            except RecursionError:
                raise UnreadableError(TOO_DEEP) from None
            yield from self._told(event)
            if self.over():
                return

    def _told(self, event: _Event) -> Iterator[Event]:
        thing = event.object
        if event.type == "ERROR":
            if thing.get("code") == _GONE:
                raise _ForgottenError
            raise ConnectionLostError(f"the API server ends the watch: {visible(str(thing.get('message'))[:600])}")
        metadata = thing.get("metadata")
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        if not isinstance(version, str) or not version:
            raise ConnectionLostError("the API server sends an event without a version")
        if event.type in ("ADDED", "MODIFIED"):
            yield Put(named(self._query.served, thing))
        elif event.type == "DELETED":
            yield Gone(named(self._query.served, thing))
        self._version = version
        self._failures = 0


def _loss(error: KubeError) -> Lost:
    return Lost(str(error), is_served=not (isinstance(error, ApiError) and error.status == _NOT_FOUND))


def _is_unknown(error: KubeError) -> bool:
    """Whether the server does not know us, or there are no credentials to show it."""
    return isinstance(error, LoginError) or (isinstance(error, ApiError) and error.status == _UNAUTHORIZED)


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a stream; what is behind the last line end was not said to the end."""
    rest: list[bytes] = []
    size = 0
    for piece in pieces:
        *whole, last = piece.split(b"\n")
        for line in whole:
            text = b"".join([*rest, line])
            rest.clear()
            size = 0
            if text:
                yield text
        rest.append(last)
        size += len(last)
        if size > _LONGEST_LINE:
            raise UnreadableError(f"the API server sends an event of more than {_LONGEST_LINE} bytes")
