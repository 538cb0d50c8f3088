"""SBOMs of other tools as submissions: packages of images, and the vulnerabilities that CycloneDX documents have.

An image is identified by its digest. Software without one is a subject of the sender's source, and its packages are not stored,
because the store has packages of images only. An SBOM closes nothing but vulnerabilities of its own subject, and these only
if the document lists vulnerabilities.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from kubekeep.images.errors import SbomError
from kubekeep.images.sbom.document import Sbom, SbomPart, SubjectKind
from kubekeep.images.sbom.identity import identify
from kubekeep.images.sbom.read import read_sbom
from kubekeep.model.finding_document import EvidenceDocument
from kubekeep.model.fingerprint import Identity
from kubekeep.model.image import API_VERSION
from kubekeep.model.package import ImagePackages, Package
from kubekeep.model.resource import ResourceSubject
from kubekeep.model.scanned_source import ScannedSource, SourceRegistry
from kubekeep.model.submission import EvaluatedScope, GapEntry, ImageEntry, Submission
from kubekeep_server.foreign.assembly import ReceivedReport, SubjectDraft, build_submission
from kubekeep_server.foreign.cyclonedx_vulnerabilities import (
    VulnerabilitySection,
    describe_vulnerability,
    list_affected,
    read_analysis,
)
from kubekeep_server.foreign.decoding import MAX_TEXT, ForeignDocumentError, check_size, decode, replace_nul, shorten
from kubekeep_server.foreign.image_findings import GROUP, LISTED, create_image, describe_affected, is_digest

_DESCRIPTION: Final = "an SBOM"
_KIND: Final = "Sbom"
_MAX_PACKAGE_URL: Final = 1024
"""Maximum bytes of a package URL: databases limit the length of indexed texts."""
_HOST: Final = re.compile(
    r"([a-z0-9-]+(?:\.[a-z0-9-]+)+(?::[0-9]{1,5})?|localhost:[0-9]{1,5})/", re.ASCII | re.IGNORECASE
)
"""The registry of a reference that names one."""


class _DescribedPart(msgspec.Struct):
    """A subject of a document with its packages. references: of the packages, as affected components name them."""

    part: SbomPart
    digest: str
    draft: SubjectDraft
    packages: dict[str, Package]


def convert(document: bytes, source: ScannedSource | None, received: dt.datetime) -> Submission:
    """Return the submission of an SBOM in CycloneDX, SPDX or Syft's JSON, also in an attestation, which is not verified.

    Without a source, it is the registry in the names of its images. Raises ForeignDocumentError.
    """
    check_size(document, _DESCRIPTION)
    try:
        sbom = read_sbom(replace_nul(document), _DESCRIPTION)
    except SbomError as error:
        raise ForeignDocumentError(str(error)) from None
    _check_packages(sbom)
    is_cyclonedx = sbom.format.startswith("CycloneDX") and b'"vulnerabilities"' in document
    section = decode(document, VulnerabilitySection, _DESCRIPTION) if is_cyclonedx else VulnerabilitySection()
    parts = [_describe(part, sbom) for part in _list_parts(sbom)]
    for part in parts:
        part.draft.listed_kinds = LISTED if section.is_complete else ()
    _add_vulnerabilities(parts, section, dict(sbom.references))
    return build_submission(
        source or _find_source(parts),
        ReceivedReport((document,), received, _read_time(sbom.created)),
        [part.draft.build((), "") for part in parts],
        {entry.key: describe_vulnerability(entry) for entry in section.vulnerabilities or ()}.values(),
        scope=EvaluatedScope(is_partial=True),
        gaps=_list_gaps(sbom, parts),
        images={part.digest: _create_image_entry(part, sbom) for part in parts if part.digest}.values(),
    )


def _check_packages(sbom: Sbom) -> None:
    """Raise ForeignDocumentError for a package that databases cannot store."""
    for package in sbom.packages:
        if len(identify(package)) > _MAX_PACKAGE_URL:
            raise ForeignDocumentError(f"the package URL of {shorten(package.name, 80)} is too long")
    if any("\0" in text for package in sbom.packages for text in (package.namespace, package.name, package.version)):
        raise ForeignDocumentError("a package URL has a NUL character")


def _list_parts(sbom: Sbom) -> tuple[SbomPart, ...]:
    """Return the subjects of a document; one for all packages if it is not merged."""
    return sbom.parts or (SbomPart(sbom.subject, sbom.distribution, tuple(map(identify, sbom.packages))),)


def _describe(part: SbomPart, sbom: Sbom) -> _DescribedPart:
    subject, names = part.subject, frozenset(part.packages)
    packages = {name: package for package in sbom.packages if (name := identify(package)) in names}
    digests = {reference.rpartition("@")[2] for reference in subject.references if "@" in reference}
    digest = subject.digest or (digests.pop() if len(digests) == 1 else "")
    digest = digest if subject.kind is SubjectKind.IMAGE and is_digest(digest) else ""
    if subject.kind is SubjectKind.IMAGE:
        draft = create_image(subject.name or digest, digest, subject.platform)
    else:
        name = shorten(subject.name or "SBOM")
        draft = SubjectDraft(ResourceSubject(API_VERSION, _KIND, name), Identity(GROUP, _KIND, "", name))
    return _DescribedPart(part, digest, draft, packages)


def _find_source(parts: list[_DescribedPart]) -> ScannedSource:
    hosts = {match[1].lower() for part in parts if (match := _HOST.match(part.part.subject.name))}
    if len(hosts) != 1 or not all(part.digest for part in parts):
        raise ForeignDocumentError("the SBOM is not about images of one registry by digest: name the source")
    return SourceRegistry(hosts.pop())


def _add_vulnerabilities(
    parts: list[_DescribedPart], section: VulnerabilitySection, references: dict[str, str]
) -> None:
    """Add the findings of each vulnerability to the subjects with an affected component."""
    for vulnerability, reference, fixed_version in list_affected(section.vulnerabilities or ()):
        name = references.get(reference, reference)
        owners = [part for part in parts if name in part.packages]
        # Without a package, the subject itself is affected; the parts of a merged document have names of their own.
        for part in owners or (parts if len(parts) == 1 else ()):
            package = part.packages.get(name)
            evidence = (
                describe_affected(package, fixed_version, vulnerability.recommendation)
                if package is not None
                else EvidenceDocument(message=shorten(vulnerability.recommendation, MAX_TEXT))
            )
            part.draft.fail(vulnerability.key).add([evidence], read_analysis(vulnerability))


def _create_image_entry(part: _DescribedPart, sbom: Sbom) -> ImageEntry:
    subject = part.part.subject
    names = sorted({shorten(name) for name in (subject.name, *subject.references) if name})
    packages = tuple(part.packages.values())
    content = ImagePackages(part.part.distribution, packages, problems=len(sbom.problems))
    return ImageEntry(part.digest, tuple(names), shorten(subject.platform), content)


def _list_gaps(sbom: Sbom, parts: list[_DescribedPart]) -> Iterator[GapEntry]:
    for problem in sbom.problems:
        yield GapEntry(shorten(": ".join(filter(None, (problem.path, problem.message))), MAX_TEXT))
    for part in parts:
        if not part.digest and part.packages:
            yield GapEntry(
                shorten(
                    f"the packages of {part.part.subject.name} are not stored: the SBOM names no digest of an image"
                )
            )


def _read_time(text: str) -> dt.datetime | None:
    try:
        return msgspec.convert(text, dt.datetime)
    except msgspec.ValidationError:
        return None
