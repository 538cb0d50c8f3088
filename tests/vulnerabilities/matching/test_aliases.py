"""Records about the same flaw become one vulnerability; withdrawn and contradicting records; nearest common fix."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.images.package_url import parse_package_url
from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.model.package import Distribution
from kubekeep.model.vulnerability import FixState
from kubekeep.vulnerabilities.matching import explain_match
from tests.vulnerabilities.matching.records import TODAY, ListedSource, build_record, scan, summarise

NPM = "pkg:npm/a@1.0.0"
DEBIAN = "pkg:deb/debian/a@1.0-1?distro=debian-12"


def _join(*records: tuple[str, dict[str, Any]]) -> str:
    built = [build_record(text, **fields) for text, fields in records]
    package = DEBIAN if "Debian" in records[0][0] else NPM
    results = {summarise(scan(package, listed)) for listed in (built, built[::-1])}
    assert len(results) == 1, "the order of records must not matter"
    return results.pop()


CVE = {"aliases": ["CVE-2024-1000"]}
GROUPS: tuple[tuple[list[tuple[str, dict[str, Any]]], str], ...] = (
    # Direct, common, transitive and circular aliases.
    ([("GHSA-1: npm a <2.0.0", CVE)], "CVE-2024-1000 2.0.0"),
    ([("GHSA-1: npm a <2.0.0", CVE), ("CVE-2024-1000: npm a <2.0.0", {})], "CVE-2024-1000 2.0.0"),
    ([("GHSA-1: npm a <2.0.0", CVE), ("NSWG-1: npm a <2.0.0", CVE)], "CVE-2024-1000 2.0.0"),
    ([("GHSA-1: npm a <2.0.0", {"aliases": ["NSWG-1"]}), ("NSWG-1: npm a <2.0.0", CVE)], "CVE-2024-1000 2.0.0"),
    ([("GHSA-1: npm a <2.0.0", {"aliases": ["X-1"]}), ("X-1: npm a <2.0.0", {"aliases": ["GHSA-1"]})], "GHSA-1 2.0.0"),
    ([("A-1: npm a <2.0.0", {"aliases": ["B-1"]}), ("C-1: npm a <2.0.0", {"aliases": ["B-1"]})], "A-1 2.0.0"),
    # A record that does not apply still joins the others.
    (
        [
            ("GHSA-1: npm a <2.0.0", {}),
            ("PYSEC-1: npm a <2.0.0", {}),
            ("X-1: npm a <0.1.0", {"aliases": ["GHSA-1", "PYSEC-1"]}),
        ],
        "GHSA-1 2.0.0",
    ),
    # Related records are other flaws.
    ([("GHSA-1: npm a <2.0.0", {"related": ["X-1"]}), ("X-1: npm a <2.0.0", {})], "GHSA-1 2.0.0; X-1 2.0.0"),
    ([("GHSA-1: npm a <2.0.0", {}), ("GHSA-2: npm a <2.0.0", {})], "GHSA-1 2.0.0; GHSA-2 2.0.0"),
    # Several CVEs of one record.
    ([("GHSA-1: npm a <2.0.0", {"aliases": ["CVE-2024-1000", "CVE-2024-1001"]})], "GHSA-1 2.0.0"),
    # Withdrawn records.
    ([("GHSA-1: npm a <2.0.0", {"withdrawn": "2025-01-01T00:00:00Z"})], "none"),
    ([("GHSA-1: npm a <2.0.0", {"withdrawn": "2027-01-01T00:00:00Z"})], "GHSA-1 2.0.0"),
    (
        [("GHSA-1: npm a <2.0.0", {**CVE, "withdrawn": "2025-01-01T00:00:00Z"}), ("X-1: npm a <2.0.0", CVE)],
        "CVE-2024-1000 2.0.0",
    ),
    (
        [
            ("GHSA-1: npm a <3.0.0", {"withdrawn": "2025-01-01T00:00:00Z"}),
            ("X-1: npm a <2.0.0", {"aliases": ["GHSA-1"]}),
        ],
        "GHSA-1 2.0.0",
    ),
    # The newest version of a record counts.
    ([("GHSA-1: npm a <2.0.0", {}), ("GHSA-1: npm a <1.0.0", {"modified": "2026-02-01T00:00:00Z"})], "none"),
    ([("GHSA-1: npm a <2.0.0", {}), ("GHSA-1: npm a <3.0.0", {"modified": "2026-02-01T00:00:00Z"})], "GHSA-1 3.0.0"),
    (
        [
            ("GHSA-1: npm a <2.0.0", {}),
            ("GHSA-1: npm a <2.0.0", {"modified": "2026-02-01T00:00:00Z", "withdrawn": "2026-02-01T00:00:00Z"}),
        ],
        "none",
    ),
    ([("GHSA-1: npm a <2.0.0", {}), ("GHSA-1: npm a <2.0.0", {})], "GHSA-1 2.0.0"),
    # Distributions: one CVE joins, several do not.
    (
        [
            ("DEBIAN-CVE-2024-1000: Debian:12 a <1.0-2", {"upstream": ["CVE-2024-1000"]}),
            ("DSA-1-1: Debian:12 a <1.0-2", {"upstream": ["CVE-2024-1000"]}),
        ],
        "CVE-2024-1000 1.0-2",
    ),
    ([("DSA-1-1: Debian:12 a <1.0-2", {"upstream": ["CVE-2024-1000", "CVE-2024-1001"]})], "DSA-1-1 1.0-2"),
    (
        [
            ("DSA-1-1: Debian:12 a <1.0-2", {"upstream": ["CVE-2024-1000", "CVE-2024-1001"]}),
            ("DEBIAN-CVE-2024-1000: Debian:12 a <1.0-2", {}),
            ("DEBIAN-CVE-2024-1001: Debian:12 a <1.0-2", {}),
        ],
        "CVE-2024-1000 1.0-2; CVE-2024-1001 1.0-2",
    ),
    (
        [
            ("DSA-1-1: Debian:12 a <1.0-2", {"upstream": ["CVE-2024-1000", "CVE-2024-1001"]}),
            ("DEBIAN-CVE-2024-1000: Debian:12 a <1.0-2", {}),
        ],
        "CVE-2024-1000 1.0-2; DSA-1-1 1.0-2",
    ),
    (
        [
            ("USN-1-1: Debian:12 a <1.0-2", {"upstream": ["UBUNTU-CVE-2024-1000", "CVE-2024-1000"]}),
            ("UBUNTU-CVE-2024-1000: Debian:12 a <1.0-2", {"upstream": ["CVE-2024-1000"]}),
        ],
        "CVE-2024-1000 1.0-2",
    ),
    (
        [
            ("DSA-1-1: Debian:12 a <1.0-2", {"related": ["CVE-2024-1000"]}),
            ("DEBIAN-CVE-2024-1000: Debian:12 a <1.0-3", {}),
        ],
        "CVE-2024-1000 1.0-3",
    ),
    (
        [("CGA-1: Debian:12 a <1.0-2", {"upstream": ["CVE-2024-1000", "GHSA-1"]}), ("GHSA-1: Debian:12 a <1.0-2", {})],
        "CVE-2024-1000 1.0-2",
    ),
    # The fix of a notice counts if the records of its CVEs have none.
    (
        [
            ("DSA-1-1: Debian:12 a <1.0-2", {"upstream": ["CVE-2024-1000", "CVE-2024-1001"]}),
            ("CVE-2024-1000: Debian:12 a all", {}),
            ("CVE-2024-1001: Debian:12 a all", {}),
        ],
        "CVE-2024-1000 1.0-2; CVE-2024-1001 1.0-2",
    ),
    # The nearest version that all records regard as fixed.
    ([("GHSA-1: npm a <1.5.0", CVE), ("X-1: npm a <2.0.0", CVE)], "CVE-2024-1000 2.0.0"),
    ([("GHSA-1: npm a <1.5.0", CVE), ("X-1: npm a >=1.0.0,<1.2.0", CVE)], "CVE-2024-1000 1.5.0"),
    ([("GHSA-1: npm a <1.5.0|>=1.6.0,<1.7.0", CVE), ("X-1: npm a <1.6.0", CVE)], "CVE-2024-1000 1.7.0"),
    ([("GHSA-1: npm a <1.5.0", CVE), ("X-1: npm a <=1.5.0", CVE)], "CVE-2024-1000 1.5.0"),
    ([("GHSA-1: npm a <1.5.0", CVE), ("X-1: npm a all", CVE)], "CVE-2024-1000 1.5.0"),
    # Contradictions hide nothing.
    ([("GHSA-1: npm a <0.5.0", CVE), ("X-1: npm a <2.0.0", CVE)], "CVE-2024-1000 2.0.0"),
)


@pytest.mark.parametrize(("records", "expected"), GROUPS)
def test_groups(records: list[tuple[str, dict[str, Any]]], expected: str) -> None:
    assert _join(*records) == expected


def test_contradiction_is_noted() -> None:
    records = [
        build_record("GHSA-1: npm a <0.5.0", aliases=["CVE-2024-1000"]),
        build_record("X-1: npm a <2.0.0", aliases=["CVE-2024-1000"]),
    ]
    (vulnerability,) = scan(NPM, records).vulnerabilities
    assert vulnerability.notes == ("GHSA-1 disagrees: 1.0.0 is not in the affected range: introduced 0, fixed 0.5.0",)


def test_record_without_fix_is_noted() -> None:
    records = [
        build_record("GHSA-1: npm a <1.5.0", aliases=["CVE-2024-1000"]),
        build_record("X-1: npm a all", aliases=["CVE-2024-1000"]),
    ]
    assert scan(NPM, records).vulnerabilities[0].notes == ("X-1 names no fixed version",)


def test_evidence() -> None:
    package = "pkg:deb/debian/libssl3@3.0.14-1~deb12u2?distro=debian-12 from openssl@3.0.14-1~deb12u2"
    record = build_record("DEBIAN-CVE-2024-1000: Debian:12 openssl <3.0.15-1~deb12u1", upstream=["CVE-2024-1000"])
    (vulnerability,) = scan(package, record).vulnerabilities
    (match,) = vulnerability.records
    assert (match.id, match.ecosystem, match.name) == ("DEBIAN-CVE-2024-1000", "Debian:12", "openssl")
    assert (match.version, match.range, match.scheme) == ("3.0.14-1~deb12u2", "< 3.0.15-1~deb12u1", "dpkg")
    assert (match.fixed_version, match.origin, match.reason) == ("3.0.15-1~deb12u1", "test", "")
    assert vulnerability.aliases == ("DEBIAN-CVE-2024-1000",)
    assert vulnerability.upstream == ()


def test_notice_stays_as_evidence_of_its_flaws() -> None:
    records = [
        build_record("DSA-1-1: Debian:12 a <1.0-2", upstream=["CVE-2024-1000", "CVE-2024-1001"]),
        build_record("DEBIAN-CVE-2024-1000: Debian:12 a <1.0-2"),
        build_record("DEBIAN-CVE-2024-1001: Debian:12 a <1.0-2"),
    ]
    for vulnerability in scan(DEBIAN, records).vulnerabilities:
        assert [match.id for match in vulnerability.records] == [f"DEBIAN-{vulnerability.id}", "DSA-1-1"]


@pytest.mark.parametrize(
    ("record", "fields", "state", "note"),
    [
        ("CVE-2024-1000: Debian:12 a <2", {}, FixState.FIXED, ""),
        ("CVE-2024-1000: Debian:12 a all", {}, FixState.NOT_FIXED, ""),
        ("CVE-2024-1000: Debian:12 a <=2", {}, FixState.UNKNOWN, "the last affected version is 2"),
        ("CVE-2024-1000: Debian:12 a =1.0-1", {}, FixState.UNKNOWN, ""),
        (
            "CVE-2024-1000: Debian:12 a all",
            {"urgency": "unimportant"},
            FixState.WILL_NOT_FIX,
            "rates it as unimportant",
        ),
        ("CVE-2024-1000: Debian:12 a all", {"urgency": "end-of-life"}, FixState.WILL_NOT_FIX, "no longer supported"),
        ("CVE-2024-1000: Debian:12 a all", {"urgency": "not yet assigned"}, FixState.NOT_FIXED, ""),
        ("CVE-2024-1000: Debian:12 a all", {"fix_state": "wont-fix"}, FixState.WILL_NOT_FIX, ""),
        ("CVE-2024-1000: Debian:12 a all", {"fix_state": "unknown"}, FixState.UNKNOWN, ""),
        ("CVE-2024-1000: Debian:12 a all", {"fix_state": 5}, FixState.NOT_FIXED, ""),
    ],
)
def test_fix_state(record: str, fields: dict[str, Any], state: FixState, note: str) -> None:
    built = build_record(record)
    if fields:
        entry = {
            "package": {"ecosystem": "Debian:12", "name": "a"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
            "ecosystem_specific": fields,
        }
        built = build_record(record, affected=[entry])
    (vulnerability,) = scan(DEBIAN, built).vulnerabilities
    assert vulnerability.fix_state is state
    assert note in " ".join(vulnerability.notes)


SIGNALS = {
    "CVE-2024-1000": ExploitSignal("2024-05-01", epss=0.02, percentile=0.5),
    "CVE-2024-1001": ExploitSignal(epss=0.9, percentile=0.99, ransomware=True),
}


@pytest.mark.parametrize(
    ("record", "fields", "expected"),
    [
        ("GHSA-1: npm a <2.0.0", CVE, SIGNALS["CVE-2024-1000"]),
        ("GHSA-1: npm a <2.0.0", {}, ExploitSignal()),
        ("GHSA-1: npm a <2.0.0", {"related": ["CVE-2024-1001"]}, ExploitSignal()),
        (
            "GHSA-1: npm a <2.0.0",
            {"upstream": ["CVE-2024-1000", "CVE-2024-1001"]},
            ExploitSignal("2024-05-01", ransomware=True, epss=0.9, percentile=0.99),
        ),
    ],
)
def test_signals(record: str, fields: dict[str, Any], expected: ExploitSignal) -> None:
    (vulnerability,) = scan(NPM, build_record(record, **fields), signals=SIGNALS).vulnerabilities
    assert vulnerability.signal == expected


def test_order_and_determinism() -> None:
    records = [
        build_record(
            "GHSA-1: npm a <2", severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L"}]
        ),
        build_record(
            "GHSA-2: npm a <2", severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
        ),
        build_record("GHSA-3: npm a <2"),
        build_record("GHSA-4: npm b <2", aliases=["CVE-2024-1000"]),
    ]
    packages = ["pkg:npm/b@1.0.0", "pkg:npm/a@1.0.0", "pkg:npm/c"]
    first = scan(packages, records, signals=SIGNALS)
    assert [entry.id for entry in first.vulnerabilities] == ["GHSA-2", "GHSA-1", "CVE-2024-1000", "GHSA-3"]
    assert scan(packages[::-1], records[::-1], signals=SIGNALS) == first


def test_subset_of_packages_has_the_same_result() -> None:
    records = [build_record(f"GHSA-{index}: npm p{index} <2") for index in range(20)]
    packages = [f"pkg:npm/p{index}@1.0.0" for index in range(20)]
    whole = scan(packages, records)
    parts = [entry for package in packages for entry in scan(package, records).vulnerabilities]
    assert sorted(whole.vulnerabilities, key=lambda entry: entry.id) == sorted(parts, key=lambda entry: entry.id)


def test_explanation_has_a_reason_for_each_record() -> None:
    source = ListedSource(
        [
            build_record("DEBIAN-CVE-2024-1000: Debian:12 a <1.0-2", upstream=["CVE-2024-1000"]),
            build_record("DSA-1-1: Debian:13 a <2.0-2", upstream=["CVE-2024-1000"]),
            build_record("DSA-2-1: Debian:12 a <1.0-1", upstream=["CVE-2024-1000", "CVE-2024-1001"]),
            build_record("X-1: Debian:12 a <9", aliases=["CVE-2024-1000"], withdrawn="2025-05-05T00:00:00Z"),
            build_record("DEBIAN-CVE-2024-9999: Debian:12 a <9"),
            build_record("DEBIAN-CVE-2024-1000-other: Debian:12 b <9", aliases=["CVE-2024-1000"]),
        ]
    )
    package = parse_package_url(DEBIAN)
    distribution = Distribution("debian", "12")
    for name in ("CVE-2024-1000", "cve-2024-1000", "DEBIAN-CVE-2024-1000"):
        records = explain_match(package, name, distribution, source, today=TODAY)
        assert {record.id: (record.range, record.reason) for record in records} == {
            "DEBIAN-CVE-2024-1000": ("< 1.0-2", ""),
            "DSA-1-1": ("", "the record is about Debian:13, and the package is of Debian:12"),
            "DSA-2-1": ("", "1.0-1 is not in the affected range: introduced 0, fixed 1.0-1"),
            "X-1": ("", "withdrawn on 2025-05-05"),
        }
    assert explain_match(package, "CVE-1999-1", distribution, source, today=TODAY) == ()


def test_related_flaws_of_a_notice_are_shown() -> None:
    """AlmaLinux states the CVEs of a notice as related: they give it signals, and never join it with other records."""
    record = build_record("ALSA-1: AlmaLinux:9 a <2", related=["CVE-2024-1001", "CVE-2024-1000", "RHSA-1"])
    package = "pkg:rpm/almalinux/a@1?distro=almalinux-9.4"
    (vulnerability,) = scan(package, record, signals=SIGNALS).vulnerabilities
    assert (vulnerability.id, vulnerability.aliases) == ("ALSA-1", ())
    assert vulnerability.upstream == ("CVE-2024-1000", "CVE-2024-1001")
    assert vulnerability.signal.epss == SIGNALS["CVE-2024-1001"].epss
