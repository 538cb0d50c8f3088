"""Sessions: sign-in with a password or a one-time link, sign-out, and the password of the user."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Request, Response
from pydantic import Field

from kubekeep_server.api.access import get_client_address, get_now, get_session_secret, name_cookie, require_session
from kubekeep_server.api.documents import ApiModel
from kubekeep_server.api.identities import IdentityDocument, describe_identity
from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import ServerState, get_state
from kubekeep_server.auth.passwords import LONGEST, SHORTEST, PasswordsBusyError
from kubekeep_server.auth.secrets import SESSION, create_secret, derive_csrf_token, hash_secret
from kubekeep_server.identity import Identity
from kubekeep_server.store.accounts import find_account, load_account, set_password
from kubekeep_server.store.attempts import WINDOW, count_attempt, forget_attempts
from kubekeep_server.store.sessions import close_session, open_session, redeem_link

router: Final = APIRouter(prefix="/api/v1", tags=["sessions"], responses=DOCUMENTED)
_BY_NAME: Final = 10
"""Attempts for a name from one address: nobody keeps a user from signing in at another one."""
_BY_NAME_ANYWHERE: Final = 100
_BY_ADDRESS: Final = 50
_BUSY_SECONDS: Final = 1
_SECRET: Final = Field(min_length=1, max_length=LONGEST)


class Credentials(ApiModel):
    """A name and a password."""

    name: Annotated[str, _SECRET]
    password: Annotated[str, _SECRET]


class LinkDocument(ApiModel):
    """The secret of a one-time link."""

    link: Annotated[str, _SECRET]


class PasswordChange(ApiModel):
    """A new password. current: required if the user has one."""

    current: Annotated[str, Field(max_length=LONGEST)] = ""
    password: Annotated[str, Field(min_length=SHORTEST, max_length=LONGEST)]


class SignInMethods(ApiModel):
    """Ways to sign in beside a name with a password. hasOidc: with an OpenID provider."""

    has_oidc: bool


@router.get("/session/methods", operation_id="getSignInMethods")
async def get_methods(request: Request) -> SignInMethods:
    """Return the ways to sign in."""
    return SignInMethods(has_oidc=get_state(request).oidc is not None)


@router.post("/session", operation_id="createSession", status_code=201)
async def create_session(request: Request, response: Response, credentials: Credentials) -> IdentityDocument:
    """Sign in with a password."""
    state = get_state(request)
    key, own = f"name {credentials.name}", f"name {credentials.name} {get_client_address(request)}"
    await _count(request, {key: _BY_NAME_ANYWHERE, own: _BY_NAME})
    row = await state.reading.run(find_account, credentials.name)
    if not await _verify(state, row.password if row and row.is_enabled else None, credentials.password):
        raise ProblemError(401, "The name or the password is wrong.")
    await state.writing.run(forget_attempts, (key, own))
    secret = await replace_secret(request)
    identity = await state.writing.run(open_session, hash_secret(secret), row.id, get_now())
    return _answer(response, state, secret, identity)


@router.post("/session/link", operation_id="redeemLink", status_code=201)
async def redeem(request: Request, response: Response, document: LinkDocument) -> IdentityDocument:
    """Sign in with a one-time link. The password of the user is removed; set a new one next."""
    state = get_state(request)
    await _count(request, {})
    secret = await replace_secret(request)
    try:
        identity = await state.writing.run(redeem_link, hash_secret(document.link), hash_secret(secret), get_now())
    except LookupError as error:
        raise ProblemError(401, "The link is not valid: it can be used once, within 15 minutes.") from error
    return _answer(response, state, secret, identity)


@router.delete("/session", operation_id="deleteSession", status_code=204)
async def delete_session(request: Request) -> Response:
    """Sign out."""
    identity, _ = require_session(request)
    state = get_state(request)
    await state.writing.run(close_session, identity.key)
    response = Response(status_code=204)
    response.delete_cookie(name_cookie(state), path="/", secure=state.settings.has_tls, httponly=True, samesite="lax")
    return response


@router.put("/password", operation_id="changePassword")
async def change_password(request: Request, response: Response, change: PasswordChange) -> IdentityDocument:
    """Set the password of the user. All sessions end; the answer opens a new one."""
    identity, number = require_session(request)
    state = get_state(request)
    await _count(request, {f"user {number}": _BY_NAME})
    row = await state.reading.run(load_account, number)
    if row.password and not await _verify(state, row.password, change.current):
        raise ProblemError(403, "The current password is wrong.")
    stored, secret = await _hash(state, change.password), create_secret(SESSION)

    def replace(connection: object) -> Identity:
        set_password(connection, number, stored, now=get_now(), actor=identity.name)  # type: ignore[arg-type]
        return open_session(connection, hash_secret(secret), number, get_now())  # type: ignore[arg-type]

    return _answer(response, state, secret, await state.writing.run(replace))


async def _count(request: Request, limits: dict[str, int]) -> None:
    """Count an attempt of an address, and for the other keys. Raises ProblemError above a limit."""
    limits = {**limits, f"address {get_client_address(request)}": _BY_ADDRESS}
    if not await get_state(request).writing.run(count_attempt, limits, get_now()):
        seconds = int(WINDOW.total_seconds())
        raise ProblemError(429, "Too many attempts. Try again later.", retry_after=seconds)


async def _verify(state: ServerState, stored: str | None, password: str) -> bool:
    try:
        return await state.passwords.verify(stored, password)
    except PasswordsBusyError as error:
        raise ProblemError(429, "Too many sign-ins at a time.", retry_after=_BUSY_SECONDS) from error


async def _hash(state: ServerState, password: str) -> str:
    try:
        return await state.passwords.hash(password)
    except PasswordsBusyError as error:
        raise ProblemError(429, "Too many sign-ins at a time.", retry_after=_BUSY_SECONDS) from error


async def replace_secret(request: Request) -> str:
    """End the session that the browser has, and return a new secret: no session survives a sign-in."""
    if before := get_session_secret(request):
        await get_state(request).writing.run(close_session, hash_secret(before))
    return create_secret(SESSION)


def set_session_cookie(response: Response, state: ServerState, secret: str, identity: Identity) -> None:
    """Give a session to the browser."""
    response.set_cookie(
        name_cookie(state),
        secret,
        expires=identity.expires,
        path="/",
        secure=state.settings.has_tls,
        httponly=True,
        samesite="lax",
    )


def _answer(response: Response, state: ServerState, secret: str, identity: Identity) -> IdentityDocument:
    set_session_cookie(response, state, secret, identity)
    return describe_identity(identity, derive_csrf_token(secret))
