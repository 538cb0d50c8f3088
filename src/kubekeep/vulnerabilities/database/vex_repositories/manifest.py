"""The manifest of a VEX repository: the locations of the archive, and the interval of updates. No I/O."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from kubekeep.model.text import visible

MANIFEST: Final = "vex-repository.json"
_VERSIONS: Final = ("v1", "v0")
"""Known major versions of the specification, the newest first; all have the same layout."""
_MOST_LOCATIONS: Final = 10
_DEFAULT_INTERVAL: Final = "24h"
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ns|us|µs|ms|s|m|h))+")
_PART: Final = re.compile(r"([0-9.]+)([a-zµ]+)")
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_LONGEST_INTERVAL: Final = 30 * 24 * 3600
"""Seconds; a repository cannot prevent updates for longer."""


class ArchiveLocation(msgspec.Struct, frozen=True):
    """The URL of an archive, and the folder in it with the index; empty for its root."""

    url: str
    folder: str = ""


class RepositoryManifest(msgspec.Struct, frozen=True):
    """A manifest. locations: archives with the same content, in the order of use. interval: seconds between updates."""

    locations: tuple[ArchiveLocation, ...]
    interval: int


class _Location(msgspec.Struct, frozen=True):
    url: str


class _Version(msgspec.Struct, frozen=True):
    locations: tuple[_Location, ...]
    update_interval: str = _DEFAULT_INTERVAL


class _ManifestDocument(msgspec.Struct, frozen=True):
    name: str = ""
    versions: dict[str, msgspec.Raw] = {}


def read_manifest(content: bytes) -> RepositoryManifest:
    """Return the newest known version of a manifest. Raises ValueError with the reason."""
    document = _decode(content)
    version = next((name for name in _VERSIONS if name in document.versions), "")
    if not version:
        names = visible(", ".join(sorted(document.versions)[:10])) or "none"
        raise ValueError(f"it has the versions {names}; this program reads {' and '.join(reversed(_VERSIONS))}")
    try:
        selected = msgspec.json.decode(document.versions[version], type=_Version)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"version {version}: {visible(str(error))}") from error
    if not selected.locations:
        raise ValueError(f"version {version} has no locations")
    locations = tuple(_split_location(location.url) for location in selected.locations[:_MOST_LOCATIONS])
    return RepositoryManifest(locations, _parse_duration(selected.update_interval))


def read_name(content: bytes) -> str:
    """Return the name of the repository in its manifest; empty if there is none."""
    try:
        return _decode(content).name
    except ValueError:
        return ""


def _decode(content: bytes) -> _ManifestDocument:
    try:
        return msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"), type=_ManifestDocument)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(visible(str(error))) from error


def _split_location(text: str) -> ArchiveLocation:
    """Split `https://host/archive.tar.gz//folder?query` at the second `//`, which is not a part of the URL."""
    scheme, separator, rest = text.partition("://")
    path, question, query = rest.partition("?")
    archive, _, folder = path.partition("//")
    return ArchiveLocation(f"{scheme}{separator}{archive}{question}{query}", folder.strip("/"))


def _parse_duration(text: str) -> int:
    """Return the seconds of a duration of Go such as 24h or 1h30m. Raises ValueError."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"update_interval {visible(text[:80])!r} is not a duration such as 24h or 1h30m")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return int(min(seconds, _LONGEST_INTERVAL))
