"""Rows of affected packages and upgrades, which all reports for people draw."""

from __future__ import annotations

import copy
from typing import Any

from tests.reports.rendering import render_text
from tests.reports.vulnerable import assess_vulnerable, read_image

from kubekeep.model.severity import Severity
from kubekeep.privacy.encryption import pseudonymise
from kubekeep.reports.shared.affected_packages import list_affected, list_packages, list_upgrades
from kubekeep.reports.shared.vulnerabilities import list_subjects


def edit_entries(document: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the document with `fields` in all of its vulnerabilities."""
    document = copy.deepcopy(document)
    document["vulnerabilities"] = [entry | fields for entry in document["vulnerabilities"]]
    return document


def test_rows_have_the_open_vulnerabilities_of_the_document() -> None:
    for subject in list_subjects(assess_vulnerable()):
        rows = list_packages(subject)
        assert sorted(entry.fingerprint for row in rows for entry in row.entries) == sorted(
            entry.fingerprint for entry in subject.open
        )
        fixable = [bool(row.fixed_version) for row in rows]
        assert fixable == sorted(fixable, reverse=True), "packages with an upgrade are first"
        for upgrade in list_upgrades(subject):
            assert all(entry.is_fixable and entry.exception is None for entry in upgrade.entries)
            numbers = {entry.package_number for entry in upgrade.entries}
            versions = {row.fixed_version for row in rows if row.entries[0].package_number in numbers}
            assert versions == {upgrade.fixed_version}


def test_level_of_a_package_is_that_of_its_own_vulnerabilities() -> None:
    image = read_image()
    image["metadata"]["name"] = "registry.example.com/other:1"
    low = {"level": "Low", "score": 1.0, "reasons": []}
    assessment = assess_vulnerable(read_image(), edit_entries(image, severity="Low", score=2.0, priority=low))
    first, second = list_affected(assessment)
    assert first.subject.reference != "registry.example.com/other:1"
    assert max(row.level for row in first.packages) is Severity.CRITICAL
    # The same vulnerabilities are urgent in the other image.
    assert {row.level for row in second.packages} == {Severity.LOW}
    assert set(second.levels) == {Severity.LOW}


def test_without_advice_a_package_with_several_fixed_versions_has_no_upgrade() -> None:
    document = read_image()
    document["upgrades"] = []
    first, *others = document["vulnerabilities"]
    document["vulnerabilities"] = [
        first | {"fixedVersion": "2"},
        first | {"id": "CVE-2026-1", "aliases": [], "fixedVersion": "10"},
    ]
    (subject,) = list_subjects(assess_vulnerable(document))
    assert [row.fixed_version for row in list_packages(subject)] == [""]
    assert list_upgrades(subject) == []
    document["vulnerabilities"][1]["fixedVersion"] = "2"
    (subject,) = list_subjects(assess_vulnerable(document))
    assert [row.fixed_version for row in list_packages(subject)] == ["2"]
    (upgrade,) = list_upgrades(subject)
    assert (upgrade.fixed_version, len(upgrade.ids), upgrade.remaining) == ("2", 2, 0)
    assert others


def test_upgrade_counts_only_vulnerabilities_of_its_packages() -> None:
    """Another package of the same version with the same vulnerability is not part of the upgrade."""
    document = read_image()
    upgrade = next(upgrade for upgrade in document["upgrades"] if upgrade["fixes"])
    entry = next(entry for entry in document["vulnerabilities"] if entry["id"] in upgrade["fixes"])
    number = len(document["packages"])
    document["packages"].append(document["packages"][entry["packageNumber"]] | {"purl": "pkg:generic/vendored@1"})
    document["vulnerabilities"].append(
        entry | {"package": "vendored", "packageNumber": number, "version": upgrade["version"], "fixedVersion": ""}
    )
    (subject,) = list_subjects(assess_vulnerable(document))
    for row in list_upgrades(subject):
        assert "vendored" not in {entry.package for entry in row.entries}


def test_hidden_names_keep_packages_and_upgrades_together() -> None:
    assessment = assess_vulnerable()
    hidden = pseudonymise(assessment, None)
    for subject, other in zip(list_affected(assessment), list_affected(hidden), strict=True):
        assert len(subject.packages) == len(other.packages)
        assert (subject.fixable, subject.exploited) == (other.fixable, other.exploited)
        for row, replaced in zip(subject.packages, other.packages, strict=True):
            assert replaced.package not in ("", row.package)
            assert bool(replaced.fixed_version) == bool(row.fixed_version)
            assert replaced.line == row.line
    page = render_text("html", hidden)
    assert "Upgrade first" in page
    assert "3 known to be exploited" in page
    assert "3 known to be exploited" in render_text("html", assessment)
