"""Packages of images and SBOMs with their open vulnerabilities, those with an upgrade first. Formats no text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.finding import Cause, Finding
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.known_vulnerability import KnownVulnerability, is_vulnerability
from kubekeep.model.location import Location, parse_path
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.reports.shared.urgency import priority_level
from kubekeep.reports.shared.vulnerabilities import IMAGE_KIND

_PACKAGES: Final = "packages"


class AffectedPackageRow(msgspec.Struct, frozen=True):
    """A package with its open vulnerabilities, the most urgent first.

    fixed_version: empty without an upgrade. location: its entry in the file of an SBOM; None in an image.
    """

    name: str
    version: str
    fixed_version: str
    findings: tuple[Finding, ...]
    location: Location | None

    @property
    def order(self) -> tuple[bool, list[float], str]:
        """Sort key: packages with an upgrade first, then by the priorities of the vulnerabilities."""
        return not self.fixed_version, [-finding.priority.score for finding in self.findings], self.name

    @property
    def level(self) -> Severity:
        """The highest priority of its vulnerabilities."""
        return max(map(priority_level, self.findings))

    @property
    def line(self) -> str:
        """The line of its entry in the file of an SBOM; empty if it is not known."""
        return str(self.location.region.start.line) if self.location is not None and self.location.region else ""

    @property
    def is_exploited(self) -> bool:
        """True if one of its vulnerabilities is known to be exploited."""
        return any(map(is_exploited, self.findings))


def is_exploited(finding: Finding) -> bool:
    """Return True for a vulnerability that is known to be exploited."""
    return isinstance(finding.definition, KnownVulnerability) and bool(finding.definition.known_exploited)


def has_only_vulnerabilities(assessment: Assessment) -> bool:
    """Return True if no control was evaluated, only vulnerabilities: for an SBOM. Compliance is then no figure."""
    return any(is_vulnerability(summary.control) for summary in assessment.controls) and all(
        is_vulnerability(summary.control) or (summary.reason is not None and summary.reason.cause is Cause.IRRELEVANT)
        for summary in assessment.controls
    )


def group_by_resource(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Return the findings of each image and SBOM, the most urgent one first."""
    by_resource: dict[int, list[Finding]] = {}
    for finding in findings:
        by_resource.setdefault(id(finding.resource), []).append(finding)
    return sorted(by_resource.values(), key=lambda group: sorted(-finding.priority.score for finding in group))


def list_packages(resource: Resource, findings: Iterable[Finding]) -> list[AffectedPackageRow]:
    """Return the affected packages of a resource, those with an upgrade first."""
    entries = as_list(resource.object.get(_PACKAGES))
    upgrades = _read_upgrades(resource)
    by_number: dict[int, list[Finding]] = {}
    fixed: dict[int, str] = {}
    locations: dict[int, Location | None] = {}
    for finding in findings:
        for evidence in finding.evidence:
            number = parse_path(evidence.path)[1]
            if isinstance(number, int):
                by_number.setdefault(number, []).append(finding)
                locations.setdefault(number, None if resource.kind == IMAGE_KIND else evidence.location)
                if evidence.fix is not None:
                    fixed.setdefault(number, msgspec.json.decode(evidence.fix))
    names = {
        entry["packageNumber"]: (entry["package"], entry["version"])
        for entry in map(as_mapping, as_list(resource.object.get("vulnerabilities")))
    }
    rows = [
        AffectedPackageRow(
            *names.get(number, (str(as_mapping(entries[number]).get("purl")), "")),
            upgrades.get(number, fixed.get(number, "")),
            tuple(sorted(group, key=lambda finding: (-finding.priority.score, -finding.score, finding.id))),
            locations[number],
        )
        for number, group in by_number.items()
    ]
    return sorted(rows, key=lambda row: row.order)


def _read_upgrades(resource: Resource) -> dict[int, str]:
    """Return the version to upgrade to by the number of the package."""
    return {
        number: upgrade["fixedVersion"]
        for upgrade in map(as_mapping, as_list(resource.object.get("upgrades")))
        for number in as_list(upgrade.get("packageNumbers"))
    }
