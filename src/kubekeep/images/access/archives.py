"""Images in tar archives: OCI layouts, and those of `docker save` and `podman save`. Never reads a layer.

A compressed archive is written to a temporary file first, since a tar archive has no directory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.confinement import open_descriptor
from kubekeep.images.access.blob_files import check_regular
from kubekeep.images.access.documents import (
    LARGEST_DOCUMENT,
    ImageDescriptor,
    decode,
    decode_config,
)
from kubekeep.images.access.layout import check_layout_version, is_same_name, list_complete_names, list_entries
from kubekeep.images.access.opened import FileRange, LayerReference, OpenedImage
from kubekeep.images.access.options import parse_platform
from kubekeep.images.access.references import LAYOUT_FILE
from kubekeep.images.access.resolve import resolve_image
from kubekeep.images.access.spill import SpillFile
from kubekeep.images.access.tar_index import TarIndex
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import visible
from kubekeep.registry.manifest import compute_digest

_MANIFEST: Final = "manifest.json"
_MOST_IMAGES: Final = 10_000
_MOST_LISTED: Final = 12
_HEX_DIGITS: Final = 64
_LAYER_TYPE: Final = "application/vnd.docker.image.rootfs.diff.tar"
_GZIP: Final = b"\x1f\x8b"
_PROGRAMS: Final = {b"\x28\xb5\x2f\xfd": "zstd -d", b"\xfd7zXZ": "xz -d", b"BZh": "bzip2 -d"}
"""Compressions that Python 3.11 cannot read without other packages, or that images rarely have, and their programs."""


class _SavedImage(msgspec.Struct, frozen=True):
    config: str = msgspec.field(name="Config")
    layers: Sequence[str] | None = msgspec.field(name="Layers", default=None)
    tags: Sequence[str] | None = msgspec.field(name="RepoTags", default=None)


class ArchiveImage(OpenedImage):
    """An image in a tar archive. `spill`: the temporary file of the archive, which is deleted by `close`."""

    has_files = True

    def __init__(self, text: str, index: TarIndex, version: str, platform: str, spill: SpillFile | None = None) -> None:
        """Open the image. Raises ImageAccessError."""
        self.reference = text
        self._index = index
        self._spill = spill
        self._names: dict[LayerReference, str] = {}
        # Since version 25, Docker writes both forms; only the OCI layout has digests of the stored blobs.
        if LAYOUT_FILE in index and "index.json" in index:
            self._open_layout(version, platform)
        elif _MANIFEST in index:
            self._open_saved(version, platform)
        else:
            raise ImageAccessError("neither an OCI layout nor an archive of `docker save`: it has no manifest.json")

    def open_layer(self, layer: LayerReference) -> FileRange:
        """Return the position of a layer in the archive."""
        name = self._names.get(layer) or _blob_path(layer.digest)
        position = self._index.locate(name)
        if position.size != layer.size:
            raise ImageAccessError(f"{name} has {position.size:,} bytes; the manifest says {layer.size:,}")
        return position

    def close(self) -> None:
        """Delete the temporary file."""
        if self._spill is not None:
            self._spill.close()

    def read_blob(self, descriptor: ImageDescriptor) -> bytes:
        """Return a small blob of an OCI layout."""
        return self._index.read(_blob_path(descriptor.digest), LARGEST_DOCUMENT)

    def has_blob(self, descriptor: ImageDescriptor) -> bool:
        """Return True if the archive has the blob."""
        return _blob_path(descriptor.digest) in self._index

    def _open_layout(self, version: str, platform: str) -> None:
        check_layout_version(self._index.read(LAYOUT_FILE, LARGEST_DOCUMENT))
        entries = list_entries(self._index.read("index.json", LARGEST_DOCUMENT), version)
        image = resolve_image(self, entries, platform)
        self.digest, self.index_digest, self.platform = image.digest, image.index_digest, image.platform
        self.config, self.layers, self.annotations = image.config, image.layers, image.annotations
        self.names = list_complete_names(entries)

    def _open_saved(self, version: str, platform: str) -> None:
        images = decode(self._index.read(_MANIFEST, LARGEST_DOCUMENT), list[_SavedImage], _MANIFEST)
        image = _select(images[:_MOST_IMAGES], version)
        self.names = tuple(dict.fromkeys(map(visible, image.tags or ())))
        names = image.layers or ()
        self.config = self._index.read(image.config, LARGEST_DOCUMENT)
        _check_config_name(image.config, self.config)
        config = decode_config(self.config, len(names))
        self.digest, self.platform = "", visible(str(config.platform))
        if platform and config.os and not parse_platform(platform).accepts(config.platform):
            raise ImageAccessError(f"the image is for {self.platform}, not for {platform}")
        self.layers = tuple(
            self._create_layer(name, diff_id) for name, diff_id in zip(names, config.diff_ids, strict=True)
        )

    def _create_layer(self, name: str, diff_id: str) -> LayerReference:
        layer = LayerReference("", self._index.locate(name).size, diff_id, _LAYER_TYPE)
        self._names[layer] = name
        return layer


def open_archive(text: str, path: str, version: str, platform: str) -> ArchiveImage:
    """Open an image in a tar archive, which may be compressed with gzip. Raises ImageAccessError."""
    check_regular(Path(path))
    with open(path, "rb", opener=open_descriptor) as stream:
        start = stream.read(6)
    program = next((program for magic, program in _PROGRAMS.items() if start.startswith(magic)), "")
    if program:
        raise ImageAccessError(f"{visible(path)} is compressed: decompress it with `{program}` first")
    if not start.startswith(_GZIP):
        return ArchiveImage(text, TarIndex(path), version, platform)
    with contextlib.ExitStack() as failure:
        spill = SpillFile()
        failure.callback(spill.close)
        spill.write_gzip(path)
        image = ArchiveImage(text, TarIndex(spill.path), version, platform, spill)
        # The image closes the file now.
        failure.pop_all()
    return image


def _blob_path(digest: str) -> str:
    algorithm, _, value = digest.partition(":")
    return f"blobs/{algorithm}/{value}"


def _select(images: Sequence[_SavedImage], version: str) -> _SavedImage:
    """Return the image with a tag, or the only one. Raises ImageAccessError."""
    if version:
        matches = [image for image in images if any(_is_tag(tag, version) for tag in image.tags or ())]
    else:
        matches = list(images)
    if len(matches) == 1:
        return matches[0]
    tags = sorted({tag for image in images for tag in image.tags or ()})
    listed = ", ".join(map(visible, tags[:_MOST_LISTED])) or "none has a tag"
    if version:
        raise ImageAccessError(f"no image {visible(version)} in the archive; images: {listed}")
    raise ImageAccessError(f"{len(images)} images in the archive: add :TAG; images: {listed}" if images else "no image")


def _is_tag(tag: str, version: str) -> bool:
    return tag == version or tag.rpartition(":")[2] == version or is_same_name(tag, version)


def _check_config_name(name: str, content: bytes) -> None:
    """Raise ImageAccessError if the name of the configuration is a digest, but not its own."""
    value = name.rpartition("/")[2].removesuffix(".json")
    is_digest = len(value) == _HEX_DIGITS and set(value) <= set("0123456789abcdef")
    if is_digest and compute_digest(content) != f"sha256:{value}":
        raise ImageAccessError(f"{visible(name)} is damaged: it has the digest {compute_digest(content)}")
