"""Packages of rpm: Red Hat and its derivatives, Fedora, SUSE, Amazon Linux, Azure Linux, Photon OS and others."""

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
    lower_namespace,
)
from kubekeep.ecosystems.shared.releases import (
    DistributionRelease,
    GrypeRelease,
    build_major,
    build_minor,
    build_release,
    name_major,
    name_minor,
)
from kubekeep.model.package import Distribution, Package


def _list_names(package: Package) -> tuple[QueryName, ...]:
    """Return the package, and the source package for distributions whose records name sources only."""
    epoch = next((value for key, value in package.qualifiers if key == "epoch"), "")
    version = f"{epoch}:{package.version}" if epoch and ":" not in package.version else package.version
    name = QueryName(package.name, version)
    source = package.source
    if source is None or source.name == package.name:
        return (name,)
    # File names of source packages have no epoch. Packages with the version of their source have its epoch, too.
    if source.version == package.version.partition(":")[2] or source.version == package.version:
        return name, QueryName(source.name, version, is_source=True)
    return name, QueryName(source.name, source.version, is_source=True, has_epoch=False)


def _build_red_hat(system: Distribution) -> DistributionRelease | None:
    """Return the main stream of a major version. Streams with extended support have other fixed versions."""
    match = re.match(r"\d+", system.version_id)
    if not match:
        return None
    pattern = rf"Red Hat:enterprise_linux:{match[0]}(?:\.\d+)?(?::|$)"
    return msgspec.structs.replace(
        build_release("Red Hat", match[0]), label=f"Red Hat:enterprise_linux:{match[0]}", pattern=pattern
    )


def _build_suse(system: Distribution) -> DistributionRelease | None:
    """Return all products of a service pack: base packages are listed under the modules that ship them."""
    match = re.match(r"(\d+)(?:[.-](?:sp)?(\d+))?$", system.version_id.lower())
    if not match:
        return None
    major, minor = match[1], match[2] or "0"
    release = major if minor == "0" else f"{major} SP{minor}"
    if int(major) >= 16:
        release = f"{major}.{minor}"
    pattern = rf"SUSE:(?:SUSE )?Linux Enterprise (?!Micro|Live Patching).*(?<![\d.]){re.escape(release)}(?:-[A-Z]|$)"
    label = f"Linux Enterprise Server {release}"
    return msgspec.structs.replace(build_release("SUSE", label), pattern=pattern)


def _build_suse_micro(system: Distribution) -> DistributionRelease | None:
    match = re.match(r"\d+\.\d+", system.version_id)
    if not match:
        return None
    names = [f"Linux Enterprise Micro {match[0]}", f"Linux Micro {match[0]}"]
    label = names[0] if match[0].startswith("5.") else names[1]
    return build_release("SUSE", label, *names, f"{label}-LTS")


def _build_leap(system: Distribution) -> DistributionRelease | None:
    return build_release("openSUSE", f"Leap {system.version_id}") if system.version_id else None


def _build_leap_micro(system: Distribution) -> DistributionRelease | None:
    return build_release("openSUSE", f"Leap Micro {system.version_id}") if system.version_id else None


def _build_tumbleweed(_: Distribution) -> DistributionRelease:
    return build_release("openSUSE", "Tumbleweed")


def _build_opensuse(system: Distribution) -> DistributionRelease | None:
    """Return the release of a package URL that names only openSUSE: versions of Tumbleweed are dates."""
    if re.match(r"20\d{6}", system.version_id):
        return build_release("openSUSE", "Tumbleweed")
    return _build_leap(system)


def _build_openeuler(system: Distribution) -> DistributionRelease | None:
    """Return the release; only the long name has the service pack, as `openEuler 24.03 (LTS-SP1)`."""
    version = re.match(r"\d\d\.\d\d", system.version_id)
    if not version:
        return None
    support = re.search(r"\((LTS(?:-SP\d+)?)\)", system.name) or re.search(
        r"-(lts(?:-sp\d+)?)$", system.version_id.lower()
    )
    if support:
        return build_release("openEuler", f"{version[0]}-{support[1].upper()}")
    return build_release("openEuler", version[0], f"{version[0]}-LTS")


def _name_red_hat(ecosystem: str, release: GrypeRelease) -> str:
    """Return the main stream; rows of minor releases repeat it, and channels have other fixes."""
    is_main = release.major and not release.minor and not release.channel
    return f"{ecosystem}:enterprise_linux:{release.major}" if is_main else ""


def _name_clone(ecosystem: str, release: GrypeRelease) -> str:
    return f"{ecosystem}:{release.major}" if release.major and not release.minor and not release.channel else ""


def _name_suse(ecosystem: str, release: GrypeRelease) -> str:
    if not release.major or release.channel:
        return ""
    if release.major.isdecimal() and int(release.major) >= 16:
        return f"{ecosystem}:Linux Enterprise Server {release.major}.{release.minor or '0'}"
    pack = f" SP{release.minor}" if release.minor not in ("", "0") else ""
    return f"{ecosystem}:Linux Enterprise Server {release.major}{pack}"


def _name_leap(ecosystem: str, release: GrypeRelease) -> str:
    return f"{ecosystem}:Leap {release.major}.{release.minor}" if release.major and release.minor else ""


