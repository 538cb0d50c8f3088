"""Read YAML files of a chart (Chart.yaml, values files) as a mapping with a source map. Never renders."""

from __future__ import annotations

import codecs
from array import array
from bisect import bisect_right
from typing import Any

import msgspec

from kubekeep.model.location import Path, Position, Region, SourceMap, line_starts
from kubekeep.sources import yaml_text
from kubekeep.sources.tree import Limits, Problem


class YamlMapping(msgspec.Struct, frozen=True):
    """First document of a file ({} for an empty file) with its source map, None for an empty file."""

    value: dict[str, Any]
    source_map: SourceMap | None = None

    def region(self, path: Path) -> Region | None:
        """Return the region of `path`, or of its nearest ancestor."""
        return None if self.source_map is None else self.source_map.region(self.value, path)


class MappingError(Exception):
    """A file that is not a mapping, with the region of the problem."""

    def __init__(self, message: str, region: Region | None = None) -> None:
        super().__init__(message)
        self.region = region


def decode_text(content: bytes) -> str:
    """Decode a file as Helm's YAML reader does (UTF-8, or UTF-16 with a byte order mark). Raises UnicodeDecodeError."""
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    return content.decode(encoding).removeprefix("\ufeff")


def read_mapping(content: bytes, limits: Limits) -> YamlMapping:
    """Parse the first document of a file. Raises MappingError if it is not a mapping."""
    try:
        text = decode_text(content)
    except UnicodeDecodeError as error:
        raise MappingError(f"not {error.encoding} text: {error.reason}") from error
    lines = line_starts(text)
    for document in yaml_text.parse_documents(text, lines, limits):
        if isinstance(document, Problem):
            raise MappingError(document.message, _region_at(document.at, lines))
        if document is None or document.value is None:
            break
        if not isinstance(document.value, dict):
            raise MappingError("not a mapping", Region(Position(1, 1), Position(1, 1)))
        return YamlMapping(document.value, document.source_map)
    return YamlMapping({})


def _region_at(at: int, lines: array[int]) -> Region:
    line = bisect_right(lines, at)
    position = Position(line, at - lines[line - 1] + 1)
    return Region(position, position)
