"""The tag-value syntax of SPDX 2.3: one `Tag: value` a line. Documents have the content of the JSON syntax."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from kubekeep.images.sbom.document import Sbom
from kubekeep.images.sbom.spdx import SpdxAnnotation, SpdxDocument, SpdxPackage, convert
from kubekeep.model.text import visible

_START: Final = "<text>"
_END: Final = "</text>"


def write_tag_value(sbom: Sbom) -> bytes:
    """Return the SBOM in SPDX 2.3 as tag-value text."""
    text = "\n".join(_list_lines(convert(sbom))) + "\n"
    return text.encode("utf-8", "replace")


def _list_lines(document: SpdxDocument) -> Iterator[str]:
    yield f"SPDXVersion: {document.spdx_version}"
    yield f"DataLicense: {document.data_license}"
    yield f"SPDXID: {document.id}"
    yield f"DocumentName: {_text(document.name)}"
    yield f"DocumentNamespace: {document.document_namespace}"
    for creator in document.creation_info.creators:
        yield f"Creator: {_text(creator)}"
    yield f"Created: {document.creation_info.created}"
    for package in document.packages:
        yield ""
        yield from _list_package_lines(package)
    for licence in document.has_extracted_licensing_infos:
        yield ""
        yield f"LicenseID: {licence.license_id}"
        yield f"ExtractedText: {_START}{_text(licence.extracted_text)}{_END}"
        yield f"LicenseName: {_text(licence.name)}"
    yield from _list_annotation_lines(document.id, document.annotations)
    for package in document.packages:
        yield from _list_annotation_lines(package.id, package.annotations)
    yield ""
    for relationship in document.relationships:
        yield (
            f"Relationship: {relationship.spdx_element_id} {relationship.relationship_type} "
            f"{relationship.related_spdx_element}"
        )


def _list_package_lines(package: SpdxPackage) -> Iterator[str]:
    yield f"PackageName: {_text(package.name)}"
    yield f"SPDXID: {package.id}"
    if package.version_info:
        yield f"PackageVersion: {_text(package.version_info)}"
    yield f"PackageSupplier: {_text(package.supplier or '')}"
    yield f"PackageDownloadLocation: {package.download_location}"
    yield "FilesAnalyzed: false"
    for checksum in package.checksums:
        yield f"PackageChecksum: {checksum.algorithm}: {checksum.checksum_value}"
    if package.source_info:
        yield f"PackageSourceInfo: {_START}{_text(package.source_info)}{_END}"
    yield f"PackageLicenseConcluded: {package.license_concluded}"
    yield f"PackageLicenseDeclared: {package.license_declared}"
    yield f"PackageCopyrightText: {package.copyright_text}"
    for reference in package.external_refs:
        yield f"ExternalRef: {reference.reference_category} {reference.reference_type} {reference.reference_locator}"
    yield f"PrimaryPackagePurpose: {package.primary_package_purpose}"


def _list_annotation_lines(element: str, annotations: Iterable[SpdxAnnotation]) -> Iterator[str]:
    for annotation in annotations:
        yield ""
        yield f"Annotator: {_text(annotation.annotator)}"
        yield f"AnnotationDate: {annotation.annotation_date}"
        yield f"AnnotationType: {annotation.annotation_type}"
        yield f"SPDXREF: {element}"
        yield f"AnnotationComment: {_START}{_text(annotation.comment)}{_END}"


def _text(value: str) -> str:
    """Return a value on one line, without the marks of text blocks, which cannot be escaped."""
    return visible(value).replace(_START, "[text]").replace(_END, "[/text]")
