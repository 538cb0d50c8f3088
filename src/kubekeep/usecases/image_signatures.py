"""Signatures and attestations of images in registries: verify them, and make new ones. Never prints."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.images.access.blob_files import read_file
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import visible
from kubekeep.registry.keys import PrivateKey, fingerprint
from kubekeep.registry.reference import hide_login, parse_image_name
from kubekeep.signatures.access import (
    REGISTRY,
    OpenImage,
    SignatureAccess,
    fetch_signatures,
    open_to_write,
    verify_fetched,
)
from kubekeep.signatures.discovery import list_artifacts
from kubekeep.signatures.errors import SignatureError, TrustError
from kubekeep.signatures.notation.revocation import RevocationSources, load_list
from kubekeep.signatures.notation.trust_policy import load_trust_policy
from kubekeep.signatures.notation.trust_store import TrustStore
from kubekeep.signatures.notation.verify import NotationTrust
from kubekeep.signatures.predicates import extract_document, matches_type, resolve_predicate_type
from kubekeep.signatures.service_client import ServiceClient
from kubekeep.signatures.signing import ImageSigner, SignatureLayout, compact_predicate
from kubekeep.signatures.stored_signature import read_signatures
from kubekeep.signatures.trust import LogPolicy, Trust
from kubekeep.signatures.verification import SignatureReport, VerifiedSignature
from kubekeep.signatures.verify import verify_signatures

_MAX_REVOCATION_LIST: Final = 64 << 20
"""Maximum size of a list of revoked certificates."""


class NewSignature(msgspec.Struct, frozen=True):
    """A signature that was made, or one of the same key and content that was there.

    digest: of the signed manifest or index. reference: digest or tag of the signature; empty if it was there.
    """

    digest: str
    reference: str
    key: str


def verify_image(reference: str, access: SignatureAccess, trust: Trust) -> SignatureReport:
    """Verify the signatures and attestations of an image. Raises ImageAccessError and TrustError."""
    trust.check()
    fetched = fetch_signatures(reference, access)
    return verify_signatures(fetched.reference, fetched.digests, fetched.signatures, trust)


def select_attestations(report: SignatureReport, predicate_type: str) -> tuple[VerifiedSignature, ...]:
    """Return the verified attestations of a type: a short name or URI. Raises TrustError for an unknown name."""
    resolve_predicate_type(predicate_type)
    return tuple(
        signature
        for signature in report.verified
        if signature.predicate_type and matches_type(signature.predicate_type, predicate_type)
    )


def read_attested_documents(
    reference: str, access: SignatureAccess, trust: Trust, predicate_type: str
) -> tuple[bytes, ...]:
    """Return the verified documents of a type that are attached to an image, such as "spdx", "cyclonedx" or "openvex".

    Raises ImageAccessError, also if there is none or if one cannot be read, and TrustError.
    """
    report = verify_image(reference, access, trust)
    attestations = select_attestations(report, predicate_type)
    if not attestations:
        reasons = "; ".join(f"{problem.reference}: {problem.reason}" for problem in report.problems)
        raise ImageAccessError(
            f"{visible(reference)}: no trusted attestation of type {predicate_type}{f': {reasons}' if reasons else ''}"
        )
    try:
        return tuple(dict.fromkeys(map(extract_document, attestations)))
    except SignatureError as error:
        raise ImageAccessError(f"{visible(hide_login(reference))}: {error}") from error


def sign_image(
    reference: str, access: SignatureAccess, key: PrivateKey, layout: SignatureLayout, annotations: dict[str, str]
) -> NewSignature:
    """Sign an image unless the key has signed it with the same annotations. Mirrors are not used.

    Raises ImageAccessError.
    """
    with open_to_write(reference, access) as image:
        reference = ""
        if ("", b"", tuple(sorted(annotations.items()))) not in _list_statements(image, key, layout):
            reference = ImageSigner(key, image.signatures, image.name, layout).sign(image.subject, annotations)
    return NewSignature(image.subject.digest, reference, fingerprint(key.public_key()))


def attest_image(
    reference: str,
    access: SignatureAccess,
    key: PrivateKey,
    layout: SignatureLayout,
    predicate_type: str,
    predicate: bytes,
) -> NewSignature:
    """Attach a signed statement to an image, unless the same one of the key is there.

    predicate_type: a URI. predicate: JSON. Raises ImageAccessError, and TrustError for an invalid predicate.
    """
    content = compact_predicate(predicate)
    with open_to_write(reference, access) as image:
        reference = ""
        if (predicate_type, content, ()) not in _list_statements(image, key, layout):
            signer = ImageSigner(key, image.signatures, image.name, layout)
            reference = signer.attest(image.subject, predicate_type, content)
    return NewSignature(image.subject.digest, reference, fingerprint(key.public_key()))


def _list_statements(
    image: OpenImage, key: PrivateKey, layout: SignatureLayout
) -> set[tuple[str, bytes, tuple[tuple[str, str], ...]]]:
    """Return predicate type, predicate and annotations of what `key` has signed in this layout."""
    trust = Trust(keys=(key.public_key(),), log=LogPolicy.IGNORED)
    artifacts = list_artifacts(image.repository, (image.subject.digest,), signature_repository=image.signatures)
    stored = [signature for artifact in artifacts for signature in read_signatures(artifact)]
    report = verify_signatures(image.name, (image.subject.digest,), stored, trust)
    is_tag = layout is SignatureLayout.LEGACY_TAG
    return {
        (signature.predicate_type, signature.predicate, signature.annotations)
        for signature in report.verified
        if (signature.layout == SignatureLayout.LEGACY_TAG) == is_tag
    }


class RevocationOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Sources of the status of certificates. lists: files with CRLs. online: permission for requests to OCSP and CRL."""

    lists: tuple[Path, ...] = ()
    online: bool = False


def verify_with_trust_policy(
    reference: str, access: SignatureAccess, folder: Path, now: dt.datetime, revocation: RevocationOptions
) -> SignatureReport:
    """Verify the notation signatures of an image with the trustpolicy.json and the trust stores in a folder.

    Raises ImageAccessError, and TrustError also if no trust policy is for the repository of the image.
    """
    document = load_trust_policy(folder / "trustpolicy.json")
    try:
        name = parse_image_name(reference.removeprefix(REGISTRY))
    except ValueError as error:
        raise ImageAccessError(visible(str(error))) from error
    policy = document.select(name.name)
    if policy is None:
        raise TrustError(f"{visible(str(folder))}: no trust policy has the scope {name.name}")
    lists = tuple(load_list(read_file(path, _MAX_REVOCATION_LIST), visible(str(path))) for path in revocation.lists)
    fetched = fetch_signatures(reference, access)
    if not revocation.online:
        sources = RevocationSources(lists) if lists else None
        return verify_fetched(fetched, NotationTrust(policy, TrustStore(folder), now, sources))
    with ServiceClient() as client:
        sources = RevocationSources(lists, client)
        return verify_fetched(fetched, NotationTrust(policy, TrustStore(folder), now, sources))
