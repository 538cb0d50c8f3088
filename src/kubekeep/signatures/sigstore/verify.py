"""Verification of one signature: with a trusted key, or with the certificate of a trusted identity. No I/O.

The order is that of Sigstore's client specification: signature, proven times, certificate, identity, log entries.
"""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from kubekeep.registry.errors import KeyFileError
from kubekeep.registry.keys import PublicKey, check_public_key, encode_public_key, fingerprint, is_valid
from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.signed_object import SignedObject
from kubekeep.signatures.sigstore.certificates import list_identities, read_issuer, verify_certificate
from kubekeep.signatures.sigstore.log import check_period, verify_entry
from kubekeep.signatures.sigstore.log_body import compare_body
from kubekeep.signatures.sigstore.trusted_root import CertificateAuthority, TrustedRoot
from kubekeep.signatures.trust import LogPolicy, Trust
from kubekeep.signatures.verification import Signer


def verify_signer(signed: SignedObject, trust: Trust) -> Signer:
    """Return the trusted signer. Raises SignatureError with the reason if there is none."""
    for key in trust.keys:
        if _is_signed(signed, key, trust.hash_algorithm):
            return _verify_with_key(signed, key, trust)
    if not signed.certificates:
        expected = "another key" if trust.keys else "a key, and only certificates are trusted"
        raise SignatureError(f"signed with {expected}, or the content has changed")
    certificate = _load_certificate(signed.certificates[0])
    if not trust.identities:
        signer = " or ".join(list_identities(certificate)) or "an unnamed identity"
        raise SignatureError(
            f"signed by {signer}, issuer {read_issuer(certificate) or 'unknown'}, and only keys are trusted"
        )
    return _verify_with_certificate(signed, certificate, trust)


def _verify_with_key(signed: SignedObject, key: PublicKey, trust: Trust) -> Signer:
    times: list[dt.datetime] = []
    if signed.timestamps:
        times, _ = _verify_timestamps(signed, trust.load_root())
    if trust.log is not LogPolicy.IGNORED and signed.entries:
        times += _verify_entries(signed, encode_public_key(key), trust.load_root(), times)
    elif trust.log is LogPolicy.REQUIRED:
        raise SignatureError("the signature has no entry of a transparency log")
    return Signer(key=fingerprint(key), time=_format(min(times, default=None)))


def _verify_with_certificate(signed: SignedObject, certificate: x509.Certificate, trust: Trust) -> Signer:
    key = _load_key(certificate)
    if not _is_signed(signed, key):
        raise SignatureError("the signature does not fit the content and the certificate")
    identity, issuer = _find_identity(certificate, trust)
    root = trust.load_root()
    stamps, reasons = _verify_timestamps(signed, root)
    times = list(stamps)
    if trust.log is not LogPolicy.IGNORED:
        if not signed.entries and (root.logs or trust.log is LogPolicy.REQUIRED):
            raise SignatureError("the signature has no entry of a transparency log")
        verifier = certificate.public_bytes(serialization.Encoding.DER)
        times += _verify_entries(signed, verifier, root, stamps)
    if not times:
        detail = f": {reasons[-1]}" if reasons else ""
        raise SignatureError(f"the time of signing is not proven{detail}")
    intermediates = [_load_certificate(content) for content in signed.certificates[1:]]
    verify_certificate(certificate, intermediates, root, times)
    return Signer(key=fingerprint(key), identity=identity, issuer=issuer, time=_format(min(times)))


def _find_identity(certificate: x509.Certificate, trust: Trust) -> tuple[str, str]:
    reasons = []
    for identity in trust.identities:
        try:
            return identity.find(certificate)
        except SignatureError as error:
            reasons.append(str(error))
    raise SignatureError("; ".join(dict.fromkeys(reasons)))


def _verify_timestamps(signed: SignedObject, root: TrustedRoot) -> tuple[list[dt.datetime], list[str]]:
    """Return the times of trusted timestamps, and the reasons why others are not trusted."""
    times, reasons = [], []
    for content in signed.timestamps:
        try:
            times.append(_verify_timestamp(content, signed.stamped, root.timestamp_authorities))
        except SignatureError as error:
            reasons.append(str(error))
    return times, reasons


def _verify_entries(
    signed: SignedObject, verifier: bytes, root: TrustedRoot, stamps: list[dt.datetime]
) -> list[dt.datetime]:
    """Verify every log entry; return the times that they prove. Raises SignatureError."""
    times = []
    for entry in signed.entries:
        time, logs = verify_entry(entry, root.logs, needs_proof=signed.needs_proof)
        compare_body(entry, signed, verifier)
        if time is not None:
            times.append(time)
        else:
            for stamp in stamps:
                check_period(logs, stamp)
    return times


def _is_signed(signed: SignedObject, key: PublicKey, algorithm: str = "") -> bool:
    is_digest = signed.message is None
    return is_valid(
        key,
        signed.signature,
        signed.digest if signed.message is None else signed.message,
        is_digest=is_digest,
        algorithm=algorithm,
    )


def _load_certificate(content: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(content)
    except ValueError as error:
        raise SignatureError(f"a certificate cannot be read: {error}") from error


def _load_key(certificate: x509.Certificate) -> PublicKey:
    try:
        return check_public_key(certificate.public_key())
    except (KeyFileError, ValueError) as error:
        raise SignatureError(f"the certificate has {error}") from error


def _format(time: dt.datetime | None) -> str:
    return "" if time is None else time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _verify_timestamp(content: bytes, message: bytes, authorities: tuple[CertificateAuthority, ...]) -> dt.datetime:
    """Return the time at which `message` existed, by a timestamp of RFC 3161. Raises SignatureError.

    No certificate in the timestamp is trusted, only those of the trusted root.
    """
    from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response  # noqa: PLC0415 - few have it

    try:
        response = decode_timestamp_response(content)
        time = response.tst_info.gen_time
    except ValueError as error:
        raise SignatureError(f"a timestamp cannot be read: {error}") from error
    reasons = ["the trusted root has no timestamp authority"]
    for authority in authorities:
        if len(authority.certificates) < 2:
            continue
        signer, *intermediates, anchor = authority.certificates
        builder = VerifierBuilder(tsa_certificate=signer, intermediates=intermediates, roots=[anchor])
        try:
            builder.build().verify_message(response, message)
        except (VerificationError, ValueError) as error:
            reasons.append(str(error))
            continue
        if authority.period.includes(time):
            return time
        reasons.append(f"the authority was not in use at {time:%Y-%m-%d %H:%M:%S} UTC")
    raise SignatureError(f"a timestamp is not trusted: {reasons[-1]}")
