"""Requests to one API server, with credentials, limits and retries.

Sends GET requests and POST requests of reviews, which change nothing. Follows no redirects.

Rules:

1. A response with the status 429, 500, 502, 503 or 504, and a lost connection, are tried again, at most `max_attempts`
   times. The wait doubles up to `max_wait`, follows a longer Retry-After up to the same limit, and has jitter. All
   other errors are raised at once.
2. No attempt begins later than `total_timeout` after the first one, but for the jitter of its wait.
3. A stream is not tried again: only its reader knows where to continue.
4. After a 401 the request is sent once more with renewed credentials. Without other credentials it is a LoginError at
   once.
5. A request keeps the client that it began with. A client with an old certificate is closed after its last request.
6. `close` wakes all threads that wait for a response or a retry; they raise ConnectionLostError. No request is sent
   later, and a socket that connects later is closed before it is used.
7. A response has limits of size, of the time between two parts and of its whole time. A stream has only the second one.
8. Messages show the name of the cluster, the address and the proxy without its password, never a header or a
   credential. Control characters of the server's texts are escaped.

Example: GET /version with the token "one" from a file, and a server that is busy and rotates the token.

    GET, Bearer one -> 429   temporary: wait and try again
    GET, Bearer one -> 401   meanwhile the file has the token "two": `Credentials.renew` reads it again
    GET, Bearer two -> 200   decoded and returned; the 401 was not an attempt of its own
    GET /x -> 403            ApiError at once
    close(), GET /x          ConnectionLostError, nothing is sent
"""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx2
import msgspec
from socksio import SOCKSError

from kubekeep.kube.access import Certificate, ClusterAccess, ClusterRequest
from kubekeep.kube.credentials import Credentials, RequestCredentials
from kubekeep.kube.errors import (
    UNAUTHORIZED,
    ApiError,
    ConnectionLostError,
    KubeconfigError,
    KubeError,
    LoginError,
    SilentStreamError,
    UnreachableError,
    UnreadableResponseError,
)
from kubekeep.kube.responses import JSON, MAX_MESSAGE_LENGTH, decode_response, to_api_error
from kubekeep.kube.transport import create_tls_context, select_proxy
from kubekeep.model.text import visible

T = TypeVar("T")

_TEMPORARY_ERRORS: Final = frozenset({429, 500, 502, 503, 504})
"""Temporary errors of a server."""


class _Sender(msgspec.Struct, eq=False):
    """An HTTP client with one client certificate, and the number of its requests in progress."""

    certificate: Certificate | None
    client: httpx2.Client
    active_requests: int = 0


