"""Images in registries, with mirrors. Layers are streams, which several threads may read at a time.

Never writes to a registry, and never uses the addresses in manifests.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from kubekeep.images.access.attached_sboms import list_sboms
from kubekeep.images.access.documents import (
    ACCEPT,
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    ImageDescriptor,
    decode_document,
)
from kubekeep.images.access.manifest_cache import ManifestCache
from kubekeep.images.access.opened import AttachedSbom, LayerReference, OpenedImage
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.access.references import ImageReference
from kubekeep.images.access.repositories import ImageRepositories, get_manifest
from kubekeep.images.access.resolve import resolve_image
from kubekeep.images.errors import ImageAccessError
from kubekeep.registry.blob_stream import BlobStream
from kubekeep.registry.errors import (
    RegistryError,
    RejectedArtifactError,
)
from kubekeep.registry.manifest import INDEX, MANIFEST, Descriptor, compute_digest
from kubekeep.registry.repository import OciRepository


class RegistryImage(OpenedImage):
    """An image in a registry. Blobs come from the mirrors first, then from the registry itself."""

    def __init__(self, text: str, reference: ImageReference, options: AccessOptions) -> None:
        """Fetch manifest and configuration. Raises ImageAccessError."""
        if reference.name is None:
            raise ImageAccessError("the name is missing")
        self.reference = text
        self._name = reference.name
        self._cache = ManifestCache(options.manifest_cache)
        self._repositories = ImageRepositories(self._name, options)
        with contextlib.ExitStack() as failure:
            failure.callback(self.close)
            image = resolve_image(self, (self._fetch_root(),), options.platform)
            failure.pop_all()
        self.digest, self.index_digest, self.platform = image.digest, image.index_digest, image.platform
        self.config, self.layers, self.annotations = image.config, image.layers, image.annotations
        self._attestations = image.attestations

    def open_layer(self, layer: LayerReference) -> LayerStream:
        """Request a layer and return it as a stream."""
        try:
            return self._repositories.try_each(
                lambda repository: LayerStream(repository.open_blob(layer.digest, layer.size or 0), self.reference)
            )
        except ImageAccessError as error:
            foreign = "foreign" in layer.media_type or "nondistributable" in layer.media_type
            advice = (
                "; registries need not hold layers of this type, and other addresses are not used" if foreign else ""
            )
            raise ImageAccessError(f"{self.reference}: layer {layer.digest}: {error}{advice}") from error

    def iterate_sboms(self) -> Iterator[AttachedSbom]:
        """Yield attached SBOMs: from referrers, tags of cosign and attestations of BuildKit. Raises ImageAccessError."""
        try:
            yield from list_sboms(self.repository, (self.digest, self.index_digest), self._attestations)
        except (RegistryError, RejectedArtifactError, ImageAccessError) as error:
            raise ImageAccessError(f"{self.reference}: attached SBOMs: {error}") from error

    @property
    def repository(self) -> OciRepository:
        """The repository that had the image."""
        return self._repositories.preferred

    def close(self) -> None:
        """Close all connections."""
        self._repositories.close()

    def read_blob(self, descriptor: ImageDescriptor) -> bytes:
        """Return a manifest or configuration."""
        cached = self._cache.get(descriptor.digest)
        if cached is not None:
            return cached
        if descriptor.media_type in (MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX):
            content = self._repositories.try_each(lambda repository: get_manifest(repository, descriptor.digest))
        else:
            blob = Descriptor(media_type=descriptor.media_type, digest=descriptor.digest, size=descriptor.size)
            content = self._repositories.try_each(lambda repository: repository.get_blob(blob, blob.size))
        self._cache.put(content)
        return content

    def has_blob(self, descriptor: ImageDescriptor) -> bool:  # noqa: ARG002 - as other stores
        """Return True: only a request would tell."""
        return True

    def _fetch_root(self) -> ImageDescriptor:
        """Return the descriptor of the manifest or index that the reference names."""
        content = self._repositories.try_each(self._fetch_version)
        document = decode_document(content)
        media_type = document.media_type or (INDEX if document.is_index else MANIFEST)
        self._cache.put(content)
        return ImageDescriptor(media_type=media_type, digest=compute_digest(content), size=len(content))

    def _fetch_version(self, repository: OciRepository) -> bytes:
        if self._cache.is_enabled:
            digest = self._name.digest or repository.resolve_digest(self._name.version, ACCEPT)
            cached = self._cache.get(digest) if digest else None
            if cached is not None:
                return cached
        return get_manifest(repository, self._name.version)


class LayerStream:
    """A layer of an image in a registry, with errors of images."""

    def __init__(self, blob: BlobStream, name: str) -> None:
        """Wrap an opened blob; `name` is the image in messages."""
        self._blob = blob
        self._name = name

    def read(self, size: int, /) -> bytes:
        """Return the next bytes. Raises ImageAccessError."""
        try:
            return self._blob.read(size)
        except (RegistryError, RejectedArtifactError) as error:
            raise ImageAccessError(f"{self._name}: {error}") from error

    def close(self) -> None:
        """Release the connection."""
        self._blob.close()
