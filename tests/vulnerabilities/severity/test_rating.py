"""The choice of a rating among all records about a vulnerability, and priorities."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.model.package import Package
from kubekeep.model.severity import Severity
from kubekeep.model.vulnerability import FixState, Vulnerability, VulnerabilityRating
from kubekeep.vulnerabilities.priority import prioritise
from kubekeep.vulnerabilities.severity.rating import choose_rating
from tests.vulnerabilities.matching.records import build_record, scan

CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
MEDIUM = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"
FOURTH = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:L/VA:L/SC:N/SI:N/SA:N"
SECOND = "AV:N/AC:L/Au:N/C:N/I:N/A:C"


def _rate(record: dict[str, Any], entry: dict[str, Any] | None = None) -> VulnerabilityRating:
    affected = {"package": {"ecosystem": "npm", "name": "a"}, **(entry or {})}
    built = build_record("X-1: npm a all", **{"affected": [affected], **record})
    return choose_rating([(built, built.affected[0])])


def _list(*vectors: str) -> dict[str, Any]:
    kinds = {"CVSS:4": "CVSS_V4", "CVSS:3": "CVSS_V3"}
    return {"severity": [{"type": kinds.get(vector[:6], "CVSS_V2"), "score": vector} for vector in vectors]}


UBUNTU = {"severity": [{"type": "Ubuntu", "score": "low"}, {"type": "CVSS_V3", "score": CRITICAL}]}


@pytest.mark.parametrize(
    ("record", "entry", "level", "score", "source"),
    [
        (_list(CRITICAL), {}, Severity.CRITICAL, 9.8, "X-1 (CVSS 3.1)"),
        (_list(SECOND, MEDIUM), {}, Severity.MEDIUM, 5.3, "X-1 (CVSS 3.1)"),
        (_list(CRITICAL, FOURTH), {}, Severity.HIGH, 8.8, "X-1 (CVSS 4.0)"),
        (_list(CRITICAL), _list(MEDIUM), Severity.MEDIUM, 5.3, "X-1 (CVSS 3.1)"),
        (UBUNTU, {}, Severity.LOW, None, "X-1 (Ubuntu priority low)"),
        (
            {"severity": [{"type": "Ubuntu", "score": "negligible"}]},
            {},
            Severity.LOW,
            None,
            "X-1 (Ubuntu priority negligible)",
        ),
        ({"severity": [{"type": "Ubuntu", "score": "untriaged"}]}, {}, Severity.UNKNOWN, None, ""),
        (
            _list(CRITICAL),
            {"ecosystem_specific": {"urgency": "unimportant"}},
            Severity.LOW,
            None,
            "X-1 (Debian urgency unimportant)",
        ),
        (_list(CRITICAL), {"ecosystem_specific": {"urgency": "low"}}, Severity.CRITICAL, 9.8, "X-1 (CVSS 3.1)"),
        ({}, {"ecosystem_specific": {"urgency": "medium**"}}, Severity.MEDIUM, None, "X-1"),
        ({}, {"ecosystem_specific": {"urgency": "not yet assigned"}}, Severity.UNKNOWN, None, ""),
        ({"database_specific": {"severity": "MODERATE"}}, {}, Severity.MEDIUM, None, "X-1"),
        ({"database_specific": {"severity": "High"}}, {}, Severity.HIGH, None, "X-1"),
        ({"database_specific": {"severity": "none"}}, {}, Severity.UNKNOWN, None, ""),
        ({"database_specific": {"severity": 7}}, {}, Severity.UNKNOWN, None, ""),
        ({"database_specific": {"cvss_v2": 6.3, "cvss_v3": 7.7}}, {}, Severity.HIGH, 7.7, "X-1 (cvss_v3)"),
        ({"database_specific": {"cvss_v2": 4.3, "cvss_v3": None}}, {}, Severity.MEDIUM, 4.3, "X-1 (cvss_v2)"),
        ({"database_specific": {"cvss_v3": 77}}, {}, Severity.UNKNOWN, None, ""),
        ({"id": "ALSA-1", "summary": "Important: bash security update"}, {}, Severity.HIGH, None, "ALSA-1"),
        ({"id": "GHSA-1", "summary": "Important: read this"}, {}, Severity.UNKNOWN, None, ""),
        ({"id": "MAL-2024-1"}, {}, Severity.CRITICAL, None, "MAL-2024-1"),
        ({"aliases": ["MAL-2024-1"], **_list(MEDIUM)}, {}, Severity.CRITICAL, None, "X-1"),
        (_list("CVSS:3.1/broken"), {}, Severity.UNKNOWN, None, ""),
        ({**_list("CVSS:3.1/broken"), "database_specific": {"severity": "HIGH"}}, {}, Severity.HIGH, None, "X-1"),
        ({}, {}, Severity.UNKNOWN, None, ""),
        (_list("AV:N/AC:L/Au:N/C:N/I:N/A:N"), {}, Severity.UNKNOWN, 0.0, "X-1 (CVSS 2.0)"),
    ],
)
def test_rating(
    record: dict[str, Any], entry: dict[str, Any], level: Severity, score: float | None, source: str
) -> None:
    rating = _rate(record, entry)
    assert (rating.level, rating.score, rating.source) == (level, score, source)
    assert bool(rating.vector) == (score is not None and "CVSS" in source)


def test_records_of_curated_databases_come_first() -> None:
    records = [
        build_record("AAA-1: npm a <2", aliases=["CVE-2024-1000"], **_list(MEDIUM), summary="other", details="other"),
        build_record(
            "GHSA-1: npm a <2", aliases=["CVE-2024-1000"], **_list(CRITICAL), summary="curated", details="text"
        ),
    ]
    (vulnerability,) = scan("pkg:npm/a@1.0.0", records).vulnerabilities
    assert (vulnerability.rating.source, vulnerability.summary) == ("GHSA-1 (CVSS 3.1)", "curated")


def test_invalid_vector_is_noted() -> None:
    (vulnerability,) = scan("pkg:npm/a@1.0.0", build_record("X-1: npm a <2", **_list("CVSS:3.1/AV:N"))).vulnerabilities
    assert vulnerability.rating.level is Severity.UNKNOWN
    assert vulnerability.notes == ("X-1: CVSS vector cannot be scored: metric AC is missing",)


def test_informational_record_is_noted() -> None:
    affected = {
        "package": {"ecosystem": "crates.io", "name": "a"},
        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
        "database_specific": {"informational": "unmaintained"},
    }
    (vulnerability,) = scan(
        "pkg:cargo/a@1.0.0", build_record("RUSTSEC-1: crates.io a all", affected=[affected])
    ).vulnerabilities
    assert vulnerability.notes == ("RUSTSEC-1 is informational: unmaintained",)


def _build(
    level: Severity, score: float | None = None, signal: ExploitSignal | None = None, fix: str = ""
) -> Vulnerability:
    return Vulnerability(
        id="CVE-2024-1000",
        package=Package(type="npm", name="a", version="1"),
        rating=VulnerabilityRating(level, score),
        signal=signal or ExploitSignal(),
        fixed_version=fix,
        fix_state=FixState.FIXED if fix else FixState.NOT_FIXED,
    )


EXPLOITED = ExploitSignal("2024-05-01")


@pytest.mark.parametrize(
    ("vulnerability", "level", "score"),
    [
        (_build(Severity.CRITICAL, 9.8), Severity.CRITICAL, 9.24),
        (_build(Severity.MEDIUM, 5.0), Severity.MEDIUM, 5.0),
        (_build(Severity.MEDIUM, 5.0, fix="2"), Severity.MEDIUM, 5.19),
        (_build(Severity.MEDIUM, 6.8, fix="2"), Severity.MEDIUM, 6.81),
        (_build(Severity.LOW, 2.0, EXPLOITED), Severity.CRITICAL, 9.36),
        (_build(Severity.UNKNOWN, None, EXPLOITED), Severity.CRITICAL, 9.3),
        (_build(Severity.HIGH, 8.8, msgspec.structs.replace(EXPLOITED, ransomware=True)), Severity.CRITICAL, 9.673),
        (_build(Severity.CRITICAL, 10.0, EXPLOITED, "2"), Severity.CRITICAL, 9.64),
        (_build(Severity.MEDIUM, 6.5, ExploitSignal(epss=0.2)), Severity.HIGH, 7.5),
        (_build(Severity.MEDIUM, 6.5, ExploitSignal(epss=0.05)), Severity.MEDIUM, 6.5),
        (_build(Severity.LOW, 2.0, ExploitSignal(epss=0.9)), Severity.HIGH, 7.0),
        (_build(Severity.HIGH, 8.5, ExploitSignal(epss=0.9)), Severity.HIGH, 8.9),
        (_build(Severity.CRITICAL, 9.1, ExploitSignal(epss=0.9)), Severity.CRITICAL, 9.224),
        (_build(Severity.UNKNOWN), Severity.UNKNOWN, 0.0),
        (_build(Severity.UNKNOWN, fix="2"), Severity.UNKNOWN, 0.0),
        (_build(Severity.HIGH), Severity.HIGH, 8.0),
    ],
)
def test_priority(vulnerability: Vulnerability, level: Severity, score: float) -> None:
    priority = prioritise(vulnerability)
    assert (priority.level, priority.score) == (level, score)


def test_reasons_of_priority() -> None:
    signal = ExploitSignal("2024-05-01", ransomware=True, epss=0.423)
    assert prioritise(_build(Severity.HIGH, 8.1, signal, "2.0")).reasons == (
        "known to be exploited since 2024-05-01, used by ransomware",
        "exploited within 30 days with a probability of 42% (EPSS)",
        "fixed in 2.0",
        "severity high (8.1)",
    )
    assert prioritise(_build(Severity.UNKNOWN)).reasons == ("no fix is available", "the severity is unknown")
