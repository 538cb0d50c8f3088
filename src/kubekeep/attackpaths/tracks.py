"""Read attack tracks: trees of steps in Kubescape's form, and which failed controls make which steps possible.

Values only; never looks at a resource.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from kubekeep.library.load import ROOT, LibraryError, document
from kubekeep.model.control import Control

_FOLDER: Final = "attack-tracks"
_MEMBERS: Final = "controls.yaml"


class Step(msgspec.Struct, frozen=True, rename="camel"):
    """A step of a track. One that `checks_vulnerabilities` is about images, whose vulnerabilities controls do not see."""

    name: str
    description: str = ""
    checks_vulnerabilities: bool = False
    sub_steps: tuple[Step, ...] = ()

    def ways(self) -> Iterator[tuple[Step, ...]]:
        """The steps from here to each leaf."""
        if not self.sub_steps:
            yield (self,)
        for step in self.sub_steps:
            for way in step.ways():
                yield (self, *way)


class Track(msgspec.Struct, frozen=True):
    """An attack track: its name and its first step."""

    name: str
    root: Step


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a control has to do with tracks: its tags, and the names of steps by track."""

    tags: tuple[str, ...]
    tracks: dict[str, tuple[str, ...]]


class Tracks(msgspec.Struct, frozen=True):
    """All tracks in the order of their names, and the controls in them by number."""

    tracks: tuple[Track, ...]
    members: Mapping[str, Member]

    def member(self, control: Control) -> Member | None:
        """What `control` has to do with tracks, by any of its numbers."""
        return next((self.members[number] for number in control.ids if number in self.members), None)


class _Spec(msgspec.Struct, frozen=True):
    data: Step


class _Metadata(msgspec.Struct, frozen=True):
    name: str


class _Object(msgspec.Struct, frozen=True, tag_field="kind", tag="AttackTrack"):
    metadata: _Metadata
    spec: _Spec


@functools.cache
def tracks() -> Tracks:
    """The tracks that come with Kubekeep. Raises LibraryError."""
    folder = ROOT / _FOLDER
    found = [_read(file, _Object) for file in sorted(folder.glob("*.yaml")) if file.name != _MEMBERS]
    return Tracks(
        tuple(Track(item.metadata.name, item.spec.data) for item in found),
        _read(folder / _MEMBERS, dict[str, Member]),
    )


def _read(file: Path, kind: Any) -> Any:
    try:
        return msgspec.convert(document(file.read_text(encoding="utf-8")), kind)
    except (OSError, ValueError) as error:
        raise LibraryError(f"{file}: {error}") from error
