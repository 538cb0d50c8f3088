"""Packages from SBOMs of other tools in our conventions: epoch, distribution, source package, major version of Go modules.

Tools differ in these parts of a package URL although they mean the same package. Never changes anything else. No I/O.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from kubekeep.images.distributions import normalise_namespace, normalise_qualifier
from kubekeep.model.package import Package, SourcePackage, read_source_rpm

_NO_VERSION: Final = "UNKNOWN"
"""The version that Syft writes for a package without one."""


def normalise_package(package: Package) -> Package:
    """Return the package with our conventions; a package that already has them stays equal."""
    if package.version == _NO_VERSION:
        package = msgspec.structs.replace(package, version="")
    if package.type == "golang" and package.subpath:
        return _join_major_version(package)
    if package.type not in ("deb", "rpm", "apk"):
        return package
    qualifiers = dict(package.qualifiers)
    namespace = normalise_namespace(package.namespace)
    if "distro" in qualifiers:
        qualifiers["distro"] = normalise_qualifier(qualifiers["distro"], package.namespace)
    if "modularitylabel" in qualifiers:
        qualifiers.setdefault("rpmmod", qualifiers.pop("modularitylabel"))
    upstream = qualifiers.pop("upstream", "")
    version = _move_epoch(package, qualifiers)
    # A source without a version has that of the package, with the epoch.
    source = package.source or _read_upstream(package.type, version, upstream)
    return msgspec.structs.replace(
        package,
        namespace=namespace,
        version=version,
        qualifiers=tuple(sorted(qualifiers.items())),
        source=source,
    )


def _join_major_version(package: Package) -> Package:
    """Move the major version of a module (`semver@v4.0.0#v4`) from the subpath to its path (`semver/v4@v4.0.0`)."""
    major, _, subpath = package.subpath.partition("/")
    if not re.fullmatch(r"v[1-9]\d{0,5}", major) or not package.version.startswith(f"{major}."):
        return package
    namespace = f"{package.namespace}/{package.name}" if package.namespace else package.name
    return msgspec.structs.replace(package, namespace=namespace, name=major, subpath=subpath)


def _move_epoch(package: Package, qualifiers: dict[str, str]) -> str:
    """Return the version: with the epoch for deb, without it for rpm, whose package URLs have it as a qualifier."""
    if package.type == "deb":
        epoch = qualifiers.pop("epoch", "0")
        return package.version if epoch == "0" or ":" in package.version else f"{epoch}:{package.version}"
    epoch, colon, version = package.version.partition(":")
    if package.type == "rpm":
        if colon and epoch.isdigit():
            qualifiers.setdefault("epoch", epoch)
            if qualifiers["epoch"] == "0":
                del qualifiers["epoch"]
            return version
        if qualifiers.get("epoch") == "0":
            del qualifiers["epoch"]
    return package.version


def _read_upstream(kind: str, package_version: str, upstream: str) -> SourcePackage | None:
    """Return the source package of `gcc-12@12.2.0-14`, `gcc-12` or `bash-5.1.8-6.el9.src.rpm`."""
    if not upstream:
        return None
    if kind == "rpm":
        return read_source_rpm(upstream)
    name, _, version = upstream.partition("@")
    return SourcePackage(name, version or package_version)
