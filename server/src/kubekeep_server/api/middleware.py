"""Every request and answer: limit of the body, request id, security headers, log line and metrics.

Logs no query, header or body.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from fastapi import HTTPException, Request
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kubekeep_server.api.problems import describe_problem

REQUEST_ID: Final = "X-Request-Id"
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
OWN_LIMIT: Final = "kubekeep.own_limit"
"""Member of the scope of a request whose operation limits the body itself."""
BODY_LIMIT: Final = 256 * 1024
"""Bytes of the body of any other request."""
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_CACHE: Final = "no-store"
_STRICT_TRANSPORT: Final = "max-age=31536000"
_VALID_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SINGLE: Final = ("authorization", "content-encoding", "content-type", "host", "origin", "x-api-key", "x-csrf-token")
"""Headers with one value: two parts of a system may read different ones of several (RFC 9110, section 5.3)."""
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(:[0-9]{1,5})?")
_UNKNOWN: Final = "unknown"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_requests: Final = Counter("kubekeep_server_requests", "Answered requests", ("operation", "method", "status"))
_seconds: Final = Histogram("kubekeep_server_request_seconds", "Time of requests", ("operation",))
_log: Final = structlog.get_logger("kubekeep.server.requests")


class RequestFrame:
    """ASGI application around another one, with its answers to unexpected errors."""

    def __init__(self, app: ASGIApp, *, has_tls: bool) -> None:
        self._app = app
        self._headers = {**_HEADERS, **({"Strict-Transport-Security": _STRICT_TRANSPORT} if has_tls else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope["kubekeep.request_id"] = _choose_id(headers.get(REQUEST_ID, ""))
        answer = _Answer(scope, send, self._headers)
        start = time.perf_counter()
        try:
            if reason := _check_headers(headers):
                await describe_problem(Request(scope), 400, reason)(scope, receive, answer.send)
                return
            await self._app(scope, _Body(scope, receive).receive, answer.send)
        finally:
            _record(scope, answer, time.perf_counter() - start)


class _Body:
    """The messages with the body of one request."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self._size = 0

    async def receive(self) -> Message:
        """Return the next message. Raises HTTPException with status 413 above the limit."""
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size > BODY_LIMIT and OWN_LIMIT not in self._scope:
            raise HTTPException(413, f"The body has more than {BODY_LIMIT} bytes.")
        return message


class _Answer:
    """The messages of one answer, with the headers of all answers."""

    def __init__(self, scope: Scope, send: Send, headers: MutableMapping[str, str]) -> None:
        self.status = 0
        self._scope = scope
        self._send = send
        self._headers = headers

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", _CACHE)
            headers[REQUEST_ID] = self._scope["kubekeep.request_id"]
        await self._send(message)


def _check_headers(headers: Headers) -> str:
    """Return the reason to refuse the headers of a request; empty without one."""
    for name in _SINGLE:
        if len(headers.getlist(name)) > 1:
            return f"The header {name} must occur once."
    # Addresses are built from it.
    return "" if _HOST.fullmatch(headers.get("host", "server")) else "The header host is no host with a port."


def _choose_id(text: str) -> str:
    return text if _VALID_ID.fullmatch(text) else uuid.uuid4().hex


def _record(scope: Scope, answer: _Answer, seconds: float) -> None:
    operation: str = getattr(scope.get("route"), "operation_id", None) or _UNKNOWN
    method = scope["method"] if scope["method"] in _METHODS else _UNKNOWN
    _requests.labels(operation, method, answer.status).inc()
    _seconds.labels(operation).observe(seconds)
    values: dict[str, Any] = {"request_id": scope["kubekeep.request_id"], "method": method, "path": scope["path"]}
    if (identity := scope.get("kubekeep.identity")) is not None:
        values["identity"] = identity.name
    _log.info("request", **values, status=answer.status, milliseconds=round(seconds * 1000, 1))
