"""The entry point: opens any reference. Imports the code of one kind only, since most need no network client."""
# ruff: noqa: PLC0415 - see above

from __future__ import annotations

from pathlib import Path

from kubekeep.images.access.opened import FileRange, LayerReference, OpenedImage
from kubekeep.images.access.options import AccessOptions, parse_platform
from kubekeep.images.access.references import ImageReference, ReferenceKind, parse_image_reference
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import visible
from kubekeep.registry.reference import hide_login


def open_image(reference: str, options: AccessOptions | None = None) -> OpenedImage:
    """Open an image and verify its manifest and configuration; the caller closes it.

    Raises ImageAccessError, whose message begins with the reference.
    """
    options = options or AccessOptions()
    try:
        if options.platform:
            parse_platform(options.platform)
        return _open(reference, parse_image_reference(reference), options)
    except (ImageAccessError, OSError, ValueError) as error:
        cause = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise ImageAccessError(f"{visible(hide_login(reference))}: {cause}") from error


def _open(text: str, reference: ImageReference, options: AccessOptions) -> OpenedImage:
    match reference.kind:
        case ReferenceKind.LAYOUT:
            from kubekeep.images.access.layout import LayoutImage

            return LayoutImage(text, reference, options.platform)
        case ReferenceKind.ARCHIVE:
            from kubekeep.images.access.archives import open_archive

            return open_archive(text, reference.path, reference.version, options.platform)
        case ReferenceKind.FOLDER:
            return OpenedFolder(text, reference.path)
        case ReferenceKind.CONTAINERD:
            from kubekeep.images.access.containerd import ContainerdImage

            return ContainerdImage(text, reference, options)
        case ReferenceKind.DOCKER:
            from kubekeep.images.access.docker_daemon import open_from_daemon

            return open_from_daemon(text, reference, options)
        case ReferenceKind.REGISTRY:
            from kubekeep.images.access.registry_image import RegistryImage

            return RegistryImage(text, reference, options)


class OpenedFolder(OpenedImage):
    """A folder, which has no layers, no digest and an empty configuration. Never lists its files; the layer reader does."""

    def __init__(self, text: str, path: str) -> None:
        """Check the folder. Raises ImageAccessError."""
        if not Path(path).is_dir():
            raise ImageAccessError(f"{visible(path)}: no such folder")
        self.reference, self.folder = text, path
        self.digest = self.platform = ""
        self.config, self.layers = b"{}", ()

    def open_layer(self, layer: LayerReference) -> FileRange:
        """Raise ImageAccessError: a folder has no layers."""
        raise ImageAccessError(f"{visible(self.folder)} is a folder and has no layer {layer.diff_id}")
