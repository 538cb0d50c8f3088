"""Vulnerabilities of packages as fields of a document. Imported only for scans that compare packages with advisories.

Never opens an image or a database itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from kubekeep.images.package_url import format_package_url
from kubekeep.images.sbom.identity import identify
from kubekeep.model.package import Package, qualify_name
from kubekeep.model.package_document import (
    AssessmentEntry,
    ListedPackages,
    PackageGap,
    PriorityEntry,
    UpgradeAdvice,
    VulnerabilityEntry,
)
from kubekeep.model.text import encode_json
from kubekeep.model.vulnerability import NotAssessed, Vulnerability, VulnerabilityReport
from kubekeep.vulnerabilities.priority import prioritise
from kubekeep.vulnerabilities.upgrades import Upgrade, advise


def describe_assessment(report: VulnerabilityReport, packages: Sequence[Package]) -> dict[str, Any]:
    """Return the fields about vulnerabilities of a document that lists `packages` in this order."""
    numbers = {id(package): number for number, package in enumerate(packages)}
    entries = [_describe_vulnerability(entry, numbers[id(entry.package)]) for entry in report.vulnerabilities]
    assessment = AssessmentEntry(tuple(map(_describe_gap, report.not_assessed)), report.vex)
    facts = ListedPackages(
        (), tuple(entries), tuple(_describe_upgrade(upgrade, numbers) for upgrade in advise(report)), assessment
    )
    # Redaction and the encoder of objects require lists instead of tuples.
    fields: dict[str, Any] = msgspec.json.decode(encode_json(facts))
    del fields["packages"]
    return fields


def _describe_vulnerability(vulnerability: Vulnerability, number: int) -> VulnerabilityEntry:
    package, signal, rating = vulnerability.package, vulnerability.signal, vulnerability.rating
    location = package.locations[0] if package.locations else None
    priority = prioritise(vulnerability)
    return VulnerabilityEntry(
        id=vulnerability.id,
        aliases=vulnerability.names[1:],
        title=vulnerability.summary,
        purl=format_package_url(package),
        package=qualify_name(package),
        version=package.version,
        severity_label=rating.level.label,
        fixed_version=vulnerability.fixed_version,
        fixed_source=vulnerability.fixed_source,
        fix_state=vulnerability.fix_state.value,
        path=f"/{location.path}" if location else "",
        layer=location.layer if location else "",
        priority_entry=PriorityEntry(priority.level.label, priority.score, priority.reasons),
        records=vulnerability.records,
        upstream=vulnerability.upstream,
        score=rating.score,
        vector=rating.vector,
        severity_source=rating.source,
        description=vulnerability.details,
        references=vulnerability.references,
        weaknesses=vulnerability.weaknesses,
        published=vulnerability.published,
        modified=vulnerability.modified,
        known_exploited=signal.known_exploited,
        ransomware=signal.ransomware,
        epss=signal.epss,
        percentile=signal.percentile,
        symbols=vulnerability.symbols,
        notes=(*vulnerability.notes, *_describe_statement(vulnerability)),
        vex=vulnerability.vex,
        package_number=number,
    )


def _describe_statement(vulnerability: Vulnerability) -> Iterator[str]:
    """Yield a note about a VEX statement that leaves the vulnerability open; a report shows the others as exceptions."""
    vex = vulnerability.vex
    if vex is not None and not vulnerability.is_suppressed:
        yield f"{vex.summary} (VEX statement in {vex.origin})" if vex.origin else f"{vex.summary} (VEX statement)"


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
