"""Options of reading images. Values only."""

from __future__ import annotations

import msgspec

from kubekeep.images.access.options import AccessOptions


class ImageOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of reading images.

    access: registries, stores and the platform. cache_folder: the folder of cached layers; empty for none.
    """

    access: AccessOptions = AccessOptions()
    cache_folder: str = ""
