"""Tolerant access to the fields of SBOMs of other tools, where every field may be missing or of another type. Never raises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from kubekeep.images.package import Package, PackageLocation, SourcePackage
from kubekeep.images.sbom.purl import parse_package_url
from kubekeep.model.json_values import as_list

LONGEST: Final = 16_384
"""Maximum characters of a field; longer ones are treated as missing."""
_DISTRIBUTION_IDS: Final = {"alma": "almalinux", "amazon": "amzn", "oracle": "ol", "redhat": "rhel"}
"""Names of distributions in some tools, and the ids in their `os-release`."""


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


def read_distribution_id(name: str) -> str:
    """Return the id of a distribution as in `os-release`."""
    return _DISTRIBUTION_IDS.get(name.lower(), name.lower())


def create_location(path: str, layer: str = "") -> PackageLocation:
    """Return a location with the path as in an image, without a leading slash."""
    return PackageLocation(path.lstrip("/"), layer)


def create_package(url: str, namespace: str, name: str, version: str) -> Package | None:
    """Return the package of a package URL, else of its names; None without a name.

    The source package of the qualifier `upstream` becomes a field, because it is no part of the identity.
    """
    package = parse_package_url(url) if url else None
    if package is None:
        return Package(type="", namespace=namespace, name=name, version=version) if name else None
    qualifiers = dict(package.qualifiers)
    upstream = qualifiers.pop("upstream", "")
    if not package.version and version:
        package = msgspec.structs.replace(package, version=version)
    if not upstream:
        return package
    source, _, source_version = upstream.removesuffix(".src.rpm").partition("@")
    if package.type == "rpm" and source.count("-") >= 2:
        source, source_version, release = source.rsplit("-", 2)
        source_version = f"{source_version}-{release}"
    return msgspec.structs.replace(
        package,
        qualifiers=tuple(qualifiers.items()),
        source=SourcePackage(source, source_version or package.version) if source else None,
    )


def find_distribution(packages: Iterable[Package]) -> tuple[str, str]:
    """Return id and version of the distribution from the qualifier `distro` of a package (`distro=debian-13`)."""
    for package in packages:
        distro = dict(package.qualifiers).get("distro", "")
        if distro:
            name, hyphen, version = distro.rpartition("-")
            return (read_distribution_id(name), version) if hyphen else (read_distribution_id(distro), "")
    return "", ""


def split_problem(text: str) -> tuple[str, str]:
    """Return path and message of a problem as Kubekeep writes it."""
    path, colon, message = text.partition(": ")
    return (path, message) if colon else ("", text)
