"""Folders with an unpacked file system or a project. Never lists their files; the layer reader does."""

from __future__ import annotations

from pathlib import Path

from kubekeep.images.access.opened import FileRange, LayerReference, OpenedImage
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import visible


class OpenedFolder(OpenedImage):
    """A folder, which has no layers, no digest and an empty configuration."""

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
