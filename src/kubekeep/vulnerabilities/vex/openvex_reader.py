"""Reader of OpenVEX 0.0.1 and 0.2.0 (https://github.com/openvex/spec). No I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

import msgspec

from kubekeep.vulnerabilities.vex.document import (
    ProductStatement,
    VexDocument,
    VexIdentity,
    VexStatus,
    VexTarget,
    find_flaw,
)
from kubekeep.vulnerabilities.vex.identities import read_hash, read_iri, read_purl
from kubekeep.vulnerabilities.vex.nodes import DocumentNode, TargetCounter
from kubekeep.vulnerabilities.vex.purl_matching import matches_purl, names_same_package

CONTEXT: Final = "https://openvex.dev/ns"
_OLDEST: Final = "0.0.1"
_CPES: Final = ("cpe22", "cpe23", "@cpe22", "@cpe23")


def read_openvex(root: DocumentNode, origin: str, subjects: tuple[VexIdentity, ...]) -> VexDocument:
    """Return the statements of a document. subjects: of the attestation around it, for statements without a product.

    Raises VexError.
    """
    context = root.get("@context").text()
    timestamp = root.get("timestamp").moment()
    counter = TargetCounter()
    statements = tuple(_read_statement(node, timestamp, subjects, counter) for node in root.get("statements").entries())
    if not statements:
        raise root.get("statements").error("is empty: an OpenVEX document has at least one statement")
    return VexDocument(
        origin=origin,
        format=f"OpenVEX {_read_version(context)}",
        identifier=root.get("@id").text(),
        version=root.get("version").version(),
        author=root.get("author").text(),
        timestamp=timestamp,
        statements=statements,
    )


def _read_version(context: str) -> str:
    version = context.removeprefix(CONTEXT).strip("/").removeprefix("v")
    return version[:20] or _OLDEST


def _read_statement(
    node: DocumentNode, timestamp: dt.datetime | None, subjects: tuple[VexIdentity, ...], counter: TargetCounter
) -> ProductStatement:
    name, aliases = _read_vulnerability(node.get("vulnerability"))
    status = _read_status(node.get("status"))
    justification, impact = node.get("justification").text(), node.get("impact_statement").text()
    action = node.get("action_statement").text()
    targets = tuple(_read_targets(node)) if node.has("products") else tuple(map(VexTarget, subjects))
    counter.add(len(targets), node)
    flaw = "" if targets else "the statement names no product"
    return ProductStatement(
        vulnerability=name,
        aliases=aliases,
        status=status,
        targets=targets,
        justification=justification,
        impact=impact,
        action=action,
        notes=node.get("status_notes").text(),
        supplier=node.get("supplier").text(),
        timestamp=node.get("timestamp").moment() or timestamp,
        position=node.position,
        flaw=flaw or find_flaw(status, justification, impact, action),
    )


def _read_vulnerability(node: DocumentNode) -> tuple[str, tuple[str, ...]]:
    """Return name and aliases: a text in 0.0.1, an object in 0.2.0."""
    is_text = isinstance(node.value, str)
    name = node.text() if is_text else node.get("name").text()
    aliases = () if is_text else node.get("aliases").texts()
    if not name:
        raise node.error("has no name")
    return name, aliases


def _read_status(node: DocumentNode) -> VexStatus:
    try:
        return VexStatus(node.text())
    except ValueError:
        raise node.error(f"is not one of {', '.join(VexStatus)}") from None


def _read_targets(node: DocumentNode) -> Iterator[VexTarget]:
    # Version 0.0.1 has the subcomponents of all products in the statement.
    shared = tuple(_read_component(entry) for entry in node.get("subcomponents").entries())
    for entry in node.get("products").entries():
        product = _read_component(entry)
        own = () if isinstance(entry.value, str) else entry.get("subcomponents").entries()
        components = (*shared, *map(_read_component, own))
        if components:
            for component in components:
                yield VexTarget(component, (product,))
        else:
            yield VexTarget(product)


def _read_component(node: DocumentNode) -> VexIdentity:
    identity = read_iri(node) if isinstance(node.value, str) else _read_identifiers(node)
    if not identity.has_identifier:
        raise node.error("has no identifier")
    return identity


def _read_identifiers(node: DocumentNode) -> VexIdentity:
    iri = read_iri(node.get("@id"))
    identifiers = node.get("identifiers")
    purls = iri.purls
    if identifiers.has("purl"):
        purl = read_purl(identifiers.get("purl"))
        if not purls or not names_same_package(purls[0], purl):
            purls = (*purls, purl)
        elif matches_purl(purls[0], purl):
            purls = (purl,)
        elif not matches_purl(purl, purls[0]):
            raise node.error("has an @id and a package URL of different versions")
    cpes = tuple(filter(None, (identifiers.get(key).text() for key in _CPES)))
    hashes = tuple(
        pair for algorithm, value in node.get("hashes").fields() for pair in read_hash(algorithm, value.text())
    )
    return msgspec.structs.replace(iri, purls=purls, cpes=(*iri.cpes, *cpes), hashes=hashes)
