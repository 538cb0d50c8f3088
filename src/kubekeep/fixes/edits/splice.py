"""Replacements of pieces of a text, applied together. Never interprets the text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec


class Splice(msgspec.Struct, frozen=True):
    """A replacement of the text from `start` to `end`. changes: numbers of its changes."""

    start: int
    end: int
    text: str
    changes: tuple[int, ...] = ()


def sort_splices(splices: Iterable[Splice]) -> list[Splice]:
    """Sort splices by position; an insertion precedes a replacement at the same place.

    Raises ValueError if two replace the same text.
    """
    ordered = sorted(splices, key=lambda splice: (splice.start, splice.end))
    reached = 0
    for splice in ordered:
        if splice.start < reached:
            raise ValueError("two changes affect the same text")
        reached = splice.end
    return ordered


def apply_splices(text: str, splices: Sequence[Splice]) -> str:
    """Return the text with sorted splices applied."""
    parts: list[str] = []
    at = 0
    for splice in splices:
        parts += (text[at : splice.start], splice.text)
        at = splice.end
    return "".join((*parts, text[at:]))
