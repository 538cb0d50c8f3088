"""Comparison of package URLs in VEX documents with packages: absent parts match anything, given ones must be equal.

No I/O. Images are compared by `subject`, which knows their digests.
"""

from __future__ import annotations

from typing import Final

from kubekeep.model.package import NO_DISTRIBUTION, Distribution, Package, SourcePackage

_SOURCE_ARCHITECTURES: Final = frozenset({"src", "source"})
"""Values of `arch` with which a package URL names a source package: all binary packages of it are meant."""


def names_same_package(first: Package, second: Package) -> bool:
    """Return True if both name a package of the same type, namespace and name."""
    return (first.type, first.namespace, first.name) == (second.type, second.namespace, second.name)


def is_source(pattern: Package) -> bool:
    """Return True if the package URL names a source package of a distribution."""
    return ("arch", "src") in pattern.qualifiers or ("arch", "source") in pattern.qualifiers


def get_source(package: Package) -> SourcePackage:
    """Return the source package; one that is not declared has the name of the binary package."""
    return package.source or SourcePackage(package.name, package.version)


def matches_purl(pattern: Package, package: Package, distribution: Distribution = NO_DISTRIBUTION) -> bool:
    """Return True if the package URL `pattern` includes the package.

    distribution: of the image, whose code name a qualifier `distro` may have.
    """
    name, version = package.name, package.version
    if is_source(pattern) and not is_source(package):
        source = get_source(package)
        name, version = source.name, source.version
    return (
        (pattern.type, pattern.namespace, pattern.name) == (package.type, package.namespace, name)
        and (not pattern.version or _equal_versions(pattern.type, pattern.version, version))
        and (not pattern.subpath or pattern.subpath == package.subpath)
        and _matches_qualifiers(pattern, package, distribution)
    )


def _equal_versions(package_type: str, first: str, second: str) -> bool:
    if package_type == "golang":
        # Tools differ in the prefix of versions of the standard library and of old modules.
        return first.removeprefix("v") == second.removeprefix("v")
    return first == second


def _matches_qualifiers(pattern: Package, package: Package, distribution: Distribution) -> bool:
    qualifiers = dict(package.qualifiers)
    for key, value in pattern.qualifiers:
        if key == "arch" and value in _SOURCE_ARCHITECTURES:
            continue
        own = qualifiers.get(key, "")
        if own != value and not (key == "distro" and _includes_release(value, own, distribution)):
            return False
    return True


def _includes_release(value: str, own: str, distribution: Distribution) -> bool:
    """Return True if the value of `distro` names the release by its code name, or less exactly: `rhel-9` or `rhel`."""
    codename = distribution.version_codename
    if codename and value in {codename, f"{distribution.id}-{codename}"}:
        return True
    name, _, version = own.rpartition("-")
    return own.startswith(f"{value}.") or (name == value and version[:1].isdigit())
