"""Authentication at registries: passwords, credential helpers, tokens, TLS. Output never contains a secret."""

from __future__ import annotations

import base64
import datetime as dt
import http.server
import ipaddress
import json
import os
import shlex
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.registry.service import Service, run_registry, run_server
from tests.registry.test_share import kubekeep

USER, PASSWORD = "ann", "correct horse"
HTPASSWD = "ann:$2b$04$nirQ5ezVxnWDL0rBk/xLy.aMruV4COSNTZ4kvoGoUIBqQTVUCC.Ia\n"


def write_config(folder: Path, **settings: Any) -> str:
    """Write a Docker config.json; return its folder, for DOCKER_CONFIG."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(settings))
    return str(folder)


def auth_settings(address: str, password: str = PASSWORD) -> dict[str, Any]:
    return {"auths": {address: {"auth": base64.b64encode(f"{USER}:{password}".encode()).decode()}}}


@pytest.fixture(scope="module")
def protected_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A registry that requires a user name and password."""
    folder = tmp_path_factory.mktemp("locked")
    (folder / "htpasswd").write_text(HTPASSWD)
    with run_registry(
        folder, auth={"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    ) as registry_service:
        yield registry_service


def test_name_and_password(protected_registry: Service, rules: Path, tmp_path: Path) -> None:
    reference = protected_registry.reference("locked")
    folder = write_config(tmp_path / "docker", **auth_settings(protected_registry.address))
    pushed = kubekeep("library", "push", rules, reference, "--plain-http", DOCKER_CONFIG=folder)
    assert pushed.returncode == 0, pushed.stderr
    command = ("library", "pull", reference, tmp_path / "pulled", "--plain-http")
    for settings in ({}, auth_settings(protected_registry.address, "wrong horse"), auth_settings("elsewhere.example")):
        result = kubekeep(*command, DOCKER_CONFIG=write_config(tmp_path / "other", **settings))
        assert result.returncode == 3
        assert "responded with 401" in result.stderr
        assert "horse" not in result.stderr
    assert not (tmp_path / "pulled").exists()
    assert kubekeep(*command, DOCKER_CONFIG=folder).returncode == 0


def write_helper(folder: Path, answer: dict[str, str], code: int = 0) -> str:
    """Write a credential helper; return the PATH that contains it."""
    folder.mkdir(exist_ok=True)
    program = folder / "docker-credential-tests"
    output = shlex.quote(json.dumps(answer))
    program.write_text(f'#!/bin/sh\ncat > {folder}/asked\necho "$*" >> {folder}/asked\necho {output}\nexit {code}\n')
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("settings", [{"credHelpers": {"@": "tests"}}, {"credsStore": "tests"}])
def test_credential_helper(settings: dict[str, Any], protected_registry: Service, rules: Path, tmp_path: Path) -> None:
    text = json.dumps(settings).replace("@", protected_registry.address)
    folder = write_config(tmp_path / "docker", **json.loads(text))
    path = write_helper(
        tmp_path / "bin", {"ServerURL": protected_registry.address, "Username": USER, "Secret": PASSWORD}
    )
    command = ("library", "push", rules, protected_registry.reference("helped"), "--plain-http")
    result = kubekeep(*command, DOCKER_CONFIG=folder, PATH=path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "bin" / "asked").read_text() == f"{protected_registry.address}get\n"
    unknown = write_helper(tmp_path / "bin", {}, code=1)
    assert "responded with 401" in kubekeep(*command, DOCKER_CONFIG=folder, PATH=unknown).stderr
    missing = kubekeep(*command, DOCKER_CONFIG=folder)
    assert missing.returncode == 3
    assert "docker-credential-tests, a credential helper in Docker's config.json, is not installed" in missing.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not a valid config.json"),
        ('{"auths": {"@": {"auth": "correct horse"}}}', "not base64"),
        ('{"auths": {"@": {"auth": ["correct horse"]}}}', "not a valid config.json"),
        ('{"credsStore": "../../evil"}', "not a valid name of a credential helper"),
    ],
)
def test_invalid_configuration(text: str, words: str, protected_registry: Service, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text.replace("@", protected_registry.address))
    command = ("library", "pull", protected_registry.reference("locked"), tmp_path / "pulled", "--plain-http")
    result = kubekeep(*command, DOCKER_CONFIG=str(tmp_path))
    assert result.returncode == 3
    assert words in result.stderr
    assert "horse" not in result.stderr


