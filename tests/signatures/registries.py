"""Registries of the tests, and images in them: one with the referrers API of OCI 1.1, one without (Debian's)."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from kubekeep.registry.credentials import Keychain
from kubekeep.registry.manifest import Descriptor, compute_digest
from kubekeep.registry.reference import ArtifactReference
from kubekeep.registry.repository import OciRepository
from tests.oracles.program import GoProgram, NoGoError

PROGRAM: Final = GoProgram(Path(__file__).parent / "referrers_registry")
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubekeep" / "integrations"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


def build_registry() -> Path:
    """Return the registry with the referrers API, built if necessary. Skips the test without Go."""
    try:
        return PROGRAM.build()
    except NoGoError as error:
        assert "CI" not in os.environ, "CI requires Go to build the registry with the referrers API"
        pytest.skip(str(error))


@contextlib.contextmanager
def run_referrers_registry() -> Iterator[str]:
    """Run the registry with the referrers API; yield its address."""
    with subprocess.Popen([build_registry()], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def find_cosign(name: str = "cosign") -> Path:
    """Return the program cosign from the cache folder, which scripts/test-integrations fills; else skip the test."""
    program = _CACHE / "bin" / name
    if not program.exists():
        pytest.skip(f"{name} is not installed: run scripts/test-integrations")
    return program


class SignedRepository:
    """A repository with one image, to which tests attach signatures."""

    def __init__(self, address: str, name: str) -> None:
        self.address, self.name = address, name
        self.client = OciRepository(ArtifactReference(address, name), Keychain(), plain_http=True)
        self.image = self.put_image(name)

    @property
    def reference(self) -> str:
        return f"{self.address}/{self.name}:1"

    @property
    def digest(self) -> str:
        return self.image.digest

    def put_image(self, text: str, tag: str = "1") -> Descriptor:
        layer = text.encode()
        config = {
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": [compute_digest(layer)]},
        }
        return self.put(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": self.put_blob(json.dumps(config).encode(), CONFIG),
                "layers": [self.put_blob(layer, "application/vnd.oci.image.layer.v1.tar")],
            },
            tag,
        )

    def put_blob(self, content: bytes, media_type: str, **annotations: str) -> dict[str, Any]:
        self.client.put_blob(content)
        descriptor = {"mediaType": media_type, "digest": compute_digest(content), "size": len(content)}
        return descriptor | ({"annotations": annotations} if annotations else {})

    def put(self, document: dict[str, Any], tag: str = "") -> Descriptor:
        content = json.dumps(document).encode()
        digest = compute_digest(content)
        self.client.put_manifest(tag or digest, content, document["mediaType"])
        return Descriptor(media_type=document["mediaType"], digest=digest, size=len(content))

    def put_legacy(self, suffix: str, *layers: tuple[bytes, str, dict[str, str]]) -> None:
        """Put the layers (content, type, annotations) under a tag of cosign, which is replaced."""
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.put_blob(b"{}", CONFIG),
            "layers": [self.put_blob(content, kind, **annotations) for content, kind, annotations in layers],
        }
        self.put(document, f"{self.digest.replace(':', '-')}.{suffix}")

    def put_referrer(self, content: bytes, media_type: str, *, subject: Descriptor | None = None, **fields: Any) -> str:
        """Attach an artifact as cosign 3 does: with the tag of referrers if the registry has no API."""
        target = subject or self.image
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": media_type,
            "config": self.put_blob(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [self.put_blob(content, media_type)],
            "subject": msgspec.to_builtins(target),
            **fields,
        }
        referrer = self.put(document)
        if not any(self.client.iterate_referrers(target.digest)):
            entry = msgspec.to_builtins(referrer) | {"artifactType": "application/vnd.oci.empty.v1+json"}
            self.put({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}, target.digest.replace(":", "-"))
        return referrer.digest


def decode(text: str) -> bytes:
    return base64.b64decode(text)
