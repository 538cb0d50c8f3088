"""Fields of built-in Kubernetes kinds that do not exist, are missing, or have a value of another type. Values only."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import msgspec

from kubekeep.model.location import Path


class UnknownField(msgspec.Struct, frozen=True):
    """A field that a built-in kind does not have: its path, a message, and the known fields beside it."""

    path: Path
    message: str
    siblings: AbstractSet[str] = frozenset()


class MistypedField(msgspec.Struct, frozen=True):
    """A field whose value is not of its type, so that the API server rejects the object: its path and a message."""

    path: Path
    message: str


class FieldProblems(msgspec.Struct, frozen=True):
    """The problems in the fields of one object."""

    unknown: tuple[UnknownField, ...] = ()
    mistyped: tuple[MistypedField, ...] = ()
    rejection: str = ""
    """The reason why the API server would reject the object as a whole; empty if there is none."""
