"""Real repositories and a real `git http-backend` behind HTTP or TLS on loopback, under the names of real hosts.

A proxy connects every name to the one server, so that requests to github.com are real requests.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import http.server
import os
import selectors
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, cast

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {}\n"
HOSTS = (
    "github.com",
    "gitlab.com",
    "dev.azure.com",
    "acme.visualstudio.com",
    "bitbucket.org",
    "git.corp.example",
    "github.com.evil.example",
    "evil-github.com",
    "elsewhere.example",
)


class Repo:
    """A repository with a working tree."""

    def __init__(self, root: Path, environment: Mapping[str, str], *options: str) -> None:
        self.root = root
        self.environment = {**environment, "GIT_CONFIG_NOSYSTEM": "1"}
        root.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main", *options)
        for key, value in (
            ("user.name", "Ada"),
            ("user.email", "ada@example.com"),
            ("uploadpack.allowFilter", "true"),
            ("uploadpack.allowAnySHA1InWant", "true"),
        ):
            self.git("config", key, value)

    def git(self, *arguments: str, stdin: bytes | None = None) -> str:
        result = subprocess.run(
            ["git", *arguments], cwd=self.root, env=self.environment, input=stdin, capture_output=True, check=False
        )
        assert result.returncode == 0, result.stderr
        return result.stdout.decode("utf-8", "replace").strip()

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: Mapping[str, str | bytes], message: str = "change") -> str:
        """Write files, commit everything, and return the hash."""
        self.write(files)
        self.git("add", "--all", "--force")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def tree(self, *entries: tuple[str, str, str]) -> str:
        """Commit a tree of (mode, object, name) entries without checking it out, and return the hash."""
        listing = b"".join(f"{mode} {kind(mode)} {oid}\t{name}".encode() + b"\0" for mode, oid, name in entries)
        tree = self.git("mktree", "-z", "--missing", stdin=listing)
        commit = self.git("commit-tree", tree, "-m", "made up")
        self.git("update-ref", "refs/heads/main", commit)
        return commit

    def blob(self, content: str) -> str:
        return self.git("hash-object", "-w", "--stdin", stdin=content.encode())


def kind(mode: str) -> str:
    return {"040000": "tree", "160000": "commit"}.get(mode, "blob")


class RecordedRequest(msgspec.Struct, frozen=True):
    """One request: host, path with query, and Authorization header."""

    host: str
    path: str
    authorization: str | None


class Backend(http.server.ThreadingHTTPServer):
    """Server of the repositories below a folder; `redirects` and `login` change its responses."""

    daemon_threads = True

    def __init__(self, folder: Path, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.requests: list[RecordedRequest] = []
        self.login: str | None = None
        """The required Authorization header, or None."""
        self.redirects: dict[str, str] = {}
        """Replacements in redirects, by prefix of host and path."""
        self.tls = tls

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def finish_request(self, request: socket.socket, address: tuple[str, int]) -> None:  # type: ignore[override]
        if self.tls is not None:
            with contextlib.suppress(OSError), self.tls.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, address)
                # Close TLS properly; otherwise a response without a length counts as truncated.
                wrapped.settimeout(5)
                wrapped.unwrap()
        else:
            super().finish_request(request, address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore errors of clients that were stopped."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Backend
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _answer(self, body: bytes) -> None:
        host, authorization = self.headers.get("Host", ""), self.headers.get("Authorization")
        self.server.requests.append(RecordedRequest(host, self.path, authorization))
        for start, target in self.server.redirects.items():
            if f"{host}{self.path}".startswith(start):
                self._head(302, {"Location": target + f"{host}{self.path}".removeprefix(start)})
                return
        if self.server.login is not None and authorization != self.server.login:
            self._head(401, {"WWW-Authenticate": 'Basic realm="tests"'})
            return
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        result = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=environment, check=False)
        head, _, content = result.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self._head(int(headers.pop("Status", "200").split()[0]), headers)
        self.wfile.write(content)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@contextlib.contextmanager
def running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Proxy(socketserver.ThreadingTCPServer):
    """An HTTP proxy (CONNECT) that connects every host to one local port and records the hosts."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.port = port
        self.hosts: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore errors of clients that were stopped."""


class _Tunnel(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.request.recv(4096)
        self.server.hosts.append(head.split()[1].decode())
        with socket.create_connection(("127.0.0.1", self.server.port)) as inner:
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with selectors.DefaultSelector() as selector:
                selector.register(self.request, selectors.EVENT_READ, inner)
                selector.register(inner, selectors.EVENT_READ, self.request)
                while ready := selector.select(60):
                    for key, _ in ready:
                        chunk = cast("socket.socket", key.fileobj).recv(1 << 16)
                        if not chunk:
                            return
                        key.data.sendall(chunk)


class Scripted(socketserver.ThreadingTCPServer):
    """Server that runs `script` on each connection."""

    daemon_threads = True
    allow_reuse_address = True
    script: ClassVar[Callable[[socket.socket], None]]

    def __init__(self, script: Callable[[socket.socket], None]) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self._script = script

    def finish_request(self, request: object, client_address: object) -> None:
        del client_address
        assert isinstance(request, socket.socket)
        self._script(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore errors of clients that were stopped."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])


def certificates(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return the TLS context of a server for HOSTS, and the file of its certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority, private = folder / "authority.pem", folder / "server.key"
    authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, private)
    return context, authority
