"""Numbers that look random and are the same in each run."""

from __future__ import annotations

import hashlib
from typing import Final

_BYTES: Final = 8


def draw(*parts: object) -> float:
    """Return a number from 0 to below 1 that depends on the parts only."""
    return int(draw_key(*parts), 16) / (1 << (8 * _BYTES))


def draw_key(*parts: object) -> str:
    """Return 16 hexadecimal digits that depend on the parts only."""
    return hashlib.blake2b("\n".join(map(str, parts)).encode(), digest_size=_BYTES).hexdigest()


def draw_digest(*parts: object) -> str:
    """Return a digest of an image or layer that depends on the parts only."""
    return f"sha256:{hashlib.sha256('/'.join(map(str, parts)).encode()).hexdigest()}"
