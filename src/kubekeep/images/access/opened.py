"""An opened image: manifest, configuration, and its layers as streams. Never decompresses a layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Protocol, Self

import msgspec


class ByteStream(Protocol):
    """A stream of bytes without seeking; `read` returns at most `size` bytes and empty bytes at the end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes. Raises ImageAccessError if the origin fails or returns other content."""
        ...

    def close(self) -> None:
        """Release the connection or file."""
        ...


class FileRange(msgspec.Struct, frozen=True):
    """A part of a local file that holds a layer; `size` of None means up to the end of the file."""

    path: str
    offset: int = 0
    size: int | None = None


class LayerReference(msgspec.Struct, frozen=True):
    """A layer of an image.

    digest: of the blob as stored; empty where only the diff id is known (docker-archive). size: bytes of the blob, None
    if unknown. diff_id: digest of the uncompressed archive, from the configuration.
    """

    digest: str
    size: int | None
    diff_id: str
    media_type: str


class AttachedSbom(msgspec.Struct, frozen=True):
    """An SBOM that is attached to an image. Its signature, if there is one, has not been verified.

    media_type: declared type of the document, such as "application/spdx+json"; a predicate type for an attestation.
    digest: of the blob in the registry.
    """

    media_type: str
    digest: str
    document: bytes


class OpenedImage(ABC):
    """An image of one platform whose manifest and configuration are verified. Layers can be read until `close`.

    reference: as the user gave it. digest: of the manifest; empty where there is none. index_digest: of the index that
    was resolved to the manifest; empty without one. platform: as "linux/amd64"; empty if the configuration has none.
    config: the JSON of the image configuration (OCI image specification). layers: lowest first. folder: path of an
    unpacked file system, which has no layers; empty for images. has_files: True if layers are local files that must exist.
    names: those that a layout or an archive states, as a registry would have them. annotations: of the manifest.
    """

    reference: str
    digest: str
    platform: str
    config: bytes
    layers: tuple[LayerReference, ...]
    index_digest: str = ""
    folder: str = ""
    has_files: bool = False
    names: tuple[str, ...] = ()
    annotations: Mapping[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def open_layer(self, layer: LayerReference) -> FileRange | ByteStream:
        """Return the content of a layer as stored. The reader verifies the digest. Raises ImageAccessError."""

    def iterate_sboms(self) -> Iterator[AttachedSbom]:
        """Yield the SBOM documents that are attached to the image in its registry; none by default."""
        return iter(())

    def close(self) -> None:  # noqa: B027 - most kinds hold nothing
        """Release connections and files."""