class KubeConnection:
    """Connection to one cluster as one user; usable from several threads."""

    def __init__(self, request: ClusterRequest) -> None:
        self.access: ClusterAccess = request.access
        self._name = visible(request.access.name)
        self._proxy_text = ""
        self._retry = request.retry_policy
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._credentials = Credentials(
            request.access.login, request.environment, terminal=request.has_terminal, stop=self._closed
        )
        self._current: _Sender | None = None
        """Sender of the next request, replaced when the client certificate changes."""
        self._environment = request.environment
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_closed(self) -> bool:
        """True after `close`."""
        return self._closed.is_set()

    def close(self) -> None:
        """Close the connection at once: requests in progress or waiting for a retry raise ConnectionLostError."""
        self._closed.set()
        self.interrupt()
        with self._lock:
            sender = self._replace_sender(None)
        if sender is not None:
            sender.client.close()

    def _replace_sender(self, current: _Sender | None) -> _Sender | None:
        """Set the current sender; return the previous one if it has no active requests and must be closed."""
        previous, self._current = self._current, current
        return previous if previous is not None and not previous.active_requests else None

    def _release(self, sender: _Sender) -> None:
        """Count a finished request; close a replaced sender after its last request.

        A socket must not be closed while another thread reads it: its number may be reused, and the reader would then
        read the response of another request.
        """
        with self._lock:
            sender.active_requests -= 1
            is_unused = not sender.active_requests and sender is not self._current
        if is_unused:
            sender.client.close()

    def interrupt(self) -> None:
        """Abort all requests in progress as if the network had failed; later requests use new sockets."""
        with self._lock:
            sockets = tuple(self._sockets)
        for connected in sockets:
            # shutdown() wakes the thread that reads from the socket, close() would not. TLS is not shut down first.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

    @contextlib.contextmanager
    def close_on_error(self, *tolerated: type[KubeError]) -> Iterator[None]:
        """Close the connection if the body raises, so that no thread keeps waiting for an unneeded response.

        Errors of the types in `tolerated` do not close it: other threads may still use it.
        """
        is_finished = False
        try:
            yield
            is_finished = True
        except tolerated:
            is_finished = True
            raise
        finally:
            if not is_finished:
                self.close()

    def get(self, path: str, expected: type[T], params: Mapping[str, str] | None = None, accept: str = JSON) -> T:
        """Send GET to `path` and decode the response as `expected`.

        Raises ApiError if the server refuses, ConnectionLostError if the response is incomplete or too late, LoginError
        if the credentials are rejected.
        """
        return self._request("GET", path, expected, params=params or {}, accept=accept)

    def post(self, path: str, body: Any, expected: type[T]) -> T:
        """Send a review and decode the response. Raises the errors of `get`."""
        return self._request("POST", path, expected, body=msgspec.json.encode(body), accept=JSON)

    def get_text(self, path: str) -> str:
        """Send GET to `path` and return the response as text. Raises the errors of `get`."""
        return self._request("GET", path, str, accept="*/*")

    @contextlib.contextmanager
    def stream(
        self, path: str, params: Mapping[str, str], read_timeout: float, accept: str = JSON
    ) -> Iterator[Iterator[bytes]]:
        """Yield the parts of an endless response; `read_timeout` is the maximum number of seconds between two.

        Raises the errors of `get`, ConnectionLostError if the stream breaks, and SilentStreamError after `read_timeout`.
        """
        with self._open_response(
            "GET", path, params=params, accept=accept, body=None, read_timeout=read_timeout
        ) as response:
            yield self._iterate_body(response)

    def _iterate_body(self, response: httpx2.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_bytes()
        except httpx2.ReadTimeout as error:
            raise SilentStreamError(self._describe_failure(error)) from None
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise ConnectionLostError(self._describe_failure(error)) from None

    def _request(
        self,
        method: str,
        path: str,
        expected: type[T],
        *,
        params: Mapping[str, str] | None = None,
        accept: str,
        body: bytes | None = None,
    ) -> T:
        deadline = time.monotonic() + self._retry.total_timeout
        for attempt in range(1, self._retry.max_attempts + 1):
            wait = min(self._retry.first_wait * 2 ** (attempt - 1), self._retry.max_wait)
            try:
                with self._open_response(method, path, params=params or {}, accept=accept, body=body) as response:
                    return decode_response(response, self._read_body(response), expected)
            except ApiError as error:
                wait = max(wait, min(error.retry_after, self._retry.max_wait))
                is_last = attempt == self._retry.max_attempts or time.monotonic() + wait > deadline
                if error.status not in _TEMPORARY_ERRORS or is_last:
                    raise
            except ConnectionLostError:
                # An unresponsive server delays all requests: without this limit each would use all its tries.
                if attempt == self._retry.max_attempts or self._closed.is_set() or time.monotonic() > deadline:
                    raise
            # Jitter: clients that were refused together must not retry together, and none before Retry-After.
            if self._closed.wait(wait * random.uniform(1.0, 1.4)):  # noqa: S311 - no secret
                raise ConnectionLostError(f"{self._name}: the connection was closed")
        raise ConnectionLostError(f"{self._name}: no attempt was made")

    @contextlib.contextmanager
    def _open_response(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        accept: str,
        body: bytes | None,
        read_timeout: float | None = None,
    ) -> Iterator[httpx2.Response]:
        """Open a response and check its status. Retries once with renewed credentials after status 401."""
        with contextlib.ExitStack() as requests:
            credentials, client = self._acquire_client(None, requests)
            response = self._send(
                client, credentials, method, path, params=params, accept=accept, body=body, read_timeout=read_timeout
            )
            if response.status_code == UNAUTHORIZED:
                # Released first: new credentials may replace the client, which then has no request to wait for.
                response.close()
                requests.close()
                credentials, client = self._acquire_client(credentials, requests)
                response = self._send(
                    client,
                    credentials,
                    method,
                    path,
                    params=params,
                    accept=accept,
                    body=body,
                    read_timeout=read_timeout,
                )
            with contextlib.closing(response):
                if not response.is_success:
                    raise to_api_error(response, self._read_body(response))
                yield response

    def _send(
        self,
        client: httpx2.Client,
        credentials: RequestCredentials,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        accept: str,
        body: bytes | None,
        read_timeout: float | None,
    ) -> httpx2.Response:
        retry_policy = self._retry
        headers = [
            ("Accept", accept),
            *([("Content-Type", JSON)] if body is not None else []),
            *_list_impersonation_headers(self.access),
        ]
        if credentials.header:
            headers.append(("Authorization", credentials.header))
        opened: list[socket.socket] = []
        extensions: dict[str, Any] = {"trace": lambda event, info: opened.extend(self._register_socket(event, info))}
        if self.access.server_name:
            extensions["sni_hostname"] = self.access.server_name
        try:
            request = client.build_request(
                method,
                self.access.server + path,
                params=params or None,
                content=body,
                headers=[(name.encode(), value.encode()) for name, value in headers],
                timeout=httpx2.Timeout(read_timeout or retry_policy.read_timeout, connect=retry_policy.connect_timeout),
                extensions=extensions,
            )
            return client.send(request, stream=True, follow_redirects=False)
        except (httpx2.InvalidURL, UnicodeError) as error:
            raise KubeconfigError(
                f"{self._name}: the address of the server is invalid: {visible(str(error))}"
            ) from None
        except SOCKSError:
            _close(opened)
            raise ConnectionLostError(
                self._describe_failure(ConnectionError("it is not a SOCKS proxy, or closes the connection"))
            ) from None
        except httpx2.LocalProtocolError:
            # The original message would contain the header.
            raise UnreachableError(
                f"{self._name}: the user or group to impersonate contains invalid characters"
            ) from None
        except httpx2.HTTPError as error:
            if isinstance(error, httpx2.ProxyError):
                # httpx leaves the socket open if a SOCKS proxy refuses.
                _close(opened)
            message = self._describe_failure(error)
            raise (UnreachableError if _is_final(error) else ConnectionLostError)(message) from None

    def _register_socket(self, event: str, info: Mapping[str, Any]) -> tuple[socket.socket, ...]:
        """Remember the sockets, so that `interrupt` can wake their readers; returns the socket of this event."""
        if not event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            return ()
        connected: socket.socket = info["return_value"].get_extra_info("socket")
        with self._lock:
            self._sockets.add(connected)
            if not self._closed.is_set():
                return (connected,)
        # No other code has a reference to the socket yet.
        connected.close()
        raise ConnectionLostError(f"{self._name}: the connection was closed")

    def _acquire_client(
        self, rejected: RequestCredentials | None, requests: contextlib.ExitStack
    ) -> tuple[RequestCredentials, httpx2.Client]:
        """Return credentials and a client with their certificate.

        The client is reserved for a request until `requests` ends. Raises LoginError if there are no credentials other
        than the `rejected` ones, ConnectionLostError if the connection is closed.
        """
        if rejected is None:
            credentials = self._credentials.get_current()
        else:
            renewed = self._credentials.renew(rejected)
            if renewed is None:
                raise LoginError(f"{self._name}: the API server rejects the credentials (401)")
            credentials = renewed
        idle: _Sender | None = None
        with self._lock:
            if self._closed.is_set():
                raise ConnectionLostError(f"{self._name}: the connection was closed")
            sender = self._current
            if sender is None or sender.certificate != credentials.certificate:
                # Requests in progress keep the client they started with.
                sender = _Sender(credentials.certificate, self._create_client(credentials))
                idle = self._replace_sender(sender)
            sender.active_requests += 1
        requests.callback(self._release, sender)
        if idle is not None:
            idle.client.close()
        return credentials, sender.client

    def _create_client(self, credentials: RequestCredentials) -> httpx2.Client:
        access = self.access
        try:
            proxy = access.proxy or select_proxy(access.server, self._environment)
            # Without user name and password.
            self._proxy_text = (
                f" through the proxy {visible(urlsplit(proxy).netloc.rpartition('@')[2])}" if proxy else ""
            )
            return httpx2.Client(
                verify=create_tls_context(access, credentials.certificate)
                if access.server.lower().startswith("https:")
                else False,
                proxy=proxy or None,
                # The environment of the request is used instead.
                trust_env=False,
                headers={
                    "User-Agent": "kubekeep",
                    "Accept-Encoding": "gzip" if access.compressed else "identity",
                },
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=60),
                http2=False,
            )
        except (ValueError, httpx2.InvalidURL):
            # The original message would contain the address, possibly with a password.
            raise KubeconfigError(
                f"{self._name}: invalid proxy: use an http://, https:// or socks5:// address"
            ) from None

    def _read_body(self, response: httpx2.Response) -> bytes:
        deadline = time.monotonic() + self._retry.total_timeout
        pieces: list[bytes] = []
        size = 0
        for piece in self._iterate_body(response):
            size += len(piece)
            if size > self._retry.max_bytes:
                raise UnreadableResponseError(f"{self._name}: a response is larger than {self._retry.max_bytes} bytes")
            if time.monotonic() > deadline:
                raise ConnectionLostError(f"{self._name}: a response took longer than {self._retry.total_timeout:g} s")
            pieces.append(piece)
        return b"".join(pieces)

    def _describe_failure(self, error: Exception) -> str:
        reason = visible(str(error)[:MAX_MESSAGE_LENGTH]) or type(error).__name__
        return f"{self._name}: {visible(self.access.server)} cannot be reached{self._proxy_text}: {reason}"


def _close(sockets: Iterable[socket.socket]) -> None:
    for connected in sockets:
        connected.close()


def _list_impersonation_headers(access: ClusterAccess) -> list[tuple[str, str]]:
    """Return the impersonation headers (Kubernetes docs, user impersonation)."""
    impersonation = access.impersonation
    if not impersonation.user:
        return []
    return [
        ("Impersonate-User", impersonation.user),
        *([("Impersonate-Uid", impersonation.uid)] if impersonation.uid else []),
        *(("Impersonate-Group", group) for group in impersonation.groups),
        *(
            (f"Impersonate-Extra-{quote(key, safe='')}", value)
            for key, values in impersonation.extra
            for value in values
        ),
    ]


def _is_final(error: Exception) -> bool:
    """Return True if a retry cannot help: the host name does not exist or the certificate is not trusted."""
    if not isinstance(error, httpx2.ConnectError):
        return False
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return cause.errno == socket.EAI_NONAME
        if isinstance(cause, ssl.SSLError):
            return not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError)
        cause = cause.__cause__ or cause.__context__
    return False
