"""A small HTTP server with the API for submissions, which stores what it acknowledges, on the loopback address.

Tests queue the answers to the next requests; without one, a submission is stored and acknowledged.
"""

from __future__ import annotations

import collections
import contextlib
import datetime as dt
import http.server
import ipaddress
import json
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep.model.submission import Submission
from kubekeep.uplink.client import SCANS_PATH
from kubekeep.uplink.delta import DivergenceError, apply_delta

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TOKEN = "token-of-the-tests"  # noqa: S105 - of a server of the tests
Reply = Callable[["Handler"], None]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    service: Service

    def do_POST(self) -> None:
        """Store a submission, or send the queued answer."""
        self.service.requests.append((self.command, self.path, dict(self.headers.items())))
        if self.service.replies:
            self.service.replies.popleft()(self)
            return
        if self.path.endswith("/api/v1/device/authorizations") or self.path.endswith("/api/v1/device/tokens"):
            self.read_body()
            self.answer(404, {"title": "Not Found"})
            return
        self.store()

    def do_GET(self) -> None:
        """Send the identity of the token, or no decisions."""
        if "/api/v1/decisions/in-force?" in self.path:
            self.answer(200, [])
            return
        self.service.requests.append((self.command, self.path, dict(self.headers.items())))
        if self.service.replies:
            self.service.replies.popleft()(self)
        elif self.headers["Authorization"] != f"Bearer {self.service.token}":
            self.answer(401, {"title": "Unauthorized", "status": 401, "detail": "the token is unknown"})
        else:
            self.answer(200, {"name": "ci of shop", "role": "agent", "scopes": ["shop"], "expires": None})

    def store(self) -> None:
        """Store a submission, or refuse one without the token."""
        body = self.read_body()
        assert self.path.endswith(SCANS_PATH)
        if self.headers["Authorization"] != f"Bearer {self.service.token}":
            self.answer(401, {"title": "Unauthorized", "status": 401, "detail": "the token is unknown"})
            return
        assert self.headers["Content-Type"] == "application/json"
        assert self.headers["Content-Encoding"] == "zstd"
        self.answer(*self.service.store_body(body))

    def read_body(self) -> bytes:
        """Return the complete body. Raises ConnectionError if the client goes away."""
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("the client has gone away")
        return body

    def answer(self, status: int, document: Any, **headers: str) -> None:
        """Send a JSON document."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/problem+json" if status >= 400 else "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class Service:
    """The state of the server: what it has received, and the answers to the next requests."""

    def __init__(self) -> None:
        self.address = ""
        self.token = TOKEN
        self.replies: collections.deque[Reply] = collections.deque()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.documents: list[Submission] = []
        """The stored submissions, as received."""
        self.states: dict[tuple[str, str], Submission] = {}
        """The state of each source and branch."""
        self._lock = threading.Lock()

    def store_body(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Store a compressed submission, and return the status and the receipt."""
        submission = msgspec.json.decode(decompress(body), type=Submission)
        key = submission.source.key, submission.source.branch_name
        with self._lock:
            is_known = any(stored.id == submission.id for stored in self.documents)
            if not is_known:
                try:
                    self.states[key] = self._apply(self.states.get(key), submission)
                except DivergenceError as error:
                    return 409, {"title": "Conflict", "status": 409, "detail": str(error)}
                self.documents.append(submission)
        receipt = {"scan": submission.id, "manifest": submission.manifest, "opened": 2, "closed": 1}
        return 200 if is_known else 201, {**receipt, "isKnown": is_known, "isApplied": True}

    def _apply(self, state: Submission | None, submission: Submission) -> Submission:
        if not submission.base:
            return submission
        if state is None:
            raise DivergenceError("the source has no state")
        return apply_delta(state, submission)

    def fail(self, status: int, document: Any = None, **headers: str) -> None:
        """Queue an error for the next request, after its body was read."""

        def reply(handler: Handler) -> None:
            if handler.command == "POST":
                handler.read_body()
            handler.answer(status, document or {"title": "Problem", "status": status}, **headers)

        self.replies.append(reply)


class _Server(http.server.ThreadingHTTPServer):
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing about clients that go away."""


@contextlib.contextmanager
def serve(port: int = 0, context: ssl.SSLContext | None = None) -> Iterator[Service]:
    """Yield a server on the loopback address."""
    service = Service()
    handler = type("ServiceHandler", (Handler,), {"service": service, "log_message": lambda *_: None})
    with _Server(("127.0.0.1", port), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme, host = ("http", "127.0.0.1") if context is None else ("https", "localhost")
        service.address = f"{scheme}://{host}:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()


def create_certificates(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Return the certificate of a private authority, and the TLS context of a server for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    authority, private = folder / "ca.pem", folder / "key.pem"
    authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, private)
    return authority, context


def compress(submission: Submission) -> bytes:
    """Return a compressed submission."""
    return zstd.compress(msgspec.json.encode(submission))


def decompress(content: bytes) -> bytes:
    """Return the text of a compressed submission."""
    return zstd.decompress(content)
