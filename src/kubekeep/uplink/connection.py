"""Requests to the API of one server: TLS, the token, limits. Follows no redirect and never shows a token."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx2
import msgspec

from kubekeep.model.text import visible
from kubekeep.registry.connection import create_tls_context
from kubekeep.uplink.address import is_loopback
from kubekeep.uplink.errors import UnreachableServerError

MAX_REPLY: Final = 256 << 10
"""Bytes of an answer to a submission, which has less than a kilobyte."""
_LONGEST_MESSAGE: Final = 300
T = TypeVar("T")


class UntrustedServerError(UnreachableServerError):
    """A server whose certificate is not trusted: a repetition does not help."""


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits in seconds: to connect, to send or receive the next bytes, and for a request with its answer in total.

    A server answers a submission when it is durable, which takes a while for half a million findings.
    """

    connect: float = 15
    write: float = 60
    read: float = 300
    total: float = 1800


class ServerAccess(msgspec.Struct, frozen=True, kw_only=True):
    """A server. address: as `parse_server_address` returns it. authority_file: PEM certificates to trust beside the system's."""

    address: str
    authority_file: str = ""
    limits: ConnectionLimits = ConnectionLimits()


class ServerReply(msgspec.Struct, frozen=True):
    """A complete answer."""

    status: int
    headers: httpx2.Headers
    body: bytes

    def decode(self, document: type[T]) -> T | None:
        """Return the JSON document of the answer; None for another answer."""
        try:
            return msgspec.json.decode(self.body, type=document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def describe(self) -> str:
        """Return the status with the reason in the answer (RFC 9457 problem details), for messages."""
        problem = self.decode(ServerProblem) or ServerProblem()
        reason = " ".join([problem.detail or problem.title, *map(str, problem.errors)])
        return f"{self.status}: {visible(reason[:_LONGEST_MESSAGE])}" if reason else str(self.status)


class InvalidPart(msgspec.Struct, frozen=True):
    """A part of a request without the documented form, such as a parameter."""

    location: tuple[str, ...] = ()
    message: str = ""

    def __str__(self) -> str:
        return f"{'.'.join(self.location)}: {self.message}"


class ServerProblem(msgspec.Struct, frozen=True):
    """The error of an answer (RFC 9457).

    errors: the invalid parts of the request. limit: largest submission in bytes, with status 413. early: with status 422, the seconds until the server accepts a
    submission that is in the future of its clock.
    """

    title: str = ""
    detail: str = ""
    errors: tuple[InvalidPart, ...] = ()
    limit: int | None = None
    early: int | None = None


class ServerConnection:
    """Requests to one server; one thread uses it at a time. max_reply: bytes of an answer.

    Raises RegistryError for unreadable certificates.
    """

    def __init__(self, access: ServerAccess, max_reply: int = MAX_REPLY) -> None:
        self.address = access.address
        self._max_reply = max_reply
        self._limits = limits = access.limits
        self._socket: socket.socket | None = None
        """The last opened connection."""
        url = httpx2.URL(access.address)
        self._client = httpx2.Client(
            verify=create_tls_context(access.authority_file),
            # Proxies of the environment are for other machines, and would read what is sent to this one.
            trust_env=not is_loopback(url),
            timeout=httpx2.Timeout(limits.read, connect=limits.connect, write=limits.write),
            headers={"User-Agent": "kubekeep", "Accept": "application/json", "Accept-Encoding": "identity"},
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str, token: str) -> ServerReply:
        """Return the answer to a GET request. Raises UnreachableServerError."""
        return self._send(self._client.build_request("GET", self.address + path, headers=_authorize(token)))

    def post_form(self, path: str, form: Mapping[str, str]) -> ServerReply:
        """Return the answer to a form, which is sent without a token. Raises UnreachableServerError."""
        return self._send(self._client.build_request("POST", self.address + path, data=dict(form)))

    def post(self, path: str, token: str, content: Iterable[bytes], headers: Mapping[str, str]) -> ServerReply:
        """Return the answer to a body that is sent while it is read. headers: with its length. Raises UnreachableServerError."""
        url = self.address + path
        return self._send(
            self._client.build_request("POST", url, content=iter(content), headers={**headers, **_authorize(token)})
        )

    def _send(self, request: httpx2.Request) -> ServerReply:
        request.extensions = {**request.extensions, "trace": self._trace}
        body = bytearray()
        # The timeouts of the library are for single parts: a server may send an answer byte by byte.
        is_late = threading.Event()
        timer = threading.Timer(self._limits.total, self._interrupt, (is_late,))
        timer.daemon = True
        timer.start()
        try:
            response = self._client.send(request, stream=True)
            try:
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > self._max_reply:
                        raise UnreachableServerError(
                            f"{self.address} answered with more than {self._max_reply:,} bytes"
                        )
            finally:
                response.close()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            if is_late.is_set():
                raise UnreachableServerError(
                    f"{self.address} did not answer within {self._limits.total:,.0f} seconds"
                ) from error
            kind = UntrustedServerError if _is_untrusted(error) else UnreachableServerError
            reason = visible(str(error)) or type(error).__name__
            raise kind(f"{self.address} cannot be reached: {reason}") from error
        finally:
            timer.cancel()
        return ServerReply(response.status_code, response.headers, bytes(body))

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        """Keep the socket of a new connection."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")

    def _interrupt(self, is_late: threading.Event) -> None:
        """End the connection: a thread that waits for bytes of it continues with an error."""
        is_late.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _authorize(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _is_untrusted(error: BaseException | None) -> bool:
    """Return True if the certificate of the server was not accepted."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None
