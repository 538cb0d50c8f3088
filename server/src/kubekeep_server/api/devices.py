"""Logins of devices (RFC 8628): `kubekeep login` shows a code, a signed-in user approves it."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict

from kubekeep_server.api.access import get_client_address, get_now, require_session
from kubekeep_server.api.documents import ApiModel, Name
from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.auth.secrets import DEVICE, TOKEN, create_secret, hash_secret
from kubekeep_server.store.attempts import count_attempt
from kubekeep_server.store.device_logins import (
    INTERVAL,
    LIFETIME,
    TOKEN_LIFETIME,
    DeviceState,
    answer_login,
    begin_login,
    find_login,
    take_token,
)
from kubekeep_server.store.numbers import to_moment

router: Final = APIRouter(prefix="/api/v1/device", tags=["device"], responses=DOCUMENTED)
_ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""Letters of user codes: no vowels, so that no words appear (RFC 8628, section 6.1)."""
_HALF: Final = 4
_CODES: Final = 30
_LOGINS: Final = 60
UserCode = Annotated[str, Path(pattern=f"^[{_ALPHABET}]{{4}}-[{_ALPHABET}]{{4}}$")]


class DeviceAuthorization(ApiModel):
    """The codes of a login, with the names of RFC 8628."""

    model_config = ConfigDict(alias_generator=None, extra="forbid")

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


class WaitingLogin(ApiModel):
    """A login that waits for an answer."""

    client_name: str
    expires: dt.datetime


class LoginAnswer(ApiModel):
    """The answer of a user."""

    is_approved: bool


@router.post("/authorizations", operation_id="beginDeviceLogin")
async def begin(request: Request, client_name: Annotated[Name, Form()]) -> DeviceAuthorization:
    """Begin a login of a program."""
    state, now = get_state(request), get_now()
    address = get_client_address(request)
    if not await state.writing.run(count_attempt, {f"device {address}": _LOGINS}, now):
        raise ProblemError(429, "Too many logins. Try again later.", retry_after=60)
    device, half = create_secret(DEVICE), ["".join(secrets.choice(_ALPHABET) for _ in range(_HALF)) for _ in range(2)]
    code = "-".join(half)
    await state.writing.run(begin_login, hash_secret(device), code, client_name, now)
    page = f"{state.settings.public_url.rstrip('/') or str(request.base_url).rstrip('/')}/device"
    return DeviceAuthorization(
        device_code=device,
        user_code=code,
        verification_uri=page,
        verification_uri_complete=f"{page}?code={code}",
        expires_in=int(LIFETIME.total_seconds()),
        interval=int(INTERVAL.total_seconds()),
    )


@router.post("/tokens", operation_id="takeDeviceToken", response_class=JSONResponse)
async def take(
    request: Request,
    grant_type: Annotated[Literal["urn:ietf:params:oauth:grant-type:device_code"], Form()],
    device_code: Annotated[str, Form(max_length=100)],
) -> Response:
    """Return the token of an approved login, or an error of RFC 8628, section 3.5."""
    del grant_type
    token = create_secret(TOKEN)
    state = await get_state(request).writing.run(take_token, hash_secret(device_code), hash_secret(token), get_now())
    if state is not DeviceState.APPROVED:
        return JSONResponse({"error": state.value}, 400)
    seconds = int(TOKEN_LIFETIME.total_seconds())
    return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": seconds})


@router.get("/approvals/{user_code}", operation_id="getDeviceLogin")
async def get_waiting(request: Request, user_code: UserCode) -> WaitingLogin:
    """Return the login with a code, for the user who is to approve it."""
    await _count_code(request)
    row = await _run(request, find_login, user_code, get_now())
    return WaitingLogin(client_name=row.client, expires=to_moment(row.expires))


@router.post("/approvals/{user_code}", operation_id="answerDeviceLogin", status_code=204)
async def answer(request: Request, user_code: UserCode, document: LoginAnswer) -> None:
    """Approve or deny a login. The program gets a token with the rights of the user."""
    identity, _ = require_session(request)
    await _count_code(request)

    def store(connection: Any) -> None:
        answer_login(connection, user_code, identity, get_now(), is_approved=document.is_approved)

    await _run(request, store)


async def _run(request: Request, function: Any, *arguments: Any) -> Any:
    try:
        return await get_state(request).writing.run(function, *arguments)
    except LookupError as error:
        raise ProblemError(404, str(error)) from error


async def _count_code(request: Request) -> None:
    """Limit the codes that a user can guess."""
    _, number = require_session(request)
    if not await get_state(request).writing.run(count_attempt, {f"code {number}": _CODES}, get_now()):
        raise ProblemError(429, "Too many codes. Try again later.", retry_after=60)
