"""Names of images of registries in their resources. No I/O."""

from __future__ import annotations

import msgspec

from kubekeep.images.inspected_image import InspectedImage
from kubekeep.images.registries.selection import SelectedImage
from kubekeep.model.text import visible


def add_names(content: InspectedImage, selected: SelectedImage) -> InspectedImage:
    """Return the content with all names of the image, if there are several."""
    names = selected.names if len(selected.names) > 1 else ()
    return msgspec.structs.replace(content, names=tuple(map(visible, names)))
