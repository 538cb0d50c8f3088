"""Repositories of an image: its mirrors and its own registry, which are tried in order.

Never writes to a registry, and never uses the addresses in manifests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from kubekeep.images.access.documents import ACCEPT
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.network_address import is_address, parse_address
from kubekeep.registry.connection import ConnectionSettings
from kubekeep.registry.credentials import Keychain
from kubekeep.registry.errors import (
    RegistryError,
    RegistryResponseError,
    RejectedArtifactError,
    UnreachableRegistryError,
    UntrustedRegistryError,
)
from kubekeep.registry.reference import ArtifactReference, canonical_registry, hide_login, parse_image_name
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


class ImageRepositories:
    """Open repositories that may have an image; the one that had it last is tried first."""

    def __init__(self, name: ArtifactReference, options: AccessOptions) -> None:
        """Create the clients; sends nothing yet. Raises ImageAccessError."""
        self._entries = tuple(_open_all(name, options))
        self._preferred = 0

    @property
    def preferred(self) -> OciRepository:
        """The repository that is tried first."""
        return self._entries[self._preferred][1]

    def close(self) -> None:
        """Close all connections."""
        for _, repository in self._entries:
            repository.close()

    def try_each(self, operation: Callable[[OciRepository], T]) -> T:
        """Return the result of the first repository that has one. Raises ImageAccessError with all causes."""
        causes: list[str] = []
        error: Exception | None = None
        # The repository with the manifest has the blobs most likely.
        for origin, repository in (*self._entries[self._preferred :], *self._entries[: self._preferred]):
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
        self._preferred = self._entries.index((origin, repository))
        if origin.needs_failure and self._preferred:
            # The same registry with TLS has failed; trying it again would only add its error to others.
            skipped = self._preferred - 1
            if self._entries[skipped][0].reference == origin.reference:
                self._entries[skipped][1].close()
                self._entries = (*self._entries[:skipped], *self._entries[self._preferred :])
                self._preferred = skipped


def get_manifest(repository: OciRepository, version: str) -> bytes:
    """Return the manifest of a tag or digest. Raises MissingManifestError if there is none."""
    content = repository.get_manifest(version, ACCEPT)
    if content is None:
        raise MissingManifestError(version)
    return content


def _open_all(name: ArtifactReference, options: AccessOptions) -> Iterator[tuple[ImageOrigin, OciRepository]]:
    keychain = create_keychain(options)
    for origin in list_origins(name, options):
        settings = create_settings(origin, options)
        try:
            yield origin, OciRepository(origin.reference, keychain, settings=settings)
        except RegistryError as error:
            raise ImageAccessError(str(error)) from error


def create_keychain(options: AccessOptions) -> Keychain:
    """Return the credentials of this user."""
    return Keychain(*map(Path, options.auth_files), logins=options.logins)


def create_settings(origin: ImageOrigin, options: AccessOptions) -> ConnectionSettings:
    """Return the settings of connections to an origin."""
    return ConnectionSettings(
        plain_http=origin.plain_http,
        authority_file=options.registry_ca,
        pause=options.pause,
        duration=2 * options.pause,
        patience=options.patience,
        pace=options.pace,
    )


def list_origins(name: ArtifactReference, options: AccessOptions) -> list[ImageOrigin]:
    """Return the repositories to try in order: mirror, registry. Raises ImageAccessError for an invalid mirror.

    A registry on this machine is tried with TLS and then without, as Docker does.
    """
    origins = []
    mirrors = {canonical_registry(registry): mirror for registry, mirror in options.mirrors.items()}
    mirror = mirrors.get(canonical_registry(name.registry))
    if mirror:
        plain_http = options.plain_http or mirror.startswith(_PLAIN)
        host = mirror.removeprefix(_PLAIN).removeprefix("https://").rstrip("/")
        try:
            reference = parse_image_name(f"{host}/{name.repository}")
            if reference.registry != host.partition("/")[0]:
                raise ValueError("the host needs a dot or a port")  # noqa: TRY301 - reported as the other errors
        except ValueError as error:
            raise ImageAccessError(f"mirror {hide_login(mirror)} of {name.registry}: {error}") from error
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
    host = host.strip("[]").lower()
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
