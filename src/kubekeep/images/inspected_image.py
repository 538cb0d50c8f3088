"""The content of an image that was read. Values only; most importers read no image themselves."""

from __future__ import annotations

import msgspec

from kubekeep.images.base_image import BaseReference
from kubekeep.images.configuration import ImageConfiguration
from kubekeep.images.content import ImageContent


class InspectedImage(msgspec.Struct, frozen=True):
    """The content of an image or folder.

    configuration: None for a folder. index_digest: of the index that led to it. names: all names, if there are several
    or it was not opened by its name. base: the base image that it names itself.
    """

    reference: str
    digest: str
    platform: str
    configuration: ImageConfiguration | None
    content: ImageContent
    index_digest: str = ""
    names: tuple[str, ...] = ()
    base: BaseReference | None = None
