"""Messages of notifications: queued, sent and given up, with their last error."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.answers import Limit
from kubekeep_server.api.destinations import Number
from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.api.structs import describe_answer, respond
from kubekeep_server.auth.permissions import Permission, list_grants
from kubekeep_server.store import deliveries
from kubekeep_server.store.changes import list_visible
from kubekeep_server.store.deliveries import Delivery, DeliveryState
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, Page

router: Final = APIRouter(prefix="/api/v1/notifications", tags=["notifications"], responses=DOCUMENTED)


class DeliveryRow(Document, frozen=True, kw_only=True):
    """A message. attempts: that have begun. error: of the last one; empty without any. source: number."""

    id: int
    rule: int | None
    destination: int
    event: str
    source: int | None
    title: str
    state: DeliveryState
    created: dt.datetime
    due: dt.datetime
    attempts: int
    error: str
    ended: dt.datetime | None


@router.get(
    "/deliveries", operation_id="listDeliveries", response_class=Response, responses=describe_answer(Page[DeliveryRow])
)
async def list_all(
    request: Request,
    state: DeliveryState | None = None,
    before: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Return messages about sources in the scope, the newest first. before: the number of the last one of the page before."""
    visible = await _list_visible(request, Permission.READ_NOTIFICATIONS)
    rows = await get_state(request).reading.run(deliveries.list_deliveries, state, visible, before, limit)
    return respond(request, Page(tuple(_describe(row) for row in rows)))


@router.post("/deliveries/{number}/resend", operation_id="resendDelivery", status_code=202)
async def resend(request: Request, number: Number) -> None:
    """Queue a message that was given up again."""
    visible = await _list_visible(request, Permission.MANAGE_NOTIFICATIONS)
    state = get_state(request)
    try:
        await state.writing.run(deliveries.resend_delivery, number, visible, get_now())
    except LookupError as error:
        raise ProblemError(404, f"{str(error).capitalize()}.") from error


async def _list_visible(request: Request, permission: Permission) -> frozenset[int] | None:
    """Return the sources whose messages are visible; None for all. A grant for some namespaces is not enough."""
    grants = [grant for grant in list_grants(get_identity(request), permission) if not grant.namespaces]
    return await get_state(request).reading.run(list_visible, grants)


def _describe(row: Delivery) -> DeliveryRow:
    return DeliveryRow(
        id=row.id,
        rule=row.rule,
        destination=row.destination,
        event=row.event,
        source=row.source,
        title=row.title,
        state=row.state,
        created=row.created,
        due=row.due,
        attempts=row.attempts,
        error=row.error,
        ended=row.ended,
    )
