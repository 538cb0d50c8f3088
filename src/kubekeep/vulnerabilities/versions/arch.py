"""Versions of pacman (Arch Linux), as `vercmp` orders them.

pacman ignores the package release if one of two versions has none, so "1.0" equals "1.0-1" and "1.0-2".
"""

from __future__ import annotations

import functools
import re
from typing import Any

from kubekeep.vulnerabilities.versions.scheme import VersionScheme

_SEGMENT = re.compile(r"([^0-9A-Za-z]*)([0-9]+|[A-Za-z]+|$)")
_VERSION = re.compile(r"(?:([0-9]*):)?(.*?)(?:-([^-]*))?", re.DOTALL)

VersionSegment = tuple[int, bool, int, str]
"""Length of the separator before the segment, True for a number, length of the number, text without leading zeros."""

Segments = tuple[VersionSegment, ...]


class PacmanScheme(VersionScheme):
    """The order of pacman: epoch, version and package release."""

    name = "pacman"

    def _parse(self, version: str) -> Any:
        match = _VERSION.fullmatch(version)
        epoch, upstream, release = match.groups() if match else ("", version, None)
        if not upstream:
            raise self.invalid(version, "the version is empty")
        parsed = int(epoch or 0), _split(upstream), None if release is None else _split(release)
        return functools.cmp_to_key(_compare_versions)(parsed)


def _split(text: str) -> Segments:
    """Return the segments of a version; a separator at its end is a segment without text."""
    segments = []
    for separator, segment in _SEGMENT.findall(text):
        is_number = segment[:1].isdigit()
        if separator or segment:
            text = segment.lstrip("0") if is_number else segment
            segments.append((len(separator), is_number, len(text) if is_number else 0, text))
    return tuple(segments)


def _compare_versions(
    first: tuple[int, Segments, Segments | None], second: tuple[int, Segments, Segments | None]
) -> int:
    order = (first[0] > second[0]) - (first[0] < second[0]) or _compare_segments(first[1], second[1])
    if order == 0 and first[2] is not None and second[2] is not None:
        return _compare_segments(first[2], second[2])
    return order


def _compare_segments(first: Segments, second: Segments) -> int:
    for one, other in zip(first, second, strict=False):
        if one != other:
            return _compare_segment(one, other)
    if len(first) == len(second):
        return 0
    if len(first) < len(second):
        return -_order_rest(second[len(first)])
    return _order_rest(first[len(second)])


def _order_rest(segment: VersionSegment) -> int:
    """Return 1 if a version that continues with the segment is after one that ends: letters at once are a pre-release."""
    separator, is_number, _, text = segment
    return -1 if separator == 0 and text and not is_number else 1


def _compare_segment(one: VersionSegment, other: VersionSegment) -> int:
    is_end, is_other_end = _is_end(one), _is_end(other)
    if is_end and is_other_end:
        return 0
    # Behind separators, the end is before a number and after letters.
    if is_end:
        return -1 if other[1] else 1
    if is_other_end:
        return 1 if one[1] else -1
    return -1 if one < other else 1


def _is_end(segment: VersionSegment) -> bool:
    return not segment[1] and not segment[3]


PACMAN = PacmanScheme()
