"""Collect the input of a release: the user's values and options, and the texts of templates and values files.

Values files are copied to a private folder under new names, so Helm never receives a path of the user. Never renders
and never merges values; Helm does.
"""

# ruff: noqa: PTH118, PTH123

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.paths import display_path
from kubekeep.sources.helm.chart import VALUES, Chart, ChartInstance
from kubekeep.sources.helm.files import read_file
from kubekeep.sources.helm.limits import ChartBudget, ChartError, ChartLimits
from kubekeep.sources.helm.set_options import (
    convert_value,
    parse_assignments,
    parse_json_assignments,
    rename_files,
    set_value,
)
from kubekeep.sources.helm.trace import ChartTexts, ValuesLayer
from kubekeep.sources.helm.yaml_mapping import MappingError, YamlMapping, decode_text, read_mapping
from kubekeep.sources.options import ChartValues, HelmOptions, InlineValues
from kubekeep.sources.tree import Limits
from kubekeep.sources.unsaved import find_unsaved

_SCHEME: Final = "://"


class UserValues(msgspec.Struct, frozen=True):
    """The user's values for a chart; later ones have precedence.

    `files` are the names of values files as passed to Helm, `contents` the files to write under these names, `shown_paths`
    the names for reports. `assignments` are Helm's options with their arguments, in Helm's order.
    """

    files: tuple[str, ...]
    contents: dict[str, bytes]
    shown_paths: dict[str, str]
    assignments: tuple[tuple[str, str], ...]
    layers: tuple[ValuesLayer, ...]

    def write(self, folder: str) -> None:
        """Write the files into a private folder. Raises OSError."""
        for name, content in self.contents.items():
            with open(os.path.join(folder, name), "xb") as stream:
                stream.write(content)


class RenderJob(msgspec.Struct, frozen=True):
    """One rendering: private folder with the chart and values, release options, time limit in seconds."""

    folder: str
    chart: str
    values: UserValues
    options: HelmOptions
    seconds: float


def read_user_values(
    sources: tuple[ChartValues, ...],
    limits: ChartLimits,
    yaml_limits: Limits,
    *,
    unsaved: Mapping[str, bytes] = {},
) -> UserValues:
    """Read the values of `sources`, strongest last. Raises ChartError for unreadable input.

    unsaved: contents by real path that replace those of files.
    """
    return _UserValuesReader(limits, yaml_limits, unsaved).mapping(sources)


class _UserValuesReader:
    def __init__(self, limits: ChartLimits, yaml_limits: Limits, unsaved: Mapping[str, bytes]) -> None:
        self._unsaved = unsaved
        self._limits = yaml_limits
        self._budget = ChartBudget(limits)
        self._names: dict[str, str] = {}
        self._contents: dict[str, bytes] = {}
        self._shown_paths: dict[str, str] = {}
        self._list_chart_layers: list[ValuesLayer] = []

    def mapping(self, sources: tuple[ChartValues, ...]) -> UserValues:
        files: list[str] = []
        for source in sources:
            self._names.update(source.names)
            files.extend(map(self._read_values_file, source.files))
            files.extend(map(self._write_inline, source.inline))
        assignments: list[tuple[str, str]] = []
        for option in ("set_json", "set", "set_string", "set_file"):
            name = f"--{option.replace('_', '-')}"
            for source in sources:
                texts: tuple[str, ...] = getattr(source, option)
                assignments.extend((name, self._read_assignment(name, text)) for text in texts)
        return UserValues(
            tuple(files), self._contents, self._shown_paths, tuple(assignments), tuple(self._list_chart_layers)
        )

    def _read_values_file(self, path: str) -> str:
        name = self._copy_file(path, "values", "values file")
        shown_path = self._shown_paths[name]
        try:
            mapping = read_mapping(self._contents[name], self._limits)
        except MappingError as error:
            raise ChartError(shown_path, f"values file cannot be read: {error}", error.region) from error
        # The Helm SDK accepts only UTF-8.
        self._contents[name] = decode_text(self._contents[name]).encode()
        if mapping.source_map is not None:
            self._list_chart_layers.append(ValuesLayer((), shown_path, mapping.value, mapping.source_map))
        return name

    def _write_inline(self, values: InlineValues) -> str:
        """Write values from another document to a file; JSON is valid YAML."""
        name = f"values-{len(self._contents)}"
        self._contents[name] = msgspec.json.encode(values.value)
        self._shown_paths[name] = values.file
        self._list_chart_layers.append(ValuesLayer((), values.file, values.value, values.source_map))
        return name

    def _copy_file(self, path: str, prefix: str, description: str) -> str:
        """Copy the user's file and return the name of the copy."""
        shown_path = display_path(self._names.get(path, path))
        if path == "-" or _SCHEME in path:
            raise ChartError(shown_path, f"{description}: only local files are supported")
        name = f"{prefix}-{len(self._contents)}"
        content = read_file(path, shown_path, self._budget)
        unsaved = find_unsaved(self._unsaved, path)
        self._contents[name] = content if unsaved is None else unsaved
        self._shown_paths[name] = shown_path
        return name

    def _read_assignment(self, option: str, text: str) -> str:
        """Return the option's argument as passed to Helm."""
        try:
            value: dict[str, Any] = {}
            for path, assigned in _parse_option(option, text):
                set_value(value, path, assigned)
            self._list_chart_layers.append(ValuesLayer((), option, value))
            if option != "--set-file":
                return text
            return rename_files(text, lambda path: self._copy_file(path, "set-file", option))
        except ValueError as error:
            raise ChartError(option, f"failed parsing {option} data: {error}") from error


