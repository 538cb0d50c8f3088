"""Pieces of a text that are replaced, all at once. Never knows what a text means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec


class Splice(msgspec.Struct, frozen=True):
    """`text` instead of what stands from `start` to `end`; `changes` are the numbers of the changes it serves."""

    start: int
    end: int
    text: str
    changes: tuple[int, ...] = ()


def in_order(splices: Iterable[Splice]) -> list[Splice]:
    """The splices as they follow each other; at one place an insertion comes first.

    Raises ValueError for two that replace the same.
    """
    found = sorted(splices, key=lambda splice: (splice.start, splice.end))
    reached = 0
    for splice in found:
        if splice.start < reached:
            raise ValueError("two changes touch the same text")
        reached = splice.end
    return found


def spliced(text: str, splices: Sequence[Splice]) -> str:
    """The text with its splices, which are in order."""
    parts: list[str] = []
    at = 0
    for splice in splices:
        parts += (text[at : splice.start], splice.text)
        at = splice.end
    return "".join((*parts, text[at:]))
