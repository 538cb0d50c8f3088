"""Reader of the tag-value syntax of SPDX: converts it to the fields of the JSON syntax. Ignores tags that it does not know."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Final

from kubekeep.images.errors import SbomError

_MAX_ELEMENTS: Final = 1_000_000
"""Maximum number of packages, licences, annotations, relationships and references."""
_PACKAGE: Final = "PackageName"
_START: Final = "<text>"
_END: Final = "</text>"
_PACKAGE_FIELDS: Final = {
    "SPDXID": "SPDXID",
    "PackageVersion": "versionInfo",
    "PackageSupplier": "supplier",
    "PackageOriginator": "originator",
    "PackageSourceInfo": "sourceInfo",
    "PackageLicenseConcluded": "licenseConcluded",
    "PackageLicenseDeclared": "licenseDeclared",
    "PrimaryPackagePurpose": "primaryPackagePurpose",
}
_LICENCE_FIELDS: Final = {"ExtractedText": "extractedText", "LicenseName": "name"}
_DOCUMENT_FIELDS: Final = {"SPDXVersion": "spdxVersion", "DocumentName": "name", "SPDXID": "SPDXID"}


def parse_tag_value(content: bytes) -> dict[str, Any]:
    """Return the document in the structure of the JSON syntax. Raises SbomError for too many elements."""
    return _TagValueParser().parse(content)


def list_package_lines(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield the 1-based number and the length of the line that opens each package, in the order of `parse_tag_value`."""
    yield from ((number, length) for number, length, tag, _ in _list_tags(content) if tag == _PACKAGE)


class _TagValueParser:
    """Parser of one document; a tag belongs to the element that the last opening tag started."""

    def __init__(self) -> None:
        self._document: dict[str, Any] = {
            "packages": [],
            "hasExtractedLicensingInfos": [],
            "relationships": [],
            "annotations": [],
            "creationInfo": {"creators": []},
        }
        self._element = self._document
        self._fields = _DOCUMENT_FIELDS
        self._annotation: dict[str, Any] = {}
        self._by_id: dict[str, dict[str, Any]] = {}
        self._count = 0

    def parse(self, content: bytes) -> dict[str, Any]:
        for _, _, tag, value in _list_tags(content):
            if not self._open(tag, value):
                self._add(tag, value)
        return self._document

    def _open(self, tag: str, value: str) -> bool:
        """Start a new element if the tag does; return False for other tags."""
        match tag:
            case tag if tag == _PACKAGE:
                self._element, self._fields = {"name": value}, _PACKAGE_FIELDS
                self._document["packages"].append(self._element)
            case "LicenseID":
                self._element, self._fields = {"licenseId": value}, _LICENCE_FIELDS
                self._document["hasExtractedLicensingInfos"].append(self._element)
            case "FileName" | "SnippetSPDXID":
                self._element, self._fields = {}, {}
                self._document["files"] = True
            case "Annotator":
                self._annotation = {}
            case _:
                return False
        self._limit()
        return True

    def _limit(self) -> None:
        self._count += 1
        if self._count > _MAX_ELEMENTS:
            raise SbomError(f"the document has more than {_MAX_ELEMENTS:,} elements")

    def _add(self, tag: str, value: str) -> None:
        creation = self._document["creationInfo"]
        match tag:
            case "Creator":
                creation["creators"].append(value)
            case "Created":
                creation["created"] = value
            case "Relationship":
                self._add_relationship(value)
            case "ExternalRef" | "PackageChecksum":
                self._add_reference(tag, value)
            case "SPDXREF":
                self._by_id.get(value, self._document).setdefault("annotations", []).append(self._annotation)
            case "AnnotationComment":
                self._annotation["comment"] = value
            case _ if tag in self._fields:
                self._element[self._fields[tag]] = value
                if tag == "SPDXID":
                    self._by_id[value] = self._element

    def _add_relationship(self, value: str) -> None:
        words = value.split()
        self._limit()
        if len(words) == 3:
            relationship = dict(zip(("spdxElementId", "relationshipType", "relatedSpdxElement"), words, strict=True))
            self._document["relationships"].append(relationship)

    def _add_reference(self, tag: str, value: str) -> None:
        if self._fields is not _PACKAGE_FIELDS:
            return
        self._limit()
        if tag == "PackageChecksum":
            algorithm, _, checksum = value.partition(":")
            entry = {"algorithm": algorithm.strip(), "checksumValue": checksum.strip()}
            self._element.setdefault("checksums", []).append(entry)
            return
        words = value.split(None, 2)
        if len(words) == 3:
            entry = {"referenceType": words[1], "referenceLocator": words[2]}
            self._element.setdefault("externalRefs", []).append(entry)


def _list_tags(content: bytes) -> Iterator[tuple[int, int, str, str]]:
    """Yield line, length of the line, tag and value; a text block may span lines and ends with the document at the latest."""
    # Line by line: a list of all lines may need many times the memory of the document.
    lines = enumerate((line.decode("utf-8", "replace").rstrip("\r\n") for line in io.BytesIO(content)), 1)
    for number, line in lines:
        tag, colon, value = line.partition(":")
        if not colon or line.startswith("#"):
            continue
        value = value.strip()
        if not value.startswith(_START):
            yield number, len(line), tag.strip(), value
            continue
        block = [value.removeprefix(_START)]
        while _END not in block[-1]:
            following = next(lines, None)
            if following is None:
                break
            block.append(following[1])
        yield number, len(line), tag.strip(), "\n".join(block).partition(_END)[0]
