"""Images in the store of containerd: names from its database, content from its files.

Needs no running containerd and changes nothing; the files belong to root.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from kubekeep.images.access.blob_files import BlobFolder
from kubekeep.images.access.bolt import BoltBucket, read_database
from kubekeep.images.access.documents import ImageDescriptor
from kubekeep.images.access.opened import FileRange, LayerReference, OpenedImage
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.access.references import ImageReference
from kubekeep.images.access.resolve import resolve_image
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import visible

_ROOTS: Final = (
    "/var/lib/containerd",
    "/var/lib/rancher/k3s/agent/containerd",
    "/var/lib/rancher/rke2/agent/containerd",
    "/var/lib/k0s/containerd",
    "/var/snap/microk8s/common/var/lib/containerd",
)
"""State folders of containerd: its default, and those of Kubernetes distributions."""
_DATABASE: Final = "io.containerd.metadata.v1.bolt/meta.db"
_CONTENT: Final = "io.containerd.content.v1.content"
_SCHEMA: Final = b"v1"
_MOST_NAMES: Final = 100_000
_MOST_LISTED: Final = 12


class ContainerdImage(OpenedImage):
    """An image of one namespace in a containerd store."""

    def __init__(self, text: str, reference: ImageReference, options: AccessOptions) -> None:
        """Open the image. Raises ImageAccessError."""
        root = _find_root(options.containerd_root)
        self._blobs = BlobFolder(root / _CONTENT)
        descriptor = _find_image(root / _DATABASE, reference, options.containerd_namespace)
        if not self._blobs.has_blob(descriptor):
            raise ImageAccessError(f"the manifest {descriptor.digest} is missing in {root}: pull the image again")
        image = resolve_image(self._blobs, (descriptor,), options.platform)
        self.reference = text
        self.digest, self.index_digest, self.platform = image.digest, image.index_digest, image.platform
        self.config, self.layers, self.annotations = image.config, image.layers, image.annotations

    def open_layer(self, layer: LayerReference) -> FileRange:
        """Return the file of a layer. Raises ImageAccessError if containerd has discarded it."""
        descriptor = ImageDescriptor(media_type=layer.media_type, digest=layer.digest, size=layer.size or 0)
        if not self._blobs.has_blob(descriptor):
            raise ImageAccessError(
                f"{self.reference}: containerd has discarded the layer {layer.digest} after unpacking it "
                "(discard_unpacked_layers); read the image from its registry"
            )
        return self._blobs.locate_layer(layer)


def _find_root(explicit: str) -> Path:
    """Return the state folder. Raises ImageAccessError with the tried ones."""
    roots = (explicit,) if explicit else _ROOTS
    for root in map(Path, roots):
        try:
            (root / _DATABASE).stat()
        except PermissionError as error:
            raise ImageAccessError(f"{root}: no permission to read the store of containerd; run as root") from error
        except OSError:
            continue
        return root
    raise ImageAccessError(f"no containerd store at {', '.join(roots)}; use --containerd-root for another folder")


def _find_image(database: Path, reference: ImageReference, namespace: str) -> ImageDescriptor:
    """Return the descriptor of the image's manifest or index. Raises ImageAccessError."""
    try:
        return read_database(database, lambda root: _look_up(root, reference, namespace))
    except PermissionError as error:
        raise ImageAccessError(f"{database}: no permission to read; run as root") from error


def _look_up(root: BoltBucket, reference: ImageReference, namespace: str) -> ImageDescriptor:
    names = _list_names(reference)
    schema = root.get_bucket(_SCHEMA)
    if schema is None:
        raise ImageAccessError("the store of containerd has an unknown version")
    images = _get_images(schema, namespace.encode())
    if images is None:
        raise ImageAccessError(f"containerd has no namespace {visible(namespace)}; namespaces: {_list(schema)}")
    for name in names:
        image = images.get_bucket(name.encode())
        if image is not None:
            return _parse_target(image)
    if reference.name is not None and reference.name.digest:
        for key in _list_repository(images, reference.name.name):
            image = images.get_bucket(key)
            if image is not None and (descriptor := _parse_target(image)).digest == reference.name.digest:
                return descriptor
    elsewhere = [
        key.decode(errors="replace")
        for key in schema.list_keys()
        if (others := _get_images(schema, key)) is not None
        and any(others.get_bucket(name.encode()) is not None for name in names)
    ]
    if elsewhere:
        raise ImageAccessError(f"the image is in the namespace {visible(elsewhere[0])}: use --containerd-namespace")
    raise ImageAccessError(f"containerd has no image {names[0]} in the namespace {visible(namespace)}")


def _get_images(schema: BoltBucket, namespace: bytes) -> BoltBucket | None:
    bucket = schema.get_bucket(namespace)
    return bucket.get_bucket(b"images") if bucket is not None else None


def _list_names(reference: ImageReference) -> list[str]:
    """Return the names under which containerd may have the image: complete, or as given."""
    if reference.name is None:
        return [reference.text]
    name = reference.name
    complete = f"{name.name}@{name.digest}" if name.digest else f"{name.name}:{name.version}"
    return list(dict.fromkeys((complete, reference.text)))


def _list_repository(images: BoltBucket, name: str) -> list[bytes]:
    prefixes = (f"{name}:".encode(), f"{name}@".encode())
    keys = (key for _, key in zip(range(_MOST_NAMES), images.list_keys(), strict=False))
    return [key for key in keys if key.startswith(prefixes)]


def _list(bucket: BoltBucket) -> str:
    keys = [key for _, key in zip(range(_MOST_LISTED), bucket.list_keys(), strict=False) if key != b"version"]
    return ", ".join(visible(key.decode(errors="replace")) for key in keys) or "none"


def _parse_target(image: BoltBucket) -> ImageDescriptor:
    """Return the descriptor in the bucket of an image. Raises ValueError."""
    target = image.get_bucket(b"target")
    values = {key: (target.get(key) if target else None) or b"" for key in (b"digest", b"mediatype", b"size")}
    fields = {
        "digest": values[b"digest"].decode(),
        "mediaType": values[b"mediatype"].decode(),
        "size": _parse_varint(values[b"size"]),
    }
    return msgspec.convert(fields, ImageDescriptor)


def _parse_varint(content: bytes) -> int:
    """Return a number in Go's signed variable-length notation (encoding/binary)."""
    number = sum((byte & 0x7F) << 7 * position for position, byte in enumerate(content[:10]))
    return number >> 1 if not number & 1 else ~(number >> 1)
