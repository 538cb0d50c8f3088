"""Reader of SPDX 3.0 (JSON-LD): converts its elements to the fields of SPDX 2.3. Resolves no names outside of the document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from kubekeep.images.sbom.fields import list_mappings, locate_mappings, read_text
from kubekeep.images.sbom.spdx3 import NAMESPACE
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.location import Path

_DOCUMENT: Final = "SPDXRef-DOCUMENT"
_RELATIONSHIPS: Final = {"contains": "CONTAINS", "dependsOn": "DEPENDS_ON", "describes": "DESCRIBES"}
_LICENCES: Final = {"hasDeclaredLicense": "licenseDeclared", "hasConcludedLicense": "licenseConcluded"}
_Element = dict[str, Any]


def convert_spdx3(document: dict[str, Any]) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """Return the document in the structure of SPDX 2.3 JSON, and the path of the element of each of its packages."""
    return _GraphReader(document).convert()


class _GraphReader:
    """The elements of one document by their identifiers."""

    def __init__(self, document: dict[str, Any]) -> None:
        located = list(locate_mappings(document.get("@graph"), ("@graph",)))
        elements = [element for _, element in located]
        self._paths = {id(element): path for path, element in located}
        self._by_id = {_get_id(element): element for element in elements}
        self._by_type: dict[str, list[_Element]] = {}
        for element in elements:
            self._by_type.setdefault(read_text(element.get("type") or element.get("@type")), []).append(element)

    def convert(self) -> tuple[dict[str, Any], tuple[Path, ...]]:
        document = next(iter(self._by_type.get("SpdxDocument", ())), {})
        creation = next(iter(self._by_type.get("CreationInfo", ())), {})
        elements = {
            # An element without an identifier is kept.
            _get_id(element) or f" {number}": element
            for number, element in enumerate(self._by_type.get("software_Package", ()))
        }
        packages = {identifier: self._convert_package(element) for identifier, element in elements.items()}
        relationships = list(self._list_relationships(document))
        for relationship in self._by_type.get("Relationship", ()):
            field = _LICENCES.get(read_text(relationship.get("relationshipType")))
            package = packages.get(read_text(relationship.get("from")))
            if field and package is not None:
                package[field] = self._join_licences(relationship)
        result: dict[str, Any] = {
            "spdxVersion": f"SPDX-{read_text(creation.get('specVersion')) or '3.0'}",
            "name": read_text(document.get("name")),
            "creationInfo": {"created": creation.get("created"), "creators": list(self._list_tools(creation))},
            "packages": list(packages.values()),
            "relationships": relationships,
            "hasExtractedLicensingInfos": list(self._list_licence_texts()),
            "files": bool(self._by_type.get("software_File")),
        }
        for annotation in self._by_type.get("Annotation", ()):
            subject = packages.get(read_text(annotation.get("subject")), result)
            subject.setdefault("annotations", []).append({"comment": annotation.get("statement")})
        return result, tuple(self._paths[id(element)] for element in elements.values())

    def _convert_package(self, element: _Element) -> _Element:
        urls = [read_text(element.get("software_packageUrl"))] + [
            read_text(identifier.get("identifier"))
            for identifier in list_mappings(element.get("externalIdentifier"))
            if identifier.get("externalIdentifierType") == "packageUrl"
        ]
        supplier = self._find(element.get("suppliedBy"))
        purpose = read_text(element.get("software_primaryPurpose"))
        return {
            "SPDXID": _shorten(_get_id(element)),
            "name": element.get("name"),
            "versionInfo": element.get("software_packageVersion"),
            "sourceInfo": element.get("software_sourceInfo"),
            "supplier": read_text(supplier.get("name")),
            "primaryPackagePurpose": {"operatingSystem": "OPERATING-SYSTEM"}.get(purpose, purpose.upper()),
            "externalRefs": [{"referenceType": "purl", "referenceLocator": url} for url in urls if url],
            "checksums": [
                {
                    "algorithm": read_text(entry.get("algorithm")).upper(),
                    "checksumValue": entry.get("hashValue"),
                }
                for entry in list_mappings(element.get("verifiedUsing"))
            ],
        }

    def _list_relationships(self, document: _Element) -> Iterator[_Element]:
        """Yield a relationship for each target, and the subjects of the document."""
        for root in self._list_roots(document):
            yield _relate(_DOCUMENT, "DESCRIBES", root)
        for relationship in self._by_type.get("Relationship", ()):
            kind = _RELATIONSHIPS.get(read_text(relationship.get("relationshipType")))
            if kind:
                for target in as_list(relationship.get("to")):
                    yield _relate(_shorten(read_text(relationship.get("from"))), kind, read_text(target))

    def _list_roots(self, document: _Element) -> Iterator[str]:
        """Yield the identifiers of the subjects: root elements of the document, or of the SBOM that is its root element."""
        for root in as_list(document.get("rootElement")):
            element = self._find(root)
            if read_text(element.get("type")) in {"software_Sbom", "Bom"}:
                yield from (read_text(inner) for inner in as_list(element.get("rootElement")))
            else:
                yield read_text(root)

    def _list_tools(self, creation: _Element) -> Iterator[str]:
        for identifier in as_list(creation.get("createdUsing")) or as_list(creation.get("createdBy")):
            element = self._find(identifier)
            if read_text(element.get("type")) in {"Tool", "SoftwareAgent"}:
                yield f"Tool: {read_text(element.get('name'))}"

    def _join_licences(self, relationship: _Element) -> str:
        texts = []
        for target in as_list(relationship.get("to")):
            expression = read_text(self._find(target).get("simplelicensing_licenseExpression"))
            # Licences of the SPDX list are named by their address.
            texts.append(expression or read_text(target).rpartition("/")[2])
        return " AND ".join(f"({text})" if " OR " in text and len(texts) > 1 else text for text in texts if text)

    def _list_licence_texts(self) -> Iterator[_Element]:
        for expression in self._by_type.get("simplelicensing_LicenseExpression", ()):
            for entry in list_mappings(expression.get("simplelicensing_customIdToUri")):
                text = self._find(entry.get("value"))
                yield {
                    "licenseId": entry.get("key"),
                    "name": text.get("name"),
                    "extractedText": text.get("simplelicensing_licenseText"),
                }

    def _find(self, identifier: Any) -> _Element:
        """Return the element with an identifier; one that is written in place; else {}."""
        return self._by_id.get(identifier, {}) if isinstance(identifier, str) else as_mapping(identifier)


def _get_id(element: _Element) -> str:
    return read_text(element.get("spdxId") or element.get("@id"))


def _shorten(identifier: str) -> str:
    """Return the identifier of SPDX 2.3 for an element of a document by Kubekeep; other ones stay as they are."""
    return f"SPDXRef-{identifier.partition('#')[2]}" if identifier.startswith(NAMESPACE) else identifier


def _relate(element: str, kind: str, target: str) -> _Element:
    return {"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": _shorten(target)}
