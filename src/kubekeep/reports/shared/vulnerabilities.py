"""Vulnerabilities of an assessment, one entry for each affected package, as all formats show them.

Joins the entries in the documents of images and SBOMs with their evidence, which has the exceptions and the changes since
a baseline. Never rates or matches anything; no I/O.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.images.package_url import parse_package_url
from kubekeep.images.sbom.identity import identify_line
from kubekeep.model.assessment import Assessment, ControlSummary, ResourceResult, UnreadInput
from kubekeep.model.exception import AppliedException
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.known_vulnerability import KnownVulnerability
from kubekeep.model.location import Location, parse_path
from kubekeep.model.priority import Priority
from kubekeep.model.resource import Resource
from kubekeep.model.secret_text import mask_text
from kubekeep.model.severity import Severity
from kubekeep.model.text import encode_json
from kubekeep.model.verdict import Evidence, Status
from kubekeep.model.vulnerability import VexStatement
from kubekeep.registry.reference import parse_image_name

IMAGE_KIND: Final = "ContainerImage"
_FIELD: Final = "vulnerabilities"
_VERSION: Final = "vulnerability-v1"
"""Version of the hashed data of fingerprints."""


class ReportedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An advisory record that affects a package, and the comparison with it; see `MatchedRecord`."""

    id: str = ""
    ecosystem: str = ""
    name: str = ""
    version: str = ""
    range: str = ""
    scheme: str = ""
    fixed_version: str = ""
    origin: str = ""


class _PriorityEntry(msgspec.Struct, frozen=True):
    level: str = ""
    score: float = 0.0
    reasons: tuple[str, ...] = ()


class _DocumentEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An entry of `vulnerabilities` in a document; `sources.images.assessed_packages` writes it."""

    id: str = ""
    aliases: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    purl: str = ""
    package: str = ""
    version: str = ""
    severity: str = ""
    score: float | None = None
    vector: str = ""
    severity_source: str = ""
    fixed_version: str = ""
    fix_state: str = ""
    path: str = ""
    layer: str = ""
    priority: _PriorityEntry = _PriorityEntry()
    evidence: tuple[ReportedRecord, ...] = ()
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
    package_number: int = -1


class ReportedVulnerability(msgspec.Struct, frozen=True, kw_only=True):
    """A vulnerability of one package of an image or SBOM.

    id: the CVE, or the best-known identifier. package: its name, with the namespace where that is a part of the name.
    score: of CVSS, None if there is only a severity. path: the file that proves the package, and layer its digest (diff
    ID). known_exploited: date of addition to CISA's catalogue; empty if not listed. records: the matching advisories.
    exception: the exception or VEX statement that covers it; None for an open one. vex: the statement that applies, also
    one that suppresses nothing. fingerprint: identity from scan to scan, independent of tags and versions.
    """

    id: str
    aliases: tuple[str, ...]
    upstream: tuple[str, ...]
    title: str
    description: str
    purl: str
    package: str
    version: str
    severity: Severity
    score: float | None
    vector: str
    severity_source: str
    fixed_version: str
    fix_state: str
    path: str
    layer: str
    priority: Priority
    records: tuple[ReportedRecord, ...]
    references: tuple[str, ...]
    weaknesses: tuple[str, ...]
    published: str
    modified: str
    known_exploited: str
    ransomware: bool
    epss: float | None
    percentile: float | None
    symbols: tuple[str, ...]
    notes: tuple[str, ...]
    vex: VexStatement | None
    control: KnownVulnerability
    evidence: Evidence
    resource: Resource
    fingerprint: str

    @property
    def exception(self) -> AppliedException | None:
        """The exception or VEX statement that covers it; None for an open vulnerability."""
        return self.evidence.exception

    @property
    def package_number(self) -> int:
        """The position of the package in the document; those of all its vulnerabilities are equal."""
        number = parse_path(self.evidence.path)[1]
        return number if isinstance(number, int) else -1

    @property
    def location(self) -> Location | None:
        """The entry of the package in the file of an SBOM; None for an image, of which `path` names the file."""
        return None if self.resource.kind == IMAGE_KIND else self.evidence.location

    @property
    def is_fixable(self) -> bool:
        """True if a fixed version is known."""
        return bool(self.fixed_version)

    @property
    def package_type(self) -> str:
        """Type of the package URL, as "deb"; empty if it is unknown."""
        return self.purl.removeprefix("pkg:").partition("/")[0] if self.purl.startswith("pkg:") else ""


class ReportedGap(msgspec.Struct, frozen=True, kw_only=True):
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


_NO_PACKAGES: Final = ReportedGap(reason="none is listed, so nothing was compared with advisories", incomplete=False)


class UpgradeAdvice(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An upgrade of packages, and the identifiers of the vulnerabilities that it fixes and does not fix.

    package_numbers: positions of the packages in the document; binary packages of one source are upgraded together.
    """

    package: str = ""
    version: str = ""
    fixed_version: str = ""
    fixes: tuple[str, ...] = ()
    remaining: tuple[str, ...] = ()
    package_numbers: tuple[int, ...] = ()


