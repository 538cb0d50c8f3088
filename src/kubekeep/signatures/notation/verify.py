"""Verification of notation signatures with trust stores and a trust policy.

Revocation (OCSP, CRL) is checked only with sources for it, because that needs the network; otherwise verified signatures
state that it was not checked. A signature of a signer that the policy does not trust is never verified, also at the level `audit`, which notation itself would only log.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from kubekeep.model.text import utc_text, visible
from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.notation.certificates import (
    check_code_signing_chain,
    check_validity,
    has_revocation_data,
    load_certificates,
    verify_signature,
)
from kubekeep.signatures.notation.cose import MEDIA_TYPE as COSE
from kubekeep.signatures.notation.cose import decode_cose
from kubekeep.signatures.notation.distinguished_name import includes, read_subject
from kubekeep.signatures.notation.envelope import (
    LARGEST_ENVELOPE,
    SIGNING_AUTHORITY,
    NotationEnvelope,
    TargetArtifact,
    decode_target,
)
from kubekeep.signatures.notation.jws import MEDIA_TYPE as JWS
from kubekeep.signatures.notation.jws import decode_jws
from kubekeep.signatures.notation.revocation import RevocationSources, check_revocation
from kubekeep.signatures.notation.timestamp import TimestampRange, verify_timestamp
from kubekeep.signatures.notation.trust_policy import SignatureValidation, TrustPolicy
from kubekeep.signatures.notation.trust_store import StoreType, TrustStore
from kubekeep.signatures.verification import Signer, VerifiedSignature

FORMAT = "notation"
NOT_REVOKED = "revocation of the certificates was not checked, since that needs the network"


class NotationTrust(msgspec.Struct, frozen=True):
    """The trust policy for a repository, the trust stores, and the time of verification.

    revocation: sources of the status of certificates; None to leave revocation out.
    """

    policy: TrustPolicy
    store: TrustStore
    now: dt.datetime
    revocation: RevocationSources | None = None


def verify_envelope(
    media_type: str, content: bytes, target: TargetArtifact, trust: NotationTrust, layout: str
) -> VerifiedSignature:
    """Return the valid signature of `target` in an envelope. layout: the place in the registry, for the result.

    Raises SignatureError if the signature is not valid or not trusted, and TrustError.
    """
    if trust.policy.signature_verification.level == "skip":
        raise SignatureError(f"the trust policy {visible(trust.policy.name)} skips verification")
    envelope = decode_envelope(media_type, content)
    chain = load_certificates(envelope.chain)
    # The payload is read only after its signature is verified.
    verify_signature(chain[0], envelope.headers.algorithm, envelope.signature, envelope.signed)
    check_code_signing_chain(chain)
    artifact = decode_target(envelope.payload)
    _check_target(artifact, target)
    _check_authenticity(envelope, chain, trust)
    notes: list[str] = []
    time: dt.datetime | None = None
    try:
        time = _check_time(envelope, chain, trust)
    except SignatureError as error:
        _apply_level(trust.policy, SignatureValidation.TIMESTAMP, error, notes)
    try:
        _check_expiry(envelope, trust.now)
    except SignatureError as error:
        _apply_level(trust.policy, SignatureValidation.EXPIRY, error, notes)
    try:
        notes += _check_revocation(chain, trust, time)
    except SignatureError as error:
        _apply_level(trust.policy, SignatureValidation.REVOCATION, error, notes)
    signer = Signer(
        key=_fingerprint(chain[0]),
        identity=chain[0].subject.rfc4514_string(),
        issuer=chain[0].issuer.rfc4514_string(),
        time=utc_text(time) if time else "",
    )
    annotations = tuple(sorted(artifact.annotations.items()))
    return VerifiedSignature(FORMAT, layout, target.digest, signer, annotations=annotations, notes=tuple(notes))


def decode_envelope(media_type: str, content: bytes) -> NotationEnvelope:
    """Decode an envelope without verifying it. Raises SignatureError."""
    if len(content) > LARGEST_ENVELOPE:
        raise SignatureError(f"the envelope has {len(content):,} bytes; the limit is {LARGEST_ENVELOPE:,}")
    if media_type == JWS:
        return decode_jws(content)
    if media_type == COSE:
        return decode_cose(content)
    raise SignatureError(f"the envelope has the type {visible(media_type)}, not {JWS} or {COSE}")


def _check_target(artifact: TargetArtifact, target: TargetArtifact) -> None:
    for name in ("digest", "size", "media_type"):
        signed, actual = getattr(artifact, name), getattr(target, name)
        if signed != actual:
            shown = name.replace("_", " ")
            raise SignatureError(f"the signature is for another image: {shown} {visible(str(signed))}, not {actual}")


def _check_authenticity(envelope: NotationEnvelope, chain: Sequence[x509.Certificate], trust: NotationTrust) -> None:
    """Check that a certificate of the chain is in a trust store, and that the policy trusts the signer's subject."""
    kind: StoreType = "signingAuthority" if envelope.headers.scheme == SIGNING_AUTHORITY else "ca"
    stores = trust.policy.list_stores(kind)
    if not stores:
        raise SignatureError(
            f"the trust policy {visible(trust.policy.name)} has no trust store of the type {kind}, which the "
            f"signing scheme {envelope.headers.scheme} requires"
        )
    anchors = {anchor for name in stores for anchor in trust.store.load(kind, name)}
    if anchors.isdisjoint(chain):
        names = ", ".join(f"{kind}:{name}" for name in stores)
        raise SignatureError(f"no certificate of the signature is in the trust stores {names}")
    _check_identity(chain[0].subject, trust.policy)


