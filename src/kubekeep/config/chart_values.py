"""The key `charts` of a configuration file: values for single charts, as Helm takes them.

Looks whether the charts are there; never reads or renders one.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH100, PTH113, PTH118

from __future__ import annotations

import os
import re
from typing import Any, Final

from kubekeep.config.file import Configuration, kind
from kubekeep.model.location import Path
from kubekeep.model.text import json_text
from kubekeep.sources.options import ChartValues
from kubekeep.sources.walk import CHART

CHARTS: Final = "charts"
VALUES: Final = "values"
SET: Final = "set"
SET_FILE: Final = "set-file"

_ARCHIVES: Final = (".tgz", ".tar.gz")
_HELM_KEY: Final = re.compile(r"[^=,{}\s\0]+")
_KEY_AND_FILE: Final = re.compile(r"([^=,{}\s\0]+)=([^,{}\\]+)")
"""What Helm reads as one key and one file: with these characters it would read several, and others than we hold."""


def listed(said: Any, at: Path) -> list[tuple[Any, Path]]:
    """The items of `said`, the value at `at`, each with its place; what is no list is a list of one."""
    return [(item, (*at, number)) for number, item in enumerate(said)] if isinstance(said, list) else [(said, at)]


def key_and_file(configuration: Configuration, said: str, at: Path) -> str:
    """`said`, Helm's `KEY=FILE`, with the file as `Configuration.file` has it. Raises ConfigurationError."""
    match = _KEY_AND_FILE.fullmatch(said)
    if match is None:
        raise configuration.error(at, "one KEY=FILE expected, its path without commas, braces and backslashes")
    return f"{match[1]}={configuration.file(match[2], at)}"


def chart_values(configuration: Configuration) -> dict[str, ChartValues]:
    """The values of each chart that `configuration` names, by the absolute path of its folder or archive.

    `values` are files, `set` holds values with their types as YAML has them, under Helm's keys (`image.tag`), and
    `set-file` the files whose text is the value. Raises ConfigurationError.
    """
    charts = _mapping(configuration, configuration.values.get(CHARTS, {}), (CHARTS,))
    found = {}
    for name, said in charts.items():
        at: Path = (CHARTS, name)
        path = os.path.abspath(configuration.file(name, at))
        if not (os.path.isfile(os.path.join(path, CHART)) or (path.endswith(_ARCHIVES) and os.path.isfile(path))):
            raise configuration.error(at, f"{name} is no chart: there is no {CHART} in it, and it is no archive")
        if path in found:
            raise configuration.error(at, f"{name} is named twice")
        found[path] = _values(configuration, _mapping(configuration, said, at), at)
    return found


def _values(configuration: Configuration, said: dict[str, Any], at: Path) -> ChartValues:
    configuration.known(said, at, (VALUES, SET, SET_FILE))
    set_, set_file = (_helm_keys(configuration, said.get(name, {}), (*at, name)) for name in (SET, SET_FILE))
    return ChartValues(
        files=tuple(_file(configuration, path, place) for path, place in listed(said.get(VALUES, []), (*at, VALUES))),
        set_json=tuple(f"{key}={json_text(value)}" for key, value in set_.items()),
        set_file=tuple(
            key_and_file(configuration, f"{key}={path}", (*at, SET_FILE, key)) for key, path in set_file.items()
        ),
    )


def _helm_keys(configuration: Configuration, said: Any, at: Path) -> dict[str, Any]:
    mapping = _mapping(configuration, said, at)
    for key in mapping:
        if not _HELM_KEY.fullmatch(key):
            raise configuration.error((*at, key), f"{key[:80]!r} is not one key of Helm, such as image.tag")
    return mapping


def _mapping(configuration: Configuration, said: Any, at: Path) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise configuration.error(at, f"{at[-1]}: a mapping expected, found {kind(said)}")
    return said


def _file(configuration: Configuration, said: Any, at: Path) -> str:
    if not isinstance(said, str):
        raise configuration.error(at, f"a path expected, found {kind(said)}")
    return configuration.file(said, at)
