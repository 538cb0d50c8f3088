"""Vulnerabilities of packages as parts of a document. Never opens an image or a database itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from kubekeep.images.package import Package, qualify_name
from kubekeep.images.package_url import format_package_url
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location
from kubekeep.model.priority import Priority
from kubekeep.vulnerabilities.options import VulnerabilityOptions
from kubekeep.vulnerabilities.priority import prioritise
from kubekeep.vulnerabilities.scanner import VulnerabilityScanner
from kubekeep.vulnerabilities.upgrades import Upgrade, advise
from kubekeep.vulnerabilities.vulnerability import NotAssessed, Vulnerability, VulnerabilityReport


@contextlib.contextmanager
def open_scanner(options: VulnerabilityOptions | None) -> Iterator[VulnerabilityScanner | None]:
    """Yield a scanner with these options, which is closed at the end; None without options."""
    if options is None:
        yield None
        return
    with contextlib.closing(VulnerabilityScanner(options)) as scanner:
        yield scanner


def list_advisory_problems(scanner: VulnerabilityScanner | None) -> Iterator[UnreadInput]:
    """Yield the advisories and VEX documents that could not be read."""
    if scanner is not None:
        yield from (UnreadInput(Location("advisories"), message) for message in scanner.list_problems())


def list_unassessed(report: VulnerabilityReport, name: str) -> Iterator[UnreadInput]:
    """Yield a part of the input that was not read for each group of packages that another database could assess."""
    for gap in report.not_assessed:
        if gap.is_incomplete:
            count = len(gap.packages)
            subject = f"{count} {gap.ecosystem}".rstrip()
            yield UnreadInput(Location(name), f"{subject} package{'s' * (count != 1)} not assessed: {gap.reason}")


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
        "packages": [format_package_url(package) for package in gap.packages],
    }
