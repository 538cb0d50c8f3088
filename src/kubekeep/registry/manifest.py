"""Manifests of artifacts (OCI image specification 1.1). Never fetches or verifies one."""

from __future__ import annotations

import hashlib
from typing import Annotated, Final

import msgspec

from kubekeep.model.text import visible
from kubekeep.registry.errors import RejectedArtifactError
from kubekeep.registry.reference import DIGEST

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
EMPTY_CONTENT: Final = b"{}"

TITLE: Final = "org.opencontainers.image.title"
VERSION: Final = "org.opencontainers.image.version"


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Type, digest and size of a blob."""

    media_type: str
    digest: Annotated[str, msgspec.Meta(pattern=f"^{DIGEST}$")]
    size: Annotated[int, msgspec.Meta(ge=0)]
    annotations: dict[str, str] = {}


class IndexEntry(Descriptor, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A manifest in an index. artifact_type: its type if the index names one."""

    artifact_type: str = ""


class ArtifactIndex(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A list of manifests; unused fields are ignored."""

    schema_version: int = 2
    media_type: str = INDEX
    manifests: tuple[IndexEntry, ...] = ()

    def encode(self) -> bytes:
        """Return the JSON bytes."""
        return msgspec.json.encode(self)


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Manifest of an artifact; unused fields are ignored."""

    schema_version: int = 2
    media_type: str = MANIFEST
    artifact_type: str | msgspec.UnsetType = msgspec.UNSET
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | msgspec.UnsetType = msgspec.UNSET
    annotations: dict[str, str] | msgspec.UnsetType = msgspec.UNSET

    def encode(self) -> bytes:
        """Return the JSON bytes; their digest identifies the artifact."""
        return msgspec.json.encode(self)


def create_descriptor(content: bytes, media_type: str, annotations: dict[str, str] | None = None) -> Descriptor:
    """Return the descriptor of `content`."""
    return Descriptor(
        media_type=media_type, digest=compute_digest(content), size=len(content), annotations=annotations or {}
    )


def compute_digest(content: bytes) -> str:
    """Return the SHA-256 digest of `content` in the notation of registries."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def decode_manifest(content: bytes, name: str) -> Manifest:
    """Decode a manifest. Raises RejectedArtifactError, with `name`, for invalid content."""
    try:
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectedArtifactError(f"{name}: not a valid artifact manifest: {visible(str(error))}") from error


def decode_index(content: bytes, name: str) -> ArtifactIndex:
    """Decode an index; without entries for a manifest. Raises RejectedArtifactError, with `name`, for invalid content."""
    try:
        return msgspec.json.decode(content, type=ArtifactIndex)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectedArtifactError(f"{name}: not a valid index: {visible(str(error))}") from error
