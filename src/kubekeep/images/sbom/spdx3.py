"""SBOMs in SPDX 3.0.1, as JSON-LD: the content of a document of SPDX 2.3 in the elements of the newer model. Writes only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from kubekeep.images.sbom.document import Sbom
from kubekeep.images.sbom.encoding import create_uuid, encode
from kubekeep.images.sbom.spdx import (
    DOCUMENT,
    NO_ASSERTION,
    SpdxAnnotation,
    SpdxDocument,
    SpdxPackage,
    convert,
    create_identifier,
)

NAMESPACE: Final = "https://kubekeep.io/spdx/"
CONTEXT: Final = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
_CREATION: Final = "_:creationInfo"
_PURPOSES: Final = {
    "CONTAINER": "container",
    "SOURCE": "source",
    "APPLICATION": "application",
    "OPERATING-SYSTEM": "operatingSystem",
    "LIBRARY": "library",
}
_RELATIONSHIPS: Final = {"CONTAINS": "contains", "DEPENDS_ON": "dependsOn"}
_Element = dict[str, Any]


def write_json_ld(sbom: Sbom) -> bytes:
    """Return the SBOM in SPDX 3.0.1 as JSON-LD."""
    namespace = f"{NAMESPACE}{create_uuid(sbom, 'spdx-3.0.1')}#"
    graph = _Graph(convert(sbom), namespace, is_incomplete=bool(sbom.problems))
    return encode({"@context": CONTEXT, "@graph": list(graph.list_elements())})


class _Graph:
    """The elements of one document; collects suppliers and licences, which several packages share."""

    def __init__(self, document: SpdxDocument, namespace: str, *, is_incomplete: bool) -> None:
        self._document = document
        self._namespace = namespace
        self._completeness = "incomplete" if is_incomplete else "noAssertion"
        self._suppliers: dict[str, _Element] = {}
        self._licences: dict[str, _Element] = {}
        self._texts = {
            licence.license_id: f"{namespace}{licence.license_id}" for licence in document.has_extracted_licensing_infos
        }

    def list_elements(self) -> Iterator[_Element]:
        """Yield all elements of the graph."""
        document = self._document
        tools = [creator.removeprefix("Tool: ") for creator in document.creation_info.creators]
        yield {
            "@id": _CREATION,
            "type": "CreationInfo",
            "specVersion": "3.0.1",
            "created": document.creation_info.created,
            "createdBy": [f"{self._namespace}Agent"],
            "createdUsing": [f"{self._namespace}Tool-{number}" for number, _ in enumerate(tools, start=1)],
        }
        yield self._create("SoftwareAgent", "Agent", name=tools[-1])
        for number, tool in enumerate(tools, start=1):
            yield self._create("Tool", f"Tool-{number}", name=tool)
        roots = [
            self._refer(relationship.related_spdx_element)
            for relationship in document.relationships
            if relationship.relationship_type == "DESCRIBES"
        ]
        data_licence = self._convert_licence(document.data_license)
        yield self._create(
            "SpdxDocument",
            "Document",
            name=document.name,
            dataLicense=data_licence,
            profileConformance=["core", "software", "simpleLicensing"],
            rootElement=[f"{self._namespace}Sbom"],
        )
        yield self._create("software_Sbom", "Sbom", rootElement=roots, software_sbomType=["analyzed"])
        packages = [self._convert_package(package) for package in document.packages]
        declared = list(self._list_declared_licences())
        yield from (*self._suppliers.values(), *packages)
        for licence in document.has_extracted_licensing_infos:
            yield self._create(
                "simplelicensing_SimpleLicensingText",
                licence.license_id,
                name=licence.name,
                simplelicensing_licenseText=licence.extracted_text,
            )
        yield from (*self._licences.values(), *declared, *self._list_relationships())
        yield from self._list_annotations(f"{self._namespace}Document", DOCUMENT, document.annotations)
        for package in document.packages:
            yield from self._list_annotations(self._refer(package.id), package.id, package.annotations)

    def _create(self, element_type: str, identifier: str, /, **fields: Any) -> _Element:
        return {"type": element_type, "spdxId": f"{self._namespace}{identifier}", "creationInfo": _CREATION, **fields}

    def _refer(self, identifier: str) -> str:
        return self._namespace + identifier.removeprefix("SPDXRef-")

    def _convert_package(self, package: SpdxPackage) -> _Element:
        fields: _Element = {"name": package.name, "software_primaryPurpose": _PURPOSES[package.primary_package_purpose]}
        if package.version_info:
            fields["software_packageVersion"] = package.version_info
        if package.external_refs:
            fields["software_packageUrl"] = package.external_refs[0].reference_locator
        if package.source_info:
            fields["software_sourceInfo"] = package.source_info
        if package.checksums:
            fields["verifiedUsing"] = [
                {"type": "Hash", "algorithm": checksum.algorithm.lower(), "hashValue": checksum.checksum_value}
                for checksum in package.checksums
            ]
        if package.supplier and package.supplier != NO_ASSERTION:
            fields["suppliedBy"] = self._convert_supplier(package.supplier.removeprefix("Organization: "))
        return self._create("software_Package", package.id.removeprefix("SPDXRef-"), **fields)

    def _convert_supplier(self, name: str) -> str:
        """Return the identifier of a supplier, and add its element."""
        if name not in self._suppliers:
            identifier = f"Supplier-{create_identifier(name, name)}"
            self._suppliers[name] = self._create("Organization", identifier, name=name)
        return str(self._suppliers[name]["spdxId"])

    def _convert_licence(self, expression: str) -> str:
        """Return the identifier of a licence expression, and add its element."""
        if expression not in self._licences:
            words = expression.replace("(", " ").replace(")", " ").split()
            texts = {word: self._texts[word] for word in words if word in self._texts}
            entries = [{"type": "DictionaryEntry", "key": key, "value": value} for key, value in sorted(texts.items())]
            self._licences[expression] = self._create(
                "simplelicensing_LicenseExpression",
                f"Licence-{create_identifier('', expression)}",
                simplelicensing_licenseExpression=expression,
                **({"simplelicensing_customIdToUri": entries} if entries else {}),
            )
        return str(self._licences[expression]["spdxId"])

    def _list_declared_licences(self) -> Iterator[_Element]:
        for package in self._document.packages:
            if package.license_declared and package.license_declared != NO_ASSERTION:
                name = package.id.removeprefix("SPDXRef-")
                yield self._create(
                    "Relationship",
                    f"{name}-licence",
                    **{"from": self._refer(package.id)},
                    relationshipType="hasDeclaredLicense",
                    to=[self._convert_licence(package.license_declared)],
                )

    def _list_relationships(self) -> Iterator[_Element]:
        """Yield one relationship for all targets of an element."""
        targets: dict[tuple[str, str], list[str]] = {}
        for relationship in self._document.relationships:
            if relationship.relationship_type in _RELATIONSHIPS:
                key = relationship.spdx_element_id, relationship.relationship_type
                targets.setdefault(key, []).append(self._refer(relationship.related_spdx_element))
        for (element, kind), references in targets.items():
            yield self._create(
                "Relationship",
                f"{element.removeprefix('SPDXRef-')}-{_RELATIONSHIPS[kind]}",
                **{"from": self._refer(element)},
                relationshipType=_RELATIONSHIPS[kind],
                completeness=self._completeness if kind == "CONTAINS" else "noAssertion",
                to=references,
            )

    def _list_annotations(
        self, subject: str, identifier: str, annotations: tuple[SpdxAnnotation, ...]
    ) -> Iterator[_Element]:
        name = identifier.removeprefix("SPDXRef-")
        for number, annotation in enumerate(annotations, start=1):
            yield self._create(
                "Annotation",
                f"{name}-annotation-{number}",
                annotationType="other",
                subject=subject,
                statement=annotation.comment,
            )
