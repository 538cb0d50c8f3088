"""Rows of the tables of vulnerabilities: the affected packages of images and SBOMs, and the upgrades that fix them.

All reports for people draw these rows. Computes no advice: the version to upgrade to comes from the document of the image
or SBOM, or is the only fixed version of a package. Formats no text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.comparison import FindingChange
from kubekeep.model.location import Location
from kubekeep.model.package import convert_source_version
from kubekeep.model.package_document import UpgradeAdvice
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import Cause
from kubekeep.reports.shared.vulnerabilities import ReportedVulnerability, VulnerableSubject, list_subjects

_INVESTIGATED: Final = "under_investigation"
"""Status of a VEX statement (OpenVEX 0.2)."""


class _PackageRow(msgspec.Struct, frozen=True):
    """A version of a package, the version to upgrade to, and vulnerabilities. fixed_version: empty without an upgrade."""

    package: str
    version: str
    fixed_version: str
    entries: tuple[ReportedVulnerability, ...]

    @property
    def level(self) -> Severity:
        """The highest priority of the vulnerabilities."""
        return max(map(get_level, self.entries))

    @property
    def is_exploited(self) -> bool:
        """True if one of the vulnerabilities is known to be exploited."""
        return any(entry.known_exploited for entry in self.entries)


class AffectedPackageRow(_PackageRow, frozen=True):
    """A package with its open vulnerabilities, the most urgent first."""

    @property
    def order(self) -> tuple[bool, list[float], str]:
        """Sort key: packages with an upgrade first, then by the priorities of the vulnerabilities."""
        return not self.fixed_version, [-entry.priority.score for entry in self.entries], self.package

    @property
    def urgency(self) -> tuple[bool, float, float]:
        """Sort key among all findings: that of its most urgent vulnerability, new ones first."""
        return min(
            (entry.evidence.change is not FindingChange.NEW, -entry.priority.score, -entry.definition.severity)
            for entry in self.entries
        )

    @property
    def location(self) -> Location | None:
        """Its entry in the file of an SBOM; None in an image."""
        return self.entries[0].location

    @property
    def line(self) -> str:
        """The line of its entry in the file of an SBOM; empty if it is not known."""
        return str(self.location.region.start.line) if self.location is not None and self.location.region else ""


class UpgradeRow(_PackageRow, frozen=True):
    """An upgrade, and the open vulnerabilities that it fixes; `remaining` is the number that it does not fix.

    Packages that are built from one source are upgraded together.
    """

    remaining: int

    @property
    def order(self) -> tuple[bool, int, int, str]:
        """Sort key: exploited ones first, then the most urgent, then those that fix most."""
        return not self.is_exploited, -self.level, -len(self.ids), self.package

    @property
    def ids(self) -> tuple[str, ...]:
        """The identifiers of the vulnerabilities, each once."""
        return tuple(dict.fromkeys(entry.id for entry in self.entries))


class SubjectRows(msgspec.Struct, frozen=True):
    """An image or SBOM with open vulnerabilities, each counted once for all its packages.

    levels: their priorities. fixable, exploited, investigated: numbers of those with a fixed version, with known
    exploitation, and under investigation by a VEX statement. packages: those with an upgrade first.
    """

    subject: VulnerableSubject
    levels: tuple[Severity, ...]
    fixable: int
    exploited: int
    investigated: int
    packages: tuple[AffectedPackageRow, ...]


def has_only_vulnerabilities(assessment: Assessment) -> bool:
    """Return True if no control was evaluated, only vulnerabilities: for an SBOM. Compliance is then no figure."""
    return any(summary.definition.concerns_packages for summary in assessment.summaries) and all(
        summary.definition.concerns_packages
        or (summary.reason is not None and summary.reason.cause is Cause.IRRELEVANT)
        for summary in assessment.summaries
    )


def list_affected(assessment: Assessment) -> list[SubjectRows]:
    """Return the images and SBOMs with open vulnerabilities, the most urgent one first."""
    affected = [(group_by_id(subject.open), subject) for subject in list_subjects(assessment) if subject.open]
    # With the zero, an image with more vulnerabilities comes before one with fewer.
    affected.sort(key=lambda pair: [*sorted(-max(entry.priority.score for entry in group) for group in pair[0]), 0.0])
    return [
        SubjectRows(
            subject=subject,
            levels=tuple(max(map(get_level, group)) for group in groups),
            fixable=_count(groups, lambda entry: entry.is_fixable),
            exploited=_count(groups, lambda entry: bool(entry.known_exploited)),
            investigated=_count(groups, lambda entry: entry.vex is not None and entry.vex.status == _INVESTIGATED),
            packages=tuple(list_packages(subject)),
        )
        for groups, subject in affected
    ]


def _count(
    groups: Iterable[Iterable[ReportedVulnerability]], condition: Callable[[ReportedVulnerability], bool]
) -> int:
    """Return the number of vulnerabilities of which an entry meets the condition."""
    return sum(any(map(condition, group)) for group in groups)


def group_by_id(entries: Iterable[ReportedVulnerability]) -> list[list[ReportedVulnerability]]:
    """Return the entries of each vulnerability, one for each of its packages."""
    groups: dict[str, list[ReportedVulnerability]] = {}
    for entry in entries:
        groups.setdefault(entry.id, []).append(entry)
    return list(groups.values())


def list_packages(subject: VulnerableSubject) -> list[AffectedPackageRow]:
    """Return the affected packages of an image or SBOM, those with an upgrade first."""
    upgrades = {number: upgrade for upgrade in subject.upgrades for number in upgrade.package_numbers}
    rows = [
        AffectedPackageRow(
            entries[0].package,
            entries[0].version,
            _find_fix(entries, upgrades.get(number)),
            tuple(sorted(entries, key=lambda entry: (-entry.priority.score, -entry.definition.severity, entry.id))),
        )
        for number, entries in _group_by_package(subject.open).items()
    ]
    return sorted(rows, key=lambda row: row.order)


def list_upgrades(subject: VulnerableSubject) -> list[UpgradeRow]:
    """Return the upgrades of an image or SBOM: exploited vulnerabilities first, then the most urgent."""
    return sorted(_create_upgrades(subject), key=lambda row: row.order)


def _create_upgrades(subject: VulnerableSubject) -> Iterator[UpgradeRow]:
    """Yield the upgrades that the document advises, else those of packages with exactly one fixed version."""
    by_package = _group_by_package(subject.open)
    for upgrade in subject.upgrades:
        entries = [entry for number in upgrade.package_numbers for entry in by_package.get(number, ())]
        if fixed := tuple(entry for entry in entries if entry.is_fixable and entry.id not in upgrade.remaining):
            yield UpgradeRow(upgrade.package, upgrade.version, upgrade.fixed_version, fixed, len(upgrade.remaining))
    for entries in by_package.values() if not subject.upgrades else ():
        if version := _get_only_fix(entries):
            fixed = tuple(entry for entry in entries if entry.fixed_version)
            yield UpgradeRow(entries[0].package, entries[0].version, version, fixed, len(entries) - len(fixed))


def _group_by_package(entries: Iterable[ReportedVulnerability]) -> dict[int, list[ReportedVulnerability]]:
    groups: dict[int, list[ReportedVulnerability]] = {}
    for entry in entries:
        groups.setdefault(entry.package_number, []).append(entry)
    return groups


def _find_fix(entries: Sequence[ReportedVulnerability], upgrade: UpgradeAdvice | None) -> str:
    """Return the version of a package that fixes its vulnerabilities; with the name of the source if it is the source's."""
    if upgrade is None:
        return _get_only_fix(entries)
    fixed = convert_source_version(entries[0].version, upgrade.version, upgrade.fixed_version)
    return fixed or _get_only_fix(entries) or f"{upgrade.package} {upgrade.fixed_version}"


def _get_only_fix(entries: Sequence[ReportedVulnerability]) -> str:
    """Return the fixed version if the vulnerabilities of a package have exactly one; which of several is higher is unknown."""
    versions = {entry.fixed_version for entry in entries if entry.fixed_version}
    return versions.pop() if len(versions) == 1 else ""


def get_level(entry: ReportedVulnerability) -> Severity:
    """Return the level of the priority, or the severity if the priority is unknown."""
    return entry.priority.level or entry.severity


def get_score(entry: ReportedVulnerability) -> float:
    """Return the score of the priority, or the severity score if the priority is unknown."""
    return entry.priority.score if entry.priority.level else entry.definition.severity
