"""A server on the loopback address with the layout of OSV's bucket: entity tags, ranges, redirects, broken connections."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import json
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.loopback import serving
from tests.vulnerabilities.database.records import EPSS, KEV


class Bucket:
    """Files by path, and what the server does wrong.

    requests: "PATH STATUS" of each request. truncated: bytes of a path after which the connection ends, once.
    redirects: targets by path. logins: "USER:PASSWORD" of each request, empty without one.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {
            "/known_exploited_vulnerabilities.json": KEV.read_bytes(),
            "/epss_scores-current.csv.gz": EPSS.encode(),
        }
        self.requests: list[str] = []
        self.logins: list[str] = []
        self.truncated: dict[str, int] = {}
        self.redirects: dict[str, str] = {}
        self.address = ""

    def publish(self, ecosystem: str, records: Mapping[str, dict[str, Any]], archive: bytes) -> None:
        """Replace an ecosystem: its archive, its records, and the list of changes, newest first."""
        rows = sorted(((record["modified"], name) for name, record in records.items()), reverse=True)
        self.files[f"/{ecosystem}/all.zip"] = archive
        self.files[f"/{ecosystem}/modified_id.csv"] = "".join(f"{time},{name}\n" for time, name in rows).encode()
        for name, record in records.items():
            self.files[f"/{ecosystem}/{name}.json"] = json.dumps(record).encode()

    def take_requests(self) -> list[str]:
        """Return the requests since the last call."""
        requests, self.requests = self.requests, []
        return sorted(requests)


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers requests from a bucket."""

    protocol_version = "HTTP/1.1"
    # Otherwise a body waits until the client has acknowledged the headers.
    disable_nagle_algorithm = True
    bucket: Bucket
    context: ssl.SSLContext | None = None

    def setup(self) -> None:
        if self.context is not None:
            self.request = self.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def do_GET(self) -> None:
        path = self.path.replace("%20", " ")
        content = self.bucket.files.get(path)
        if path in self.bucket.redirects:
            self._answer(302, b"", {"Location": self.bucket.redirects[path]})
        elif content is None:
            self._answer(404, b"no such file", {})
        else:
            self._send_file(path, content)

    def _send_file(self, path: str, content: bytes) -> None:
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == tag:
            self._answer(304, b"", {"ETag": tag})
            return
        start = 0
        if self.headers.get("Range") and self.headers.get("If-Range") == tag:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        headers = {"ETag": tag}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._answer(206 if start else 200, content[start:], headers, self.bucket.truncated.pop(path, None))

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str], limit: int | None = None) -> None:
        self.bucket.requests.append(f"{self.path} {status}")
        login = self.headers.get("Authorization", "").removeprefix("Basic ")
        self.bucket.logins.append(base64.b64decode(login).decode())
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:limit])
        if limit is not None:
            self.close_connection = True


@contextlib.contextmanager
def run_bucket(context: ssl.SSLContext | None = None) -> Iterator[Bucket]:
    """Run the server, with TLS if there is a context."""
    bucket = Bucket()
    with serving(type("Handler", (_Handler,), {"bucket": bucket, "context": context})) as port:
        bucket.address = f"{'https' if context else 'http'}://127.0.0.1:{port}"
        yield bucket


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with run_bucket() as running:
        yield running
