"""SBOM and VEX documents of stored images, by the writers of Kubekeep. No I/O.

A statement has the status under_investigation for an open problem, because a scanner has reported it and nobody has
assessed it; not_affected or fixed if a VEX statement said so to every source; affected if an exception accepts it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from kubekeep._native import VERSION
from kubekeep.images.content import ContentProblem
from kubekeep.images.package_url import parse_package_url
from kubekeep.images.sbom.document import Sbom, SbomSubject, SubjectKind
from kubekeep.images.sbom.image import TOOL
from kubekeep.images.sbom.merge import merge
from kubekeep.images.sbom.write import write_sbom
from kubekeep.model.definition import FindingKind
from kubekeep.model.exception import ExceptionSource
from kubekeep.model.finding_document import EvidenceDocument, Suppression
from kubekeep.model.image import trim_tag
from kubekeep.model.package import ImagePackages, Package
from kubekeep.model.submission import DefinitionEntry, SubmittedFinding
from kubekeep.vulnerabilities.vex.document import ProductStatement, VexDocument, VexIdentity, VexStatus, VexTarget
from kubekeep.vulnerabilities.vex.write import write_vex
from kubekeep_server.store.compression import decompress
from kubekeep_server.store.image_reports import ImageReport
from kubekeep_server.store.queries.software import StoredImage, StoredSoftware

_FIXED: Final = ("fixed", "resolved")
"""First words of the reason of a statement that a product is fixed: of OpenVEX and of CycloneDX."""


class _Assessment(NamedTuple):
    """The status of a problem. text: the reason, or the fix."""

    status: VexStatus
    text: str


def write_software(software: StoredSoftware, name: str) -> bytes:
    """Return the SBOM of images in a format of `kubekeep.images.sbom.write`; of several, with the images of each package."""
    sbom = merge([_read_sbom(image) for image in software.images], software.name)
    return write_sbom(msgspec.structs.replace(sbom, tool=TOOL, tool_version=VERSION, origins=()), name)


def write_statements(software: StoredSoftware, name: str, author: str, moment: dt.datetime) -> bytes:
    """Return the VEX document of images in a format of `kubekeep.vulnerabilities.vex.write`.

    Raises LookupError if they have no vulnerability.
    """
    targets: dict[tuple[str, _Assessment], list[VexTarget]] = {}
    for image in software.images:
        product = _identify(image)
        for (key, purl), assessment in sorted(_assess(image, software.definitions)):
            targets.setdefault((key, assessment), []).append(_create_target(purl, product))
    if not targets:
        raise LookupError(f"{software.name} has no vulnerability")
    statements = tuple(
        _create_statement(software.definitions[key], assessment, tuple(group))
        for (key, assessment), group in sorted(targets.items(), key=lambda entry: entry[0])
    )
    return write_vex(VexDocument(author=author, timestamp=moment, statements=statements), name)


def _read_sbom(image: StoredImage) -> Sbom:
    """Return the SBOM of an image with the packages that any source has submitted."""
    subject = SbomSubject(
        image.references[0] if image.references else image.digest,
        SubjectKind.IMAGE,
        digest=image.digest,
        platform=image.platform,
        references=image.references[1:],
    )
    sboms = [_convert(msgspec.json.decode(decompress(part), type=ImagePackages), subject) for part in image.parts]
    return merge(sboms, subject.name)


def _convert(content: ImagePackages, subject: SbomSubject) -> Sbom:
    problems = (ContentProblem("", f"{content.problems} parts of the image could not be read"),)
    return Sbom(
        subject=subject,
        distribution=content.distribution,
        packages=content.packages,
        problems=problems if content.problems else (),
    )


def _identify(image: StoredImage) -> VexIdentity:
    """Return an image as a product: its package URL, or its digest if it has no name."""
    algorithm, _, value = image.digest.partition(":")
    if not image.references:
        return VexIdentity(names=(image.digest,), hashes=((algorithm, value),))
    repository = trim_tag(image.references[0])
    name = repository.rpartition("/")[2].lower()
    qualifiers = (("repository_url", repository),)
    return VexIdentity(purls=(Package(type="oci", name=name, version=image.digest, qualifiers=qualifiers),))


def _create_target(purl: str, product: VexIdentity) -> VexTarget:
    """Return a package in an image; the image itself for a problem without a package that has a valid package URL."""
    try:
        return VexTarget(VexIdentity(purls=(parse_package_url(purl),)), (product,))
    except ValueError:
        return VexTarget(product)


def _assess(
    image: StoredImage, definitions: dict[str, DefinitionEntry]
) -> Iterator[tuple[tuple[str, str], _Assessment]]:
    """Yield the status of each vulnerability, by key of the definition and package URL."""
    assessments: dict[tuple[str, str], _Assessment] = {}
    for part in image.parts:
        report = msgspec.msgpack.decode(decompress(part), type=ImageReport)
        for finding in (*report.entry.findings, *report.retained):
            entry = definitions.get(finding.definition)
            if entry is None or entry.kind != FindingKind.VULNERABILITY:
                continue
            for purl, assessment in _assess_finding(finding):
                key = (finding.definition, purl)
                # What one source reports, no statement of another one hides.
                if assessment.status is VexStatus.UNDER_INVESTIGATION or key not in assessments:
                    assessments[key] = assessment
    yield from assessments.items()


def _assess_finding(finding: SubmittedFinding) -> Iterator[tuple[str, _Assessment]]:
    for group in finding.suppressed:
        for purl, _ in _list_packages(group.evidence):
            yield purl, _assess_suppression(group.exception)
    if finding.is_open:
        for purl, fixed_version in _list_packages(finding.evidence or (EvidenceDocument(),)):
            fix = f"fixed in {fixed_version}" if fixed_version else "no fixed version known"
            yield purl, _Assessment(VexStatus.UNDER_INVESTIGATION, fix)


def _list_packages(evidence: Iterable[EvidenceDocument]) -> Iterator[tuple[str, str]]:
    for each in evidence:
        yield (each.package.purl, each.package.fixed_version) if each.package else ("", "")


def _assess_suppression(exception: Suppression) -> _Assessment:
    text = exception.reason or exception.name
    if exception.source != ExceptionSource.STATEMENT:
        return _Assessment(VexStatus.AFFECTED, f"accepted by the exception {exception.name}: {exception.reason}")
    is_fixed = text.startswith(_FIXED)
    return _Assessment(VexStatus.FIXED if is_fixed else VexStatus.NOT_AFFECTED, text or "a VEX statement")


def _create_statement(
    definition: DefinitionEntry, assessment: _Assessment, targets: tuple[VexTarget, ...]
) -> ProductStatement:
    status, text = assessment
    return ProductStatement(
        vulnerability=definition.id,
        status=status,
        targets=tuple(dict.fromkeys(targets)),
        aliases=tuple(alias for alias in definition.aliases if alias != definition.id),
        impact=text if status is VexStatus.NOT_AFFECTED else "",
        action=text if status is VexStatus.AFFECTED else "",
        notes=text if status in {VexStatus.FIXED, VexStatus.UNDER_INVESTIGATION} else "",
    )
