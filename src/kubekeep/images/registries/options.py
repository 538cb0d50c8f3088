"""Options of scans of registries: selection of images and budgets. Values only; reads nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

import msgspec

OnImages = Callable[[int, int, int], None]
"""Receives the number of images done, the number of all, and the bytes of layers that were read."""


class TagSelection(msgspec.Struct, frozen=True, kw_only=True):
    """Selection of images of repositories.

    tags: patterns of tags; empty for all. exclude: patterns of tags, repositories or both as `repository:tag`. newest:
    the number of images per repository, 0 for all. since: the first day of creation; None for all. repositories: names of
    repositories for registries that do not list them, with or without the registry. all_platforms: each image of an index
    instead of one.
    """

    tags: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    newest: int = 0
    since: dt.date | None = None
    repositories: tuple[str, ...] = ()
    all_platforms: bool = False

    @property
    def needs_descriptions(self) -> bool:
        """True if manifests must be read before images are selected."""
        return bool(self.newest or self.since or self.all_platforms)


class ScanBudget(msgspec.Struct, frozen=True, kw_only=True):
    """Budget of a scan.

    parallel: images read at the same time. bytes_in_flight: compressed bytes of the layers of these images; one image
    may always be read. bytes: of layers per run, None for no limit. duration: seconds per run, None for no limit.
    requests_per_second: to each registry.
    """

    parallel: int = 4
    bytes_in_flight: int = 4 << 30
    bytes: int | None = None
    duration: float | None = None
    requests_per_second: float = 50


class RegistryOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a scan of registries.

    state: the folder that keeps results between runs; empty for none. packages: digests of the packages to compare with
    advisories, by image; the images of the state are then scanned without their registries. None to use the registries.
    """

    selection: TagSelection = TagSelection()
    budget: ScanBudget = ScanBudget()
    state: str = ""
    packages: Mapping[str, frozenset[bytes]] | None = None
    on_images: OnImages | None = None
