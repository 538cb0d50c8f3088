"""Packages of apk: Alpine, Wolfi, Chainguard and others."""

from __future__ import annotations

import re
from typing import Final

from kubekeep.ecosystems.shared.ecosystem import (
    Advisories,
    Ecosystem,
    LinuxDistribution,
    PackageType,
    QueryName,
    lower_names,
)
from kubekeep.ecosystems.shared.releases import (
    DistributionRelease,
    GrypeRelease,
    build_exact,
    build_release,
    build_without_release,
    name_without_release,
)
from kubekeep.model.package import Distribution, Package


def _list_names(package: Package) -> tuple[QueryName, ...]:
    """Return the origin, which advisories name, and the package; both always have the same version."""
    name = QueryName(package.name, package.version)
    if package.source is None or package.source.name == package.name:
        return (name,)
    return QueryName(package.source.name, package.source.version or package.version, is_source=True), name


def _build_alpine(system: Distribution) -> DistributionRelease | None:
    version = system.version_id.removeprefix("v")
    if "_alpha" in version or version == "edge" or "edge" in system.name.lower().split():
        return build_release("Alpine", "edge")
    match = re.match(r"\d+\.\d+", version)
    return build_release("Alpine", f"v{match[0]}", match[0]) if match else None


def _name_alpine(ecosystem: str, release: GrypeRelease) -> str:
    if release.label == "edge":
        return f"{ecosystem}:edge"
    return f"{ecosystem}:v{release.major}.{release.minor or '0'}" if release.major else ""


def _describe_rolling(name: str, identifier: str, *, grype: tuple[str, ...], is_common: bool = False) -> Advisories:
    """Return the advisories of a distribution without releases."""
    return Advisories(
        name=name,
        grype=grype,
        name_grype_release=name_without_release if grype else None,
        distributions=(LinuxDistribution(id=identifier, build_release=build_without_release(name)),),
        is_common=is_common,
    )


def _describe_exact(name: str, identifier: str) -> Advisories:
    """Return the advisories of a distribution whose records have the version of `os-release`."""
    distribution = LinuxDistribution(id=identifier, build_release=build_exact(name))
    return Advisories(name=name, grype=(), distributions=(distribution,))


ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="apk", normalise=lower_names),),
    catalogs=("apk", "os_release"),
    advisories=(
        Advisories(
            name="Alpine",
            grype=("alpine",),
            name_grype_release=_name_alpine,
            distributions=(LinuxDistribution(id="alpine", build_release=_build_alpine),),
            is_common=True,
        ),
        _describe_exact("Alpaquita", "alpaquita"),
        _describe_exact("BellSoft Hardened Containers", "bellsoft-hardened-containers"),
        _describe_rolling("Chainguard", "chainguard", grype=("chainguard",), is_common=True),
        _describe_rolling("CleanStart", "cleanstart", grype=()),
        _describe_rolling("MinimOS", "minimos", grype=("minimos",)),
        _describe_rolling("Wolfi", "wolfi", grype=("wolfi",), is_common=True),
    ),
    version_scheme="apk.APK",
    is_distribution=True,
    list_names=_list_names,
)
