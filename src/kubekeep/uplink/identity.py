"""The identity behind a token, and logins by a code (RFC 8628, device authorization grant). Stores nothing, prints nothing."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from kubekeep.model.text import visible
from kubekeep.uplink.connection import ServerConnection, ServerReply
from kubekeep.uplink.errors import ServerLoginError, UnreachableServerError
from kubekeep.uplink.token import parse_token

_IDENTITY_PATH: Final = "/api/v1/identity"
_CODES_PATH: Final = "/api/v1/device/authorizations"
_TOKENS_PATH: Final = "/api/v1/device/tokens"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_OK, _BAD_REQUEST, _UNAUTHORIZED = 200, 400, 401
_INTERVAL: Final = 5
"""Seconds between two requests if the server names none (RFC 8628 section 3.2)."""
_SLOWER: Final = 5
"""Seconds that `slow_down` adds to the interval (section 3.5)."""
_LONGEST_INTERVAL: Final = 60
_LONGEST_WAIT: Final = 3600


class ServerIdentity(msgspec.Struct, frozen=True):
    """The account of a token. role, scopes: what it may do, for people. expires: end of the token; None if unlimited."""

    name: str
    role: str = ""
    scopes: tuple[str, ...] = ()
    expires: dt.datetime | None = None


class LoginCode(msgspec.Struct, frozen=True):
    """A code that a person enters in a browser. complete_address: the address with the code, or empty."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str = ""
    expires_in: float = 600
    interval: float = _INTERVAL

    def __repr__(self) -> str:
        return f"LoginCode({self.user_code!r})"


class _Token(msgspec.Struct, frozen=True):
    access_token: str


class _TokenError(msgspec.Struct, frozen=True):
    error: str


def fetch_identity(connection: ServerConnection, token: str) -> ServerIdentity:
    """Return the identity behind a token. Raises ServerLoginError if it is not accepted, and UnreachableServerError."""
    reply = connection.get(_IDENTITY_PATH, token)
    if reply.status == _UNAUTHORIZED:
        raise ServerLoginError(f"{connection.address} does not accept the token ({reply.describe()}): use another one")
    identity = reply.decode(ServerIdentity) if reply.status == _OK else None
    if identity is None:
        raise _refuse(connection, reply)
    return identity


def request_code(connection: ServerConnection, client_name: str) -> LoginCode:
    """Return a code for a login. Raises ServerLoginError for a server without such logins, and UnreachableServerError."""
    reply = connection.post_form(_CODES_PATH, {"client_name": client_name})
    code = reply.decode(LoginCode) if reply.status == _OK else None
    if code is None:
        raise _refuse(connection, reply)
    if any(urlsplit(address).scheme not in {"http", "https"} for address in _list_addresses(code)):
        raise ServerLoginError(f"{connection.address} named no web address for the login")
    return code


def wait_for_token(connection: ServerConnection, code: LoginCode, sleep: Callable[[float], object] = time.sleep) -> str:
    """Return the token, once the person has entered the code. sleep: waits for a number of seconds.

    Raises ServerLoginError if the login is refused or the code has expired, and UnreachableServerError.
    """
    interval = min(max(code.interval, 1), _LONGEST_INTERVAL)
    deadline = time.monotonic() + min(code.expires_in, _LONGEST_WAIT)
    while time.monotonic() < deadline:
        sleep(interval)
        try:
            token = _request_token(connection, code)
        except _TooEarlyError as error:
            interval = min(interval + error.pause, _LONGEST_INTERVAL)
        except UnreachableServerError:
            # Section 3.5: a client continues after a connection timeout, more slowly.
            interval = min(2 * interval, _LONGEST_INTERVAL)
        else:
            return token
    raise _expire(code)


class _TooEarlyError(Exception):
    """The person has not entered the code yet. pause: seconds by which the next request must be later."""

    def __init__(self, pause: float) -> None:
        super().__init__()
        self.pause = pause


def _request_token(connection: ServerConnection, code: LoginCode) -> str:
    """Return the token. Raises _TooEarlyError, and ServerLoginError if the login has failed."""
    reply = connection.post_form(_TOKENS_PATH, {"grant_type": _GRANT, "device_code": code.device_code})
    token = reply.decode(_Token) if reply.status == _OK else None
    if token is not None:
        return parse_token(token.access_token, f"the token of {connection.address}")
    failure = reply.decode(_TokenError) if reply.status == _BAD_REQUEST else None
    match "" if failure is None else failure.error:
        case "authorization_pending":
            raise _TooEarlyError(0)
        case "slow_down":
            raise _TooEarlyError(_SLOWER)
        case "access_denied":
            raise ServerLoginError(f"the login at {connection.address} was refused in the browser")
        case "expired_token":
            raise _expire(code)
        case _:
            raise _refuse(connection, reply)


def _expire(code: LoginCode) -> ServerLoginError:
    return ServerLoginError(f"the code {visible(code.user_code)} has expired: run `kubekeep login` again")


def _list_addresses(code: LoginCode) -> list[str]:
    return [address for address in (code.verification_uri, code.verification_uri_complete) if address]


def _refuse(connection: ServerConnection, reply: ServerReply) -> ServerLoginError:
    return ServerLoginError(
        f"{connection.address} responded with {reply.describe()}: is it the address of a Kubekeep server?"
    )
