"""Images in registries, with mirrors. Layers are streams, which several threads may read at a time.

Never writes to a registry, and never uses the addresses in manifests.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

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
from kubekeep.images.access.resolve import resolve_image
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.network_address import is_address, parse_address
from kubekeep.registry.blob_stream import BlobStream
from kubekeep.registry.connection import ConnectionSettings
from kubekeep.registry.credentials import Keychain
from kubekeep.registry.errors import (
    RegistryError,
    RegistryResponseError,
    RejectedArtifactError,
    UnreachableRegistryError,
    UntrustedRegistryError,
)
from kubekeep.registry.manifest import INDEX, MANIFEST, Descriptor, compute_digest
from kubekeep.registry.reference import ArtifactReference, parse_image_name
from kubekeep.registry.repository import OciRepository

_PLAIN: Final = "http://"
_NEXT_STEPS: Final = {
    401: "log in with `docker login {registry}`, or check the name of the image",
    403: "log in with `docker login {registry}` as a user who may read the image",
    429: "log in with `docker login {registry}` for a higher limit, or use a mirror with --mirror",
}
T = TypeVar("T")


class MissingManifestError(RegistryError):
    """The registry does not have a manifest; the message is its tag or digest."""


class ImageOrigin(msgspec.Struct, frozen=True):
    """A repository that may have the image: a mirror, or its own registry.

    needs_failure: used only if the one before has no TLS.
    """

    reference: ArtifactReference
    plain_http: bool
    is_mirror: bool = False
    needs_failure: bool = False

    def __str__(self) -> str:
        return f"{'mirror ' if self.is_mirror else ''}{self.reference.registry}"


class RegistryImage(OpenedImage):
    """An image in a registry. Blobs come from the mirrors first, then from the registry itself."""

    def __init__(self, text: str, reference: ImageReference, options: AccessOptions) -> None:
        """Fetch manifest and configuration. Raises ImageAccessError."""
        if reference.name is None:
            raise ImageAccessError("the name is missing")
        self.reference = text
        self._name = reference.name
        self._cache = ManifestCache(options.manifest_cache)
        self._repositories = tuple(_open_repositories(self._name, options))
        self._preferred = 0
        with contextlib.ExitStack() as failure:
            failure.callback(self.close)
            image = resolve_image(self, (self._fetch_root(),), options.platform)
            failure.pop_all()
        self.digest, self.index_digest, self.platform = image.digest, image.index_digest, image.platform
        self.config, self.layers = image.config, image.layers
        self._attestations = image.attestations

    def open_layer(self, layer: LayerReference) -> LayerStream:
        """Request a layer and return it as a stream."""
        try:
            return self._try_each(
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
            yield from list_sboms(
                self._repositories[self._preferred][1], (self.digest, self.index_digest), self._attestations
            )
        except (RegistryError, RejectedArtifactError, ImageAccessError) as error:
            raise ImageAccessError(f"{self.reference}: attached SBOMs: {error}") from error

    def close(self) -> None:
        """Close all connections."""
        for _, repository in self._repositories:
            repository.close()

    def read_blob(self, descriptor: ImageDescriptor) -> bytes:
        """Return a manifest or configuration."""
        cached = self._cache.get(descriptor.digest)
        if cached is not None:
            return cached
        if descriptor.media_type in (MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX):
            content = self._try_each(lambda repository: _get_manifest(repository, descriptor.digest))
        else:
            blob = Descriptor(media_type=descriptor.media_type, digest=descriptor.digest, size=descriptor.size)
            content = self._try_each(lambda repository: repository.get_blob(blob, blob.size))
        self._cache.put(content)
        return content

    def has_blob(self, descriptor: ImageDescriptor) -> bool:  # noqa: ARG002 - as other stores
        """Return True: only a request would tell."""
        return True

    def _fetch_root(self) -> ImageDescriptor:
        """Return the descriptor of the manifest or index that the reference names."""
        content = self._try_each(self._fetch_version)
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
        return _get_manifest(repository, self._name.version)

    def _try_each(self, operation: Callable[[OciRepository], T]) -> T:
        """Return the result of the first repository that has one. Raises ImageAccessError with all causes."""
        causes: list[str] = []
        error: Exception | None = None
        # The repository with the manifest has the blobs most likely.
        for origin, repository in (*self._repositories[self._preferred :], *self._repositories[: self._preferred]):
            if origin.needs_failure and causes and not isinstance(error, UntrustedRegistryError):
                continue
            try:
                result = operation(repository)
            except (RegistryError, RejectedArtifactError) as failure:
                error = failure
                if origin.needs_failure and causes and not _speaks_tls(failure):
                    causes.pop()
                causes.append(_explain(failure, origin))
            else:
                self._prefer(origin, repository)
                return result
        raise ImageAccessError("; ".join(dict.fromkeys(causes))) from error

    def _prefer(self, origin: ImageOrigin, repository: OciRepository) -> None:
        """Use this repository first from now on."""
        self._preferred = self._repositories.index((origin, repository))
        if origin.needs_failure and self._preferred:
            # The same registry with TLS has failed; trying it again would only add its error to others.
            skipped = self._preferred - 1
            if self._repositories[skipped][0].reference == origin.reference:
                self._repositories[skipped][1].close()
                self._repositories = (*self._repositories[:skipped], *self._repositories[self._preferred :])
                self._preferred = skipped


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


def _get_manifest(repository: OciRepository, version: str) -> bytes:
    content = repository.get_manifest(version, ACCEPT)
    if content is None:
        raise MissingManifestError(version)
    return content


def _open_repositories(name: ArtifactReference, options: AccessOptions) -> Iterator[tuple[ImageOrigin, OciRepository]]:
    keychain = Keychain(*map(Path, options.auth_files), logins=options.logins)
    for origin in list_origins(name, options):
        settings = ConnectionSettings(
            plain_http=origin.plain_http,
            authority_file=options.registry_ca,
            pause=options.pause,
            duration=2 * options.pause,
            patience=options.patience,
        )
        try:
            yield origin, OciRepository(origin.reference, keychain, settings=settings)
        except RegistryError as error:
            raise ImageAccessError(str(error)) from error


def list_origins(name: ArtifactReference, options: AccessOptions) -> list[ImageOrigin]:
    """Return the repositories to try in order: mirror, registry. Raises ImageAccessError for an invalid mirror.

    A registry on this machine is tried with TLS and then without, as Docker does.
    """
    origins = []
    mirror = options.mirrors.get(name.registry)
    if mirror:
        plain_http = options.plain_http or mirror.startswith(_PLAIN)
        host = mirror.removeprefix(_PLAIN).removeprefix("https://").rstrip("/")
        try:
            reference = parse_image_name(f"{host}/{name.repository}")
            if reference.registry != host.partition("/")[0]:
                raise ValueError("the host needs a dot or a port")  # noqa: TRY301 - reported as the other errors
        except ValueError as error:
            raise ImageAccessError(f"mirror {mirror} of {name.registry}: {error}") from error
        origins += _list_schemes(
            msgspec.structs.replace(reference, tag=name.tag, digest=name.digest), plain_http=plain_http, is_mirror=True
        )
    return origins + _list_schemes(name, plain_http=options.plain_http, is_mirror=False)


def _list_schemes(reference: ArtifactReference, *, plain_http: bool, is_mirror: bool) -> list[ImageOrigin]:
    origins = [ImageOrigin(reference, plain_http, is_mirror)]
    if not plain_http and _is_loopback(reference.registry):
        origins.append(ImageOrigin(reference, plain_http=True, is_mirror=is_mirror, needs_failure=True))
    return origins


def _is_loopback(registry: str) -> bool:
    host = registry.rpartition(":")[0] if registry.rpartition(":")[2].isdecimal() else registry
    host = host.strip("[]")
    return host == "localhost" or (is_address(host) and parse_address(host).is_loopback)


def _speaks_tls(error: Exception) -> bool:
    """Return True if plain HTTP has failed because the server has TLS, so that the earlier error counts."""
    is_bad_request = isinstance(error, RegistryResponseError) and error.status == 400
    return is_bad_request or isinstance(error, UnreachableRegistryError)


def _explain(error: RegistryError | RejectedArtifactError, origin: ImageOrigin) -> str:
    """Return the cause and the next step."""
    text = str(error) if str(origin.reference.registry) in str(error) else f"{origin}: {error}"
    if origin.is_mirror:
        text = f"mirror {text}" if not text.startswith("mirror ") else text
    if isinstance(error, MissingManifestError):
        return f"{origin.reference.registry} has no {origin.reference.repository} {error}"
    if isinstance(error, RegistryResponseError):
        advice = _NEXT_STEPS.get(error.status, "").format(registry=origin.reference.registry)
        return f"{text}; {advice}" if advice else text
    if isinstance(error, UntrustedRegistryError):
        is_certificate = "certificate" in text.lower()
        option = (
            "--registry-ca for a private authority" if is_certificate else "--plain-http for a registry without TLS"
        )
        return f"{text}; use {option}"
    return text
