"""Resolution of an image: from the root manifest or index to configuration and layers of one platform.

Works with any store of blobs. Never reads a layer.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import msgspec

from kubekeep.images.access.documents import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    LARGEST_DOCUMENT,
    ImageDescriptor,
    check_image,
    decode_config,
    decode_document,
)
from kubekeep.images.access.opened import LayerReference
from kubekeep.images.access.options import DEFAULT_PLATFORM, Platform, host_platform, parse_platform
from kubekeep.images.errors import ImageAccessError, NotAnImageError
from kubekeep.model.text import visible
from kubekeep.registry.manifest import INDEX, MANIFEST, compute_digest

_MOST_INDEXES: Final = 8
"""Maximum number of indexes in an index."""
_MOST_LISTED: Final = 12
_ATTESTED_DIGEST: Final = "vnd.docker.reference.digest"
"""Annotation of BuildKit on the descriptor of attestations: the digest of the image's manifest."""


class BlobStore(Protocol):
    """Content by digest: a registry, a folder, an archive, the store of containerd."""

    def read_blob(self, descriptor: ImageDescriptor) -> bytes:
        """Return a manifest or configuration, which the caller verifies. Raises ImageAccessError."""
        ...

    def has_blob(self, descriptor: ImageDescriptor) -> bool:
        """Return False if a manifest is certainly missing in the store."""
        ...


class ResolvedImage(msgspec.Struct, frozen=True):
    """The verified parts of an image.

    annotations: of the manifest. attestations: descriptors of manifests with attestations of this image.
    """

    digest: str
    index_digest: str
    platform: str
    config: bytes
    layers: tuple[LayerReference, ...]
    annotations: dict[str, str]
    attestations: tuple[ImageDescriptor, ...] = ()


def read_verified(store: BlobStore, descriptor: ImageDescriptor) -> bytes:
    """Return the content of a manifest or configuration. Raises ImageAccessError for another size or digest."""
    if descriptor.size > LARGEST_DOCUMENT:
        raise ImageAccessError(
            f"{descriptor.digest} has {descriptor.size:,} bytes; manifests and configurations have at most "
            f"{LARGEST_DOCUMENT:,}"
        )
    content = store.read_blob(descriptor)
    if len(content) != descriptor.size or (digest := compute_digest(content)) != descriptor.digest:
        reason = f"{len(content):,} bytes" if len(content) != descriptor.size else f"the digest {digest}"
        raise ImageAccessError(f"{descriptor.digest} of {descriptor.size:,} bytes is damaged: it has {reason}")
    return content


def resolve_image(store: BlobStore, root: Sequence[ImageDescriptor], platform: str) -> ResolvedImage:
    """Return the image of `platform` among the descriptors of manifests and indexes in `root`.

    Raises ImageAccessError, ValueError for an invalid platform.
    """
    requested = parse_platform(platform) if platform else None
    candidates: list[tuple[ImageDescriptor, str]] = []
    attestations: list[ImageDescriptor] = []
    for descriptor, index_digest in _flatten(store, root):
        if is_attestation(descriptor):
            attestations.append(descriptor)
        elif descriptor.media_type in (MANIFEST, DOCKER_MANIFEST):
            candidates.append((descriptor, index_digest))
    descriptor, index_digest = _select(store, candidates, requested)
    document = decode_document(read_verified(store, descriptor), descriptor.media_type)
    if document.is_index:
        raise ImageAccessError(f"{descriptor.digest} is an index, and its descriptor says that it is not")
    config_descriptor, layers = check_image(document)
    content = read_verified(store, config_descriptor)
    config = decode_config(content, len(layers))
    if requested and config.os and not requested.accepts(config.platform):
        raise ImageAccessError(f"the image is for {visible(str(config.platform))}, not for {requested}")
    return ResolvedImage(
        digest=descriptor.digest,
        index_digest=index_digest,
        platform=visible(str(config.platform)),
        config=content,
        layers=tuple(
            LayerReference(layer.digest, layer.size, diff_id, layer.media_type)
            for layer, diff_id in zip(layers, config.diff_ids, strict=True)
        ),
        annotations=document.texts,
        attestations=tuple(
            entry for entry in attestations if entry.get_annotation(_ATTESTED_DIGEST) == descriptor.digest
        ),
    )


def _flatten(store: BlobStore, root: Sequence[ImageDescriptor]) -> Iterator[tuple[ImageDescriptor, str]]:
    """Yield the manifests in `root` and in its indexes, with the digest of the outermost index."""
    pending = collections.deque((descriptor, "") for descriptor in root)
    indexes = 0
    while pending:
        descriptor, index_digest = pending.popleft()
        if descriptor.media_type not in (INDEX, DOCKER_INDEX):
            yield descriptor, index_digest
            continue
        indexes += 1
        if indexes > _MOST_INDEXES:
            raise ImageAccessError(f"the index contains more than {_MOST_INDEXES - 1} other indexes")
        if not store.has_blob(descriptor):
            continue
        document = decode_document(read_verified(store, descriptor), descriptor.media_type)
        outermost = index_digest or descriptor.digest
        pending.extend((child, outermost) for child in document.manifests or ())


def is_attestation(descriptor: ImageDescriptor) -> bool:
    """Return True for an entry of an index that is about another entry (attestations of BuildKit)."""
    return bool(descriptor.get_annotation(_ATTESTED_DIGEST)) or _is_unknown(descriptor.platform)


def _is_unknown(platform: Platform | None) -> bool:
    return platform is not None and platform.os == platform.architecture == "unknown"


def _select(
    store: BlobStore, candidates: Sequence[tuple[ImageDescriptor, str]], requested: Platform | None
) -> tuple[ImageDescriptor, str]:
    """Return the candidate for the requested platform, else for the defaults, else the only one."""
    if not candidates:
        raise NotAnImageError("the index contains no image")
    if len(candidates) == 1 and (requested is None or candidates[0][0].platform is None):
        return candidates[0]
    stored = [candidate for candidate in candidates if store.has_blob(candidate[0])]
    for platform in (requested,) if requested else (DEFAULT_PLATFORM, host_platform()):
        matches = [candidate for candidate in stored if platform.accepts(candidate[0].platform or Platform())]
        if matches:
            # Without a variant in the request, an image that names none runs on all.
            return min(matches, key=lambda match: bool((match[0].platform or Platform()).normalise().variant))
    if requested is None and len(stored) == 1:
        return stored[0]
    raise ImageAccessError(_explain_selection(stored or candidates, requested))


def _explain_selection(candidates: Sequence[tuple[ImageDescriptor, str]], requested: Platform | None) -> str:
    """Return why none of the candidates is selected."""
    names = sorted({str(descriptor.platform or "no platform") for descriptor, _ in candidates})
    listed = ", ".join(map(visible, names[:_MOST_LISTED])) + (", ..." if len(names) > _MOST_LISTED else "")
    if requested:
        return f"no image for {requested}; platforms: {listed}"
    if not any(descriptor.platform for descriptor, _ in candidates):
        return f"{len(candidates):,} images without a platform: use the digest of one"
    return f"several platforms and none for this machine: {listed}; use --platform"
