"""The advisory database of the server, and the matching of images with it."""

from __future__ import annotations

import datetime as dt
from typing import Final

from fastapi import APIRouter, Request

from kubekeep_server.api.documents import ApiModel
from kubekeep_server.api.problems import DOCUMENTED
from kubekeep_server.api.server_state import get_state
from kubekeep_server.store.advisory_state import MatchStatus, load_status

router: Final = APIRouter(prefix="/api/v1", tags=["results"], responses=DOCUMENTED)


class EcosystemAdvisories(ApiModel):
    """The advisories of an ecosystem, such as npm. updated: time of the newest ones."""

    ecosystem: str
    updated: dt.datetime | None
    records: int


class Advisories(ApiModel):
    """The state of the advisory database and of the matching.

    mode: `off`, `automatic` or `bundles`. version: counts the changes of the database. changed: time of the last one. updated: time
    of the last update without an error. error, failed: message and time of the last failure, until the next success.
    matchedImages: images that were matched at least once. pendingImages: images that wait.
    """

    mode: str
    version: int
    ecosystems: list[EcosystemAdvisories]
    changed: dt.datetime | None
    updated: dt.datetime | None
    error: str
    failed: dt.datetime | None
    matched_images: int
    pending_images: int


@router.get("/advisories", operation_id="getAdvisories")
async def get_advisories(request: Request) -> Advisories:
    """Return the version and the age of the advisories, the last failure, and how many images were matched."""
    state = get_state(request)
    status = await state.reading.run(load_status)
    return _describe(state.settings.advisories, status)


def _describe(mode: str, status: MatchStatus) -> Advisories:
    return Advisories(
        mode=mode,
        version=status.known.version,
        ecosystems=[
            EcosystemAdvisories(ecosystem=entry.ecosystem, updated=entry.updated, records=entry.records)
            for entry in status.known.ecosystems
        ],
        changed=status.changed,
        updated=status.updated,
        error=status.error,
        failed=status.failed,
        matched_images=status.matched,
        pending_images=status.pending,
    )
