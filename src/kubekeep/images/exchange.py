"""Protocol of the exchange of layer content between machines. No I/O."""

from __future__ import annotations

from typing import Protocol

from kubekeep.images.access.opened import LayerReference
from kubekeep.images.content import LayerContent


class LayerExchange(Protocol):
    """Content of layers that several machines share."""

    def get(self, layer: LayerReference, *, secrets: bool) -> LayerContent | None:
        """Return the content of exactly this blob, searched for secrets if requested; None if nobody shares it."""

    def put(self, content: LayerContent, *, secrets: bool) -> None:
        """Share the content of a layer that was read and verified."""
