"""Visibility of files of a layer under the layers above it (OCI image specification, whiteouts). No I/O.

A path is hidden if an upper layer removes it, has a file or link at it or at a folder above it, replaces a folder above it
(opaque whiteout), or has a folder in its place.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator
from typing import Final

from kubekeep.images.content import LayerContent
from kubekeep.images.errors import ImageContentError

MAX_TESTED: Final = 256 * 2**20
"""Most characters of all tested paths and the folders above them; 50,000 package.json files need 90 million."""
_LIMIT: Final = f"at most {MAX_TESTED} are supported"


class UpperLayers:
    """The layers above the current one, from the top down. `paths` are all paths that will be tested."""

    def __init__(self, paths: Collection[str]) -> None:
        size = sum([len(path) * path.count("/") for path in paths])
        if size > MAX_TESTED:
            raise ImageContentError(f"The paths with packages need {size} characters with their folders; {_LIMIT}.")
        self._tested = frozenset(ancestor for path in paths for ancestor in list_ancestors(path))
        self._blocked: set[str] = set()
        self._entries: list[list[str]] = []
        self._hidden_folders: dict[str, bool] = {}

    def hides(self, path: str) -> bool:
        """Return True if the file at `path` in the current layer is not visible in the image."""
        folder = path.rpartition("/")[0]
        hidden = self._hidden_folders.get(folder)
        if hidden is None:
            hidden = not self._blocked.isdisjoint(list_ancestors(folder))
            self._hidden_folders[folder] = hidden
        return hidden or path in self._blocked or self._has_folder(path)

    def add(self, layer: LayerContent) -> None:
        """Continue with the layer below `layer`."""
        # A folder and the file that it replaces have the same path, so an opaque folder hides that file too.
        blocked = self._tested.intersection((*layer.removed, *layer.opaque))
        if layer.paths:
            entries = layer.paths.split("\n")
            blocked |= self._tested.intersection(entries)
            self._entries.append(entries)
        if blocked:
            self._blocked |= blocked
            self._hidden_folders.clear()

    def _has_folder(self, path: str) -> bool:
        """Return True if an upper layer has entries in a folder that replaced the file `path`."""
        prefix = f"{path}/"
        for entries in self._entries:
            position = bisect_left(entries, prefix)
            if position < len(entries) and entries[position].startswith(prefix):
                return True
        return False


def is_recreated(layer: LayerContent, path: str) -> bool:
    """Return True if the layer removes the file of the layers below, so that one at the same path is a new file."""
    if not layer.removed and not layer.opaque:
        return False
    ancestors = list_ancestors(path)
    return not ancestors.isdisjoint(layer.removed) or not ancestors.isdisjoint(layer.opaque)


def list_ancestors(path: str) -> frozenset[str]:
    """Return the path, all folders above it, and the root folder, which is empty."""
    return frozenset((path, *_iterate_folders(path)))


def _iterate_folders(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition("/")[0]
        yield path
