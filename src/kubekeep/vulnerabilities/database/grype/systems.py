"""Ecosystems of OSV in the terms of Grype: types of packages, and operating systems with their releases. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

LANGUAGES: Final = {
    "Bitnami": ("bitnami",),
    "ConanCenter": ("conan",),
    "CRAN": ("R-package",),
    "GitHub Actions": ("github-action",),
    "Go": ("go-module",),
    "Hackage": ("hackage",),
    "Hex": ("hex", "erlang-otp"),
    "Maven": ("java-archive", "jenkins-plugin"),
    "npm": ("npm",),
    "NuGet": ("dotnet",),
    "opam": ("opam",),
    "Packagist": ("php-composer",),
    "Pub": ("dart-pub",),
    "PyPI": ("python",),
    "RubyGems": ("gem",),
    "SwiftURL": ("swift",),
    "crates.io": ("rust-crate",),
}
"""Types of packages by ecosystem."""


class OperatingSystemRow(msgspec.Struct, frozen=True, array_like=True):
    """A release in the table `operating_systems`; the order is that of the query."""

    id: int
    name: str
    major: str
    minor: str
    label: str
    codename: str
    channel: str = ""


class GrypeSystem(msgspec.Struct, frozen=True):
    """A distribution: the type of its packages, its names, and the function that names a release as OSV does.

    The function returns "" for a release that is not used.
    """

    package_type: str
    names: tuple[str, ...]
    get_release: Callable[[str, OperatingSystemRow], str]


def _get_major(ecosystem: str, row: OperatingSystemRow) -> str:
    return f"{ecosystem}:{row.major}" if row.major and not row.channel else ""


def _get_debian(ecosystem: str, row: OperatingSystemRow) -> str:
    return f"{ecosystem}:{row.major or row.label}" if row.major or row.label else ""


def _get_ubuntu(ecosystem: str, row: OperatingSystemRow) -> str:
    # Grype's builder removes leading zeros of numbers.
    number = f"{row.major}.{row.minor.zfill(2)}" if row.major and row.minor else ""
    if row.channel:
        return f"{ecosystem}:Pro:{number}:LTS" if number and row.channel == "esm" else ""
    return f"{ecosystem}:{number}" if number else ""


def _get_alpine(ecosystem: str, row: OperatingSystemRow) -> str:
    if row.label == "edge":
        return f"{ecosystem}:edge"
    return f"{ecosystem}:v{row.major}.{row.minor or '0'}" if row.major else ""


def _get_red_hat(ecosystem: str, row: OperatingSystemRow) -> str:
    """Return the main stream; rows of minor releases repeat it, and channels have other fixes."""
    return f"{ecosystem}:enterprise_linux:{row.major}" if row.major and not row.minor and not row.channel else ""


def _get_clone(ecosystem: str, row: OperatingSystemRow) -> str:
    return f"{ecosystem}:{row.major}" if row.major and not row.minor and not row.channel else ""


def _get_suse(ecosystem: str, row: OperatingSystemRow) -> str:
    if not row.major or row.channel:
        return ""
    if row.major.isdecimal() and int(row.major) >= 16:
        return f"{ecosystem}:Linux Enterprise Server {row.major}.{row.minor or '0'}"
    pack = f" SP{row.minor}" if row.minor not in ("", "0") else ""
    return f"{ecosystem}:Linux Enterprise Server {row.major}{pack}"


def _get_leap(ecosystem: str, row: OperatingSystemRow) -> str:
    return f"{ecosystem}:Leap {row.major}.{row.minor}" if row.major and row.minor else ""


def _get_minor(ecosystem: str, row: OperatingSystemRow) -> str:
    return f"{ecosystem}:{row.major}.{row.minor or '0'}" if row.major and not row.channel else ""


def _get_none(ecosystem: str, _: OperatingSystemRow) -> str:
    return ecosystem


SYSTEMS: Final = {
    "AlmaLinux": GrypeSystem("rpm", ("almalinux", "alma"), _get_clone),
    "Alpine": GrypeSystem("apk", ("alpine",), _get_alpine),
    "Amazon Linux": GrypeSystem("rpm", ("amzn", "amazon", "amazonlinux"), _get_major),
    "Azure Linux": GrypeSystem("rpm", ("azurelinux", "mariner"), _get_major),
    "CentOS": GrypeSystem("rpm", ("centos",), _get_clone),
    "Chainguard": GrypeSystem("apk", ("chainguard",), _get_none),
    "Debian": GrypeSystem("deb", ("debian",), _get_debian),
    "Echo": GrypeSystem("deb", ("echo",), _get_none),
    "Fedora": GrypeSystem("rpm", ("fedora",), _get_major),
    "Mageia": GrypeSystem("rpm", ("mageia",), _get_major),
    "MinimOS": GrypeSystem("apk", ("minimos",), _get_none),
    "Oracle Linux": GrypeSystem("rpm", ("ol", "oraclelinux", "oracle"), _get_clone),
    "Photon OS": GrypeSystem("rpm", ("photon",), _get_minor),
    "Red Hat": GrypeSystem("rpm", ("rhel", "redhat"), _get_red_hat),
    "Rocky Linux": GrypeSystem("rpm", ("rocky", "rockylinux"), _get_clone),
    "SUSE": GrypeSystem("rpm", ("sles", "suse"), _get_suse),
    "Ubuntu": GrypeSystem("deb", ("ubuntu",), _get_ubuntu),
    "Wolfi": GrypeSystem("apk", ("wolfi",), _get_none),
    "openSUSE": GrypeSystem("rpm", ("opensuse-leap", "opensuse"), _get_leap),
}
"""Distributions by ecosystem."""
