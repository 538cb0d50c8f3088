"""Locations of packages in an SBOM document: the first entry of each. Reads no document and opens no file."""

from __future__ import annotations

import codecs
import itertools
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from kubekeep.images.sbom.spdx_tag_value_reader import list_package_lines
from kubekeep.model.location import Location, Path, Position, Region, line_starts
from kubekeep.sources.json_spans import find_spans

_UNKNOWN: Final = (0, 0, 0, 0)


class SbomLocations(msgspec.Struct, frozen=True):
    """Locations in an SBOM: of a package the region of its entry, of all other parts the file.

    regions: start line and column, end line and column of each package; zeros if they are unknown. Four numbers a package
    keep the memory of a large document small.
    """

    file: str
    regions: array[int]

    def locate(self, document: Any, path: Path) -> Location:
        """Return the location of a part of the resource of the SBOM."""
        del document
        match path:
            case ("packages", int(number), *_) if 4 * number < len(self.regions) and self.regions[4 * number]:
                first, column, last, end = self.regions[4 * number : 4 * number + 4]
                return Location(self.file, Region(Position(first, column), Position(last, end)))
        return Location(self.file)


def locate_packages(content: bytes, entries: Sequence[Path], file: str) -> SbomLocations:
    """Return the locations of packages with these entries in a document that was read as an SBOM."""
    is_json = content.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"[")
    numbers = _locate_in_json(content, entries) if is_json else _locate_in_tags(content, entries)
    return SbomLocations(file, array("I", itertools.chain.from_iterable(numbers)))


def _locate_in_json(content: bytes, entries: Sequence[Path]) -> Iterator[tuple[int, int, int, int]]:
    text = content.decode("utf-8-sig", "replace")
    spans, lines = find_spans(text, entries), line_starts(text)
    for entry in entries:
        span = spans.get(entry)
        yield _UNKNOWN if span is None else (*_get_position(lines, span[0]), *_get_position(lines, span[1]))


def _get_position(lines: array[int], index: int) -> tuple[int, int]:
    line = bisect_right(lines, index)
    return line, index - lines[line - 1] + 1


def _locate_in_tags(content: bytes, entries: Sequence[Path]) -> Iterator[tuple[int, int, int, int]]:
    lines = list(list_package_lines(content))
    for entry in entries:
        number, length = lines[entry[1]] if isinstance(entry[1], int) else (0, 0)
        yield number, 1, number, length + 1
