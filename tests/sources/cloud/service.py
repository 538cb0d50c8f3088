"""A server with TLS on the loopback address that answers for Azure and Google, and hands out tokens as they do.

It knows what it was told to answer, and nothing else: any other question is a 404 in the words of both clouds.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import socket
import socketserver
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

from kubekeep.model.cloud import AZURE_CLOUDS, AzureCloud, Endpoints
from kubekeep.model.cluster import CoverageGap
from tests.cluster.authority import Authority

UNIVERSE = "universe.example"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
HOSTS = (
    "127.0.0.1",
    "login.microsoftonline.com",
    *(address.removeprefix("https://") for cloud in AZURE_CLOUDS for address in (cloud.manager, cloud.authority)),
    *(f"{service}.{UNIVERSE}" for service in ("container", "artifactregistry", "cloudresourcemanager")),
)
"""Whose place the server can take: of them its certificate is."""
TOKEN = "token-of-the-test"  # noqa: S105 - looked for where it must not be


def told(found: Iterable[dict[str, Any] | CoverageGap]) -> tuple[dict[str, Any], list[CoverageGap]]:
    """The data of each document by its kind, and the gaps."""
    items = list(found)
    gaps = [item for item in items if isinstance(item, CoverageGap)]
    return {item["kind"]: item["data"] for item in items if not isinstance(item, CoverageGap)}, gaps


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
    def azure(self) -> AzureCloud:
        """That this server stands in for Azure."""
        return AzureCloud(manager=self.address)

    @property
    def endpoints(self) -> Endpoints:
        """That this server stands in for all of Azure and Google."""
        return Endpoints(azure=self.azure, container=self.address, artifacts=self.address, projects=self.address)


@contextlib.contextmanager
def clouds(folder: Path) -> Iterator[Cloud]:
    """A server that knows no answers yet, but for tokens."""
    authority = Authority(folder, "clouds").create()
    pair = authority.issue("loopback", hosts=[host for host in HOSTS if host])
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


def log_in_with_a_secret(cloud: Cloud, authority: str, patch: pytest.MonkeyPatch) -> None:
    """Let Azure's SDK find the secret of an application, for which `cloud` gives tokens in the place of `authority`."""
    patch.setenv("REQUESTS_CA_BUNDLE", str(cloud.authority))
    patch.setenv("AZURE_TENANT_ID", TENANT)
    patch.setenv("AZURE_CLIENT_ID", "application-of-the-test")
    patch.setenv("AZURE_CLIENT_SECRET", "secret-of-the-test")
    cloud.say(
        f"/{TENANT}/v2.0/.well-known/openid-configuration",
        {
            "token_endpoint": f"{authority}/{TENANT}/oauth2/v2.0/token",
            "authorization_endpoint": f"{authority}/{TENANT}/oauth2/v2.0/authorize",
            "issuer": f"{authority}/{TENANT}/v2.0",
        },
    )
    cloud.say("/common/discovery/instance", {"metadata": []})
    token = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
    cloud.say(f"/{TENANT}/oauth2/v2.0/token", token, method="POST")


@contextlib.contextmanager
def everywhere(cloud: Cloud, patch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let `cloud` answer for every host, as a proxy that leads there; the hosts that were asked for, in their order.

    What is on the loopback address is reached without it.
    """
    asked: list[str] = []
    port = urlsplit(cloud.address).port

    class Tunnel(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            method, target, _ = self.rfile.readline().decode().split()
            while self.rfile.readline().strip():
                continue
            assert method == "CONNECT"
            asked.append(target.removesuffix(":443"))
            with socket.create_connection(("127.0.0.1", port)) as server:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=_pass_on, args=(server, self.connection), daemon=True)
                back.start()
                _pass_on(self.connection, server)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tunnel) as proxy:
        proxy.daemon_threads = True
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        patch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_address[1]}")
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        try:
            yield asked
        finally:
            proxy.shutdown()
            thread.join()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    """Send what comes from one end to the other, until it ends."""
    with contextlib.suppress(OSError), one.makefile("rb", 0) as source, other.makefile("wb", 0) as sink:
        shutil.copyfileobj(source, sink)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)


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
