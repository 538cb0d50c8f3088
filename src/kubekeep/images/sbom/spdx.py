"""SBOMs in SPDX 2.3 (ISO/IEC 5962), as JSON. Writes only; the same content gives the same bytes.

`spdx_tag_value` writes the same documents in the other syntax. The texts of annotations are in docs/guides/sbom.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from kubekeep.images.licence_expressions import join_licences, list_licences, parse_expression
from kubekeep.images.sbom.document import Sbom, SbomPart, SbomSubject, SubjectKind
from kubekeep.images.sbom.encoding import create_uuid, encode, format_time
from kubekeep.images.sbom.identity import get_package_url, identify
from kubekeep.model.package import Distribution, Package
from kubekeep.model.text import visible

NO_ASSERTION: Final = "NOASSERTION"
DOCUMENT: Final = "SPDXRef-DOCUMENT"
_NO_TIME: Final = "1970-01-01T00:00:00Z"
"""Time of a document whose subject has none: the field is required, and the time of the run would change the bytes."""
_NOT_IN_ID: Final = re.compile(r"[^A-Za-z0-9.]+")
_LONGEST_ID: Final = 60
_CHECKSUMS: Final = {"MD5": 32, "SHA-1": 40, "SHA-256": 64, "SHA-384": 96, "SHA-512": 128}
"""Algorithms with the lengths of their values; the names of SPDX have no hyphen."""
_HEXADECIMAL: Final = re.compile(r"[0-9a-f]+")
_PURPOSES: Final = {
    SubjectKind.IMAGE: "CONTAINER",
    SubjectKind.FOLDER: "SOURCE",
    SubjectKind.APPLICATION: "APPLICATION",
}


class SpdxChecksum(msgspec.Struct, frozen=True, rename="camel"):
    """The hash of a package."""

    algorithm: str
    checksum_value: str


class SpdxReference(msgspec.Struct, frozen=True, rename="camel"):
    """An identifier of a package outside of the document."""

    reference_category: str
    reference_type: str
    reference_locator: str


class SpdxAnnotation(msgspec.Struct, frozen=True, rename="camel"):
    """A fact that SPDX has no field for."""

    annotation_date: str
    annotation_type: str
    annotator: str
    comment: str


class SpdxPackage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A package, a distribution or the subject."""

    name: str
    id: str = msgspec.field(name="SPDXID")
    version_info: str = ""
    supplier: str | None = None
    download_location: str | None = None
    files_analyzed: bool | None = None
    checksums: tuple[SpdxChecksum, ...] = ()
    source_info: str = ""
    license_concluded: str | None = None
    license_declared: str | None = None
    copyright_text: str | None = None
    external_refs: tuple[SpdxReference, ...] = ()
    primary_package_purpose: str = ""
    annotations: tuple[SpdxAnnotation, ...] = ()


class SpdxLicence(msgspec.Struct, frozen=True, rename="camel"):
    """The text of a licence outside of the SPDX list."""

    license_id: str
    extracted_text: str
    name: str


class SpdxRelationship(msgspec.Struct, frozen=True, rename="camel"):
    """A relationship of two elements."""

    spdx_element_id: str
    relationship_type: str
    related_spdx_element: str


class SpdxCreation(msgspec.Struct, frozen=True, rename="camel"):
    """Time and tools of a document."""

    created: str
    creators: tuple[str, ...]


class SpdxDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A document of SPDX 2.3."""

    spdx_version: str = "SPDX-2.3"
    data_license: str = "CC0-1.0"
    id: str = msgspec.field(name="SPDXID", default=DOCUMENT)
    name: str
    document_namespace: str
    creation_info: SpdxCreation
    packages: tuple[SpdxPackage, ...]
    has_extracted_licensing_infos: tuple[SpdxLicence, ...]
    annotations: tuple[SpdxAnnotation, ...]
    relationships: tuple[SpdxRelationship, ...]


def write_json(sbom: Sbom) -> bytes:
    """Return the SBOM in SPDX 2.3 as JSON."""
    return encode(convert(sbom))


def convert(sbom: Sbom) -> SpdxDocument:
    """Return the SBOM as a document of SPDX 2.3."""
    return _SpdxConversion(sbom).convert()


class _SpdxConversion:
    """Conversion of one SBOM; collects the texts of licences."""

    def __init__(self, sbom: Sbom) -> None:
        self._sbom = sbom
        self._created = format_time(sbom.created) or _NO_TIME
        self._tool = _name_tool(sbom.tool, sbom.tool_version)
        self._licences: dict[str, SpdxLicence] = {}

    def convert(self) -> SpdxDocument:
        sbom = self._sbom
        whole = SbomPart(sbom.subject, sbom.distribution, tuple(map(identify, sbom.packages)))
        parts = sbom.parts or (whole,)
        systems = {_system_id(part.distribution): part.distribution for part in parts if part.distribution.id}
        subjects = [_convert_subject(part.subject, _subject_id(part.subject)) for part in parts]
        if sbom.parts:
            subjects.insert(0, _convert_subject(sbom.subject, _merged_id(sbom)))
        packages = [self._convert_package(package) for package in sbom.packages]
        name = _one_line(sbom.subject.name) or "unknown"
        return SpdxDocument(
            name=name,
            document_namespace=f"https://kubekeep.io/spdx/{create_uuid(sbom, 'spdx-2.3')}",
            creation_info=SpdxCreation(self._created, (*(_name_tool(*origin) for origin in sbom.origins), self._tool)),
            packages=(
                *subjects,
                *(self._convert_distribution(identifier, system) for identifier, system in systems.items()),
                *packages,
            ),
            has_extracted_licensing_infos=tuple(self._licences[key] for key in sorted(self._licences)),
            annotations=tuple(
                self._annotate("problem", f"{problem.path}: {problem.message}" if problem.path else problem.message)
                for problem in sbom.problems
            ),
            relationships=tuple(self._relate(parts)),
        )

    def _relate(self, parts: Iterable[SbomPart]) -> Iterator[SpdxRelationship]:
        ids = {identify(package): _package_id(package) for package in self._sbom.packages}
        if self._sbom.parts:
            yield SpdxRelationship(DOCUMENT, "DESCRIBES", _merged_id(self._sbom))
        for part in parts:
            subject = _subject_id(part.subject)
            if self._sbom.parts:
                yield SpdxRelationship(_merged_id(self._sbom), "CONTAINS", subject)
            else:
                yield SpdxRelationship(DOCUMENT, "DESCRIBES", subject)
            if part.distribution.id:
                yield SpdxRelationship(subject, "CONTAINS", _system_id(part.distribution))
            for reference in part.packages:
                if reference in ids:
                    yield SpdxRelationship(subject, "CONTAINS", ids[reference])
        for package in self._sbom.packages:
            own_id = ids[identify(package)]
            for reference in sorted({*package.dependencies}):
                if ids.get(reference, own_id) != own_id:
                    yield SpdxRelationship(own_id, "DEPENDS_ON", ids[reference])

    def _convert_package(self, package: Package) -> SpdxPackage:
        url = get_package_url(package)
        return SpdxPackage(
            name=package.name,
            id=_package_id(package),
            version_info=package.version,
            supplier=_convert_supplier(package.supplier),
            download_location=NO_ASSERTION,
            files_analyzed=False,
            checksums=tuple(_list_checksums(package.hashes)),
            source_info=package.evidence,
            license_concluded=NO_ASSERTION,
            license_declared=self._convert_licences(package.licences),
            copyright_text=NO_ASSERTION,
            external_refs=(SpdxReference("PACKAGE-MANAGER", "purl", url),) if url else (),
            primary_package_purpose="LIBRARY",
            annotations=tuple(self._annotate_package(package)),
        )

    def _annotate_package(self, package: Package) -> Iterator[SpdxAnnotation]:
        for location in package.locations:
            yield self._annotate("location", f"{location.path} layer={location.layer}")
        if not package.type and package.namespace:
            yield self._annotate("namespace", package.namespace)
        if package.declared:
            yield self._annotate("declared", "true")
        if package.source:
            yield self._annotate("source", f"{package.source.name} version={package.source.version}")

    def _convert_distribution(self, identifier: str, distribution: Distribution) -> SpdxPackage:
        values = (
            ("name", distribution.name),
            ("versionCodename", distribution.version_codename),
            ("variantId", distribution.variant_id),
            ("idLike", " ".join(distribution.id_like)),
        )
        package = _describe(distribution.id, identifier, distribution.version_id, "OPERATING-SYSTEM")
        annotations = tuple(self._annotate(f"distribution:{name}", value) for name, value in values if value)
        return msgspec.structs.replace(package, annotations=annotations)

    def _annotate(self, name: str, value: str) -> SpdxAnnotation:
        return SpdxAnnotation(self._created, "OTHER", self._tool, f"kubekeep:{name}: {value}")

    def _convert_licences(self, licences: tuple[str, ...]) -> str:
        parts = list_licences(licences)
        return join_licences(part if parse_expression(part) else self._refer(part) for part in parts) or NO_ASSERTION

    def _refer(self, text: str) -> str:
        """Return the identifier of a licence outside of the list, and keep its text."""
        identifier = f"LicenseRef-{create_identifier(text[:_LONGEST_ID], text)}"
        if identifier not in self._licences:
            self._licences[identifier] = SpdxLicence(identifier, text, text)
        return identifier


def _name_tool(name: str, version: str) -> str:
    """Return the creator for a program; the grammar of creators has no line ends."""
    tool = _one_line(name) or "unknown"
    return f"Tool: {tool}-{_one_line(version)}" if version.strip() else f"Tool: {tool}"


def _convert_subject(subject: SbomSubject, identifier: str) -> SpdxPackage:
    algorithm, _, value = subject.digest.partition(":")
    version = subject.version or subject.digest
    package = _describe(subject.name, identifier, version, _PURPOSES[subject.kind])
    return msgspec.structs.replace(
        package,
        checksums=tuple(_list_checksums([(algorithm.upper().replace("SHA", "SHA-", 1), value)])),
        source_info=f"platform: {subject.platform}" if subject.platform else "",
    )


def _describe(name: str, identifier: str, version: str, purpose: str) -> SpdxPackage:
    return SpdxPackage(
        name=name or "unknown",
        id=identifier,
        version_info=version,
        supplier=NO_ASSERTION,
        download_location=NO_ASSERTION,
        files_analyzed=False,
        license_concluded=NO_ASSERTION,
        license_declared=NO_ASSERTION,
        copyright_text=NO_ASSERTION,
        primary_package_purpose=purpose,
    )


def _convert_supplier(supplier: str) -> str:
    """Return the supplier as an organisation: packages do not state if the maintainer is a person."""
    text = _one_line(supplier)
    # Readers take text in parentheses for an address, which needs a name before it.
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    return f"Organization: {text}" if text else NO_ASSERTION


def _list_checksums(hashes: Iterable[tuple[str, str]]) -> Iterator[SpdxChecksum]:
    for algorithm, value in hashes:
        if len(value) == _CHECKSUMS.get(algorithm) and _HEXADECIMAL.fullmatch(value.lower()):
            yield SpdxChecksum(algorithm.replace("-", ""), value.lower())


def _one_line(text: str) -> str:
    return visible(text).strip()


def create_identifier(readable: str, unique: str) -> str:
    """Return an identifier of letters, digits, `.` and `-` that depends on `unique` alone."""
    digest = hashlib.sha256(unique.encode("utf-8", "replace")).hexdigest()
    short = _NOT_IN_ID.sub("-", readable)[:_LONGEST_ID].strip("-.")
    return f"{short}-{digest[:16]}" if short else digest[:16]


def _package_id(package: Package) -> str:
    return f"SPDXRef-Package-{create_identifier(f'{package.type}-{package.name[:_LONGEST_ID]}', identify(package))}"


def _subject_id(subject: SbomSubject) -> str:
    return f"SPDXRef-Subject-{create_identifier(subject.name[:_LONGEST_ID], subject.identity)}"


def _merged_id(sbom: Sbom) -> str:
    return f"SPDXRef-Merged-{create_identifier(sbom.subject.name[:_LONGEST_ID], sbom.subject.name)}"


def _system_id(distribution: Distribution) -> str:
    name = f"{distribution.id[:_LONGEST_ID]}-{distribution.version_id[:_LONGEST_ID]}"
    return f"SPDXRef-OperatingSystem-{create_identifier(name, f'{distribution.id}@{distribution.version_id}')}"
