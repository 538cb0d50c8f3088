"""Hard cases of packages of distributions: release, source and binary package, epochs, modules, services."""

from __future__ import annotations

import pytest

from kubekeep.model.package import Distribution
from kubekeep.vulnerabilities.advisory import Advisory
from tests.vulnerabilities.matching.distribution_cases import ALPINE, D12, DEBIAN, MODULES, R9, RPM, U22, UBUNTU
from tests.vulnerabilities.matching.records import build_record, scan, summarise


def _check(package: str, record: Advisory, expected: str) -> None:
    result = summarise(scan(package, record))
    if expected == "? no data":
        assert result.startswith("? the database has no advisories for"), result
    else:
        assert result == expected


@pytest.mark.parametrize(("package", "record", "expected"), [*DEBIAN, *UBUNTU, *ALPINE, *RPM])
def test_package_of_distribution(package: str, record: str, expected: str) -> None:
    _check(package, build_record(record), expected)


@pytest.mark.parametrize(("package", "title", "versions", "expected"), MODULES)
def test_module(package: str, title: str, versions: str, expected: str) -> None:
    record = build_record(f"ALSA-1: AlmaLinux:8 nodejs {versions}", summary=f"Important: {title} security update")
    _check(package, record, expected)


@pytest.mark.parametrize(("stream", "expected"), [("nodejs:16", "RHSA-1 1:99"), ("nodejs:18", "none"), ("", "none")])
def test_stated_module(stream: str, expected: str) -> None:
    record = build_record("RHSA-1: Red~Hat:9 nodejs <1:99")
    entry = {"package": {"ecosystem": "Red Hat:9", "name": "nodejs"}, "ecosystem_specific": {"rpm_modularity": stream}}
    events = [{"introduced": "0"}, {"fixed": "1:99"}]
    record = build_record(
        "RHSA-1: Red~Hat:9 nodejs <1", affected=[{**entry, "ranges": [{"type": "ECOSYSTEM", "events": events}]}]
    )
    package = f"pkg:rpm/redhat/nodejs@16.20.2-3.module+el9?{R9}&epoch=1&rpmmod=nodejs:16:9:1"
    assert summarise(scan(package, record)) == expected


@pytest.mark.parametrize(
    ("package", "purl", "expected"),
    [
        (f"pkg:deb/debian/foo@1?{D12}&arch=amd64", "pkg:deb/debian/foo?arch=source", "CVE-2024-1000 2"),
        (f"pkg:deb/debian/foo@1?{D12}&arch=amd64 from bar@1", "pkg:deb/debian/foo?arch=source", "none"),
        (f"pkg:deb/debian/foo@1?{D12}&arch=amd64", "pkg:deb/debian/foo?arch=arm64", "none"),
        (f"pkg:deb/debian/foo@1?{D12}&arch=arm64", "pkg:deb/debian/foo?arch=arm64", "CVE-2024-1000 2"),
        (f"pkg:deb/debian/foo@1?{D12}&arch=all", "pkg:deb/debian/foo?arch=arm64", "CVE-2024-1000 2"),
        (f"pkg:deb/debian/foo@1?{D12}&arch=amd64", "not a package URL", "CVE-2024-1000 2"),
        (f"pkg:deb/debian/foo@1?{D12}&arch=amd64", "pkg:rpm/redhat/foo", "none"),
    ],
)
def test_package_url_of_record(package: str, purl: str, expected: str) -> None:
    entry = {"ecosystem": "Debian:12", "name": "foo", "purl": purl}
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2"}]}]
    _check(
        package,
        build_record("CVE-2024-1000: Debian:12 foo <2", affected=[{"package": entry, "ranges": ranges}]),
        expected,
    )


@pytest.mark.parametrize(
    ("distribution", "ecosystem"),
    [
        (Distribution("debian", "13", version_codename="trixie"), "Debian:13"),
        (Distribution("debian", version_codename="forky"), "Debian:14"),
        (Distribution("debian", version_codename="forky"), "Debian:sid"),
        (Distribution("ubuntu", "24.04"), "Ubuntu:24.04:LTS"),
        (Distribution("ubuntu", "24.10"), "Ubuntu:24.10"),
    ],
)
def test_distribution_of_image(distribution: Distribution, ecosystem: str) -> None:
    package = f"pkg:deb/{distribution.id}/foo@1"
    record = build_record(f"CVE-2024-1000: {ecosystem} foo <2")
    assert summarise(scan(package, record, distribution)) == "CVE-2024-1000 2"


@pytest.mark.parametrize(
    ("name", "ecosystem"),
    [
        ("openEuler 24.03 (LTS-SP1)", "openEuler:24.03-LTS-SP1"),
        ("openEuler 24.03 (LTS)", "openEuler:24.03-LTS"),
    ],
)
def test_service_pack_in_long_name(name: str, ecosystem: str) -> None:
    distribution = Distribution("openeuler", "24.03", name=name)
    record = build_record(f"OESA-1: {ecosystem} foo <2")
    other = build_record("OESA-2: openEuler:24.03-LTS-SP3 foo all")
    assert summarise(scan("pkg:rpm/openeuler/foo@1", [record, other], distribution)) == "OESA-1 2"


def test_package_url_counts_more_than_image() -> None:
    record = build_record("CVE-2024-1000: Debian:12 foo <2 & Debian:13 foo <1")
    image = Distribution("debian", "13")
    assert summarise(scan(f"pkg:deb/debian/foo@1?{D12}", record, image)) == "CVE-2024-1000 2"
    assert summarise(scan("pkg:deb/debian/foo@1", record, image)) == "none"


def test_pro_is_noted() -> None:
    record = build_record("UBUNTU-CVE-2024-1000: Ubuntu:Pro:22.04:LTS foo <2+esm1")
    report = scan(f"pkg:deb/ubuntu/foo@1?{U22}", record)
    assert report.vulnerabilities[0].notes == ("the fix needs a subscription to Ubuntu Pro",)


@pytest.mark.parametrize(
    ("stated", "architecture", "expected"),
    [
        ("x86_64", "x86_64", "ELSA-1 2"),
        ("x86_64", "aarch64", "none"),
        (["x86_64", "aarch64"], "aarch64", "ELSA-1 2"),
        ("x86_64", "noarch", "ELSA-1 2"),
        (None, "aarch64", "ELSA-1 2"),
        (5, "aarch64", "ELSA-1 2"),
    ],
)
def test_architecture_of_record(stated: object, architecture: str, expected: str) -> None:
    entry = {
        "package": {"ecosystem": "Oracle Linux:9", "name": "foo"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2"}]}],
        "ecosystem_specific": {"architecture": stated},
    }
    record = build_record("ELSA-1: Oracle~Linux:9 foo <2", affected=[entry])
    assert summarise(scan(f"pkg:rpm/ol/foo@1?distro=ol-9.4&arch={architecture}", record)) == expected
