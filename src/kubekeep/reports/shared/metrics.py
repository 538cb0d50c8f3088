"""Families of metrics and their text format (Prometheus 0.0.4).

Values with equal labels are added up, so that no series occurs twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, TextIO

from kubekeep.model.assessment import Counts, DefinitionSummary
from kubekeep.model.verdict import Status
from kubekeep.reports.shared.wording import shorten

Series = Mapping[str, float]
"""Values of the series by label text including braces; empty text for a series without labels."""
Family = tuple[str, str, Series]
"""Name of a family of gauges, its help text, and its series."""

_LONGEST: Final = 500
"""Maximum characters of a label, since monitoring systems store each one. Kubernetes names have at most 253."""


def count_statuses(summaries: Iterable[DefinitionSummary]) -> Counts:
    """Return the numbers of controls by result."""
    statuses = Counter(summary.status for summary in summaries)
    return Counts(statuses[Status.PASSED], statuses[Status.FAILED], statuses[Status.NOT_EVALUATED])


def write_families(families: Iterable[Family], stream: TextIO) -> None:
    """Write every family that has a series."""
    for name, text, series in families:
        if series:
            stream.write(f"# HELP {name} {text}\n# TYPE {name} gauge\n")
            stream.writelines(f"{name}{labels} {value!r}\n" for labels, value in series.items())


def sum_by_labels(pairs: Iterable[tuple[str, float]]) -> Series:
    """Return the sums of values with equal labels."""
    sums: dict[str, float] = {}
    for labels, value in pairs:
        sums[labels] = sums.get(labels, 0) + value
    return sums


def format_labels(**values: str) -> str:
    """Return the label text of a series."""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in values.items()) + "}"


def _escape(value: str) -> str:
    return shorten(value, _LONGEST).replace("\\", "\\\\").replace('"', '\\"')
