"""Attack tracks in Kubescape's form: trees of steps, and the controls that belong to each step.

Reads files of the library; never reads resources.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from kubekeep.library.load import ROOT, LibraryError, parse_document
from kubekeep.model.control import Control

_TRACK_FOLDER: Final = "attack-tracks"
_MEMBERSHIP_FILE: Final = "controls.yaml"


class Step(msgspec.Struct, frozen=True, rename="camel"):
    """A step of a track. With `checks_vulnerabilities` it is about image vulnerabilities, which no control detects."""

    name: str
    description: str = ""
    checks_vulnerabilities: bool = False
    sub_steps: tuple[Step, ...] = ()

    def list_paths(self) -> Iterator[tuple[Step, ...]]:
        """Yield the steps from here to each leaf."""
        if not self.sub_steps:
            yield (self,)
        for step in self.sub_steps:
            for path in step.list_paths():
                yield (self, *path)


class Track(msgspec.Struct, frozen=True):
    """An attack track: its name and its first step."""

    name: str
    root: Step


class TrackMembership(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tags of a control, and the names of its steps by track."""

    tags: tuple[str, ...]
    tracks: dict[str, tuple[str, ...]]


class Tracks(msgspec.Struct, frozen=True):
    """All tracks in the order of their names, and the memberships of controls by number."""

    tracks: tuple[Track, ...]
    memberships: Mapping[str, TrackMembership]

    def find_membership(self, control: Control) -> TrackMembership | None:
        """Return the membership of `control` by any of its numbers; None if it has none."""
        return next((self.memberships[number] for number in control.ids if number in self.memberships), None)


class _Spec(msgspec.Struct, frozen=True):
    data: Step


class _Metadata(msgspec.Struct, frozen=True):
    name: str


class _Object(msgspec.Struct, frozen=True, tag_field="kind", tag="AttackTrack"):
    metadata: _Metadata
    spec: _Spec


@functools.cache
def load_tracks() -> Tracks:
    """Return the tracks of the library. Raises LibraryError."""
    folder = ROOT / _TRACK_FOLDER
    contents = [_read(file, _Object) for file in sorted(folder.glob("*.yaml")) if file.name != _MEMBERSHIP_FILE]
    return Tracks(
        tuple(Track(content.metadata.name, content.spec.data) for content in contents),
        _read(folder / _MEMBERSHIP_FILE, dict[str, TrackMembership]),
    )


def _read(file: Path, kind: Any) -> Any:
    try:
        return msgspec.convert(parse_document(file.read_text(encoding="utf-8")), kind)
    except (OSError, ValueError) as error:
        raise LibraryError(f"{file}: {error}") from error