class VulnerableSubject(msgspec.Struct, frozen=True, kw_only=True):
    """An image or SBOM that was compared with advisories.

    reference: its name. digest, platform, distribution and operating_system (identifier and version of the distribution)
    are empty if unknown. vulnerabilities: the most urgent first, those with an exception too. layers: digests (diff IDs) in the order of the image, with the instruction of each.
    """

    resource: Resource
    reference: str
    digest: str
    platform: str
    distribution: str
    operating_system: str
    vulnerabilities: tuple[ReportedVulnerability, ...]
    unassessed: tuple[ReportedGap, ...]
    layers: Mapping[str, str]
    upgrades: tuple[UpgradeAdvice, ...]

    @property
    def open(self) -> tuple[ReportedVulnerability, ...]:
        """The vulnerabilities that no exception covers."""
        return tuple([entry for entry in self.vulnerabilities if entry.exception is None])

    @property
    def excepted(self) -> tuple[ReportedVulnerability, ...]:
        """The vulnerabilities that an exception or VEX statement covers."""
        return tuple([entry for entry in self.vulnerabilities if entry.exception is not None])


def list_subjects(assessment: Assessment) -> tuple[VulnerableSubject, ...]:
    """Return the images and SBOMs that were compared with advisories, also those without vulnerabilities."""
    return tuple(iterate_subjects(assessment))


def iterate_subjects(assessment: Assessment) -> Iterator[VulnerableSubject]:
    """Yield what `list_subjects` returns; each document is decoded only when it is reached."""
    summaries = _list_summaries(assessment)
    for result in _iterate_results(assessment, summaries):
        yield _describe(result, result.resource.object, summaries)


def _list_summaries(assessment: Assessment) -> dict[str, ControlSummary]:
    return {
        summary.control.slug: summary
        for summary in assessment.controls
        if isinstance(summary.control, KnownVulnerability)
    }


def _iterate_results(assessment: Assessment, summaries: Mapping[str, ControlSummary]) -> Iterator[ResourceResult]:
    """Yield the results of the images and SBOMs that were compared with advisories."""
    for result in assessment.results if summaries else ():
        if _FIELD in result.resource.object and any(slug in summaries for slug in result.verdicts):
            yield result


def _read_gaps(document: Mapping[str, Any]) -> tuple[ReportedGap, ...]:
    if not document.get("packages"):
        return (_NO_PACKAGES,)
    gaps = as_list(as_mapping(document.get("assessment")).get("notAssessed"))
    return tuple(_decode(gap, ReportedGap) for gap in gaps)


def list_uncovered(assessment: Assessment) -> list[UnreadInput]:
    """Return the packages that no advisories can cover, with the reason; `unread` has those that others could cover."""
    return [
        UnreadInput(_get_file(result.resource), gap.describe())
        for result in _iterate_results(assessment, _list_summaries(assessment))
        for gap in _read_gaps(result.resource.object)
        if not gap.incomplete
    ]


def _get_file(resource: Resource) -> Location:
    """Return the file of an SBOM, or the reference of an image."""
    source = resource.source if resource.kind != IMAGE_KIND else None
    return Location(source.path if source is not None else resource.name)


def drop_vulnerabilities(assessment: Assessment) -> Assessment:
    """Return the assessment without the vulnerabilities among its controls, for reports with a section about them."""
    controls = tuple(summary for summary in assessment.controls if not isinstance(summary.control, KnownVulnerability))
    return msgspec.structs.replace(assessment, controls=controls)


def _describe(
    result: ResourceResult, document: Mapping[str, Any], summaries: Mapping[str, ControlSummary]
) -> VulnerableSubject:
    image = as_mapping(document.get("image")) or as_mapping(document.get("subject"))
    distribution = as_mapping(document.get("distribution"))
    history = map(as_mapping, as_list(document.get("history")))
    return VulnerableSubject(
        resource=result.resource,
        reference=result.resource.name,
        digest=str(image.get("digest", "")),
        platform=str(image.get("platform", "")),
        distribution=str(distribution.get("name") or distribution.get("id", "")),
        operating_system=f"{distribution.get('id', '')} {distribution.get('versionId', '')}".strip(),
        vulnerabilities=tuple(sorted(_report_all(result, document, summaries), key=_order)),
        unassessed=_read_gaps(document),
        layers={str(step["layer"]): mask_text(str(step.get("createdBy", ""))) for step in history if step.get("layer")},
        upgrades=tuple(_decode(upgrade, UpgradeAdvice) for upgrade in as_list(document.get("upgrades"))),
    )


