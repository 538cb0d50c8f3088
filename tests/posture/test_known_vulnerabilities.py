"""Verdicts on the vulnerabilities that documents list."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.library.load import builtin
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.definition import FindingKind
from kubekeep.model.finding import Finding
from kubekeep.model.image import Image
from kubekeep.model.listed_vulnerabilities import NO_VULNERABILITIES
from kubekeep.model.package import AffectedPackage
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import Cause, Status
from kubekeep.posture.listed_problems import add_listed_problems
from kubekeep.posture.priority import prioritise
from kubekeep.posture.select import Selection


def make_entry(name: str = "CVE-2024-1", package: str = "openssl", number: int = 0, **fields: Any) -> dict[str, Any]:
    entry = {
        "id": name,
        "aliases": ["GHSA-aaaa-bbbb-cccc"],
        "title": "Overflow",
        "purl": f"pkg:deb/debian/{package}@1.0",
        "package": package,
        "version": "1.0",
        "severity": "High",
        "score": 7.5,
        "fixedVersion": "1.1",
        "fixState": "fixed",
        "path": "/var/lib/dpkg/status",
        "layer": "sha256:aa",
        "priority": {"level": "High", "score": 8.0, "reasons": ["fixed in 1.1"]},
        "evidence": [],
        "packageNumber": number,
    }
    return entry | fields


def make_resource(*entries: dict[str, Any], gaps: tuple[dict[str, Any], ...] = (), **fields: Any) -> Image:
    document = {
        "apiVersion": "image.kubekeep.io/v1",
        "kind": "ContainerImage",
        "metadata": {"name": "shop:1"},
        "packages": [{"purl": f"pkg:deb/debian/{name}@1.0"} for name in (*(one["package"] for one in entries), "bash")],
        "vulnerabilities": list(entries),
        "assessment": {"notAssessed": list(gaps)},
    }
    return Image(document | fields, digest="sha256:bb", is_compared=True)


def evaluate(*images: Image) -> tuple[Selection, dict[tuple[int, str], Any]]:
    results, selection = add_listed_problems(
        [SubjectResult(image, {}) for image in images], Selection((), (), {}, {}, builtin())
    )
    verdicts = {
        (position, slug): verdict
        for position, result in enumerate(results)
        for slug, verdict in result.verdicts.items()
    }
    return selection, verdicts


def test_each_vulnerability_fails_with_its_packages() -> None:
    selection, verdicts = evaluate(
        make_resource(make_entry(), make_entry(package="libssl3", number=1), make_entry("CVE-2024-2", number=0))
    )
    assert set(verdicts) == {(0, "cve-2024-1"), (0, "cve-2024-2")}
    verdict = verdicts[0, "cve-2024-1"]
    assert verdict.status is Status.FAILED
    assert [(evidence.path, evidence.fix, evidence.message) for evidence in verdict.evidence] == [
        ("packages[0].version", '"1.1"', "openssl 1.0: fixed in 1.1"),
        ("packages[1].version", '"1.1"', "libssl3 1.0: fixed in 1.1"),
    ]
    control = next(control for control in selection.definitions if control.slug == "cve-2024-1")
    assert control.ids == ("CVE-2024-1", "GHSA-aaaa-bbbb-cccc")
    assert control.fix == "Upgrade openssl to 1.1, libssl3 to 1.1."
    assert (control.level, prioritise(control).score) == (Severity.HIGH, 8.0)


def test_resource_without_vulnerabilities_passes_as_a_whole() -> None:
    _, verdicts = evaluate(make_resource())
    assert {slug: verdict.status for (_, slug), verdict in verdicts.items()} == {NO_VULNERABILITIES.slug: Status.PASSED}


def test_packages_without_advisories_are_not_evaluated() -> None:
    gap = {"ecosystem": "Debian", "reason": "no data", "packages": ["pkg:deb/debian/a@1"], "incomplete": True}
    _, verdicts = evaluate(make_resource(gaps=(gap,)))
    verdict = verdicts[0, NO_VULNERABILITIES.slug]
    assert verdict.status is Status.NOT_EVALUATED
    assert verdict.reason is not None
    assert (verdict.reason.cause, verdict.reason.text) == (
        Cause.MISSING_DATA,
        "packages not assessed: 1 Debian: no data",
    )
    # Packages that no source of advisories covers do not hide a clean result.
    gap = gap | {"incomplete": False}
    purl = {"purl": "pkg:deb/debian/a@1"}
    _, verdicts = evaluate(make_resource(gaps=(gap,), packages=[purl, {"purl": "pkg:deb/debian/bash@1"}]))
    assert verdicts[0, NO_VULNERABILITIES.slug].status is Status.PASSED


@pytest.mark.parametrize(
    ("packages", "reason"),
    [
        (["pkg:deb/debian/a@1"], "packages not assessed: 1 Debian: no data"),
        ([], "it lists no packages, so nothing was compared with advisories"),
    ],
)
def test_nothing_passes_if_no_package_was_compared(packages: list[str], reason: str) -> None:
    gaps = tuple(
        {"ecosystem": "Debian", "reason": "no data", "packages": [purl], "incomplete": False} for purl in packages
    )
    _, verdicts = evaluate(make_resource(gaps=gaps, packages=[{"purl": purl} for purl in packages]))
    verdict = verdicts[0, NO_VULNERABILITIES.slug]
    assert verdict.status is Status.NOT_EVALUATED
    assert verdict.reason is not None
    assert verdict.reason.text == reason


def test_document_without_comparison_gets_no_verdict() -> None:
    resource = make_resource()
    document = {key: value for key, value in resource.object.items() if key != "vulnerabilities"}
    assert evaluate(Image(document))[1] == {}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("not_affected", Status.PASSED),
        ("fixed", Status.PASSED),
        ("affected", Status.FAILED),
        ("under_investigation", Status.FAILED),
    ],
)
def test_vex_statements_suppress(status: str, expected: Status) -> None:
    vex = {"status": status, "justification": "component_not_present", "origin": "shop.openvex.json"}
    _, verdicts = evaluate(make_resource(make_entry(vex=vex)))
    verdict = verdicts[0, "cve-2024-1"]
    assert verdict.status is expected
    assert (verdict.evidence[0].exception is not None) is (expected is Status.PASSED)
    assert ((0, NO_VULNERABILITIES.slug) in verdicts) is (expected is Status.PASSED)


@pytest.mark.parametrize(
    ("severity", "score", "expected"),
    [
        ("Critical", 9.8, 9.8),
        ("Critical", None, 9.0),
        ("Low", 0.5, 1.0),
        ("Unknown", None, 0.0),
        # A vendor rates lower than the vector.
        ("Low", 9.8, 1.0),
    ],
)
def test_scores_agree_with_severities(severity: str, score: float | None, expected: float) -> None:
    selection, _ = evaluate(make_resource(make_entry(severity=severity, score=score)))
    assert selection.definitions[0].severity == expected
    assert selection.definitions[0].level is Severity.from_score(expected)


def test_vulnerability_in_two_resources_has_the_higher_rating() -> None:
    selection, verdicts = evaluate(
        make_resource(make_entry(severity="Low", score=2.0, priority={"level": "Low", "score": 2.0})),
        make_resource(make_entry(aliases=["OTHER-1"], fixedVersion="1.2")),
    )
    assert {slug for _, slug in verdicts} == {"cve-2024-1"}
    (control,) = selection.definitions
    assert control.severity == 7.5
    assert control.ids == ("CVE-2024-1", "GHSA-aaaa-bbbb-cccc", "OTHER-1")
    assert control.fix == "Upgrade openssl to 1.1. Upgrade openssl to 1.2."


def test_kind_of_findings() -> None:
    selection, verdicts = evaluate(make_resource(make_entry()))
    finding = Finding(selection.definitions[0], make_resource(make_entry()), verdicts[0, "cve-2024-1"].evidence)
    assert isinstance(finding.subject, Image)
    assert finding.subject.digest == "sha256:bb"
    assert finding.evidence[0].package == AffectedPackage(
        "pkg:deb/debian/openssl@1.0", "openssl", "1.0", "1.1", "/var/lib/dpkg/status", "sha256:aa"
    )
    assert (finding.kind, finding.id, finding.has_fix) == (FindingKind.VULNERABILITY, "CVE-2024-1", True)


@pytest.mark.parametrize(
    "fields",
    [{"severity": 7}, {"score": "high"}, {"aliases": "CVE-2024-9"}, {"packageNumber": "0"}, {"id": None}, {"vex": []}],
)
def test_malformed_documents_are_not_evaluated(fields: dict[str, Any]) -> None:
    _, verdicts = evaluate(make_resource(make_entry(**fields)), make_resource())
    assert verdicts[0, NO_VULNERABILITIES.slug].reason.cause is Cause.MALFORMED
    assert verdicts[1, NO_VULNERABILITIES.slug].status is Status.PASSED


def test_unknown_severity_has_no_score() -> None:
    selection, _ = evaluate(make_resource(make_entry(severity="Bad")))
    assert selection.definitions[0].level is Severity.UNKNOWN
