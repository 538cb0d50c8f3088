"""Server-sent events (HTML, section 9.2): the numbers of sources that have changed, and nothing else about them.

A stream ends with its session or token. It does not keep a session alive.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from kubekeep_server.api.access import find_identity, get_identity
from kubekeep_server.api.change_feed import ChangeFeed, Subscription, TooManyConnectionsError
from kubekeep_server.api.problems import DOCUMENTED, RETRY_SECONDS, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.auth.permissions import Permission, list_grants
from kubekeep_server.store.changes import list_visible
from kubekeep_server.store.errors import StoreUnavailableError

router: Final = APIRouter(prefix="/api/v1", tags=["results"], responses=DOCUMENTED)
_MEDIA_TYPE: Final = "text/event-stream"
_HEARTBEAT_SECONDS: Final = 15.0
"""Shorter than the time after which proxies close silent connections; also the longest life of a stream without its session."""
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Events `source`, whose data is the number of a source",
        "content": {_MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}
_HEADERS: Final = {"X-Accel-Buffering": "no"}
"""Proxies would collect events."""
_RETRY: Final = f"retry: {RETRY_SECONDS * 1000}\n\n"
_COMMENT: Final = ":\n\n"
Position = Annotated[str, Header(alias="Last-Event-ID", max_length=100, description="The id of the last event")]


@router.get("/events", operation_id="listenToEvents", response_class=StreamingResponse, responses=_STREAM)
async def listen(request: Request, last_event_id: Position = "") -> Response:
    """Send an event for each source in the scope that a scan, a match or its deletion has changed, until the client ends.

    With the id of the last event, events since then are sent again, and some before it. Ids are of no other use.
    """
    feed, identity = get_state(request).changes, get_identity(request)
    is_id = last_event_id.isascii() and last_event_id.isdecimal()
    with ExitStack() as stack:
        sender = identity.key if identity.account is None else identity.account
        try:
            subscription = stack.enter_context(feed.subscribe(sender))
        except TooManyConnectionsError as error:
            detail = "There are too many streams of events. Close one, or repeat the request later."
            raise ProblemError(429, detail, retry_after=RETRY_SECONDS) from error
        missed = await feed.list_since(int(last_event_id) if is_id else 0)
        if is_id:
            subscription.add(missed)
        # From here on, the end of the stream ends the subscription.
        content = _send(request, feed, subscription, stack.pop_all())
    return StreamingResponse(content, media_type=_MEDIA_TYPE, headers=_HEADERS)


async def _send(request: Request, feed: ChangeFeed, subscription: Subscription, stack: ExitStack) -> AsyncIterator[str]:
    with stack:
        yield _RETRY
        before: frozenset[int] = frozenset()
        while not subscription.is_ended:
            position, changed = feed.position, await subscription.take(_HEARTBEAT_SECONDS)
            try:
                visible = await _list_visible(request)
            except StoreUnavailableError:
                # The client resumes where it was.
                return
            if visible is _NOTHING:
                return
            # A source that was deleted is in no scope any more.
            shown = changed if visible is None else changed & (visible | before)
            before = visible or frozenset()
            yield "".join(map(_write, sorted(shown), [max(position, feed.position)] * len(shown))) or _COMMENT


_NOTHING: Final[frozenset[int]] = frozenset({0})
"""The sources of a client that may not read: no source has this number."""


async def _list_visible(request: Request) -> frozenset[int] | None:
    """Return the sources that the client may see now; `_NOTHING` if it may not read any more, None for all."""
    identity, _ = await find_identity(request)
    grants = list_grants(identity, Permission.READ) if identity is not None else ()
    return await get_state(request).reading.run(list_visible, grants) if grants else _NOTHING


def _write(source: int, position: int) -> str:
    return f"id: {position}\nevent: source\ndata: {source}\n\n"
