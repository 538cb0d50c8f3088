"""Reader of CSAF 2.0 and 2.1: the profiles VEX and security advisory. No I/O.

A product is identified by its product identification helper: package URLs, CPE, hashes, generic URIs. A product without
one is compared by name with the subject only. A relationship makes its first product a component of the second.
`recommended` is no status: CSAF allows it for products of any status.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
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
from kubekeep.vulnerabilities.vex.identities import read_hash, read_purl
from kubekeep.vulnerabilities.vex.nodes import DocumentNode, TargetCounter

_STATUSES: Final = {
    "known_not_affected": VexStatus.NOT_AFFECTED,
    "fixed": VexStatus.FIXED,
    "first_fixed": VexStatus.FIXED,
    "known_affected": VexStatus.AFFECTED,
    "first_affected": VexStatus.AFFECTED,
    "last_affected": VexStatus.AFFECTED,
    "under_investigation": VexStatus.UNDER_INVESTIGATION,
}
_VERSION: Final = "product_version"
_RANGE: Final = "product_version_range"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*-[A-Za-z0-9][A-Za-z0-9.:_-]*")
"""An identifier such as GHSA-... or RHSA-2024:1; numbers of issue trackers are no names of vulnerabilities."""
_DEEPEST: Final = 100
_CONTRADICTION: Final = "the document gives this product several statuses"

_Texts = dict[str, tuple[str, dt.datetime | None]]
"""Text and time by product id."""


def read_csaf(root: DocumentNode, origin: str) -> VexDocument:
    """Return the statements of a document. Raises VexError."""
    head = root.get("document")
    tracking, publisher = head.get("tracking"), head.get("publisher")
    timestamp = tracking.get("current_release_date").moment()
    products = _read_products(root.get("product_tree"))
    groups = {
        entry.get("group_id").text(): entry.get("product_ids").texts()
        for entry in root.get("product_tree").get("product_groups").entries()
    }
    counter = TargetCounter()
    statements = [
        statement
        for node in root.get("vulnerabilities").entries()
        for statement in _read_vulnerability(node, products, groups, timestamp, counter)
    ]
    return VexDocument(
        origin=origin,
        format=f"CSAF {head.get('csaf_version').text()[:10]}".strip(),
        identifier=tracking.get("id").text(),
        version=tracking.get("version").version(),
        author=publisher.get("name").text(),
        author_url=publisher.get("namespace").text(),
        timestamp=timestamp,
        statements=tuple(statements),
    )


def _read_products(tree: DocumentNode) -> Mapping[str, VexTarget]:
    """Return the products by id."""
    products: dict[str, VexTarget] = {}
    for node in tree.get("full_product_names").entries():
        _add(products, node, VexTarget(_read_product(node)))
    stack: list[tuple[DocumentNode, int, str, str]] = [
        (node, 1, "", "") for node in reversed(list(tree.get("branches").entries()))
    ]
    while stack:
        node, depth, version, version_range = stack.pop()
        if depth > _DEEPEST:
            raise node.error(f"is nested more than {_DEEPEST} times")
        category, name = node.get("category").text(), node.get("name").text()
        version = name if category == _VERSION else version
        version_range = name if category == _RANGE else version_range
        if node.has("product"):
            product = node.get("product")
            _add(products, product, VexTarget(_restrict(_read_product(product), version, version_range)))
        stack.extend((child, depth + 1, version, version_range) for child in node.get("branches").entries())
    _add_relationships(products, tree)
    return products


def _add(products: dict[str, VexTarget], node: DocumentNode, target: VexTarget) -> None:
    identifier = node.get("product_id").text()
    if not identifier:
        raise node.error("has no product_id")
    if identifier in products:
        raise node.get("product_id").error("occurs twice")
    products[identifier] = target


def _add_relationships(products: dict[str, VexTarget], tree: DocumentNode) -> None:
    """Add the products that relationships define; they may refer to each other in any order."""
    pending = list(tree.get("relationships").entries())
    while pending:
        remaining = []
        for node in pending:
            component = products.get(node.get("product_reference").text())
            product = products.get(node.get("relates_to_product_reference").text())
            if component is None or product is None:
                remaining.append(node)
                continue
            context = (*component.context, product.component, *product.context)
            if len(context) > _DEEPEST:
                raise node.error(f"combines more than {_DEEPEST} products")
            _add(products, node.get("full_product_name"), VexTarget(component.component, context))
        if len(remaining) == len(pending):
            raise remaining[0].error("refers to an unknown product")
        pending = remaining


def _read_product(node: DocumentNode) -> VexIdentity:
    helper = node.get("product_identification_helper")
    purl_nodes = [helper.get("purl")] if helper.has("purl") else list(helper.get("purls").entries())
    hashes = tuple(
        pair
        for file in helper.get("hashes").entries()
        for entry in file.get("file_hashes").entries()
        for pair in read_hash(entry.get("algorithm").text(), entry.get("value").text())
    )
    uris = tuple(entry.get("uri").text() for entry in helper.get("x_generic_uris").entries())
    # A name also stays the same for other versions, so it counts only without an identifier.
    names = () if purl_nodes or hashes else (node.get("name").text(),)
    return VexIdentity(
        names=tuple(filter(None, (*names, *uris))),
        purls=tuple(map(read_purl, purl_nodes)),
        cpes=(helper.get("cpe").text(),) if helper.has("cpe") else (),
        hashes=hashes,
    )


def _restrict(identity: VexIdentity, version: str, version_range: str) -> VexIdentity:
    """Return the identity for the version of its branches: without a version, its package URL would match any."""
    if version_range and not all(purl.version for purl in identity.purls):
        return msgspec.structs.replace(identity, version_range=version_range)
    if version:
        purls = tuple(
            purl if purl.version else msgspec.structs.replace(purl, version=version) for purl in identity.purls
        )
        return msgspec.structs.replace(identity, purls=purls)
    return identity


def _read_vulnerability(
    node: DocumentNode,
    products: Mapping[str, VexTarget],
    groups: Mapping[str, tuple[str, ...]],
    timestamp: dt.datetime | None,
    counter: TargetCounter,
) -> Iterator[ProductStatement]:
    names = [node.get("cve").text(), *(entry.get("text").text() for entry in node.get("ids").entries())]
    names = [name for name in names if _NAME.fullmatch(name)]
    by_product = _read_statuses(node.get("product_status"), products, counter)
    if not by_product:
        return
    if not names:
        raise node.error("has neither a cve nor an id")
    flags = _read_texts(node.get("flags"), "label", groups)
    impacts = _read_texts(node.get("threats"), "details", groups, category="impact")
    actions = _read_texts(node.get("remediations"), "details", groups)
    statements: dict[tuple[VexStatus, str, str, str, str, dt.datetime | None], list[VexTarget]] = {}
    for identifier, statuses in by_product.items():
        # Of contradicting statuses, one that does not suppress counts.
        status = min(statuses, key=lambda status: (status.suppresses, status))
        justification, impact, action, moment = "", "", "", timestamp
        if status is VexStatus.NOT_AFFECTED:
            justification, moment = flags.get(identifier, ("", None))
            impact, other = impacts.get(identifier, ("", None))
            moment = moment or other or timestamp
        elif status is VexStatus.AFFECTED:
            action, moment = actions.get(identifier, ("", None))
            moment = moment or timestamp
        flaw = _CONTRADICTION if len(statuses) > 1 else find_flaw(status, justification, impact, action)
        statements.setdefault((status, justification, impact, action, flaw, moment), []).append(products[identifier])
    for (status, justification, impact, action, flaw, moment), targets in statements.items():
        yield ProductStatement(
            vulnerability=names[0],
            aliases=tuple(names[1:]),
            status=status,
            targets=tuple(targets),
            justification=justification,
            impact=impact,
            action=action,
            timestamp=moment,
            position=node.position,
            flaw=flaw,
        )


def _read_statuses(
    node: DocumentNode, products: Mapping[str, VexTarget], counter: TargetCounter
) -> dict[str, list[VexStatus]]:
    """Return the different statuses of each product id."""
    by_product: dict[str, list[VexStatus]] = {}
    for key, status in _STATUSES.items():
        identifiers = node.get(key).texts()
        counter.add(len(identifiers), node)
        for identifier in identifiers:
            if identifier not in products:
                raise node.get(key).error(f"names the unknown product {identifier[:80]!r}")
            statuses = by_product.setdefault(identifier, [])
            if status not in statuses:
                statuses.append(status)
    return by_product


def _read_texts(node: DocumentNode, field: str, groups: Mapping[str, tuple[str, ...]], *, category: str = "") -> _Texts:
    """Return the text of `field` by product id; the first entry for a product counts."""
    texts: _Texts = {}
    for entry in node.entries():
        if category and entry.get("category").text() != category:
            continue
        text, moment = entry.get(field).text(), entry.get("date").moment()
        named = entry.get("product_ids").texts()
        for group in entry.get("group_ids").texts():
            named = (*named, *groups.get(group, ()))
        for identifier in named:
            texts.setdefault(identifier, (text, moment))
    return texts
