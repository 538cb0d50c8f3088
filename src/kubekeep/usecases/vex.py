"""VEX documents: read, and with new statements. Never prints or writes a file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import BinaryIO, Final

import msgspec

from kubekeep.model.package import Package
from kubekeep.model.text import visible
from kubekeep.registry.reference import parse_image_name
from kubekeep.vulnerabilities.vex.document import (
    ProductStatement,
    VexDocument,
    VexIdentity,
    VexStatus,
    VexTarget,
    find_flaw,
)
from kubekeep.vulnerabilities.vex.errors import VexError
from kubekeep.vulnerabilities.vex.files import load_vex_files
from kubekeep.vulnerabilities.vex.identities import PACKAGE_URL, parse_purl

_IRIS: Final = ("http://", "https://", "urn:")


class StatementRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a new statement as users write them.

    products: references of images, package URLs or IRIs. components: package URLs in each product.
    """

    vulnerability: str
    status: str
    products: tuple[str, ...]
    components: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    justification: str = ""
    impact: str = ""
    action: str = ""
    notes: str = ""


def read_documents(paths: Sequence[str], stdin: BinaryIO) -> tuple[VexDocument, ...]:
    """Return the VEX documents in files; `-` is standard input. Raises VexError."""
    return load_vex_files(paths, stdin)


def replace_author(document: VexDocument, author: str, author_url: str) -> VexDocument:
    """Return a document with another author and URL, each unless empty."""
    return msgspec.structs.replace(
        document, author=author or document.author, author_url=author_url or document.author_url
    )


def list_mutable_products(document: VexDocument) -> list[str]:
    """Return the images in the last statement that have no digest, so that it applies to later images too."""
    products = {
        product.label: purl
        for target in document.statements[-1].targets
        for product in (*target.context, target.component)
        for purl in product.purls
    }
    return [label for label, purl in products.items() if purl.type == "oci" and not purl.version]


def create_document(request: StatementRequest, author: str, author_url: str, moment: dt.datetime) -> VexDocument:
    """Return a document with one statement. Raises VexError if the statement breaks a rule or has no valid product."""
    return VexDocument(
        author=author, author_url=author_url, timestamp=moment, statements=(_create_statement(request, moment),)
    )


def add_statement(
    document: VexDocument, request: StatementRequest, author: str, author_url: str, moment: dt.datetime
) -> VexDocument:
    """Return the next version of a document with one more statement; the others keep their times.

    author, author_url: replace those of the document unless empty. Raises VexError as `create_document` does.
    """
    statement = _create_statement(request, moment)
    known = (msgspec.structs.replace(each, position="") for each in document.statements)
    if statement in known:
        raise VexError(f"{document.origin}: the document has this statement already")
    return msgspec.structs.replace(
        document,
        version=(document.version[0] + 1,),
        author=author or document.author,
        author_url=author_url or document.author_url,
        timestamp=moment,
        statements=(*document.statements, statement),
    )


def _create_statement(request: StatementRequest, moment: dt.datetime) -> ProductStatement:
    status = VexStatus(request.status)
    flaw = find_flaw(status, request.justification, request.impact, request.action)
    if flaw:
        raise VexError(flaw)
    components = [VexIdentity(purls=(_parse_package_url(text),)) for text in request.components]
    targets: list[VexTarget] = []
    for product in map(_identify_product, request.products):
        targets += [VexTarget(component, (product,)) for component in components] or [VexTarget(product)]
    return ProductStatement(
        vulnerability=request.vulnerability,
        aliases=request.aliases,
        status=status,
        targets=tuple(targets),
        justification=request.justification,
        impact=request.impact,
        action=request.action,
        notes=request.notes,
        timestamp=moment,
    )


def _identify_product(text: str) -> VexIdentity:
    """Return the identity of a package URL, an IRI, or the reference of an image."""
    if text.lower().startswith(PACKAGE_URL):
        return VexIdentity(purls=(_parse_package_url(text),))
    if text.lower().startswith(_IRIS):
        return VexIdentity(names=(text,))
    try:
        image = parse_image_name(text)
    except ValueError as error:
        raise VexError(f"{error}, or a package URL") from None
    qualifiers = [("repository_url", image.name)]
    if not image.digest and image.tag:
        qualifiers.append(("tag", image.tag))
    name = image.repository.rpartition("/")[2]
    return VexIdentity(purls=(Package(type="oci", name=name, version=image.digest, qualifiers=tuple(qualifiers)),))


def _parse_package_url(text: str) -> Package:
    try:
        return parse_purl(text)
    except ValueError as error:
        raise VexError(visible(str(error))) from None
