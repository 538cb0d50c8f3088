"""A package that was not compared is never reported as free of vulnerabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from kubekeep.ecosystems.shared.registry import index_advisories, index_distributions
from kubekeep.model.package import Distribution
from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.versions.registry import get_scheme
from tests.vulnerabilities.matching.records import build_record, scan

RECORDS = [
    build_record("GHSA-1: npm a <2"),
    build_record("GHSA-2: PyPI a <2"),
    build_record("GHSA-3: Packagist a/b <2"),
    build_record("DEBIAN-CVE-2024-1000: Debian:12 a <2"),
]


@pytest.mark.parametrize(
    ("package", "distribution", "reason", "is_incomplete"),
    [
        # Data that another database has.
        (
            "pkg:gem/a@1",
            Distribution(""),
            "the database has no advisories for RubyGems: run `kubekeep db update RubyGems`",
            True,
        ),
        (
            "pkg:deb/debian/a@1?distro=debian-13",
            Distribution(""),
            "the database has no advisories for Debian:13: run `kubekeep db update Debian`",
            True,
        ),
        (
            "pkg:deb/ubuntu/a@1?distro=ubuntu-24.04",
            Distribution(""),
            "the database has no advisories for Ubuntu:24.04:LTS: run `kubekeep db update Ubuntu`",
            True,
        ),
        (
            "pkg:rpm/rocky/a@1?distro=rocky-9.4",
            Distribution(""),
            "the database has no advisories for Rocky Linux:9: run `kubekeep db update 'Rocky Linux'`",
            True,
        ),
        (
            "pkg:rpm/amzn/a@1?distro=amzn-2023",
            Distribution(""),
            "the database has no advisories for Amazon Linux:2023: OSV has none; a database of Grype has them",
            True,
        ),
        # An unknown distribution.
        ("pkg:deb/debian/a@1", Distribution(""), "the release of debian is unknown", True),
        ("pkg:deb/a@1", Distribution(""), "the distribution of the package is unknown", True),
        (
            "pkg:deb/raspbian/a@1?distro=raspbian-12",
            Distribution(""),
            "no advisories are known for the distribution raspbian",
            True,
        ),
        ("pkg:alpm/arch/a@1", Distribution("arch"), "no advisories are known for the distribution arch", True),
        ("pkg:deb/debian/a@1", Distribution("ubuntu", "24.04"), "the release of debian is unknown", True),
        ("pkg:apk/alpine/a@1?distro=debian-12", Distribution(""), "debian has no packages of the type apk", True),
        # Packages that no database can answer for.
        ("pkg:npm/a", Distribution(""), "the version is unknown", False),
        ("pkg:deb/debian/a?distro=debian-12", Distribution(""), "the version is unknown", False),
        ("pkg:generic/tool@1.25.3", Distribution(""), "no advisories exist for packages of the type generic", False),
        # Programs that the advisories of another ecosystem are about.
        (
            "pkg:generic/nginx@1.25.3",
            Distribution(""),
            "the database has no advisories for Bitnami: run `kubekeep db update Bitnami`",
            False,
        ),
        ("pkg:generic/redis", Distribution(""), "the version is unknown", False),
        ("pkg:generic/x/nginx@1", Distribution(""), "no advisories exist for packages of the type generic", False),
        ("pkg:generic/openssl@1.1.1w", Distribution(""), "the version 1.1.1w has no place among the versions", False),
        ("pkg:generic/python@3.14.0rc1", Distribution(""), "the version 3.14.0rc1 has no place among the vers", False),
        ("pkg:conda/numpy@1.26", Distribution(""), "no advisories exist for packages of the type conda", False),
        ("pkg:oci/nginx@sha256:0", Distribution(""), "an image is assessed by its packages", False),
        # Versions that cannot be ordered, of packages that records name.
        ("pkg:composer/a/b@dev-master", Distribution(""), "cannot be compared with GHSA-3: ", False),
        ("pkg:npm/a@latest", Distribution(""), "cannot be compared with GHSA-1: ", False),
    ],
)
def test_reason(package: str, distribution: Distribution, reason: str, *, is_incomplete: bool) -> None:
    report = scan(package, RECORDS, distribution)
    assert report.vulnerabilities == ()
    (gap,) = report.not_assessed
    assert gap.reason.startswith(reason)
    assert gap.is_incomplete is is_incomplete
    assert [entry.name for entry in gap.packages] == [package.partition("@")[0].partition("?")[0].rpartition("/")[2]]


def test_programs_that_borrowed_advisories_do_not_name() -> None:
    report = scan(
        ["pkg:generic/nginx@1.25.3", "pkg:generic/redis@7.2.4"], [build_record("BIT-1: Bitnami redis <7.0.0")]
    )
    (gap,) = report.not_assessed
    assert (gap.ecosystem, gap.reason, gap.is_incomplete) == ("Bitnami", "no advisory of Bitnami is about nginx", False)
    assert [package.name for package in gap.packages] == ["nginx"]
    assert report.vulnerabilities == ()


@pytest.mark.parametrize("package", ["pkg:npm/b@1.0.0", "pkg:npm/a@2.0.0", "pkg:deb/debian/b@1?distro=debian-12"])
def test_assessed_without_vulnerabilities(package: str) -> None:
    report = scan(package, RECORDS)
    assert (report.vulnerabilities, report.not_assessed) == ((), ())


@pytest.mark.parametrize("records", [[], RECORDS[:1]])
def test_source_without_data_never_gives_an_empty_report(records: Sequence[Advisory]) -> None:
    packages = ["pkg:pypi/a@1", "pkg:golang/a.b/c@v1", "pkg:deb/debian/a@1?distro=debian-12", "pkg:cargo/a@1"]
    report = scan(packages, records)
    assert sum(len(gap.packages) for gap in report.not_assessed) == len(packages)
    assert all(gap.is_incomplete for gap in report.not_assessed)


def test_packages_with_one_reason_are_listed_together() -> None:
    report = scan(["pkg:gem/b@1", "pkg:gem/a@1", "pkg:generic/x@1", "pkg:npm/a@1.0.0"], RECORDS)
    assert [(gap.ecosystem, [entry.name for entry in gap.packages]) for gap in report.not_assessed] == [
        ("RubyGems", ["a", "b"]),
        ("", ["x"]),
    ]
    assert [entry.id for entry in report.vulnerabilities] == ["GHSA-1"]


@pytest.mark.parametrize("name", sorted(index_advisories()))
def test_versions_of_each_ecosystem_have_an_order(name: str) -> None:
    assert get_scheme(name)


@pytest.mark.parametrize("identifier", sorted(index_distributions()))
def test_versions_of_each_distribution_have_an_order(identifier: str) -> None:
    release = index_distributions()[identifier].build_release(Distribution(identifier, "22.04"))
    assert release
    assert release.label in release.names or release.applies(release.label)
    assert get_scheme(release.ecosystem)


def _broken(**fields: Any) -> Advisory:
    return msgspec.structs.replace(build_record("X-1: npm a <2"), **fields)


@pytest.mark.parametrize(
    "record",
    [
        _broken(affected=()),
        _broken(database_specific={"severity": ["HIGH"], "cwe_ids": "CWE-1"}),
        _broken(summary="", details="x" * 100_000),
        build_record(
            "X-1: npm a <2", affected=[{"package": {"ecosystem": "npm", "name": "a"}, "versions": ["?" * 5000]}]
        ),
        build_record("X-1: npm a <not-a-version"),
    ],
)
def test_strange_records_end_in_a_report(record: Advisory) -> None:
    report = scan("pkg:npm/a@1.0.0", record, extra=["npm"])
    assert len(report.vulnerabilities) <= 1
    assert report.not_assessed == ()
