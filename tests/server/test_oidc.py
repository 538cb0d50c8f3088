"""Sign-in with an OpenID provider: a real one, and answers that must sign nobody in."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx2
import msgspec
import pytest

from kubekeep_server.auth.oidc.errors import ProviderUnavailableError, SignInRefusedError
from kubekeep_server.auth.oidc.groups import parse_roles, select_grants
from kubekeep_server.auth.oidc.login import (
    ExternalUser,
    PendingLogin,
    ProviderAnswer,
    begin_login,
    complete_login,
)
from kubekeep_server.auth.oidc.provider import OpenIdProvider
from kubekeep_server.identity import Grant, Role
from tests.server.identity_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    REDIRECT_URI,
    IdentityProvider,
    run_identity_provider,
)

T = TypeVar("T")
ACCOUNTS: Final[dict[str, dict[str, Any]]] = {
    "248289761001": {"preferred_username": "ada", "email": "ada@example.org", "groups": ["shop", "platform", "shop"]},
    "248289761002": {"email": "bob@example.org"},
}
ADA, BOB = ACCOUNTS


@pytest.fixture(scope="module", params=["userinfo", "id token"])
def identity_provider(request: pytest.FixtureRequest) -> Iterator[IdentityProvider]:
    """Return a provider with the groups in the userinfo endpoint, and one with them in the ID token."""
    with run_identity_provider(ACCOUNTS, conformIdTokenClaims=request.param == "userinfo") as running:
        yield running


def run(issuer: str, steps: Callable[[OpenIdProvider], Coroutine[Any, Any, T]], *, secret: str = CLIENT_SECRET) -> T:
    """Return the result of steps with a connection to a provider."""

    async def call() -> T:
        provider = OpenIdProvider(issuer, CLIENT_ID, secret)
        try:
            return await steps(provider)
        finally:
            await provider.close()

    return asyncio.run(call())


async def complete(
    provider: OpenIdProvider, answer: ProviderAnswer, login: PendingLogin, now: dt.datetime | None = None
) -> ExternalUser:
    return await complete_login(provider, answer, login, REDIRECT_URI, "groups", now or dt.datetime.now(dt.UTC))


async def begin(provider: OpenIdProvider, identity: IdentityProvider, user: str) -> tuple[ProviderAnswer, PendingLogin]:
    """Return the answer that the browser of a user brings back, and the sign-in that it belongs to."""
    address, login = await begin_login(provider, REDIRECT_URI)
    parameters = await asyncio.to_thread(identity.sign_in, address, user)
    assert parameters.pop("state") == login.state
    return msgspec.convert(parameters, ProviderAnswer), login


def sign_in(identity: IdentityProvider, user: str) -> ExternalUser:
    async def steps(provider: OpenIdProvider) -> ExternalUser:
        return await complete(provider, *await begin(provider, identity, user))

    return run(identity.issuer, steps)


def test_user_and_groups(identity_provider: IdentityProvider) -> None:
    user = sign_in(identity_provider, ADA)
    assert user == ExternalUser(identity_provider.issuer, ADA, "ada", ("platform", "shop"), user.claims)
    assert {"groups", "preferred_username", "sub"} <= set(user.claims)


def test_user_without_groups_and_name(identity_provider: IdentityProvider) -> None:
    user = sign_in(identity_provider, BOB)
    assert user == ExternalUser(identity_provider.issuer, BOB, "bob@example.org", (), user.claims)
    assert "groups" not in user.claims


@pytest.mark.parametrize(("method", "secret"), [("none", ""), ("client_secret_post", CLIENT_SECRET)])
def test_public_client_and_secret_in_form(method: str, secret: str) -> None:
    client = {"token_endpoint_auth_method": method, **({"client_secret": secret} if secret else {})}
    with run_identity_provider(ACCOUNTS, client, clientAuthMethods=[method]) as identity:

        async def steps(provider: OpenIdProvider) -> ExternalUser:
            return await complete(provider, *await begin(provider, identity, ADA))

        assert run(identity.issuer, steps, secret=secret).subject == ADA


def test_request_has_proof_of_its_sender(identity_provider: IdentityProvider) -> None:
    address, login = run(identity_provider.issuer, lambda provider: begin_login(provider, REDIRECT_URI))
    query = parse_qs(urlsplit(address).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["state"] == [login.state]
    assert query["nonce"] == [login.nonce]
    assert len({login.state, login.nonce, login.verifier}) == 3
    assert min(map(len, (login.state, login.nonce, login.verifier))) >= 43
    assert query["scope"] == ["openid profile email groups"]
    assert login.verifier not in address


def test_code_counts_once(identity_provider: IdentityProvider) -> None:
    async def steps(provider: OpenIdProvider) -> None:
        answer, login = await begin(provider, identity_provider, ADA)
        await complete(provider, answer, login)
        with pytest.raises(SignInRefusedError, match="the provider refuses the code: invalid_grant"):
            await complete(provider, answer, login)

    run(identity_provider.issuer, steps)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verifier": "a" * 43}, "the provider refuses the code: invalid_grant"),
        ({"nonce": "other"}, "the ID token belongs to another sign-in"),
        ({"nonce": ""}, "the ID token belongs to another sign-in"),
    ],
)
def test_answer_of_another_sign_in_is_refused(
    identity_provider: IdentityProvider, change: dict[str, str], message: str
) -> None:
    async def steps(provider: OpenIdProvider) -> None:
        answer, login = await begin(provider, identity_provider, ADA)
        with pytest.raises(SignInRefusedError, match=message):
            await complete(provider, answer, msgspec.structs.replace(login, **change))

    run(identity_provider.issuer, steps)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iss": "https://other.example.org"}, "not one of the configured provider"),
        ({"iss": ""}, "not one of the configured provider"),
        ({"code": ""}, "the answer has no code"),
        ({"code": "x" * 5000}, "the answer has no code"),
        ({"code": "invented"}, "the provider refuses the code: invalid_grant"),
        ({"error": "access_denied", "error_description": "no\n\x1b[2J"}, r"access_denied no\\x0a\\x1b\[2J"),
    ],
)
def test_changed_answer_is_refused(identity_provider: IdentityProvider, change: dict[str, str], message: str) -> None:
    async def steps(provider: OpenIdProvider) -> None:
        answer, login = await begin(provider, identity_provider, ADA)
        with pytest.raises(SignInRefusedError, match=message):
            await complete(provider, msgspec.structs.replace(answer, **change), login)

    run(identity_provider.issuer, steps)


def test_token_counts_until_it_expires(identity_provider: IdentityProvider) -> None:
    async def steps(provider: OpenIdProvider, minutes: int) -> ExternalUser:
        answer, login = await begin(provider, identity_provider, ADA)
        return await complete(provider, answer, login, dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes))

    assert run(identity_provider.issuer, lambda provider: steps(provider, 1)).subject == ADA
    with pytest.raises(SignInRefusedError, match="the ID token is not valid: expired_token"):
        run(identity_provider.issuer, lambda provider: steps(provider, 10))
    with pytest.raises(SignInRefusedError, match="issued in the future"):
        run(identity_provider.issuer, lambda provider: steps(provider, -10))


def test_wrong_secret_is_refused(identity_provider: IdentityProvider) -> None:
    async def steps(provider: OpenIdProvider) -> None:
        answer, login = await begin(provider, identity_provider, ADA)
        with pytest.raises(SignInRefusedError, match="the provider refuses the code: invalid_client"):
            await complete(provider, answer, login)

    run(identity_provider.issuer, steps, secret="other")  # noqa: S106 - a wrong one


def test_provider_that_is_gone() -> None:
    with run_identity_provider(ACCOUNTS) as identity:
        issuer = identity.issuer
    with pytest.raises(ProviderUnavailableError, match="cannot be reached"):
        run(issuer, lambda provider: begin_login(provider, REDIRECT_URI))


def test_user_who_refuses(identity_provider: IdentityProvider) -> None:
    address, _ = run(identity_provider.issuer, lambda provider: begin_login(provider, REDIRECT_URI))
    with httpx2.Client(timeout=120) as browser:
        page = browser.get(browser.get(address).next_request.url)  # type: ignore[union-attr]
        cancel = page.text.partition('<a href="')[2].partition('"')[0]
        response = browser.get(cancel)
        while not response.headers["location"].startswith(REDIRECT_URI):
            response = browser.get(response.headers["location"])
    parameters = dict(httpx2.QueryParams(urlsplit(response.headers["location"]).query))
    assert parameters.pop("error") == "access_denied"


def test_roles_of_groups() -> None:
    roles = parse_roles(
        {"ops": ["administrator *"], "shop": ["viewer cluster/*", "manager repository/github.com/shop/*"]}
    )
    viewer = Grant(Role.VIEWER, "cluster/*")
    assert select_grants(("shop", "other"), roles) == (viewer, Grant(Role.MANAGER, "repository/github.com/shop/*"))
    assert select_grants(("other",), roles) == ()
    assert select_grants(("a", "b"), parse_roles({"a": ["viewer cluster/*"], "b": ["viewer cluster/*"]})) == (viewer,)


@pytest.mark.parametrize("text", ["", "viewer", "owner *", "viewer  *", "viewer satellite/1", "viewer cluster/*/x"])
def test_unreadable_roles_of_groups_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"group shop: .* is not ROLE SCOPE"):
        parse_roles({"shop": [text]})
