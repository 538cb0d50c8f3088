"""The scheme of each ecosystem, and the import of schemes on first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kubekeep.vulnerabilities.versions.registry import get_scheme

SCHEMES = {
    "apk": [
        "Alpine:v3.20",
        "Alpine:edge",
        "Alpine",
        "Alpaquita:stream",
        "BellSoft Hardened Containers:23",
        "Chainguard",
        "CleanStart",
        "MinimOS",
        "Wolfi",
        "Root:Alpine:3.18",
        "Docker Hardened Images:Alpine:3.23",
        "TuxCare:Alpine:v3.16",
    ],
    "dpkg": [
        "Debian",
        "Debian:12",
        "Debian:sid",
        "Ubuntu:22.04:LTS",
        "Ubuntu:Pro:22.04:LTS",
        "Ubuntu:24.10",
        "Echo",
        "Root:Debian:12",
        "Docker Hardened Images:Debian:trixie",
    ],
    "rpm": [
        "AlmaLinux:9",
        "Amazon Linux:2",
        "Azure Linux:3",
        "CentOS:7",
        "Fedora:40",
        "Mageia:9",
        "Mariner",
        "SUSE",
        "Oracle Linux:8",
        "Photon OS:3.0",
        "Red Hat:enterprise_linux:9::appstream",
        "Rocky Linux:9",
        "openEuler:24.03",
        "SUSE:Linux Enterprise Server 15 SP5",
        "openSUSE:Leap 15.5",
        "TuxCare:Red Hat",
    ],
    "PEP 440": ["PyPI", "Echo:PyPI", "Root:PyPI"],
    "SemVer": [
        "npm",
        "crates.io",
        "Hex",
        "SwiftURL",
        "GitHub Actions",
        "VSCode:https://open-vsx.org",
        "WordPress",
        "GHC",
    ],
    "Bitnami": ["Bitnami"],
    "Composer": ["Packagist", "Packagist:https://packages.drupal.org/8"],
    "Conan": ["ConanCenter"],
    "Go": ["Go", "Kubernetes"],
    "Julia": ["Julia"],
    "Maven": ["Maven", "Maven:https://maven.google.com"],
    "NuGet": ["NuGet"],
    "PVP": ["Hackage"],
    "Pub": ["Pub"],
    "R": ["CRAN", "Bioconductor"],
    "RubyGems": ["RubyGems"],
    "kernel": ["Linux", "Android"],
    "opam": ["opam"],
    "pacman": ["Arch", "Arch Linux"],
}


@pytest.mark.parametrize(("name", "ecosystems"), SCHEMES.items(), ids=SCHEMES)
def test_ecosystems_have_their_scheme(name: str, ecosystems: list[str]) -> None:
    for ecosystem in ecosystems:
        scheme = get_scheme(ecosystem)
        assert scheme is not None, ecosystem
        assert scheme.name == name, ecosystem


@pytest.mark.parametrize(
    "ecosystem", ["", ":", "GIT", "OSS-Fuzz", "FreeBSD:ports", "Root", "Root:", "TuxCare", "Cargo"]
)
def test_unknown_ecosystems_have_no_scheme(ecosystem: str) -> None:
    assert get_scheme(ecosystem) is None


def test_a_scheme_is_imported_on_first_use() -> None:
    code = (
        "import sys; from kubekeep.vulnerabilities.versions.registry import get_scheme; get_scheme('Debian:12');"
        "print(sorted(name.rsplit('.')[-1] for name in sys.modules if '.versions.' in name), 'packaging' in sys.modules)"
    )
    completed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert completed.stdout == "['dpkg', 'registry', 'scheme'] False\n"
