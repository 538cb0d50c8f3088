"""The log of changes of users and rights, in pages by number."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from kubekeep.model.scanned_source import ANY_SOURCE
from kubekeep_server.api.access import get_identity
from kubekeep_server.api.documents import ApiModel
from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.auth.permissions import Permission, list_grants
from kubekeep_server.store.numbers import to_moment
from kubekeep_server.store.organisation_log import list_entries

router: Final = APIRouter(prefix="/api/v1", tags=["log"], responses=DOCUMENTED)


class LogEntry(ApiModel):
    """An entry. digest: SHA-256 of the digest before it and the stored entry."""

    number: int
    moment: dt.datetime
    actor: str
    action: str
    details: dict[str, Any]
    digest: str


@router.get("/log", operation_id="listLog")
async def list_log(
    request: Request,
    before: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[LogEntry]:
    """Return entries, the newest first. before: the number of the last entry of the page before; 0 for the first page."""
    grants = list_grants(get_identity(request), Permission.READ_LOG)
    if not any(grant.scope == ANY_SOURCE for grant in grants):
        raise ProblemError(403, "The log of the organisation requires a role for all sources.")
    rows = await get_state(request).reading.run(list_entries, before, limit)
    return [_describe(row) for row in rows]


def _describe(row: Any) -> LogEntry:
    _, _, actor, action, details = json.loads(row.entry)
    return LogEntry(
        number=row.number,
        moment=to_moment(row.moment),
        actor=actor,
        action=action,
        details=details,
        digest=row.digest.hex(),
    )