_ALMALINUX: Final = Advisories(
    name="AlmaLinux",
    grype=("almalinux", "alma"),
    name_grype_release=_name_clone,
    distributions=(
        LinuxDistribution(
            id="almalinux", build_release=build_major("AlmaLinux"), other_ids=("alma",), release_line="almalinux"
        ),
    ),
)
_AMAZON: Final = Advisories(
    name="Amazon Linux",
    other_names=("Amazon",),
    grype=("amzn", "amazon", "amazonlinux"),
    name_grype_release=name_major,
    distributions=(
        LinuxDistribution(
            id="amzn", build_release=build_major("Amazon Linux"), other_ids=("amazon",), release_line="amazon linux"
        ),
    ),
    is_in_osv=False,
)
_AZURE: Final = Advisories(
    name="Azure Linux",
    other_names=("CBL-Mariner", "Mariner"),
    grype=("azurelinux", "mariner"),
    name_grype_release=name_major,
    distributions=(
        LinuxDistribution(
            id="azurelinux", build_release=build_major("Azure Linux"), other_ids=("azure", "azure-linux")
        ),
        LinuxDistribution(id="mariner", build_release=build_major("Azure Linux"), other_ids=("cbl-mariner",)),
    ),
)
_CENTOS: Final = Advisories(
    name="CentOS",
    grype=("centos",),
    name_grype_release=_name_clone,
    distributions=(LinuxDistribution(id="centos", build_release=build_major("CentOS"), release_line="centos"),),
    is_in_osv=False,
)
_FEDORA: Final = Advisories(
    name="Fedora",
    grype=("fedora",),
    name_grype_release=name_major,
    distributions=(LinuxDistribution(id="fedora", build_release=build_major("Fedora"), release_line="fedora"),),
    is_in_osv=False,
)
_MAGEIA: Final = Advisories(
    name="Mageia",
    grype=("mageia",),
    name_grype_release=name_major,
    distributions=(LinuxDistribution(id="mageia", build_release=build_major("Mageia")),),
)
_OPENEULER: Final = Advisories(
    name="openEuler",
    grype=(),
    distributions=(LinuxDistribution(id="openeuler", build_release=_build_openeuler),),
)
_OPENSUSE: Final = Advisories(
    name="openSUSE",
    grype=("opensuse-leap", "opensuse"),
    name_grype_release=_name_leap,
    distributions=(
        LinuxDistribution(id="opensuse", build_release=_build_opensuse, release_line="opensuse"),
        LinuxDistribution(
            id="opensuse-leap", build_release=_build_leap, namespace="opensuse", other_ids=("opensuse.leap",)
        ),
        LinuxDistribution(id="opensuse-leap-micro", build_release=_build_leap_micro),
        LinuxDistribution(
            id="opensuse-tumbleweed",
            build_release=_build_tumbleweed,
            namespace="opensuse",
            other_ids=("opensuse.tumbleweed",),
        ),
    ),
)
_ORACLE: Final = Advisories(
    name="Oracle Linux",
    other_names=("Oracle",),
    grype=("ol", "oraclelinux", "oracle"),
    name_grype_release=_name_clone,
    distributions=(
        LinuxDistribution(
            id="ol",
            build_release=build_major("Oracle Linux"),
            other_ids=("oracle", "oraclelinux"),
            release_line="oracle linux",
        ),
    ),
    is_in_osv=False,
)
_PHOTON: Final = Advisories(
    name="Photon OS",
    grype=("photon",),
    name_grype_release=name_minor,
    distributions=(LinuxDistribution(id="photon", build_release=build_minor("Photon OS")),),
)
_RED_HAT: Final = Advisories(
    name="Red Hat",
    grype=("rhel", "redhat"),
    name_grype_release=_name_red_hat,
    distributions=(
        LinuxDistribution(
            id="rhel",
            build_release=_build_red_hat,
            namespace="redhat",
            other_ids=("redhat", "red-hat"),
            release_line="red hat enterprise linux",
        ),
    ),
)
_ROCKY: Final = Advisories(
    name="Rocky Linux",
    grype=("rocky", "rockylinux"),
    name_grype_release=_name_clone,
    distributions=(
        LinuxDistribution(
            id="rocky",
            build_release=build_major("Rocky Linux"),
            other_ids=("rocky-linux", "rockylinux"),
            release_line="rocky linux",
        ),
    ),
)
_SUSE: Final = Advisories(
    name="SUSE",
    grype=("sles", "suse"),
    name_grype_release=_name_suse,
    distributions=(
        # The first one is meant by package URLs that name only the vendor.
        LinuxDistribution(
            id="sles",
            build_release=_build_suse,
            namespace="suse",
            other_ids=("suse linux enterprise server",),
            release_line="suse linux enterprise server",
        ),
        LinuxDistribution(id="sle_hpc", build_release=_build_suse, namespace="suse"),
        LinuxDistribution(id="sled", build_release=_build_suse, namespace="suse"),
        LinuxDistribution(id="sles_sap", build_release=_build_suse, namespace="suse"),
        LinuxDistribution(id="sl-micro", build_release=_build_suse_micro, namespace="suse"),
        LinuxDistribution(id="sle-micro", build_release=_build_suse_micro),
        LinuxDistribution(id="suse-microos", build_release=_build_suse_micro, namespace="suse"),
    ),
)

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="rpm", normalise=lower_namespace),),
    catalogs=("os_release", "rpm"),
    advisories=(
        _ALMALINUX,
        _AMAZON,
        _AZURE,
        _CENTOS,
        _FEDORA,
        _MAGEIA,
        _OPENEULER,
        _OPENSUSE,
        _ORACLE,
        _PHOTON,
        _RED_HAT,
        _ROCKY,
        _SUSE,
    ),
    version_scheme="rpm.RPM",
    is_distribution=True,
    list_names=_list_names,
)
