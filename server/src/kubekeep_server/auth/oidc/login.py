"""The steps of a sign-in with an OpenID provider: the request that the browser takes there, and the answer it brings back.

The caller keeps the `PendingLogin` between both, deletes it with the first answer, and compares the state in a cookie of
the same browser with that of the answer: a link prepared by someone else signs nobody in.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from kubekeep.model.text import visible
from kubekeep_server.auth.oidc.errors import SignInRefusedError
from kubekeep_server.auth.oidc.groups import read_groups
from kubekeep_server.auth.oidc.id_token import ExpectedToken, read_key_name, verify_id_token
from kubekeep_server.auth.oidc.provider import OpenIdProvider

_SCOPES: Final = ("openid", "profile", "email")
_GROUPS_SCOPE: Final = "groups"
"""A scope that some providers need for the groups; others refuse unknown ones."""
_NAME_CLAIMS: Final = ("preferred_username", "email", "name")
_SECRET_BYTES: Final = 32
_LONGEST_NAME: Final = 200
_LONGEST_CODE: Final = 4096
_LONGEST_MESSAGE: Final = 300


class PendingLogin(msgspec.Struct, frozen=True):
    """A sign-in that has begun. state: RFC 6749, section 10.12. verifier: RFC 7636."""

    state: str
    nonce: str
    verifier: str


class ProviderAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters with which the browser comes back, without the state. iss: RFC 9207."""

    code: str = ""
    iss: str = ""
    error: str = ""
    error_description: str = ""


class ExternalUser(msgspec.Struct, frozen=True):
    """A user of a provider. issuer and subject identify the user; the name is for people and may change.

    claims: names of all claims that the provider sent, sorted.
    """

    issuer: str
    subject: str
    name: str
    groups: tuple[str, ...]
    claims: tuple[str, ...] = ()


async def begin_login(provider: OpenIdProvider, redirect_uri: str) -> tuple[str, PendingLogin]:
    """Return the address to which the browser goes, and the values that the answer is checked with.

    Raises ProviderUnavailableError.
    """
    metadata = await provider.load_metadata()
    login = PendingLogin(*(secrets.token_urlsafe(_SECRET_BYTES) for _ in range(3)))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(login.verifier.encode()).digest()).decode().rstrip("=")
    has_groups = _GROUPS_SCOPE in metadata.scopes_supported
    query = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join((*_SCOPES, _GROUPS_SCOPE) if has_groups else _SCOPES),
        "state": login.state,
        "nonce": login.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    mark = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
    return f"{metadata.authorization_endpoint}{mark}{urlencode(query)}", login


async def complete_login(
    provider: OpenIdProvider,
    answer: ProviderAnswer,
    login: PendingLogin,
    redirect_uri: str,
    groups_claim: str,
    now: dt.datetime,
) -> ExternalUser:
    """Return the user whom an answer proves. Raises SignInRefusedError and ProviderUnavailableError."""
    await _check_answer(provider, answer)
    tokens = await provider.exchange_code(answer.code, login.verifier, redirect_uri)
    keys = await provider.load_keys(read_key_name(tokens.id_token))
    expected = ExpectedToken(issuer=provider.issuer, client_id=provider.client_id, nonce=login.nonce)
    claims = verify_id_token(tokens.id_token, keys, expected, now)
    if groups_claim not in claims:
        claims |= await _load_more_claims(provider, tokens.access_token, claims["sub"])
    groups = read_groups(claims, groups_claim)
    names = tuple(sorted(visible(name[:_LONGEST_NAME]) for name in claims))
    return ExternalUser(provider.issuer, claims["sub"], _select_name(claims), groups, names)


async def _check_answer(provider: OpenIdProvider, answer: ProviderAnswer) -> None:
    """Refuse an error, and an answer of another provider (RFC 9207, section 2.4)."""
    metadata = await provider.load_metadata()
    has_issuer = bool(answer.iss) or metadata.authorization_response_iss_parameter_supported
    if has_issuer and answer.iss != provider.issuer:
        raise SignInRefusedError("the answer is not one of the configured provider")
    if answer.error:
        reason = f"{answer.error} {answer.error_description}".strip()
        raise SignInRefusedError(f"the provider refuses the sign-in: {visible(reason[:_LONGEST_MESSAGE])}")
    if not 0 < len(answer.code) <= _LONGEST_CODE:
        raise SignInRefusedError("the answer has no code: begin the sign-in again")


async def _load_more_claims(provider: OpenIdProvider, access_token: str, subject: str) -> dict[str, Any]:
    """Return the claims of the userinfo endpoint without those that only an ID token proves."""
    claims = await provider.load_claims(access_token)
    # OpenID Connect Core 1.0, section 5.3.2: the answer may be about another user.
    if claims and claims.get("sub") != subject:
        raise SignInRefusedError("the userinfo endpoint answers about another user")
    return claims


def _select_name(claims: Mapping[str, Any]) -> str:
    names = (claims.get(claim) for claim in (*_NAME_CLAIMS, "sub"))
    name = next(name for name in names if isinstance(name, str) and name)
    return visible(name[:_LONGEST_NAME])