class TokenServer(http.server.BaseHTTPRequestHandler):
    """Token server of the distribution project: JWT, ES256, with the certificate in `x5c`."""

    key: ClassVar[ec.EllipticCurvePrivateKey]
    certificate: ClassVar[x509.Certificate]
    scopes: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        self.grant(query, self.headers.get("Authorization", ""))

    def do_POST(self) -> None:
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.grant(form, f"{form['grant_type'][0]} {form['refresh_token'][0]}")

    def grant(self, query: dict[str, list[str]], credentials: str) -> None:
        basic = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
        self.scopes.append(query["scope"][0])
        kind, name, actions = query["scope"][0].split(":")
        allowed = actions.split(",") if credentials in (basic, "refresh_token for-ann") else ["pull"]
        access = [{"type": kind, "name": name, "actions": allowed}]
        answer = json.dumps({"access_token": self.token(query["service"][0], access)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def token(self, service: str, access: list[dict[str, Any]]) -> str:
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        head = {"alg": "ES256", "typ": "JWT", "x5c": [base64.b64encode(der).decode()]}
        now = int(dt.datetime.now(dt.UTC).timestamp())
        body = {"iss": "tests", "sub": USER, "aud": service, "exp": now + 60, "nbf": now - 60, "iat": now, "jti": "1"}
        text = ".".join(encode_base64(json.dumps(part).encode()) for part in (head, {**body, "access": access}))
        r, s = decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{encode_base64(r.to_bytes(32) + s.to_bytes(32))}"

    def log_message(self, format: str, *args: object) -> None:
        pass


def encode_base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def create_certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Return a self-signed certificate for the loopback address."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    return (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A registry that requires tokens from a token server, like public registries."""
    folder = tmp_path_factory.mktemp("tokens")
    TokenServer.key = ec.generate_private_key(ec.SECP256R1())
    TokenServer.certificate = create_certificate(TokenServer.key)
    (folder / "root.pem").write_bytes(TokenServer.certificate.public_bytes(serialization.Encoding.PEM))
    with run_server(TokenServer) as address:
        settings = {"realm": f"http://{address}/token", "service": "a registry", "issuer": "tests"}
        with run_registry(
            folder, auth={"token": {**settings, "rootcertbundle": str(folder / "root.pem")}}
        ) as registry_service:
            yield registry_service


def test_tokens(tokens: Service, rules: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    reference = tokens.reference("with/tokens")
    push = ("library", "push", rules, reference, "--plain-http", "--key", keys[0])
    denied = kubekeep(*push)
    assert denied.returncode == 3
    assert "responded with 401" in denied.stderr
    for settings in (auth_settings(tokens.address), {"auths": {tokens.address: {"identitytoken": "for-ann"}}}):
        pushed = kubekeep(*push, DOCKER_CONFIG=write_config(tmp_path / "docker", **settings))
        assert pushed.returncode == 0, pushed.stderr
    # Pulling needs no credentials.
    pulled = kubekeep("library", "pull", reference, tmp_path / "pulled", "--plain-http", "--key", keys[1])
    assert pulled.returncode == 0, pulled.stderr
    assert "repository:with/tokens:pull" in TokenServer.scopes


def test_tls_is_verified(rules: Path, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "tls.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (tmp_path / "tls.pem").write_bytes(create_certificate(key).public_bytes(serialization.Encoding.PEM))
    tls = {"certificate": str(tmp_path / "tls.pem"), "key": str(tmp_path / "tls.key")}
    with run_registry(tmp_path / "registry", tls=tls) as service:
        reference = service.reference("over/tls")
        unknown = kubekeep("library", "push", rules, reference)
        assert unknown.returncode == 3
        assert "certificate" in unknown.stderr
        # A process reads the certificate authorities once.
        push = [sys.executable, "-m", "kubekeep", "library", "push", str(rules), str(reference)]
        authorities = {"DOCKER_CONFIG": "/nowhere", "SSL_CERT_FILE": str(tmp_path / "tls.pem")}
        known = subprocess.run(push, env=os.environ | authorities, capture_output=True, timeout=120, check=False)
        assert known.returncode == 0, known.stderr
        without_tls = kubekeep("library", "push", rules, reference, "--plain-http")
        assert without_tls.returncode == 3


def test_plain_http_needs_option(service: Service, rules: Path) -> None:
    result = kubekeep("library", "push", rules, service.reference("plain"))
    assert result.returncode == 3
    assert "cannot be reached" in result.stderr
