"""Packages of dpkg: Debian, Ubuntu and Echo."""

from __future__ import annotations

import re
from typing import Final

import msgspec

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
    build_release,
    build_without_release,
    name_without_release,
)
from kubekeep.model.package import Distribution, Package

_DEBIAN_RELEASES: Final = {
    "squeeze": "6",
    "wheezy": "7",
    "jessie": "8",
    "stretch": "9",
    "buster": "10",
    "bullseye": "11",
    "bookworm": "12",
    "trixie": "13",
    "forky": "14",
    "duke": "15",
}
"""Versions of Debian by code name (debian.org/releases)."""
_UBUNTU_RELEASES: Final = {
    "trusty": "14.04",
    "xenial": "16.04",
    "bionic": "18.04",
    "focal": "20.04",
    "groovy": "20.10",
    "hirsute": "21.04",
    "impish": "21.10",
    "jammy": "22.04",
    "kinetic": "22.10",
    "lunar": "23.04",
    "mantic": "23.10",
    "noble": "24.04",
    "oracular": "24.10",
    "plucky": "25.04",
    "questing": "25.10",
    "resolute": "26.04",
}
"""Versions of Ubuntu by code name (wiki.ubuntu.com/Releases)."""
_SIGNED_KERNEL: Final = r"linux-signed(?:-(?:amd64|arm64|i386))?(-(?!amd64|arm64|i386).+)?"


def _list_names(package: Package) -> tuple[QueryName, ...]:
    """Return the source package, which advisories of Debian and Ubuntu name, and the binary package."""
    if package.source is None:
        # Without the field `Source`, dpkg's source package has the name of the binary package.
        return (QueryName(package.name, package.version, is_source=True),)
    version = package.source.version or package.version
    if version == package.version:
        # A rebuild of the binary package (`+b1`) has no source version of its own.
        version = re.sub(r"\+b\d+$", "", version)
    source = QueryName(*_unsign(package.source.name, version), is_source=True)
    if source.name == package.name:
        return (source,)
    return source, QueryName(package.name, package.version)


def _unsign(name: str, version: str) -> tuple[str, str]:
    """Return the source package of a signed kernel, which advisories name: `linux-signed-amd64 6.1.76+1` is `linux 6.1.76-1`."""
    match = re.fullmatch(_SIGNED_KERNEL, name)
    if not match:
        return name, version
    return f"linux{match[1] or ''}", version if "-" in version else version.replace("+", "-", 1)


def _build_debian(system: Distribution) -> DistributionRelease | None:
    version = system.version_id.partition(".")[0]
    codename = system.version_codename.lower()
    if version.isdigit():
        codenames = [name for name, number in _DEBIAN_RELEASES.items() if number == version]
        return build_release("Debian", version, *codenames)
    if codename in ("sid", "unstable") or version in ("sid", "unstable"):
        return build_release("Debian", "sid", "unstable")
    if codename in _DEBIAN_RELEASES:
        number = _DEBIAN_RELEASES[codename]
        # Testing and unstable have the same `os-release`.
        return build_release("Debian", number, codename, "testing", "sid", "unstable")
    return None


def _build_ubuntu(system: Distribution) -> DistributionRelease | None:
    """Return the release with Ubuntu Pro and its variants; the version of the package decides between them."""
    version = system.version_id or _UBUNTU_RELEASES.get(system.version_codename.lower(), "")
    match = re.match(r"\d\d\.\d\d", version)
    if not match:
        return None
    number = match[0]
    year, month = number.split(".")
    label = f"{number}:LTS" if month == "04" and int(year) % 2 == 0 else number
    pattern = rf"Ubuntu:(?:Pro:(?:[\w-]+:)?)?{re.escape(number)}(?::|$)"
    release = build_release("Ubuntu", label, number)
    return msgspec.structs.replace(release, pattern=pattern)


def _name_debian(ecosystem: str, release: GrypeRelease) -> str:
    return f"{ecosystem}:{release.major or release.label}" if release.major or release.label else ""


def _name_ubuntu(ecosystem: str, release: GrypeRelease) -> str:
    # Grype's builder removes leading zeros of numbers.
    number = f"{release.major}.{release.minor.zfill(2)}" if release.major and release.minor else ""
    if release.channel:
        return f"{ecosystem}:Pro:{number}:LTS" if number and release.channel == "esm" else ""
    return f"{ecosystem}:{number}" if number else ""


ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="deb", normalise=lower_names),),
    catalogs=("dpkg", "dpkg_files", "debian_changelog", "debian_copyright", "os_release"),
    advisories=(
        Advisories(
            name="Debian",
            grype=("debian",),
            name_grype_release=_name_debian,
            distributions=(
                LinuxDistribution(
                    id="debian",
                    build_release=_build_debian,
                    codenames=_DEBIAN_RELEASES,
                    rolling_codenames=("forky", "sid"),
                ),
            ),
            is_common=True,
        ),
        Advisories(
            name="Ubuntu",
            grype=("ubuntu",),
            name_grype_release=_name_ubuntu,
            distributions=(LinuxDistribution(id="ubuntu", build_release=_build_ubuntu, codenames=_UBUNTU_RELEASES),),
            is_common=True,
        ),
        Advisories(
            name="Echo",
            grype=("echo",),
            name_grype_release=name_without_release,
            distributions=(LinuxDistribution(id="echo", build_release=build_without_release("Echo")),),
        ),
    ),
    version_scheme="dpkg.DPKG",
    is_distribution=True,
    list_names=_list_names,
)
