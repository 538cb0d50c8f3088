"""Addresses, lists and messages of Kubescape's protocol: what its clients ask for beside sending results. Stores nothing."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import PlainTextResponse

from kubekeep_server.api.body import read_body
from kubekeep_server.api.documents import ApiModel
from kubekeep_server.api.problems import DOCUMENTED
from kubekeep_server.api.server_state import get_address, get_state
from kubekeep_server.api.submissions import ENCODING, JSON

router: Final = APIRouter(tags=["kubescape"], responses=DOCUMENTED)
_STATUS_LIMIT: Final = 1 << 20
_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {JSON: {"schema": {"type": "object"}}}},
    "parameters": [ENCODING],
}


class ServiceDiscovery(ApiModel):
    """The addresses of the services of a back end, by the names of Kubescape; empty for those that this server does not have."""

    version: str
    response: dict[str, str]


@router.get("/api/{version}/servicediscovery", operation_id="discoverServices")
async def discover(request: Request, version: Annotated[str, Path(pattern="^v[1234]$")]) -> ServiceDiscovery:
    """Return the addresses of services in a version of Kubescape's protocol.

    Its command line uses versions 1 and 2, and loads frameworks from an API server that is named; this server has
    none. Its operator uses the later ones, and asks the API server for exceptions.
    """
    address = get_address(request)
    is_operator = version in {"v3", "v4"}
    services = {"event-receiver-http": address, "api-server": address if is_operator else "", "metrics": ""}
    others = ("synchronizer", "storage") if is_operator else ("event-receiver-ws", "gateway", "synchronizer")
    return ServiceDiscovery(version=version, response={**services, **dict.fromkeys(others, "")})


@router.post("/k8s/sysreport", operation_id="reportStatus", response_class=PlainTextResponse, openapi_extra=_BODY)
async def report_status(request: Request) -> str:
    """Accept the status of a job of Kubescape's operator, which is not stored."""
    with get_state(request).budget.open_share() as share:
        await read_body(request, share, _STATUS_LIMIT)
    return "ok"


def _add_list(path: str, operation: str, subject: str) -> None:
    """Add an operation that returns no rows."""

    async def list_nothing() -> list[dict[str, Any]]:
        return []

    description = f"Return no {subject}: this server has none for Kubescape, which uses those of its cluster."
    router.add_api_route(path, list_nothing, operation_id=operation, description=description)


_add_list("/api/v1/attackTracks", "listAttackTracks", "attack tracks")
_add_list("/api/v1/controlExceptions", "listControlExceptions", "exceptions")
_add_list("/api/v1/vulnerabilityExceptions", "listVulnerabilityExceptions", "exceptions")
_add_list("/api/v1/armoVulnerabilityExceptions", "listArmoVulnerabilityExceptions", "exceptions")
