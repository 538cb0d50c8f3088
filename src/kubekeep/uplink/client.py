"""Client for submissions: sends one, and repeats the request as long as that helps. Never changes a submission.

A repeated request does no harm: a server knows each submission by its id.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import msgspec

from kubekeep.model.server_results import SubmissionReceipt
from kubekeep.model.text import visible
from kubekeep.registry.pace import parse_retry_after
from kubekeep.uplink.connection import ServerConnection, ServerProblem, ServerReply, UntrustedServerError
from kubekeep.uplink.errors import ServerLoginError, UnreachableServerError
from kubekeep.uplink.patience import PATIENCE, RECONNECTIONS, REPETITIONS, Patience
from kubekeep.uplink.token import TokenSource

SCANS_PATH: Final = "/api/v1/scans"
_OK, _CREATED = 200, 201
_UNAUTHORIZED, _NOT_FOUND, _CONFLICT, _TOO_LARGE, _UNPROCESSABLE = 401, 404, 409, 413, 422
BUSY: Final = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses of a server, or of a proxy before it, that may accept the same submission later (RFC 9110, RFC 6585)."""
_REDIRECTS: Final = range(300, 400)
SERVER_ERRORS: Final = range(500, 600)
_INVALID: Final = frozenset({400, 413, 415, _UNPROCESSABLE})
"""Statuses that the same submission will have always."""
CHUNK: Final = 1 << 18
"""Bytes of a body that are sent at a time."""


class SubmissionRefusal(msgspec.Struct, frozen=True):
    """The refusal of a submission, which a repetition does not change. status: of the HTTP response; 0 without a usable token.

    is_of_proxy: True if a proxy before the server has refused it, with a limit of its own.
    """

    status: int
    reason: str
    is_of_proxy: bool = False

    @property
    def is_of_content(self) -> bool:
        """True if the server will never accept this submission; False if another token, address or limit may help."""
        return self.status in _INVALID and not self.is_of_proxy

    @property
    def is_of_state(self) -> bool:
        """True if a delta belongs to another state than the server's: the whole submission must be sent."""
        return self.status == _CONFLICT

    @property
    def is_of_login(self) -> bool:
        """True if the server accepts no submission with this token."""
        return self.status in (0, _UNAUTHORIZED)


class Unavailability(msgspec.Struct, frozen=True):
    """A server that could not be reached or was busy: the submission may be sent later. pause: seconds it asks to wait."""

    reason: str
    pause: float = 0.0


SubmissionResult: TypeAlias = SubmissionReceipt | SubmissionRefusal | Unavailability


class SubmissionContent(msgspec.Struct, frozen=True):
    """A compressed submission. id: of the scan. size: bytes that `read` yields. encoding: `zstd` or `gzip`."""

    id: str
    size: int
    read: Callable[[], Iterator[bytes]]
    encoding: str = "zstd"

    @classmethod
    def of_bytes(cls, identifier: str, content: bytes) -> SubmissionContent:
        """Return the content of compressed bytes."""
        return cls(identifier, len(content), lambda: _split(content))


class _Attempt(msgspec.Struct, frozen=True):
    """The result of one request, with the number of repetitions that it permits."""

    result: SubmissionResult
    repetitions: int = 0


class SubmissionClient:
    """Sends submissions over one connection. patience: longest wait in seconds for all of them together.

    `stop` ends a wait in another thread.
    """

    def __init__(self, connection: ServerConnection, token: TokenSource, patience: float = PATIENCE) -> None:
        self._connection = connection
        self._token = token
        self._patience = Patience(patience)

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._patience.stop()

    def send(self, content: SubmissionContent) -> SubmissionResult:
        """Send a submission and return the result."""
        for number in itertools.count():
            attempt = self._attempt(content)
            result = attempt.result
            if not isinstance(result, Unavailability) or number >= attempt.repetitions:
                return result
            if not self._patience.wait(number, result.pause):
                return result
        raise AssertionError

    def _attempt(self, content: SubmissionContent) -> _Attempt:
        headers = {
            "Content-Type": "application/json",
            "Content-Encoding": content.encoding,
            "Content-Length": str(content.size),
        }
        try:
            reply = self._connection.post(SCANS_PATH, self._token.read(), content.read(), headers)
        except ServerLoginError as error:
            return _Attempt(SubmissionRefusal(0, str(error)))
        except UntrustedServerError as error:
            return _Attempt(Unavailability(str(error)))
        except UnreachableServerError as error:
            return _Attempt(Unavailability(str(error)), RECONNECTIONS)
        return self._evaluate(reply, content)

    def _evaluate(self, reply: ServerReply, content: SubmissionContent) -> _Attempt:
        address, status = self._connection.address, reply.status
        if status in (_OK, _CREATED):
            receipt = reply.decode(SubmissionReceipt)
            if receipt is not None and receipt.scan == content.id:
                return _Attempt(receipt)
            return _Attempt(Unavailability(f"{address} acknowledged no submission: is it a Kubekeep server?"))
        if status in BUSY or status in SERVER_ERRORS:
            pause = parse_retry_after(reply.headers.get("retry-after", ""))
            later = f", and accepts the next request in {pause:,.0f} seconds" if pause else ""
            repetitions = REPETITIONS if status in BUSY else RECONNECTIONS
            return _Attempt(Unavailability(f"{address} responded with {reply.describe()}{later}", pause), repetitions)
        problem = reply.decode(ServerProblem) or ServerProblem()
        if status == _UNPROCESSABLE and problem.early is not None:
            return _Attempt(Unavailability(f"{address} responded with {reply.describe()}"))
        is_of_proxy = status == _TOO_LARGE and problem.limit is None
        return _Attempt(SubmissionRefusal(status, _explain_refusal(address, reply, content), is_of_proxy))


def _split(content: bytes) -> Iterator[bytes]:
    """Yield the parts of a body: a connection that ends early is noticed between them."""
    for start in range(0, len(content), CHUNK):
        yield content[start : start + CHUNK]


def _explain_refusal(address: str, reply: ServerReply, content: SubmissionContent) -> str:
    """Return the reason of a refusal, with the next step."""
    if reply.status in _REDIRECTS:
        target = visible(reply.headers.get("location", "another address"))
        return f"{address} redirects to {target}: use the address of the server itself"
    text = f"{address} responded with {reply.describe()}"
    if reply.status == _UNAUTHORIZED:
        return f"{text}; the token is missing or has expired: run `kubekeep login --server {address}`"
    if reply.status == _NOT_FOUND:
        return f"{text}; it is not the address of a Kubekeep server"
    if reply.status != _TOO_LARGE:
        return text
    size = f"{text}; the submission has {content.size:,} bytes"
    limit = (reply.decode(ServerProblem) or ServerProblem()).limit
    if limit is not None:
        return f"{size}, and the server accepts {limit:,}"
    return f"{size}, and a proxy before the server accepts fewer: raise its limit, `client_max_body_size` of nginx"
