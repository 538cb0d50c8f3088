"""Read frameworks and controls in the JSON that Kubescape releases: rules embedded, inputs beside them.

Values only. Nothing that a file says is ever used as a path; a file that is not what it should be is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from kubekeep.library import release
from kubekeep.library.kubescape_rules import KubescapeControl
from kubekeep.library.load import LibraryError
from kubekeep.model.framework import Framework, Section

_MOST_BYTES: Final = 64 << 20
_MOST_FILES: Final = 1_000
_INPUTS: Final = "controls-inputs.json"
_EXCEPTIONS: Final = "exceptions.json"
_LEFT: Final = ("attack-tracks.json",)
"""Artifacts that are known and not used."""


class Bundles(msgspec.Struct, frozen=True, kw_only=True):
    """What bundles hold. The slugs of the frameworks are none of the library's, their names may be."""

    controls: tuple[KubescapeControl, ...] = ()
    frameworks: tuple[Framework, ...] = ()
    inputs: dict[str, tuple[str, ...]] = {}
    exceptions: tuple[str, ...] = ()
    """The paths of files of exceptions, which are not read here."""
    notes: tuple[str, ...] = ()
    """What was recognised and is not used, a sentence each."""


def read_bundles(paths: Sequence[Path]) -> Bundles:
    """The frameworks and controls of JSON files, or of all of them in a folder. Raises LibraryError."""
    shelf = _Shelf()
    for path in paths:
        for file in _files(path):
            shelf.put(file, alone=not path.is_dir())
    return Bundles(
        controls=tuple(shelf.controls.values()),
        frameworks=tuple(framework for framework, _ in shelf.frameworks.values()),
        inputs=shelf.inputs,
        exceptions=tuple(shelf.exceptions),
        notes=tuple(shelf.notes),
    )


class _Shelf:
    """What has been read so far: controls by number, frameworks by slug with their members."""

    def __init__(self) -> None:
        self.controls: dict[str, KubescapeControl] = {}
        self.frameworks: dict[str, tuple[Framework, frozenset[str]]] = {}
        self.inputs: dict[str, tuple[str, ...]] = {}
        self.exceptions: list[str] = []
        self.notes: list[str] = []

    def put(self, file: Path, *, alone: bool) -> None:
        """Take what is in `file`; one that was named `alone` has to be a framework or a control."""
        if file.name in _LEFT:
            self.notes.append(f"{file}: recognised, but not used yet")
        elif file.name == _EXCEPTIONS:
            self.exceptions.append(str(file))
        elif file.name == _INPUTS:
            self.inputs |= _inputs(_decoded(file), file)
        elif not self._put_all(_decoded(file), file):
            if alone:
                raise LibraryError(f"{file}: neither a framework nor a control")
            self.notes.append(f"{file}: left, neither a framework nor a control")

    def _put_all(self, value: Any, file: Path) -> bool:
        taken = False
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, dict):
                continue
            if "controls" in item or "activeControls" in item:
                self._framework(item, file)
                taken = True
            elif "controlID" in item:
                self._control(release.control(item, file), file)
                taken = True
        return taken

    def _framework(self, value: dict[str, Any], file: Path) -> None:
        found = release.framework(value, file)
        slug = f"loaded/{found.name.casefold()}"
        members = [release.control(item, file) for item in found.controls]
        numbers = frozenset(item.control.slug for item in members)
        if slug in self.frameworks and self.frameworks[slug][1] != numbers:
            raise LibraryError(f"{file}: there is another framework {found.name} with other controls")
        sections = tuple(_sections(found.sub_sections or {}))
        for item in members:
            serves = tuple(section.id for section, numbers in sections if item.control.id in numbers)
            changed = msgspec.structs.replace(item.control, satisfies={slug: serves})
            self._control(msgspec.structs.replace(item, control=changed), file)
        framework = Framework(
            slug=slug,
            name=found.name,
            title=found.name,
            description=found.description,
            version=found.version,
            sections=tuple(section for section, _ in sections),
        )
        self.frameworks[slug] = framework, numbers

    def _control(self, new: KubescapeControl, file: Path) -> None:
        known = self.controls.get(new.control.slug)
        if known is None:
            self.controls[new.control.slug] = new
            return
        if _decides(known) != _decides(new):
            raise LibraryError(f"{file}: there is another control {new.control.id} with other rules")
        satisfies = {**known.control.satisfies, **new.control.satisfies}
        control = msgspec.structs.replace(known.control, satisfies=satisfies)
        self.controls[new.control.slug] = msgspec.structs.replace(known, control=control)


def _decides(item: KubescapeControl) -> object:
    """What two copies of a control have to agree on."""
    return [msgspec.structs.replace(rule, file="") for rule in item.rules], item.fixed


def _sections(found: Mapping[str, release.Part]) -> Iterator[tuple[Section, frozenset[str]]]:
    """Sections in order, each with the numbers of its own controls; deeper ones follow theirs."""
    for key, part in found.items():
        yield Section(part.id or key, part.name or key), frozenset(part.controls_ids or ())
        yield from _sections(part.sub_sections or {})


def _inputs(value: Any, file: Path) -> dict[str, tuple[str, ...]]:
    """The flat map of parameters, or the one inside of a customer's configuration."""
    if isinstance(value, dict) and isinstance(value.get("settings"), dict):
        value = value["settings"].get("postureControlInputs") or {}
    try:
        return msgspec.convert(value, dict[str, tuple[str, ...]])
    except msgspec.ValidationError as error:
        raise LibraryError(f"{file}: {error}") from error


def _files(path: Path) -> Iterable[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.glob("*.json") if file.is_file())
    if not found:
        raise LibraryError(f"{path}: no JSON file in it")
    if len(found) > _MOST_FILES:
        raise LibraryError(f"{path}: more than {_MOST_FILES} JSON files")
    return found


def _decoded(file: Path) -> Any:
    return release.decoded(read_limited(file, _MOST_BYTES), file)


def read_limited(file: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes. Raises LibraryError."""
    try:
        if not file.is_file():
            raise LibraryError(f"{file}: {'not a file' if file.exists() else 'no such file'}")
        with file.open("rb") as stream:
            content = stream.read(most + 1)
    except OSError as error:
        raise LibraryError(f"{file}: {error.strerror}") from error
    if len(content) > most:
        raise LibraryError(f"{file}: larger than {most >> 20} MiB")
    return content
