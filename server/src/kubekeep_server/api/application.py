"""The application: its routers, the pages, and the lanes of the store in its lifespan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from fastapi import Depends, FastAPI

from kubekeep_server.api import (
    advisories,
    cluster_identities,
    comparison,
    decisions,
    deliveries,
    description,
    destinations,
    devices,
    enrolments,
    events,
    exports,
    foreign_results,
    frameworks,
    health,
    identities,
    images,
    kubescape,
    kubescape_policies,
    kubescape_services,
    log_entries,
    notification_rules,
    oidc,
    pages,
    past_scans,
    results,
    saved_views,
    scans,
    service_levels,
    sessions,
    software,
    source_details,
    sources,
    tokens,
    users,
)
from kubekeep_server.api.access import authorize
from kubekeep_server.api.body_budget import BodyBudget
from kubekeep_server.api.problems import install_handlers
from kubekeep_server.api.server_state import ServerState
from kubekeep_server.api.structs import list_schemas
from kubekeep_server.auth.oidc.sign_in import open_provider
from kubekeep_server.notifications.secret_box import open_secret_box
from kubekeep_server.settings import Settings
from kubekeep_server.store.lanes import open_lanes

_log: Final = structlog.get_logger("kubekeep.server")
_NOUNS: Final = (
    description,
    health,
    identities,
    scans,
    foreign_results,
    kubescape,
    kubescape_policies,
    kubescape_services,
    sessions,
    oidc,
    devices,
    users,
    tokens,
    results,
    service_levels,
    images,
    events,
    sources,
    source_details,
    comparison,
    exports,
    past_scans,
    software,
    enrolments,
    log_entries,
    advisories,
    cluster_identities,
    decisions,
    saved_views,
    frameworks,
    destinations,
    notification_rules,
    deliveries,
)


class _Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, with the schemas of what msgspec encodes."""
        if self.openapi_schema is None:
            document = super().openapi()
            document["components"].setdefault("schemas", {}).update(list_schemas())
        return super().openapi()


def _log_defect(preparation: asyncio.Future[None]) -> None:
    if not preparation.cancelled() and (error := preparation.exception()) is not None:
        _log.error("the background of the process ended", exc_info=error)


def create_application(settings: Settings, prepare: Callable[[ServerState], Awaitable[None]]) -> FastAPI:
    """Return the application. Its lifespan opens the store and runs `prepare`, which sets `is_ready`."""

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_lanes(settings.database_url, settings.writers) as (writing, reading),
            open_provider(settings, oidc.CALLBACK) as provider,
        ):
            budget = BodyBudget(settings.waiting_limit)
            app.state.server = ServerState(
                settings, writing, reading, budget, oidc=provider, secrets=open_secret_box(settings)
            )
            preparation = asyncio.ensure_future(prepare(app.state.server))
            preparation.add_done_callback(_log_defect)
            yield
            app.state.server.is_ready = False
            preparation.cancel()
            # Its transactions need the lanes until their end.
            await asyncio.gather(preparation, return_exceptions=True)

    app = _Application(
        title="Kubekeep server",
        version="1",
        lifespan=run,
        dependencies=[Depends(authorize)],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # They would lead to the host that a request names.
        redirect_slashes=False,
    )
    for noun in _NOUNS:
        app.include_router(noun.router)
    app.router.routes += pages.list_routes()
    install_handlers(app)
    return app
