"""OUT: one module a format, from an assessment to text.

The list of formats is found by walking this folder, never written down. Nothing is imported before it is
asked for: a scan pays for the one format that it prints. Reports never read a source, never judge, and never
open a file; they see values of the model only.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from kubekeep.reports.format import Extra, Format, Options

__all__ = ["Extra", "Format", "Options", "formats", "load", "names"]

_NO_FORMATS: Final = frozenset({"changes", "format", "kubescape_v2", "shared"})
"""What is here and no format: the shape of one, and the parts that several draw on."""


def names() -> tuple[str, ...]:
    """The names of all formats in alphabetical order, found without importing any."""
    modules = (module.name for module in pkgutil.iter_modules(__path__) if module.name not in _NO_FORMATS)
    return tuple(sorted(name.replace("_", "-") for name in modules))


def load(name: str) -> Format:
    """The format called `name`, or that has it as an alias; raises LookupError for other names.

    Imports that format alone, unless `name` is an alias.
    """
    if name in names():
        return _imported(name)
    for entry in formats().values():
        if name in entry.aliases:
            return entry
    raise LookupError(f"unknown format {name!r}: use one of {', '.join(names())}")


def formats() -> Mapping[str, Format]:
    """All formats by name, read-only; imports every one. Raises ValueError when two claim the same name."""
    return collect(_imported(name) for name in names())


def collect(found: Iterable[Format]) -> Mapping[str, Format]:
    """`found` by name; raises ValueError when a name or an alias is taken twice."""
    by_name: dict[str, Format] = {}
    taken: set[str] = set()
    for entry in found:
        for name in (entry.name, *entry.aliases):
            if name in taken:
                raise ValueError(f"two report formats are called {name!r}")
            taken.add(name)
        by_name[entry.name] = entry
    return MappingProxyType(by_name)


def _imported(name: str) -> Format:
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    entry = module.FORMAT
    if not isinstance(entry, Format) or entry.name != name:
        raise TypeError(f"{module.__name__}.FORMAT must be a Format called {name!r}")
    return entry
