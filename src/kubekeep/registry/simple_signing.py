"""Simple signing: cosign's payload for the digest of a manifest, and the tags `.sig` and `.att`, which collect layers.

Payloads are decoded, and never verified.
"""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec

from kubekeep.registry.attachments import tag_of
from kubekeep.registry.errors import RegistryError, RejectedArtifactError
from kubekeep.registry.manifest import CONFIG, Descriptor, Manifest, create_descriptor, decode_manifest
from kubekeep.registry.repository import OciRepository

PAYLOAD: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE: Final = "dev.cosignproject.cosign/signature"
_TYPE: Final = "cosign container image signature"
_MOST_LAYERS: Final = 100
_ATTEMPTS: Final = 8
_SETTLING: Final = 0.3
"""Seconds after which a signature must still be in its tag: another client writes back what it has read before."""


class _SignedImage(msgspec.Struct, frozen=True):
    digest: str = msgspec.field(name="docker-manifest-digest")


class _SignedName(msgspec.Struct, frozen=True):
    reference: str = msgspec.field(name="docker-reference", default="")


class _SignedClaims(msgspec.Struct, frozen=True):
    image: _SignedImage
    type: str
    identity: _SignedName = _SignedName()


class SigningPayload(msgspec.Struct, frozen=True):
    """A payload: the signed digest, the name at the time of signing, and annotations."""

    critical: _SignedClaims
    optional: dict[str, Any] | None = None

    @property
    def digest(self) -> str:
        """The signed digest; "" for a payload of another type."""
        return self.critical.image.digest if self.critical.type == _TYPE else ""


def create_payload(name: str, digest: str, annotations: dict[str, str] | None = None) -> bytes:
    """Return the payload for a digest; `name` is the repository."""
    critical = {"identity": {"docker-reference": name}, "image": {"docker-manifest-digest": digest}, "type": _TYPE}
    return msgspec.json.encode({"critical": critical, "optional": annotations or None})


def decode_payload(content: bytes) -> SigningPayload:
    """Decode a payload. Raises ValueError."""
    try:
        return msgspec.json.decode(content, type=SigningPayload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a payload of simple signing: {error}") from error


def get_layers(repository: OciRepository, digest: str, suffix: str) -> tuple[Descriptor, ...] | None:
    """Return the layers of a tag of cosign, or None if it does not exist.

    Raises RegistryError, and RejectedArtifactError for an invalid manifest or above the limit.
    """
    tag = tag_of(digest, suffix)
    content = repository.get_manifest(tag)
    if content is None:
        return None
    layers = decode_manifest(content, tag).layers
    if len(layers) > _MOST_LAYERS:
        raise RejectedArtifactError(f"{tag} has {len(layers)} signatures; the limit is {_MOST_LAYERS}")
    return layers


def append_layer(repository: OciRepository, digest: str, suffix: str, content: bytes, layer: Descriptor) -> None:
    """Add a layer to a tag of cosign, beside those that are there, also if others add theirs at the same time.

    Registries have no conditional writes: the tag is read again later, and the layer is added again if it is missing.
    Raises RegistryError and RejectedArtifactError.
    """
    repository.put_blob(content)
    for _ in range(_ATTEMPTS):
        layers = get_layers(repository, digest, suffix) or ()
        if layer in layers:
            return
        config = _create_config((*layers, layer))
        repository.put_blob(config)
        manifest = Manifest(config=create_descriptor(config, CONFIG), layers=(*layers, layer))
        repository.put_manifest(tag_of(digest, suffix), manifest.encode())
        time.sleep(_SETTLING)
    raise RegistryError(f"{tag_of(digest, suffix)}: other clients replace the tag all the time; try again")


def _create_config(layers: tuple[Descriptor, ...]) -> bytes:
    """Return the image configuration that clients expect; payloads are uncompressed: their digests are the diff IDs."""
    config: dict[str, Any] = {
        "architecture": "",
        "os": "",
        "created": "0001-01-01T00:00:00Z",
        "config": {},
        "history": [{"created": "0001-01-01T00:00:00Z"} for _ in layers],
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
    }
    return msgspec.json.encode(config)
