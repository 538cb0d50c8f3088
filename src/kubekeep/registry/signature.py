"""Signatures of manifests as cosign makes them: ECDSA over a simple signing payload, kept under a tag of their own.

Says who made an artifact, not which name or tag it has to have: copies in other registries stay signed. Transparency
logs and certificates are not read.
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

from kubekeep.registry.artifact import CONFIG, Descriptor, Manifest, decode, describe
from kubekeep.registry.errors import RefusedError
from kubekeep.registry.reference import Reference
from kubekeep.registry.repository import Repository

_PAYLOAD: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
_ANNOTATION: Final = "dev.cosignproject.cosign/signature"
_TYPE: Final = "cosign container image signature"
_MOST_SIGNATURES: Final = 100
_MOST_BYTES: Final = 64 << 10
_ALGORITHM: Final = ec.ECDSA(hashes.SHA256())


class _Payload(msgspec.Struct, frozen=True):
    class Critical(msgspec.Struct, frozen=True):
        class Image(msgspec.Struct, frozen=True):
            digest: str = msgspec.field(name="docker-manifest-digest")

        image: Image
        type: str

    critical: Critical


def sign(repository: Repository, reference: Reference, digest: str, key: ec.EllipticCurvePrivateKey) -> None:
    """Add a signature of the manifest `digest` to those it has, unless one by `key` is there."""
    if _is_signed(repository, digest, key.public_key()):
        return
    text = _payload(reference.name, digest)
    signature = base64.b64encode(key.sign(text, _ALGORITHM)).decode()
    before = _signatures(repository, digest)
    layers = (*(before.layers if before else ()), describe(text, _PAYLOAD, {_ANNOTATION: signature}))
    config = _config(layers)
    for content in (text, config):
        repository.put_blob(content)
    manifest = Manifest(config=describe(config, CONFIG), layers=layers)
    repository.put_manifest(_tag(digest), manifest.encoded())


def verify(repository: Repository, digest: str, key: ec.EllipticCurvePublicKey) -> None:
    """Raise RefusedError unless a signature by `key` speaks for the manifest `digest`."""
    manifest = _signatures(repository, digest)
    if manifest is None:
        raise RefusedError(f"{digest} is not signed: the repository has no tag {_tag(digest)}")
    if not _is_signed(repository, digest, key):
        raise RefusedError(f"{digest} is not signed with this key: none of its {len(manifest.layers)} signatures is")


def _is_signed(repository: Repository, digest: str, key: ec.EllipticCurvePublicKey) -> bool:
    manifest = _signatures(repository, digest)
    return manifest is not None and any(
        _is_by(key, signature, text) and _speaks_for(text) == digest for text, signature in _found(repository, manifest)
    )


def _found(repository: Repository, manifest: Manifest) -> Iterator[tuple[bytes, bytes]]:
    """Each (payload, signature) of a manifest of signatures."""
    for layer in manifest.layers:
        if layer.media_type != _PAYLOAD:
            continue
        try:
            signature = base64.b64decode(layer.annotations.get(_ANNOTATION, ""), validate=True)
        except (binascii.Error, ValueError):
            continue
        if signature:
            yield repository.blob(layer, _MOST_BYTES), signature


def _is_by(key: ec.EllipticCurvePublicKey, signature: bytes, text: bytes) -> bool:
    try:
        key.verify(signature, text, _ALGORITHM)
    except InvalidSignature:
        return False
    return True


def _speaks_for(text: bytes) -> str:
    """The digest that a payload is about; empty for what is no payload."""
    try:
        critical = msgspec.json.decode(text, type=_Payload).critical
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return critical.image.digest if critical.type == _TYPE else ""


def _signatures(repository: Repository, digest: str) -> Manifest | None:
    content = repository.manifest(_tag(digest))
    if content is None:
        return None
    manifest = decode(content, _tag(digest))
    if len(manifest.layers) > _MOST_SIGNATURES:
        raise RefusedError(f"{_tag(digest)} has {len(manifest.layers)} signatures, {_MOST_SIGNATURES} at most")
    return manifest


def _tag(digest: str) -> str:
    return f"{digest.replace(':', '-')}.sig"


def _payload(name: str, digest: str) -> bytes:
    critical = {"identity": {"docker-reference": name}, "image": {"docker-manifest-digest": digest}, "type": _TYPE}
    return msgspec.json.encode({"critical": critical, "optional": None})


def _config(layers: tuple[Descriptor, ...]) -> bytes:
    """The configuration that clients of images look for; the payloads are not compressed, so each is its own diff."""
    config: dict[str, Any] = {
        "architecture": "",
        "os": "",
        "created": "0001-01-01T00:00:00Z",
        "config": {},
        "history": [{"created": "0001-01-01T00:00:00Z"} for _ in layers],
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
    }
    return msgspec.json.encode(config)
