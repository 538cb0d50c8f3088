"""Images in OCI layouts, as folders (OCI image specification, image layout). Never reads a layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.images.access.blob_files import BlobFolder, read_file
from kubekeep.images.access.documents import LARGEST_DOCUMENT, ImageDescriptor, decode, decode_document
from kubekeep.images.access.opened import FileRange, LayerReference, OpenedImage
from kubekeep.images.access.references import LAYOUT_FILE, ImageReference
from kubekeep.images.access.resolve import resolve_image
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import visible
from kubekeep.registry.reference import parse_image_name

REF_NAME: Final = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME: Final = "io.containerd.image.name"
"""Annotation of containerd and Docker 25 with the complete name; the other one has only the tag."""
_VERSION: Final = "1."
_MOST_LISTED: Final = 12


class _LayoutFile(msgspec.Struct, frozen=True, rename="camel"):
    image_layout_version: str = ""


class LayoutImage(OpenedImage):
    """An image in a folder."""

    has_files = True

    def __init__(self, text: str, reference: ImageReference, platform: str) -> None:
        """Open the image. Raises ImageAccessError."""
        root = Path(reference.path)
        if not (root / LAYOUT_FILE).exists():
            reason = f"it has no file {LAYOUT_FILE}" if root.is_dir() else "there is no such folder"
            raise ImageAccessError(f"{visible(reference.path)} is not an OCI layout: {reason}")
        check_layout_version(read_file(root / LAYOUT_FILE, LARGEST_DOCUMENT))
        entries = list_entries(read_file(root / "index.json", LARGEST_DOCUMENT), reference.version)
        self._blobs = BlobFolder(root)
        image = resolve_image(self._blobs, entries, platform)
        self.reference = text
        self.digest, self.index_digest, self.platform = image.digest, image.index_digest, image.platform
        self.config, self.layers, self.annotations = image.config, image.layers, image.annotations
        self.names = list_complete_names(entries)

    def open_layer(self, layer: LayerReference) -> FileRange:
        """Return the file of a layer."""
        return self._blobs.locate_layer(layer)


def check_layout_version(content: bytes) -> None:
    """Raise ImageAccessError for the file `oci-layout` of another version."""
    version = decode(content, _LayoutFile, LAYOUT_FILE).image_layout_version
    if not version.startswith(_VERSION):
        raise ImageAccessError(f"the layout has the version {visible(version)!r}; this release reads 1.0.0")


def list_entries(content: bytes, version: str) -> Sequence[ImageDescriptor]:
    """Return the entries of `index.json` for a tag or digest, or those of the only image. Raises ImageAccessError."""
    entries = decode_document(content).manifests or ()
    if version:
        matches = [entry for entry in entries if version == entry.digest or _matches(entry, version)]
        if not matches:
            raise ImageAccessError(f"no image {visible(version)}; {_describe(entries)}")
        return matches
    names = {_name(entry) for entry in entries if entry.platform is None or str(entry.platform) != "unknown/unknown"}
    # Several entries without a name are the platforms of one image.
    if len(names) > 1:
        raise ImageAccessError(f"several images: add :TAG or @DIGEST; {_describe(entries)}")
    return entries


def list_complete_names(entries: Sequence[ImageDescriptor]) -> tuple[str, ...]:
    """Return the names of the entries that a registry could have, without bare tags."""
    names = (_name(entry) for entry in entries)
    return tuple(dict.fromkeys(visible(name) for name in names if "/" in name or ":" in name))


def _name(entry: ImageDescriptor) -> str:
    return entry.get_annotation(_CONTAINERD_NAME) or entry.get_annotation(REF_NAME)


def _matches(entry: ImageDescriptor, version: str) -> bool:
    """Return True for the exact name or tag, or for another notation of a complete name."""
    names = {entry.get_annotation(_CONTAINERD_NAME), entry.get_annotation(REF_NAME)} - {""}
    return version in names or any(is_same_name(name, version) for name in names)


def is_same_name(first: str, second: str) -> bool:
    """Return True if two names mean the same image, as `app` and `docker.io/library/app:latest`."""
    try:
        left, right = parse_image_name(first), parse_image_name(second)
    except ValueError:
        return False
    return (left.name, left.version) == (right.name, right.version)


def _describe(entries: Sequence[ImageDescriptor]) -> str:
    names = sorted({_name(entry) or entry.digest for entry in entries})
    if not names:
        return "the layout is empty"
    return f"images: {', '.join(map(visible, names[:_MOST_LISTED]))}{', ...' if len(names) > _MOST_LISTED else ''}"
