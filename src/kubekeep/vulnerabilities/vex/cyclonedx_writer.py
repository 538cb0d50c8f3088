"""Writer of VEX in CycloneDX 1.6. The same document gives the same bytes. No I/O.

If all components are in the same product, it is the subject of the document; other products are components.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from kubekeep.images.package_url import format_package_url
from kubekeep.model.text import utc_text
from kubekeep.vulnerabilities.vex.cyclonedx_reader import PROPERTY
from kubekeep.vulnerabilities.vex.document import ProductStatement, VexDocument, VexIdentity, VexStatus
from kubekeep.vulnerabilities.vex.errors import VexError

_STATES: Final = {
    VexStatus.NOT_AFFECTED: "not_affected",
    VexStatus.AFFECTED: "exploitable",
    VexStatus.FIXED: "resolved",
    VexStatus.UNDER_INVESTIGATION: "in_triage",
}
_JUSTIFICATIONS: Final = {
    "component_not_present": "code_not_present",
    "vulnerable_code_not_present": "code_not_present",
    "vulnerable_code_not_in_execute_path": "code_not_reachable",
    "inline_mitigations_already_exist": "protected_by_mitigating_control",
}
"""Terms of CycloneDX; there is none for code that an adversary cannot control."""
_HASHES: Final = {
    "md5": "MD5",
    "sha1": "SHA-1",
    "sha256": "SHA-256",
    "sha384": "SHA-384",
    "sha512": "SHA-512",
    "sha3256": "SHA3-256",
}
_BOM_LINK: Final = "urn:cdx:"


def convert_cyclonedx(document: VexDocument, identifier: uuid.UUID) -> dict[str, Any]:
    """Return the content of a document with an identifier."""
    components = _ComponentTree(document)
    vulnerabilities = [
        _convert_statement(number, statement, components) for number, statement in enumerate(document.statements)
    ]
    metadata: dict[str, Any] = {}
    if document.timestamp is not None:
        metadata["timestamp"] = utc_text(document.timestamp)
    if document.author:
        metadata["authors"] = [{"name": document.author}]
    if components.subject is not None:
        metadata["component"] = _convert_component(components.subject, "subject", "application")
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{identifier}",
        "version": max(1, document.version[0]),
        "metadata": metadata,
        "components": components.convert(),
        "vulnerabilities": vulnerabilities,
    }


class _ComponentTree:
    """Components of a document, nested as their contexts, with their `bom-ref`."""

    def __init__(self, document: VexDocument) -> None:
        targets = [target for statement in document.statements for target in statement.targets]
        outermost = {target.context[-1] for target in targets if target.context}
        same = len(outermost) == 1 and all(target.context or target.component in outermost for target in targets)
        subject = next(iter(outermost)) if same else None
        # A BOM-Link is a reference of its own.
        self.subject = None if subject is None or _get_link(subject) else subject
        self._references: dict[tuple[VexIdentity, ...], str] = {}
        self._children: dict[tuple[VexIdentity, ...], list[tuple[VexIdentity, ...]]] = {}

    def refer(self, path: tuple[VexIdentity, ...]) -> str:
        """Return the reference of the component at a path from the outermost product inwards."""
        link = _get_link(path[0])
        if link:
            return f"{link}#{_get_fragment(path[-1])}" if len(path) > 1 else link
        if self.subject is not None and path[0] == self.subject:
            path = path[1:]
            if not path:
                return "subject"
        for length in range(1, len(path) + 1):
            part = path[:length]
            if part not in self._references:
                self._references[part] = f"component-{len(self._references) + 1}"
                self._children.setdefault(part[:-1], []).append(part)
        return self._references[path]

    def convert(self) -> list[dict[str, Any]]:
        """Return the components that references name."""
        return self._convert_children(())

    def _convert_children(self, path: tuple[VexIdentity, ...]) -> list[dict[str, Any]]:
        converted = []
        for child in self._children.get(path, ()):
            component = _convert_component(child[-1], self._references[child], "library")
            if inner := self._convert_children(child):
                component["components"] = inner
            converted.append(component)
        return converted


def _get_link(identity: VexIdentity) -> str:
    return next((name for name in identity.names if name.startswith(_BOM_LINK)), "") if not identity.purls else ""


def _get_fragment(identity: VexIdentity) -> str:
    return identity.reference or format_package_url(identity.purls[0])


def _convert_statement(number: int, statement: ProductStatement, components: _ComponentTree) -> dict[str, Any]:
    analysis: dict[str, Any] = {"state": _STATES[statement.status]}
    properties = []
    if statement.justification and statement.status is VexStatus.NOT_AFFECTED:
        if statement.justification in _JUSTIFICATIONS:
            analysis["justification"] = _JUSTIFICATIONS[statement.justification]
        properties.append({"name": PROPERTY, "value": statement.justification})
    if detail := statement.impact or statement.notes:
        analysis["detail"] = detail
    if statement.timestamp is not None:
        analysis["lastUpdated"] = utc_text(statement.timestamp)
    converted: dict[str, Any] = {"bom-ref": f"statement-{number + 1}", "id": statement.vulnerability}
    if statement.aliases:
        # CycloneDX requires the source of each equivalent identifier.
        converted["references"] = [{"id": alias, "source": {"name": "alias"}} for alias in statement.aliases]
    if statement.action and statement.status is VexStatus.AFFECTED:
        converted["recommendation"] = statement.action
    converted["analysis"] = analysis
    paths = [(*reversed(target.context), target.component) for target in statement.targets]
    converted["affects"] = [{"ref": components.refer(path)} for path in dict.fromkeys(paths)]
    if properties:
        converted["properties"] = properties
    return converted


def _convert_component(identity: VexIdentity, reference: str, component_type: str) -> dict[str, Any]:
    if identity.version_range or len(identity.purls) > 1:
        raise VexError(f"CycloneDX cannot express the product {identity.label}")
    component: dict[str, Any] = {"bom-ref": reference, "type": component_type}
    if identity.purls:
        purl = identity.purls[0]
        component["type"] = "container" if purl.type == "oci" else component_type
        component["name"] = purl.name
        component["version"] = purl.version
        component["purl"] = format_package_url(purl)
    else:
        component["name"] = next(iter(identity.names), "") or identity.label
    hashes = [{"alg": _HASHES[name], "content": value} for name, value in identity.hashes if name in _HASHES]
    if hashes:
        component["hashes"] = hashes
    if identity.cpes:
        component["cpe"] = identity.cpes[0]
    return {key: value for key, value in component.items() if value}