def _parse_option(option: str, text: str) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if option == "--set-json":
        yield from parse_json_assignments(text)
        return
    for entry in parse_assignments(text):
        values = [convert_value(value) if option == "--set" else value for value in entry.values]
        yield entry.path, values if entry.is_list else values[0]


class ReleaseTemplate(msgspec.Struct, frozen=True):
    """A template: path in reports, and name of its sub-chart ("" for the root chart)."""

    shown_path: str
    subchart: str


def list_templates(instances: Sequence[ChartInstance]) -> dict[str, ReleaseTemplate]:
    """Return all templates of a release by Helm's template name."""
    templates: dict[str, ReleaseTemplate] = {}
    for instance in instances:
        subchart = instance.scope[-1] if instance.scope else ""
        for name in instance.chart.list_templates():
            templates[posixpath.join(instance.template_prefix, name)] = ReleaseTemplate(
                instance.chart.get_shown_path(name), subchart
            )
    return templates


def collect_chart_texts(
    instances: Sequence[ChartInstance], user_layers: Sequence[ValuesLayer], limits: Limits
) -> ChartTexts:
    """Collect the templates and values of a release; `user_layers` are the strongest."""
    texts: dict[str, str] = {}
    shown_paths: dict[str, str] = {}
    for instance in instances:
        for name in instance.chart.list_templates():
            template_name = posixpath.join(instance.template_prefix, name)
            texts[template_name] = instance.chart.files[name].decode("utf-8", "replace")
            shown_paths[template_name] = instance.chart.get_shown_path(name)
    return ChartTexts(texts, (*_list_chart_layers(instances, limits), *user_layers), shown_paths)


def _list_chart_layers(instances: Sequence[ChartInstance], limits: Limits) -> Iterator[ValuesLayer]:
    """Yield the charts' values, weakest first: of a sub-chart, imported by its parent, of the parent."""
    values_by_chart = {id(instance.chart): _read_values(instance.chart, limits) for instance in instances}
    for instance in reversed(instances):
        for sub_instance in instances:
            if sub_instance.scope[:-1] == instance.scope and len(sub_instance.scope) == len(instance.scope) + 1:
                yield from _list_imported_layers(instance, sub_instance, values_by_chart[id(sub_instance.chart)])
        values = values_by_chart[id(instance.chart)]
        if values.source_map is not None:
            yield ValuesLayer(instance.scope, instance.chart.get_shown_path(VALUES), values.value, values.source_map)


def _list_imported_layers(
    parent: ChartInstance, subchart_instance: ChartInstance, values: YamlMapping
) -> Iterator[ValuesLayer]:
    for entry in parent.chart.dependencies:
        if (entry.alias or entry.name) != subchart_instance.scope[-1] or values.source_map is None:
            continue
        for child, target in entry.imports:
            scope = (*parent.scope, *map(str, target))
            yield ValuesLayer(
                scope, subchart_instance.chart.get_shown_path(VALUES), values.value, values.source_map, child
            )


def _read_values(chart: Chart, limits: Limits) -> YamlMapping:
    """Read the chart's values.yaml; empty if it is invalid, since Helm reports the error."""
    try:
        return read_mapping(chart.files.get(VALUES, b""), limits)
    except MappingError:
        return YamlMapping({})
