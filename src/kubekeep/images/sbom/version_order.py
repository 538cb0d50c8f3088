"""Order of versions of the same package, to tell upgrades from downgrades. Knows no ecosystem: not for advisories."""

from __future__ import annotations

import re
from typing import Final

_PIECES: Final = re.compile(r"[0-9]+|[a-z]+|~")
_EARLY: Final = frozenset({"alpha", "beta", "dev", "milestone", "pre", "preview", "rc", "snapshot"})
"""Words of versions before a release."""
_EARLY_BEFORE_NUMBER: Final = frozenset({"a", "b", "c", "m"})
"""Letters of such versions if a number follows: 1.0a1 is before 1.0, but 1.1.1a is after 1.1.1."""
_Key = tuple[tuple[int, int, str], ...]
_END: Final = (1, 0, "")


def compare_versions(old: str, new: str) -> int:
    """Return 1 if `new` is later than `old`, -1 if it is earlier, and 0 if the order is unknown or equal."""
    if not old or not new:
        return 0
    first, second = _create_key(old), _create_key(new)
    return (second > first) - (second < first)


def _create_key(version: str) -> _Key:
    """Return epoch and pieces; the end of a version is before numbers and words, and after `~` and pre-releases."""
    epoch, colon, rest = version.lower().partition(":")
    if not (colon and epoch.isascii() and epoch.isdigit()):
        epoch, rest = "0", version.lower()
    pieces = _PIECES.findall(rest)
    ranks = (_rank(piece, following) for piece, following in zip(pieces, (*pieces[1:], ""), strict=False))
    return (_rank(epoch, ""), *ranks, _END)


def _rank(piece: str, following: str) -> tuple[int, int, str]:
    if piece == "~":
        return (-1, 0, "")
    if piece[0].isdigit():
        number = piece.lstrip("0")
        return (3, len(number), number)
    is_early = piece in _EARLY or (piece in _EARLY_BEFORE_NUMBER and following[:1].isdigit())
    return (0 if is_early else 2, 0, piece)
