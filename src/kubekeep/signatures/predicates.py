"""Types of predicates in attestations, with the short names that commands accept. No I/O."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from kubekeep.images.access.attached_sboms import read_document
from kubekeep.signatures.errors import SignatureError, TrustError
from kubekeep.signatures.verification import VerifiedSignature

SIGNATURE_PREDICATE: Final = "https://sigstore.dev/cosign/sign/v1"
"""Predicate type of a statement that is a mere signature, as cosign 3 makes it."""
PREDICATE_TYPES: Final = {
    "slsaprovenance": "https://slsa.dev/provenance/v1",
    "slsaprovenance02": "https://slsa.dev/provenance/v0.2",
    "slsaprovenance1": "https://slsa.dev/provenance/v1",
    "spdx": "https://spdx.dev/Document",
    "spdxjson": "https://spdx.dev/Document",
    "cyclonedx": "https://cyclonedx.org/bom",
    "vuln": "https://cosign.sigstore.dev/attestation/vuln/v1",
    "openvex": "https://openvex.dev/ns",
    "link": "https://in-toto.io/Link/v1",
    "custom": "https://cosign.sigstore.dev/attestation/v1",
}
"""Types by their short names, which are those of cosign."""
_FAMILIES: Final = {"slsaprovenance": "https://slsa.dev/provenance/", "openvex": "https://openvex.dev/ns"}
"""Short names that stand for all versions of a type when attestations are selected."""
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S{1,500}")


def resolve_predicate_type(name: str) -> str:
    """Return the URI of a short name; a URI stays. Raises TrustError for another text."""
    uri = PREDICATE_TYPES.get(name, name)
    if not _URI.fullmatch(uri):
        raise TrustError(f"{name!r} is not a predicate type: use one of {', '.join(PREDICATE_TYPES)}, or a URI")
    return uri


def matches_type(predicate_type: str, name: str) -> bool:
    """Return True if an attestation of `predicate_type` belongs to `name`, a short name or URI.

    A version may follow the URI of SBOMs, as in `https://spdx.dev/Document/v2.3`.
    """
    if family := _FAMILIES.get(name):
        return predicate_type.startswith(family)
    expected = resolve_predicate_type(name)
    return predicate_type == expected or (name in PREDICATE_TYPES and predicate_type.startswith(f"{expected}/"))


def extract_document(attestation: VerifiedSignature) -> bytes:
    """Return the document in an attestation, such as an SBOM or a VEX document. Raises SignatureError."""
    try:
        return read_document(attestation.predicate)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SignatureError(f"the predicate of type {attestation.predicate_type} cannot be read: {error}") from error
