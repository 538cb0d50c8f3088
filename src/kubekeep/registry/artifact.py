"""Manifests of artifacts as the OCI image specification 1.1 writes them. Never fetches or judges one."""

from __future__ import annotations

import hashlib
from typing import Annotated, Final

import msgspec

from kubekeep.registry.errors import RefusedError
from kubekeep.registry.reference import DIGEST

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
EMPTY_CONTENT: Final = b"{}"

TITLE: Final = "org.opencontainers.image.title"
VERSION: Final = "org.opencontainers.image.version"


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A blob by what it is: type, digest and size."""

    media_type: str
    digest: Annotated[str, msgspec.Meta(pattern=f"^{DIGEST}$")]
    size: Annotated[int, msgspec.Meta(ge=0)]
    annotations: dict[str, str] = {}


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an artifact consists of; fields that we do not use are left aside."""

    schema_version: int = 2
    media_type: str = MANIFEST
    artifact_type: str | msgspec.UnsetType = msgspec.UNSET
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: dict[str, str] | msgspec.UnsetType = msgspec.UNSET

    def encoded(self) -> bytes:
        """The bytes whose digest names the artifact."""
        return msgspec.json.encode(self)


def describe(content: bytes, media_type: str, annotations: dict[str, str] | None = None) -> Descriptor:
    """The descriptor of `content`."""
    return Descriptor(
        media_type=media_type, digest=digest_of(content), size=len(content), annotations=annotations or {}
    )


def digest_of(content: bytes) -> str:
    """The digest of `content`, by which registries name it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def decode(content: bytes, name: str) -> Manifest:
    """The manifest that `content` is. Raises RefusedError, with `name`, for what is none."""
    try:
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusedError(f"{name}: not a manifest of an artifact: {error}") from error
