"""Requests to services for signatures, as those of Sigstore and of certificate authorities: limits, no redirects.

Messages contain no token: a request's content never appears in them. Never interprets content.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Final, Self

import httpx2
import msgspec

from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import visible
from kubekeep.registry.connection import create_tls_context

_CONNECT_SECONDS: Final = 15
_PAUSE_SECONDS: Final = 60
"""Longest wait for bytes; a log responds only after the entry is in its tree."""
_REPLY_SECONDS: Final = 120
_LARGEST: Final = 1 << 20
_LONGEST_MESSAGE: Final = 300


class ServiceError(KubekeepError):
    """A service cannot be reached, or refuses; the message names it."""


class _ErrorReply(msgspec.Struct, frozen=True):
    message: str = ""


def create_http_client(authority_file: str) -> httpx2.Client:
    """Return a client without redirects and compression; authority_file: PEM certificates. Raises RegistryError."""
    return httpx2.Client(
        verify=create_tls_context(authority_file),
        timeout=httpx2.Timeout(_PAUSE_SECONDS, connect=_CONNECT_SECONDS),
        headers={"User-Agent": "kubekeep", "Accept-Encoding": "identity"},
        follow_redirects=False,
    )


class ServiceClient:
    """Requests to services. Methods raise ServiceError. limit: largest response in bytes."""

    def __init__(self, authority_file: str = "") -> None:
        """Create the client; sends nothing yet. authority_file: PEM certificates for TLS. Raises RegistryError."""
        self._client = create_http_client(authority_file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, url: str, headers: dict[str, str], limit: int = _LARGEST) -> bytes:
        """Return the content at a URL."""
        return self._send("GET", url, b"", headers, limit)

    def post(self, url: str, content: bytes, content_type: str, accept: str) -> bytes:
        """Return the response to `content`."""
        return self._send("POST", url, content, {"Content-Type": content_type, "Accept": accept}, _LARGEST)

    def post_json(self, url: str, document: Any) -> bytes:
        """Return the response to a JSON document."""
        return self.post(url, msgspec.json.encode(document), "application/json", "application/json")

    def _send(self, method: str, url: str, content: bytes, headers: dict[str, str], limit: int) -> bytes:
        name = _show_url(url)
        deadline = time.monotonic() + _REPLY_SECONDS
        body = bytearray()
        try:
            with self._client.stream(method, url, content=content, headers=headers) as response:
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > limit:
                        raise ServiceError(f"{name}: the response has more than {limit:,} bytes")
                    if time.monotonic() > deadline:
                        raise ServiceError(f"{name}: the server is too slow")
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ServiceError(f"{name} cannot be reached: {visible(str(error))}") from error
        if not response.is_success:
            reason = _read_reason(bytes(body))
            raise ServiceError(f"{name}: the server responded with {response.status_code}{reason}")
        return bytes(body)


def _read_reason(body: bytes) -> str:
    """Return the message of an error in JSON, as ": ...", or "" for another response."""
    try:
        message = msgspec.json.decode(body, type=_ErrorReply).message
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return f": {visible(message[:_LONGEST_MESSAGE])}" if message else ""


def _show_url(text: str) -> str:
    """Return a URL without credentials and query, for messages."""
    try:
        return visible(str(httpx2.URL(text).copy_with(userinfo=b"", query=None, fragment=None)))
    except httpx2.InvalidURL:
        return "an invalid URL"
