"""Reader of frameworks and controls in Kubescape's released JSON, with embedded rules and parameter files.

Never uses a value from a file as a path. Errors name the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from kubekeep.library import release
from kubekeep.library.kubescape_rules import KubescapeControl
from kubekeep.library.load import LibraryError, read_limited
from kubekeep.model.framework import Framework, Section

_MAX_BYTES: Final = 64 << 20
_MAX_FILES: Final = 1_000
_INPUTS: Final = "controls-inputs.json"
_EXCEPTIONS: Final = "exceptions.json"
_UNUSED: Final = ("attack-tracks.json",)
"""Known files of a Kubescape release that are not used."""


class Bundles(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of bundles. Slugs of frameworks never occur in the library; names of frameworks may."""

    controls: tuple[KubescapeControl, ...] = ()
    frameworks: tuple[Framework, ...] = ()
    inputs: dict[str, tuple[str, ...]] = {}
    exceptions: tuple[str, ...] = ()
    """Paths of exception files, which this module does not read."""
    notes: tuple[str, ...] = ()
    """One sentence for each file that was recognised but is not used."""


def read_bundles(paths: Sequence[Path]) -> Bundles:
    """Return the frameworks and controls of JSON files; a folder stands for all its JSON files. Raises LibraryError."""
    collector = _BundleCollector()
    for path in paths:
        for file in _list_files(path):
            collector.add_file(file, is_required=not path.is_dir())
    return Bundles(
        controls=tuple(collector.controls.values()),
        frameworks=tuple(framework for framework, _ in collector.frameworks.values()),
        inputs=collector.inputs,
        exceptions=tuple(collector.exceptions),
        notes=tuple(collector.notes),
    )


class _BundleCollector:
    """Collector of the contents of files: controls by slug, frameworks by slug with the slugs of their members."""

    def __init__(self) -> None:
        self.controls: dict[str, KubescapeControl] = {}
        self.frameworks: dict[str, tuple[Framework, frozenset[str]]] = {}
        self.inputs: dict[str, tuple[str, ...]] = {}
        self.exceptions: list[str] = []
        self.notes: list[str] = []

    def add_file(self, file: Path, *, is_required: bool) -> None:
        """Add the contents of `file`. Raises LibraryError if `is_required` and it holds no framework or control."""
        if file.name in _UNUSED:
            self.notes.append(f"{file}: recognised, but not used")
        elif file.name == _EXCEPTIONS:
            self.exceptions.append(str(file))
        elif file.name == _INPUTS:
            self.inputs |= _parse_inputs(_decode(file), file)
        elif not self._add_values(_decode(file), file):
            if is_required:
                raise LibraryError(f"{file}: neither a framework nor a control")
            self.notes.append(f"{file}: ignored, neither a framework nor a control")

    def _add_values(self, document: Any, file: Path) -> bool:
        """Add the frameworks and controls of a decoded file. Return True if there are any."""
        is_used = False
        for value in document if isinstance(document, list) else [document]:
            if not isinstance(value, dict):
                continue
            if "controls" in value or "activeControls" in value:
                self._add_framework(value, file)
                is_used = True
            elif "controlID" in value:
                self._add_control(release.convert_control(value, file), file)
                is_used = True
        return is_used

    def _add_framework(self, value: dict[str, Any], file: Path) -> None:
        released = release.convert_framework(value, file)
        slug = f"loaded/{released.name.casefold()}"
        members = [release.convert_control(member, file) for member in released.controls]
        slugs = frozenset(member.control.slug for member in members)
        if slug in self.frameworks and self.frameworks[slug][1] != slugs:
            raise LibraryError(f"{file}: framework {released.name} is defined twice with different controls")
        sections = tuple(_flatten_sections(released.sub_sections or {}))
        for member in members:
            serves = tuple(section.id for section, numbers in sections if member.control.id in numbers)
            control = msgspec.structs.replace(member.control, satisfies={slug: serves})
            self._add_control(msgspec.structs.replace(member, control=control), file)
        framework = Framework(
            slug=slug,
            name=released.name,
            title=released.name,
            description=released.description,
            version=released.version,
            sections=tuple(section for section, _ in sections),
        )
        self.frameworks[slug] = framework, slugs

    def _add_control(self, control_with_rules: KubescapeControl, file: Path) -> None:
        existing = self.controls.get(control_with_rules.control.slug)
        if existing is None:
            self.controls[control_with_rules.control.slug] = control_with_rules
            return
        if _get_comparable_parts(existing) != _get_comparable_parts(control_with_rules):
            raise LibraryError(f"{file}: control {control_with_rules.control.id} is defined twice with different rules")
        satisfies = {**existing.control.satisfies, **control_with_rules.control.satisfies}
        control = msgspec.structs.replace(existing.control, satisfies=satisfies)
        self.controls[control_with_rules.control.slug] = msgspec.structs.replace(existing, control=control)


def _get_comparable_parts(control: KubescapeControl) -> object:
    """Return the parts of a control that must be equal in two copies of it."""
    return [msgspec.structs.replace(rule, file="") for rule in control.rules], control.fixed_params


def _flatten_sections(sections: Mapping[str, release.ReleasedSection]) -> Iterator[tuple[Section, frozenset[str]]]:
    """Yield each section with the numbers of its own controls, directly followed by its subsections."""
    for key, section in sections.items():
        yield Section(section.id or key, section.name or key), frozenset(section.controls_ids or ())
        yield from _flatten_sections(section.sub_sections or {})


def _parse_inputs(value: Any, file: Path) -> dict[str, tuple[str, ...]]:
    """Return the parameters of a flat map, or of `settings.postureControlInputs` in a Kubescape configuration."""
    if isinstance(value, dict) and isinstance(value.get("settings"), dict):
        value = value["settings"].get("postureControlInputs") or {}
    try:
        return msgspec.convert(value, dict[str, tuple[str, ...]])
    except msgspec.ValidationError as error:
        raise LibraryError(f"{file}: {error}") from error


def _list_files(path: Path) -> Iterable[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.glob("*.json") if not file.is_dir())
    if not files:
        raise LibraryError(f"{path}: no JSON file in the folder")
    if len(files) > _MAX_FILES:
        raise LibraryError(f"{path}: more than {_MAX_FILES} JSON files")
    return files


def _decode(file: Path) -> Any:
    return release.decode(read_limited(file, _MAX_BYTES), file)
