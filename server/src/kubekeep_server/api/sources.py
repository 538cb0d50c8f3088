"""Deletion of sources."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request

from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.auth.permissions import Permission, list_grants
from kubekeep_server.store.deletion import delete_source

router: Final = APIRouter(prefix="/api/v1", tags=["sources"], responses=DOCUMENTED)


@router.delete("/sources/{source}", operation_id="deleteSource", status_code=204)
async def delete(request: Request, source: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> None:
    """Delete a source with its findings and scans, and the images that no other source has.

    A later submission makes a new source.
    """
    identity = get_identity(request)
    grants = list_grants(identity, Permission.MANAGE_SOURCES)
    arguments = (delete_source, grants, source, get_now(), identity.name)
    try:
        await get_state(request).writing.run(*arguments, is_long=True)
    except LookupError as error:
        raise ProblemError(404, f"{str(error).capitalize()}.") from error
