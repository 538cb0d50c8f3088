"""Dependencies of a chart that are missing in `charts/`: switched off, in a scanned folder, or to be fetched.

Helm refuses a chart with a missing dependency before it looks at conditions and tags. Never downloads, never renders.
"""

# ruff: noqa: PTH118 - paths stay as the user typed them

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from kubekeep.sources.helm.chart import METADATA, Chart, Dependency
from kubekeep.sources.helm.files import read_file
from kubekeep.sources.helm.limits import ChartBudget, ChartError, ChartLimits
from kubekeep.sources.helm.trace.values_layers import ValueRef, ValuesLayers
from kubekeep.sources.helm.yaml_mapping import MappingError, read_mapping
from kubekeep.sources.source import Root
from kubekeep.sources.tree import Limits

_NUMBER: Final = re.compile(r"\d{1,18}")


class ScannedChart(msgspec.Struct, frozen=True):
    """A chart in a scanned folder, with its name and version."""

    root: Root
    name: str
    version: str


def list_missing(chart: Chart) -> list[Dependency]:
    """Return the dependencies of a chart that are in neither `charts/` nor a local folder, as Helm compares them."""
    names = {subchart.name for subchart in chart.subcharts}
    return [entry for entry in chart.dependencies if entry.name not in names]


def is_enabled(entry: Dependency, values: ValuesLayers) -> bool:
    """Return True if Helm would render a dependency of the root chart: its condition decides, or else its tags.

    The first path of a condition that leads to a boolean counts. One tag that is true is enough; a dependency is
    switched off if its tags are false and none is true.
    """
    for path in entry.condition.strip().split(","):
        value = values.get_value(ValueRef((), tuple(path.split(".")))) if path else None
        if isinstance(value, bool):
            return value
    tags = [values.get_value(ValueRef((), ("tags", tag))) for tag in entry.tags]
    return True in tags or False not in tags


def remove_dependencies(chart: Chart, entries: Sequence[Dependency], limits: Limits) -> Chart:
    """Return the chart without some of its dependencies, as Helm removes those that are switched off."""
    files = dict(chart.files)
    for name in {posixpath.basename(entry.file) for entry in entries}:
        metadata: dict[str, Any] = dict(read_mapping(files[name], limits).value)
        numbers = {entry.number for entry in entries}
        metadata["dependencies"] = [
            entry for number, entry in enumerate(metadata["dependencies"]) if number not in numbers
        ]
        # JSON is valid YAML.
        files[name] = msgspec.json.encode(metadata)
    remaining = tuple(entry for entry in chart.dependencies if entry not in entries)
    return msgspec.structs.replace(chart, files=files, dependencies=remaining)


def list_scanned_charts(roots: Sequence[Root], limits: ChartLimits, yaml_limits: Limits) -> list[ScannedChart]:
    """Return the charts in the folders `roots`, newest version first; without those whose Chart.yaml is not valid."""
    charts: list[ScannedChart] = []
    for root in roots:
        if not os.path.isdir(root.path):  # noqa: PTH112
            continue
        path = os.path.join(root.path, METADATA)
        try:
            metadata = read_mapping(read_file(path, root.shown_path, ChartBudget(limits)), yaml_limits).value
        except (ChartError, MappingError):
            continue
        name, version = metadata.get("name"), metadata.get("version")
        if isinstance(name, str) and isinstance(version, str):
            charts.append(ScannedChart(root, name, version))
    return sorted(charts, key=_get_order, reverse=True)


def _get_order(chart: ScannedChart) -> tuple[tuple[int, ...], bool, str, str]:
    """Return a key that orders versions; a release is newer than its pre-releases."""
    core, _, pre_release = chart.version.partition("+")[0].partition("-")
    numbers = tuple(int(number) for number in _NUMBER.findall(core))
    return numbers, not pre_release, pre_release, chart.root.shown_path
