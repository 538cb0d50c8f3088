"""Wording of notes about several parts of the input. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from kubekeep.model.text import visible

_MOST_NAMES: Final = 3


def count_noun(number: int, noun: str) -> str:
    """Return a number with its noun: `1 file`, `2 files`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def list_first(names: Iterable[object]) -> str:
    """Return the first names of a list in one line, with an ellipsis for the others."""
    shown_names: Sequence[str] = [visible(str(name)) for name in names]
    return f"{', '.join(shown_names[:_MOST_NAMES])}{', …' if len(shown_names) > _MOST_NAMES else ''}"
