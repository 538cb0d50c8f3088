"""Version scheme of each ecosystem of the OSV schema, and of the distributions that only Grype's database has. No I/O."""

from __future__ import annotations

import functools
import importlib

from kubekeep.vulnerabilities.versions.scheme import VersionScheme

_ECOSYSTEMS = {
    "apk.APK": (
        "Alpaquita",
        "Alpine",
        "BellSoft Hardened Containers",
        "Chainguard",
        "CleanStart",
        "MinimOS",
        "Wolfi",
    ),
    "arch.PACMAN": ("Arch", "Arch Linux"),
    "composer.COMPOSER": ("Packagist",),
    "conan.CONAN": ("ConanCenter",),
    "dpkg.DPKG": ("Debian", "Echo", "Ubuntu"),
    "dpkg.OPAM": ("opam",),
    "go.GO": ("Go", "Kubernetes"),
    "maven.MAVEN": ("Maven",),
    "nuget.NUGET": ("NuGet",),
    "numeric.CRAN": ("Bioconductor", "CRAN"),
    "numeric.HACKAGE": ("Hackage",),
    "pep440.PEP440": ("PyPI",),
    "rpm.RPM": (
        "AlmaLinux",
        "Amazon",
        "Amazon Linux",
        "Azure Linux",
        "CBL-Mariner",
        "CentOS",
        "Fedora",
        "Mageia",
        "Mariner",
        "Oracle",
        "Oracle Linux",
        "Photon OS",
        "Red Hat",
        "Rocky Linux",
        "SUSE",
        "openEuler",
        "openSUSE",
    ),
    "rubygems.KERNEL": ("Android", "Linux"),
    "rubygems.RUBYGEMS": ("RubyGems",),
    "semver.BITNAMI": ("Bitnami",),
    "semver.JULIA": ("Julia",),
    "semver.PUB": ("Pub",),
    "semver.SEMVER": ("GHC", "GitHub Actions", "Hex", "SwiftURL", "VSCode", "WordPress", "crates.io", "npm"),
}
_SCHEMES = {ecosystem.lower(): scheme for scheme, ecosystems in _ECOSYSTEMS.items() for ecosystem in ecosystems}

_VENDORS = ("docker hardened images", "echo", "root", "tuxcare")


def get_scheme(ecosystem: str) -> VersionScheme | None:
    """Return the scheme of an ecosystem with or without its release, as "Debian:12"; None if it is unknown.

    The packages of some vendors have the versions of the ecosystem behind the vendor, as "Root:Alpine:3.18".
    """
    name, _, release = ecosystem.partition(":")
    scheme = _SCHEMES.get(name.strip().lower())
    if name.strip().lower() in _VENDORS:
        scheme = _SCHEMES.get(release.partition(":")[0].strip().lower(), scheme)
    return _load(scheme) if scheme else None


@functools.cache
def _load(scheme: str) -> VersionScheme:
    """Import the module of a scheme on first use: most scans need one to three of them."""
    module, _, name = scheme.partition(".")
    loaded: VersionScheme = getattr(importlib.import_module(f"kubekeep.vulnerabilities.versions.{module}"), name)
    return loaded
