"""Writer of CSAF 2.0 in the profile VEX. The same document gives the same bytes. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from kubekeep.images.package_url import format_package_url
from kubekeep.model.text import utc_text
from kubekeep.vulnerabilities.vex.document import ProductStatement, VexDocument, VexIdentity, VexStatus, VexTarget
from kubekeep.vulnerabilities.vex.errors import VexError

_STATUSES: Final = {
    VexStatus.NOT_AFFECTED: "known_not_affected",
    VexStatus.AFFECTED: "known_affected",
    VexStatus.FIXED: "fixed",
    VexStatus.UNDER_INVESTIGATION: "under_investigation",
}
_CVE: Final = re.compile(r"CVE-[0-9]{4}-[0-9]{4,}")


def convert_csaf(document: VexDocument, identifier: str) -> dict[str, Any]:
    """Return the content of a document with an identifier. Raises VexError if CSAF cannot express it."""
    if document.timestamp is None:
        raise VexError("CSAF needs the time of the document")
    if not (document.author and document.author_url):
        raise VexError("CSAF needs name and namespace of the publisher: add --author and --author-url")
    moment = utc_text(document.timestamp)
    version = str(max(1, document.version[0]))
    names = list(dict.fromkeys(statement.vulnerability for statement in document.statements))
    products = _ProductTree()
    vulnerabilities = [
        _convert_vulnerability(name, [each for each in document.statements if each.vulnerability == name], products)
        for name in names
    ]
    return {
        "document": {
            "category": "csaf_vex",
            "csaf_version": "2.0",
            "publisher": {"category": "other", "name": document.author, "namespace": document.author_url},
            "title": f"VEX for {', '.join(names[:3])}{' and others' if len(names) > 3 else ''}",
            "tracking": {
                "current_release_date": moment,
                "id": identifier,
                "initial_release_date": moment,
                "revision_history": [
                    {"date": moment, "number": str(number), "summary": "Statements of this version"}
                    for number in range(1, int(version) + 1)
                ],
                "status": "final",
                "version": version,
            },
        },
        "product_tree": products.convert(),
        "vulnerabilities": vulnerabilities,
    }


class _ProductTree:
    """Products with their ids: single ones, and components in a product as relationships."""

    def __init__(self) -> None:
        self._identities: dict[VexIdentity, str] = {}
        self._relations: dict[tuple[VexIdentity, ...], str] = {}

    def refer(self, target: VexTarget) -> str:
        """Return the id of the product for a target."""
        chain = (target.component, *target.context)
        identifier = self._refer_to(chain[-1])
        for length in range(2, len(chain) + 1):
            part = chain[-length:]
            self._refer_to(part[0])
            identifier = self._relations.setdefault(part, f"PRODUCT-{len(self._relations) + 1}-OF")
        return identifier

    def _refer_to(self, identity: VexIdentity) -> str:
        return self._identities.setdefault(identity, f"PRODUCT-{len(self._identities) + 1}")

    def convert(self) -> dict[str, Any]:
        """Return the product tree."""
        tree: dict[str, Any] = {
            "full_product_names": [
                _convert_product(identity, identifier) for identity, identifier in self._identities.items()
            ]
        }
        relations = [
            {
                "category": "default_component_of",
                "product_reference": self._identities[chain[0]],
                "relates_to_product_reference": self._relations[chain[1:]]
                if len(chain) > 2
                else self._identities[chain[1]],
                "full_product_name": {
                    "name": " in ".join(identity.label for identity in chain),
                    "product_id": identifier,
                },
            }
            for chain, identifier in self._relations.items()
        ]
        if relations:
            tree["relationships"] = relations
        return tree


def _convert_product(identity: VexIdentity, identifier: str) -> dict[str, Any]:
    if identity.version_range or identity.reference or len(identity.purls) > 1:
        raise VexError(f"CSAF 2.0 cannot express the product {identity.label}")
    helper: dict[str, Any] = {}
    if identity.purls:
        helper["purl"] = format_package_url(identity.purls[0])
    if identity.cpes:
        helper["cpe"] = identity.cpes[0]
    if identity.hashes:
        file_hashes = [{"algorithm": name, "value": value} for name, value in identity.hashes]
        helper["hashes"] = [{"file_hashes": file_hashes, "filename": identity.label}]
    # The name of a product is compared too, so a package URL stands only in the helper.
    name = next(iter(identity.names), "") or identity.label
    product: dict[str, Any] = {"name": name, "product_id": identifier}
    if helper:
        product["product_identification_helper"] = helper
    return product


def _convert_vulnerability(name: str, statements: list[ProductStatement], products: _ProductTree) -> dict[str, Any]:
    status: dict[str, list[str]] = {}
    explanations: dict[str, list[dict[str, Any]]] = {}
    for statement in statements:
        identifiers = list(dict.fromkeys(map(products.refer, statement.targets)))
        known = status.setdefault(_STATUSES[statement.status], [])
        known.extend(identifier for identifier in identifiers if identifier not in known)
        for key, explanation in _explain(statement):
            date = {} if statement.timestamp is None else {"date": utc_text(statement.timestamp)}
            explanations.setdefault(key, []).append({**explanation, **date, "product_ids": identifiers})
    _refuse_contradiction(name, status)
    texts = [statement.notes for statement in statements if statement.notes]
    texts = list(dict.fromkeys(texts)) or [f"Status of {name} in the products of this document."]
    names = (name, *(alias for statement in statements for alias in statement.aliases))
    return {
        "notes": [{"category": "description", "text": text} for text in texts],
        **_convert_names(names),
        "product_status": status,
        **explanations,
    }


def _explain(statement: ProductStatement) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the sections that explain the status of a product, with their entries."""
    if statement.status is VexStatus.NOT_AFFECTED and statement.justification:
        yield "flags", {"label": statement.justification}
    if statement.status is VexStatus.NOT_AFFECTED and statement.impact:
        yield "threats", {"category": "impact", "details": statement.impact}
    if statement.status is VexStatus.AFFECTED:
        yield "remediations", {"category": "mitigation", "details": statement.action}


def _convert_names(names: Iterable[str]) -> dict[str, Any]:
    """Return the first CVE, and all other identifiers."""
    unique = list(dict.fromkeys(names))
    cve = next(filter(_CVE.fullmatch, unique), "")
    others = [{"system_name": "alias", "text": name} for name in unique if name != cve]
    return ({"cve": cve} if cve else {}) | ({"ids": others} if others else {})


def _refuse_contradiction(name: str, status: dict[str, list[str]]) -> None:
    """CSAF allows one status of a product: of several statements only the latest can be written."""
    identifiers = [identifier for entries in status.values() for identifier in entries]
    if len(identifiers) != len(set(identifiers)):
        raise VexError(f"CSAF cannot express several statuses of one product: keep only the latest statement on {name}")
