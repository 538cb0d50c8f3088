"""Vulnerabilities of packages as fields of a document. Imported only for scans that compare packages with advisories.

Never opens an image or a database itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kubekeep.images.package_url import format_package_url
from kubekeep.images.sbom.identity import identify
from kubekeep.model.package import Package, qualify_name
from kubekeep.model.priority import Priority
from kubekeep.model.vulnerability import NotAssessed, Vulnerability, VulnerabilityReport
from kubekeep.vulnerabilities.priority import prioritise
from kubekeep.vulnerabilities.upgrades import Upgrade, advise


def describe_assessment(report: VulnerabilityReport, packages: Sequence[Package]) -> dict[str, Any]:
    """Return the fields about vulnerabilities of a document that lists `packages` in this order."""
    numbers = {id(package): number for number, package in enumerate(packages)}
    return {
        "vulnerabilities": [
            describe_vulnerability(vulnerability) | {"packageNumber": numbers[id(vulnerability.package)]}
            for vulnerability in report.vulnerabilities
        ],
        "upgrades": [_describe_upgrade(upgrade, numbers) for upgrade in advise(report)],
        "assessment": {
            "notAssessed": [_describe_gap(gap) for gap in report.not_assessed],
            "statements": [msgspec.to_builtins(use) for use in report.vex],
        },
    }


def describe_vulnerability(vulnerability: Vulnerability) -> dict[str, Any]:
    """Return the entry of a vulnerability; absent facts have no field, a fixed version is empty if there is none."""
    package, signal, rating = vulnerability.package, vulnerability.signal, vulnerability.rating
    place = package.locations[0] if package.locations else None
    optional = {
        "upstream": list(vulnerability.upstream),
        "score": rating.score,
        "vector": rating.vector,
        "severitySource": rating.source,
        "description": vulnerability.details,
        "references": list(vulnerability.references),
        "weaknesses": list(vulnerability.weaknesses),
        "published": vulnerability.published,
        "modified": vulnerability.modified,
        "knownExploited": signal.known_exploited,
        "ransomware": signal.ransomware,
        "epss": signal.epss,
        "percentile": signal.percentile,
        "symbols": list(vulnerability.symbols),
        "notes": list(vulnerability.notes),
        "vex": msgspec.to_builtins(vulnerability.vex) if vulnerability.vex else None,
    }
    return {
        "id": vulnerability.id,
        "aliases": list(vulnerability.names[1:]),
        "title": vulnerability.summary,
        "purl": format_package_url(package),
        "package": qualify_name(package),
        "version": package.version,
        "severity": rating.level.label,
        "fixedVersion": vulnerability.fixed_version,
        "fixState": vulnerability.fix_state.value,
        "path": f"/{place.path}" if place else "",
        "layer": place.layer if place else "",
        "priority": _describe_priority(prioritise(vulnerability)),
        "evidence": [msgspec.to_builtins(record) for record in vulnerability.records],
        **{key: value for key, value in optional.items() if value not in (None, "", [], False)},
    }


def _describe_priority(priority: Priority) -> dict[str, Any]:
    return {"level": priority.level.label, "score": priority.score, "reasons": list(priority.reasons)}


def _describe_upgrade(upgrade: Upgrade, numbers: Mapping[int, int]) -> dict[str, Any]:
    return {
        "package": upgrade.name,
        "version": upgrade.version,
        "fixedVersion": upgrade.fixed_version,
        "packageNumbers": sorted(numbers[id(package)] for package in upgrade.packages),
        "fixes": sorted({vulnerability.id for vulnerability in upgrade.removed}),
        "remaining": sorted({vulnerability.id for vulnerability in upgrade.remaining}),
    }


def _describe_gap(gap: NotAssessed) -> dict[str, Any]:
    return {
        "ecosystem": gap.ecosystem,
        "reason": gap.reason,
        "incomplete": gap.is_incomplete,
        "packages": [identify(package) for package in gap.packages],
    }
