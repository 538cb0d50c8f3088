"""Requests to one OpenID provider: metadata, public keys, tokens and claims. Follows no redirects.

1. Addresses use HTTPS; only a provider on a loopback address may use HTTP.
2. Metadata is read when it is needed for the first time, and again after an hour. An answer whose issuer differs from the
   configured one is refused (OpenID Connect Discovery 1.0, section 4.3).
3. Keys are read again when an ID token names an unknown one, at most once a minute: anyone can send an invented name.
4. Answers have limits of size and time.
"""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import httpx2
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

from kubekeep.model.text import visible
from kubekeep_server.auth.oidc.documents import KeyDocument, ProviderMetadata, TokenAnswer, TokenProblem
from kubekeep_server.auth.oidc.errors import ProviderUnavailableError, SignInRefusedError

T = TypeVar("T")
_METADATA_SECONDS: Final = 3600
_KEYS_SECONDS: Final = 60
_MAX_ANSWER: Final = 1 << 20
_MAX_KEYS: Final = 100
_LONGEST_MESSAGE: Final = 300
_TIMEOUT: Final = httpx2.Timeout(15)
_SYMMETRIC: Final = "oct"


class OpenIdProvider:
    """A provider with the credentials of this server. Used by one event loop.

    issuer: as in the metadata, without a `/` that is not a part of it. secret: empty for a public client.
    """

    def __init__(self, issuer: str, client_id: str, secret: str) -> None:
        """Send nothing yet. Raises ValueError for an issuer without HTTPS."""
        self.issuer = issuer
        self.client_id = client_id
        self._secret = secret
        self._check_address(issuer)
        self._client = httpx2.AsyncClient(
            # The certificates of the system, and those that SSL_CERT_FILE names.
            verify=ssl.create_default_context(),
            timeout=_TIMEOUT,
            follow_redirects=False,
            headers={"User-Agent": "kubekeep", "Accept": "application/json"},
        )
        self._metadata: ProviderMetadata | None = None
        self._metadata_time = 0.0
        self._keys = KeySet([])
        self._keys_time: float | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def load_metadata(self) -> ProviderMetadata:
        """Return the metadata. Raises ProviderUnavailableError."""
        if self._metadata is not None and time.monotonic() - self._metadata_time < _METADATA_SECONDS:
            return self._metadata
        url = f"{self.issuer.removesuffix('/')}/.well-known/openid-configuration"
        metadata = self._decode(url, await self._request("GET", url), ProviderMetadata)
        if metadata.issuer != self.issuer:
            raise ProviderUnavailableError(
                f"{url}: the issuer is {visible(metadata.issuer)!r}, and {self.issuer!r} in the settings"
            )
        for endpoint in (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri):
            self._check_endpoint(endpoint)
        self._metadata, self._metadata_time = metadata, time.monotonic()
        return metadata

    async def load_keys(self, name: str) -> KeySet:
        """Return the public keys for signatures, with the key of a name if the provider has it; empty for no name.

        Raises ProviderUnavailableError.
        """
        is_known = any(key.kid == name for key in self._keys) if name else bool(self._keys)
        is_recent = self._keys_time is not None and time.monotonic() - self._keys_time < _KEYS_SECONDS
        if not is_known and not is_recent:
            url = (await self.load_metadata()).jwks_uri
            document = self._decode(url, await self._request("GET", url), KeyDocument)
            self._keys, self._keys_time = _import_keys(document), time.monotonic()
        return self._keys

    async def exchange_code(self, code: str, verifier: str, redirect_uri: str) -> TokenAnswer:
        """Return the tokens for a code (RFC 6749, section 4.1.3; RFC 7636, section 4.5).

        Raises SignInRefusedError if the provider refuses the code, and ProviderUnavailableError.
        """
        metadata = await self.load_metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        authorization: tuple[str, str] | None = None
        if self._secret and "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            # RFC 6749, section 2.3.1: both are encoded like a form before.
            authorization = (quote(self.client_id, safe=""), quote(self._secret, safe=""))
        elif self._secret:
            form |= {"client_id": self.client_id, "client_secret": self._secret}
        else:
            form["client_id"] = self.client_id
        url = metadata.token_endpoint
        response = await self._request("POST", url, form=form, authorization=authorization)
        if response.status in (httpx2.codes.BAD_REQUEST, httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
            raise SignInRefusedError(f"the provider refuses the code: {_describe_problem(response.body)}")
        return self._decode(url, response, TokenAnswer)

    async def load_claims(self, access_token: str) -> dict[str, Any]:
        """Return the claims of the userinfo endpoint; empty if the provider has none. Raises ProviderUnavailableError."""
        url = (await self.load_metadata()).userinfo_endpoint
        if not url or not access_token:
            return {}
        self._check_endpoint(url)
        return self._decode(url, await self._request("GET", url, token=access_token), dict[str, Any])

    async def _request(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        authorization: tuple[str, str] | None = None,
        token: str = "",
    ) -> _Answer:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = self._client.build_request(method, url, data=form, headers=headers)
        body = bytearray()
        try:
            response = await self._client.send(request, stream=True, auth=authorization)
            try:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MAX_ANSWER:
                        raise ProviderUnavailableError(f"{url}: the answer has more than {_MAX_ANSWER:,} bytes")
            finally:
                await response.aclose()
        except httpx2.HTTPError as error:
            text = visible(str(error)) or type(error).__name__
            raise ProviderUnavailableError(f"{url} cannot be reached: {text}") from error
        return _Answer(response.status_code, bytes(body))

    def _decode(self, url: str, answer: _Answer, document: type[T]) -> T:
        if answer.status != httpx2.codes.OK:
            raise ProviderUnavailableError(f"{url}: status {answer.status}")
        try:
            return msgspec.json.decode(answer.body, type=document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderUnavailableError(f"{url}: the answer cannot be read: {visible(str(error))}") from error

    def _check_endpoint(self, url: str) -> None:
        try:
            self._check_address(url)
        except ValueError as error:
            raise ProviderUnavailableError(f"metadata of {self.issuer}: {error}") from error

    def _check_address(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname or parts.username is not None or parts.fragment:
            raise ValueError(f"{visible(url)!r} is no address of an OpenID provider")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
            raise ValueError(f"{visible(url)}: only https is safe for sign-ins")


class _Answer(msgspec.Struct, frozen=True):
    """A complete answer."""

    status: int
    body: bytes


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _import_keys(document: KeyDocument) -> KeySet:
    """Return the keys for signatures; unknown kinds are left out (RFC 7517, section 5)."""
    keys = []
    for values in document.keys[:_MAX_KEYS]:
        if values.get("kty") == _SYMMETRIC or values.get("use", "sig") != "sig":
            continue
        try:
            keys.append(JWKRegistry.import_key(values))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    return KeySet(keys)


def _describe_problem(body: bytes) -> str:
    try:
        problem = msgspec.json.decode(body, type=TokenProblem)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "it states no reason"
    return visible(f"{problem.error} {problem.error_description}".strip()[:_LONGEST_MESSAGE])
