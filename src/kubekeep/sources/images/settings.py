"""Options of reading for callers without a command line: images are read with the logins of this user."""

from __future__ import annotations

from collections.abc import Iterable

from kubekeep.images.options import ImageOptions
from kubekeep.sources.images.address import is_image_address
from kubekeep.sources.options import ReadOptions
from kubekeep.sources.registries.address import is_registry_address


def select_read_options(paths: Iterable[str]) -> ReadOptions:
    """Return the options for some paths; the settings for registries are read only if one is an image."""
    if not any(is_image_address(path) or is_registry_address(path) for path in paths):
        return ReadOptions()
    from kubekeep.images.access.settings import read_access_options  # noqa: PLC0415 - only for images

    return ReadOptions(images=ImageOptions(access=read_access_options()))
