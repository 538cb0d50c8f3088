"""Vulnerabilities of packages as fields of a document. Imported only for scans that compare packages with advisories.

Never opens an image or a database itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kubekeep.images.sbom.identity import identify
from kubekeep.model.package import Package
from kubekeep.model.package_document import (
    AssessmentEntry,
    ListedPackages,
    PackageGap,
    UpgradeAdvice,
)
from kubekeep.model.text import encode_json
from kubekeep.model.vulnerability import NotAssessed, VulnerabilityReport
from kubekeep.vulnerabilities.entries import describe_vulnerability
from kubekeep.vulnerabilities.upgrades import Upgrade, advise


def describe_assessment(report: VulnerabilityReport, packages: Sequence[Package]) -> dict[str, Any]:
    """Return the fields about vulnerabilities of a document that lists `packages` in this order."""
    numbers = {id(package): number for number, package in enumerate(packages)}
    entries = [describe_vulnerability(entry, numbers[id(entry.package)]) for entry in report.vulnerabilities]
    assessment = AssessmentEntry(tuple(map(_describe_gap, report.not_assessed)), report.vex)
    facts = ListedPackages(
        (), tuple(entries), tuple(_describe_upgrade(upgrade, numbers) for upgrade in advise(report)), assessment
    )
    # Redaction and the encoder of objects require lists instead of tuples.
    fields: dict[str, Any] = msgspec.json.decode(encode_json(facts))
    del fields["packages"]
    return fields


def _describe_upgrade(upgrade: Upgrade, numbers: Mapping[int, int]) -> UpgradeAdvice:
    return UpgradeAdvice(
        package=upgrade.name,
        version=upgrade.version,
        fixed_version=upgrade.fixed_version,
        package_numbers=tuple(sorted(numbers[id(package)] for package in upgrade.packages)),
        fixes=tuple(sorted({vulnerability.id for vulnerability in upgrade.removed})),
        remaining=tuple(sorted({vulnerability.id for vulnerability in upgrade.remaining})),
    )


def _describe_gap(gap: NotAssessed) -> PackageGap:
    return PackageGap(gap.ecosystem, gap.reason, gap.is_incomplete, tuple(map(identify, gap.packages)))
