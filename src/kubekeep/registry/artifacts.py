"""Artifacts of one layer: pushed so that a tag never shows one unsigned, pulled only when digest and signature hold."""

from __future__ import annotations

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep.registry import signature
from kubekeep.registry.artifact import EMPTY, EMPTY_CONTENT, Manifest, decode, describe, digest_of
from kubekeep.registry.errors import RefusedError, RegistryError
from kubekeep.registry.reference import Reference
from kubekeep.registry.repository import Repository


class Kind(msgspec.Struct, frozen=True):
    """What an artifact is for: its type, the type of its layer, and how many bytes that may have."""

    artifact_type: str
    layer_type: str
    most_bytes: int


class Pulled(msgspec.Struct, frozen=True):
    """What came: the digest of the manifest, what it says of itself, and the layer."""

    digest: str
    annotations: dict[str, str]
    layer: bytes


def push(
    repository: Repository,
    reference: Reference,
    kind: Kind,
    layer: tuple[bytes, dict[str, str]],
    annotations: dict[str, str],
    key: ec.EllipticCurvePrivateKey | None = None,
) -> str:
    """Store `layer` (content and annotations) under the tag of `reference`, signed with `key`; returns the digest."""
    content, layer_annotations = layer
    manifest = Manifest(
        artifact_type=kind.artifact_type,
        config=describe(EMPTY_CONTENT, EMPTY),
        layers=(describe(content, kind.layer_type, layer_annotations),),
        annotations=annotations,
    ).encoded()
    digest = digest_of(manifest)
    for blob in (EMPTY_CONTENT, content):
        repository.put_blob(blob)
    repository.put_manifest(digest, manifest)
    if key is not None:
        signature.sign(repository, reference, digest, key)
    repository.put_manifest(reference.tag, manifest)
    return digest


def pull(
    repository: Repository, reference: Reference, kind: Kind, key: ec.EllipticCurvePublicKey | None = None
) -> Pulled:
    """The artifact of `reference`. Raises RefusedError for one of another kind or, with `key`, not signed with it."""
    content = repository.manifest(reference.version)
    if content is None:
        raise RegistryError(f"{reference.registry} has no {reference.repository} {reference.version}")
    digest = digest_of(content)
    if key is not None:
        # Before anything in it is believed.
        signature.verify(repository, digest, key)
    manifest = decode(content, str(reference))
    if manifest.artifact_type != kind.artifact_type:
        raise RefusedError(f"{reference}: an artifact of another kind than {kind.artifact_type}")
    match manifest.layers:
        case (layer,) if layer.media_type == kind.layer_type:
            return Pulled(digest, manifest.annotations or {}, repository.blob(layer, kind.most_bytes))
        case _:
            raise RefusedError(f"{reference}: not one layer of {kind.layer_type}")
