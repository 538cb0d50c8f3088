"""Wrong settings: the command names the setting and the cause, and starts nothing. TLS of the server itself."""

from __future__ import annotations

import datetime as dt
import ssl
import subprocess
from pathlib import Path
from typing import Final

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.server.embedded import run_server
from tests.server.live import COMMAND, environment

USAGE_ERROR: Final = 2


def write_certificate(folder: Path, name: str = "server", password: bytes = b"") -> tuple[str, str]:
    """Write a certificate for localhost with its key, and return both paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(*form))
    return str(folder / f"{name}.pem"), str(folder / f"{name}.key")


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "--listen", "127.0.0.1:0", *arguments],
        cwd=folder,
        env=environment() | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def check_refusal(result: subprocess.CompletedProcess[str], message: str) -> None:
    assert (result.returncode, result.stdout) == (USAGE_ERROR, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("subcommand", [(), ("check",)])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--tls-certificate", "absent.pem", "--tls-key", "absent.key"),
            "absent.pem, tls_key absent.key: No such file",
        ),
        (("--tls-certificate", "text", "--tls-key", "text"), "both must be PEM"),
        (("--tls-certificate", "one.pem", "--tls-key", "two.key"), "belong together"),
        (("--tls-certificate", "locked.pem", "--tls-key", "locked.key"), "without a password"),
        (("--tls-certificate", "one.pem"), "tls_certificate and tls_key require each other"),
        (("--database", "mysql://root@localhost/x"), "use sqlite:///FILE or postgresql://HOST/NAME"),
        (("--database", "text"), "database: "),
        (("--listen", "localhost"), "'localhost' is not HOST:PORT"),
        (("--config", "absent.toml"), "absent.toml: No such file"),
        (("--config", "text"), "not TOML"),
        (("--config", "unknown.toml"), "unknown field `ports`"),
        (("--config", "small.toml"), "waiting_limit must be at least submission_limit"),
    ],
    ids=str,
)
def test_wrong_settings_are_named(
    tmp_path: Path, arguments: tuple[str, ...], message: str, subcommand: tuple[str, ...]
) -> None:
    for name in ("one", "two"):
        write_certificate(tmp_path, name)
    write_certificate(tmp_path, "locked", b"password")
    (tmp_path / "text").write_text("text")
    (tmp_path / "unknown.toml").write_text("ports = 1\n")
    (tmp_path / "small.toml").write_text("waiting_limit = 1\n")
    check_refusal(run(tmp_path, *arguments, *subcommand), message)
    assert not (tmp_path / "kubekeep-data").exists()


def test_unknown_variable_is_named(tmp_path: Path) -> None:
    check_refusal(run(tmp_path, "check", KUBEKEEP_SERVER_LISTENER="x"), "KUBEKEEP_SERVER_LISTENER: unknown setting")


def test_options_count_before_variables_and_these_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text('database = "file://"\npublic_url = "https://file.example.org"\n')
    file = ("--config", "server.toml", "check")
    check_refusal(run(tmp_path, *file), "database: file: use sqlite:///FILE")
    variable = {"KUBEKEEP_SERVER_DATABASE": "variable://"}
    check_refusal(run(tmp_path, *file, **variable), "database: variable: use sqlite:///FILE")
    check_refusal(run(tmp_path, "--database", "option://", *file, **variable), "database: option: use sqlite:///FILE")
    assert run(tmp_path, "--database", "sqlite:///x.sqlite", *file, **variable).returncode == 0
    assert not (tmp_path / "x.sqlite").exists()


def test_unreachable_database_is_named_without_its_password(tmp_path: Path) -> None:
    result = run(tmp_path, "--database", "postgresql://user:secret-password@127.0.0.1:9/x", "check")
    check_refusal(result, "check that it runs")
    assert "secret-password" not in result.stderr


def test_valid_settings(tmp_path: Path, postgres: str) -> None:
    for options in ((), ("--database", f"{postgres}/postgres")):
        result = run(tmp_path, *options, "check")
        assert (result.returncode, result.stdout) == (0, "The settings and the database can be used.\n")
    assert not (tmp_path / "kubekeep-data").exists()


def test_tls(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    with run_server(tmp_path, "--tls-certificate", certificate, "--tls-key", key) as server:
        assert server.url.startswith("https://")
        context = ssl.create_default_context(cafile=certificate)
        url = server.url.replace("127.0.0.1", "localhost")
        with httpx2.Client(base_url=url, verify=context, timeout=120) as client:
            answer = client.get("/healthz")
        assert (answer.status_code, answer.headers["strict-transport-security"]) == (200, "max-age=31536000")
        with pytest.raises(httpx2.ConnectError, match="certificate"):
            httpx2.get(f"{url}/healthz", timeout=120)
