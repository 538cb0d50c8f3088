"""Attaching artifacts to a manifest: as referrers of OCI 1.1, and as layers of the tags of cosign.

Registries have no conditional writes. A shared tag is read again after writing, and written again if another client has
replaced it meanwhile; nothing that is there is dropped.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from kubekeep.registry.attachments import tag_of
from kubekeep.registry.errors import RegistryError, RegistryResponseError, RejectedArtifactError
from kubekeep.registry.manifest import (
    CONFIG,
    EMPTY,
    EMPTY_CONTENT,
    INDEX,
    MANIFEST,
    ArtifactIndex,
    Descriptor,
    IndexEntry,
    Manifest,
    compute_digest,
    create_descriptor,
    decode_index,
    decode_manifest,
)
from kubekeep.registry.repository import OciRepository

_MOST_LAYERS: Final = 100
_MOST_REFERRERS: Final = 1000
_ATTEMPTS: Final = 8
_CONFLICTS: Final = (400, 404, 409, 500)
_SETTLING: Final = 0.3
"""Seconds after which an addition must still be there: another client writes back what it has read before."""


def get_layers(repository: OciRepository, digest: str, suffix: str) -> tuple[Descriptor, ...] | None:
    """Return the layers of a tag of cosign, or None if it does not exist.

    Raises RegistryError, and RejectedArtifactError for an invalid manifest or above the limit.
    """
    tag = tag_of(digest, suffix)
    content = repository.get_manifest(tag)
    return None if content is None else _decode_layers(content, tag)


def append_layer(repository: OciRepository, digest: str, suffix: str, content: bytes, layer: Descriptor) -> str:
    """Add a layer to a tag of cosign, beside those that are there; return the tag.

    Raises RegistryError and RejectedArtifactError.
    """
    tag = tag_of(digest, suffix)

    def extend(current: bytes | None) -> bytes | None:
        layers = () if current is None else _decode_layers(current, tag)
        if layer in layers:
            return None
        config = _create_config((*layers, layer))
        for blob in (content, config):
            repository.put_blob(blob)
        return Manifest(config=create_descriptor(config, CONFIG), layers=(*layers, layer)).encode()

    _extend_tag(repository, tag, MANIFEST, extend)
    return tag


def put_referrer(
    repository: OciRepository,
    subject: Descriptor,
    artifact_type: str,
    layer: tuple[bytes, str],
    annotations: dict[str, str],
) -> str:
    """Attach an artifact with one layer (content and type) to `subject`; return its digest.

    A registry without the referrers API gets the tag of its referrers extended, as the specification demands. Raises
    RegistryError and RejectedArtifactError.
    """
    content, media_type = layer
    for blob in (EMPTY_CONTENT, content):
        repository.put_blob(blob)
    manifest = Manifest(
        artifact_type=artifact_type,
        config=create_descriptor(EMPTY_CONTENT, EMPTY),
        layers=(create_descriptor(content, media_type),),
        subject=Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size),
        annotations=annotations,
    ).encode()
    digest = compute_digest(manifest)
    if repository.put_manifest(digest, manifest):
        return digest
    tag = tag_of(subject.digest)
    entry = IndexEntry(
        media_type=MANIFEST, digest=digest, size=len(manifest), artifact_type=artifact_type, annotations=annotations
    )

    def extend(current: bytes | None) -> bytes | None:
        entries = () if current is None else decode_index(current, tag).manifests
        if any(existing.digest == digest for existing in entries):
            return None
        if len(entries) >= _MOST_REFERRERS:
            raise RejectedArtifactError(f"{tag} has {len(entries)} entries; the limit is {_MOST_REFERRERS}")
        return ArtifactIndex(manifests=(*entries, entry)).encode()

    _extend_tag(repository, tag, INDEX, extend)
    return digest


def _extend_tag(
    repository: OciRepository, tag: str, media_type: str, extend: Callable[[bytes | None], bytes | None]
) -> None:
    """Replace the manifest of a tag by `extend` of it, which returns None if the addition is there."""
    refusal: RegistryResponseError | None = None
    for _ in range(_ATTEMPTS):
        try:
            content = extend(repository.get_manifest(tag, media_type))
            if content is None:
                return
            repository.put_manifest(tag, content, media_type)
        except RegistryResponseError as error:
            # Some registries refuse a blob that another client uploads at the same time.
            if error.status not in _CONFLICTS:
                raise
            refusal = error
        time.sleep(_SETTLING * (1 + secrets.randbelow(1000) / 1000))
    raise refusal or RegistryError(f"{tag}: other clients replace the tag all the time; try again")


def _decode_layers(content: bytes, tag: str) -> tuple[Descriptor, ...]:
    layers = decode_manifest(content, tag).layers
    if len(layers) > _MOST_LAYERS:
        raise RejectedArtifactError(f"{tag} has {len(layers)} signatures; the limit is {_MOST_LAYERS}")
    return layers


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
