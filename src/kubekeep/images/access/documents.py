"""Manifests, indexes and configurations of images: decoding and checks. No I/O.

Every document is hostile: size, number and nesting are limited, and a document that programs could read in different
ways is refused.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, TypeVar

import msgspec

from kubekeep.images.access.options import Platform
from kubekeep.images.errors import ImageAccessError, NotAnImageError
from kubekeep.model.text import visible
from kubekeep.registry.manifest import CONFIG, INDEX, MANIFEST
from kubekeep.registry.reference import DIGEST

DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPT: Final = f"{INDEX}, {DOCKER_INDEX}, {MANIFEST}, {DOCKER_MANIFEST}"
LARGEST_DOCUMENT: Final = 4 << 20
"""Maximum size in bytes of a manifest or configuration; registries have the same limit for manifests."""
_LONGEST_NAME: Final = 100
_MOST_LAYERS: Final = 1024
"""Container runtimes support about 127."""
_CONFIGS: Final = (CONFIG, "application/vnd.docker.container.image.v1+json")
_OCI_LAYER: Final = "application/vnd.oci.image.layer."
_DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs."
_LAYER_TYPES: Final = frozenset(
    {
        f"{_OCI_LAYER}{kind}v1.tar{compression}"
        for kind in ("", "nondistributable.")
        for compression in ("", "+gzip", "+zstd")
    }
    | {
        f"{_DOCKER_LAYER}{kind}.tar{compression}"
        for kind in ("diff", "foreign.diff")
        for compression in ("", ".gzip", ".zstd")
    }
)
_FIELDS: Final = {
    name.lower(): name
    for name in (
        "schemaVersion",
        "mediaType",
        "config",
        "layers",
        "manifests",
        "digest",
        "size",
        "platform",
        "artifactType",
    )
}
T = TypeVar("T")


class ImageDescriptor(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Type, digest and size of a blob, with the fields of entries in an index. urls: of a foreign layer; never used."""

    media_type: str
    digest: Annotated[str, msgspec.Meta(pattern=f"^{DIGEST}$")]
    size: Annotated[int, msgspec.Meta(ge=0)]
    annotations: dict[str, str] | None = None
    platform: Platform | None = None
    artifact_type: str = ""
    urls: tuple[str, ...] | None = None

    def get_annotation(self, name: str) -> str:
        """Return an annotation; "" if it is missing."""
        return (self.annotations or {}).get(name, "")


class ImageDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A manifest or an index."""

    schema_version: int = 0
    media_type: str = ""
    artifact_type: str = ""
    config: ImageDescriptor | None = None
    layers: tuple[ImageDescriptor, ...] | None = None
    manifests: tuple[ImageDescriptor, ...] | None = None
    annotations: Any = None
    fs_layers: Any = None

    @property
    def is_index(self) -> bool:
        """True for an index or manifest list."""
        return self.manifests is not None

    @property
    def texts(self) -> dict[str, str]:
        """The annotations that are texts; other values make no image unreadable."""
        annotations = self.annotations if isinstance(self.annotations, dict) else {}
        return {key: value for key, value in annotations.items() if isinstance(value, str)}


class _RootFiles(msgspec.Struct, frozen=True):
    diff_ids: tuple[Annotated[str, msgspec.Meta(pattern=f"^{DIGEST}$")], ...] | None = None


class ImageConfig(msgspec.Struct, frozen=True):
    """The fields of a configuration that identify an image."""

    architecture: str = ""
    os: str = ""
    variant: str = ""
    rootfs: _RootFiles = _RootFiles()

    @property
    def platform(self) -> Platform:
        """The platform, with empty fields if unknown."""
        return Platform(self.architecture, self.os, self.variant).normalise()

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """Digests of the uncompressed layers, lowest first."""
        return self.rootfs.diff_ids or ()


def decode_document(content: bytes, media_type: str = "") -> ImageDocument:
    """Decode a manifest or index; `media_type` is the type in its descriptor. Raises ImageAccessError."""
    document = decode(content, ImageDocument, "manifest")
    if document.fs_layers is not None or document.schema_version == 1:
        raise ImageAccessError(
            "the manifest has Docker's schema 1, which is obsolete: push the image again with a current tool"
        )
    # A document that is both would be read as one or the other by different programs (CVE-2021-41190).
    if document.is_index == (document.layers is not None or document.config is not None):
        raise ImageAccessError("the manifest is neither an image manifest nor an index")
    expected = (INDEX, DOCKER_INDEX) if document.is_index else (MANIFEST, DOCKER_MANIFEST)
    for declared in filter(None, (document.media_type, media_type)):
        if declared not in expected:
            kind = "an index" if document.is_index else "an image manifest"
            raise ImageAccessError(f"the manifest has the type {visible(declared)}, and the content of {kind}")
    return document


def check_image(document: ImageDocument) -> tuple[ImageDescriptor, tuple[ImageDescriptor, ...]]:
    """Return the descriptors of configuration and layers. Raises ImageAccessError for an artifact of another kind."""
    config, layers = document.config, document.layers or ()
    if config is None:
        raise ImageAccessError("the manifest has no configuration")
    if config.media_type not in _CONFIGS:
        kind = document.artifact_type or config.media_type
        raise NotAnImageError(f"an artifact of type {visible(kind)}, not a container image")
    if len(layers) > _MOST_LAYERS:
        raise ImageAccessError(f"{len(layers):,} layers; at most {_MOST_LAYERS:,} are read")
    for layer in layers:
        if layer.media_type not in _LAYER_TYPES:
            reason = "encrypted" if layer.media_type.endswith("+encrypted") else "not a layer of a file system"
            raise ImageAccessError(f"the layer {layer.digest} has the type {visible(layer.media_type)}: {reason}")
    return config, layers


def decode_config(content: bytes, layer_count: int) -> ImageConfig:
    """Decode a configuration. Raises ImageAccessError, also if it describes another number of layers."""
    config = decode(content, ImageConfig, "configuration")
    if len(config.diff_ids) != layer_count:
        raise ImageAccessError(
            f"the configuration describes {len(config.diff_ids)} layers, and the manifest has {layer_count}"
        )
    return config


def decode(content: bytes, kind: type[T], name: str) -> T:
    """Decode JSON without repeated keys. Raises ImageAccessError."""
    if len(content) > LARGEST_DOCUMENT:
        raise ImageAccessError(f"the {name} is larger than {LARGEST_DOCUMENT:,} bytes")
    try:
        check = _check_fields if kind is ImageDocument else _check_keys
        json.loads(content, object_pairs_hook=check, parse_constant=_refuse_constant)
        return msgspec.json.decode(content, type=kind)
    except (ValueError, RecursionError) as error:
        raise ImageAccessError(f"the {name} is not valid: {visible(str(error))}") from error


def _check_keys(pairs: list[tuple[str, Any]]) -> None:
    """Raise ValueError for a repeated key, since programs differ in the value that counts."""
    names = set()
    for name, _ in pairs:
        if name in names:
            raise ValueError(f"the key {name[:_LONGEST_NAME]!r} is repeated")
        names.add(name)


def _check_fields(pairs: list[tuple[str, Any]]) -> None:
    """Raise ValueError for a repeated key, or one that Go's decoder takes for a field although its case differs."""
    _check_keys(pairs)
    for name, _ in pairs:
        if _FIELDS.get(name.lower(), name) != name:
            raise ValueError(f"the key {name!r} differs from {_FIELDS[name.lower()]!r} in its case")


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number in JSON")
