"""All catalogues that the ecosystems name. Reads no files of images."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Final

import msgspec

from kubekeep.ecosystems.shared.registry import load_ecosystems
from kubekeep.images.content import Archive, CatalogRecord, Executable, LayerFile

_PACKAGE: Final = "kubekeep.images.catalog"


class Catalog(msgspec.Struct, frozen=True):
    """A catalogue: the patterns and functions of one module; a function that the module does not define is None."""

    name: str
    patterns: tuple[str, ...]
    folder_patterns: tuple[str, ...] = ()
    scan_patterns: tuple[str, ...] = ()
    version_patterns: tuple[tuple[str, str, str], ...] = ()
    read: Callable[[LayerFile], CatalogRecord | None] | None = None
    read_archives: Callable[[Sequence[Archive]], Iterable[CatalogRecord]] | None = None
    read_executable: Callable[[Executable], CatalogRecord | None] | None = None


@functools.cache
def load_catalogs() -> tuple[Catalog, ...]:
    """Return all catalogues in the order of their names. Raises TypeError if one has patterns but no function."""
    names = {name for ecosystem in load_ecosystems().values() for name in ecosystem.catalogs}
    return tuple(_build_catalog(importlib.import_module(f"{_PACKAGE}.{name}")) for name in sorted(names))


def _build_catalog(module: ModuleType) -> Catalog:
    catalog = Catalog(
        module.__name__.rpartition(".")[2],
        module.PATTERNS,
        getattr(module, "FOLDER_PATTERNS", ()),
        getattr(module, "SCAN_PATTERNS", ()),
        getattr(module, "VERSION_PATTERNS", ()),
        getattr(module, "read", None),
        getattr(module, "read_archives", None),
        getattr(module, "read_executable", None),
    )
    if catalog.read is None and (catalog.patterns or catalog.folder_patterns or catalog.scan_patterns):
        raise TypeError(f"{module.__name__} has patterns but no function read")
    if catalog.read_executable is None and catalog.version_patterns:
        raise TypeError(f"{module.__name__} has version patterns but no function read_executable")
    return catalog
