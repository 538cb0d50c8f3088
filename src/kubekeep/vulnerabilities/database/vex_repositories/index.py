"""The index of a VEX repository: the documents and the packages that they are about. No I/O."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

import msgspec

from kubekeep.images.package_url import format_package_url
from kubekeep.model.package import Package
from kubekeep.model.text import visible
from kubekeep.vulnerabilities.database.errors import AdvisoryInputError
from kubekeep.vulnerabilities.database.records import parse_time
from kubekeep.vulnerabilities.vex.identities import parse_purl

INDEX: Final = "index.json"
MAX_INDEX: Final = 32 << 20
IMAGE_TYPES: Final = frozenset({"oci", "docker"})
"""Types of the package URLs of images, which may have the repository as a qualifier."""
_MOST_PACKAGES: Final = 200_000
_SHOWN: Final = 200


class _IndexEntry(msgspec.Struct, frozen=True, gc=False):
    # The format is not read: the document itself has it.
    id: str
    location: str


class _IndexDocument(msgspec.Struct, frozen=True):
    updated_at: str
    packages: tuple[_IndexEntry, ...]


class IndexedPackage(msgspec.Struct, frozen=True):
    """A package and the path of its document. id: its package URL."""

    id: str
    package: Package
    path: str


class RepositoryIndex(msgspec.Struct, frozen=True):
    """The index of a repository. updated: microseconds since year 1. problems: entries that cannot be used."""

    updated: int
    packages: tuple[IndexedPackage, ...]
    problems: tuple[str, ...]


def read_index(content: bytes) -> RepositoryIndex:
    """Return the entries of an index; of several for the same package URL, the first. Raises AdvisoryInputError."""
    try:
        document = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"), type=_IndexDocument)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AdvisoryInputError(f"{INDEX} is not the index of a VEX repository: {visible(str(error))}") from error
    updated = parse_time(document.updated_at)
    if not updated:
        raise AdvisoryInputError(f"{INDEX}: updated_at {visible(document.updated_at[:80])!r} is not a time in RFC 3339")
    if len(document.packages) > _MOST_PACKAGES:
        raise AdvisoryInputError(f"{INDEX} has {len(document.packages):,} packages; the limit is {_MOST_PACKAGES:,}")
    problems: list[str] = []
    packages: dict[str, IndexedPackage] = {}
    for package in _read_entries(document.packages, problems):
        if package.id in packages:
            problems.append(f"{INDEX}: {visible(package.id)} is listed twice: only the first entry counts")
        else:
            packages[package.id] = package
    return RepositoryIndex(updated, tuple(packages.values()), tuple(problems))


def _read_entries(entries: tuple[_IndexEntry, ...], problems: list[str]) -> Iterator[IndexedPackage]:
    for entry in entries:
        try:
            package = _check_package(parse_purl(entry.id))
            yield IndexedPackage(format_package_url(package), package, _check_path(entry.location))
        except ValueError as error:
            problems.append(f"{INDEX}: {visible(entry.id[:_SHOWN])}: {visible(str(error))}")


def _check_package(package: Package) -> Package:
    """Return a package without version: the document has the versions. Raises ValueError for a more exact package URL."""
    kept = ("repository_url",) if package.type in IMAGE_TYPES else ()
    if package.version or package.subpath or any(key not in kept for key, _ in package.qualifiers):
        raise ValueError("the package URL of an index must have no version, qualifiers or subpath")
    return package


def _check_path(location: str) -> str:
    """Return the normalised path of a document. Raises ValueError for a path out of the repository."""
    path = posixpath.normpath(location)
    if (
        not location
        or "\0" in location
        or "\\" in location
        or path.startswith("/")
        or path.split("/")[0] in ("..", ".")
    ):
        raise ValueError(f"{location[:_SHOWN]!r} is not a relative path in the repository")
    return path
