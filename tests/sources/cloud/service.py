"""A server with TLS on the loopback address that answers for Azure and Google, and hands out tokens as they do.

It knows what it was told to answer, and nothing else: any other question is a 404 in the words of both clouds.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import ssl
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from kubekeep.model.cloud import Endpoints
from kubekeep.model.cluster import Gap
from tests.cluster.authority import Authority

TOKEN = "token-of-the-test"  # noqa: S105 - looked for where it must not be


def told(found: Iterable[dict[str, Any] | Gap]) -> tuple[dict[str, Any], list[Gap]]:
    """The data of each document by its kind, and the gaps."""
    items = list(found)
    gaps = [item for item in items if isinstance(item, Gap)]
    return {item["kind"]: item["data"] for item in items if not isinstance(item, Gap)}, gaps


class Asked(msgspec.Struct, frozen=True):
    """One question: method, path, the values of its query, who asked, and what was sent along."""

    method: str
    path: str
    query: dict[str, list[str]]
    authorization: str
    body: str


class Answer(msgspec.Struct, frozen=True):
    """A status and a JSON document."""

    body: Any
    status: int = 200


class Cloud:
    """What is answered to whom: one answer, or one after the other, of which the last stays."""

    def __init__(self, address: str, authority: Path) -> None:
        self.address = address
        self.authority = authority
        self.asked: list[Asked] = []
        self._answers: dict[tuple[str, str], list[Answer]] = {}

    def say(self, path: str, *answers: Answer | dict[str, Any], method: str = "GET") -> None:
        """Answer questions for a path, with or without a query; one with the query is looked for first."""
        told = [answer if isinstance(answer, Answer) else Answer(answer) for answer in answers]
        self._answers[method, path] = told

    def answer(self, asked: Asked, target: str) -> Answer:
        self.asked.append(asked)
        told = self._answers.get((asked.method, target)) or self._answers.get((asked.method, asked.path))
        if told is None:
            return Answer({"error": {"code": 404, "status": "NOT_FOUND", "message": f"no {asked.path}"}}, 404)
        return told.pop(0) if len(told) > 1 else told[0]

    def questions(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(asked.path == path for asked in self.asked)

    @property
    def endpoints(self) -> Endpoints:
        """That this server stands in for all of Azure and Google."""
        return Endpoints(azure=self.address, container=self.address, artifacts=self.address, projects=self.address)


@contextlib.contextmanager
def clouds(folder: Path) -> Iterator[Cloud]:
    """A server that knows no answers yet, but for tokens."""
    authority = Authority(folder, "clouds").create()
    pair = authority.issue("loopback", hosts=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    known: list[Cloud] = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(known)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        cloud = Cloud(f"https://127.0.0.1:{server.server_port}", authority.pair.certificate)
        known.append(cloud)
        cloud.say("/azure/token", {"access_token": TOKEN, "expires_on": "4102444800", "token_type": "Bearer"})
        cloud.say("/google/token", {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}, method="POST")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield cloud
        finally:
            server.shutdown()
            thread.join()


def log_in(cloud: Cloud, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the SDKs find credentials that `cloud` gives tokens for: a managed identity, and a service account's key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = folder / "account.json"
    account.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "shop-prod",
                "private_key_id": "1",
                "private_key": key.decode(),
                "client_email": "scanner@shop-prod.iam.gserviceaccount.com",
                "client_id": "1",
                "token_uri": f"{cloud.address}/google/token",
            }
        )
    )
    patch.setenv("REQUESTS_CA_BUNDLE", str(cloud.authority))
    patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
    # How App Service tells its programs about their managed identity.
    patch.setenv("IDENTITY_ENDPOINT", f"{cloud.address}/azure/token")
    patch.setenv("IDENTITY_HEADER", "header-of-the-test")


def _handler(known: list[Cloud]) -> type[http.server.BaseHTTPRequestHandler]:
    """What answers as the cloud does that is `known` by then."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply()

        def do_POST(self) -> None:
            self._reply()

        def _reply(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            authorization = self.headers.get("Authorization") or ""
            asked = Asked(self.command, parts.path, parse_qs(parts.query), authorization, body)
            answer = known[0].answer(asked, self.path)
            text = json.dumps(answer.body).encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
