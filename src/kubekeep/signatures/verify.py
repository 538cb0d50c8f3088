"""Verification of the signatures and attestations of an image. No I/O: the caller fetches them.

One trusted signature is enough; all others are reported with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from kubekeep.registry.simple_signing import decode_payload
from kubekeep.signatures.envelope import decode_statement
from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.predicates import SIGNATURE_PREDICATE
from kubekeep.signatures.signed_object import SignedObject
from kubekeep.signatures.sigstore.verify import verify_signer
from kubekeep.signatures.stored_signature import StoredSignature
from kubekeep.signatures.trust import Trust
from kubekeep.signatures.verification import SignatureProblem, SignatureReport, VerifiedSignature


class _SignedContent(msgspec.Struct, frozen=True):
    predicate_type: str = ""
    predicate: bytes = b""
    annotations: tuple[tuple[str, str], ...] = ()
    statement: bytes = b""


def verify_signatures(
    reference: str, digests: tuple[str, ...], signatures: Iterable[StoredSignature], trust: Trust
) -> SignatureReport:
    """Verify the signatures of the image `reference`, whose manifest or index has one of `digests`.

    Raises TrustError if no signer is trusted, or if the default root cannot be used.
    """
    trust.check()
    signatures = tuple(signatures)
    needs_root = any(_needs_root(stored, trust) for stored in signatures)
    if needs_root:
        # One root for all signatures, also while another process updates it.
        trust = msgspec.structs.replace(trust, root=trust.load_root())
    verified: list[VerifiedSignature] = []
    problems: list[SignatureProblem] = []
    for stored in signatures:
        try:
            verified.append(_verify(stored, digests, trust))
        except SignatureError as error:
            problems.append(SignatureProblem(stored.reference, str(error)))
    origin = trust.root.origin if needs_root and trust.root else None
    return SignatureReport(reference, digests[0], tuple(verified), tuple(problems), origin)


def _needs_root(stored: StoredSignature, trust: Trust) -> bool:
    """Return True for identities, and for keys if the signature has a log entry or a timestamp."""
    signed = stored.signed
    return signed is not None and bool(trust.identities or signed.entries or signed.timestamps)


def _verify(stored: StoredSignature, digests: tuple[str, ...], trust: Trust) -> VerifiedSignature:
    if stored.signed is None:
        raise SignatureError(stored.problem)
    if stored.subject not in digests:
        raise SignatureError(f"it is attached to another manifest: {stored.subject}")
    signer = verify_signer(stored.signed, trust)
    # The content is interpreted only now that its signer is known.
    content = read_signed_content(stored.signed, stored.subject)
    missing = [f"{name}={value}" for name, value in trust.annotations if (name, value) not in content.annotations]
    if missing:
        raise SignatureError(f"it does not cover the annotation {', '.join(missing)}")
    return VerifiedSignature(
        format=stored.format,
        layout=stored.layout,
        digest=stored.subject,
        signer=signer,
        predicate_type=content.predicate_type,
        predicate=content.predicate,
        annotations=content.annotations,
        reference=stored.reference,
        statement=content.statement,
    )


def read_signed_content(signed: SignedObject, digest: str) -> _SignedContent:
    """Return what a signature states about `digest`. Raises SignatureError if it is about another one."""
    if signed.envelope is not None:
        statement = decode_statement(signed.envelope)
        annotations = _read_annotations(statement.get_subject(digest).annotations)
        if statement.predicate_type == SIGNATURE_PREDICATE:
            return _SignedContent(annotations=annotations)
        return _SignedContent(
            statement.predicate_type, bytes(statement.predicate), annotations, signed.envelope.payload
        )
    if signed.message is None:
        if f"sha256:{signed.digest.hex()}" != digest:
            raise SignatureError("the signature is about another digest")
        return _SignedContent()
    try:
        payload = decode_payload(signed.message)
    except ValueError as error:
        raise SignatureError(str(error)) from error
    if not payload.digest:
        raise SignatureError(f"a payload of the unknown type {payload.critical.type[:100]!r}")
    if payload.digest != digest:
        raise SignatureError(f"the signature is about another digest: {payload.digest[:100]}")
    return _SignedContent(annotations=_read_annotations(payload.optional))


def _read_annotations(values: dict[str, Any] | None) -> tuple[tuple[str, str], ...]:
    """Return the annotations that are texts; cosign writes no others."""
    return tuple(sorted((name, value) for name, value in (values or {}).items() if isinstance(value, str)))
