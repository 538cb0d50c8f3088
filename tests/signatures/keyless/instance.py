"""A private Sigstore of real services on the loopback address: Fulcio, TesseraCT, Rekor 1 with Trillian, Rekor 2.

Timestamps come from OpenSSL. Identity tokens come from an issuer of this module, with a key of RSA.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import json
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from kubekeep.signatures.keyless.tokens import AUDIENCE
from tests.loopback import serving
from tests.oracles.program import GoProgram, NoGoError
from tests.ports import check_port, run_on_free_port, select_port
from tests.signatures.authority import PrivateSigstore, certificate_pem, encode, to_der, to_pem

EMAIL = "dev@example.com"
WORKFLOW = "example/app/.github/workflows/release.yml@refs/heads/main"
_COMMIT = "0123456789abcdef0123456789abcdef01234567"
JOB = {
    "job_workflow_ref": WORKFLOW,
    "workflow_ref": WORKFLOW,
    "job_workflow_sha": _COMMIT,
    "workflow_sha": _COMMIT,
    "sha": _COMMIT,
    "event_name": "push",
    "repository": "example/app",
    "repository_id": "1",
    "repository_owner": "example",
    "repository_owner_id": "2",
    "repository_visibility": "public",
    "workflow": "release",
    "ref": "refs/heads/main",
    "runner_environment": "github-hosted",
    "run_id": "3",
    "run_attempt": "1",
}
"""Claims of a job of GitHub Actions."""
_FOLDER = Path(__file__).parent
_SECONDS = 120
_START = {"start": "2020-01-01T00:00:00Z"}
_FULCIO: Final = GoProgram(_FOLDER / "fulcio")
_TESSERACT: Final = GoProgram(_FOLDER / "tesseract", "github.com/transparency-dev/tesseract/cmd/tesseract/posix")
_TRILLIAN: Final = GoProgram(_FOLDER / "trillian")
_REKOR: Final = GoProgram(_FOLDER / "rekor", "github.com/sigstore/rekor/cmd/rekor-server")
_REKOR_TILES: Final = GoProgram(_FOLDER / "rekor-tiles", "github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix")
PROGRAMS: Final = (_FULCIO, _TESSERACT, _TRILLIAN, _REKOR, _REKOR_TILES)


def build(program: GoProgram) -> Path:
    """Return a program of a Go module beside this file. Skips the test without Go."""
    try:
        return program.build()
    except NoGoError as error:
        pytest.skip(str(error))


@contextlib.contextmanager
def run(command: Sequence[str | Path], log: Path, *, prints_address: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run a service until the block ends, in the folder of its messages."""
    with log.open("w") as messages:
        output = subprocess.PIPE if prints_address else messages
        process = subprocess.Popen(list(command), stdout=output, stderr=messages, text=True, cwd=log.parent)
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=_SECONDS)
        if process.stdout is not None:
            process.stdout.close()


def read_line(process: subprocess.Popen[str], log: Path) -> str:
    """Return the line with which a service begins."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, log.read_text()[-2000:]
    return line


def wait_for(url: str, process: subprocess.Popen[str], log: Path) -> bytes:
    """Return the response at a URL as soon as a service answers."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=_SECONDS) as response:  # noqa: S310 - on the loopback address
                content: bytes = response.read()
                return content
        except OSError:
            if process.poll() is not None:
                check_port(log.read_text())
                raise AssertionError(log.read_text()[-2000:]) from None
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.05)


def write_key(path: Path, key: Any, password: bytes = b"") -> Path:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    return path


