"""Vulnerabilities of an assessment, one entry for each affected package, as all formats show them.

Joins the entries in the documents of images and SBOMs with their evidence, which has the exceptions and the changes since
a baseline. Never rates or matches anything; no I/O.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.images.package_url import parse_package_url
from kubekeep.images.sbom.identity import identify_line
from kubekeep.model.assessment import Assessment, DefinitionSummary, SubjectResult, UnreadInput
from kubekeep.model.definition import Definition
from kubekeep.model.exception import AppliedException
from kubekeep.model.image import KIND as IMAGE_KIND
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.known_vulnerability import KnownVulnerability
from kubekeep.model.location import Location, parse_path
from kubekeep.model.package import AffectedPackage
from kubekeep.model.package_document import (
    ListedPackages,
    PackageGap,
    PriorityEntry,
    UpgradeAdvice,
    VulnerabilityEntry,
    read_assessment,
    read_listed_packages,
)
from kubekeep.model.priority import UNKNOWN_PRIORITY
from kubekeep.model.secret_text import mask_text
from kubekeep.model.subject import Subject
from kubekeep.model.text import encode_json
from kubekeep.model.verdict import Evidence, Status
from kubekeep.model.workload_container import WorkloadContainer, raise_priority
from kubekeep.registry.reference import parse_image_name

_VERSION: Final = "vulnerability-v1"
"""Version of the hashed data of fingerprints."""
_NO_PACKAGES: Final = PackageGap("", "none is listed, so nothing was compared with advisories", incomplete=False)


class ReportedVulnerability(VulnerabilityEntry, frozen=True, kw_only=True):
    """A vulnerability of one package of an image or SBOM, with its evidence.

    The evidence has the exception and the change since the baseline. fingerprint: identity from scan to scan, independent of
    tags and versions. containers: those that run the image; the priority is that in the container where it is most urgent.
    """

    definition: Definition
    evidence: Evidence = msgspec.field(name="documentEvidence")
    subject: Subject
    fingerprint: str
    containers: tuple[WorkloadContainer, ...] = ()

    @property
    def exception(self) -> AppliedException | None:
        """The exception or VEX statement that covers it; None for an open vulnerability."""
        return self.evidence.exception

    @property
    def location(self) -> Location | None:
        """The entry of the package in the file of an SBOM; None for an image, of which `path` names the file."""
        return None if self.subject.kind == IMAGE_KIND else self.evidence.location


class VulnerableSubject(msgspec.Struct, frozen=True, kw_only=True):
    """An image or SBOM that was compared with advisories.

    reference: its name. digest, platform, distribution and operating_system (identifier and version of the distribution)
    are empty if unknown. vulnerabilities: the most urgent first, those with an exception too. layers: digests (diff IDs) in
    the order of the image, with the instruction of each. containers: those that run the image. packages: their number.
    """

    resource: Subject
    reference: str
    digest: str
    platform: str
    distribution: str
    operating_system: str
    vulnerabilities: tuple[ReportedVulnerability, ...]
    unassessed: tuple[PackageGap, ...]
    layers: Mapping[str, str]
    upgrades: tuple[UpgradeAdvice, ...]
    containers: tuple[WorkloadContainer, ...]
    packages: int

    @property
    def coverage(self) -> PackageCoverage:
        """Numbers of its packages, and of those that were not compared with advisories."""
        return PackageCoverage(self.packages, sum(len(gap.packages) for gap in self.unassessed))

    @property
    def open(self) -> tuple[ReportedVulnerability, ...]:
        """The vulnerabilities that no exception covers."""
        return tuple([entry for entry in self.vulnerabilities if entry.exception is None])

    @property
    def excepted(self) -> tuple[ReportedVulnerability, ...]:
        """The vulnerabilities that an exception or VEX statement covers."""
        return tuple([entry for entry in self.vulnerabilities if entry.exception is not None])


class PackageCoverage(msgspec.Struct, frozen=True):
    """Numbers of the packages of images and SBOMs, and of those that were not compared with advisories."""

    packages: int = 0
    unassessed: int = 0

    @property
    def is_unknown(self) -> bool:
        """True if no package was compared, so that the number of vulnerabilities is not known."""
        return self.unassessed >= self.packages

    @classmethod
    def sum(cls, parts: Iterable[PackageCoverage]) -> PackageCoverage:
        """Return the numbers of several images and SBOMs together."""
        coverages = list(parts)
        return cls(sum(part.packages for part in coverages), sum(part.unassessed for part in coverages))

    def describe(self) -> str:
        """Return `3 of 10 packages not assessed`; empty if all were compared."""
        if not self.unassessed:
            return "" if self.packages else "no packages listed"
        noun = "package" if self.packages == 1 else "packages"
        return f"{self.unassessed:,} of {self.packages:,} {noun} not assessed"


def measure_coverage(assessment: Assessment) -> PackageCoverage | None:
    """Return the numbers for all images and SBOMs of a scan; None if none was compared with advisories."""
    results = list(_iterate_results(assessment, _list_summaries(assessment)))
    if not results:
        return None
    return PackageCoverage.sum(_measure(result.subject.object) for result in results)


def _measure(document: Mapping[str, Any]) -> PackageCoverage:
    unassessed = sum(len(gap.packages) for gap in _list_gaps(document))
    return PackageCoverage(len(as_list(document.get("packages"))), unassessed)


def list_subjects(assessment: Assessment) -> tuple[VulnerableSubject, ...]:
    """Return the images and SBOMs that were compared with advisories, also those without vulnerabilities."""
    return tuple(iterate_subjects(assessment))


def iterate_subjects(assessment: Assessment) -> Iterator[VulnerableSubject]:
    """Yield what `list_subjects` returns; each document is decoded only when it is reached."""
    summaries = _list_summaries(assessment)
    for result in _iterate_results(assessment, summaries):
        yield _describe(result, summaries)


def iterate_unassessed(assessment: Assessment) -> Iterator[VulnerableSubject]:
    """Yield the images and SBOMs that have packages without an answer."""
    summaries = _list_summaries(assessment)
    for result in _iterate_results(assessment, summaries):
        if _list_gaps(result.subject.object):
            yield _describe(result, summaries)


def has_subjects(assessment: Assessment) -> bool:
    """Return True if an image or SBOM was compared with advisories."""
    return any(True for _ in _iterate_results(assessment, _list_summaries(assessment)))


def _list_summaries(assessment: Assessment) -> dict[str, DefinitionSummary]:
    return {
        summary.definition.slug: summary for summary in assessment.summaries if summary.definition.concerns_packages
    }


def _iterate_results(assessment: Assessment, summaries: Mapping[str, DefinitionSummary]) -> Iterator[SubjectResult]:
    """Yield the results of the images and SBOMs that were compared with advisories."""
    for result in assessment.results if summaries else ():
        if any(slug in summaries for slug in result.verdicts):
            yield result


def list_uncovered(assessment: Assessment) -> list[UnreadInput]:
    """Return what no control or advisory can cover, with the reason: parts of the input, and packages.

    `Assessment.unread` has the packages that other advisories could cover.
    """
    return [
        *assessment.unassessed,
        *_list_uncovered_packages(assessment),
    ]


def _list_uncovered_packages(assessment: Assessment) -> list[UnreadInput]:
    return [
        UnreadInput(_get_file(result.subject), gap.describe())
        for result in _iterate_results(assessment, _list_summaries(assessment))
        for gap in _list_gaps(result.subject.object)
        if not gap.incomplete
    ]


def _read(subject: Subject) -> ListedPackages:
    """Return the facts in a document; none if it is invalid, which the verdict on the subject says."""
    try:
        return read_listed_packages(subject.object)
    except msgspec.ValidationError:
        return ListedPackages()


def _list_gaps(document: Mapping[str, Any]) -> tuple[PackageGap, ...]:
    if not document.get("packages"):
        return (_NO_PACKAGES,)
    try:
        return read_assessment(document).not_assessed
    except msgspec.ValidationError:
        return ()


def _get_file(subject: Subject) -> Location:
    """Return the file of an SBOM, or the reference of an image."""
    source = subject.source if subject.kind != IMAGE_KIND else None
    return Location(source.path if source is not None else subject.name)


def _describe(result: SubjectResult, summaries: Mapping[str, DefinitionSummary]) -> VulnerableSubject:
    document = result.subject.object
    facts = _read(result.subject)
    image = as_mapping(document.get("image")) or as_mapping(document.get("subject"))
    distribution = as_mapping(document.get("distribution"))
    history = map(as_mapping, as_list(document.get("history")))
    return VulnerableSubject(
        resource=result.subject,
        reference=result.subject.name,
        digest=str(image.get("digest", "")),
        platform=str(image.get("platform", "")),
        distribution=str(distribution.get("name") or distribution.get("id", "")),
        operating_system=f"{distribution.get('id', '')} {distribution.get('versionId', '')}".strip(),
        vulnerabilities=tuple(sorted(_report_all(result, facts, summaries), key=_order)),
        unassessed=_list_gaps(document),
        layers={str(step["layer"]): mask_text(str(step.get("createdBy", ""))) for step in history if step.get("layer")},
        upgrades=facts.upgrades,
        containers=result.containers,
        packages=len(as_list(document.get("packages"))),
    )


def _report_all(
    result: SubjectResult, facts: ListedPackages, summaries: Mapping[str, DefinitionSummary]
) -> Iterator[ReportedVulnerability]:
    entries = {
        (entry.id.lower(), f"packages[{entry.package_number}].version"): entry for entry in facts.vulnerabilities
    }
    repository = get_repository(result.subject.name)
    for slug, verdict in result.verdicts.items():
        summary = summaries.get(slug)
        if summary is None or verdict.status is Status.NOT_EVALUATED:
            continue
        for evidence in verdict.evidence:
            # An entry without a match is one whose names are hidden.
            entry = entries.get((slug, evidence.path)) or _create_entry(summary.definition, evidence)
            yield _report(entry, evidence, summary.definition, result, repository)


def _create_entry(definition: Definition, evidence: Evidence) -> VulnerabilityEntry:
    """Return an entry from the evidence and the definition of a vulnerability."""
    package = evidence.package or AffectedPackage(name=evidence.message, version="unknown")
    steps = parse_path(evidence.path)
    number = steps[1] if len(steps) > 1 else None
    priority = definition.urgency or UNKNOWN_PRIORITY
    return VulnerabilityEntry(
        id=definition.id,
        aliases=definition.ids[1:],
        title=definition.title,
        purl=package.purl,
        package=package.name,
        version=package.version,
        severity_label=definition.level.label,
        fixed_version=package.fixed_version,
        fix_state="",
        path=package.path,
        layer=package.layer,
        priority_entry=PriorityEntry(priority.level.label, priority.score, priority.reasons),
        records=(),
        known_exploited=definition.known_exploited if isinstance(definition, KnownVulnerability) else "",
        epss=definition.epss if isinstance(definition, KnownVulnerability) else None,
        package_number=number if isinstance(number, int) else -1,
    )


def _report(
    entry: VulnerabilityEntry, evidence: Evidence, definition: Definition, result: SubjectResult, repository: str
) -> ReportedVulnerability:
    fields = {name: getattr(entry, name) for name in entry.__struct_fields__}
    fields["title"] = entry.title or definition.title
    if result.containers:
        priority = raise_priority(entry.priority, result.containers)
        fields["priority_entry"] = PriorityEntry(priority.level.label, priority.score, priority.reasons)
    return ReportedVulnerability(
        **fields,
        definition=definition,
        evidence=evidence,
        subject=result.subject,
        fingerprint=_fingerprint(definition.id, repository, result.subject.kind, entry),
        containers=result.containers,
    )


def _order(entry: ReportedVulnerability) -> tuple[Any, ...]:
    """Return the sort key: the most urgent first, then by package, so that the order is the same in every scan."""
    return (-entry.priority.score, -entry.severity, -(entry.score or 0.0), entry.package, entry.id, entry.path)


def _fingerprint(name: str, repository: str, kind: str, entry: VulnerabilityEntry) -> str:
    """Return 64 hexadecimal digits that are the same for all tags of an image and all affected versions of a package."""
    package = _identify_line(entry.purl) or ("", entry.package)
    identity = encode_json([_VERSION, name, kind, repository, package, entry.path])
    return hashlib.sha256(identity.encode()).hexdigest()


@functools.lru_cache(maxsize=1024)
def _identify_line(purl: str) -> tuple[str, str] | None:
    """Return the identity of a package over all its versions; None for an invalid package URL."""
    try:
        return identify_line(parse_package_url(purl))
    except ValueError:
        return None


def get_repository(reference: str) -> str:
    """Return the registry and repository of an image, or the text itself if it names none."""
    try:
        return parse_image_name(reference).name
    except ValueError:
        return reference
