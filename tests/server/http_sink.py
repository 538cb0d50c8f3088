"""An HTTP server on the loopback address that keeps the requests it gets."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

_SECONDS: Final = 120


class Received(NamedTuple):
    """A request."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes


class Reply(NamedTuple):
    """An answer."""

    status: int = 200
    content: bytes = b"{}"
    headers: Mapping[str, str] = {}


class HttpSink:
    """A running server. reply: returns the answer to a request."""

    def __init__(self, reply: Callable[[Received], Reply]) -> None:
        self.requests: list[Received] = []
        self.reply = reply
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                content = self.rfile.read(int(self.headers.get("content-length", 0)))
                received = Received(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, content)
                sink.requests.append(received)
                answer = sink.reply(received)
                with contextlib.suppress(ConnectionError):
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer.content)))
                    self.end_headers()
                    self.wfile.write(answer.content)

            do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - names of the standard library

            def log_message(self, format: str, *arguments: Any) -> None:
                """Print nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def wait_for(self, count: int) -> list[Received]:
        """Return the requests as soon as there are so many."""
        deadline = time.monotonic() + _SECONDS
        while len(self.requests) < count:
            assert time.monotonic() < deadline, self.requests
            time.sleep(0.05)
        return list(self.requests)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def run_sink(reply: Callable[[Received], Reply] = lambda _: Reply()) -> Iterator[HttpSink]:
    """Run a sink until the end of the block."""
    sink = HttpSink(reply)
    try:
        yield sink
    finally:
        sink.close()
