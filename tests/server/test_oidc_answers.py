"""Answers of OpenID providers that are wrong or hostile sign nobody in; unusual ones that a standard allows do."""

from __future__ import annotations

import asyncio
import base64
import collections
import contextlib
import datetime as dt
import hmac
import http.server
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, Key, OctKey, RSAKey

from kubekeep_server.auth.oidc.errors import ProviderUnavailableError, SignInRefusedError
from kubekeep_server.auth.oidc.login import ExternalUser, ProviderAnswer, begin_login, complete_login
from kubekeep_server.auth.oidc.provider import OpenIdProvider

CLIENT_ID: Final = "kubekeep"
SECRET: Final = "a secret of 32 bytes for HMACs !!"  # noqa: S105 - known to this test only
REDIRECT_URI: Final = "https://kubekeep.example.org/api/v1/oidc/callback"
NOW: Final = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
RSA_KEY: Final = RSAKey.generate_key(2048, {"kid": "one"})
OTHER_KEY: Final = RSAKey.generate_key(2048, {"kid": "one"})
EC_KEY: Final = ECKey.generate_key("P-256", {"kid": "two"})

Documents = dict[str, Any]
Sign = Callable[[Documents], str]


def sign_with(key: Key, algorithm: str = "RS256", **header: Any) -> Sign:
    """Return a function that signs claims."""

    def sign(claims: Documents) -> str:
        protected = {"alg": algorithm, "kid": key.kid, **header}
        return jws.serialize_compact(protected, json.dumps(claims), key, algorithms=[algorithm])

    return sign


def sign_without_key(claims: Documents) -> str:
    return jws.serialize_compact({"alg": "none"}, json.dumps(claims), OctKey.import_key(""), algorithms=["none"])


