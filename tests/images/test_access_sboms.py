"""SBOMs attached to images in a real registry, in the forms of OCI referrers, cosign and BuildKit."""

from __future__ import annotations

import base64
import http.server
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kubekeep.images.access.open_image import open_image
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.errors import ImageAccessError
from kubekeep.registry.credentials import Keychain
from kubekeep.registry.reference import ArtifactReference
from kubekeep.registry.repository import OciRepository
from tests.images.access_fixtures import digest_of
from tests.images.building import CONFIG, INDEX, LAYER, MANIFEST, Descriptor
from tests.images.relay import reply, run_relay
from tests.registry.service import Service

SPDX = json.dumps({"spdxVersion": "SPDX-2.3", "name": "team/app"}).encode()
CYCLONEDX = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6"}).encode()
EMPTY = "application/vnd.oci.empty.v1+json"
IN_TOTO = "application/vnd.in-toto+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


class ImagePublisher:
    """Puts images and their attachments into a repository of its own."""

    def __init__(self, address: str, repository: str) -> None:
        self.address = address
        self.repository = repository
        self._client = OciRepository(ArtifactReference(address, repository), Keychain(), plain_http=True)
        self.image = self.put_image([b"layer"])

    def put_blob(self, content: bytes, media_type: str, **fields: Any) -> Descriptor:
        self._client.put_blob(content)
        return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **fields}

    def put_manifest(self, document: dict[str, Any], version: str = "") -> Descriptor:
        content = json.dumps(document).encode()
        url = f"http://{self.address}/v2/{self.repository}/manifests/{version or digest_of(content)}"
        httpx2.put(url, content=content, headers={"Content-Type": document["mediaType"]}).raise_for_status()
        return {"mediaType": document["mediaType"], "digest": digest_of(content), "size": len(content)}

    def put_image(self, layers: list[bytes]) -> Descriptor:
        config = {
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {"diff_ids": [digest_of(layer) for layer in layers]},
        }
        return self.put_manifest(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": self.put_blob(json.dumps(config).encode(), CONFIG),
                "layers": [self.put_blob(layer, LAYER) for layer in layers],
            },
            "1",
        )

    def put_artifact(self, content: bytes, media_type: str, *, version: str = "", **annotations: str) -> Descriptor:
        """Put an artifact with one layer."""
        names = {"predicate": "in-toto.io/predicate-type", "cosign": "predicateType"}
        layer = {"annotations": {names[name]: value for name, value in annotations.items()}}
        return self.put_manifest(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": media_type,
                "config": self.put_blob(b"{}", EMPTY),
                "layers": [self.put_blob(content, media_type, **layer)],
            },
            version,
        )

    def put_referrers(self, entries: list[Descriptor]) -> None:
        """Put the fallback tag of OCI 1.1, for registries without a list of referrers."""
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        self.put_manifest(index, self.image["digest"].replace(":", "-"))

    def list_sboms(self, address: str = "") -> list[tuple[str, bytes]]:
        with open_image(f"{address or self.address}/{self.repository}:1", AccessOptions(plain_http=True)) as image:
            return [(sbom.media_type, sbom.document) for sbom in image.iterate_sboms()]

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def publisher(image_registry: Service, request: pytest.FixtureRequest) -> Iterator[ImagePublisher]:
    name = digest_of(request.node.name.encode()).removeprefix("sha256:")
    running = ImagePublisher(image_registry.address, f"sboms/{name}")
    yield running
    running.close()


def state(predicate: object, digest: str, kind: str = "https://spdx.dev/Document") -> bytes:
    """Return a statement of in-toto about a digest."""
    subject = [{"name": "app", "digest": {"sha256": digest.removeprefix("sha256:")}}]
    statement = {"_type": "https://in-toto.io/Statement/v0.1", "predicateType": kind, "subject": subject}
    return json.dumps({**statement, "predicate": predicate}).encode()


def wrap(statement: bytes) -> bytes:
    """Return a DSSE envelope."""
    payload = base64.b64encode(statement).decode()
    return json.dumps({"payloadType": IN_TOTO, "payload": payload, "signatures": [{"sig": "AA=="}]}).encode()


def test_image_without_sboms(publisher: ImagePublisher) -> None:
    assert publisher.list_sboms() == []


def test_tag_of_cosign(publisher: ImagePublisher) -> None:
    tag = publisher.image["digest"].replace(":", "-")
    publisher.put_artifact(SPDX, "text/spdx+json", version=f"{tag}.sbom")
    assert publisher.list_sboms() == [("text/spdx+json", SPDX)]


