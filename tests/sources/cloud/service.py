"""TLS server on the loopback address that emulates Azure and Google, including their token endpoints.

Unknown paths return status 404 in the form of both clouds.
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
"""Hosts in the server's certificate."""
TOKEN = "token-of-the-test"  # noqa: S105 - searched in output that must not contain it


def split_gaps(described: Iterable[dict[str, Any] | CoverageGap]) -> tuple[dict[str, Any], list[CoverageGap]]:
    """Split documents and gaps: (data by document kind, gaps)."""
    entries = list(described)
    gaps = [entry for entry in entries if isinstance(entry, CoverageGap)]
    return {entry["kind"]: entry["data"] for entry in entries if not isinstance(entry, CoverageGap)}, gaps


class ReceivedRequest(msgspec.Struct, frozen=True):
    """A received request: method, path, query, authorization header and body."""

    method: str
    path: str
    query: dict[str, list[str]]
    authorization: str
    body: str


class CloudResponse(msgspec.Struct, frozen=True):
    """A status and a JSON document."""

    body: Any
    status: int = 200


class Cloud:
    """Responses by path: each list is consumed in order, and its last response is repeated."""

    def __init__(self, address: str, authority: Path) -> None:
        self.address = address
        self.authority = authority
        self.requests: list[ReceivedRequest] = []
        self._responses: dict[tuple[str, str], list[CloudResponse]] = {}

    def respond(self, path: str, *documents: CloudResponse | dict[str, Any], method: str = "GET") -> None:
        """Set the responses for a path; a path with its query takes precedence."""
        responses = [
            document if isinstance(document, CloudResponse) else CloudResponse(document) for document in documents
        ]
        self._responses[method, path] = responses

    def answer(self, request: ReceivedRequest, target: str) -> CloudResponse:
        self.requests.append(request)
        responses = self._responses.get((request.method, target)) or self._responses.get((request.method, request.path))
        if responses is None:
            return CloudResponse({"error": {"code": 404, "status": "NOT_FOUND", "message": f"no {request.path}"}}, 404)
        return responses.pop(0) if len(responses) > 1 else responses[0]

    def count_requests(self, path: str) -> int:
        """Return the number of requests for a path."""
        return sum(request.path == path for request in self.requests)

    @property
    def azure(self) -> AzureCloud:
        """The server as an Azure cloud."""
        return AzureCloud(manager=self.address)

    @property
    def endpoints(self) -> Endpoints:
        """The server as the endpoints of Azure and Google."""
        return Endpoints(azure=self.azure, container=self.address, artifacts=self.address, projects=self.address)


@contextlib.contextmanager
def run_cloud(folder: Path) -> Iterator[Cloud]:
    """Run a server that can respond to token requests only."""
    authority = Authority(folder, "clouds").create()
    pair = authority.issue("loopback", hosts=[host for host in HOSTS if host])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    running: list[Cloud] = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(running)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        cloud = Cloud(f"https://127.0.0.1:{server.server_port}", authority.pair.certificate)
        running.append(cloud)
        cloud.respond("/azure/token", {"access_token": TOKEN, "expires_on": "4102444800", "token_type": "Bearer"})
        cloud.respond(
            "/google/token", {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}, method="POST"
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield cloud
        finally:
            server.shutdown()
            thread.join()


def log_in(cloud: Cloud, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Provide credentials to the SDKs: a managed identity for Azure, and a service account key for Google."""
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
    # Environment of managed identities in App Service.
    patch.setenv("IDENTITY_ENDPOINT", f"{cloud.address}/azure/token")
    patch.setenv("IDENTITY_HEADER", "header-of-the-test")


def log_in_with_a_secret(cloud: Cloud, authority: str, patch: pytest.MonkeyPatch) -> None:
    """Provide an application secret to Azure's SDK; the server acts as the token endpoint of `authority`."""
    patch.setenv("REQUESTS_CA_BUNDLE", str(cloud.authority))
    patch.setenv("AZURE_TENANT_ID", TENANT)
    patch.setenv("AZURE_CLIENT_ID", "application-of-the-test")
    patch.setenv("AZURE_CLIENT_SECRET", "secret-of-the-test")
    cloud.respond(
        f"/{TENANT}/v2.0/.well-known/openid-configuration",
        {
            "token_endpoint": f"{authority}/{TENANT}/oauth2/v2.0/token",
            "authorization_endpoint": f"{authority}/{TENANT}/oauth2/v2.0/authorize",
            "issuer": f"{authority}/{TENANT}/v2.0",
        },
    )
    cloud.respond("/common/discovery/instance", {"metadata": []})
    token = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
    cloud.respond(f"/{TENANT}/oauth2/v2.0/token", token, method="POST")


@contextlib.contextmanager
def route_all_hosts(cloud: Cloud, patch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Route all hosts to the server through a proxy; yields the requested hosts in order.

    Loopback addresses are reached directly.
    """
    hosts: list[str] = []
    port = urlsplit(cloud.address).port

    class Tunnel(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            method, target, _ = self.rfile.readline().decode().split()
            while self.rfile.readline().strip():
                continue
            assert method == "CONNECT"
            hosts.append(target.removesuffix(":443"))
            with socket.create_connection(("127.0.0.1", port)) as server:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                backward = threading.Thread(target=_pass_on, args=(server, self.connection), daemon=True)
                backward.start()
                _pass_on(self.connection, server)
                backward.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tunnel) as proxy:
        proxy.daemon_threads = True
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        patch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_address[1]}")
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        try:
            yield hosts
        finally:
            proxy.shutdown()
            thread.join()


def _pass_on(first: socket.socket, second: socket.socket) -> None:
    """Copy data from one socket to the other until it ends."""
    with contextlib.suppress(OSError), first.makefile("rb", 0) as source, second.makefile("wb", 0) as sink:
        shutil.copyfileobj(source, sink)
    with contextlib.suppress(OSError):
        second.shutdown(socket.SHUT_WR)


def _handler(running: list[Cloud]) -> type[http.server.BaseHTTPRequestHandler]:
    """Return a handler that responds like the cloud in `running`, which is filled later."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Otherwise a body waits until the client has acknowledged the headers.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._reply()

        def do_POST(self) -> None:
            self._reply()

        def _reply(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            authorization = self.headers.get("Authorization") or ""
            request = ReceivedRequest(self.command, parts.path, parse_qs(parts.query), authorization, body)
            response = running[0].answer(request, self.path)
            text = json.dumps(response.body).encode()
            self.send_response(response.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
