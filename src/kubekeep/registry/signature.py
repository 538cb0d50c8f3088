"""Cosign signatures of manifests: ECDSA over a simple signing payload, stored under a separate tag.

A signature covers the digest, not the name or tag, so that copies in other registries stay signed. Transparency logs
and certificates are not read.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep.registry.errors import RejectedArtifactError
from kubekeep.registry.manifest import CONFIG, Descriptor, Manifest, create_descriptor, decode_manifest
from kubekeep.registry.reference import ArtifactReference
from kubekeep.registry.repository import OciRepository

_PAYLOAD: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
_ANNOTATION: Final = "dev.cosignproject.cosign/signature"
_TYPE: Final = "cosign container image signature"
_MOST_SIGNATURES: Final = 100
_MOST_BYTES: Final = 64 << 10
_ALGORITHM: Final = ec.ECDSA(hashes.SHA256())


class _SigningPayload(msgspec.Struct, frozen=True):
    class SignedClaims(msgspec.Struct, frozen=True):
        class SignedImage(msgspec.Struct, frozen=True):
            digest: str = msgspec.field(name="docker-manifest-digest")

        image: SignedImage
        type: str

    critical: SignedClaims


def sign(repository: OciRepository, reference: ArtifactReference, digest: str, key: ec.EllipticCurvePrivateKey) -> None:
    """Add a signature of the manifest `digest`, unless `key` has already signed it."""
    if _is_signed(repository, digest, key.public_key()):
        return
    payload = _create_payload(reference.name, digest)
    signature = base64.b64encode(key.sign(payload, _ALGORITHM)).decode()
    existing = _get_signatures(repository, digest)
    layers = (*(existing.layers if existing else ()), create_descriptor(payload, _PAYLOAD, {_ANNOTATION: signature}))
    config = _create_config(layers)
    for content in (payload, config):
        repository.put_blob(content)
    manifest = Manifest(config=create_descriptor(config, CONFIG), layers=layers)
    repository.put_manifest(_signature_tag(digest), manifest.encode())


def verify(repository: OciRepository, digest: str, key: ec.EllipticCurvePublicKey) -> None:
    """Raise RejectedArtifactError unless the manifest `digest` has a signature by `key`."""
    manifest = _get_signatures(repository, digest)
    if manifest is None:
        raise RejectedArtifactError(f"{digest} is not signed: the repository has no tag {_signature_tag(digest)}")
    if not _is_signed(repository, digest, key):
        raise RejectedArtifactError(
            f"{digest} is not signed with this key: none of its {len(manifest.layers)} signatures matches"
        )


def _is_signed(repository: OciRepository, digest: str, key: ec.EllipticCurvePublicKey) -> bool:
    manifest = _get_signatures(repository, digest)
    return manifest is not None and any(
        _verify_signature(key, signature, payload) and _read_digest(payload) == digest
        for payload, signature in _list_signatures(repository, manifest)
    )


def _list_signatures(repository: OciRepository, manifest: Manifest) -> Iterator[tuple[bytes, bytes]]:
    """Yield (payload, signature) of each layer of a signature manifest."""
    for layer in manifest.layers:
        if layer.media_type != _PAYLOAD:
            continue
        try:
            signature = base64.b64decode(layer.annotations.get(_ANNOTATION, ""), validate=True)
        except (binascii.Error, ValueError):
            continue
        if signature:
            yield repository.get_blob(layer, _MOST_BYTES), signature


def _verify_signature(key: ec.EllipticCurvePublicKey, signature: bytes, payload: bytes) -> bool:
    try:
        key.verify(signature, payload, _ALGORITHM)
    except InvalidSignature:
        return False
    return True


def _read_digest(payload: bytes) -> str:
    """Return the signed digest of a payload, or "" if it is not a payload."""
    try:
        critical = msgspec.json.decode(payload, type=_SigningPayload).critical
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return critical.image.digest if critical.type == _TYPE else ""


def _get_signatures(repository: OciRepository, digest: str) -> Manifest | None:
    content = repository.get_manifest(_signature_tag(digest))
    if content is None:
        return None
    manifest = decode_manifest(content, _signature_tag(digest))
    if len(manifest.layers) > _MOST_SIGNATURES:
        raise RejectedArtifactError(
            f"{_signature_tag(digest)} has {len(manifest.layers)} signatures; the limit is {_MOST_SIGNATURES}"
        )
    return manifest


def _signature_tag(digest: str) -> str:
    return f"{digest.replace(':', '-')}.sig"


def _create_payload(name: str, digest: str) -> bytes:
    critical = {"identity": {"docker-reference": name}, "image": {"docker-manifest-digest": digest}, "type": _TYPE}
    return msgspec.json.encode({"critical": critical, "optional": None})


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
