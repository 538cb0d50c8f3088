"""Certificates of signers: the chain to an authority at a proven time, certificate transparency, and the identity.

Time is always the proven time of signing, never the present. Revocation does not exist for these certificates.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Iterable
from typing import Final

import msgspec
import re2  # type: ignore[import-untyped]  # it has no types
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.certificate_transparency import LogEntryType, SignedCertificateTimestamp
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from kubekeep.registry.keys import check_public_key, fingerprint, is_valid
from kubekeep.signatures.errors import SignatureError, TrustError
from kubekeep.signatures.sigstore.trusted_root import CertificateAuthority, TransparencyLog, TrustedRoot

_FULCIO: Final = "1.3.6.1.4.1.57264.1"
_OTHER_NAME: Final = f"{_FULCIO}.7"
_ISSUERS: Final = (f"{_FULCIO}.8", f"{_FULCIO}.1")
"""The newer extension first, which is DER; the older one is plain text."""
CLAIMS: Final = {
    "build-signer-uri": 9,
    "build-signer-digest": 10,
    "runner-environment": 11,
    "source-repository": 12,
    "source-digest": 13,
    "source-ref": 14,
    "source-repository-id": 15,
    "source-owner": 16,
    "source-owner-id": 17,
    "build-config": 18,
    "build-config-digest": 19,
    "build-trigger": 20,
    "run-invocation": 21,
    "source-visibility": 22,
}
"""Claims of CI systems by the last number of their extension (Fulcio, oid-info.md)."""
_UTF8_STRING: Final = 12


class CertificateIdentity(msgspec.Struct, frozen=True, omit_defaults=True):
    """A trusted identity: exact, or as regular expressions that match the whole text.

    claims: values that claims of a CI system must have, by their names in CLAIMS.
    """

    identity: str = ""
    issuer: str = ""
    identity_pattern: str = ""
    issuer_pattern: str = ""
    claims: tuple[tuple[str, str], ...] = ()

    def check(self) -> None:
        """Raise TrustError unless identity and issuer are given, and patterns and claims are valid."""
        if not (self.identity or self.identity_pattern) or not (self.issuer or self.issuer_pattern):
            raise TrustError("a certificate identity needs an identity and an issuer, exact or as a pattern")
        for pattern in filter(None, (self.identity_pattern, self.issuer_pattern)):
            try:
                re2.compile(pattern)
            except re2.error as error:
                raise TrustError(f"{pattern!r} is not a regular expression: {error}") from error
        for name, _ in self.claims:
            if name not in CLAIMS:
                raise TrustError(f"unknown claim {name!r}: use one of {', '.join(CLAIMS)}")

    def find(self, certificate: x509.Certificate) -> tuple[str, str]:
        """Return the identity and issuer of a matching certificate. Raises SignatureError for another one."""
        identities, issuer = list_identities(certificate), read_issuer(certificate)
        matches = [text for text in identities if _matches(text, self.identity, self.identity_pattern)]
        signer = f"signed by {' or '.join(identities) or 'an unnamed identity'}, issuer {issuer or 'unknown'}"
        if not matches:
            raise SignatureError(f"{signer}; trusted is the identity {self.identity or self.identity_pattern}")
        if not _matches(issuer, self.issuer, self.issuer_pattern):
            raise SignatureError(f"{signer}; trusted is the issuer {self.issuer or self.issuer_pattern}")
        for name, expected in self.claims:
            value = _read_text(certificate, f"{_FULCIO}.{CLAIMS[name]}")
            if value != expected:
                raise SignatureError(f"{signer}; its claim {name} is {value or 'missing'}, not {expected}")
        return matches[0], issuer


def list_identities(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the subject alternative names that identify signers: URI, email address, and Fulcio's own type."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    texts = []
    for name in names:
        match name:
            case x509.UniformResourceIdentifier() | x509.RFC822Name():
                texts.append(name.value)
            case x509.OtherName() if name.type_id.dotted_string == _OTHER_NAME:
                texts.append(_decode_text(name.value))
    return tuple(filter(None, texts))


def read_issuer(certificate: x509.Certificate) -> str:
    """Return the OIDC issuer; "" if the certificate has none."""
    return _read_text(certificate, _ISSUERS[0]) or _read_text(certificate, _ISSUERS[1], is_plain=True)


def verify_certificate(
    certificate: x509.Certificate,
    intermediates: Iterable[x509.Certificate],
    root: TrustedRoot,
    times: Iterable[dt.datetime],
) -> None:
    """Raise SignatureError unless an authority vouches for the certificate at each of `times`."""
    _check_usage(certificate)
    pool = tuple(intermediates)
    for time in times:
        chain = _build_chain(certificate, pool, root.authorities, time)
        if root.certificate_logs:
            _verify_transparency(certificate, chain[1], root.certificate_logs)


def _build_chain(
    certificate: x509.Certificate,
    intermediates: tuple[x509.Certificate, ...],
    authorities: tuple[CertificateAuthority, ...],
    time: dt.datetime,
) -> list[x509.Certificate]:
    reasons = []
    if not certificate.not_valid_before_utc <= time <= certificate.not_valid_after_utc:
        raise SignatureError(
            f"the certificate was valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC; signed at {time:%Y-%m-%d %H:%M:%S} UTC"
        )
    for authority in authorities:
        if not authority.certificates or not authority.period.includes(time):
            continue
        *own, anchor = authority.certificates
        # Extended key usage is checked here: the library expects that of TLS clients.
        verifier = (
            PolicyBuilder()
            .store(Store([anchor]))
            .time(time.replace(tzinfo=None))
            .extension_policies(
                ca_policy=ExtensionPolicy.webpki_defaults_ca().may_be_present(
                    x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _check_authority_usage
                ),
                ee_policy=ExtensionPolicy.webpki_defaults_ee().may_be_present(
                    x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None
                ),
            )
            .build_client_verifier()
        )
        try:
            return verifier.verify(certificate, [*own, *intermediates]).chain
        except (VerificationError, x509.UnsupportedGeneralNameType, ValueError) as error:
            reasons.append(str(error))
    detail = f": {reasons[-1]}" if reasons else f" at {time:%Y-%m-%d %H:%M:%S} UTC"
    raise SignatureError(f"no trusted authority has issued the certificate{detail}")


def _check_usage(certificate: x509.Certificate) -> None:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        raise SignatureError("the certificate is not for code signing") from None
    if not usage.digital_signature or ExtendedKeyUsageOID.CODE_SIGNING not in extended:
        raise SignatureError("the certificate is not for code signing")


def _check_authority_usage(policy: object, certificate: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:  # noqa: ARG001 - the library's signature
    allowed = (ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if usage is not None and not any(oid in usage for oid in allowed):
        raise ValueError("an authority that may not issue certificates for code signing")


def _verify_transparency(
    certificate: x509.Certificate, issuer: x509.Certificate, logs: tuple[TransparencyLog, ...]
) -> None:
    """Raise SignatureError unless one of the logs has promised to list the certificate (RFC 6962)."""
    try:
        promises = list(
            certificate.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value
        )
    except (x509.ExtensionNotFound, ValueError):
        raise SignatureError("the certificate has no timestamp of a certificate log (SCT)") from None
    for promise in promises:
        time = promise.timestamp.replace(tzinfo=dt.UTC)
        for log in logs:
            if (
                log.log_id == promise.log_id
                and log.period.includes(time)
                and promise.entry_type == LogEntryType.PRE_CERTIFICATE
                and isinstance(promise.signature_hash_algorithm, hashes.SHA256)
                and is_valid(log.key, promise.signature, _encode_promise(promise, certificate, issuer))
            ):
                return
    raise SignatureError("no trusted certificate log has a valid timestamp in the certificate (SCT)")


def _encode_promise(
    promise: SignedCertificateTimestamp, certificate: x509.Certificate, issuer: x509.Certificate
) -> bytes:
    """Return the bytes that a log signs for a precertificate (RFC 6962 §3.2)."""
    body = certificate.tbs_precertificate_bytes
    issuer_hash = bytes.fromhex(fingerprint(check_public_key(issuer.public_key())))
    milliseconds = round(promise.timestamp.replace(tzinfo=dt.UTC).timestamp() * 1000)
    return (
        struct.pack("!BBQH", promise.version.value, 0, milliseconds, 1)
        + issuer_hash
        + len(body).to_bytes(3, "big")
        + body
        + struct.pack("!H", len(promise.extension_bytes))
        + promise.extension_bytes
    )


def _matches(text: str, exact: str, pattern: str) -> bool:
    if pattern:
        return bool(text) and re2.fullmatch(pattern, text) is not None
    return bool(exact) and text == exact


def _read_text(certificate: x509.Certificate, oid: str, *, is_plain: bool = False) -> str:
    try:
        extension = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(oid)).value
    except (x509.ExtensionNotFound, ValueError):
        return ""
    value = extension.public_bytes()
    return value.decode(errors="replace") if is_plain else _decode_text(value)


def _decode_text(der: bytes) -> str:
    """Return the text of a UTF8String in DER with a length of up to two bytes; "" for another value."""
    if len(der) < 2 or der[0] != _UTF8_STRING:
        return ""
    length, start = der[1], 2
    if length > 0x80:
        start = 2 + (length & 0x7F)
        if start > 4:
            return ""
        length = int.from_bytes(der[2:start], "big")
    if length == 0x80 or len(der) != start + length:
        return ""
    return der[start:].decode(errors="replace")
