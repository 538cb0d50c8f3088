"""Health of the process for its supervisor, and its metrics. Public: they contain no secrets and no names."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from kubekeep_server.api.problems import DOCUMENTED, RETRY_SECONDS, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.store.sources import check_connection

router: Final = APIRouter(tags=["health"], responses=DOCUMENTED)


@router.get("/healthz", operation_id="getHealth", response_class=PlainTextResponse)
async def get_health() -> str:
    """Answer if the process runs."""
    return "ok"


@router.get("/readyz", operation_id="getReadiness", response_class=PlainTextResponse)
async def get_readiness(request: Request) -> str:
    """Answer if the tables are current and the database answers; 503 otherwise."""
    state = get_state(request)
    if not state.is_ready:
        raise ProblemError(503, "The server starts or stops.", retry_after=RETRY_SECONDS)
    await state.reading.run(check_connection)
    return "ok"


@router.get("/metrics", operation_id="getMetrics", response_class=PlainTextResponse)
async def get_metrics() -> Response:
    """Return the metrics in the text format of Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
