"""The SBOM of an image or a folder. Never prints."""

from __future__ import annotations

import contextlib

from kubekeep.images.access.open_image import open_image
from kubekeep.images.errors import ImageAccessError
from kubekeep.images.inspection import inspect_image
from kubekeep.images.options import ImageOptions
from kubekeep.images.sbom.document import Sbom
from kubekeep.images.sbom.image import create_image_sbom
from kubekeep.images.sbom.merge import merge
from kubekeep.images.sbom.read import read_sbom


def create_sbom(reference: str, options: ImageOptions) -> Sbom:
    """Return the packages of an image or a folder as an SBOM. Raises ImageAccessError and ImageContentError."""
    return create_image_sbom(inspect_image(reference, options))


def read_attached_sbom(reference: str, options: ImageOptions) -> Sbom:
    """Return the SBOM that is attached to an image in its registry; several are merged. Its signature is not verified.

    Raises ImageAccessError if there is none, and SbomError if one cannot be read.
    """
    with contextlib.closing(open_image(reference, options.access)) as image:
        attached = list(image.iterate_sboms())
    if not attached:
        raise ImageAccessError(f"{reference}: no SBOM is attached; leave out --attached to read the layers")
    return merge([read_sbom(entry.document, f"{reference}: {entry.digest}") for entry in attached], reference)
