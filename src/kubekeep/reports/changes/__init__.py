"""What became of findings between two scans, in the formats that people and pipelines read.

Found by no walk: these write a comparison, and the formats beside this folder an assessment. Never judges and never
opens a file.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Final, TextIO

import msgspec

from kubekeep.model.comparison import Comparison, Difference
from kubekeep.model.severity import Severity
from kubekeep.reports.format import Options

Render = Callable[[Comparison, TextIO, Options], None]

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
    """One format: its name, what its files are called, and whether only what gates look at is in it."""

    name: str
    extension: str
    render: Render


def names() -> tuple[str, ...]:
    """The names of all formats."""
    return tuple(_EXTENSIONS)


def load(name: str) -> ChangeFormat:
    """The format called `name`; raises LookupError for other names."""
    name = _ALIASES.get(name, name)
    if name not in _EXTENSIONS:
        raise LookupError(f"unknown format {name!r}: use one of {', '.join(_EXTENSIONS)}")
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return ChangeFormat(name, _EXTENSIONS[name], module.render)


def severe(comparison: Comparison, level: Severity | None) -> Comparison:
    """`comparison` without what is below `level`; findings whose severity nobody knows stay."""
    if level is None:
        return comparison

    def kept(items: tuple[Difference, ...]) -> tuple[Difference, ...]:
        return tuple(item for item in items if item.finding.level >= level or not item.finding.level)

    return msgspec.structs.replace(
        comparison,
        new=kept(comparison.new),
        resolved=kept(comparison.resolved),
        unchanged=kept(comparison.unchanged),
        incomparable=kept(comparison.incomparable),
        accepted=kept(comparison.accepted),
    )
