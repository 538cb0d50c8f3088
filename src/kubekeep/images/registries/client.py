"""Requests to registries for the selection of images: names, digests of tags, and descriptions of manifests.

A registry on this machine is tried with TLS and then without. Never reads a layer.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import msgspec

from kubekeep.images.access.documents import ACCEPT, ImageDescriptor, decode_document
from kubekeep.images.access.manifest_cache import ManifestCache
from kubekeep.images.access.open_image import open_image
from kubekeep.images.access.opened import OpenedImage
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.access.repositories import ImageOrigin, create_keychain, create_settings, list_origins
from kubekeep.images.access.resolve import is_attestation
from kubekeep.images.configuration import decode_configuration
from kubekeep.images.errors import ImageAccessError, ImageContentError, NotAnImageError
from kubekeep.images.registries.state import PlatformDescription, RegistryState, RootDescription
from kubekeep.registry.errors import RegistryError, UnreachableRegistryError
from kubekeep.registry.listing import RegistryListing
from kubekeep.registry.manifest import compute_digest
from kubekeep.registry.reference import ArtifactReference
from kubekeep.registry.repository import OciRepository

_MOST_PLATFORMS: Final = 100
"""Most images of one index; a request each."""
T = TypeVar("T")


class ListedNames(msgspec.Struct, frozen=True):
    """Names that a registry lists; `invalid` is the number of names that no registry may have."""

    names: tuple[str, ...]
    invalid: int


class RegistryClient:
    """Requests to all registries of a scan, for several threads. Mirrors are not used: their names may be old.

    Methods raise RegistryError and RejectedArtifactError.
    """

    def __init__(self, access: AccessOptions, state: RegistryState | None) -> None:
        self._access = access
        self._without_mirrors = msgspec.structs.replace(access, mirrors={})
        self._keychain = create_keychain(access)
        self._state = state
        self._plain: set[str] = set()
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Let the requests of all threads fail."""
        if self._access.pace is not None:
            self._access.pace.stop()

    def list_repositories(self, registry: str) -> ListedNames:
        """Return the repositories of a registry."""

        def read(origin: ImageOrigin) -> ListedNames:
            with RegistryListing(origin.reference, self._keychain, create_settings(origin, self._access)) as listing:
                return ListedNames(tuple(listing.list_repositories()), listing.invalid)

        return self._try_origins(ArtifactReference(registry, ""), read)

    def list_tags(self, registry: str, repository: str) -> ListedNames:
        """Return the tags of a repository."""

        def read(origin: ImageOrigin) -> ListedNames:
            with RegistryListing(origin.reference, self._keychain, create_settings(origin, self._access)) as listing:
                return ListedNames(tuple(listing.list_tags()), listing.invalid)

        return self._try_origins(ArtifactReference(registry, repository), read)

    def check(self, registry: str, repository: str, version: str) -> str:
        """Return the digest of a tag or of a digest itself; empty if it does not exist."""

        def read(origin: ImageOrigin) -> str:
            with OciRepository(
                origin.reference, self._keychain, settings=create_settings(origin, self._access)
            ) as opened:
                return resolve_tag(opened, version)

        return self._try_origins(ArtifactReference(registry, repository), read)

    @contextlib.contextmanager
    def open_repository(self, registry: str, repository: str) -> Iterator[OciRepository]:
        """Yield a repository, for requests after `list_tags` or `check`."""
        reference = ArtifactReference(registry, repository)
        with self._lock:
            origin = ImageOrigin(reference, self._access.plain_http or registry in self._plain)
        settings = create_settings(origin, self._access)
        with OciRepository(reference, self._keychain, settings=settings) as opened:
            yield opened

    def describe(self, registry: str, repository: str, root: str, platform: str) -> RootDescription:
        """Return the description of a manifest or index, from the state if possible. Raises ImageAccessError."""
        known = self._state.find_description(root, platform) if self._state else None
        if known is not None:
            return known
        description = self._describe(f"{registry}/{repository}", root, platform)
        if self._state:
            self._state.put_description(root, platform, description)
        return description

    def list_platforms(self, registry: str, repository: str, root: str) -> tuple[ImageDescriptor, ...]:
        """Return the images of an index; empty for a manifest. Raises ImageAccessError."""
        cache = ManifestCache(self._access.manifest_cache)
        content = cache.get(root)
        if content is None:
            with self.open_repository(registry, repository) as opened:
                content = opened.get_manifest(root, ACCEPT)
            if content is None:
                raise ImageAccessError(f"{registry} has no {repository} {root}")
            cache.put(content)
        manifests = decode_document(content).manifests or ()
        images = tuple(manifest for manifest in manifests if not is_attestation(manifest))
        if len(images) > _MOST_PLATFORMS:
            raise RegistryError(f"an index of {len(images):,} images; at most {_MOST_PLATFORMS} are read")
        return images

    def _describe(self, name: str, root: str, platform: str) -> RootDescription:
        access = msgspec.structs.replace(self._access, platform=platform)
        try:
            with open_image(f"docker://{name}@{root}", access) as image:
                return RootDescription(describe_image(image))
        except ImageAccessError as error:
            if isinstance(error.__cause__, NotAnImageError):
                return RootDescription(reason=str(error.__cause__), is_artifact=True)
            raise

    def _try_origins(self, reference: ArtifactReference, operation: Callable[[ImageOrigin], T]) -> T:
        """Return the result with TLS or, for a registry on this machine, without."""
        *first, last = list_origins(reference, self._without_mirrors)
        with self._lock:
            is_plain = reference.registry in self._plain
        for origin in () if is_plain else first:
            try:
                return operation(origin)
            except UnreachableRegistryError:
                continue
        result = operation(last)
        if first:
            with self._lock:
                self._plain.add(reference.registry)
        return result


def describe_image(image: OpenedImage) -> PlatformDescription:
    """Return the description of an opened image."""
    try:
        created = decode_configuration(image.config, image.reference).created or ""
    except ImageContentError:
        created = ""
    return PlatformDescription(image.digest, image.platform, sum(layer.size or 0 for layer in image.layers), created)


def resolve_tag(repository: OciRepository, tag: str) -> str:
    """Return the digest of a tag; empty if it has been deleted. Raises RegistryError."""
    digest = repository.resolve_digest(tag, ACCEPT)
    if digest:
        return digest
    # Some registries send no digest with the head of a manifest.
    content = repository.get_manifest(tag, ACCEPT)
    return "" if content is None else compute_digest(content)
