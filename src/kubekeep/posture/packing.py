"""When the objects of a scan are packed: at once if they come from a cluster, else as soon as they are many.

Packing halves the memory of a large scan and costs about a tenth of its time, so that a scan of few files does without.
Never packs roles and bindings, whose objects many joined subjects share.
"""

from __future__ import annotations

from typing import Final

from kubekeep.model.resource import Resource
from kubekeep.posture.index import is_role_or_binding

MAX_UNPACKED: Final = 10_000
"""Objects of files that one scan keeps unpacked, at about 15 kB each."""


class ObjectPacker:
    """Packs resources in place."""

    def __init__(self) -> None:
        self._max_unpacked = MAX_UNPACKED
        self._unpacked: list[Resource] = []

    def add(self, resource: Resource, text: bytes | None = None, derived: bytes = b"") -> None:
        """Pack `resource`, or keep it unpacked while there are few; `text` and `derived` are passed to `pack_in_place`.

        The first resource beyond the limit packs all before it, without their derived texts.
        """
        if is_role_or_binding(resource):
            return
        if resource.source is not None and isinstance(resource.content, dict) and self._max_unpacked:
            self._unpacked.append(resource)
            if len(self._unpacked) <= self._max_unpacked:
                return
            self._max_unpacked = 0
            for earlier in self._unpacked:
                earlier.pack_in_place()
            self._unpacked.clear()
        resource.pack_in_place(text, derived)
