"""Writer of OpenVEX 0.2.0. The same document gives the same bytes. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubekeep.images.package_url import format_package_url
from kubekeep.model.text import utc_text
from kubekeep.vulnerabilities.vex.document import ProductStatement, VexDocument, VexIdentity, VexStatus, VexTarget
from kubekeep.vulnerabilities.vex.errors import VexError

_HASHES = {
    "sha1": "sha1",
    "md5": "md5",
    "sha256": "sha-256",
    "sha384": "sha-384",
    "sha512": "sha-512",
    "sha3256": "sha3-256",
    "sha3384": "sha3-384",
    "sha3512": "sha3-512",
}


def convert_openvex(document: VexDocument, identifier: str) -> dict[str, Any]:
    """Return the content of a document with an identifier. Raises VexError for a product that OpenVEX cannot express."""
    if document.timestamp is None:
        raise VexError("OpenVEX needs the time of the document")
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": identifier,
        "author": document.author or "unknown",
        "timestamp": utc_text(document.timestamp),
        "version": max(1, document.version[0]),
        "statements": [_convert_statement(statement, document) for statement in document.statements],
    }


def _convert_statement(statement: ProductStatement, document: VexDocument) -> dict[str, Any]:
    notes = [statement.notes]
    converted: dict[str, Any] = {
        "vulnerability": {"name": statement.vulnerability}
        | ({"aliases": sorted(set(statement.aliases))} if statement.aliases else {}),
        "products": _convert_products(statement),
        "status": statement.status.value,
    }
    if statement.timestamp is not None and statement.timestamp != document.timestamp:
        converted["timestamp"] = utc_text(statement.timestamp)
    if statement.supplier:
        converted["supplier"] = statement.supplier
    if statement.status is VexStatus.NOT_AFFECTED:
        if statement.justification:
            # The schema permits only one of justification and impact_statement.
            converted["justification"] = statement.justification
            notes.insert(0, statement.impact)
        else:
            converted["impact_statement"] = statement.impact
    if statement.status is VexStatus.AFFECTED:
        converted["action_statement"] = statement.action
    if text := "\n".join(filter(None, notes)):
        converted["status_notes"] = text
    return converted


def _convert_products(statement: ProductStatement) -> list[dict[str, Any]]:
    by_product: dict[VexIdentity, list[VexIdentity]] = {}
    for target in statement.targets:
        product, components = _split(target, statement)
        by_product.setdefault(product, []).extend(components)
    products = []
    for product, components in by_product.items():
        converted = _convert_identity(product, statement)
        if components:
            converted["subcomponents"] = [
                _convert_identity(component, statement) for component in dict.fromkeys(components)
            ]
        products.append(converted)
    return products


def _split(target: VexTarget, statement: ProductStatement) -> tuple[VexIdentity, Sequence[VexIdentity]]:
    if not target.context:
        return target.component, ()
    if len(target.context) > 1:
        raise VexError(f"{statement.position}: OpenVEX cannot express {target.label}, a component of several products")
    return target.context[0], (target.component,)


def _convert_identity(identity: VexIdentity, statement: ProductStatement) -> dict[str, Any]:
    if identity.version_range or (identity.reference and not identity.purls) or len(identity.purls) > 1:
        raise VexError(f"{statement.position}: OpenVEX cannot express the product {identity.label}")
    converted: dict[str, Any] = {}
    identifiers = {}
    if identity.purls:
        purl = format_package_url(identity.purls[0])
        converted["@id"] = purl
        identifiers["purl"] = purl
    elif identity.names:
        converted["@id"] = identity.names[0]
    for cpe in identity.cpes:
        identifiers["cpe23" if cpe.startswith("cpe:2.3:") else "cpe22"] = cpe
    if identifiers and (not identity.purls or len(identifiers) > 1):
        converted["identifiers"] = identifiers
    hashes = {_HASHES[name]: value for name, value in identity.hashes if name in _HASHES}
    if hashes:
        converted["hashes"] = hashes
    return converted
