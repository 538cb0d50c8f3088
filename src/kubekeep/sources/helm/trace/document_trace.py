"""Locate the nodes of one rendered document: line of the template, and key of the value behind it.

Uses only recorded output; never guesses a file.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kubekeep.model.location import LazySourceMap, Location, Path, Region, Setting, SourceMap
from kubekeep.sources.helm.trace.alignment import Alignment, Outline
from kubekeep.sources.helm.trace.symbols import Computed
from kubekeep.sources.helm.trace.template import TemplateFile
from kubekeep.sources.helm.trace.template_output import TemplateOutput
from kubekeep.sources.helm.trace.untaken import MappingBlock
from kubekeep.sources.helm.trace.values_layers import ValueRef

_ENTRIES: Final = 64
_FLOW: Final = frozenset(("", "{", "*"))


class DocumentTrace:
    """Source of the text of one document.

    shown_paths: paths of templates in reports. output: the instrumented output, or an outline without one, or None. at:
    index of the document in the output. alignment: maps the document's lines to lines of the output, if they differ.
    """

    def __init__(
        self,
        shown_paths: Mapping[str, str],
        template: str,
        text: str,
        output: TemplateOutput | Outline | None = None,
        at: int = 0,
        alignment: Alignment | None = None,
    ) -> None:
        self.file = shown_paths.get(template, template)
        self._shown_paths = shown_paths
        self.text = text
        self.output = output if isinstance(output, TemplateOutput) else None
        """The instrumented output, None if there is none."""
        self._outline = output if isinstance(output, Outline) else None
        self._start = at
        self._alignment = alignment

    def build_source_map(self, source_map: SourceMap) -> LazySourceMap:
        """Build the lazy source map of the document from the positions of its nodes."""
        return _TracedSourceMap(self, source_map)

    def map_index(self, index: int) -> int | None:
        """Return the index in the output of a character of the document; None if unknown."""
        if self._alignment is None:
            return self._start + index
        aligned = self._alignment.map_index(index)
        return None if aligned is None else self._start + aligned

    def locate_span(self, start: int, end: int, setting: Setting | None) -> Location:
        """Return the location of a span of the document."""
        if self._outline is not None:
            return Location(self.file, self._outline.region(start), setting)
        first, last = self.map_index(start), self.map_index(max(end - 1, start))
        if self.output is None or first is None:
            return Location(self.file, None, setting)
        region = self.output.region(first, max(last if last is not None else first, first) + 1)
        if region is None:
            return Location(self.file, None, setting)
        return self.locate_region(*region, setting)

    def locate_region(self, file: TemplateFile, region: Region, setting: Setting | None) -> Location:
        """Return the location of a region of a template."""
        return Location(self._shown_paths.get(file.name, file.name), region, setting)


class _TracedSourceMap:
    """Lazy source map of one document."""

    def __init__(self, document: DocumentTrace, source_map: SourceMap) -> None:
        self._document = document
        self._source_map = source_map
        self._locations: dict[Path, Location] = {}
        self._extents: dict[Path, tuple[int, int, int, int]] = {}

    def locate(self, document: Any, path: Path) -> Location:
        """See `model.location.LazySourceMap`."""
        location = self._locations.get(path)
        if location is None:
            location = self._locations[path] = self._locate(document, path)
        return location

    def locate_line(self, document: Any, path: Path, line: int) -> Location | None:
        """See `model.location.LineSourceMap`."""
        span = self._source_map.find_line(document, path, line)
        if span is None:
            return None
        # Another action may have printed the indentation.
        row = self._document.text[slice(*span)]
        location = self._document.locate_span(span[1] - len(row.lstrip()), span[1], None)
        return location if location.region is not None else None

    def _locate(self, document: Any, path: Path) -> Location:
        nearest, value = _find_nearest(document, path)
        setting = None
        if self._document.output is not None:
            if isinstance(value, dict | list) and value:
                setting = self._find_collection_setting(self._document.output, document, nearest, value)
            else:
                setting = self._find_scalar_setting(self._document.output, document, nearest)
        if setting is None and nearest != path and isinstance(value, dict):
            location = self._locate_missing(document, nearest, path[len(nearest) :])
            if location is not None:
                return location
        start, end, *_ = self._extents_at(document, nearest)
        return self._document.locate_span(start, end, setting)

    def _locate_missing(self, document: Any, nearest: Path, steps: Path) -> Location | None:
        """Return the line of an untaken branch that would have written a missing key; None if not exactly one."""
        output, text = self._document.output, self._document.text
        _, _, start, end = self._extents_at(document, nearest)
        if output is None or text[start : start + 1] in _FLOW:
            return None
        last = text.rfind("\n", 0, start + len(text[start:end].rstrip())) + 1
        first, last_line = self._document.map_index(start), self._document.map_index(max(last, start))
        if first is None or last_line is None:
            return None
        missing_line = output.find_missing_line(
            MappingBlock(first, last_line, start - text.rfind("\n", 0, start) - 1), steps
        )
        if missing_line is None:
            return None
        file, region, setting = missing_line
        return self._document.locate_region(file, region, setting)

    def _extents_at(self, document: Any, path: Path) -> tuple[int, int, int, int]:
        """Return the extents of a path; cached, because those of surrounding entries are needed repeatedly."""
        extents = self._extents.get(path)
        if extents is None:
            extents = self._extents[path] = self._source_map.find_extents(document, path)
        return extents

    def _find_scalar_setting(self, output: TemplateOutput, document: Any, path: Path) -> Setting | None:
        """Find the value that a scalar or an empty collection was taken from."""
        _, _, value_at, value_end = self._extents_at(document, path)
        start, end = self._document.map_index(value_at), self._document.map_index(max(value_end - 1, value_at))
        if start is None or end is None:
            return None
        text = self._document.text[value_at:value_end]
        if not text:
            end += len(self._document.text[value_at:].partition("\n")[0]) + 1
        candidates: list[tuple[ValueRef, Setting]] = []
        for action in output.list_actions(start, end + bool(text)):
            # An empty value may also be printed by an action further on.
            if not text and not output.is_on_same_line(action, start - 1):
                continue
            relative_path = self._relative_path(document, path, action)
            symbol = output.find_symbol(action, relative_path)
            settings = output.list_settings(symbol) if symbol is not None else []
            if relative_path and isinstance(symbol, Computed):
                # The action printed more than this value, and its parts cannot be told apart.
                settings = [
                    (ref, setting)
                    for ref, setting in settings
                    if _is_printed(output.get_value(ref), text) or _is_printed(ref.path[-1] if ref.path else "", text)
                ]
            candidates += settings
        printed_settings = [setting for ref, setting in candidates if _is_printed(output.get_value(ref), text)]
        return next(iter(printed_settings), candidates[0][1] if candidates else None)

    def _find_collection_setting(self, output: TemplateOutput, document: Any, path: Path, value: Any) -> Setting | None:
        """Find the value that a whole collection was taken from: all its entries come from the same action."""
        first, *others = _sample_steps(value)
        action = self._find_action(document, (*path, first))
        if action < 0 or any(self._find_action(document, (*path, step)) != action for step in others):
            return None
        relative_path = self._relative_path(document, (*path, first), action)
        if not relative_path:
            return None
        symbol = output.find_symbol(action, relative_path[:-1])
        settings = output.list_settings(symbol, whole=True) if symbol is not None else []
        return next((setting for _, setting in settings), None)

    def _find_action(self, document: Any, path: Path, *, of_value: bool = False) -> int:
        """Return the innermost action that printed an entry's key, a list item's dash, or the value; -1 for none."""
        output = self._document.output
        at, _, value_at, _ = self._extents_at(document, path)
        if of_value:
            at = value_at
        elif isinstance(path[-1], int):
            # The dash, or the bracket or comma of a flow sequence.
            at = max(len(self._document.text[:at].rstrip()) - 1, 0)
        index = self._document.map_index(at)
        return output.find_action(index) if output is not None and index is not None else -1

    def _relative_path(self, document: Any, path: Path, action: int) -> Path:
        """Return the path relative to the action's output; () if the action printed only the value."""
        for length in range(1, len(path) + 1):
            head = path[:length]
            if self._find_action(document, head, of_value=True) != action:
                continue
            if self._find_action(document, head) != action:
                return path[length:]
            step = path[length - 1]
            if isinstance(step, int):
                # Items printed by one action are contiguous and include this one.
                list_path = path[: length - 1]
                first = bisect_left(
                    range(step), True, key=lambda number: self._find_action(document, (*list_path, number)) == action
                )
                return (step - first, *path[length:])
            return path[length - 1 :]
        return ()


def _find_nearest(document: Any, path: Path) -> tuple[Path, Any]:
    """Return the longest prefix of a path that exists in the document, and its value."""
    value: Any = document
    for length, step in enumerate(path):
        if isinstance(value, dict) and step in value:  # noqa: SIM114 - two types for mypy
            value = value[step]
        elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
            value = value[step]
        else:
            return path[:length], value
    return path, value


def _sample_steps(value: dict[str, Any] | list[Any]) -> Iterator[str | int]:
    """Yield the first entries of a collection, as a sample, and the last one."""
    steps: Sequence[str | int] = list(value) if isinstance(value, dict) else range(len(value))
    yield from steps[:_ENTRIES]
    yield from steps[max(len(steps) - 1, _ENTRIES) :]


def _is_printed(value: Any, text: str) -> bool:
    """Return True if a value's printed form is part of a text."""
    if isinstance(value, bool):
        return str(value).lower() in text
    return isinstance(value, str | int | float) and str(value) != "" and str(value) in text
