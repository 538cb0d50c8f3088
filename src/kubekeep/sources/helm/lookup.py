"""Values of a chart as its templates see them, for hovers of an editor. Reads the chart; never renders it."""

# Paths are text here:
# ruff: noqa: PTH100

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import msgspec

from kubekeep.model.location import Path, Setting
from kubekeep.sources.helm.chart import list_instances, load_chart
from kubekeep.sources.helm.limits import DEFAULT_CHART_LIMITS, ChartError
from kubekeep.sources.helm.release import collect_chart_texts, read_user_values
from kubekeep.sources.helm.trace.values_layers import AbsentValue, ValueRef, ValuesLayers
from kubekeep.sources.options import ChartValues, HelmOptions
from kubekeep.sources.tree import DEFAULT_LIMITS


class ChartValue(msgspec.Struct, frozen=True):
    """A value of a chart, and the key that sets it in the strongest values file; None for a value without a key."""

    value: Any
    setting: Setting | None


def look_up_value(
    folder: str, template: str, key: Path, options: HelmOptions, unsaved: Mapping[str, bytes]
) -> ChartValue | None:
    """Return the value at `key` below `.Values` of a template; None if it is not set or the chart cannot be read.

    folder: the chart. template: its path. unsaved: contents by real path that replace those of files.
    """
    try:
        chart = load_chart(folder, folder, folder, DEFAULT_CHART_LIMITS, DEFAULT_LIMITS, unsaved=unsaved)
        instances = list_instances(chart, DEFAULT_CHART_LIMITS)
        per_chart = options.per_chart.get(os.path.abspath(folder), ChartValues())
        sources = (options.application_values, per_chart, options.values)
        user_values = read_user_values(sources, DEFAULT_CHART_LIMITS, DEFAULT_LIMITS, unsaved=unsaved)
    except (ChartError, OSError):
        return None
    layers = ValuesLayers(collect_chart_texts(instances, user_values.layers, DEFAULT_LIMITS).values)
    for instance in instances:
        if template in map(instance.chart.get_shown_path, instance.chart.list_templates()):
            reference = ValueRef(instance.scope, key)
            value = layers.get_value(reference)
            return None if isinstance(value, AbsentValue) else ChartValue(value, layers.find_setting(reference))
    return None
