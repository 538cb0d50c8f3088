"""Identity of packages: in one document, across documents of different tools, and across versions. No I/O."""

from __future__ import annotations

from typing import Final

import msgspec

from kubekeep.ecosystems.shared.registry import is_distribution_type
from kubekeep.images.package_url import format_package_url
from kubekeep.model.package import Package

_DESCRIPTIVE: Final = frozenset(
    {"distro", "upstream", "package-id", "vcs_url", "download_url", "file_name", "checksum", "goos", "goarch"}
)
"""Qualifiers that describe a package without being part of its identity."""


def get_package_url(package: Package) -> str:
    """Return the package URL; empty for a package without a type, of which only the name is known."""
    return format_package_url(package) if package.type else ""


def identify(package: Package) -> str:
    """Return the reference of a package in a document: its package URL, else `package:name@version`."""
    if package.type:
        return format_package_url(package)
    name = f"{package.namespace}/{package.name}" if package.namespace else package.name
    return f"package:{name}@{package.version}"


def identify_everywhere(package: Package) -> str:
    """Return the reference without the parts that differ from tool to tool for the same package."""
    kept = tuple(entry for entry in package.qualifiers if entry[0] not in _DESCRIPTIVE)
    if kept != package.qualifiers:
        package = msgspec.structs.replace(package, qualifiers=kept)
    if package.type == "golang" and package.subpath:
        # Some tools cut the path of a module after three segments and write the rest as subpath.
        path = "/".join(filter(None, (package.namespace, package.name, package.subpath)))
        namespace, _, name = path.rpartition("/")
        package = msgspec.structs.replace(package, namespace=namespace, name=name, subpath="")
    return identify(package)


def identify_line(package: Package) -> tuple[str, str]:
    """Return the identity of a package over all its versions; distributions share the names of their packages."""
    namespace = "" if is_distribution_type(package.type) else package.namespace
    parts = (namespace, package.name, package.subpath)
    return package.type, "/".join(filter(None, parts))


def get_full_version(package: Package) -> str:
    """Return the version with its epoch, which package URLs of rpm packages have as a qualifier."""
    epoch = dict(package.qualifiers).get("epoch", "") if package.type == "rpm" else ""
    return f"{epoch}:{package.version}" if epoch else package.version
