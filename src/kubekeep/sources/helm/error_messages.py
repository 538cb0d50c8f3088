"""Convert Helm's rendering errors to `UnreadInput` entries: the location that the error names, and a shortened message.

Never runs Helm.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location, Path, Position, Region, has_path, line_starts
from kubekeep.model.secret_keys import find_secret_values
from kubekeep.model.secret_text import MASK
from kubekeep.model.text import encode_json
from kubekeep.sources import yaml_text
from kubekeep.sources.helm.chart import METADATA, VALUES, Chart, ChartInstance
from kubekeep.sources.helm.release import UserValues
from kubekeep.sources.helm.renderers import INVALID_YAML
from kubekeep.sources.helm.rendering import NotRenderedError
from kubekeep.sources.helm.trace import ChartTexts, ValuesLayer
from kubekeep.sources.helm.yaml_mapping import MappingError, read_mapping
from kubekeep.sources.tree import Limits, Problem

_MAX_LENGTH: Final = 600
_EDGE_LENGTH: Final = 8 * 1024
"""Characters kept of the beginning and of the end of a message; templates can print messages of any length."""
_MIN_SECRET_LENGTH: Final = 4
"""Minimum length of a value that is masked in messages; shorter values would match unrelated text."""
_ORDINARY_WORD: Final = re.compile(r"[a-z]{1,20}")
_LINE: Final = re.compile(r":(?P<line>\d{1,9})(?::(?P<column>\d{1,9}))?")
_EXECUTION_PREFIX: Final = re.compile(r"\A.*\bexecuting \"[^\"]*\" at (?=<)", re.DOTALL)
_POSITION_PREFIX: Final = re.compile(r"\A(?:execution|parse) error at \([^)]*\): ")
_TRACE_PREFIX: Final = re.compile(r"\A(?:template: )?[^\s:]+:\d+(?::\d+)?: ")
_INVALID_FILE: Final = re.compile(rf"{INVALID_YAML}(?P<name>.+?): ")
_YAML_LINE: Final = re.compile(r"yaml: line \d+: ")
_POINTER: Final = re.compile(r"at '(?P<pointer>/[^']*)'")
_SCHEMA: Final = "values don't meet the specifications of the schema"
_MISSING: Final = "missing in charts/ directory: "
_LINE_END: Final = "\n"


class RenderErrorConverter:
    """Converts rendering errors of one chart."""

    def __init__(
        self, instances: Sequence[ChartInstance], texts: ChartTexts, values: UserValues, limits: Limits
    ) -> None:
        self._chart: Chart = instances[0].chart
        self._instances = instances
        self._texts = texts
        self._user_values = values
        self._limits = limits
        self._lengths = sorted({len(name) for name in texts.templates}, reverse=True)

    def convert(self, error: NotRenderedError) -> UnreadInput:
        """Return the error at the file and line that it names, or at the chart."""
        message = str(error)
        if len(message) > 2 * _EDGE_LENGTH:
            message = f"{message[:_EDGE_LENGTH]} ... {message[-_EDGE_LENGTH:]}"
        locations = itertools.chain(self._find_unparsed(error), self._find_locations(message))
        location = next(locations, Location(self._chart.get_shown_path(METADATA)))
        if location.region is not None:
            # The line number refers to the printed text, not to the location shown.
            message = _YAML_LINE.sub("yaml: ", message)
        return UnreadInput(location, f"the chart cannot be rendered: {self._shorten(message)}")

    def _find_locations(self, message: str) -> Iterator[Location]:
        """Yield the locations that the message names, best first."""
        for match in reversed(list(_LINE.finditer(message))):
            for name in self._find_names_before(message, match.start()):
                yield Location(
                    self._texts.shown_paths[name], self._convert_position(name, match["line"], match["column"])
                )
        invalid_file = _INVALID_FILE.search(message)
        if invalid_file is not None and invalid_file["name"] in self._texts.shown_paths:
            yield Location(self._texts.shown_paths[invalid_file["name"]])
        if _SCHEMA in message:
            yield from self._find_values(message)
        if _MISSING in message:
            yield from self._find_dependencies(message)
        if VALUES in message:
            yield from self._find_unreadable_values()
        yield from (
            Location(shown_path) for name, shown_path in self._user_values.shown_paths.items() if name in message
        )

    def _find_unparsed(self, error: NotRenderedError) -> Iterator[Location]:
        """Yield the locations of invalid YAML in the templates' output."""
        invalid_file = _INVALID_FILE.search(str(error))
        name = invalid_file["name"] if invalid_file else ""
        pairs = zip(error.documents.get(name, ()), error.traces.get(name, ()), strict=False)
        for text, trace in pairs:
            for document in yaml_text.parse_documents(text, line_starts(text), self._limits):
                if isinstance(document, Problem):
                    yield trace.locate_span(document.at, document.at + 1, None)

    def _find_names_before(self, message: str, end: int) -> list[str]:
        """List the template names that end at an index of the message, longest first."""
        candidates = (message[max(0, end - length) : end] for length in self._lengths)
        return [candidate for candidate in candidates if candidate in self._texts.templates]

    def _convert_position(self, name: str, line: str, column: str | None) -> Region:
        """Convert Helm's position (lines from 1, columns from 0 in bytes) to a region."""
        lines = self._texts.templates[name].split("\n")
        number = min(int(line), len(lines))
        start = len(lines[number - 1].encode()[: int(column or 0)].decode("utf-8", "replace")) + 1
        position = Position(max(number, 1), start)
        return Region(position, position)

    def _find_values(self, message: str) -> Iterator[Location]:
        """Yield the locations of values that a schema rejects; Helm names the chart and the path within its values."""
        scopes = {instance.chart.name: instance.scope for instance in self._instances}
        scope: tuple[str, ...] = ()
        for line in message.splitlines():
            scope = scopes.get(line.strip().rstrip(":"), scope)
            pointer = _POINTER.search(line)
            if pointer is not None:
                steps = pointer["pointer"].strip("/").split("/")
                path = tuple(int(step) if step.isdigit() else step for step in steps)
                yield from self._find_settings((*scope, *path))

    def _find_settings(self, path: Path) -> Iterator[Location]:
        for layer in reversed(self._texts.values):
            layer_path = _convert_path(layer, path)
            if layer_path is not None and has_path(layer.value, layer_path):
                region = layer.source_map.region(layer.value, layer_path) if layer.source_map is not None else None
                yield Location(layer.file, region)

    def _find_dependencies(self, message: str) -> Iterator[Location]:
        missing = message.partition(_MISSING)[2].split(", ")
        yield from (Location(entry.file, entry.region) for entry in self._chart.dependencies if entry.name in missing)

    def _find_unreadable_values(self) -> Iterator[Location]:
        for instance in self._instances:
            try:
                read_mapping(instance.chart.files.get(VALUES, b""), self._limits)
            except MappingError as error:
                yield Location(instance.chart.get_shown_path(VALUES), error.region)

    def _shorten(self, message: str) -> str:
        """Shorten a message to its reason, on one line, with the user's file names and without secrets."""
        text = message
        for shorten in (_EXECUTION_PREFIX, _TRACE_PREFIX, _POSITION_PREFIX):
            text = shorten.sub("", text, count=1)
        for name, shown_path in self._user_values.shown_paths.items():
            text = text.replace(name, shown_path)
        text, missing, names = text.partition(_MISSING)
        text = self._mask(text)
        if missing:
            # The programs word the beginning differently, and none names the folder.
            folder = self._chart.shown_path or "."
            shown = ", ".join(map(self._mask_dependency, names.partition(_LINE_END)[0].split(", ")))
            text = f"found in Chart.yaml, but {_MISSING}{shown}; run `helm dependency build {folder}` to fetch them"
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}..."

    def _mask_dependency(self, name: str) -> str:
        """Return an entry of a list of dependencies, masked unless it is a name in the chart."""
        return name if any(entry.name == name for entry in self._chart.dependencies) else self._mask(name)

    def _mask(self, text: str) -> str:
        """Mask the secrets of the values: template functions quote values that they cannot use in their errors."""
        for layer in self._texts.values:
            for secret in find_secret_values(layer.value):
                if len(secret) >= _MIN_SECRET_LENGTH:
                    text = _mask_secret(text, secret)
        return text


def _mask_secret(text: str, secret: str) -> str:
    """Mask a secret in each of its forms; an ordinary word only where it is no part of a longer word."""
    if _ORDINARY_WORD.fullmatch(secret):
        text = re.sub(rf"(?<![A-Za-z0-9]){secret}(?![A-Za-z0-9])", MASK, text)
        return text.replace(_list_forms(secret)[1], MASK)
    for form in _list_forms(secret):
        text = text.replace(form, MASK)
    return text


def _list_forms(secret: str) -> tuple[str, ...]:
    """Return a secret as templates print it: in quotes, in base64 and as it is."""
    encoded = secret.encode("utf-8", "replace")
    return (encode_json(secret)[1:-1], base64.b64encode(encoded).decode(), secret)


def _convert_path(layer: ValuesLayer, path: Path) -> Path | None:
    """Convert a path in the release's values to a path in the layer's document; None if it is outside the layer."""
    depth = len(layer.scope)
    return (*layer.root, *path[depth:]) if path[:depth] == layer.scope else None
