"""Past scans of a source, and their submissions as they were received."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import iterate_in_threadpool

from kubekeep_server.api.answers import Cursor, Limit, SourceNumber, answer, read_in_scope
from kubekeep_server.api.body import grow_share
from kubekeep_server.api.problems import DOCUMENTED
from kubekeep_server.api.server_state import get_state
from kubekeep_server.api.structs import PRIVATE, describe_answer, is_known
from kubekeep_server.api.submissions import JSON
from kubekeep_server.store.proofs import open_document
from kubekeep_server.store.queries import scans
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Page

router: Final = APIRouter(prefix="/api/v1", tags=["scans"], responses=DOCUMENTED)
_DOCUMENT: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The submission",
        "content": {JSON: {"schema": {"type": "object", "title": "kubekeep.io/submission/v1"}}},
    },
    304: {"description": "The client has it, by the ETag of If-None-Match"},
    404: {"description": "There is no such scan, or not all of its source is in the scope of the identity"},
}
ScanName = Annotated[str, Path(max_length=1024)]


@router.get(
    "/sources/{source}/scans",
    operation_id="listScans",
    response_class=Response,
    responses=describe_answer(Page[scans.ScanRow]),
)
async def read_scans(
    request: Request, source: SourceNumber, cursor: Cursor = "", limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Return a page of the scans of a source, the last one first. Requires a scope with all of its namespaces."""
    return await answer(request, scans.list_scans, source, cursor, limit)


@router.get(
    "/sources/{source}/scans/{scan}", operation_id="getScan", response_class=StreamingResponse, responses=_DOCUMENT
)
async def read_scan(request: Request, source: SourceNumber, scan: ScanName) -> Response:
    """Return a submission as it was received. Requires a scope with all namespaces of the source."""
    state = get_state(request)
    stored = await read_in_scope(request, scans.find_scan, source, scan)
    headers = {"ETag": f'"{stored.digest.hex()}"', **PRIVATE}
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    with ExitStack() as stack:
        share = stack.enter_context(state.budget.open_share())
        grow_share(share, stored.memory)
        parts = await state.reading.run(open_document, stored.digest)
        # From here on, the end of the answer returns the memory.
        content = _send(parts, stack.pop_all())
    headers |= {"Content-Length": str(stored.size), "Content-Disposition": 'attachment; filename="scan.json"'}
    return StreamingResponse(content, media_type=JSON, headers=headers)


async def _send(parts: Iterator[bytes], stack: ExitStack) -> AsyncIterator[bytes]:
    with stack:
        async for part in iterate_in_threadpool(parts):
            yield part
