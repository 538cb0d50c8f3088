"""Limits of documents in VEX repositories: each counts for the package under which the repository lists it. No I/O.

A repository collects documents of many publishers. None of them may decide about packages of the others.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from kubekeep.model.package import Package
from kubekeep.vulnerabilities.vex.document import ProductStatement, VexDocument, VexIdentity, VexTarget
from kubekeep.vulnerabilities.vex.purl_matching import matches_purl


def restrict_document(document: VexDocument, package: Package) -> VexDocument:
    """Return the document with statements about a package, its parts, and the products of which it is a part.

    The identifier is dropped, so that it does not supersede the document of another package.
    """
    statements = tuple(_restrict(statement, package) for statement in document.statements)
    return msgspec.structs.replace(
        document,
        identifier="",
        is_collected=True,
        statements=tuple(statement for statement in statements if statement.targets),
    )


def is_superseded(document: VexDocument, others: Iterable[VexDocument]) -> bool:
    """Return True if one of the others is a higher version of the document."""
    return bool(document.identifier) and any(
        other.key == document.key and other.version > document.version for other in others
    )


def names_repository(purl: Package) -> bool:
    """Return True if the package URL of an image has its repository; without one, it means images of any registry."""
    return any(key == "repository_url" for key, _ in purl.qualifiers)


def _restrict(statement: ProductStatement, package: Package) -> ProductStatement:
    is_any_registry = package.type == "oci" and not names_repository(package)
    targets = tuple(
        _add_owner(target, package)
        for target in statement.targets
        if not is_any_registry or any(map(_names_image, (target.component, *target.context)))
    )
    return msgspec.structs.replace(statement, targets=targets)


def _add_owner(target: VexTarget, package: Package) -> VexTarget:
    """Return a target that is inside of the package: its own identities may match other software too."""
    if any(_is_within(identity, package) for identity in (target.component, *target.context)):
        return target
    return VexTarget(target.component, (*target.context, VexIdentity(purls=(package,))))


def _is_within(identity: VexIdentity, package: Package) -> bool:
    """Return True if the identity can only match the package: one of several identifiers would be enough."""
    has_others = identity.names or identity.cpes or identity.hashes or identity.reference
    return bool(identity.purls and not has_others) and all(matches_purl(package, purl) for purl in identity.purls)


def _names_image(identity: VexIdentity) -> bool:
    """Return True if the identity matches the image in one registry, or one content of it."""
    images = [purl for purl in identity.purls if purl.type == "oci"]
    if images:
        return all(purl.version.startswith("sha256:") or names_repository(purl) for purl in images)
    return bool(identity.names or identity.hashes)
