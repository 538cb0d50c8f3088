"""A chart's own YAML - Chart.yaml, values files - as a mapping with the place of every key. Renders nothing."""

from __future__ import annotations

import codecs
from array import array
from bisect import bisect_right
from typing import Any

import msgspec

from kubekeep.model.location import Path, Position, Region, SourceMap, line_starts
from kubekeep.sources import yaml_text
from kubekeep.sources.tree import Limits, Problem


class Mapping(msgspec.Struct, frozen=True):
    """The first document of a file, empty if the file is, and its marks, None if the file is empty."""

    value: dict[str, Any]
    source_map: SourceMap | None = None

    def region(self, path: Path) -> Region | None:
        """Where `path` stands, or its nearest ancestor."""
        return None if self.source_map is None else self.source_map.region(self.value, path)


class MappingError(Exception):
    """A file that is no mapping, and where."""

    def __init__(self, message: str, region: Region | None = None) -> None:
        super().__init__(message)
        self.region = region


def text_of(data: bytes) -> str:
    """The text of a file, as Helm's YAML reader decodes it; raises UnicodeDecodeError."""
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    return data.decode(encoding).removeprefix("\ufeff")


def mapping(data: bytes, limits: Limits) -> Mapping:
    """The mapping that a file holds, of its first document as Helm reads it. Raises MappingError."""
    try:
        text = text_of(data)
    except UnicodeDecodeError as error:
        raise MappingError(f"not {error.encoding} text: {error.reason}") from error
    lines = line_starts(text)
    for found in yaml_text.documents(text, lines, limits):
        if isinstance(found, Problem):
            raise MappingError(found.message, _place(found.at, lines))
        if found is None or found.value is None:
            break
        if not isinstance(found.value, dict):
            raise MappingError("not a mapping", Region(Position(1, 1), Position(1, 1)))
        return Mapping(found.value, found.source_map)
    return Mapping({})


def _place(at: int, lines: array[int]) -> Region:
    line = bisect_right(lines, at)
    place = Position(line, at - lines[line - 1] + 1)
    return Region(place, place)
