"""Repository of an OCI registry: manifests and blobs by the OCI distribution specification 1.1.

Every response is limited in size and checked against its digest. Credentials are sent only to the registry and to the
token server it names, never after a redirect, and never appear in messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import httpx2
import msgspec

from kubekeep.model.network_address import explain_refused_redirect, is_address, is_port, is_private, parse_address
from kubekeep.model.text import visible
from kubekeep.registry.credentials import Challenge, Keychain, RegistryLogin, select_challenge
from kubekeep.registry.errors import RegistryError, RejectedArtifactError
from kubekeep.registry.manifest import MANIFEST, Descriptor, compute_digest
from kubekeep.registry.reference import ArtifactReference

_MOST_TEXT: Final = 4 << 20
"""Maximum size in bytes of a manifest, as in registries, and of every other response except blobs."""
_REDIRECTS: Final = 5
_TIMEOUT: Final = httpx2.Timeout(60, connect=15)
_SECONDS: Final = 600
"""Maximum duration of one response, beside the pauses of `_TIMEOUT`."""
_HOSTS: Final = {"docker.io": "registry-1.docker.io"}
"""Hosts of registries whose API has another host name."""
_LONGEST_MESSAGE: Final = 200


class _RegistryResponse(msgspec.Struct, frozen=True):
    status: int
    headers: httpx2.Headers
    body: bytes


class _ErrorResponse(msgspec.Struct, frozen=True):
    class RegistryProblem(msgspec.Struct, frozen=True):
        code: str = ""
        message: str = ""

    errors: tuple[RegistryProblem, ...] = ()


class _TokenResponse(msgspec.Struct, frozen=True):
    token: str = ""
    access_token: str = ""


class OciRepository:
    """A repository, accessed over verified TLS; with `plain_http` also without TLS.

    Methods raise RegistryError if the registry is unreachable or refuses.
    """

    def __init__(self, reference: ArtifactReference, keychain: Keychain, *, plain_http: bool = False) -> None:
        """Create the client; sends nothing yet."""
        self._registry = reference.registry
        self._schemes = ("https", "http") if plain_http else ("https",)
        host = _HOSTS.get(reference.registry, reference.registry)
        self._root = httpx2.URL(f"{self._schemes[-1]}://{host}/v2/{reference.repository}/")
        self._keychain = keychain
        self._authorization = ""
        self._is_public = not is_private(self._root.host)
        """False if the registry has a private address; behind a proxy it is unknown."""
        # Proxies and company certificate authorities come from the environment and the system.
        self._client = httpx2.Client(
            timeout=_TIMEOUT, headers={"User-Agent": "kubekeep", "Accept-Encoding": "identity"}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get_manifest(self, version: str) -> bytes | None:
        """Return the manifest of a tag or digest, or None. Raises RejectedArtifactError for another digest."""
        response = self._request("GET", f"manifests/{version}", headers={"Accept": MANIFEST})
        if response.status == httpx2.codes.NOT_FOUND:
            return None
        self._expect(response, httpx2.codes.OK)
        if version.startswith("sha256:") and compute_digest(response.body) != version:
            raise RejectedArtifactError(
                f"{self._registry} returned a different manifest for {version}: {compute_digest(response.body)}"
            )
        return response.body

    def get_blob(self, descriptor: Descriptor, limit: int) -> bytes:
        """Return the content of a blob. Raises RejectedArtifactError above `most` bytes or for another digest."""
        if descriptor.size > limit:
            raise RejectedArtifactError(f"{descriptor.digest} has {descriptor.size:,} bytes; the limit is {limit:,}")
        response = self._request("GET", f"blobs/{descriptor.digest}", limit=descriptor.size)
        self._expect(response, httpx2.codes.OK)
        if len(response.body) != descriptor.size or compute_digest(response.body) != descriptor.digest:
            raise RejectedArtifactError(f"{self._registry} returned different content for {descriptor.digest}")
        return response.body

    def put_blob(self, content: bytes) -> None:
        """Store a blob unless it exists."""
        digest = compute_digest(content)
        if self._request("HEAD", f"blobs/{digest}").status == httpx2.codes.OK:
            return
        response = self._request("POST", "blobs/uploads/")
        self._expect(response, httpx2.codes.ACCEPTED)
        upload = self._join(self._root, response.headers.get("location", "")).copy_merge_params({"digest": digest})
        response = self._request("PUT", upload, content=content, headers={"Content-Type": "application/octet-stream"})
        self._expect(response, httpx2.codes.CREATED)

    def put_manifest(self, version: str, content: bytes) -> None:
        """Store a manifest under `version`: a tag, or its digest."""
        response = self._request("PUT", f"manifests/{version}", content=content, headers={"Content-Type": MANIFEST})
        self._expect(response, httpx2.codes.CREATED)

    def _request(
        self,
        method: str,
        target: str | httpx2.URL,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        limit: int = _MOST_TEXT,
    ) -> _RegistryResponse:
        """Send a request and return the response, after answering one authentication challenge."""
        url = self._root.join(target) if isinstance(target, str) else target
        response = self._follow(method, url, content, headers or {}, limit)
        if response.status == httpx2.codes.UNAUTHORIZED:
            challenge = select_challenge(response.headers.get_list("www-authenticate"))
            if challenge and (authorization := self._authorize(challenge)):
                self._authorization = authorization
                response = self._follow(method, url, content, headers or {}, limit)
        return response

    def _follow(
        self, method: str, url: httpx2.URL, content: bytes | None, headers: dict[str, str], limit: int
    ) -> _RegistryResponse:
        for _ in range(_REDIRECTS):
            credentials = (
                {"Authorization": self._authorization} if self._authorization and self._is_registry(url) else {}
            )
            response = self._send(
                self._client.build_request(method, url, content=content, headers=headers | credentials), limit
            )
            target = response.headers.get("location")
            if method not in {"GET", "HEAD"} or not httpx2.codes.is_redirect(response.status) or target is None:
                return response
            url = self._join(url, target)
        raise RegistryError(f"{self._registry} redirects more than {_REDIRECTS} times")

    def _send(self, request: httpx2.Request, limit: int) -> _RegistryResponse:
        body = bytearray()
        deadline = time.monotonic() + _SECONDS
        request.extensions = {**request.extensions, "trace": self._trace(request.url)}
        try:
            response = self._client.send(request, stream=True)
            try:
                # Error responses are read up to their own limit.
                maximum = limit if response.is_success else _MOST_TEXT
                for chunk in response.iter_raw():
                    body += chunk
                    if time.monotonic() > deadline:
                        raise RegistryError(f"{request.url.host} did not respond completely within {_SECONDS} seconds")
                    if len(body) > maximum:
                        raise RejectedArtifactError(f"{request.url.host} returned more than {maximum:,} bytes")
            finally:
                response.close()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise RegistryError(f"{request.url.host} cannot be reached: {visible(str(error))}") from error
        return _RegistryResponse(response.status_code, response.headers, bytes(body))

    def _trace(self, url: httpx2.URL) -> Callable[[str, dict[str, Any]], None]:
        """Return a function that checks the address of a connection before anything is sent to it."""
        host = ""

        def check(event: str, info: dict[str, Any]) -> None:
            nonlocal host
            if event == "connection.connect_tcp.started":
                host = info["host"]
            elif event == "connection.connect_tcp.complete" and host == url.raw_host.decode():
                address = info["return_value"].get_extra_info("server_addr")[0]
                if self._is_registry(url):
                    self._is_public = parse_address(address).is_global
                else:
                    try:
                        self._check_redirect(address)
                    except RegistryError:
                        info["return_value"].close()
                        raise

        return check

    def _authorize(self, challenge: Challenge) -> str:
        """Return the Authorization header for a challenge, or "" without credentials."""
        login = self._keychain.find_login(self._registry) or RegistryLogin()
        if challenge.scheme == "basic":
            return login.basic
        if login.registry_token:
            return f"Bearer {login.registry_token}"
        return f"Bearer {self._fetch_token(challenge, login)}"

    def _fetch_token(self, challenge: Challenge, login: RegistryLogin) -> str:
        """Request a token from the token server named in the challenge."""
        realm = self._join(self._root, challenge.parameters.get("realm", ""))
        names = ("service", "scope")
        fields: dict[str, Any] = {name: challenge.parameters[name] for name in names if name in challenge.parameters}
        if login.refresh_token:
            form = {"grant_type": "refresh_token", "client_id": "kubekeep", "refresh_token": login.refresh_token}
            request = self._client.build_request("POST", realm, data={**fields, **form})
        else:
            credentials = {"Authorization": login.basic} if login.basic else {}
            request = self._client.build_request("GET", realm.copy_merge_params(fields), headers=credentials)
        response = self._send(request, _MOST_TEXT)
        if response.status != httpx2.codes.OK:
            self._raise_error(response, realm.host)
        try:
            token = msgspec.json.decode(response.body, type=_TokenResponse)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise RegistryError(f"{realm.host} returned no token") from None
        return token.token or token.access_token

    def _join(self, base: httpx2.URL, target: str) -> httpx2.URL:
        """Resolve `target` against `base`; refuses to switch from TLS to plain HTTP."""
        try:
            url = base.join(target)
        except httpx2.InvalidURL as error:
            raise RegistryError(f"{self._registry} returned an invalid address: {error}") from error
        if url.scheme not in self._schemes or not url.host or not is_port(url.port):
            raise RegistryError(f"{self._registry} redirects to {url.scheme}://{url.host}: not followed")
        if is_address(url.host) and not self._is_registry(url):
            self._check_redirect(url.host)
        return url

    def _check_redirect(self, address: str) -> None:
        reason = explain_refused_redirect(address, is_from_public=self._is_public)
        if reason:
            raise RegistryError(f"{self._registry}: {reason}")

    def _is_registry(self, url: httpx2.URL) -> bool:
        return (url.scheme, url.host, url.port) == (self._root.scheme, self._root.host, self._root.port)

    def _expect(self, response: _RegistryResponse, status: int) -> None:
        if response.status != status:
            self._raise_error(response, self._registry)

    def _raise_error(self, response: _RegistryResponse, host: str) -> NoReturn:
        try:
            problems = msgspec.json.decode(response.body, type=_ErrorResponse).errors
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            problems = ()
        details = "; ".join(f"{problem.code} {problem.message}".strip() for problem in problems)
        if response.status == httpx2.codes.UNAUTHORIZED:
            details = details or "log in with `docker login`"
        raise RegistryError(
            f"{host} responded with {response.status}{': ' if details else ''}{visible(details)[:_LONGEST_MESSAGE]}"
        )
