"""Inspection of an image: open it, read its layers and merge them. The entry point of this package."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from kubekeep.images.access.open_image import open_image
from kubekeep.images.access.opened import OpenedImage
from kubekeep.images.base_image import read_base_reference
from kubekeep.images.configuration import decode_configuration
from kubekeep.images.content import LayerContent
from kubekeep.images.errors import ImageContentError
from kubekeep.images.inspected_image import InspectedImage
from kubekeep.images.layer_cache import LayerCache
from kubekeep.images.layers import LayerSettings, compute_version, read_folder, read_layers
from kubekeep.images.merge import merge
from kubekeep.images.options import ImageOptions, OnBytes
from kubekeep.model.text import visible


def inspect_image(reference: str, options: ImageOptions, *, secrets: bool = False) -> InspectedImage:
    """Return the content of an image or folder, with `secrets` also the secrets in its files and all that scans need.

    Raises ImageAccessError if it cannot be opened, and ImageContentError, with the reference, for a damaged layer.
    """
    with contextlib.closing(open_image(reference, options.access)) as image:
        return inspect_opened(image, options, secrets=secrets)


def inspect_opened(image: OpenedImage, options: ImageOptions, *, secrets: bool = False) -> InspectedImage:
    """Return the content of an opened image. Raises as `inspect_image`."""
    try:
        configuration = None if image.folder else decode_configuration(image.config, image.reference)
        layers = _read(image, options, secrets=secrets)
        content = merge(layers)
    except ImageContentError as error:
        raise ImageContentError(f"{visible(image.reference)}: {error}") from error
    return InspectedImage(
        image.reference,
        image.digest,
        image.platform,
        configuration,
        content,
        image.index_digest,
        image.names,
        read_base_reference(image.annotations, configuration.settings.labels if configuration else None),
    )


def _read(image: OpenedImage, options: ImageOptions, *, secrets: bool) -> tuple[LayerContent, ...]:
    settings = LayerSettings(secrets=secrets)
    if image.folder:
        return (read_folder(Path(image.folder), settings),)
    cache = open_layer_cache(options)
    count = None if options.on_bytes is None else _Counter(image, options.on_bytes)
    return read_layers(image, settings, cache=cache, shared=options.shared_layers, on_bytes=count)


def open_layer_cache(options: ImageOptions) -> LayerCache | None:
    """Return the cache of layers; None without a folder."""
    return LayerCache(Path(options.cache_folder), compute_version()) if options.cache_folder else None


class _Counter:
    """Adds up the bytes of all layers, which are read in several threads."""

    def __init__(self, image: OpenedImage, on_bytes: OnBytes) -> None:
        sizes = [layer.size for layer in image.layers]
        self._total = None if None in sizes else sum(size or 0 for size in sizes)
        self._reference = image.reference
        self._on_bytes = on_bytes
        self._size = 0
        self._lock = threading.Lock()

    def __call__(self, size: int) -> None:
        with self._lock:
            self._size += size
            self._on_bytes(self._reference, self._size, self._total)
