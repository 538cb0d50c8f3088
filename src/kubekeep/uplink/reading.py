"""Reading of the results of a server: one request after another, repeated as long as that helps. Changes nothing."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import msgspec

from kubekeep.model.server_results import ResultPage
from kubekeep.model.text import visible
from kubekeep.registry.pace import parse_retry_after
from kubekeep.uplink.client import BUSY, SERVER_ERRORS
from kubekeep.uplink.connection import ServerConnection, ServerReply, UntrustedServerError
from kubekeep.uplink.errors import RefusedRequestError, ServerLoginError, UnreachableServerError
from kubekeep.uplink.patience import RECONNECTIONS, REPETITIONS, Patience
from kubekeep.uplink.token import TokenSource

MAX_PAGE: Final = 32 << 20
"""Bytes of an answer."""
_ROWS: Final = 200
"""Rows of a page."""
_OK, _UNAUTHORIZED, _FORBIDDEN = 200, 401, 403
T = TypeVar("T")


class ResultReader:
    """Reads results over one connection. patience: for all requests together."""

    def __init__(self, connection: ServerConnection, token: TokenSource, patience: Patience) -> None:
        self._connection = connection
        self._token = token
        self._patience = patience

    def iterate(self, path: str, row: type[T], parameters: Mapping[str, Any]) -> Iterator[T]:
        """Yield the rows of a list; each page is read when its first row is needed. Raises what `read` raises."""
        cursor = ""
        while True:
            query = {**parameters, "cursor": cursor, "limit": _ROWS}
            page = self.read(path, ResultPage[row], query)  # type: ignore[valid-type]
            yield from page.rows
            if not page.cursor or page.cursor == cursor:
                return
            cursor = page.cursor

    def read(self, path: str, kind: type[T], parameters: Mapping[str, Any]) -> T:
        """Return the answer to a request. Parameters without a value are left out.

        Raises RefusedRequestError, ServerLoginError, and UnreachableServerError for a server that stays away or busy.
        """
        address = path + (f"?{query}" if (query := encode_query(parameters)) else "")
        for number in itertools.count():
            reply = problem = None
            try:
                reply = self._connection.get(address, self._token.read())
            except UntrustedServerError:
                raise
            except UnreachableServerError as error:
                problem = error
            if reply is not None and not _may_succeed(reply):
                return decode_reply(self._connection.address, reply, kind)
            is_busy = reply is not None and reply.status in BUSY
            pause = parse_retry_after(reply.headers.get("retry-after", "")) if reply is not None else 0.0
            if number >= (REPETITIONS if is_busy else RECONNECTIONS) or not self._patience.wait(number, pause):
                raise problem or UnreachableServerError(self._describe(reply))
        raise AssertionError

    def _describe(self, reply: ServerReply | None) -> str:
        return describe_reply(self._connection.address, reply)


def decode_reply(address: str, reply: ServerReply, kind: type[T], expected: int = _OK) -> T:
    """Return the document of an answer. expected: status of a success. Raises what `ResultReader.read` raises."""
    text = describe_reply(address, reply)
    if reply.status == _UNAUTHORIZED:
        raise ServerLoginError(
            f"{text}; the token is missing or has expired: run `kubekeep login --server {address}`, or use another token"
        )
    if reply.status != expected:
        next_step = "; use a token with a role that may" if reply.status == _FORBIDDEN else ""
        raise RefusedRequestError(reply.status, text + next_step)
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = visible(str(error))
        raise UnreachableServerError(
            f"{address} sent no such results ({reason}): is it a Kubekeep server of this version?"
        ) from error


def describe_reply(address: str, reply: ServerReply | None) -> str:
    """Return the status of an answer with its reason; None is no answer."""
    return f"{address} responded with {reply.describe() if reply else 'nothing'}"


def _may_succeed(reply: ServerReply) -> bool:
    return reply.status in BUSY or reply.status in SERVER_ERRORS


def encode_query(parameters: Mapping[str, Any]) -> str:
    """Return parameters as a query: names in camelCase, sequences as repeated parameters, times in RFC 3339."""
    pairs = [(_to_camel(name), text) for name, value in parameters.items() for text in _list_texts(value)]
    return urlencode(pairs)


def _list_texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, dt.datetime):
        return [(value if value.tzinfo else value.replace(tzinfo=dt.UTC)).isoformat()]
    if value is None or isinstance(value, int):
        return [] if value is None else [str(value)]
    return [text for each in value for text in _list_texts(each)]


def _to_camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
