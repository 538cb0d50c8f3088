"""One object during the replay of a build: its fields, the identities it has had, and who claims its values.

Steps change it in the order in which kustomize runs them. Never knows where steps come from.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec

from kubekeep.model.location import Path
from kubekeep.sources.kustomize.selector import Identity
from kubekeep.sources.kustomize.shadow import Field
from kubekeep.sources.kustomize.written import Spot

_BUILTIN_GROUP: Final = ".k8s.io"


class Asked(msgspec.Struct, frozen=True):
    """A value of the built object whose origin is wanted: its path, what it is, and the field that replays to it."""

    document: Any
    path: Path
    value: Any
    field: Field | None


class Claim(Protocol):
    """An entry of a kustomization that sets values in many objects, as `images` does."""

    @property
    def sure(self) -> bool:
        """Whether it compares values, and so can be believed before what was explicitly written."""

    def spot(self, asked: Asked, state: State) -> Spot | None:
        """The entry, if it set the value that is asked for."""


class State:
    """One object at a moment of the build; `ids` are the identities it has had, the first its original one.

    `schema` says that the build has an OpenAPI schema of its own, which gives lists of custom kinds merge keys too.
    """

    def __init__(self, root: Field, identity: Identity, *, schema: bool) -> None:
        self.root: Field | None = root
        self._schema = schema
        self.ids = [identity]
        self.claims: list[tuple[int, Claim]] = []
        self.labels: dict[str, str] = {}
        self.images: set[str] = set()
        self.time = 0

    @property
    def kind(self) -> str | None:
        """The kind, if its lists have merge keys, as those of built-in ones do."""
        group = self.ids[-1].group
        known = self._schema or "." not in group or group.endswith(_BUILTIN_GROUP)
        return self.ids[-1].kind if known else None

    def claim(self, claim: Claim) -> None:
        """Let `claim` answer for values from now on."""
        self.claims.append((self.time, claim))

    def rename(self, **changes: str) -> None:
        """Give the object another identity beside those it has had."""
        fresh = msgspec.structs.replace(self.ids[-1], **changes)
        if fresh != self.ids[-1]:
            self.ids.append(fresh)

    def texts(self, name: str) -> dict[str, str]:
        """The labels or annotations at this moment."""
        metadata = self.root.child("metadata") if self.root is not None else None
        found = metadata.child(name) if metadata is not None else None
        fields = found.value if found is not None and isinstance(found.value, dict) else {}
        said = {key: field.value for key, field in fields.items() if isinstance(field.value, str)}
        return said | self.labels if name == "labels" else said


class Step(Protocol):
    """One transformation of a kustomization."""

    def apply(self, state: State) -> None:
        """Let the object take part in it, if it is for that object."""
