"""The key `charts` of a configuration file: Helm values for single charts.

Checks that charts exist; never reads or renders one.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH100, PTH113, PTH118

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kubekeep.config.file import Configuration, describe_type
from kubekeep.model.location import Path
from kubekeep.model.text import json_text
from kubekeep.sources.helm.names import CHART
from kubekeep.sources.options import ChartValues

CHARTS: Final = "charts"
VALUES: Final = "values"
SET: Final = "set"
SET_FILE: Final = "set-file"

_ARCHIVES: Final = (".tgz", ".tar.gz")
_HELM_KEY: Final = re.compile(r"[^=,{}\s\0]+")
_KEY_AND_FILE: Final = re.compile(r"([^=,{}\s\0]+)=([^,{}\\]+)")
"""One key and one file; with other characters Helm would read several, and others than intended."""


def list_entries(value: Any, at: Path) -> list[tuple[Any, Path]]:
    """Return the elements of a list, or [value] for any other value, each with its path."""
    return [(entry, (*at, number)) for number, entry in enumerate(value)] if isinstance(value, list) else [(value, at)]


def resolve_key_and_file(configuration: Configuration, assignment: str, at: Path) -> str:
    """Return Helm's `KEY=FILE` with the file resolved by `Configuration.resolve_path`. Raises ConfigurationError."""
    match = _KEY_AND_FILE.fullmatch(assignment)
    if match is None:
        raise configuration.create_error(
            at, "one KEY=FILE expected, with a path without commas, braces and backslashes"
        )
    return f"{match[1]}={configuration.resolve_path(match[2], at)}"


class LoadedConfiguration(msgspec.Struct, frozen=True):
    """The configuration file of a command line, and its values for single charts."""

    file: Configuration
    charts: Mapping[str, ChartValues]


def read_chart_values(configuration: Configuration) -> dict[str, ChartValues]:
    """Return the values of each configured chart, by the absolute path of its folder or archive.

    `values`: files. `set`: values with their YAML types, by Helm keys (`image.tag`). `set-file`: files with the value
    as text. Raises ConfigurationError.
    """
    charts = _check_mapping(configuration, configuration.values.get(CHARTS, {}), (CHARTS,))
    charts_by_path = {}
    for name, chart in charts.items():
        at: Path = (CHARTS, name)
        path = os.path.abspath(configuration.resolve_path(name, at))
        if not (os.path.isfile(os.path.join(path, CHART)) or (path.endswith(_ARCHIVES) and os.path.isfile(path))):
            raise configuration.create_error(at, f"{name} is not a chart: it has no {CHART} and is not an archive")
        if path in charts_by_path:
            raise configuration.create_error(at, f"{name} occurs twice")
        charts_by_path[path] = _parse_chart(configuration, _check_mapping(configuration, chart, at), at)
    return charts_by_path


def _parse_chart(configuration: Configuration, chart: dict[str, Any], at: Path) -> ChartValues:
    configuration.check_keys(chart, at, (VALUES, SET, SET_FILE))
    set_, set_file = (_parse_helm_keys(configuration, chart.get(name, {}), (*at, name)) for name in (SET, SET_FILE))
    return ChartValues(
        files=tuple(
            _resolve_file(configuration, path, entry_path)
            for path, entry_path in list_entries(chart.get(VALUES, []), (*at, VALUES))
        ),
        set_json=tuple(f"{key}={json_text(value)}" for key, value in set_.items()),
        set_file=tuple(
            resolve_key_and_file(configuration, f"{key}={path}", (*at, SET_FILE, key)) for key, path in set_file.items()
        ),
    )


def _parse_helm_keys(configuration: Configuration, value: Any, at: Path) -> dict[str, Any]:
    mapping = _check_mapping(configuration, value, at)
    for key in mapping:
        if not _HELM_KEY.fullmatch(key):
            raise configuration.create_error((*at, key), f"{key[:80]!r} is not a single key of Helm, such as image.tag")
    return mapping


def _check_mapping(configuration: Configuration, value: Any, at: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise configuration.create_error(at, f"{at[-1]}: a mapping expected, found {describe_type(value)}")
    return value


def _resolve_file(configuration: Configuration, path: Any, at: Path) -> str:
    if not isinstance(path, str):
        raise configuration.create_error(at, f"a path expected, found {describe_type(path)}")
    return configuration.resolve_path(path, at)