@pytest.mark.parametrize("as_text", [False, True])
def test_attestation_of_cosign(as_text: bool, publisher: ImagePublisher) -> None:  # noqa: FBT001
    digest = publisher.image["digest"]
    predicate = {"Data": CYCLONEDX.decode(), "Timestamp": "now"} if as_text else json.loads(CYCLONEDX)
    kind = "https://cyclonedx.org/bom"
    statement = state(predicate, digest, kind)
    publisher.put_artifact(wrap(statement), DSSE, version=f"{digest.replace(':', '-')}.att", cosign=kind)
    assert publisher.list_sboms() == [(kind, CYCLONEDX)]


def test_referrers_by_tag(publisher: ImagePublisher) -> None:
    digest = publisher.image["digest"]
    bundle = json.dumps({"mediaType": BUNDLE, "dsseEnvelope": json.loads(wrap(state(json.loads(SPDX), digest)))})
    plain = publisher.put_artifact(CYCLONEDX, "application/vnd.cyclonedx+json")
    signed = publisher.put_artifact(bundle.encode(), BUNDLE)
    signature = publisher.put_artifact(b"{}", "application/vnd.cncf.notary.signature")
    publisher.put_referrers(
        [
            {**plain, "artifactType": "application/vnd.cyclonedx+json"},
            # Registries without the list write this type (cosign 3).
            {**signed, "artifactType": EMPTY},
            {**signature, "artifactType": "application/vnd.cncf.notary.signature"},
        ]
    )
    assert publisher.list_sboms() == [
        ("application/vnd.cyclonedx+json", CYCLONEDX),
        ("https://spdx.dev/Document", SPDX),
    ]


def test_referrers_by_list(publisher: ImagePublisher) -> None:
    artifact = publisher.put_artifact(SPDX, "application/spdx+json")
    entries = [{**artifact, "artifactType": "application/spdx+json"}]
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()

    def answer(handler: http.server.BaseHTTPRequestHandler) -> bool:
        return f"/referrers/{publisher.image['digest']}" in handler.path and reply(handler, 200, index)

    with run_relay(publisher.address) as relay:
        relay.hook = answer
        assert publisher.list_sboms(relay.address) == [("application/spdx+json", SPDX)]


def test_attestation_of_buildkit(publisher: ImagePublisher) -> None:
    digest = publisher.image["digest"]
    statement = state(json.loads(SPDX), digest)
    attestation = publisher.put_artifact(statement, IN_TOTO, predicate="https://spdx.dev/Document")
    provenance = publisher.put_artifact(b"{}", IN_TOTO, predicate="https://slsa.dev/provenance/v0.2")
    about = {
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest},
    }
    platform = {"platform": {"os": "linux", "architecture": "amd64"}}
    entries = [{**publisher.image, **platform}, {**attestation, **about}, {**provenance, **about}]
    publisher.put_manifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, "1")
    assert publisher.list_sboms() == [("https://spdx.dev/Document", SPDX)]


def test_attestation_of_another_image(publisher: ImagePublisher) -> None:
    tag = publisher.image["digest"].replace(":", "-")
    statement = state(json.loads(SPDX), "sha256:" + "0" * 64)
    publisher.put_artifact(wrap(statement), DSSE, version=f"{tag}.att")
    assert publisher.list_sboms() == []


@pytest.mark.parametrize(
    "content", [b"{", b'{"payload": "?"}', b'{"payload": "e30=", "dsseEnvelope": 1}', b"[" * 10_000]
)
def test_damaged_attestation(content: bytes, publisher: ImagePublisher) -> None:
    tag = publisher.image["digest"].replace(":", "-")
    publisher.put_artifact(content, DSSE, version=f"{tag}.att")
    with pytest.raises(ImageAccessError, match=r"attached SBOMs: sha256:.* is not a valid attestation"):
        publisher.list_sboms()


def test_large_sbom_is_not_fetched(publisher: ImagePublisher, tmp_path: Path) -> None:
    tag = publisher.image["digest"].replace(":", "-")
    content = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": EMPTY, "digest": digest_of(b"{}"), "size": 2},
            "layers": [{"mediaType": "text/spdx+json", "digest": digest_of(b"x"), "size": 1 << 40}],
        }
    ).encode()

    def answer(handler: http.server.BaseHTTPRequestHandler) -> bool:
        return handler.path.endswith(f"{tag}.sbom") and reply(handler, 200, content)

    with run_relay(publisher.address) as relay:
        relay.hook = answer
        with pytest.raises(ImageAccessError, match=r"has 1,099,511,627,776 bytes; at most"):
            publisher.list_sboms(relay.address)
    assert not list(tmp_path.iterdir())
