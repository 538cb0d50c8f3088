"""Access to operations: finds the identity of a request, and refuses operations that `auth.permissions` does not allow it."""

from __future__ import annotations

import datetime as dt
from typing import Final

from fastapi import Request

from kubekeep_server.api.problems import RETRY_SECONDS, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.auth.permissions import OPERATIONS, Permission, list_grants
from kubekeep_server.auth.secrets import hash_secret
from kubekeep_server.identity import Identity
from kubekeep_server.store.tokens import find_token

_BEARER: Final = "bearer"


async def authorize(request: Request) -> None:
    """Refuse a request with 401 or 403, or store its identity for `get_identity`."""
    permission = OPERATIONS[request.scope["route"].operation_id]
    if permission is Permission.PUBLIC:
        return
    if not get_state(request).is_ready:
        raise ProblemError(503, "The server starts or stops.", retry_after=RETRY_SECONDS)
    identity = await _find_identity(request)
    if identity is None:
        raise ProblemError(401, "A valid token or session is required. Sign in, or run `kubekeep login`.")
    if not list_grants(identity, permission):
        raise ProblemError(403, f"{identity.name} does not have the permission `{permission.value}`.")
    request.scope["kubekeep.identity"] = identity


def get_identity(request: Request) -> Identity:
    """Return the identity of an authorized request."""
    identity: Identity = request.scope["kubekeep.identity"]
    return identity


def get_now() -> dt.datetime:
    """Return the current time."""
    return dt.datetime.now(dt.UTC)


async def _find_identity(request: Request) -> Identity | None:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != _BEARER:
        return None
    return await get_state(request).reading.run(find_token, hash_secret(secret.strip()), get_now())
