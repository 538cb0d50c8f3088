"""Vulnerabilities of packages as parts of a document. Never opens an image or a database itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from kubekeep.images.package import Package, qualify_name
from kubekeep.images.package_url import format_package_url
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location
from kubekeep.model.priority import Priority
from kubekeep.vulnerabilities.vulnerability import NotAssessed, Vulnerability, VulnerabilityReport


def describe_assessment(report: VulnerabilityReport, packages: Sequence[Package]) -> dict[str, Any]:
    """Return the fields `vulnerabilities` and `assessment` of a document that lists `packages` in this order."""
    numbers = {id(package): number for number, package in enumerate(packages)}
    return {
        "vulnerabilities": [
            describe_vulnerability(vulnerability) | {"packageNumber": numbers[id(vulnerability.package)]}
            for vulnerability in report.vulnerabilities
        ],
        "assessment": {"notAssessed": [_describe_gap(gap) for gap in report.not_assessed]},
    }


def list_unassessed(report: VulnerabilityReport, name: str) -> Iterator[UnreadInput]:
    """Yield a part of the input that was not read for each group of packages without an answer."""
    for gap in report.not_assessed:
        count = len(gap.packages)
        yield UnreadInput(
            Location(name), f"{count} {gap.ecosystem} package{'s' * (count > 1)} not assessed: {gap.reason}"
        )


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
        "aliases": list(dict.fromkeys((*vulnerability.names[1:], *vulnerability.upstream))),
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


def _describe_gap(gap: NotAssessed) -> dict[str, Any]:
    return {
        "ecosystem": gap.ecosystem,
        "reason": gap.reason,
        "packages": [format_package_url(package) for package in gap.packages],
    }
