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
from starlette.types import ASGIApp, Receive, Scope, Send

from kubekeep.model.errors import RequestError

_MAX_BODY_BYTES = 4 * 1024 * 1024
_MAX_SESSIONS = 100
_SESSION_SECONDS = 600.0
"""Seconds after which an idle session ends."""
_SHUTDOWN_SECONDS = 3


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
            max_sessions=_MAX_SESSIONS,
            transport_security=_restrict_hosts(host, port, allowed_hosts),
        )
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
