"""Push and pull of artifacts: with one layer in memory, or with files as layers. A tag never points to an unsigned version while pushing.

Pulled content is returned only if digest and signature are valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from kubekeep.registry import signature
from kubekeep.registry.errors import MissingArtifactError, RejectedArtifactError
from kubekeep.registry.keys import PrivateKey, PublicKey
from kubekeep.registry.manifest import (
    EMPTY,
    EMPTY_CONTENT,
    TITLE,
    Descriptor,
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


class ArtifactFile(msgspec.Struct, frozen=True):
    """A file that becomes a layer. title: its name in generic OCI tools."""

    path: Path
    title: str
    digest: str
    size: int


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
    repository.put_blob(content)
    descriptor = create_descriptor(content, artifact_format.layer_type, layer_annotations)
    return _push_manifest(repository, reference, artifact_format, (descriptor,), annotations, key)


def push_files(
    repository: OciRepository,
    reference: ArtifactReference,
    artifact_format: ArtifactFormat,
    files: Sequence[ArtifactFile],
    annotations: dict[str, str],
    key: PrivateKey | None = None,
) -> str:
    """Store files as the layers of an artifact under the tag of `reference`, signed with `key`; return the digest.

    Files are sent without reading them into memory. Raises RegistryError and OSError.
    """
    for file in files:
        repository.put_file(file.path, file.digest, file.size)
    layers = tuple(
        Descriptor(
            media_type=artifact_format.layer_type,
            digest=file.digest,
            size=file.size,
            annotations={TITLE: file.title},
        )
        for file in files
    )
    return _push_manifest(repository, reference, artifact_format, layers, annotations, key)


def _push_manifest(
    repository: OciRepository,
    reference: ArtifactReference,
    artifact_format: ArtifactFormat,
    layers: tuple[Descriptor, ...],
    annotations: dict[str, str],
    key: PrivateKey | None,
) -> str:
    manifest = Manifest(
        artifact_type=artifact_format.artifact_type,
        config=create_descriptor(EMPTY_CONTENT, EMPTY),
        layers=layers,
        annotations=annotations,
    ).encode()
    digest = compute_digest(manifest)
    repository.put_blob(EMPTY_CONTENT)
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
    digest, manifest = resolve(repository, reference, artifact_format, key)
    match manifest.layers:
        case (layer,) if layer.media_type == artifact_format.layer_type:
            return PulledArtifact(
                digest, manifest.annotations or {}, repository.get_blob(layer, artifact_format.maximum_bytes)
            )
        case _:
            raise RejectedArtifactError(f"{reference}: not exactly one layer of type {artifact_format.layer_type}")


def resolve(
    repository: OciRepository,
    reference: ArtifactReference,
    artifact_format: ArtifactFormat,
    key: PublicKey | None = None,
) -> tuple[str, Manifest]:
    """Return the digest and manifest of an artifact, whose layers the caller fetches.

    Raises RegistryError, and RejectedArtifactError for another type or, if `key` is set, without its signature.
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
    return digest, manifest
