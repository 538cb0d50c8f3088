"""Fields that a built-in Kubernetes kind does not have. Values only."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import msgspec

from kubekeep.model.location import Path


class UnknownField(msgspec.Struct, frozen=True):
    """A field that a built-in kind does not have: its path, a message, and the known fields beside it."""

    path: Path
    message: str
    siblings: AbstractSet[str] = frozenset()
