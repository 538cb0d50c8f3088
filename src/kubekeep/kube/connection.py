"""Requests to one API server: with credentials, limits, and patience for a server that is busy or stumbles.

Sends GETs, and POSTs of reviews, which change nothing. Follows no redirect.
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

from kubekeep.kube import tls
from kubekeep.kube.access import Access, Certificate, ClusterRequest
from kubekeep.kube.answer import JSON, LONGEST_MESSAGE, decoded, refusal
from kubekeep.kube.credentials import Credentials, Held
from kubekeep.kube.errors import (
    ApiError,
    ConnectionLostError,
    KubeconfigError,
    KubeError,
    LoginError,
    UnreachableError,
    UnreadableError,
)
from kubekeep.kube.proxy import proxy_for
from kubekeep.model.text import visible

T = TypeVar("T")

_BUSY: Final = frozenset({429, 500, 502, 503, 504})
"""What a server answers that may answer otherwise soon."""
_UNAUTHORIZED: Final = 401


class _Sender(msgspec.Struct, eq=False):
    """A client that shows one certificate, and how many requests of it are under way."""

    certificate: Certificate | None
    client: httpx2.Client
    under_way: int = 0


class Connection:
    """The connection to the cluster of one access; several threads may send requests through it."""

    def __init__(self, request: ClusterRequest) -> None:
        self.access: Access = request.access
        self._name = visible(request.access.name)
        self._through = ""
        self._patience = request.patience
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._credentials = Credentials(
            request.access.login, request.environment, terminal=request.terminal, ended=self._closed
        )
        self._current: _Sender | None = None
        """What sends the next request, unless its certificate is another one by then."""
        self._environment = request.environment
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return self._closed.is_set()

    def close(self) -> None:
        """End it at once; requests under way, and those that wait, raise ConnectionLostError."""
        self._closed.set()
        self.interrupt()
        with self._lock:
            sender = self._superseded(None)
        if sender is not None:
            sender.client.close()

    def _superseded(self, current: _Sender | None) -> _Sender | None:
        """Let another send from now on, or nobody; gives the one to close, if nobody reads from its sockets any more."""
        before, self._current = self._current, current
        return before if before is not None and not before.under_way else None

    def _done(self, sender: _Sender) -> None:
        """A request of `sender` has ended. With the last one of a sender that sends no more, its sockets are closed.

        The number of a socket that is closed under a reader may be that of another, whose answers the reader then takes.
        """
        with self._lock:
            sender.under_way -= 1
            is_over = not sender.under_way and sender is not self._current
        if is_over:
            sender.client.close()

    def interrupt(self) -> None:
        """Break off all that is under way, as if the network had: what is asked then goes by new sockets."""
        with self._lock:
            sockets = tuple(self._sockets)
        for known in sockets:
            # Wakes the thread that reads from it, which closing would not; TLS has nothing more to say to anybody.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(known, socket.SHUT_RDWR)

    @contextlib.contextmanager
    def closed_on_error(self, *borne: type[KubeError]) -> Iterator[None]:
        """End it if what is done meanwhile raises, so that no thread waits for an answer that nobody wants any more.

        Errors of the kinds `borne` end nothing: others may still want answers through it.
        """
        done = False
        try:
            yield
            done = True
        except borne:
            done = True
            raise
        finally:
            if not done:
                self.close()

    def get(self, path: str, wanted: type[T], params: Mapping[str, str] | None = None, accept: str = JSON) -> T:
        """What the server answers at `path`, read as `wanted`.

        Raises ApiError where it refuses, ConnectionLostError where it does not answer with a whole document in time,
        LoginError where it does not know us.
        """
        return self._patiently("GET", path, wanted, params=params or {}, accept=accept)

    def post(self, path: str, body: Any, wanted: type[T]) -> T:
        """The answer to a review. Raises as `get` does."""
        return self._patiently("POST", path, wanted, body=msgspec.json.encode(body), accept=JSON)

    def text(self, path: str) -> str:
        """What the server answers at `path`, as text. Raises as `get` does."""
        return self._patiently("GET", path, str, accept="*/*")

    @contextlib.contextmanager
    def stream(
        self, path: str, params: Mapping[str, str], silence: float, accept: str = JSON
    ) -> Iterator[Iterator[bytes]]:
        """The pieces of an endless answer, as they come; `silence` is how many seconds may pass between two.

        Raises as `get` does, and ConnectionLostError when the stream breaks off.
        """
        with self._sent("GET", path, params=params, accept=accept, body=None, silence=silence) as response:
            yield self._pieces(response)

    def _pieces(self, response: httpx2.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_bytes()
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise ConnectionLostError(self._told(error)) from None

    def _patiently(
        self,
        method: str,
        path: str,
        wanted: type[T],
        *,
        params: Mapping[str, str] | None = None,
        accept: str,
        body: bytes | None = None,
    ) -> T:
        until = time.monotonic() + self._patience.answer
        for attempt in range(1, self._patience.tries + 1):
            wait = min(self._patience.first_wait * 2 ** (attempt - 1), self._patience.longest_wait)
            try:
                with self._sent(method, path, params=params or {}, accept=accept, body=body) as response:
                    return decoded(response, self._body(response), wanted)
            except ApiError as error:
                if error.status not in _BUSY or attempt == self._patience.tries:
                    raise
                wait = max(wait, min(error.retry_after, self._patience.longest_wait))
            except ConnectionLostError:
                # A server that says nothing says nothing to many requests: all of them would wait for all tries.
                if attempt == self._patience.tries or self._closed.is_set() or time.monotonic() > until:
                    raise
            # Whoever was turned away together must not come back together.
            if self._closed.wait(wait * random.uniform(0.8, 1.2)):  # noqa: S311 - no secret
                raise ConnectionLostError(f"{self._name}: the connection was closed")
        raise ConnectionLostError(f"{self._name}: not a single try")

    @contextlib.contextmanager
    def _sent(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        accept: str,
        body: bytes | None,
        silence: float | None = None,
    ) -> Iterator[httpx2.Response]:
        """The response, whose status is good, while it is open. With new credentials where the server wants some."""
        with contextlib.ExitStack() as requests:
            held, client = self._client(None, requests)
            response = self._send(client, held, method, path, params=params, accept=accept, body=body, silence=silence)
            if response.status_code == _UNAUTHORIZED:
                response.close()
                requests.close()
                held, client = self._client(held, requests)
                response = self._send(
                    client, held, method, path, params=params, accept=accept, body=body, silence=silence
                )
            with contextlib.closing(response):
                if not response.is_success:
                    raise refusal(response, self._body(response))
                yield response

    def _send(
        self,
        client: httpx2.Client,
        held: Held,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        accept: str,
        body: bytes | None,
        silence: float | None,
    ) -> httpx2.Response:
        patience = self._patience
        headers = [("Accept", accept), *([("Content-Type", JSON)] if body is not None else []), *_acting(self.access)]
        if held.header:
            headers.append(("Authorization", held.header))
        opened: list[socket.socket] = []
        extensions: dict[str, Any] = {"trace": lambda event, info: opened.extend(self._seen(event, info))}
        if self.access.server_name:
            extensions["sni_hostname"] = self.access.server_name
        try:
            request = client.build_request(
                method,
                self.access.server + path,
                params=params or None,
                content=body,
                headers=[(name.encode(), value.encode()) for name, value in headers],
                timeout=httpx2.Timeout(silence or patience.silence, connect=patience.connect),
                extensions=extensions,
            )
            return client.send(request, stream=True, follow_redirects=False)
        except (httpx2.InvalidURL, UnicodeError) as error:
            raise KubeconfigError(
                f"{self._name}: the address of the server cannot be used: {visible(str(error))}"
            ) from None
        except SOCKSError:
            _close(opened)
            raise ConnectionLostError(self._told(ConnectionError("it is no SOCKS proxy, or hangs up"))) from None
        except httpx2.LocalProtocolError:
            # The message would cite the header.
            raise UnreachableError(f"{self._name}: who to act as has characters that cannot be sent") from None
        except httpx2.HTTPError as error:
            if isinstance(error, httpx2.ProxyError):
                # One of SOCKS that refuses is left open.
                _close(opened)
            told = self._told(error)
            raise (UnreachableError if _is_final(error) else ConnectionLostError)(told) from None

    def _seen(self, event: str, info: Mapping[str, Any]) -> tuple[socket.socket, ...]:
        """Know the sockets, to wake who waits for them; gives the one that this is about."""
        if not event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            return ()
        known: socket.socket = info["return_value"].get_extra_info("socket")
        with self._lock:
            self._sockets.add(known)
            if not self._closed.is_set():
                return (known,)
        # Nobody else knows of it yet, to close it.
        known.close()
        raise ConnectionLostError(f"{self._name}: the connection was closed")

    def _client(self, refused: Held | None, requests: contextlib.ExitStack) -> tuple[Held, httpx2.Client]:
        """Credentials, and a client that shows their certificate; others than those `refused`, which raise LoginError.

        The client is that of a request until `requests` ends.
        """
        if refused is None:
            held = self._credentials.current()
        else:
            fresh = self._credentials.renewed(refused)
            if fresh is None:
                raise LoginError(f"{self._name}: the API server does not take the credentials (401)")
            held = fresh
        idle: _Sender | None = None
        with self._lock:
            if self._closed.is_set():
                raise ConnectionLostError(f"{self._name}: the connection was closed")
            sender = self._current
            if sender is None or sender.certificate != held.certificate:
                # Requests under way end with the client that they began with.
                sender = _Sender(held.certificate, self._made(held))
                idle = self._superseded(sender)
            sender.under_way += 1
        requests.callback(self._done, sender)
        if idle is not None:
            idle.client.close()
        return held, sender.client

    def _made(self, held: Held) -> httpx2.Client:
        access = self.access
        try:
            proxy = access.proxy or proxy_for(access.server, self._environment)
            # Without the name and password that may be in it.
            self._through = f" through the proxy {visible(urlsplit(proxy).netloc.rpartition('@')[2])}" if proxy else ""
            return httpx2.Client(
                verify=tls.context(access, held.certificate) if access.server.lower().startswith("https:") else False,
                proxy=proxy or None,
                # What the environment says is in the request.
                trust_env=False,
                headers={
                    "User-Agent": "kubekeep",
                    "Accept-Encoding": "gzip" if access.compressed else "identity",
                },
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=60),
                http2=False,
            )
        except (ValueError, httpx2.InvalidURL):
            # The message would cite the address, which may hold a password.
            raise KubeconfigError(
                f"{self._name}: the proxy cannot be used: only http://, https:// and socks5:// addresses can"
            ) from None

    def _body(self, response: httpx2.Response) -> bytes:
        until = time.monotonic() + self._patience.answer
        pieces: list[bytes] = []
        size = 0
        for piece in self._pieces(response):
            size += len(piece)
            if size > self._patience.most_bytes:
                raise UnreadableError(f"{self._name}: an answer has more than {self._patience.most_bytes} bytes")
            if time.monotonic() > until:
                raise ConnectionLostError(f"{self._name}: an answer took longer than {self._patience.answer:g} s")
            pieces.append(piece)
        return b"".join(pieces)

    def _told(self, error: Exception) -> str:
        why = visible(str(error)[:LONGEST_MESSAGE]) or type(error).__name__
        return f"{self._name}: {visible(self.access.server)} cannot be reached{self._through}: {why}"


def _close(sockets: Iterable[socket.socket]) -> None:
    for known in sockets:
        known.close()


def _acting(access: Access) -> list[tuple[str, str]]:
    """The headers that say whom to act as (Kubernetes docs, user impersonation)."""
    acting = access.impersonation
    if not acting.user:
        return []
    return [
        ("Impersonate-User", acting.user),
        *([("Impersonate-Uid", acting.uid)] if acting.uid else []),
        *(("Impersonate-Group", group) for group in acting.groups),
        *((f"Impersonate-Extra-{quote(key, safe='')}", value) for key, values in acting.extra for value in values),
    ]


def _is_final(error: Exception) -> bool:
    """Whether a connection fails for a reason that will not go: nobody of that name, or nobody who is trusted."""
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
