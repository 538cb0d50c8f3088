"""Formats of a comparison of two scans, for people and pipelines.

Each module here writes a comparison, while the other formats of the package write an assessment. Evaluates nothing
and does no I/O.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Final, TextIO

import msgspec

from kubekeep.model.comparison import Comparison, Difference
from kubekeep.model.severity import Severity
from kubekeep.reports.format import ReportOptions

RenderComparison = Callable[[Comparison, TextIO, ReportOptions], None]

_EXTENSIONS: Final = {
    "pretty": ".txt",
    "json": ".json",
    "yaml": ".yaml",
    "markdown": ".md",
    "sarif": ".sarif",
    "junit": ".xml",
    "gitlab-sast": ".json",
}
_ALIASES: Final = {"pretty-printer": "pretty"}


class ChangeFormat(msgspec.Struct, frozen=True):
    """A format of comparisons: name, file extension and function."""

    name: str
    extension: str
    render: RenderComparison


def names() -> tuple[str, ...]:
    """Return the names of all formats."""
    return tuple(_EXTENSIONS)


def load(name: str) -> ChangeFormat:
    """Return the format with the name. Raises LookupError for other names."""
    name = _ALIASES.get(name, name)
    if name not in _EXTENSIONS:
        raise LookupError(f"unknown format {name!r}: use one of {', '.join(_EXTENSIONS)}")
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return ChangeFormat(name, _EXTENSIONS[name], module.render)


def filter_severity(comparison: Comparison, level: Severity | None) -> Comparison:
    """Return the comparison without findings below `level`; findings of unknown severity are kept."""
    if level is None:
        return comparison
    lists = ("new", "resolved", "unchanged", "incomparable", "excepted")
    return msgspec.structs.replace(comparison, **{name: _select(getattr(comparison, name), level) for name in lists})


def _select(differences: tuple[Difference, ...], level: Severity) -> tuple[Difference, ...]:
    return tuple(
        difference for difference in differences if difference.finding.level >= level or not difference.finding.level
    )
