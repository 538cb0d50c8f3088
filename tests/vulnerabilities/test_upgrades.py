"""Upgrade advice: packages that are upgraded together, the version, the order, and the comparison of base images."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubekeep.images.base_image import BaseReference, read_base_reference
from kubekeep.images.package_url import parse_package_url
from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.model.package import Package, PackageLocation, SourcePackage
from kubekeep.model.severity import Severity
from kubekeep.model.vulnerability import (
    MatchedRecord,
    NotAssessed,
    VexStatement,
    Vulnerability,
    VulnerabilityRating,
    VulnerabilityReport,
)
from kubekeep.vulnerabilities.upgrades import (
    Weight,
    advise,
    advise_base,
    find_base_layers,
    weigh,
)

LAYERS = ("sha256:base1", "sha256:base2", "sha256:own")
EXPLOITED = ExploitSignal(known_exploited="2026-01-01")


def package(url: str, *layers: str, source: str = "") -> Package:
    name, _, version = source.partition("@")
    return msgspec.structs.replace(
        parse_package_url(url),
        source=SourcePackage(name, version) if source else None,
        locations=tuple(PackageLocation("x", layer) for layer in layers or LAYERS[:1]),
    )


def vulnerability(
    name: str, target: Package, fixed: str = "", level: Severity = Severity.HIGH, **fields: Any
) -> Vulnerability:
    ecosystem = {"deb": "Debian:13", "npm": "npm", "pypi": "PyPI", "maven": "Maven"}[target.type]
    return Vulnerability(
        id=name,
        package=target,
        rating=VulnerabilityRating(level),
        fixed_version=fixed,
        records=(MatchedRecord(name, ecosystem, target.name, target.version),),
        **fields,
    )


SSL = package("pkg:deb/debian/libssl3@3.5.1-1", source="openssl@3.5.1-1")
TOOL = package("pkg:deb/debian/openssl@3.5.1-1", source="openssl@3.5.1-1")
LODASH = package("pkg:npm/lodash@4.17.20", LAYERS[2])
LOG4J = package("pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", LAYERS[2])
DJANGO = package("pkg:pypi/django@3.2.9", LAYERS[2])
REPORT = VulnerabilityReport(
    (
        vulnerability("CVE-1", SSL, "3.5.4-1~deb13u1", Severity.CRITICAL),
        vulnerability("CVE-1", TOOL, "3.5.4-1~deb13u1", Severity.CRITICAL),
        vulnerability("CVE-2", SSL, "3.5.1-1+deb13u1"),
        vulnerability("CVE-3", SSL, "", Severity.LOW),
        vulnerability("CVE-4", LODASH, "4.17.21"),
        vulnerability("CVE-5", LOG4J, "2.15.0", Severity.CRITICAL, signal=EXPLOITED),
        vulnerability("CVE-6", LOG4J, "2.17.1", Severity.MEDIUM),
        vulnerability("CVE-7", DJANGO, "3.2.10"),
        vulnerability("CVE-8", DJANGO, "3.2.9.post1", vex=VexStatement("not_affected", "component_not_present")),
        vulnerability("CVE-9", package("pkg:npm/unfixed@1.0.0"), "", Severity.CRITICAL),
    )
)


def test_order_and_versions() -> None:
    rows = [
        (each.name, each.version, each.fixed_version, each.weight.count, each.severity.label) for each in advise(REPORT)
    ]
    assert rows == [
        ("org.apache.logging.log4j:log4j-core", "2.14.1", "2.17.1", 2, "Critical"),
        ("openssl", "3.5.1-1", "3.5.4-1~deb13u1", 2, "Critical"),
        ("django", "3.2.9", "3.2.10", 1, "High"),
        ("lodash", "4.17.20", "4.17.21", 1, "High"),
    ]


def test_packages_of_one_source() -> None:
    openssl = advise(REPORT)[1]
    assert openssl.packages == (SSL, TOOL)
    assert [each.id for each in openssl.removed] == ["CVE-1", "CVE-1", "CVE-2"]
    assert [each.id for each in openssl.remaining] == ["CVE-3"]
    assert openssl.weight == Weight(0, 1, 1, 0, 0)


@pytest.mark.parametrize(
    ("url", "versions", "highest"),
    [
        ("pkg:npm/a@1.0.0", ("1.9.0", "1.10.0"), "1.10.0"),
        ("pkg:npm/a@1.0.0", ("2.0.0-rc.1", "2.0.0", "1.9.9"), "2.0.0"),
        ("pkg:deb/debian/a@1.0-1", ("1.0-1+deb13u2", "1.0-1+deb13u10"), "1.0-1+deb13u10"),
        ("pkg:deb/debian/a@1.0-1", ("1.0-2~bpo1", "1.0-2"), "1.0-2"),
        ("pkg:deb/debian/a@1:1.0-1", ("1:1.1-1", "2:0.9-1"), "2:0.9-1"),
        ("pkg:pypi/a@1.0", ("1.0.post1", "1.1rc1", "1.1"), "1.1"),
        ("pkg:maven/g/a@1.0", ("1.0.1-SNAPSHOT", "1.0.1"), "1.0.1"),
    ],
)
def test_version_that_fixes_all(url: str, versions: tuple[str, ...], highest: str) -> None:
    target = package(url)
    for order in (versions, versions[::-1]):
        report = VulnerabilityReport(tuple(vulnerability(f"CVE-{v}", target, v) for v in order))
        (upgrade,) = advise(report)
        assert (upgrade.fixed_version, upgrade.unordered) == (highest, ())


def test_versions_without_order() -> None:
    target = package("pkg:npm/a@1.0.0")
    report = VulnerabilityReport(
        (vulnerability("CVE-1", target, "1.1.0"), vulnerability("CVE-2", target, "not a version"))
    )
    (upgrade,) = advise(report)
    assert (upgrade.fixed_version, upgrade.unordered) == ("1.1.0", ("not a version",))


def test_two_versions_of_a_package_are_two_upgrades() -> None:
    old, new = package("pkg:npm/minimist@0.0.8"), package("pkg:npm/minimist@1.2.5")
    report = VulnerabilityReport((vulnerability("CVE-1", old, "0.2.4"), vulnerability("CVE-1", new, "1.2.6")))
    assert [(each.version, each.fixed_version) for each in advise(report)] == [("0.0.8", "0.2.4"), ("1.2.5", "1.2.6")]


def test_upgrade_of_a_source_has_its_versions() -> None:
    utils = package("pkg:deb/debian/util-linux@2.41-5", source="util-linux@2.41-5")
    bsdutils = package("pkg:deb/debian/bsdutils@1:2.41-5", source="util-linux@2.41-5")
    compiler = package("pkg:deb/debian/cpp@4:14.2.0-1", source="gcc-defaults@1.220")
    report = VulnerabilityReport(
        (
            vulnerability("CVE-1", bsdutils, "1:2.41-6", source_fix="2.41-6"),
            vulnerability("CVE-1", utils, "2.41-6"),
            vulnerability("CVE-2", compiler, "1.221", source_fix="1.221", fixed_source="gcc-defaults"),
        )
    )
    assert {(each.name, each.version, each.fixed_version, each.packages) for each in advise(report)} == {
        ("util-linux", "2.41-5", "2.41-6", (bsdutils, utils)),
        ("gcc-defaults", "1.220", "1.221", (compiler,)),
    }


def test_package_with_a_version_of_its_own_is_an_upgrade_of_its_own() -> None:
    runtime = package("pkg:deb/ubuntu/aspnetcore-runtime-8.0@8.0.1-0ubuntu1", source="dotnet8@8.0.101-8.0.1-0ubuntu1")
    sdk = package("pkg:deb/ubuntu/dotnet-sdk-8.0@8.0.101-0ubuntu1", source="dotnet8@8.0.101-8.0.1-0ubuntu1")
    report = VulnerabilityReport(
        (
            vulnerability("CVE-1", runtime, "8.0.4-0ubuntu1"),
            vulnerability("CVE-1", sdk, "8.0.104-0ubuntu1"),
            vulnerability("CVE-2", sdk),
        )
    )
    assert {(each.name, each.version, each.fixed_version, len(each.remaining)) for each in advise(report)} == {
        ("aspnetcore-runtime-8.0", "8.0.1-0ubuntu1", "8.0.4-0ubuntu1", 0),
        ("dotnet-sdk-8.0", "8.0.101-0ubuntu1", "8.0.104-0ubuntu1", 1),
    }


def test_versions_of_package_and_source_are_two_upgrades() -> None:
    compiler = package("pkg:deb/debian/cpp@4:14.2.0-1", source="gcc-defaults@1.220")
    report = VulnerabilityReport(
        (
            vulnerability("CVE-1", compiler, "4:14.2.0-2"),
            vulnerability("CVE-2", compiler, "1.221", source_fix="1.221", fixed_source="gcc-defaults"),
        )
    )
    assert {(each.name, each.version, each.fixed_version) for each in advise(report)} == {
        ("cpp", "4:14.2.0-1", "4:14.2.0-2"),
        ("gcc-defaults", "1.220", "1.221"),
    }


def test_nothing_to_upgrade() -> None:
    assert advise(VulnerabilityReport()) == ()
    assert advise(VulnerabilityReport((vulnerability("CVE-1", SSL),))) == ()


def test_weights() -> None:
    assert weigh(REPORT.vulnerabilities) == Weight(1, 3, 4, 1, 1)
    assert Weight(1) > Weight(0, 5) > Weight(0, 4, 100)


def test_base_reference() -> None:
    named = {"org.opencontainers.image.base.name": "debian:13", "org.opencontainers.image.base.digest": "sha256:1"}
    assert read_base_reference(named) == BaseReference("debian:13", "sha256:1")
    assert read_base_reference({}, {"org.opencontainers.image.base.name": "debian:13"}) == BaseReference("debian:13")
    assert read_base_reference({}, None) is None
    assert read_base_reference({"org.opencontainers.image.base.digest": "sha256:1"}) is None


def test_base_layers() -> None:
    assert find_base_layers(LAYERS, LAYERS[:2]) == LAYERS[:2]
    assert find_base_layers(LAYERS, ("sha256:base1", "sha256:newer")) == ()
    assert find_base_layers(LAYERS[:1], LAYERS[:2]) == ()
    assert find_base_layers(LAYERS, ()) == ()


def test_base_images() -> None:
    both = package("pkg:npm/both@1.0.0", LAYERS[0], LAYERS[2])
    unknown = msgspec.structs.replace(package("pkg:npm/unknown@1.0.0"), locations=())
    report = VulnerabilityReport(
        (*REPORT.vulnerabilities, vulnerability("CVE-10", both), vulnerability("CVE-11", unknown))
    )
    newer = package("pkg:deb/debian/libssl3@3.5.4-1", source="openssl@3.5.4-1")
    candidates = {
        "debian:13.2": VulnerabilityReport((vulnerability("DSA-3", newer, aliases=("CVE-3",)),)),
        "debian:14": VulnerabilityReport(
            (
                vulnerability("CVE-1", newer, "", Severity.CRITICAL),
                vulnerability("CVE-20", newer, "", Severity.CRITICAL, signal=EXPLOITED),
            )
        ),
        "scratch": VulnerabilityReport((), (NotAssessed("", "no advisories", (newer,)),)),
    }
    advice = advise_base(report, LAYERS[:2], candidates)
    assert {each.id for each in advice.base} == {"CVE-1", "CVE-2", "CVE-3", "CVE-9"}
    assert {each.id for each in advice.own} == {"CVE-4", "CVE-5", "CVE-6", "CVE-7", "CVE-10", "CVE-11"}
    assert [(each.name, each.improves, each.not_assessed) for each in advice.candidates] == [
        ("debian:13.2", True, 0),
        ("debian:14", False, 0),
        ("scratch", False, 1),
    ]
    best, other, _ = advice.candidates
    assert {each.id for each in best.removed} == {"CVE-1", "CVE-2", "CVE-9"}
    assert [each.id for each in best.remaining] == ["CVE-3"]
    assert best.added == ()
    assert [each.id for each in other.added] == ["CVE-20"]
