"""Push and pull of single-layer artifacts. A tag never points to an unsigned version while pushing.

Pulled content is returned only if digest and signature are valid.
"""

from __future__ import annotations

import msgspec

from kubekeep.registry import signature
from kubekeep.registry.errors import MissingArtifactError, RejectedArtifactError
from kubekeep.registry.keys import PrivateKey, PublicKey
from kubekeep.registry.manifest import (
    EMPTY,
    EMPTY_CONTENT,
    Manifest,
    compute_digest,
    create_descriptor,
    decode_manifest,
)
from kubekeep.registry.reference import ArtifactReference
from kubekeep.registry.repository import OciRepository


class ArtifactFormat(msgspec.Struct, frozen=True):
    """The type of an artifact and of its layer, and the maximum size of the layer in bytes."""

    artifact_type: str
    layer_type: str
    maximum_bytes: int


class PulledArtifact(msgspec.Struct, frozen=True):
    """A pulled artifact: digest of the manifest, annotations, and content of the layer."""

    digest: str
    annotations: dict[str, str]
    layer: bytes


def push(
    repository: OciRepository,
    reference: ArtifactReference,
    artifact_format: ArtifactFormat,
    layer: tuple[bytes, dict[str, str]],
    annotations: dict[str, str],
    key: PrivateKey | None = None,
) -> str:
    """Store `layer` (content and annotations) under the tag of `reference`, signed with `key`; return the digest.

    Raises RegistryError.
    """
    content, layer_annotations = layer
    manifest = Manifest(
        artifact_type=artifact_format.artifact_type,
        config=create_descriptor(EMPTY_CONTENT, EMPTY),
        layers=(create_descriptor(content, artifact_format.layer_type, layer_annotations),),
        annotations=annotations,
    ).encode()
    digest = compute_digest(manifest)
    for blob in (EMPTY_CONTENT, content):
        repository.put_blob(blob)
    repository.put_manifest(digest, manifest)
    if key is not None:
        signature.sign(repository, reference, digest, key)
    repository.put_manifest(reference.tag, manifest)
    return digest


def pull(
    repository: OciRepository,
    reference: ArtifactReference,
    artifact_format: ArtifactFormat,
    key: PublicKey | None = None,
) -> PulledArtifact:
    """Return the artifact.

    Raises RegistryError, MissingArtifactError if it does not exist, and RejectedArtifactError for another type or, if `key` is set, without its signature.
    """
    content = repository.get_manifest(reference.version)
    if content is None:
        raise MissingArtifactError(f"{reference.repository} {reference.version} does not exist in {reference.registry}")
    digest = compute_digest(content)
    if key is not None:
        # The signature is verified before the manifest is parsed.
        signature.verify(repository, digest, key)
    manifest = decode_manifest(content, str(reference))
    if manifest.artifact_type != artifact_format.artifact_type:
        raise RejectedArtifactError(f"{reference}: not an artifact of type {artifact_format.artifact_type}")
    match manifest.layers:
        case (layer,) if layer.media_type == artifact_format.layer_type:
            return PulledArtifact(
                digest, manifest.annotations or {}, repository.get_blob(layer, artifact_format.maximum_bytes)
            )
        case _:
            raise RejectedArtifactError(f"{reference}: not exactly one layer of type {artifact_format.layer_type}")
