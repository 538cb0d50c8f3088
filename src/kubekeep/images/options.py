"""Options of reading images. Reads nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kubekeep.images.access.options import AccessOptions
from kubekeep.images.exchange import LayerExchange

OnBytes = Callable[[str, int, int | None], None]
"""Receives the image, the bytes of its layers read so far and their total, if known."""


class ImageIdentity(msgspec.Struct, frozen=True):
    """An image that was read. reference: as it was opened.

    digest and index_digest: of the manifest, and of the index that led to it. platform: as "linux/amd64". created: time of
    the build in RFC 3339.
    """

    reference: str
    digest: str
    index_digest: str = ""
    platform: str = ""
    created: str = ""


class ImageDescription(msgspec.Struct, frozen=True):
    """Further fields of the document of an image, and reasons why some facts are unknown.

    statements: VEX documents in verified attestations of the image, each with its origin.
    """

    fields: Mapping[str, Any] = {}
    problems: tuple[str, ...] = ()
    statements: tuple[tuple[str, bytes], ...] = ()


DescribeImage = Callable[[ImageIdentity], ImageDescription]
"""Returns facts about an image that are not in it, such as its signatures."""


class ImageOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of reading images.

    access: registries, stores and the platform. cache_folder: the folder of cached layers; empty for none. on_bytes: called
    while layers are read, in any thread. shared_layers: content of layers that several machines share; None for none.
    describe: adds facts to the documents of images; None for the content alone. keeps_packages: keep the packages of images
    as the catalogue lists them, beside the documents.
    """

    access: AccessOptions = AccessOptions()
    cache_folder: str = ""
    on_bytes: OnBytes | None = None
    shared_layers: LayerExchange | None = None
    describe: DescribeImage | None = None
    keeps_packages: bool = False
