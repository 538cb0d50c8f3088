"""Requests over HTTP to destinations: to checked addresses only, without redirects, and with limits of time and size."""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import msgspec

from kubekeep.model.text import visible
from kubekeep_server.notifications.addresses import AddressPolicy
from kubekeep_server.notifications.errors import DeliveryError

SECONDS: Final = 30
"""Time of a request, or of another exchange with a destination."""
_MAX_ANSWER: Final = 1 << 18
_LONGEST_MESSAGE: Final = 200
_PORTS: Final = {"http": 80, "https": 443}
_TEMPORARY: Final = frozenset({408, 425, 429})
_SERVER_ERROR: Final = 500


class Answer(msgspec.Struct, frozen=True):
    """An answer with a status of success, or with one that the caller expects."""

    status: int
    content: bytes

    def decode(self) -> Any:
        """Return the JSON value. Raises DeliveryError."""
        try:
            return msgspec.json.decode(self.content)
        except msgspec.DecodeError as error:
            raise DeliveryError("the answer is no JSON") from error


def check_url(url: str) -> str:
    """Return an address of HTTP. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.username or parts.password or parts.fragment:
        raise ValueError("a URL begins with https:// or http://, and has a host, no user and no fragment")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("a URL has only printable characters of ASCII")
    _ = parts.port
    return url


class Network:
    """Access to destinations. Used by one event loop."""

    def __init__(self, policy: AddressPolicy) -> None:
        """Open no connection yet."""
        self.policy = policy
        # The certificates of the system, and those that SSL_CERT_FILE names.
        self.tls = ssl.create_default_context()

    async def request(
        self, method: str, url: str, *, content: bytes = b"", headers: Mapping[str, str] | None = None,
        expected: frozenset[int] = frozenset(),
    ) -> Answer:  # fmt: skip
        """Return the answer to a request. expected: statuses that are no failure. Raises DeliveryError."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        address = await self.policy.resolve(host, parts.port or _PORTS[parts.scheme])
        target = httpx2.URL(url).copy_with(host=address)
        sent = {"User-Agent": "kubekeep", "Content-Type": "application/json", **(headers or {}), "Host": parts.netloc}
        try:
            async with (
                asyncio.timeout(SECONDS),
                httpx2.AsyncClient(verify=self.tls, trust_env=False, follow_redirects=False, timeout=SECONDS) as client,
                client.stream(
                    method, target, content=content, headers=sent, extensions={"sni_hostname": host}
                ) as response,
            ):
                answer = Answer(response.status_code, await _read(response))
        except TimeoutError as error:
            raise DeliveryError(f"{host}: no answer within {SECONDS} seconds") from error
        except (httpx2.HTTPError, OSError, ssl.SSLError) as error:
            raise DeliveryError(f"{host}: {type(error).__name__}") from error
        if response.is_success or answer.status in expected:
            return answer
        raise _refuse(host, response, answer)


async def _read(response: httpx2.Response) -> bytes:
    """Return the first bytes of an answer as they were sent, so that a compressed one does not grow."""
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > _MAX_ANSWER:
            break
    return bytes(content[:_MAX_ANSWER])


def _refuse(host: str, response: httpx2.Response, answer: Answer) -> DeliveryError:
    text = visible(answer.content.decode("utf-8", "replace").strip())[:_LONGEST_MESSAGE]
    is_final = answer.status < _SERVER_ERROR and answer.status not in _TEMPORARY
    reason = "redirects are not followed" if response.is_redirect else text
    return DeliveryError(
        f"{host}: status {answer.status}{f': {reason}' if reason else ''}",
        is_final=is_final,
        retry_after=read_retry_after(response.headers.get("retry-after", ""), dt.datetime.now(dt.UTC)),
    )


def read_retry_after(text: str, now: dt.datetime) -> float:
    """Return the seconds of a `Retry-After` (RFC 9110, section 10.2.3); 0 without a valid one."""
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or dt.UTC) - now).total_seconds())
