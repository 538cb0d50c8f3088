"""Tolerant access to the fields of SBOMs of other tools, where every field may be missing or of another type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

import msgspec

from kubekeep.images.content import ContentProblem
from kubekeep.images.distributions import normalise_qualifier
from kubekeep.images.errors import SbomError
from kubekeep.images.foreign_packages import normalise_package
from kubekeep.images.package_url import parse_package_url
from kubekeep.model.json_values import as_list
from kubekeep.model.location import Path
from kubekeep.model.package import Package, PackageLocation
from kubekeep.model.text import visible

T = TypeVar("T")
_LONGEST_EXAMPLE: Final = 80

MAX_PACKAGES: Final = 200_000
LONGEST: Final = 16_384
"""Maximum characters of a field; longer ones are treated as missing."""


def limit_packages(entries: Iterable[T]) -> Iterator[T]:
    """Yield the entries of a document that may be packages. Raises SbomError for too many."""
    for number, entry in enumerate(entries):
        if number == MAX_PACKAGES:
            raise SbomError(f"the document has more than {MAX_PACKAGES:,} packages")
        yield entry


def index_elements(
    elements: Iterable[tuple[Path, dict[str, Any]]], key: str
) -> tuple[dict[str, dict[str, Any]], dict[str, Path]]:
    """Return the elements and their paths by identifier; one without an own identifier gets a key of its own."""
    by_id: dict[str, dict[str, Any]] = {}
    paths: dict[str, Path] = {}
    for number, (path, element) in enumerate(elements):
        identifier = read_text(element.get(key))
        if not identifier or identifier in by_id:
            identifier = f"{identifier} {number}"
        by_id[identifier] = element
        paths[identifier] = path
    return by_id, paths


def read_text(value: Any) -> str:
    """Return a string, or a number as string; empty for any other value."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST else ""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def list_mappings(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the mappings of a list; a mapping instead of a list counts as its only entry."""
    for entry in [value] if isinstance(value, dict) else as_list(value):
        if isinstance(entry, dict):
            yield entry


def locate_mappings(value: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield what `list_mappings` does for the value at `path`, each with its own path."""
    if isinstance(value, dict):
        yield path, value
    for number, entry in enumerate(as_list(value)):
        if isinstance(entry, dict):
            yield (*path, number), entry


def read_distribution_id(name: str) -> str:
    """Return the id of a distribution as in `os-release`."""
    return normalise_qualifier(name.lower(), "")


def create_location(path: str, layer: str = "") -> PackageLocation:
    """Return a location with the path as in an image, without a leading slash."""
    return PackageLocation(path.lstrip("/"), layer)


def create_package(url: str, namespace: str, name: str, version: str) -> Package | None:
    """Return the package of a package URL, in Kubekeep's conventions, else of its names; None without a name."""
    try:
        package = parse_package_url(url)
    except ValueError:
        return Package(type="", namespace=namespace, name=name, version=version) if name else None
    if not package.version and version:
        package = msgspec.structs.replace(package, version=version)
    return normalise_package(package)


def read_image_digest(url: str) -> str:
    """Return the digest in the package URL of an image (type `oci`); empty without one."""
    package = create_package(url, "", "", "")
    return package.version if package and package.version.startswith("sha256:") else ""


def list_url_problems(entries: Iterable[tuple[str, Package]]) -> Iterator[ContentProblem]:
    """Yield a problem if package URLs of packages cannot be read, so that only names of these packages are known."""
    invalid = [url for url, package in entries if url and not package.type]
    if invalid:
        example = visible(invalid[0])
        shown = example if len(example) <= _LONGEST_EXAMPLE else f"{example[:_LONGEST_EXAMPLE]}..."
        yield ContentProblem("", f"packages with an invalid package URL: {len(invalid)}, such as {shown}")


def find_distribution(packages: Iterable[Package]) -> tuple[str, str]:
    """Return id and version of the distribution from the qualifier `distro` of a package (`distro=debian-13`)."""
    for package in packages:
        distro = dict(package.qualifiers).get("distro", "")
        name, _, version = distro.rpartition("-")
        if distro:
            return (name, version) if name and version[:1].isdigit() else (distro, "")
    return "", ""


def split_problem(text: str) -> tuple[str, str]:
    """Return path and message of a problem as Kubekeep writes it."""
    path, colon, message = text.partition(": ")
    return (path, message) if colon else ("", text)
