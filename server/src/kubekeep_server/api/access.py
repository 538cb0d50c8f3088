"""Access to operations: finds the identity of a request, and refuses operations that `auth.permissions` does not allow it.

A request that changes something with the cookie of a session must come from a page of this server (OWASP, Cross-Site Request
Forgery Prevention): its Origin is compared, and a token in a header is required.
"""

from __future__ import annotations

import datetime as dt
import hmac
from typing import Final

from fastapi import Request

from kubekeep_server.api.problems import RETRY_SECONDS, ProblemError
from kubekeep_server.api.server_state import ServerState, get_address, get_state
from kubekeep_server.auth.permissions import OPERATIONS, Permission, list_grants
from kubekeep_server.auth.secrets import derive_csrf_token, hash_secret
from kubekeep_server.identity import Identity
from kubekeep_server.store.sessions import find_session, touch_session
from kubekeep_server.store.tokens import find_token

CSRF_HEADER: Final = "X-Csrf-Token"
_KEY_HEADER: Final = "X-Api-Key"
"""The header in which Kubescape and its operator send their access key, which is a token."""
_BEARER: Final = "bearer"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


async def authorize(request: Request) -> None:
    """Refuse a request with 401 or 403, or store its identity for `get_identity`."""
    permission = OPERATIONS[request.scope["route"].operation_id]
    state = get_state(request)
    if not state.is_ready and not request.url.path.endswith(("/healthz", "/readyz", "/metrics")):
        raise ProblemError(503, "The server starts or stops.", retry_after=RETRY_SECONDS)
    if permission is Permission.PUBLIC:
        if request.method not in _SAFE:
            check_origin(request)
        return
    identity, is_stale = await find_identity(request)
    if identity is None:
        raise ProblemError(401, "A valid token or session is required. Sign in, or run `kubekeep login`.")
    if identity.is_session and request.method not in _SAFE:
        _check_csrf(request, get_session_secret(request))
    if is_stale:
        await state.writing.run(touch_session, identity.key, get_now())
    request.scope["kubekeep.identity"] = identity
    if not list_grants(identity, permission) and permission is not Permission.SIGNED_IN:
        raise ProblemError(403, f"{identity.name} does not have the permission `{permission.value}`.")


def get_identity(request: Request) -> Identity:
    """Return the identity of an authorized request."""
    identity: Identity = request.scope["kubekeep.identity"]
    return identity


def require_session(request: Request) -> tuple[Identity, int]:
    """Return the identity of a session and the number of its user. Raises ProblemError for a token."""
    identity = get_identity(request)
    if not identity.is_session or identity.account is None:
        raise ProblemError(403, "This requires a session of a browser; a token is not enough.")
    return identity, identity.account


def get_now() -> dt.datetime:
    """Return the current time."""
    return dt.datetime.now(dt.UTC)


def get_session_secret(request: Request) -> str:
    """Return the value of the cookie; empty without one."""
    return request.cookies.get(name_cookie(get_state(request)), "")


def name_cookie(state: ServerState) -> str:
    """Return the name of the cookie; its prefix keeps other hosts from setting it (RFC 6265bis, section 4.1.3)."""
    return "__Host-kubekeep" if state.settings.has_tls else "kubekeep"


def check_origin(request: Request) -> None:
    """Refuse a request of a page of another server. Programs send no Origin."""
    origin = request.headers.get("origin")
    if origin is not None and origin != get_address(request):
        raise ProblemError(403, "The request comes from a page of another server.")


def get_client_address(request: Request) -> str:
    """Return the network address of the client, behind a trusted proxy the one that it names; empty without one."""
    return request.client.host if request.client else ""


async def find_identity(request: Request) -> tuple[Identity | None, bool]:
    """Return the identity of a request, and True if the use of its session is to be recorded; None without one."""
    reading = get_state(request).reading
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme:
        secret = secret if scheme.lower() == _BEARER else ""
        return await reading.run(find_token, hash_secret(secret.strip()), get_now()), False
    if (key := request.headers.get(_KEY_HEADER)) is not None:
        return await reading.run(find_token, hash_secret(key.strip()), get_now()), False
    if not (cookie := get_session_secret(request)):
        return None, False
    return await reading.run(find_session, hash_secret(cookie), get_now()) or (None, False)


def _check_csrf(request: Request, session: str) -> None:
    check_origin(request)
    if not hmac.compare_digest(request.headers.get(CSRF_HEADER, "").encode(), derive_csrf_token(session).encode()):
        raise ProblemError(403, f"The header {CSRF_HEADER} with the token of the session is required.")