def _check_identity(name: x509.Name, policy: TrustPolicy) -> None:
    identities = policy.list_identities()
    if identities is None:
        return
    subject = read_subject(name)
    if subject is None:
        raise SignatureError("the subject of the signer has several values of one type, so that it matches no identity")
    if not any(includes(identity, subject) for identity in identities):
        raise SignatureError(
            f"the signer {visible(name.rfc4514_string())} is not a trusted identity of the trust policy "
            f"{visible(policy.name)}"
        )


def _check_time(
    envelope: NotationEnvelope, chain: Sequence[x509.Certificate], trust: NotationTrust
) -> dt.datetime | None:
    """Check the validity of the certificates when the signature was made; return the proved time, if there is one."""
    authentic = envelope.headers.authentic_time
    if envelope.headers.scheme == SIGNING_AUTHORITY and authentic is not None:
        check_validity(chain, authentic, authentic, "the signing time")
        return authentic
    period = _prove_time(envelope, chain, trust)
    if period is None:
        check_validity(chain, trust.now, trust.now, "the time of verification")
        return None
    check_validity(chain, period.earliest, period.latest, "the time of the timestamp")
    return period.latest


def _check_revocation(
    chain: Sequence[x509.Certificate], trust: NotationTrust, time: dt.datetime | None
) -> tuple[str, ...]:
    """Check that no certificate is revoked; return a note if this was left out."""
    if trust.policy.signature_verification.skips_revocation:
        return ()
    if trust.revocation is None:
        return (NOT_REVOKED,) if has_revocation_data(chain) else ()
    check_revocation(chain, trust.revocation, trust.now, time)
    return ()


def _prove_time(
    envelope: NotationEnvelope, chain: Sequence[x509.Certificate], trust: NotationTrust
) -> TimestampRange | None:
    """Return the time of the countersignature; None without one, or without a trust store for it."""
    stores = trust.policy.list_stores("tsa")
    if not envelope.timestamp or not stores:
        return None
    is_valid_now = all(entry.not_valid_before_utc <= trust.now <= entry.not_valid_after_utc for entry in chain)
    if trust.policy.signature_verification.verify_timestamp == "afterCertExpiry" and is_valid_now:
        return None
    roots = [root for name in stores for root in trust.store.load("tsa", name)]
    return verify_timestamp(envelope.timestamp, envelope.signature, roots)


def _check_expiry(envelope: NotationEnvelope, now: dt.datetime) -> None:
    expiry = envelope.headers.expiry
    if expiry is not None and now >= expiry:
        raise SignatureError(f"the signature expired on {utc_text(expiry)}")


def _apply_level(policy: TrustPolicy, validation: SignatureValidation, error: SignatureError, notes: list[str]) -> None:
    """Raise the error, or keep it as a note if the level of the policy only logs this validation."""
    if policy.signature_verification.is_enforced(validation):
        raise error
    notes.append(f"{error} (accepted by the trust policy {visible(policy.name)})")


def _fingerprint(certificate: x509.Certificate) -> str:
    key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(key).hexdigest()
