"""A server on the loopback address whose answers a member chooses byte by byte."""

from __future__ import annotations

import contextlib
import functools
import http.server
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

_CHUNK: Final = 1 << 16


class Answer(msgspec.Struct, frozen=True):
    """An answer to one request.

    headers: besides Content-Length, which a header replaces; None for one leaves it out. repeat: the body is sent again
    until the client closes the connection, or `repeat` times. pause: seconds between the bytes of the body.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str | None] = {}
    repeat: int = 1
    pause: float = 0


Site = Callable[[str, str], Answer]
"""Function of the method and of the path below the site."""
_SITES: Final[list[Site]] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    def _answer(self) -> None:
        number, _, path = self.path[1:].partition("/")
        if number == "v2":  # the first part of all paths of a registry
            number, _, path = path.partition("/")
        answer = (
            _SITES[int(number)](self.command, path)
            if number.isdecimal() and int(number) < len(_SITES)
            else Answer(status=404)
        )
        headers = {"Content-Length": str(len(answer.body) * answer.repeat), **answer.headers}
        with contextlib.suppress(OSError):
            self.send_response(answer.status)
            for name, value in headers.items():
                if value is not None:
                    self.send_header(name, value)
            self.end_headers()
            for _ in range(answer.repeat):
                self._send(answer)

    def _send(self, answer: Answer) -> None:
        if not answer.pause:
            self.wfile.write(answer.body)
            return
        for byte in answer.body:
            self.wfile.write(bytes([byte]))
            time.sleep(answer.pause)

    do_GET = do_POST = do_HEAD = do_PUT = _answer  # noqa: N815 - the names in the base class

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing."""


@functools.cache
def get_port() -> int:
    """Start the server once and return its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def add_site(site: Site) -> int:
    """Return the number of a new site, which is the first part of its path."""
    _SITES.append(site)
    return len(_SITES) - 1


def serve_one(answer: Answer) -> int:
    """Return the number of a site with one answer to all requests."""
    return add_site(lambda _, __: answer)


def serve_in_turn(answers: Sequence[Answer]) -> int:
    """Return the number of a site whose answers take turns, whatever is requested."""
    turns: Iterator[Answer] = itertools.cycle(answers)
    return add_site(lambda _, __: next(turns))
