"""Packages, vulnerabilities and gaps in the documents of images and SBOMs, as typed values. No I/O.

Rules in Rego read the same documents, so the names of their fields are published. `vulnerabilities` lists one entry for each
vulnerability of each package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.known_vulnerability import SUPPRESSING
from kubekeep.model.package import AffectedPackage
from kubekeep.model.priority import Priority
from kubekeep.model.severity import Severity
from kubekeep.model.vulnerability import MatchedRecord, VexStatement, VexUse

_LOWEST: Final = {
    Severity.UNKNOWN: 0.0,
    Severity.LOW: 1.0,
    Severity.MEDIUM: 4.0,
    Severity.HIGH: 7.0,
    Severity.CRITICAL: 9.0,
}
"""The lowest score of each severity, for ratings that are only a word."""
_LEVELS: Final = {level.label: level for level in Severity}


def parse_level(label: str) -> Severity:
    """Return the severity with a label; unknown for another text."""
    return _LEVELS.get(label, Severity.UNKNOWN)


class PriorityEntry(msgspec.Struct, frozen=True):
    """The priority of a vulnerability; `level` is the label of a severity."""

    level: str = ""
    score: float = 0.0
    reasons: tuple[str, ...] = ()


class VulnerabilityEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One vulnerability of one package.

    id: the CVE, or the best-known identifier. package: the name of the package, with the namespace where that is a part of
    the name; package_number: its position in the document. fixed_source: the source package that
    fixed_version belongs to, if the version of the package itself is unknown. score: of CVSS, None if there is only a severity. path: the file that proves the package, and layer its digest (diff ID). known_exploited: date of
    addition to CISA's catalogue; empty if not listed. records: the matching advisories. vex: the statement that applies, also
    one that suppresses nothing.
    """

    id: str
    aliases: tuple[str, ...]
    title: str
    purl: str
    package: str
    version: str
    severity_label: str = msgspec.field(name="severity")
    fixed_version: str
    fixed_source: str = ""
    fix_state: str
    path: str
    layer: str
    priority_entry: PriorityEntry = msgspec.field(name="priority")
    records: tuple[MatchedRecord, ...] = msgspec.field(name="evidence")
    upstream: tuple[str, ...] = ()
    score: float | None = None
    vector: str = ""
    severity_source: str = ""
    description: str = ""
    references: tuple[str, ...] = ()
    weaknesses: tuple[str, ...] = ()
    published: str = ""
    modified: str = ""
    known_exploited: str = ""
    ransomware: bool = False
    epss: float | None = None
    percentile: float | None = None
    symbols: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    vex: VexStatement | None = None
    package_number: int

    @property
    def severity(self) -> Severity:
        """The severity."""
        return parse_level(self.severity_label)

    @property
    def priority(self) -> Priority:
        """The priority."""
        entry = self.priority_entry
        return Priority(parse_level(entry.level), entry.score, reasons=entry.reasons)

    @property
    def is_fixable(self) -> bool:
        """True if a fixed version is known."""
        return bool(self.fixed_version)

    @property
    def package_type(self) -> str:
        """Type of the package URL, as "deb"; empty if it is unknown."""
        return self.purl.removeprefix("pkg:").partition("/")[0] if self.purl.startswith("pkg:") else ""

    @property
    def rating(self) -> float:
        """The severity score of a definition: that of the rating, if its band is that of the severity."""
        if self.score is None or Severity.from_score(self.score) is not self.severity:
            return _LOWEST[self.severity]
        return self.score

    @property
    def is_suppressed(self) -> bool:
        """True if a VEX statement says that the package is not affected."""
        return self.vex is not None and self.vex.status in SUPPRESSING

    @property
    def affected_package(self) -> AffectedPackage:
        """The package as evidence."""
        return AffectedPackage(self.purl, self.package, self.version, self.fixed_version, self.path, self.layer)


class PackageGap(msgspec.Struct, frozen=True):
    """Packages that were not compared with any advisory, with the reason and the next step.

    incomplete: True if other advisories could cover them, so that the scan is incomplete.
    """

    ecosystem: str = ""
    reason: str = ""
    incomplete: bool = True
    packages: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the number of the packages and the reason."""
        count = len(self.packages)
        subject = " ".join(filter(None, (f"{count:,}", self.ecosystem, "package" if count == 1 else "packages")))
        return f"{subject} not assessed: {self.reason}"


class UpgradeAdvice(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An upgrade of packages, and the identifiers of the vulnerabilities that it fixes and does not fix.

    package_numbers: positions of the packages in the document; binary packages of one source are upgraded together.
    """

    package: str
    version: str
    fixed_version: str
    package_numbers: tuple[int, ...]
    fixes: tuple[str, ...]
    remaining: tuple[str, ...]


class AssessmentEntry(msgspec.Struct, frozen=True, rename="camel"):
    """The packages without an answer, and the use of each statement of VEX documents."""

    not_assessed: tuple[PackageGap, ...] = ()
    statements: tuple[VexUse, ...] = ()


class ListedPackages(msgspec.Struct, frozen=True):
    """The fields of a document about packages and vulnerabilities."""

    packages: tuple[dict[str, Any], ...] = ()
    vulnerabilities: tuple[VulnerabilityEntry, ...] = ()
    upgrades: tuple[UpgradeAdvice, ...] = ()
    assessment: AssessmentEntry = AssessmentEntry()


def read_listed_packages(document: Mapping[str, Any]) -> ListedPackages:
    """Return the facts in the document of an image or SBOM. Raises msgspec.ValidationError for an invalid document."""
    return msgspec.convert(document, ListedPackages)


def read_assessment(document: Mapping[str, Any]) -> AssessmentEntry:
    """Return only the gaps and statements of a document. Raises msgspec.ValidationError for invalid ones."""
    return msgspec.convert(document.get("assessment", {}), AssessmentEntry)
