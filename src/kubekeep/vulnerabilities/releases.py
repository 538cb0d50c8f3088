"""Releases of distributions as advisories name them, from `os-release` or the package URL. No I/O.

A release of one distribution is never taken for one of another: derivatives rebuild packages with versions of their own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Final

import msgspec

from kubekeep.images.distributions import normalise_namespace, normalise_qualifier, package_namespace
from kubekeep.model.package import Distribution, Package


class DistributionRelease(msgspec.Struct, frozen=True):
    """The release of a distribution.

    ecosystem: without the release. label: the usual name, as "Debian:13". names: all names of the release in advisories.
    pattern: a regular expression for names by product, as those of SUSE; empty without one.
    """

    ecosystem: str
    label: str
    names: frozenset[str]
    pattern: str = ""

    def applies(self, ecosystem: str) -> bool:
        """Return True if advisories for `ecosystem` are about this release. A name without a release means all."""
        return ecosystem in self.names or ecosystem == self.ecosystem or self._matches(ecosystem)

    def _matches(self, ecosystem: str) -> bool:
        return bool(self.pattern) and _compile(self.pattern).match(ecosystem) is not None


DEBIAN_RELEASES: Final = {
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
UBUNTU_RELEASES: Final = {
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
_IDS: Final = {"redhat": "rhel", "suse": "sles"}
"""Ids of distributions whose package URLs have the name of the vendor."""


def resolve_release(package: Package, distribution: Distribution) -> DistributionRelease | str:
    """Return the release that a package belongs to, or the reason why it is unknown.

    The package URL counts more than the image: an SBOM may contain packages of several systems.
    """
    qualifiers = dict(package.qualifiers) if package.qualifiers else {}
    stated = qualifiers.get("distro") or qualifiers.get("distro_name", "")
    return _resolve(package.type, package.namespace, stated, distribution)


@functools.lru_cache(maxsize=1024)
def _resolve(kind: str, namespace: str, stated: str, distribution: Distribution) -> DistributionRelease | str:
    system = _choose_system(namespace, stated, distribution)
    if not system.id:
        return "the distribution of the package is unknown"
    types, build = SYSTEMS.get(system.id, (kind, None))
    if build is None:
        return f"no advisories are known for the distribution {system.id}"
    if types != kind:
        return f"{system.id} has no packages of the type {kind}"
    release = build(system)
    return release or f"the release of {system.id} is unknown"


def _choose_system(namespace: str, stated: str, distribution: Distribution) -> Distribution:
    distribution = msgspec.structs.replace(distribution, id=distribution.id.lower())
    namespace = normalise_namespace(namespace.lower())
    system = _read_qualifier(stated, namespace) if stated else None
    if system is None:
        if not namespace or namespace in (package_namespace(distribution), distribution.id):
            return distribution
        return Distribution(_IDS.get(namespace, namespace))
    if system.id == distribution.id and system.version_id in ("", distribution.version_id):
        # `os-release` has more details, as the code name of a release without a number.
        return distribution if system.version_codename in ("", distribution.version_codename) else system
    return system


def _read_qualifier(stated: str, namespace: str) -> Distribution:
    """Return the distribution of `debian-12`, `12`, `bookworm` or `opensuse-leap-15.6`."""
    stated = stated.lower()
    if stated in DEBIAN_RELEASES and namespace in ("debian", ""):
        return Distribution("debian", DEBIAN_RELEASES[stated], version_codename=stated)
    if stated in UBUNTU_RELEASES and namespace in ("ubuntu", ""):
        return Distribution("ubuntu", UBUNTU_RELEASES[stated], version_codename=stated)
    name, hyphen, release = stated.partition("-")
    if hyphen and (name in ("debian", "ubuntu")) and not release[:1].isdigit():
        table = DEBIAN_RELEASES if name == "debian" else UBUNTU_RELEASES
        # Rolling releases have a name only.
        number = "" if name == "debian" and release in ("forky", "sid") else table.get(release, "")
        return Distribution(name, number, version_codename=release)
    if stated.endswith("-edge") or stated == "edge":
        return Distribution(stated.removesuffix("-edge") if stated != "edge" else namespace, "edge")
    name, _, version = _split(normalise_qualifier(stated, namespace))
    if name == namespace and name in _IDS:
        name = _IDS[name]
    return Distribution(name, version)


def _split(qualifier: str) -> tuple[str, str, str]:
    name, hyphen, version = qualifier.rpartition("-")
    return (name, hyphen, version) if hyphen and version[:1].isdigit() else (qualifier, "", "")


def _build_debian(system: Distribution) -> DistributionRelease | None:
    version = system.version_id.partition(".")[0]
    codename = system.version_codename.lower()
    if version.isdigit():
        codenames = [name for name, number in DEBIAN_RELEASES.items() if number == version]
        return _build("Debian", version, *codenames)
    if codename in ("sid", "unstable") or version in ("sid", "unstable"):
        return _build("Debian", "sid", "unstable")
    if codename in DEBIAN_RELEASES:
        number = DEBIAN_RELEASES[codename]
        # Testing and unstable have the same `os-release`.
        return _build("Debian", number, codename, "testing", "sid", "unstable")
    return None


def _build_ubuntu(system: Distribution) -> DistributionRelease | None:
    """Return the release with Ubuntu Pro and its variants; the version of the package decides between them."""
    version = system.version_id or UBUNTU_RELEASES.get(system.version_codename.lower(), "")
    match = re.match(r"\d\d\.\d\d", version)
    if not match:
        return None
    number = match[0]
    year, month = number.split(".")
    label = f"{number}:LTS" if month == "04" and int(year) % 2 == 0 else number
    pattern = rf"Ubuntu:(?:Pro:(?:[\w-]+:)?)?{re.escape(number)}(?::|$)"
    release = _build("Ubuntu", label, number)
    return msgspec.structs.replace(release, pattern=pattern)


def _build_alpine(system: Distribution) -> DistributionRelease | None:
    version = system.version_id.removeprefix("v")
    if "_alpha" in version or version == "edge" or "edge" in system.name.lower().split():
        return _build("Alpine", "edge")
    match = re.match(r"\d+\.\d+", version)
    return _build("Alpine", f"v{match[0]}", match[0]) if match else None


def _build_major(ecosystem: str) -> Callable[[Distribution], DistributionRelease | None]:
    """Return a builder for distributions whose advisories name the major version."""

    def build(system: Distribution) -> DistributionRelease | None:
        match = re.match(r"\d+", system.version_id)
        return _build(ecosystem, match[0], f"{match[0]}.0") if match else None

    return build


def _build_without_release(ecosystem: str) -> Callable[[Distribution], DistributionRelease | None]:
    return lambda _: DistributionRelease(ecosystem, ecosystem, frozenset((ecosystem,)))


def _build_exact(ecosystem: str) -> Callable[[Distribution], DistributionRelease | None]:
    return lambda system: _build(ecosystem, system.version_id) if system.version_id else None


def _build_minor(ecosystem: str) -> Callable[[Distribution], DistributionRelease | None]:
    """Return a builder for distributions whose advisories name major and minor version."""

    def build(system: Distribution) -> DistributionRelease | None:
        match = re.match(r"(\d+)(?:\.(\d+))?", system.version_id)
        if not match:
            return None
        minor = match[2] or "0"
        return _build(ecosystem, f"{match[1]}.{minor}", *([match[1]] if minor == "0" else []))

    return build


def _build_red_hat(system: Distribution) -> DistributionRelease | None:
    """Return the main stream of a major version. Streams with extended support have other fixed versions."""
    match = re.match(r"\d+", system.version_id)
    if not match:
        return None
    pattern = rf"Red Hat:enterprise_linux:{match[0]}(?:\.\d+)?(?::|$)"
    return msgspec.structs.replace(
        _build("Red Hat", match[0]), label=f"Red Hat:enterprise_linux:{match[0]}", pattern=pattern
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
    return msgspec.structs.replace(_build("SUSE", label), pattern=pattern)


def _build_suse_micro(system: Distribution) -> DistributionRelease | None:
    match = re.match(r"\d+\.\d+", system.version_id)
    if not match:
        return None
    names = [f"Linux Enterprise Micro {match[0]}", f"Linux Micro {match[0]}"]
    label = names[0] if match[0].startswith("5.") else names[1]
    return _build("SUSE", label, *names, f"{label}-LTS")


def _build_leap(system: Distribution) -> DistributionRelease | None:
    return _build("openSUSE", f"Leap {system.version_id}") if system.version_id else None


def _build_leap_micro(system: Distribution) -> DistributionRelease | None:
    return _build("openSUSE", f"Leap Micro {system.version_id}") if system.version_id else None


def _build_tumbleweed(_: Distribution) -> DistributionRelease:
    return _build("openSUSE", "Tumbleweed")


def _build_opensuse(system: Distribution) -> DistributionRelease | None:
    """Return the release of a package URL that names only openSUSE: versions of Tumbleweed are dates."""
    if re.match(r"20\d{6}", system.version_id):
        return _build("openSUSE", "Tumbleweed")
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
        return _build("openEuler", f"{version[0]}-{support[1].upper()}")
    return _build("openEuler", version[0], f"{version[0]}-LTS")


def _build(ecosystem: str, label: str, *others: str) -> DistributionRelease:
    return DistributionRelease(
        ecosystem, f"{ecosystem}:{label}", frozenset(f"{ecosystem}:{name}" for name in (label, *others))
    )


@functools.lru_cache(maxsize=256)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


SYSTEMS: Final[dict[str, tuple[str, Callable[[Distribution], DistributionRelease | None]]]] = {
    "almalinux": ("rpm", _build_major("AlmaLinux")),
    "alpaquita": ("apk", _build_exact("Alpaquita")),
    "alpine": ("apk", _build_alpine),
    "amzn": ("rpm", _build_major("Amazon Linux")),
    "azurelinux": ("rpm", _build_major("Azure Linux")),
    "bellsoft-hardened-containers": ("apk", _build_exact("BellSoft Hardened Containers")),
    "centos": ("rpm", _build_major("CentOS")),
    "chainguard": ("apk", _build_without_release("Chainguard")),
    "cleanstart": ("apk", _build_without_release("CleanStart")),
    "debian": ("deb", _build_debian),
    "echo": ("deb", _build_without_release("Echo")),
    "fedora": ("rpm", _build_major("Fedora")),
    "mageia": ("rpm", _build_major("Mageia")),
    "mariner": ("rpm", _build_major("Azure Linux")),
    "minimos": ("apk", _build_without_release("MinimOS")),
    "ol": ("rpm", _build_major("Oracle Linux")),
    "openeuler": ("rpm", _build_openeuler),
    "opensuse": ("rpm", _build_opensuse),
    "opensuse-leap": ("rpm", _build_leap),
    "opensuse-leap-micro": ("rpm", _build_leap_micro),
    "opensuse-tumbleweed": ("rpm", _build_tumbleweed),
    "photon": ("rpm", _build_minor("Photon OS")),
    "rhel": ("rpm", _build_red_hat),
    "rocky": ("rpm", _build_major("Rocky Linux")),
    "sl-micro": ("rpm", _build_suse_micro),
    "sle-micro": ("rpm", _build_suse_micro),
    "sle_hpc": ("rpm", _build_suse),
    "sled": ("rpm", _build_suse),
    "sles": ("rpm", _build_suse),
    "sles_sap": ("rpm", _build_suse),
    "suse-microos": ("rpm", _build_suse_micro),
    "ubuntu": ("deb", _build_ubuntu),
    "wolfi": ("apk", _build_without_release("Wolfi")),
}
"""Type of packages and builder of the release by id of the distribution."""
