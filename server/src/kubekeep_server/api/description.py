"""The OpenAPI document of this server, from which clients are generated."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Response

from kubekeep_server.api.problems import DOCUMENTED
from kubekeep_server.api.structs import respond
from kubekeep_server.api.submissions import JSON

router: Final = APIRouter(prefix="/api/v1", tags=["description"], responses=DOCUMENTED)
_DOCUMENT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The OpenAPI document, version 3.1", "content": {JSON: {"schema": {"type": "object"}}}},
    304: {"description": "The client has it, by the ETag of If-None-Match"},
}


@router.get("/openapi.json", operation_id="getOpenApi", response_class=Response, responses=_DOCUMENT)
async def read_document(request: Request) -> Response:
    """Return the description of all operations."""
    application: FastAPI = request.app
    return respond(request, application.openapi())