def sign_with_public_key(claims: Documents) -> str:
    """Sign with the public key as the secret of an HMAC; a library that trusts the header takes it for the RSA key."""
    parts = (encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": "one"}, claims))
    content = ".".join(parts)
    digest = hmac.digest(RSA_KEY.as_pem(private=False), content.encode(), "sha256")
    return f"{content}.{encode(digest)}"


def encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


class ScriptedProvider:
    """A provider whose answers a test changes. requests: numbers by path. replies: whole answers by path."""

    def __init__(self) -> None:
        self.issuer = ""
        self.sign: Sign = sign_with(RSA_KEY)
        self.claims: Documents = {}
        self.keys: list[Any] = [key.as_dict(private=False) for key in (RSA_KEY, EC_KEY)]
        self.metadata: Documents = {}
        self.userinfo: Documents = {}
        self.replies: dict[str, tuple[int, Mapping[str, str], bytes]] = {}
        self.requests: collections.Counter[str] = collections.Counter()

    def reply(self, path: str, nonce: str) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and body."""
        self.requests[path] += 1
        if path in self.replies:
            return self.replies[path]
        time = int(NOW.timestamp())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "sub": "1", "iat": time, "exp": time + 60, "nonce": nonce}
        changed = {key: value for key, value in (claims | self.claims).items() if value is not None}
        documents: dict[str, Callable[[], Documents]] = {
            "/.well-known/openid-configuration": lambda: {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                **self.metadata,
            },
            "/keys": lambda: {"keys": self.keys},
            "/token": lambda: {"id_token": self.sign(changed), "access_token": "access"},
            "/userinfo": lambda: {"sub": "1", **self.userinfo},
        }
        return 200, {}, json.dumps(documents[path]()).encode()


@pytest.fixture
def scripted() -> Iterator[ScriptedProvider]:
    with run_scripted_provider() as provider:
        yield provider


@contextlib.contextmanager
def run_scripted_provider() -> Iterator[ScriptedProvider]:
    provider = ScriptedProvider()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(provider.reply(urlsplit(self.path).path, ""))

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            # The code of these tests is the nonce.
            self._reply(provider.reply(urlsplit(self.path).path, form["code"][0]))

        def log_message(self, *_: object) -> None:
            pass

        def _reply(self, reply: tuple[int, Mapping[str, str], bytes]) -> None:
            status, headers, body = reply
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield provider
    server.shutdown()
    thread.join()
    server.server_close()


def sign_in(scripted: ScriptedProvider, repetitions: int = 1) -> ExternalUser:
    """Sign in and return the user of the last sign-in; all use one connection. Other sign-ins may fail."""

    async def steps() -> ExternalUser:
        provider = OpenIdProvider(scripted.issuer, CLIENT_ID, SECRET)
        try:
            for _ in range(repetitions - 1):
                with contextlib.suppress(SignInRefusedError):
                    await attempt(provider)
            return await attempt(provider)
        finally:
            await provider.close()

    async def attempt(provider: OpenIdProvider) -> ExternalUser:
        _, login = await begin_login(provider, REDIRECT_URI)
        return await complete_login(provider, ProviderAnswer(code=login.nonce), login, REDIRECT_URI, "groups", NOW)

    return asyncio.run(steps())


def test_user(scripted: ScriptedProvider) -> None:
    scripted.claims = {"name": "Ada\u202e", "groups": ["a", "b", "a", ""]}
    user = sign_in(scripted)
    assert user == ExternalUser(scripted.issuer, "1", "Ada\\u202e", ("a", "b"), user.claims)
    assert scripted.requests["/userinfo"] == 0


@pytest.mark.parametrize(
    "sign",
    [
        sign_with(RSA_KEY, "PS256"),
        sign_with(EC_KEY, "ES256"),
    ],
)
def test_other_algorithms(scripted: ScriptedProvider, sign: Sign) -> None:
    scripted.sign = sign
    assert sign_in(scripted).subject == "1"


@pytest.mark.parametrize(
    "sign",
    [
        sign_without_key,
        sign_with(OTHER_KEY),
        sign_with(OctKey.import_key(SECRET), "HS256", kid="one"),
        sign_with_public_key,
        sign_with(RSA_KEY, kid="three"),
        sign_with(RSA_KEY, kid=None),
        sign_with(RSA_KEY, kid="two"),
        lambda _: "",
        lambda _: "a.b.c",
        lambda _: "a" * 1_000_000,
        lambda claims: f"{sign_with(RSA_KEY)(claims)[:-8]}AAAAAAAA",
        lambda claims: sign_with(RSA_KEY)(claims).rpartition(".")[0] + ".",
    ],
    ids=range(12),
)
def test_tokens_without_a_valid_signature_are_refused(scripted: ScriptedProvider, sign: Sign) -> None:
    scripted.sign = sign
    with pytest.raises((SignInRefusedError, ProviderUnavailableError)):
        sign_in(scripted)


@pytest.mark.parametrize(
    "claims",
    [
        *({name: None} for name in ("iss", "aud", "sub", "iat", "exp", "nonce")),
        {"iss": "https://other.example.org"},
        {"aud": "other"},
        {"aud": []},
        {"aud": [CLIENT_ID, "other"]},
        {"aud": {"a": 1}},
        {"azp": "other"},
        {"sub": ""},
        {"sub": 1},
        {"sub": "x" * 256},
        {"sub": "\ud800"},
        {"sub": "a\x00"},
        {"nonce": "other"},
        {"nonce": ["other"]},
        {"nonce": "\ud800"},
        {"exp": int(NOW.timestamp()) - 61},
        {"exp": "never"},
        {"iat": int(NOW.timestamp()) + 61},
        {"nbf": int(NOW.timestamp()) + 61},
        {"groups": 5},
        {"groups": {"a": 1}},
        {"groups": ["a", 5]},
        {"groups": ["x" * 1_001]},
        {"groups": ["x"] * 10_001},
    ],
    ids=lambda claims: next(iter(claims)),
)
def test_wrong_claims_are_refused(scripted: ScriptedProvider, claims: Documents) -> None:
    scripted.claims = claims
    with pytest.raises(SignInRefusedError):
        sign_in(scripted)


@pytest.mark.parametrize(
    ("claims", "groups"),
    [
        ({"aud": [CLIENT_ID]}, ("c",)),
        ({"aud": [CLIENT_ID, "other"], "azp": CLIENT_ID}, ("c",)),
        ({"groups": "one group"}, ("one group",)),
        ({"groups": []}, ()),
        ({"groups": ["a", "\ud800", "b\x00", "ä"]}, ("a", "ä")),
        ({"exp": int(NOW.timestamp()) - 30, "iat": int(NOW.timestamp()) + 30}, ("c",)),
    ],
)
def test_unusual_claims(scripted: ScriptedProvider, claims: Documents, groups: tuple[str, ...]) -> None:
    scripted.claims = claims
    scripted.userinfo = {"groups": ["c"], "iss": "other", "aud": "other"}
    assert sign_in(scripted).groups == groups


def test_userinfo_of_another_user_is_refused(scripted: ScriptedProvider) -> None:
    scripted.userinfo = {"sub": "2", "groups": ["administrators"]}
    with pytest.raises(SignInRefusedError, match="another user"):
        sign_in(scripted)


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example.org"},
        {"issuer": None},
        {"token_endpoint": "http://192.0.2.1/token"},
        {"token_endpoint": "file:///etc/passwd"},
        {"jwks_uri": "https://user:secret@example.org/keys"},
        {"jwks_uri": ""},
        {"userinfo_endpoint": "http://192.0.2.1/userinfo"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"scopes_supported": "openid"},
    ],
    ids=str,
)
def test_unusable_metadata_is_refused(scripted: ScriptedProvider, metadata: Documents) -> None:
    scripted.metadata = metadata
    with pytest.raises(ProviderUnavailableError):
        sign_in(scripted)


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token", "/userinfo"])
@pytest.mark.parametrize(
    "reply",
    [
        (500, {}, b"{}"),
        (200, {}, b""),
        (200, {}, b"<html>"),
        (200, {}, b"[]"),
        (200, {}, b"\xff\xfe{}"),
        (200, {}, b"[" * 100_000),
        (200, {}, b'{"a": "' + b"x" * (1 << 20) + b'"}'),
        (200, {"Content-Length": "5000"}, b"{"),
        (200, {"Content-Encoding": "gzip"}, b"not gzip"),
        (302, {"Location": "http://127.0.0.1:9/"}, b""),
    ],
    ids=range(10),
)
def test_unreadable_answers_are_refused(
    scripted: ScriptedProvider, path: str, reply: tuple[int, Mapping[str, str], bytes]
) -> None:
    scripted.replies[path] = reply
    with pytest.raises(ProviderUnavailableError, match=path.rpartition("/")[2]):
        sign_in(scripted)


def test_unknown_and_damaged_keys_are_left_out(scripted: ScriptedProvider) -> None:
    scripted.keys = [
        {"kty": "post-quantum", "kid": "one"},
        {"kty": "RSA", "kid": "one"},
        {"kty": "RSA", "kid": "one", "n": "!", "e": []},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "one"},
        {"kty": ["RSA"]},
        {"kty": "oct", "k": "AA", "kid": "one"},
        {**OTHER_KEY.as_dict(private=False), "use": "enc"},
        *scripted.keys,
    ]
    assert sign_in(scripted).subject == "1"
    scripted.keys = []
    with pytest.raises(SignInRefusedError, match="the ID token is not valid"):
        sign_in(scripted)


def test_keys_are_read_again_for_a_new_one_only(scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(scripted, repetitions=5)
    assert (scripted.requests["/keys"], scripted.requests["/.well-known/openid-configuration"]) == (1, 1)
    scripted.requests.clear()
    scripted.sign = sign_with(RSA_KEY, kid="invented")
    with pytest.raises(SignInRefusedError):
        sign_in(scripted, repetitions=5)
    assert scripted.requests["/keys"] == 1
    scripted.requests.clear()
    monkeypatch.setattr("kubekeep_server.auth.oidc.provider._KEYS_SECONDS", 0)
    with pytest.raises(SignInRefusedError):
        sign_in(scripted, repetitions=5)
    assert scripted.requests["/keys"] == 5


def test_rotated_keys(scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubekeep_server.auth.oidc.provider._KEYS_SECONDS", 0)
    rotated = RSAKey.generate_key(2048, {"kid": "three"})
    published = [*scripted.keys, rotated.as_dict(private=False)]

    def rotate(claims: Documents) -> str:
        key = RSA_KEY if not scripted.requests["/keys"] else rotated
        if key is rotated:
            scripted.keys = published
        return sign_with(key)(claims)

    scripted.sign = rotate
    assert sign_in(scripted, repetitions=2).subject == "1"
    assert scripted.requests["/keys"] == 2


@pytest.mark.parametrize(
    "issuer", ["http://example.org", "http://127.0.0.1.example.org", "example.org", "", "https://a@b", "https://a/#b"]
)
def test_unsafe_issuers_are_refused(issuer: str) -> None:
    with pytest.raises(ValueError, match=r"only https|no address"):
        OpenIdProvider(issuer, CLIENT_ID, SECRET)


def test_query_of_the_address_is_kept(scripted: ScriptedProvider) -> None:
    async def steps() -> str:
        provider = OpenIdProvider(scripted.issuer, CLIENT_ID, SECRET)
        address, _ = await begin_login(provider, REDIRECT_URI)
        await provider.close()
        return address

    query = parse_qs(urlsplit(asyncio.run(steps())).query)
    assert (query["tenant"], query["scope"]) == (["1"], ["openid profile email"])
