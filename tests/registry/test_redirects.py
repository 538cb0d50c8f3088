"""Redirects and credentials: test servers that misbehave as real registries do not."""

from __future__ import annotations

import http.server
import json
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from kubekeep.registry.credentials import Keychain
from kubekeep.registry.errors import RegistryError, RejectedArtifactError
from kubekeep.registry.manifest import Descriptor, create_descriptor, decode_manifest
from kubekeep.registry.reference import ArtifactReference
from kubekeep.registry.repository import OciRepository
from tests.registry.service import run_server

CONTENT = b"content"
BLOB = create_descriptor(CONTENT, "text/plain")


class QuietHandler(http.server.BaseHTTPRequestHandler):
    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class BlobHost(QuietHandler):
    """Another host that stores the blobs of the registry."""

    received: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.received.append(self.headers.get("Authorization"))
        self.reply(200, CONTENT)


class RedirectingRegistry(QuietHandler):
    """A registry that requires a password and redirects to `target`."""

    target: ClassVar[str] = ""
    received: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.received.append(self.headers.get("Authorization"))
        if self.headers.get("Authorization") is None:
            self.reply(401, WWW_Authenticate='Basic realm="tests"')
        else:
            self.reply(307, Location=self.target)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[OciRepository]:
    RedirectingRegistry.received, BlobHost.received = [], []
    with run_server(RedirectingRegistry) as address:
        (tmp_path / "config.json").write_text(json.dumps({"auths": {address: {"username": "ann", "password": "x"}}}))
        with OciRepository(
            ArtifactReference(address, "a"), Keychain(tmp_path / "config.json"), plain_http=True
        ) as repository:
            yield repository


def test_credentials_are_sent_to_registry_only(repository: OciRepository) -> None:
    with run_server(BlobHost) as address:
        RedirectingRegistry.target = f"http://{address}/blob"
        assert repository.get_blob(BLOB, 100) == CONTENT
    assert RedirectingRegistry.received == [None, "Basic YW5uOng="]
    assert BlobHost.received == [None]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/blob", "http://", "http://[", "//[::1"])
def test_redirect_to_invalid_address(repository: OciRepository, target: str) -> None:
    RedirectingRegistry.target = target
    with pytest.raises(RegistryError) as error:
        repository.get_blob(BLOB, 100)
    assert "YW5uOng" not in str(error.value)


def test_redirect_loop(repository: OciRepository) -> None:
    RedirectingRegistry.target = ""
    with pytest.raises(RegistryError, match="redirects more than 5 times"):
        repository.get_blob(BLOB, 100)


def test_blob_larger_than_declared(repository: OciRepository) -> None:
    with run_server(BlobHost) as address:
        RedirectingRegistry.target = f"http://{address}/blob"
        with pytest.raises(RejectedArtifactError, match="returned more than 3 bytes"):
            repository.get_blob(Descriptor(media_type="text/plain", digest=BLOB.digest, size=3), 100)


class HostileRegistry(QuietHandler):
    """A registry whose error contains control characters."""

    def do_GET(self) -> None:
        message = "\x1b[2Jall is well\n" + "x" * 10_000
        self.reply(500, json.dumps({"errors": [{"code": "UNKNOWN", "message": message}]}).encode())


def test_registry_error_is_escaped_and_shortened(tmp_path: Path) -> None:
    with (
        run_server(HostileRegistry) as address,
        OciRepository(ArtifactReference(address, "a"), Keychain(tmp_path / "none"), plain_http=True) as repository,
        pytest.raises(RegistryError, match="responded with 500: UNKNOWN") as error,
    ):
        repository.get_manifest("latest")
    assert "\x1b" not in str(error.value)
    assert len(str(error.value)) < 300


METADATA = "http://169.254.169.254/latest/meta-data/"


@pytest.mark.parametrize("target", [METADATA, "http://[::ffff:169.254.169.254]/", "http://0.0.0.0/"])
def test_redirect_to_metadata_of_a_cloud(repository: OciRepository, target: str) -> None:
    RedirectingRegistry.target = target
    with pytest.raises(RegistryError, match=r"a redirect to .* is not followed"):
        repository.get_blob(BLOB, 100)


class ChallengingRegistry(QuietHandler):
    """A registry whose token server is the metadata service of a cloud."""

    def do_GET(self) -> None:
        self.reply(401, WWW_Authenticate=f'Bearer realm="{METADATA}"')


class NestedRegistry(QuietHandler):
    """A registry whose errors and manifests are nested too deeply to decode."""

    def do_GET(self) -> None:
        self.reply(200 if self.path.endswith("/1.0") else 403, b'{"config":' + b"[" * 100_000)


def test_token_server_is_no_metadata_service(tmp_path: Path) -> None:
    with (
        run_server(ChallengingRegistry) as address,
        OciRepository(ArtifactReference(address, "a"), Keychain(tmp_path / "none"), plain_http=True) as repository,
        pytest.raises(RegistryError, match=r"169\.254\.169\.254 is not followed"),
    ):
        repository.get_manifest("latest")


def test_nested_answers(tmp_path: Path) -> None:
    with (
        run_server(NestedRegistry) as address,
        OciRepository(ArtifactReference(address, "a"), Keychain(tmp_path / "none"), plain_http=True) as repository,
    ):
        with pytest.raises(RegistryError, match="responded with 403"):
            repository.get_manifest("2.0")
        content = repository.get_manifest("1.0")
        with pytest.raises(RejectedArtifactError, match="not a valid artifact manifest"):
            decode_manifest(content or b"", "a")
