"""The CycloneDX document of an assessment: components from the documents of images and SBOMs, and vulnerabilities.

Controls are not part of it. Input that was not read is a property of the metadata, as in an SBOM.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TextIO

import msgspec

from kubekeep.images.content import ContentProblem
from kubekeep.images.package_url import parse_package_url
from kubekeep.images.sbom.cyclonedx import CycloneDocument, create_document
from kubekeep.images.sbom.document import Sbom, SbomSubject, SubjectKind, unite_packages
from kubekeep.images.sbom.encoding import encode
from kubekeep.images.sbom.identity import identify, identify_everywhere
from kubekeep.images.sbom.image import TOOL
from kubekeep.images.sbom.merge import merge
from kubekeep.model.assessment import Assessment
from kubekeep.model.image import KIND as IMAGE_KIND
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.package import NO_DISTRIBUTION, Distribution, Package, PackageLocation
from kubekeep.model.text import utc_text, visible
from kubekeep.reports.cyclonedx.vulnerabilities import AffectedComponent, convert_vulnerabilities
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.shared.vulnerabilities import VulnerableSubject, list_subjects, list_uncovered

_VERSION: Final = "1.6"


class _VulnerabilityDocument(CycloneDocument, frozen=True, kw_only=True, rename="camel"):
    """A document with vulnerabilities."""

    vulnerabilities: tuple[dict[str, Any], ...]


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the document as indented JSON."""
    subjects = list_subjects(assessment)
    sboms = [_create_sbom(subject, assessment) for subject in subjects]
    whole = merge(sboms, _name(assessment)) if sboms else Sbom(subject=SbomSubject(_name(assessment)))
    unread = tuple(
        ContentProblem(visible(str(entry.location)), visible(entry.message))
        for entry in (*assessment.unread, *list_uncovered(assessment))
    )
    whole = msgspec.structs.replace(
        whole, created=utc_text(assessment.finished), problems=unread, tool=TOOL, tool_version=assessment.version
    )
    document = create_document(whole, _VERSION)
    vulnerabilities = tuple(convert_vulnerabilities(_list_affected(subjects, whole.packages)))
    fields = {name: getattr(document, name) for name in document.__struct_fields__}
    stream.write(encode(_VulnerabilityDocument(**fields, vulnerabilities=vulnerabilities)).decode())


def _name(assessment: Assessment) -> str:
    return visible(", ".join(assessment.target.names)) or "scan"


def _create_sbom(subject: VulnerableSubject, assessment: Assessment) -> Sbom:
    """Return the SBOM of the packages that the document of an image or SBOM lists."""
    document = subject.resource.object
    facts = as_mapping(document.get("subject"))
    kind = SubjectKind.IMAGE if subject.resource.kind == IMAGE_KIND else _read_kind(facts.get("kind"))
    distribution = as_mapping(document.get("distribution"))
    packages = (_read_package(as_mapping(entry)) for entry in as_list(document.get("packages")))
    return Sbom(
        subject=SbomSubject(
            visible(subject.reference),
            kind,
            version=str(facts.get("version", "")),
            digest=subject.digest,
            platform=subject.platform,
        ),
        created=utc_text(assessment.finished),
        distribution=Distribution(
            str(distribution["id"]), str(distribution.get("versionId", "")), str(distribution.get("name", ""))
        )
        if distribution.get("id")
        else NO_DISTRIBUTION,
        packages=unite_packages(packages).packages,
    )


def _read_kind(text: Any) -> SubjectKind:
    return SubjectKind(text) if text in set(SubjectKind) else SubjectKind.APPLICATION


def _read_package(entry: Mapping[str, Any]) -> Package:
    """Return a package of a document; one without a valid package URL has its name, else that text, as name."""
    purl, path = str(entry.get("purl", "")), str(entry.get("path", ""))
    try:
        package = parse_package_url(purl)
    except ValueError:
        package = Package(
            type="", name=visible(str(entry.get("name", purl))), version=visible(str(entry.get("version", "")))
        )
    location = PackageLocation(path.removeprefix("/"), str(entry.get("layer", "")))
    return msgspec.structs.replace(
        package,
        licences=tuple(map(str, as_list(entry.get("licences")))),
        locations=(location,) if path else (),
    )


def _list_affected(subjects: Sequence[VulnerableSubject], components: Iterable[Package]) -> Iterator[AffectedComponent]:
    """Yield each vulnerability with the `bom-ref` of the component it affects; none if names are hidden."""
    references: dict[str, str] = {}
    for component in components:
        # Packages of two releases of a distribution have the same identity apart from the release.
        references |= {identify_everywhere(component): identify(component), identify(component): identify(component)}
    for subject in subjects:
        for entry in subject.vulnerabilities:
            package = _read_package({"purl": entry.purl, "version": entry.version})
            reference = references.get(identify(package)) or references.get(identify_everywhere(package), "")
            yield AffectedComponent(entry, reference)
