"""Identities of products from the identifiers in a document: package URLs, CPEs, hashes, IRIs. No I/O."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from kubekeep.images.foreign_packages import normalise_package
from kubekeep.images.package_url import parse_package_url
from kubekeep.model.package import Package
from kubekeep.vulnerabilities.vex.document import VexIdentity
from kubekeep.vulnerabilities.vex.nodes import DocumentNode

PACKAGE_URL: Final = "pkg:"
_HASH: Final = re.compile(r"[0-9a-f]{32,128}")
_TOOL_QUALIFIERS: Final = frozenset({"package-id"})
"""Qualifiers that one tool adds for its own use, as Syft does in a `bom-ref`."""


def read_purl(node: DocumentNode) -> Package:
    """Return the package that a package URL names, in Kubekeep's conventions. Raises VexError."""
    try:
        return parse_purl(node.text())
    except ValueError as error:
        raise node.error(f"is not a package URL: {error}") from None


def parse_purl(text: str) -> Package:
    """Return the package that a package URL names, in Kubekeep's conventions. Raises ValueError."""
    package = parse_package_url(text)
    kept = tuple(pair for pair in package.qualifiers if pair[0] not in _TOOL_QUALIFIERS)
    return normalise_package(msgspec.structs.replace(package, qualifiers=kept))


def read_iri(node: DocumentNode) -> VexIdentity:
    """Return the identity of a package URL, CPE or any other IRI or name. Raises VexError."""
    text = node.text()
    if text.lower().startswith(PACKAGE_URL):
        return VexIdentity(purls=(read_purl(node),))
    if text.lower().startswith("cpe:"):
        return VexIdentity(cpes=(text,))
    return VexIdentity(names=(text,)) if text else VexIdentity()


def read_hash(algorithm: str, value: str) -> tuple[tuple[str, str], ...]:
    """Return algorithm and value as they are compared, `sha256` for SHA-256; () if the value is no hash."""
    name = algorithm.lower().replace("-", "").replace("_", "")
    content = value.lower().removeprefix(f"{name}:")
    return ((name, content),) if _HASH.fullmatch(content) else ()
