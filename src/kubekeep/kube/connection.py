"""Requests to one API server: with credentials, limits, and patience for a server that is busy or stumbles.

Sends GETs, and POSTs of reviews, which change nothing. Follows no redirect.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from kubekeep.kube import tls
from kubekeep.kube.access import Access, ClusterRequest
from kubekeep.kube.credentials import Credentials, Held
from kubekeep.kube.errors import ApiError, ConnectionLostError, KubeconfigError, KubeError, LoginError
from kubekeep.model.text import visible

T = TypeVar("T")

JSON: Final = "application/json"
_BUSY: Final = frozenset({429, 500, 502, 503, 504})
"""What a server answers that may answer otherwise soon."""
_UNAUTHORIZED: Final = 401
_LONGEST_MESSAGE: Final = 600


class _Status(msgspec.Struct, frozen=True):
    """Kubernetes' own words for a refusal (meta/v1, Status)."""

    message: str = ""
    reason: str = ""
    metadata: dict[str, Any] | None = None


class Connection:
    """The connection to the cluster of one access; several threads may send requests through it."""

    def __init__(self, request: ClusterRequest) -> None:
        self.access: Access = request.access
        self._patience = request.patience
        self._credentials = Credentials(request.access.login, request.environment, terminal=request.terminal)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._clients: dict[int, tuple[Held, httpx2.Client]] = {}
        self._generation = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; requests that wait raise ConnectionLostError."""
        self._closed.set()
        with self._lock:
            clients, self._clients = self._clients, {}
        for _, client in clients.values():
            client.close()

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
    def stream(self, path: str, params: Mapping[str, str], silence: float) -> Iterator[Iterator[bytes]]:
        """The pieces of an endless answer, as they come; `silence` is how many seconds may pass between two.

        Raises as `get` does, and ConnectionLostError when the stream breaks off.
        """
        with self._sent("GET", path, params=params, accept=JSON, body=None, silence=silence) as response:
            yield self._pieces(response)

    def _pieces(self, response: httpx2.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_bytes()
        except httpx2.HTTPError as error:
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
        for attempt in range(1, self._patience.tries + 1):
            wait = min(self._patience.first_wait * 2 ** (attempt - 1), self._patience.longest_wait)
            try:
                with self._sent(method, path, params=params or {}, accept=accept, body=body) as response:
                    return _read(response, self._body(response), wanted, accept)
            except ApiError as error:
                if error.status not in _BUSY or attempt == self._patience.tries:
                    raise
                wait = max(wait, min(error.retry_after, self._patience.longest_wait))
            except ConnectionLostError:
                if attempt == self._patience.tries or self._closed.is_set():
                    raise
            # Whoever was turned away together must not come back together.
            if self._closed.wait(wait * random.uniform(0.8, 1.2)):  # noqa: S311 - no secret
                raise ConnectionLostError(f"{self.access.name}: the connection was closed")
        raise ConnectionLostError(f"{self.access.name}: not a single try")

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
        held, client = self._client(None)
        response = self._send(client, held, method, path, params=params, accept=accept, body=body, silence=silence)
        if response.status_code == _UNAUTHORIZED:
            response.close()
            held, client = self._client(held)
            response = self._send(client, held, method, path, params=params, accept=accept, body=body, silence=silence)
        with contextlib.closing(response):
            if not response.is_success:
                raise self._refusal(response)
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
        headers = {"Accept": accept, **({"Content-Type": JSON} if body is not None else {})}
        if held.header:
            headers["Authorization"] = held.header
        request = client.build_request(
            method,
            self.access.server + path,
            params=params or None,
            content=body,
            headers=[*headers.items(), *_acting(self.access)],
            timeout=httpx2.Timeout(silence or patience.silence, connect=patience.connect),
            extensions={"sni_hostname": self.access.server_name} if self.access.server_name else None,
        )
        try:
            return client.send(request, stream=True, follow_redirects=False)
        except (httpx2.HTTPError, RuntimeError) as error:
            # A client that another thread has closed raises RuntimeError.
            raise ConnectionLostError(self._told(error)) from None

    def _client(self, refused: Held | None) -> tuple[Held, httpx2.Client]:
        """Credentials, and a client that shows their certificate; others than those `refused`, which raise LoginError."""
        if refused is None:
            held = self._credentials.current()
        else:
            fresh = self._credentials.renewed(refused)
            if fresh is None:
                raise LoginError(f"{self.access.name}: the API server does not take the credentials (401)")
            held = fresh
        with self._lock:
            if self._closed.is_set():
                raise ConnectionLostError(f"{self.access.name}: the connection was closed")
            known = self._clients.get(self._generation)
            if known is None or known[0].certificate != held.certificate:
                # Requests under way end with the client that they began with.
                self._generation += 1
                known = self._clients[self._generation] = (held, self._made(held))
            return held, known[1]

    def _made(self, held: Held) -> httpx2.Client:
        access = self.access
        try:
            return httpx2.Client(
                verify=tls.context(access, held.certificate) if access.server.lower().startswith("https:") else False,
                proxy=access.proxy or None,
                headers={
                    "User-Agent": "kubekeep",
                    "Accept-Encoding": "gzip" if access.compressed else "identity",
                },
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=60),
                http2=False,
            )
        except (ValueError, ImportError, httpx2.InvalidURL) as error:
            raise KubeconfigError(f"{access.name}: the proxy cannot be used: {visible(str(error))}") from None

    def _body(self, response: httpx2.Response) -> bytes:
        until = time.monotonic() + self._patience.answer
        pieces: list[bytes] = []
        size = 0
        for piece in self._pieces(response):
            size += len(piece)
            if size > self._patience.most_bytes:
                raise KubeError(f"{self.access.name}: an answer has more than {self._patience.most_bytes} bytes")
            if time.monotonic() > until:
                raise ConnectionLostError(f"{self.access.name}: an answer took longer than {self._patience.answer:g} s")
            pieces.append(piece)
        return b"".join(pieces)

    def _refusal(self, response: httpx2.Response) -> ApiError:
        code = response.status_code
        body = self._body(response)
        status = _Status()
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            status = msgspec.json.decode(body, type=_Status)
        phrase = httpx2.codes.get_reason_phrase(code)
        message = visible(status.message[:_LONGEST_MESSAGE]) or f"the API server answers {code} {phrase}".rstrip()
        continues = (status.metadata or {}).get("continue")
        return ApiError(
            code,
            status.reason or phrase,
            message,
            continues=continues if isinstance(continues, str) else "",
            retry_after=_seconds(response.headers.get("retry-after", "")),
        )

    def _told(self, error: Exception) -> str:
        why = visible(str(error)[:_LONGEST_MESSAGE]) or type(error).__name__
        return f"{self.access.name}: {visible(self.access.server)} cannot be reached: {why}"


def _read(response: httpx2.Response, body: bytes, wanted: type[T], accept: str) -> T:
    if wanted is str:
        return body.decode("utf-8", "replace")  # type: ignore[return-value]
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise ConnectionLostError(f"the API server answers {visible(kind) or 'something'} where {accept} was asked for")
    try:
        return msgspec.json.decode(body, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConnectionLostError(f"the API server answers no whole document: {visible(str(error))}") from None


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


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0
