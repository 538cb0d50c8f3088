"""Requests to one repository of an OCI registry: authentication, redirects, repetition, limits.

Credentials are sent only to the registry and to the token server it names, never after a redirect, and never appear in
messages. Never interprets content.
"""

from __future__ import annotations

import functools
import itertools
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

import httpx2
import msgspec

from kubekeep.model.network_address import explain_refused_redirect, is_address, is_port, is_private, parse_address
from kubekeep.model.text import visible
from kubekeep.registry.credentials import Challenge, Keychain, select_challenge
from kubekeep.registry.errors import (
    RegistryError,
    RegistryResponseError,
    RegistryTimeoutError,
    RejectedArtifactError,
    UnreachableRegistryError,
    UntrustedRegistryError,
)
from kubekeep.registry.login import RegistryLogin
from kubekeep.registry.pace import RequestPace, parse_retry_after
from kubekeep.registry.reference import ArtifactReference

MOST_TEXT: Final = 4 << 20
"""Maximum size in bytes of a manifest, as in registries, and of every other response except blobs."""
_REDIRECTS: Final = 5
_HOSTS: Final = {"docker.io": "registry-1.docker.io"}
"""Hosts of registries whose API has another host name."""
_LONGEST_MESSAGE: Final = 200
_TEMPORARY: Final = (
    httpx2.codes.TOO_MANY_REQUESTS,
    httpx2.codes.INTERNAL_SERVER_ERROR,
    httpx2.codes.BAD_GATEWAY,
    httpx2.codes.SERVICE_UNAVAILABLE,
    httpx2.codes.GATEWAY_TIMEOUT,
)
"""Responses after which a request is repeated; an internal error less often, since it may be permanent."""
_REPETITIONS: Final = 8
_RECONNECTIONS: Final = 2
_FIRST_PAUSE: Final = 0.25
_READING: Final = ("GET", "HEAD")
_CHUNK: Final = 1 << 18


class ConnectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of connections to a registry.

    plain_http: without TLS; redirects may lead to plain HTTP only then. authority_file: certificates in PEM that are
    trusted beside those of the system. pause: longest wait for the next bytes, in seconds. duration: longest complete
    response except a blob. patience: longest wait for a registry that is busy or limits requests, in total. pace: of
    requests, shared with other connections; None for no limit.
    """

    plain_http: bool = False
    authority_file: str = ""
    connect: float = 15
    pause: float = 60
    duration: float = 600
    patience: float = 60
    pace: RequestPace | None = None


class FileContent(msgspec.Struct, frozen=True):
    """The content of a request that is read from a file while it is sent."""

    path: Path
    size: int

    def read(self) -> Iterator[bytes]:
        """Yield the content."""
        with self.path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk


class RegistryReply(msgspec.Struct, frozen=True):
    """A response: complete, or with `stream` if its body is still to be read."""

    status: int
    headers: httpx2.Headers
    body: bytes = b""
    stream: httpx2.Response | None = None


class _ErrorResponse(msgspec.Struct, frozen=True):
    class RegistryProblem(msgspec.Struct, frozen=True):
        code: str = ""
        message: str | None = None

    errors: tuple[RegistryProblem, ...] = ()


class _TokenResponse(msgspec.Struct, frozen=True):
    token: str = ""
    access_token: str = ""


@functools.cache
def create_tls_context(authority_file: str) -> ssl.SSLContext:
    """Return the TLS context, which takes many milliseconds to create. Raises RegistryError."""
    context = httpx2.create_ssl_context()
    if authority_file:
        try:
            context.load_verify_locations(cafile=authority_file)
        except OSError as error:
            reason = "it has no valid PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror
            raise RegistryError(f"{authority_file}: the certificates cannot be read: {reason}") from error
    return context


class RegistryConnection:
    """Requests to the repository of `reference`, or to the registry as a whole if its repository is empty.

    Several threads may use it at a time.

    Methods raise RegistryError if the registry is unreachable or refuses, and RejectedArtifactError for a response that
    exceeds its limit.
    """

    def __init__(self, reference: ArtifactReference, keychain: Keychain, settings: ConnectionSettings) -> None:
        """Create the client; sends nothing yet."""
        self.registry = reference.registry
        self.settings = settings
        self._repository = reference.repository
        self._schemes = ("https", "http") if settings.plain_http else ("https",)
        host = _HOSTS.get(reference.registry, reference.registry)
        path = f"{reference.repository}/" if reference.repository else ""
        self.root = httpx2.URL(f"{self._schemes[-1]}://{host}/v2/{path}")
        self._keychain = keychain
        self._authorization = ""
        self._patience = settings.patience
        self._is_public = not is_private(self.root.host)
        """False if the registry has a private address; behind a proxy it is unknown."""
        # Proxies and company certificate authorities come from the environment and the system.
        self._client = httpx2.Client(
            verify=create_tls_context(settings.authority_file),
            timeout=httpx2.Timeout(settings.pause, connect=settings.connect),
            headers={"User-Agent": "kubekeep", "Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def request(
        self,
        method: str,
        target: str | httpx2.URL,
        *,
        content: bytes | FileContent | None = None,
        headers: dict[str, str] | None = None,
        limit: int = MOST_TEXT,
    ) -> RegistryReply:
        """Send a request and return the complete response, of at most `limit` bytes."""
        url = self.root.join(target) if isinstance(target, str) else target
        return self._repeat(method, lambda: self._read(self._authenticate(method, url, content, headers or {}), limit))

    def open(self, target: str, headers: dict[str, str] | None = None) -> httpx2.Response:
        """Send a GET request and return a successful response, whose body the caller reads and closes."""
        url = self.root.join(target)

        def attempt() -> RegistryReply:
            response = self._authenticate("GET", url, None, headers or {})
            if response.is_success:
                return RegistryReply(response.status_code, response.headers, stream=response)
            return self._read(response, MOST_TEXT)

        reply = self._repeat("GET", attempt)
        if reply.stream is None:
            self.raise_error(reply)
        return reply.stream

    def join(self, base: httpx2.URL, target: str) -> httpx2.URL:
        """Resolve `target` against `base`; refuses to switch from TLS to plain HTTP."""
        try:
            url = base.join(target)
        except httpx2.InvalidURL as error:
            raise RegistryError(f"{self.registry} returned an invalid address: {error}") from error
        if url.scheme not in self._schemes or not url.host or not is_port(url.port):
            raise RegistryError(f"{self.registry} redirects to {url.scheme}://{url.host}: not followed")
        if is_address(url.host) and not self.is_registry(url):
            self._check_redirect(url.host)
        return url

    def expect(self, reply: RegistryReply, status: int) -> None:
        """Raise RegistryResponseError for another status."""
        if reply.status != status:
            self.raise_error(reply)

    def raise_error(self, reply: RegistryReply, host: str = "") -> NoReturn:
        """Raise the error of a reply of `host`, by default the registry."""
        try:
            problems = msgspec.json.decode(reply.body, type=_ErrorResponse).errors
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            problems = ()
        details = "; ".join(f"{problem.code} {problem.message or ''}".strip() for problem in problems)
        if reply.status == httpx2.codes.UNAUTHORIZED:
            details = details or "log in with `docker login`"
        text = f"{host or self.registry} responded with {reply.status}{': ' if details else ''}"
        raise RegistryResponseError(text + visible(details)[:_LONGEST_MESSAGE], reply.status)

    def _repeat(self, method: str, attempt: Callable[[], RegistryReply]) -> RegistryReply:
        """Return the reply of `attempt`, which is repeated after temporary errors if the method only reads."""
        for number in itertools.count():
            pause = _FIRST_PAUSE * 2**number
            try:
                reply = attempt()
            except (UntrustedRegistryError, RegistryTimeoutError):
                raise
            except UnreachableRegistryError:
                if method not in _READING or number >= _RECONNECTIONS or not self._wait(pause):
                    raise
                continue
            repetitions = _RECONNECTIONS if reply.status == httpx2.codes.INTERNAL_SERVER_ERROR else _REPETITIONS
            if method not in _READING or reply.status not in _TEMPORARY or number >= repetitions:
                return reply
            requested = parse_retry_after(reply.headers.get("retry-after", ""))
            if not self._wait(max(pause, requested)):
                if requested:
                    self._raise_impatient(reply, requested)
                return reply
        raise AssertionError

    def _wait(self, seconds: float) -> bool:
        """Wait, or return False if that exceeds the patience."""
        if seconds > self._patience:
            return False
        self._patience -= seconds
        if self.settings.pace is None:
            time.sleep(seconds)
        else:
            self.settings.pace.sleep(seconds)
        return True

    def _raise_impatient(self, reply: RegistryReply, seconds: float) -> NoReturn:
        raise RegistryResponseError(
            f"{self.registry} responded with {reply.status} and accepts the next request in {seconds:,.0f} seconds",
            reply.status,
        )

    def _authenticate(
        self, method: str, url: httpx2.URL, content: bytes | FileContent | None, headers: dict[str, str]
    ) -> httpx2.Response:
        """Send a request and return the response, after answering one authentication challenge."""
        response = self._follow(method, url, content, headers)
        if response.status_code == httpx2.codes.UNAUTHORIZED:
            challenge = select_challenge(response.headers.get_list("www-authenticate"))
            if challenge:
                # The connection is free for the next requests only if the body has been read.
                reply = self._read(response, MOST_TEXT)
                authorization = self._authorize(challenge)
                if not authorization:
                    self.raise_error(reply)
                self._authorization = authorization
                response = self._follow(method, url, content, headers)
        return response

    def _follow(
        self, method: str, url: httpx2.URL, content: bytes | FileContent | None, headers: dict[str, str]
    ) -> httpx2.Response:
        for _ in range(_REDIRECTS):
            credentials = (
                {"Authorization": self._authorization} if self._authorization and self.is_registry(url) else {}
            )
            length = {}
            body: bytes | Iterator[bytes] | None
            if isinstance(content, FileContent):
                body, length = content.read(), {"Content-Length": str(content.size)}
            else:
                body = content
            response = self._send(
                self._client.build_request(method, url, content=body, headers=headers | credentials | length)
            )
            target = response.headers.get("location")
            if method not in _READING or not httpx2.codes.is_redirect(response.status_code) or target is None:
                return response
            response.close()
            url = self.join(url, target)
        raise RegistryError(f"{self.registry} redirects more than {_REDIRECTS} times")

    def _send(self, request: httpx2.Request) -> httpx2.Response:
        """Return the response with its head read."""
        request.extensions = {**request.extensions, "trace": self._trace(request.url)}
        # Blobs behind redirects and token servers have their own limits.
        pace = self.settings.pace if self.is_registry(request.url) else None
        if pace is not None:
            pace.wait(self.registry)
        try:
            response = self._client.send(request, stream=True)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _convert_error(error, request.url) from error
        if pace is not None:
            pace.record(self.registry, response.status_code, response.headers)
        return response

    def _read(self, response: httpx2.Response, limit: int) -> RegistryReply:
        """Read a body. Error responses have their own limit."""
        host = _name(response.request.url)
        maximum = limit if response.is_success else MOST_TEXT
        deadline = time.monotonic() + self.settings.duration
        body = bytearray()
        try:
            for chunk in response.iter_raw():
                body += chunk
                if time.monotonic() > deadline:
                    raise RegistryError(f"{host} did not respond completely within {self.settings.duration:g} seconds")
                if len(body) > maximum:
                    raise RejectedArtifactError(f"{host} returned more than {maximum:,} bytes")
        except httpx2.HTTPError as error:
            raise _convert_error(error, response.request.url) from error
        finally:
            response.close()
        return RegistryReply(response.status_code, response.headers, bytes(body))

    def _trace(self, url: httpx2.URL) -> Callable[[str, dict[str, Any]], None]:
        """Return a function that checks the address of a connection before anything is sent to it."""
        host = ""

        def check(event: str, info: dict[str, Any]) -> None:
            nonlocal host
            if event == "connection.connect_tcp.started":
                host = info["host"]
            elif event == "connection.connect_tcp.complete" and host == url.raw_host.decode():
                address = info["return_value"].get_extra_info("server_addr")[0]
                if self.is_registry(url):
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
        login = self._keychain.find_login(self.registry, self._repository) or RegistryLogin()
        if challenge.scheme == "basic":
            return login.basic
        if login.registry_token:
            return f"Bearer {login.registry_token}"
        return f"Bearer {self._fetch_token(challenge, login)}"

    def _fetch_token(self, challenge: Challenge, login: RegistryLogin) -> str:
        """Request a token from the token server named in the challenge."""
        realm = self.join(self.root, challenge.parameters.get("realm", ""))
        scope = f"repository:{self._repository}:pull" if self._repository else "registry:catalog:*"
        fields: dict[str, Any] = {"scope": scope}
        fields |= {name: challenge.parameters[name] for name in ("service", "scope") if name in challenge.parameters}
        if login.refresh_token:
            form = {"grant_type": "refresh_token", "client_id": "kubekeep", "refresh_token": login.refresh_token}
            request = self._client.build_request("POST", realm, data={**fields, **form})
        else:
            credentials = {"Authorization": login.basic} if login.basic else {}
            request = self._client.build_request("GET", realm.copy_merge_params(fields), headers=credentials)
        reply = self._read(self._send(request), MOST_TEXT)
        if reply.status == httpx2.codes.NOT_FOUND:
            raise RegistryError(f"the token server {realm.host} responded with 404")
        if reply.status != httpx2.codes.OK:
            self.raise_error(reply, realm.host)
        try:
            token = msgspec.json.decode(reply.body, type=_TokenResponse)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise RegistryError(f"{realm.host} returned no token") from None
        return token.token or token.access_token

    def _check_redirect(self, address: str) -> None:
        reason = explain_refused_redirect(address, is_from_public=self._is_public)
        if reason:
            raise RegistryError(f"{self.registry}: {reason}")

    def is_registry(self, url: httpx2.URL) -> bool:
        """Return True if the registry itself answers at this address."""
        return (url.scheme, url.host, url.port) == (self.root.scheme, self.root.host, self.root.port)


def _name(url: httpx2.URL) -> str:
    """Return the host with its port, as in messages."""
    return url.netloc.decode("ascii", "replace")


def _convert_error(error: Exception, url: httpx2.URL) -> UnreachableRegistryError:
    kind = UnreachableRegistryError
    if isinstance(error, httpx2.TimeoutException):
        kind = RegistryTimeoutError
    elif _has_tls_cause(error):
        kind = UntrustedRegistryError
    return kind(f"{_name(url)} cannot be reached: {visible(str(error))}")


def _has_tls_cause(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None
