"""Messages and headers of HTTP that an attacker writes: refused before the application reads them."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
from typing import Final

import httpx2
import pytest

from tests.server.hostile.attacked import (
    API,
    MEBIBYTE,
    Attacked,
    read_memory,
)
from tests.server.live import LiveServer


def send_raw(server: LiveServer, *parts: bytes) -> int:
    """Send bytes and return the status of the answer; 0 if the server closes the connection without one."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=120) as connection:
        with contextlib.suppress(OSError):
            for part in parts:
                connection.sendall(part)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(OSError):
            while b"\r\n" not in received and (chunk := connection.recv(4096)):
                received += chunk
    match = re.match(rb"HTTP/1\.1 (\d{3}) ", received)
    return int(match.group(1)) if match else 0


def build_head(*lines: bytes, target: bytes = b"/api/v1/scans", method: bytes = b"POST") -> bytes:
    return b"\r\n".join([method + b" " + target + b" HTTP/1.1", *lines, b"", b""])


HOST: Final = b"Host: server"
CHUNKED: Final = b"Transfer-Encoding: chunked"
MESSAGES: Final[dict[str, bytes]] = {
    "two lengths": build_head(HOST, b"Content-Length: 2", b"Content-Length: 3") + b"{} ",
    "length and chunks": build_head(HOST, b"Content-Length: 2", CHUNKED) + b"0\r\n\r\n",
    "chunks twice": build_head(HOST, b"Transfer-Encoding: chunked, identity") + b"{}",
    "unknown coding": build_head(HOST, b"Transfer-Encoding: xchunked") + b"{}",
    "negative length": build_head(HOST, b"Content-Length: -1") + b"{}",
    "length of 40 digits": build_head(HOST, b"Content-Length: " + b"9" * 40) + b"{}",
    "length with a sign": build_head(HOST, b"Content-Length: +2") + b"{}",
    "space before a colon": build_head(HOST, b"Content-Length : 2") + b"{}",
    "folded header": build_head(HOST, b"X-Any: a", b" b") + b"{}",
    "null in a header": build_head(HOST, b"X-Any: a\0b") + b"{}",
    "carriage return in a header": build_head(HOST, b"X-Any: a\rAuthorization: b") + b"{}",
    "header without a name": build_head(HOST, b": value") + b"{}",
    "chunk of 2^80 bytes": build_head(HOST, CHUNKED) + b"FFFFFFFFFFFFFFFFFFFF\r\n{}",
    "chunk with a negative size": build_head(HOST, CHUNKED) + b"-1\r\n{}\r\n",
    "target without a path": build_head(HOST, target=b"http://evil.example", method=b"GET"),
    "target of a proxy": build_head(HOST, target=b"evil.example:443", method=b"CONNECT"),
    "target of a query": build_head(HOST, target=b"?x", method=b"GET"),
    "target with bytes": build_head(HOST, target=b"/\xff\xfe", method=b"GET"),
    "target with a line": build_head(HOST, target=b"/a\nX-Any: b", method=b"GET"),
    "unknown method": build_head(HOST, method=b"DROP"),
    "unknown version": b"GET / HTTP/9.9\r\nHost: server\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "TLS": bytes.fromhex("16030102000100") + bytes(600),
    "zeros": bytes(100_000),
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", MESSAGES)
def test_invalid_messages_are_refused(attacked: Attacked, name: str) -> None:
    assert send_raw(attacked.server, MESSAGES[name]) in {0, 400, 401, 404, 405}


FLOODS: Final[dict[str, tuple[bytes, bytes]]] = {
    "header": (b"GET / HTTP/1.1\r\nHost: server\r\nX-Any: ", b"a" * MEBIBYTE),
    "headers": (b"GET / HTTP/1.1\r\nHost: server\r\n", b"X-Any: a\r\n" * (MEBIBYTE // 10)),
    "target": (b"GET /", b"a" * MEBIBYTE),
    "name of a header": (b"GET / HTTP/1.1\r\nHost: server\r\n", b"a" * MEBIBYTE),
    "trailers": (build_head(HOST, CHUNKED, target=b"/api/v1/session") + b"0\r\n", b"X-Any: a\r\n" * (MEBIBYTE // 10)),
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", FLOODS)
def test_endless_heads_are_refused_in_little_memory(attacked: Attacked, name: str) -> None:
    begin, part = FLOODS[name]
    before = read_memory(attacked.server)
    assert send_raw(attacked.server, begin, *itertools.repeat(part, 40)) in {0, 400, 401, 431}
    assert read_memory(attacked.server) - before < 20 * MEBIBYTE


HOSTS: Final = (
    "[",
    "[::1",
    "a b",
    "evil.example/path",
    "user@evil.example",
    "evil.example:x",
    "\u00e4",
    "evil.example?",
    "",
)


@pytest.mark.parametrize("host", HOSTS)
def test_hosts_that_are_none(attacked: Attacked, host: str) -> None:
    head = [
        b"Host: " + host.encode(),
        b"Origin: http://evil.example",
        b"Content-Type: application/json",
        b"Content-Length: 2",
    ]
    assert send_raw(attacked.server, build_head(*head, target=b"/api/v1/session") + b"{}") in {400, 403}
    form = b"client_name=thief"
    head = [b"Host: " + host.encode(), b"Content-Type: application/x-www-form-urlencoded", b"Content-Length: 17"]
    status = send_raw(attacked.server, build_head(*head, target=b"/api/v1/device/authorizations") + form)
    assert status in {200, 400}


def test_host_without_redirect(attacked: Attacked) -> None:
    for path in (
        "/api/v1/sources/",
        "//evil.example/",
        "/findings//evil.example",
        "/sign-in?next=https://evil.example",
        "/\\evil.example/",
    ):
        answer = attacked.everyone.get(
            httpx2.URL(attacked.server.url, raw_path=path.encode()), headers={"Host": "evil.example"}
        )
        assert answer.status_code in {200, 404, 503}, path
        assert "location" not in answer.headers


def test_forwarded_headers_of_strangers_do_not_count(attacked: Attacked) -> None:
    headers = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example;proto=https",
        "X-Original-Url": "/healthz",
        "X-Rewrite-Url": "/healthz",
        "X-Http-Method-Override": "DELETE",
    }
    with attacked.server.client() as client:
        begun = client.post(f"{API}/device/authorizations", data={"client_name": "x"}, headers=headers)
        assert begun.json()["verification_uri"].startswith(f"{attacked.server.url}/")
        assert client.get(f"{API}/sources", headers=headers).status_code == 401
    answer = attacked.everyone.get(f"{API}/sources/{attacked.shop}", headers=headers)
    assert answer.json()["key"] == "cluster/shop"


def test_forwarded_addresses_do_not_evade_the_limit_of_attempts(attacked: Attacked) -> None:
    with attacked.server.client() as client:
        statuses = [
            client.post(
                f"{API}/session",
                json={"name": "many", "password": f"{number}"},
                headers={"X-Forwarded-For": f"10.0.0.{number}", "X-Real-Ip": f"10.0.0.{number}"},
            ).status_code
            for number in range(11)
        ]
    assert statuses[-1] == 429


@pytest.mark.parametrize(
    "path",
    [
        "/%0d%0alevel=critical",
        "/%1b%5b2J",
        "/%e2%80%a8x",
        "/%c2%85x",
        "/a%22%20status=200",
        "/%e2%80%ae",
        "/" + "x" * 20_000,
    ],
)
def test_paths_make_no_lines_of_the_log(attacked: Attacked, path: str) -> None:
    with attacked.server.client() as client:
        answer = client.get(httpx2.URL(attacked.server.url, raw_path=path.encode()), headers={"X-Request-Id": 'a b"c'})
    assert answer.status_code in {404, 431}
    assert not re.search(r"^level=critical", attacked.server.log, re.MULTILINE)


def test_names_make_no_lines_of_the_log(attacked: Attacked) -> None:
    with attacked.server.client() as client:
        for name in ("a\r\nb", "\x1b[2J", "a" * 201, "", "\u202e"):
            answer = client.post(f"{API}/device/authorizations", data={"client_name": name})
            assert answer.status_code == 422


def test_secrets_are_in_no_answer(attacked: Attacked) -> None:
    """Lists show neither secrets nor their digests."""
    texts = [
        attacked.administrator.get(f"{API}/{path}").text for path in ("users", "tokens", "log?limit=500", "identity")
    ]
    with attacked.server.client() as client:
        texts += [client.get(path).text for path in ("/metrics", "/healthz", "/readyz", "/api/v1/session/methods")]
    assert not re.search(r"kk[a-z]?_[\w-]{20}|argon2|\$m=", "".join(texts))
