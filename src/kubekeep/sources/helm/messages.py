"""What Helm says when a chart does not render: the place it names, and the part of it that tells. Never runs Helm."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final

from kubekeep.model.assessment import Unread
from kubekeep.model.location import Location, Path, Position, Region, has_path, line_starts
from kubekeep.model.redaction import MASK
from kubekeep.model.secret_keys import find_secret_values
from kubekeep.sources import yaml_text
from kubekeep.sources.helm.chart import METADATA, VALUES, Chart, Instance
from kubekeep.sources.helm.parsed import MappingError, mapping
from kubekeep.sources.helm.release import Given
from kubekeep.sources.helm.renderers import NO_YAML
from kubekeep.sources.helm.rendering import NotRenderedError
from kubekeep.sources.helm.trace import ChartTexts, ValuesLayer
from kubekeep.sources.tree import Limits, Problem

_LONGEST: Final = 600
_LOOKED_AT: Final = 8 * 1024
"""Characters of the beginning and of the end of a message: templates can make it as long as they like."""
_SHORTEST_SECRET: Final = 4
"""Characters of a value that is struck out; a shorter one would be found in any text."""
_LINE: Final = re.compile(r":(?P<line>\d{1,9})(?::(?P<column>\d{1,9}))?")
_EXECUTING: Final = re.compile(r"\A.*\bexecuting \"[^\"]*\" at (?=<)", re.DOTALL)
_AT: Final = re.compile(r"\A(?:execution|parse) error at \([^)]*\): ")
_TRACE: Final = re.compile(r"\A(?:template: )?[^\s:]+:\d+(?::\d+)?: ")
_YAML_OF: Final = re.compile(rf"{NO_YAML}(?P<name>.+?): ")
_YAML_LINE: Final = re.compile(r"yaml: line \d+: ")
_POINTER: Final = re.compile(r"at '(?P<pointer>/[^']*)'")
_SCHEMA: Final = "values don't meet the specifications of the schema"
_MISSING: Final = "missing in charts/ directory: "
_FETCHES: Final = "helm dependency build"


class Explainer:
    """The places that messages about one chart may mean."""

    def __init__(self, instances: Sequence[Instance], texts: ChartTexts, given: Given, limits: Limits) -> None:
        self._chart: Chart = instances[0].chart
        self._instances = instances
        self._texts = texts
        self._given = given
        self._limits = limits
        self._lengths = sorted({len(name) for name in texts.templates}, reverse=True)

    def unread(self, error: NotRenderedError) -> Unread:
        """The message for people, at the file and line that it names, or at the chart."""
        message = str(error)
        if len(message) > 2 * _LOOKED_AT:
            message = f"{message[:_LOOKED_AT]} ... {message[-_LOOKED_AT:]}"
        locations = itertools.chain(self._unparsed(error), self._locations(message))
        location = next(locations, Location(self._chart.shown_file(METADATA)))
        if location.region is not None:
            # The line of what was printed is not the line that is shown.
            message = _YAML_LINE.sub("yaml: ", message)
        return Unread(location, f"the chart does not render: {self._told(message)}")

    def _locations(self, message: str) -> Iterator[Location]:
        """Places that the message names, the best first."""
        for match in reversed(list(_LINE.finditer(message))):
            for name in self._named_before(message, match.start()):
                yield Location(self._texts.shown[name], self._region(name, match["line"], match["column"]))
        named = _YAML_OF.search(message)
        if named is not None and named["name"] in self._texts.shown:
            yield Location(self._texts.shown[named["name"]])
        if _SCHEMA in message:
            yield from self._values_at(message)
        if _MISSING in message:
            yield from self._dependencies(message)
        if VALUES in message:
            yield from self._unreadable_values()
        yield from (Location(shown) for name, shown in self._given.shown.items() if name in message)

    def _unparsed(self, error: NotRenderedError) -> Iterator[Location]:
        """Where the text was written that a template printed and that is no YAML."""
        named = _YAML_OF.search(str(error))
        name = named["name"] if named else ""
        pairs = zip(error.documents.get(name, ()), error.traces.get(name, ()), strict=False)
        for text, trace in pairs:
            for document in yaml_text.documents(text, line_starts(text), self._limits):
                if isinstance(document, Problem):
                    yield trace.location(document.at, document.at + 1, None)

    def _named_before(self, message: str, end: int) -> list[str]:
        """The templates whose name ends there, the longest first."""
        pieces = (message[max(0, end - length) : end] for length in self._lengths)
        return [piece for piece in pieces if piece in self._texts.templates]

    def _region(self, name: str, line: str, column: str | None) -> Region:
        """Helm counts lines from 1 and columns from 0, in bytes."""
        lines = self._texts.templates[name].split("\n")
        number = min(int(line), len(lines))
        start = len(lines[number - 1].encode()[: int(column or 0)].decode("utf-8", "replace")) + 1
        place = Position(max(number, 1), start)
        return Region(place, place)

    def _values_at(self, message: str) -> Iterator[Location]:
        """Where the values stand that a schema refuses: Helm names their chart, and their place in its values."""
        scopes = {at.chart.name: at.scope for at in self._instances}
        scope: tuple[str, ...] = ()
        for line in message.splitlines():
            scope = scopes.get(line.strip().rstrip(":"), scope)
            found = _POINTER.search(line)
            if found is not None:
                steps = found["pointer"].strip("/").split("/")
                path = tuple(int(step) if step.isdigit() else step for step in steps)
                yield from self._set_at((*scope, *path))

    def _set_at(self, path: Path) -> Iterator[Location]:
        for layer in reversed(self._texts.values):
            below = _within(layer, path)
            if below is not None and has_path(layer.value, below):
                region = layer.source_map.region(layer.value, below) if layer.source_map is not None else None
                yield Location(layer.file, region)

    def _dependencies(self, message: str) -> Iterator[Location]:
        missing = message.partition(_MISSING)[2].split(", ")
        yield from (Location(entry.file, entry.region) for entry in self._chart.dependencies if entry.name in missing)

    def _unreadable_values(self) -> Iterator[Location]:
        for at in self._instances:
            try:
                mapping(at.chart.files.get(VALUES, b""), self._limits)
            except MappingError as error:
                yield Location(at.chart.shown_file(VALUES), error.region)

    def _told(self, message: str) -> str:
        """The part of a message that says what is wrong, with people's names of files, in one line."""
        text = message
        for shorten in (_EXECUTING, _TRACE, _AT):
            text = shorten.sub("", text, count=1)
        for name, shown in self._given.shown.items():
            text = text.replace(name, shown)
        for layer in self._texts.values:
            # Functions of templates repeat the value that they cannot use.
            for secret in find_secret_values(layer.value):
                text = text.replace(secret, MASK) if len(secret) >= _SHORTEST_SECRET else text
        if _MISSING in text and _FETCHES not in text:
            text = f"{text}; `{_FETCHES}` fetches them"
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _within(layer: ValuesLayer, path: Path) -> Path | None:
    """The path in a layer's document of a path in the release's values; None if it does not lead there."""
    depth = len(layer.scope)
    return (*layer.root, *path[depth:]) if path[:depth] == layer.scope else None
