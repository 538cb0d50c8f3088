"""Sources that have submitted, within the scope of the sender."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, Final

from fastapi import APIRouter, Request

from kubekeep_server.api.access import get_identity
from kubekeep_server.api.documents import ApiModel
from kubekeep_server.api.problems import DOCUMENTED
from kubekeep_server.api.server_state import get_state
from kubekeep_server.auth.permissions import Permission, list_grants
from kubekeep_server.store.numbers import to_moment
from kubekeep_server.store.sources import list_sources

router: Final = APIRouter(prefix="/api/v1", tags=["sources"], responses=DOCUMENTED)


class SourceDocument(ApiModel):
    """A source. identity: as in its last submission. finished: the end of the scan that made its state."""

    id: int
    key: str
    branch: str
    identity: dict[str, Any]
    created: dt.datetime
    finished: dt.datetime


@router.get("/sources", operation_id="listSources")
async def list_all(request: Request) -> list[SourceDocument]:
    """Return the sources that the sender may read."""
    grants = list_grants(get_identity(request), Permission.READ)
    rows = await get_state(request).reading.run(list_sources)
    return [_describe(row) for row in rows if any(grant.covers(row.key) for grant in grants)]


def _describe(row: Any) -> SourceDocument:
    return SourceDocument(
        id=row.id,
        key=row.key,
        branch=row.branch,
        identity=json.loads(row.document),
        created=to_moment(row.created),
        finished=to_moment(row.finished),
    )
