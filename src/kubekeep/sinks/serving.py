"""Pages for programs that come and ask: `/metrics`, `/healthz`. A small server without TLS, for the machine itself.

Answers GET of the paths that it was given, and nothing else; never reads what it is sent.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, NamedTuple, Self

_SECONDS: Final = 10.0
"""How long whoever asks may take to do so."""
_AT_ONCE: Final = 8
"""Requests at a time; others wait in line."""


class Page(NamedTuple):
    """What is answered."""

    status: HTTPStatus
    text: str
    media_type: str = "text/plain; charset=utf-8"


class Serving:
    """A server on its own threads, while the block lasts."""

    def __init__(self, host: str, port: int, pages: Mapping[str, Callable[[], Page]]) -> None:
        """Listen at `host` and `port`, 0 for any. Raises OSError where that cannot be."""
        turns = threading.BoundedSemaphore(_AT_ONCE)

        class Handler(_Handler):
            known = pages
            turn = turns

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
            daemon_threads = True
            block_on_close = False

        self._server = Server((host, port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens at."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    known: Mapping[str, Callable[[], Page]]
    turn: threading.BoundedSemaphore
    timeout = _SECONDS
    server_version = "kubekeep"
    sys_version = ""

    def do_GET(self) -> None:
        page = self.known.get(self.path.partition("?")[0])
        with self.turn:
            found = Page(HTTPStatus.NOT_FOUND, "not found\n") if page is None else page()
            body = found.text.encode("utf-8", "replace")
            self.send_response(found.status)
            self.send_header("Content-Type", found.media_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be silent."""
