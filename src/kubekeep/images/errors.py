"""Errors of images. Messages name the image, the cause and the next step, and contain no secrets."""

from __future__ import annotations

from kubekeep.model.errors import KubekeepError


class ImageAccessError(KubekeepError):
    """An image cannot be opened or a layer cannot be fetched."""


class NotAnImageError(ImageAccessError):
    """The reference is that of an artifact of another kind, such as a chart or a signature."""


class ImageContentError(KubekeepError):
    """A layer has another digest than the manifest says, is damaged, or exceeds a limit."""


class SbomError(KubekeepError):
    """A file is not an SBOM that can be read, or exceeds a limit."""
