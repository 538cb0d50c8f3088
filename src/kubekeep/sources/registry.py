"""Sources of this package, found by walking its folders. Imports the module `source` of each folder and nothing else."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil

import kubekeep.sources
from kubekeep.sources.source import SourceType


@functools.cache
def load_sources() -> dict[str, SourceType]:
    """Return all sources by name, in their order. Raises ValueError if two have the same name or order."""
    sources: list[SourceType] = []
    for module in pkgutil.iter_modules(kubekeep.sources.__path__, "kubekeep.sources."):
        name = f"{module.name}.source"
        if module.ispkg and importlib.util.find_spec(name) is not None:
            sources.append(importlib.import_module(name).SOURCE)
    sources.sort(key=lambda source: source.order)
    by_name = {source.name: source for source in sources}
    if len(by_name) < len(sources) or len({source.order for source in sources}) < len(sources):
        raise ValueError("two sources have the same name or the same order")
    return by_name
