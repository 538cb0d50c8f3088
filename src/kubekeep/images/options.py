"""Options of reading images. Reads nothing."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from kubekeep.images.access.options import AccessOptions
from kubekeep.images.exchange import LayerExchange

OnBytes = Callable[[str, int, int | None], None]
"""Receives the image, the bytes of its layers read so far and their total, if known."""


class ImageOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of reading images.

    access: registries, stores and the platform. cache_folder: the folder of cached layers; empty for none. on_bytes: called
    while layers are read, in any thread. shared_layers: content of layers that several machines share; None for none.
    """

    access: AccessOptions = AccessOptions()
    cache_folder: str = ""
    on_bytes: OnBytes | None = None
    shared_layers: LayerExchange | None = None
