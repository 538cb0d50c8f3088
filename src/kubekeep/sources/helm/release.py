"""What the user gives to a rendering - values files, assignments, names - read, checked and put in a private folder.

Helm never sees a path of the user: it gets copies by names of ours. Never merges values; Helm does.
"""

# ruff: noqa: PTH118, PTH123

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.paths import display_path
from kubekeep.sources.helm import set_options
from kubekeep.sources.helm.files import read_file
from kubekeep.sources.helm.limits import Budget, ChartError, ChartLimits
from kubekeep.sources.helm.parsed import MappingError, mapping, text_of
from kubekeep.sources.helm.trace import ValuesLayer
from kubekeep.sources.options import ChartValues, HelmOptions, InlineValues
from kubekeep.sources.tree import Limits

_SCHEME: Final = "://"


class Given(msgspec.Struct, frozen=True):
    """The user's values for a chart, from the weakest to the strongest.

    `files` are names of values files as Helm gets them, `contents` the files to write for it by these names, `shown`
    what people call those. `assignments` are options of Helm's with their arguments, in Helm's order.
    """

    files: tuple[str, ...]
    contents: dict[str, bytes]
    shown: dict[str, str]
    assignments: tuple[tuple[str, str], ...]
    layers: tuple[ValuesLayer, ...]

    def write(self, folder: str) -> None:
        """Put the files into a private folder; raises OSError."""
        for name, data in self.contents.items():
            with open(os.path.join(folder, name), "xb") as stream:
                stream.write(data)


class Job(msgspec.Struct, frozen=True):
    """One rendering: the private folder with the chart and the values, and what it is rendered as."""

    folder: str
    chart: str
    given: Given
    options: HelmOptions


def given(sources: tuple[ChartValues, ...], limits: ChartLimits, yaml_limits: Limits) -> Given:
    """The values of `sources`, the stronger ones later. Raises ChartError for what cannot be read."""
    return _Reader(limits, yaml_limits).given(sources)


class _Reader:
    def __init__(self, limits: ChartLimits, yaml_limits: Limits) -> None:
        self._limits = yaml_limits
        self._budget = Budget(limits)
        self._names: dict[str, str] = {}
        self._contents: dict[str, bytes] = {}
        self._shown: dict[str, str] = {}
        self._layers: list[ValuesLayer] = []

    def given(self, sources: tuple[ChartValues, ...]) -> Given:
        files: list[str] = []
        for source in sources:
            self._names.update(source.names)
            files.extend(map(self._values_file, source.files))
            files.extend(map(self._inline, source.inline))
        assignments: list[tuple[str, str]] = []
        for option in ("set_json", "set", "set_string", "set_file"):
            name = f"--{option.replace('_', '-')}"
            for source in sources:
                texts: tuple[str, ...] = getattr(source, option)
                assignments.extend((name, self._assignment(name, text)) for text in texts)
        return Given(tuple(files), self._contents, self._shown, tuple(assignments), tuple(self._layers))

    def _values_file(self, path: str) -> str:
        name = self._copied(path, "values", "values file")
        shown = self._shown[name]
        try:
            read = mapping(self._contents[name], self._limits)
        except MappingError as error:
            raise ChartError(shown, f"values file cannot be read: {error}", error.region) from error
        # The Helm SDK takes nothing but UTF-8.
        self._contents[name] = text_of(self._contents[name]).encode()
        if read.source_map is not None:
            self._layers.append(ValuesLayer((), shown, read.value, read.source_map))
        return name

    def _inline(self, values: InlineValues) -> str:
        """A file with values that stand in another document; JSON is YAML."""
        name = f"values-{len(self._contents)}"
        self._contents[name] = msgspec.json.encode(values.value)
        self._shown[name] = values.file
        self._layers.append(ValuesLayer((), values.file, values.value, values.source_map))
        return name

    def _copied(self, path: str, prefix: str, what: str) -> str:
        """The name of a copy of the user's file."""
        shown = display_path(self._names.get(path, path))
        if path == "-" or _SCHEME in path:
            raise ChartError(shown, f"{what}: only files are read")
        name = f"{prefix}-{len(self._contents)}"
        self._contents[name] = read_file(path, shown, self._budget)
        self._shown[name] = shown
        return name

    def _assignment(self, option: str, text: str) -> str:
        """The option's argument as Helm gets it."""
        try:
            value: dict[str, Any] = {}
            for path, item in _set(option, text):
                set_options.put(value, path, item)
            self._layers.append(ValuesLayer((), option, value))
            if option != "--set-file":
                return text
            return set_options.files_renamed(text, lambda path: self._copied(path, "set-file", option))
        except ValueError as error:
            raise ChartError(option, f"failed parsing {option} data: {error}") from error


def _set(option: str, text: str) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if option == "--set-json":
        yield from set_options.json_assignments(text)
        return
    for entry in set_options.assignments(text):
        values = [set_options.typed(value) if option == "--set" else value for value in entry.values]
        yield entry.path, values if entry.is_list else values[0]
