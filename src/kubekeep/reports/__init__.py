"""Report formats: one module per format that writes an assessment to a stream.

The list of formats is derived from the modules of this package. A format is imported only when it is used, so that
a scan loads only the one it prints. Reports work on values of the model: they never read a source, evaluate a rule
or open a file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from kubekeep.reports.format import Extra, ReportFormat, ReportOptions

__all__ = ["Extra", "ReportFormat", "ReportOptions", "formats", "load", "names"]

_NO_FORMATS: Final = frozenset(
    {"changes", "format", "kubescape_v2", "registries", "sboms", "shared", "signatures", "vex"}
)
"""Modules that are not formats: the format definition and shared parts."""


def names() -> tuple[str, ...]:
    """Return the names of all formats in alphabetical order without importing any."""
    modules = (module.name for module in pkgutil.iter_modules(__path__) if module.name not in _NO_FORMATS)
    return tuple(sorted(name.replace("_", "-") for name in modules))


def load(name: str) -> ReportFormat:
    """Return the format with the name or alias. Raises LookupError for other names.

    Imports only that format, unless `name` is an alias.
    """
    if name in names():
        return _import_format(name)
    for report_format in formats().values():
        if name in report_format.aliases:
            return report_format
    raise LookupError(f"unknown format {name!r}: use one of {', '.join(names())}")


def formats() -> Mapping[str, ReportFormat]:
    """Return all formats by name, read-only; imports every format. Raises ValueError if two claim the same name."""
    return collect(_import_format(name) for name in names())


def collect(formats: Iterable[ReportFormat]) -> Mapping[str, ReportFormat]:
    """Return the formats by name. Raises ValueError if a name or an alias is used twice."""
    by_name: dict[str, ReportFormat] = {}
    used_names: set[str] = set()
    for report_format in formats:
        for name in (report_format.name, *report_format.aliases):
            if name in used_names:
                raise ValueError(f"two report formats are called {name!r}")
            used_names.add(name)
        by_name[report_format.name] = report_format
    return MappingProxyType(by_name)


def _import_format(name: str) -> ReportFormat:
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    report_format = module.FORMAT
    if not isinstance(report_format, ReportFormat) or report_format.name != name:
        raise TypeError(f"{module.__name__}.FORMAT must be a Format called {name!r}")
    return report_format
