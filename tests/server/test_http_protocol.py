"""Connections whose heads do not end: they are closed, and those with a request are not."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from kubekeep_server.process import http_protocol
from kubekeep_server.process.http_protocol import LimitedProtocol

_SECONDS = 0.5


async def answer(_: dict[str, Any], receive: Any, send: Any) -> None:
    """Send the body back."""
    body, is_complete = b"", False
    while not is_complete:
        message = await receive()
        body += message.get("body", b"")
        is_complete = not message.get("more_body")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", _SECONDS)
    config = uvicorn.Config(answer, http=LimitedProtocol, lifespan="off", log_config=None, timeout_keep_alive=600)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    with socket.create_connection(listener.getsockname(), timeout=120) as opened:
        yield opened
    server.should_exit = True
    thread.join(120)


@pytest.mark.parametrize("content", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"\r\n\r\n"])
@pytest.mark.parametrize("before", [0, 1])
def test_head_without_end_ends_the_connection(connection: socket.socket, before: int, content: bytes) -> None:
    for _ in range(before):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    if before and not content:
        content = b"\r\n"
    connection.sendall(content)
    assert connection.recv(4096) == b""


def test_slow_body_and_pause_between_requests_are_no_slow_heads(connection: socket.socket) -> None:
    for _ in range(2):
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
        time.sleep(3 * _SECONDS)
        connection.sendall(b"b")
        assert connection.recv(4096).endswith(b"\r\n\r\nab")
        time.sleep(3 * _SECONDS)