def _report_all(
    result: ResourceResult, document: Mapping[str, Any], summaries: Mapping[str, ControlSummary]
) -> Iterator[ReportedVulnerability]:
    decoded = [_decode(entry, _DocumentEntry) for entry in as_list(document[_FIELD])]
    entries = {(entry.id.lower(), f"packages[{entry.package_number}].version"): entry for entry in decoded}
    packages = {f"packages[{entry.package_number}].version": entry for entry in decoded}
    repository = get_repository(result.resource.name)
    for slug, verdict in result.verdicts.items():
        summary = summaries.get(slug)
        if summary is None or not isinstance(summary.control, KnownVulnerability):
            continue
        # An entry without a match is one whose names are hidden.
        for evidence in verdict.evidence if verdict.status is not Status.NOT_EVALUATED else ():
            entry = entries.get((slug, evidence.path)) or _create_entry(packages.get(evidence.path), evidence)
            yield _report(entry, evidence, summary.control, result, repository)


def _create_entry(other: _DocumentEntry | None, evidence: Evidence) -> _DocumentEntry:
    """Return an entry from the evidence, with the facts about the package of another entry of the same package."""
    fixed_version = str(msgspec.json.decode(evidence.fix)) if evidence.fix is not None else ""
    if other is None:
        return _DocumentEntry(version="unknown", package=evidence.message, fixed_version=fixed_version)
    facts = {name: getattr(other, name) for name in ("package", "version", "purl", "path", "layer")}
    return _DocumentEntry(**facts, fixed_version=fixed_version)


def _report(
    entry: _DocumentEntry, evidence: Evidence, control: KnownVulnerability, result: ResourceResult, repository: str
) -> ReportedVulnerability:
    fields = {name: getattr(entry, name) for name in entry.__struct_fields__}
    del fields["package_number"]
    fields |= {
        "id": control.id,
        "aliases": entry.aliases or control.ids[1:],
        "title": entry.title or control.title,
        "known_exploited": entry.known_exploited or control.known_exploited,
        "epss": control.epss if entry.epss is None else entry.epss,
        "severity": _parse_severity(entry.severity, control.level),
        "records": fields.pop("evidence"),
        "priority": control.urgency
        if not entry.priority.level
        else Priority(
            _parse_severity(entry.priority.level, control.level), entry.priority.score, reasons=entry.priority.reasons
        ),
    }
    return ReportedVulnerability(
        **fields,
        control=control,
        evidence=evidence,
        resource=result.resource,
        fingerprint=_fingerprint(control.id, repository, result.resource.kind, entry),
    )


def _order(entry: ReportedVulnerability) -> tuple[Any, ...]:
    """Return the sort key: the most urgent first, then by package, so that the order is the same in every scan."""
    return (-entry.priority.score, -entry.severity, -(entry.score or 0.0), entry.package, entry.id, entry.path)


def _parse_severity(text: str, default: Severity) -> Severity:
    try:
        return Severity.parse(text)
    except ValueError:
        return default


def _fingerprint(name: str, repository: str, kind: str, entry: _DocumentEntry) -> str:
    """Return 64 hexadecimal digits that are the same for all tags of an image and all affected versions of a package."""
    try:
        package = identify_line(parse_package_url(entry.purl))
    except ValueError:
        package = ("", entry.package)
    identity = encode_json([_VERSION, name, kind, repository, package, entry.path])
    return hashlib.sha256(identity.encode()).hexdigest()


def get_repository(reference: str) -> str:
    """Return the registry and repository of an image, or the text itself if it names none."""
    try:
        return parse_image_name(reference).name
    except ValueError:
        return reference


def _decode(value: Any, struct: type[Any]) -> Any:
    """Return `value` as a struct; fields of other types have their default, as documents come from files too."""
    fields = as_mapping(value)
    try:
        return msgspec.convert(fields, struct)
    except msgspec.ValidationError:
        usable: dict[str, Any] = {}
        for field in msgspec.structs.fields(struct):
            try:
                usable[field.name] = msgspec.convert(fields[field.encode_name], field.type)
            except (KeyError, msgspec.ValidationError):
                continue
        return struct(**usable)
