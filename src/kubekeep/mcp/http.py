"""The server over streamable HTTP: checks of Host and Origin against DNS rebinding, and a bearer token.

Without a token, it listens on loopback addresses only. It has no TLS: put a proxy in front of it for a network.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Callable, Sequence

import anyio
import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kubekeep.model.errors import RequestError

_MAX_BODY_BYTES = 4 * 1024 * 1024
_MAX_SESSIONS = 100
"""Open sessions; a further one ends the session that was idle longest."""
_RESERVE = 20
"""Sessions that may be opened at the same time while others end."""
_SESSION_SECONDS = 600.0
"""Seconds after which an idle session ends."""
_SHUTDOWN_SECONDS = 3
_SESSION_HEADER = "mcp-session-id"


def serve_http(
    server: MCPServer[None],
    address: tuple[str, int],
    token: str,
    allowed_hosts: Sequence[str],
    on_start: Callable[[str], None],
) -> None:
    """Serve at an address until a signal ends the process; port 0 selects a free port.

    allowed_hosts: further values of the Host header, for example of a proxy. on_start: receives the URL. Raises
    RequestError for an address that is not loopback if there is no token, and for one that cannot be bound.
    """
    host, port = address
    if not (token or is_loopback(host)):
        raise RequestError(
            f"{host} is not a loopback address, so a token is required: set KUBEKEEP_MCP_TOKEN or use --token-file"
        )
    try:
        listener = socket.create_server(address, family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise RequestError(f"cannot listen at {host}:{port}: {error.strerror}") from error
    with listener:
        port = listener.getsockname()[1]
        app: ASGIApp = server.streamable_http_app(
            max_request_body_size=_MAX_BODY_BYTES,
            session_idle_timeout=_SESSION_SECONDS,
            max_sessions=_MAX_SESSIONS + _RESERVE,
            transport_security=_restrict_hosts(host, port, allowed_hosts),
        )
        app = _SessionLimit(app, _MAX_SESSIONS)
        if token:
            app = _TokenCheck(app, token)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=_SHUTDOWN_SECONDS
        )
        on_start(f"http://{_format_host(host)}:{port}/mcp")
        anyio.run(uvicorn.Server(config).serve, [listener])


def is_loopback(host: str) -> bool:
    """Return True for a loopback address, and for `localhost`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _restrict_hosts(host: str, port: int, allowed_hosts: Sequence[str]) -> TransportSecuritySettings:
    """Return the check of headers: a web page of another site sends its own Host, or an Origin that is not allowed."""
    names = ["127.0.0.1", "localhost", "[::1]"] if is_loopback(host) else []
    hosts = [*(f"{name}:{port}" for name in dict.fromkeys([*names, _format_host(host)])), *allowed_hosts]
    return TransportSecuritySettings(
        allowed_hosts=hosts,
        allowed_origins=[f"{scheme}://{name}" for name in hosts for scheme in ("http", "https")],
    )


def _format_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class _TokenCheck:
    """ASGI application that rejects requests without the bearer token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            header = Headers(scope=scope).get("authorization", "")
            if not hmac.compare_digest(header.encode("utf-8", "replace"), self._expected):
                response = PlainTextResponse(
                    "a bearer token is required\n", 401, headers={"WWW-Authenticate": 'Bearer realm="kubekeep"'}
                )
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


class _SessionLimit:
    """ASGI application that ends the session that was idle longest before a further one is opened.

    Without it, clients that never end their sessions would lock out all others until these time out.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._running: dict[str, int] = {}
        """Number of calls by session, the session of the last call at the end."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        session = Headers(scope=scope).get(_SESSION_HEADER, "")
        if session:
            await self._call(session, scope, receive, send)
            return
        while len(self._running) >= self._limit and (oldest := self._find_idle()):
            del self._running[oldest]
            await self._end(oldest, scope)

        async def send_and_register(message: Message) -> None:
            if message["type"] == "http.response.start":
                opened = Headers(raw=message["headers"]).get(_SESSION_HEADER, "")
                if opened:
                    self._running[opened] = 0
            await send(message)

        await self._app(scope, receive, send_and_register)

    async def _call(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        if session in self._running:
            self._running[session] = self._running.pop(session) + 1
        try:
            await self._app(scope, receive, send)
        finally:
            if session in self._running:
                self._running[session] -= 1

    def _find_idle(self) -> str:
        return next((session for session, count in self._running.items() if not count), "")

    async def _end(self, session: str, scope: Scope) -> None:
        """End a session as its client would; one that has ended already is not found."""
        kept = (b"host", b"origin", b"mcp-protocol-version")
        headers = [(name, value) for name, value in scope["headers"] if name in kept]
        headers.append((_SESSION_HEADER.encode(), session.encode()))

        async def receive_nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def drop(message: Message) -> None:
            pass

        await self._app({**scope, "method": "DELETE", "headers": headers}, receive_nothing, drop)
