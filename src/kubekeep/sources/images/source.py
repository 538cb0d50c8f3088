"""Detection of images on the command line. Opens none itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.sources.images.address import is_image_address, to_reference
from kubekeep.sources.source import ReadContext, Root, SourceType


class ImageSource(SourceType):
    """Container images by address: `image:nginx:1.29`, `oci:FOLDER`, `docker-archive:FILE` and others."""

    name = "images"
    order = 90

    def matches_address(self, address: str) -> bool:
        """Return True for the address of an image."""
        return is_image_address(address)

    def open_address(self, address: str, context: ReadContext) -> Iterator[Root | UnreadInput]:
        """Yield the image as a root."""
        from kubekeep.images.access.references import find_local_path  # noqa: PLC0415 - most scans have no image

        reference = to_reference(address)
        if path := find_local_path(reference):
            context.opened_paths.append(str(Path.cwd() / path))
        yield Root(self.name, reference, reference, "")

    def read(self, roots: Sequence[Root], context: ReadContext) -> Iterator[Resource | UnreadInput]:
        """Yield the resource of each image, and the parts of it that could not be read."""
        if roots:
            from kubekeep.sources.images.read import read_images  # noqa: PLC0415 - most scans have no image

            yield from read_images(
                [root.path for root in roots], context.options.images, context.options.vulnerabilities
            )


SOURCE: Final = ImageSource()
