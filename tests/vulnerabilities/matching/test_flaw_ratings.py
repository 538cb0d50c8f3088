"""Ratings of vulnerabilities whose own records have none: those of other records about the same flaw."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.package import Distribution
from kubekeep.model.severity import Severity
from kubekeep.model.vulnerability import VulnerabilityRating
from tests.vulnerabilities.matching.records import build_record, scan

HIGH = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"
LOW = "CVSS:3.1/AV:L/AC:H/PR:L/UI:R/S:U/C:N/I:L/A:N"
DEBIAN = Distribution("debian", "12")
BASH = "pkg:deb/debian/bash@5.2.15-2"


def vector(text: str = HIGH) -> dict[str, Any]:
    return {"severity": [{"type": "CVSS_V3", "score": text}]}


def rate(*records: Any, **own: Any) -> VulnerabilityRating:
    """Return the rating of a vulnerability of a Debian package, beside records about other packages."""
    fields = {"upstream": ["CVE-2026-1000"], **own}
    flaw = build_record("DEBIAN-CVE-2026-1000: Debian:12 bash <6", **fields)
    (vulnerability,) = scan(BASH, [flaw, *records], DEBIAN).vulnerabilities
    return vulnerability.rating


def test_rating_of_another_package() -> None:
    ghsa = build_record("GHSA-aaaa-bbbb-cccc: npm bash-parser <2", aliases=["CVE-2026-1000"], **vector())
    assert rate(ghsa) == VulnerabilityRating(Severity.HIGH, 7.5, HIGH, "GHSA-aaaa-bbbb-cccc (CVSS 3.1)")


def test_record_without_a_package() -> None:
    nvd = build_record("CVE-2026-1000: GIT - all", **vector(LOW))
    assert rate(nvd).level is Severity.LOW


@pytest.mark.parametrize("word", ["HIGH", "high", "Important"])
def test_word_of_a_language(word: str) -> None:
    ghsa = build_record(
        "GHSA-aaaa-bbbb-cccc: PyPI bash <2", aliases=["CVE-2026-1000"], database_specific={"severity": word}
    )
    assert rate(ghsa) == VulnerabilityRating(Severity.HIGH, source="GHSA-aaaa-bbbb-cccc")


def test_own_rating_counts() -> None:
    ghsa = build_record("GHSA-aaaa-bbbb-cccc: npm bash-parser <2", aliases=["CVE-2026-1000"], **vector())
    assert rate(ghsa, **vector(LOW)).source == "DEBIAN-CVE-2026-1000 (CVSS 3.1)"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        pytest.param("GHSA-a: npm bash <2", {"aliases": ["CVE-2026-1001"], **vector()}, id="another flaw"),
        pytest.param("GHSA-a: npm bash <2", {"related": ["CVE-2026-1000"], **vector()}, id="a related flaw"),
        pytest.param(
            "GHSA-a: npm bash <2",
            {"aliases": ["CVE-2026-1000"], "withdrawn": "2026-02-01T00:00:00Z", **vector()},
            id="withdrawn",
        ),
        pytest.param(
            "UBUNTU-CVE-2026-1000: Ubuntu:24.04:LTS bash <6",
            {"upstream": ["CVE-2026-1000"], "severity": [{"type": "Ubuntu", "score": "high"}]},
            id="priority of Ubuntu",
        ),
        pytest.param(
            "ALSA-2026:1: AlmaLinux:9 bash <6",
            {"upstream": ["CVE-2026-1000"], "summary": "Important: bash security update"},
            id="word of AlmaLinux",
        ),
        pytest.param(
            "ALSA-2026:1: AlmaLinux:9 bash <6",
            {"upstream": ["CVE-2026-1000", "CVE-2026-1001"], **vector()},
            id="a notice about several flaws",
        ),
        pytest.param(
            "GHSA-a: npm bash <2",
            {"aliases": ["CVE-2026-1000"], "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}]},
            id="an invalid vector",
        ),
    ],
)
def test_unknown_stays_unknown(text: str, fields: dict[str, Any]) -> None:
    assert rate(build_record(text, **fields)) == VulnerabilityRating()


def test_vector_of_a_language_is_preferred_to_one_of_a_distribution() -> None:
    alma = build_record("ALSA-2026:1: AlmaLinux:9 bash <6", upstream=["CVE-2026-1000"], **vector(LOW))
    ghsa = build_record("GHSA-aaaa-bbbb-cccc: npm bash <2", aliases=["CVE-2026-1000"], **vector())
    assert rate(alma, ghsa).source == "GHSA-aaaa-bbbb-cccc (CVSS 3.1)"
    assert rate(alma).source == "ALSA-2026:1 (CVSS 3.1)"


@pytest.mark.parametrize(("rated", "level"), [(("1", "2"), Severity.HIGH), (("1",), Severity.UNKNOWN)])
def test_notice_about_several_flaws_has_the_highest_rating_if_all_are_rated(
    rated: tuple[str, ...], level: Severity
) -> None:
    vectors = {"1": HIGH, "2": LOW}
    records = [build_record(f"CVE-2026-100{number}: GIT - all", **vector(vectors[number])) for number in rated]
    assert rate(*records, upstream=["CVE-2026-1001", "CVE-2026-1002"]).level is level
