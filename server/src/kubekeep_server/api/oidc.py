"""Sign-in with an OpenID provider: sends the browser there, and opens a session by the answer that it brings back.

The values of a sign-in that has begun are in a cookie of the browser: a link prepared by someone else signs nobody in, and
requests of strangers fill no table.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hmac
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from kubekeep_server.api.access import get_now
from kubekeep_server.api.problems import DOCUMENTED, RETRY_SECONDS, ProblemError
from kubekeep_server.api.server_state import ServerState, get_state
from kubekeep_server.api.sessions import replace_secret, set_session_cookie
from kubekeep_server.auth.oidc.errors import ProviderUnavailableError, SignInRefusedError
from kubekeep_server.auth.oidc.groups import select_grants
from kubekeep_server.auth.oidc.login import (
    ExternalUser,
    PendingLogin,
    ProviderAnswer,
    begin_login,
    complete_login,
)
from kubekeep_server.auth.oidc.sign_in import ConfiguredProvider
from kubekeep_server.auth.secrets import hash_secret
from kubekeep_server.store.external_accounts import open_external_session

CALLBACK: Final = "/api/v1/oidc/callback"
router: Final = APIRouter(prefix="/api/v1/oidc", tags=["sessions"], responses=DOCUMENTED)
_PATH: Final = "/"
_LIFETIME: Final = dt.timedelta(minutes=10)
_SHOWN_NAMES: Final = 50
_MOVED: Final[dict[int | str, dict[str, Any]]] = {302: {"description": "To the provider"}}
_SIGNED_IN: Final[dict[int | str, dict[str, Any]]] = {
    303: {"description": "Signed in: to the start page, with the cookie of the session"}
}
Parameter = Annotated[str, Query(max_length=8192)]


@router.get("/login", operation_id="beginOidcLogin", status_code=302, response_class=Response, responses=_MOVED)
async def begin(request: Request) -> Response:
    """Send the browser to the provider."""
    state = get_state(request)
    configured = _get_provider(state)
    try:
        address, login = await begin_login(configured.provider, configured.redirect_uri)
    except ProviderUnavailableError as error:
        raise _describe_outage(error) from error
    response = RedirectResponse(address, 302)
    response.set_cookie(
        _name_cookie(state),
        base64.urlsafe_b64encode(msgspec.json.encode(login)).decode(),
        max_age=int(_LIFETIME.total_seconds()),
        path=_PATH,
        secure=state.settings.has_tls,
        httponly=True,
        samesite="lax",
    )
    return response


@router.get(
    "/callback", operation_id="completeOidcLogin", status_code=303, response_class=Response, responses=_SIGNED_IN
)
async def complete(
    request: Request,
    state: Parameter = "",
    code: Parameter = "",
    iss: Parameter = "",
    error: Parameter = "",
    error_description: Parameter = "",
) -> Response:
    """Open a session by the answer of the provider, and send the browser to the start page."""
    server = get_state(request)
    configured = _get_provider(server)
    login = _read_cookie(request.cookies.get(_name_cookie(server), ""))
    if login is None or not hmac.compare_digest(login.state.encode(), state.encode()):
        raise ProblemError(403, "This browser did not begin the sign-in, or did more than 10 minutes ago. Begin again.")
    answer = ProviderAnswer(code=code, iss=iss, error=error, error_description=error_description)
    try:
        user = await complete_login(
            configured.provider, answer, login, configured.redirect_uri, configured.groups_claim, get_now()
        )
    except SignInRefusedError as refusal:
        raise ProblemError(403, f"The sign-in failed: {refusal}. Begin again.") from refusal
    except ProviderUnavailableError as outage:
        raise _describe_outage(outage) from outage
    response = await _open_session(request, configured, user)
    response.delete_cookie(
        _name_cookie(server), path=_PATH, secure=server.settings.has_tls, httponly=True, samesite="lax"
    )
    return response


async def _open_session(request: Request, configured: ConfiguredProvider, user: ExternalUser) -> Response:
    state = get_state(request)
    grants = select_grants(user.groups, configured.roles)
    names = (user.issuer, user.subject, user.name)
    secret = await replace_secret(request)
    try:
        identity = await state.writing.run(open_external_session, names, grants, hash_secret(secret), get_now())
    except LookupError as error:
        raise ProblemError(403, f"The user {user.name} is disabled. Ask an administrator.") from error
    if identity is None:
        raise _describe_missing_rights(configured, user)
    response = RedirectResponse("/", 303)
    set_session_cookie(response, state, secret, identity)
    return response


def _describe_missing_rights(configured: ConfiguredProvider, user: ExternalUser) -> ProblemError:
    claim, groups = configured.groups_claim, list(user.groups[:_SHOWN_NAMES])
    if groups:
        received = f"The provider sent these groups in the claim {claim}: {', '.join(groups)}"
        advice = "gives rights to one of them in the settings, or to the user under Settings, Users"
    else:
        content = "no group in the claim" if claim in user.claims else "no claim"
        received = f"The provider sent {content} {claim}, and these claims: {', '.join(user.claims[:_SHOWN_NAMES])}"
        advice = "lets the provider send the groups, or gives rights to the user under Settings, Users"
    detail = f"{user.name} has no rights. {received}. An administrator of this server {advice}. Then sign in again."
    return ProblemError(403, detail, groups=groups)


def _get_provider(state: ServerState) -> ConfiguredProvider:
    if state.oidc is None:
        raise ProblemError(404, "No OpenID provider is configured. Sign in with a password.")
    return state.oidc


def _describe_outage(error: ProviderUnavailableError) -> ProblemError:
    return ProblemError(503, f"The OpenID provider cannot be used: {error}", retry_after=RETRY_SECONDS)


def _name_cookie(state: ServerState) -> str:
    return "__Host-kubekeep-sign-in" if state.settings.has_tls else "kubekeep-sign-in"


def _read_cookie(text: str) -> PendingLogin | None:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=PendingLogin)
    except (binascii.Error, msgspec.DecodeError, ValueError):
        return None
