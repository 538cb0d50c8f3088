"""Requests to an API server for tests, with unmodified responses. Never repeats a request. Keeps connections open.

Independent of the client of the product, so that tests do not rely on it.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import select
import ssl
import urllib.parse
import weakref
from pathlib import Path
from typing import Any

import msgspec

from tests.cluster.authority import Pair

_SECONDS = 60
_WARNING = re.compile(r'299 - "(.*)"$', re.DOTALL)


class Refused(Exception):  # noqa: N818 - an answer, and often the one a test wants
    """An error response of the API server: `code` is the HTTP status, `reason` and `message` are those of its Status."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code, self.reason, self.message = code, reason, message


class Client:
    """A client of the API server at `address`, with a client certificate, a token or no credentials."""

    def __init__(self, address: str, authority: Path, pair: Pair | None = None, token: str | None = None) -> None:
        self._host = urllib.parse.urlsplit(address).netloc
        self._context = ssl.create_default_context(cafile=authority)
        self._token = token
        if pair is not None:
            self._context.load_cert_chain(pair.certificate, pair.key)
        self._idle: list[http.client.HTTPSConnection] = []
        weakref.finalize(self, _close, self._idle)

    def __call__(self, method: str, path: str, body: Any = None, *, sent: str = "application/json") -> Any:
        """Send a request and decode the JSON response; `body` is sent as JSON with the media type `sent`.

        Raises Refused for any status but 2xx, OSError without a connection.
        """
        return msgspec.json.decode(self.text(method, path, body, sent=sent))

    def text(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        sent: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        """Send a request and return the response as text."""
        return self._send(method, path, body, {"Accept": accept, "Content-Type": sent})[0]

    def warnings(self, method: str, path: str, body: Any, *, sent: str = "application/json") -> list[str]:
        """Return the warnings of the API server for a request."""
        _, headers = self._send(method, path, body, {"Content-Type": sent})
        matches = (_WARNING.match(value) for value in headers.get_all("Warning", ()))
        return [match[1].replace('\\"', '"') for match in matches if match]

    def _send(
        self, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> tuple[bytes, http.client.HTTPMessage]:
        """Return the response and its headers."""
        connection = self._take_connection()
        if self._token is not None:
            headers = {**headers, "Authorization": f"Bearer {self._token}"}
        try:
            connection.request(method, path, None if body is None else msgspec.json.encode(body), headers)
            response = connection.getresponse()
            content = response.read()
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        if response.status >= http.client.BAD_REQUEST:
            raise _parse_error(response.status, content)
        return content, response.headers

    def _take_connection(self) -> http.client.HTTPSConnection:
        """Return an idle connection that is still open, or a new one, whose handshake takes longer than most requests."""
        with contextlib.suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if _is_open(connection):
                    return connection
                connection.close()
        return http.client.HTTPSConnection(self._host, timeout=_SECONDS, context=self._context)


def _is_open(connection: http.client.HTTPSConnection) -> bool:
    """Return False if an idle connection has ended: the end can be read, and nothing else, as no request was sent."""
    if connection.sock is None:
        return False
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return not poll.poll(0)


def _close(connections: list[http.client.HTTPSConnection]) -> None:
    for connection in connections:
        connection.close()


def _parse_error(code: int, content: bytes) -> Refused:
    try:
        status = msgspec.json.decode(content)
        return Refused(code, status.get("reason", ""), status.get("message", ""))
    except (msgspec.DecodeError, AttributeError):
        return Refused(code, "", content.decode(errors="replace").strip())
