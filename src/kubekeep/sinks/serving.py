"""Small HTTP server for monitoring endpoints: `/metrics`, `/healthz`. No TLS; meant for the local machine.

Answers GET requests of known paths only; never reads a request body.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, NamedTuple, Self

_REQUEST_SECONDS: Final = 10.0
"""Seconds that a client may take to send its request."""
_MAX_REQUESTS: Final = 8
"""Maximum concurrent requests; others are queued."""


class HttpResponse(NamedTuple):
    """A response: status, body, and media type."""

    status: HTTPStatus
    text: str
    media_type: str = "text/plain; charset=utf-8"


class MonitoringServer:
    """Server on its own threads for the duration of the block."""

    def __init__(self, host: str, port: int, pages: Mapping[str, Callable[[], HttpResponse]]) -> None:
        """Listen at `host` and `port`; 0 selects a free port. Raises OSError if the address cannot be bound."""
        request_slots = threading.BoundedSemaphore(_MAX_REQUESTS)

        class Handler(_RequestHandler):
            pages_by_path = pages
            slots = request_slots

        class Listener(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
            daemon_threads = True
            block_on_close = False

        self._server = Listener((host, port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    @property
    def port(self) -> int:
        """Port of the server."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _RequestHandler(BaseHTTPRequestHandler):
    pages_by_path: Mapping[str, Callable[[], HttpResponse]]
    slots: threading.BoundedSemaphore
    timeout = _REQUEST_SECONDS
    server_version = "kubekeep"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with the page of the path, or 404."""
        page = self.pages_by_path.get(self.path.partition("?")[0])
        with self.slots:
            response = HttpResponse(HTTPStatus.NOT_FOUND, "not found\n") if page is None else page()
            body = response.text.encode("utf-8", "replace")
            self.send_response(response.status)
            self.send_header("Content-Type", response.media_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Suppress the access log."""