class TokenIssuer:
    """An issuer of OpenID Connect, with the endpoint of GitHub Actions for tokens of JOB."""

    def __init__(self) -> None:
        self.url = ""
        self.key = rsa.generate_private_key(65537, 2048)
        self.secrets: list[str] = []

    def issue(self, **claims: Any) -> str:
        """Return a token for EMAIL, valid for ten minutes."""
        now = int(time.time())
        standard = {"iss": self.url, "aud": AUDIENCE, "sub": "dev", "iat": now, "exp": now + 600}
        payload = standard | {"email": EMAIL, "email_verified": True} | claims
        parts = [_encode_url(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1"}, payload)]
        signed = ".".join(parts).encode()
        return f"{signed.decode()}.{_encode_url(self.key.sign(signed, padding.PKCS1v15(), hashes.SHA256()))}"

    def describe_keys(self) -> dict[str, Any]:
        numbers = self.key.public_key().public_numbers()
        modulus, exponent = numbers.n.to_bytes(256, "big"), numbers.e.to_bytes(3, "big")
        key = {"kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig"}
        return {"keys": [key | {"n": _encode_url(modulus), "e": _encode_url(exponent)}]}

    def discover(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "authorization_endpoint": f"{self.url}/auth",
            "token_endpoint": f"{self.url}/token",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }


def _encode_url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@contextlib.contextmanager
def run_issuer() -> Iterator[TokenIssuer]:
    issuer = TokenIssuer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            documents = {"/.well-known/openid-configuration": issuer.discover, "/keys": issuer.describe_keys}
            if url.path == "/actions":
                issuer.secrets.append(self.headers["Authorization"])
                (audience,) = urllib.parse.parse_qs(url.query)["audience"]
                document: Any = {"value": issuer.issue(aud=audience, **JOB)}
            else:
                document = documents[url.path]()
            content = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with serving(Handler) as port:
        issuer.url = f"http://127.0.0.1:{port}"
        yield issuer


@contextlib.contextmanager
def run_stamps(sigstore: PrivateSigstore) -> Iterator[str]:
    """Run a timestamp authority; yield its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = sigstore.answer_query(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with serving(Handler) as port:
        yield f"http://127.0.0.1:{port}"


class SigstoreInstance:
    """Addresses of the services, and their keys as in a trusted root."""

    def __init__(self, folder: Path, issuers: tuple[TokenIssuer, TokenIssuer], sigstore: PrivateSigstore) -> None:
        self.folder, self.sigstore = folder, sigstore
        self.issuer, self.actions = issuers
        self.fulcio = self.stamps = self.rekor = self.rekor_tiles = ""
        self.certificate_log: dict[str, Any] = {}
        self.logs: list[dict[str, Any]] = []

    def write_root(self, path: Path) -> Path:
        document = self.sigstore.describe() | {"tlogs": self.logs, "ctlogs": [self.certificate_log]}
        path.write_text(json.dumps(document))
        return path

    def write_config(self, path: Path, version: int, **fields: Any) -> Path:
        """Write a signing configuration with a log of Rekor 1 or 2."""
        log = self.rekor if version == 1 else self.rekor_tiles
        document = {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [_service(self.fulcio)],
            "rekorTlogUrls": [_service(log, version)],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": [_service(self.stamps)],
            "tsaConfig": {"selector": "ANY"},
        }
        path.write_text(json.dumps(document | fields))
        return path


def _service(url: str, version: int = 1) -> dict[str, Any]:
    return {"url": url, "majorApiVersion": version, "validFor": _START, "operator": "example.com"}


def describe_log(key: Any, log_id: bytes, url: str) -> dict[str, Any]:
    """Return a log as in a trusted root."""
    is_elliptic = isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey)
    details = "PKIX_ECDSA_P256_SHA_256" if is_elliptic else "PKIX_ED25519"
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {"rawBytes": encode(to_der(key)), "keyDetails": details, "validFor": dict(_START)},
        "logId": {"keyId": encode(log_id)},
    }


@contextlib.contextmanager
def run_instance(folder: Path) -> Iterator[SigstoreInstance]:
    """Run all services."""
    sigstore = PrivateSigstore(folder / "sigstore")
    with contextlib.ExitStack() as stack:
        issuers = (stack.enter_context(run_issuer()), stack.enter_context(run_issuer()))
        instance = SigstoreInstance(folder, issuers, sigstore)
        instance.stamps = stack.enter_context(run_stamps(sigstore))
        certificate_log = stack.enter_context(run_on_free_port(lambda port: _run_certificate_log(instance, port)))
        instance.fulcio = stack.enter_context(_run_fulcio(instance, certificate_log))
        instance.rekor_tiles = stack.enter_context(run_on_free_port(lambda port: _run_rekor_tiles(instance, port)))
        instance.rekor = stack.enter_context(run_on_free_port(lambda port: _run_rekor(instance, port)))
        yield instance


@contextlib.contextmanager
def _run_certificate_log(instance: SigstoreInstance, port: int) -> Iterator[str]:
    folder = instance.folder
    key = ec.generate_private_key(ec.SECP256R1())
    private = folder / "ct.key"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    (folder / "ct.pub").write_bytes(to_pem(key))
    (folder / "roots.pem").write_bytes(certificate_pem(instance.sigstore.authority.root))
    command: list[str | Path] = [
        build(_TESSERACT),
        f"-http_endpoint=127.0.0.1:{port}",
        "-origin=ct.example.com",
        f"-private_key={private}",
        f"-roots_pem_file={folder / 'roots.pem'}",
        f"-storage_dir={folder / 'ct'}",
        "-checkpoint_interval=200ms",
        "-batch_max_age=50ms",
    ]
    url = f"http://127.0.0.1:{port}"
    instance.certificate_log = describe_log(key, hashlib.sha256(to_der(key)).digest(), url)
    with run(command, folder / "ct.log") as process:
        wait_for(f"{url}/ct/v1/get-roots", process, folder / "ct.log")
        yield url


@contextlib.contextmanager
def _run_fulcio(instance: SigstoreInstance, certificate_log: str) -> Iterator[str]:
    folder, authority = instance.folder, instance.sigstore.authority
    key = write_key(folder / "fulcio.key", authority.key, b"secret")
    (folder / "fulcio.pem").write_bytes(certificate_pem(authority.intermediate) + certificate_pem(authority.root))
    kinds = {instance.issuer.url: "email", instance.actions.url: "github-workflow"}
    issuers = {url: {"IssuerURL": url, "ClientID": AUDIENCE, "Type": kind} for url, kind in kinds.items()}
    (folder / "fulcio.json").write_text(json.dumps({"OIDCIssuers": issuers}))
    files = (folder / "fulcio.json", folder / "fulcio.pem", key)
    command: list[str | Path] = [build(_FULCIO), *files, "secret", certificate_log, folder / "ct.pub"]
    with run(command, folder / "fulcio.log", prints_address=True) as process:
        yield f"http://{read_line(process, folder / 'fulcio.log')}"


@contextlib.contextmanager
def _run_rekor_tiles(instance: SigstoreInstance, port: int) -> Iterator[str]:
    folder, name = instance.folder, "log2.example.com"
    key = ed25519.Ed25519PrivateKey.generate()
    command: list[str | Path] = [
        build(_REKOR_TILES),
        "serve",
        f"--hostname={name}",
        f"--http-port={port}",
        f"--grpc-port={select_port()}",
        f"--http-metrics-port={select_port()}",
        f"--storage-dir={folder / 'rekor-tiles'}",
        f"--signer-filepath={write_key(folder / 'rekor-tiles.key', key)}",
        "--checkpoint-interval=200ms",
        "--batch-max-age=50ms",
    ]
    url = f"http://127.0.0.1:{port}"
    log_id = hashlib.sha256(f"{name}\n\x01".encode() + to_der(key)[-32:]).digest()
    with run(command, folder / "rekor-tiles.log") as process:
        wait_for(f"{url}/healthz", process, folder / "rekor-tiles.log")
        instance.logs.append(describe_log(key, log_id, f"https://{name}"))
        yield url


@contextlib.contextmanager
def _run_rekor(instance: SigstoreInstance, port: int) -> Iterator[str]:
    folder = instance.folder
    key = ec.generate_private_key(ec.SECP256R1())
    with contextlib.ExitStack() as stack:
        trillian = stack.enter_context(run([build(_TRILLIAN)], folder / "trillian.log", prints_address=True))
        address, tree = read_line(trillian, folder / "trillian.log").split()
        # Rekor serves metrics on all addresses, unless the port is in use.
        held = stack.enter_context(socket.socket())
        with contextlib.suppress(OSError):
            held.bind(("127.0.0.1", 2112))
            held.listen()
        command: list[str | Path] = [
            build(_REKOR),
            "serve",
            f"--port={port}",
            "--rekor_server.hostname=rekor.example.com",
            f"--rekor_server.signer={write_key(folder / 'rekor.key', key, b'secret')}",
            "--rekor_server.signer-passwd=secret",
            f"--trillian_log_server.port={address.rpartition(':')[2]}",
            f"--trillian_log_server.tlog_id={tree}",
            "--enabled_api_endpoints=createLogEntry,getLogInfo,getPublicKey",
            "--enable_retrieve_api=false",
        ]
        process = stack.enter_context(run(command, folder / "rekor.log"))
        url = f"http://127.0.0.1:{port}"
        pem = wait_for(f"{url}/api/v1/log/publicKey", process, folder / "rekor.log")
        public = serialization.load_pem_public_key(pem)
        log = describe_log(public, hashlib.sha256(to_der(public)).digest(), "https://rekor.example.com")
        instance.logs.append(log)
        yield url
