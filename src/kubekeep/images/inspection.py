"""Inspection of an image: open it, read its layers, and merge them. The entry point of this package."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final

import msgspec

from kubekeep.images.access.resolve import open_image
from kubekeep.images.configuration import ImageConfiguration, decode_configuration
from kubekeep.images.content import ImageContent
from kubekeep.images.layers import read_folder, read_layers
from kubekeep.images.merge import merge
from kubekeep.images.options import ImageOptions

_FOLDER: Final = "dir:"

OnBytes = Callable[[str, int, int | None], None]
"""Receives the image, the bytes read so far and their total, if known."""


class InspectedImage(msgspec.Struct, frozen=True):
    """The content of an image or folder. configuration: None for a folder."""

    reference: str
    digest: str
    platform: str
    configuration: ImageConfiguration | None
    content: ImageContent
