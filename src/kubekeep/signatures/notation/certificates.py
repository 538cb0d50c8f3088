"""Certificate chains of notation signatures: requirements of the signature specification 1.1, and signing algorithms.

Only basic constraints, key usage and extended key usage are honoured, as the specification demands. Never decides if a root
is trusted, and never checks revocation.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from kubekeep.model.text import utc_text, visible
from kubekeep.signatures.errors import SignatureError

T = TypeVar("T", bound=x509.ExtensionType)

_RSA: Final[dict[int, tuple[str, hashes.HashAlgorithm]]] = {
    2048: ("PS256", hashes.SHA256()),
    3072: ("PS384", hashes.SHA384()),
    4096: ("PS512", hashes.SHA512()),
}
_CURVES: Final[dict[str, tuple[str, hashes.HashAlgorithm, int]]] = {
    "secp256r1": ("ES256", hashes.SHA256(), 32),
    "secp384r1": ("ES384", hashes.SHA384(), 48),
    "secp521r1": ("ES512", hashes.SHA512(), 66),
}
ISSUER_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
"""Hash functions of signatures by authorities."""
_FORBIDDEN_PURPOSES: Final = {
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "emailProtection",
    ExtendedKeyUsageOID.TIME_STAMPING: "timeStamping",
    ExtendedKeyUsageOID.CODE_SIGNING: "codeSigning",
}
PARSE_ERRORS: Final = (
    ValueError,
    TypeError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)
"""Errors of the library for content that is no valid certificate."""


def load_certificates(chain: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a chain in DER. Raises SignatureError."""
    try:
        return tuple(map(_load, chain))
    except PARSE_ERRORS as error:
        raise SignatureError(f"a certificate cannot be read: {visible(str(error))}") from error


def _load(content: bytes) -> x509.Certificate:
    """Return a certificate. Its parts are read once here, because the library parses them only when they are used."""
    certificate = x509.load_der_x509_certificate(content)
    for part in ("subject", "issuer", "extensions", "not_valid_before_utc", "not_valid_after_utc"):
        getattr(certificate, part)
    for name in (certificate.subject, certificate.issuer):
        name.rfc4514_string()
    certificate.public_key()
    _ = certificate.signature_hash_algorithm
    return certificate


def verify_signature(certificate: x509.Certificate, algorithm: str, signature: bytes, signed: bytes) -> None:
    """Raise SignatureError unless the key of `certificate` made the signature with `algorithm`.

    The key alone decides the algorithm, so that an attacker cannot substitute another one.
    """
    key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            expected, digest = _select_rsa(key)
            _check_algorithm(expected, algorithm)
            key.verify(signature, signed, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            expected, digest, size = _select_curve(key)
            _check_algorithm(expected, algorithm)
            if len(signature) != 2 * size:
                raise SignatureError(f"the signature has {len(signature)} bytes; {algorithm} needs {2 * size}")
            numbers = (int.from_bytes(signature[:size]), int.from_bytes(signature[size:]))
            key.verify(encode_dss_signature(*numbers), signed, ec.ECDSA(digest))
        else:
            raise SignatureError(f"{describe_certificate(certificate)}: the key is neither RSA nor ECDSA")
    except InvalidSignature as error:
        raise SignatureError("the signature does not match the content of the envelope") from error


def _select_rsa(key: rsa.RSAPublicKey) -> tuple[str, hashes.HashAlgorithm]:
    if key.key_size not in _RSA:
        raise SignatureError(f"the RSA key has {key.key_size} bits; 2048, 3072 and 4096 are allowed")
    return _RSA[key.key_size]


def _select_curve(key: ec.EllipticCurvePublicKey) -> tuple[str, hashes.HashAlgorithm, int]:
    if key.curve.name not in _CURVES:
        raise SignatureError(f"the key is on the curve {key.curve.name}; P-256, P-384 and P-521 are allowed")
    return _CURVES[key.curve.name]


def _check_algorithm(expected: str, algorithm: str) -> None:
    if algorithm != expected:
        raise SignatureError(f"the algorithm is {visible(algorithm) or 'unknown'}; the key requires {expected}")


def check_code_signing_chain(chain: Sequence[x509.Certificate]) -> None:
    """Raise SignatureError unless the chain meets the requirements for signers of images."""
    _check_chain(chain, allowed=ExtendedKeyUsageOID.CODE_SIGNING, is_required=False)


def check_timestamp_chain(chain: Sequence[x509.Certificate]) -> None:
    """Raise SignatureError unless the chain meets the requirements for timestamp authorities."""
    _check_chain(chain, allowed=ExtendedKeyUsageOID.TIME_STAMPING, is_required=True)


def _check_chain(chain: Sequence[x509.Certificate], *, allowed: x509.ObjectIdentifier, is_required: bool) -> None:
    try:
        _check_leaf(chain[0], allowed, is_required=is_required)
        for depth, certificate in enumerate(chain[1:]):
            _check_authority(certificate, depth)
        for certificate, issuer in zip(chain, (*chain[1:], chain[-1]), strict=True):
            _check_issued(certificate, issuer)
    except PARSE_ERRORS as error:
        raise SignatureError(f"a certificate cannot be read: {visible(str(error))}") from error


def _check_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """Check the signature of a certificate; the last one of a chain must be its own issuer."""
    is_last = certificate is issuer
    if certificate.issuer != issuer.subject:
        if is_last:
            raise SignatureError(
                f"the chain does not end with a root: {describe_certificate(certificate)} has another issuer"
            )
        raise SignatureError(
            f"{describe_certificate(certificate)} is not issued by the next certificate, {describe_certificate(issuer)}"
        )
    # Only the last certificate may be its own issuer; a root before the end has no part in the chain.
    if not is_last and certificate.issuer == certificate.subject:
        raise SignatureError(
            f"{describe_certificate(certificate)} is a root, but not the last certificate of the chain"
        )
    if not isinstance(certificate.signature_hash_algorithm, ISSUER_HASHES):
        raise SignatureError(f"{describe_certificate(certificate)} is not signed with SHA-256, SHA-384 or SHA-512")
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature as error:
        raise SignatureError(
            f"{describe_certificate(certificate)} has no valid signature of {describe_certificate(issuer)}"
        ) from error


def _check_authority(certificate: x509.Certificate, depth: int) -> None:
    """Check a certificate of an authority; `depth` authorities are between it and the signer."""
    constraints = find_extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.critical or not constraints.value.ca:
        raise SignatureError(
            f"{describe_certificate(certificate)}: basicConstraints does not mark an authority, or is not critical"
        )
    limit = constraints.value.path_length
    if limit is not None and depth > limit:
        raise SignatureError(
            f"{describe_certificate(certificate)}: pathLenConstraint {limit} allows no chain of this length"
        )
    usage = find_extension(certificate, x509.KeyUsage)
    if usage is None or not usage.critical or not usage.value.key_cert_sign:
        raise SignatureError(f"{describe_certificate(certificate)}: keyUsage has no keyCertSign, or is not critical")


def _check_leaf(certificate: x509.Certificate, allowed: x509.ObjectIdentifier, *, is_required: bool) -> None:
    name = describe_certificate(certificate)
    constraints = find_extension(certificate, x509.BasicConstraints)
    if constraints is not None and constraints.value.ca:
        raise SignatureError(f"{name} is the certificate of an authority, which must not sign")
    usage = find_extension(certificate, x509.KeyUsage)
    if usage is None or not usage.critical or not usage.value.digital_signature:
        raise SignatureError(f"{name}: keyUsage has no digitalSignature, or is not critical")
    excess = [usage_name for usage_name, is_set in _list_excess(usage.value) if is_set]
    if excess:
        raise SignatureError(f"{name}: keyUsage must not have {', '.join(excess)}")
    purposes = find_extension(certificate, x509.ExtendedKeyUsage)
    if is_required and (purposes is None or allowed not in purposes.value):
        raise SignatureError(f"{name}: extendedKeyUsage has no {_FORBIDDEN_PURPOSES[allowed]}")
    for purpose in purposes.value if purposes else ():
        if purpose != allowed and purpose in _FORBIDDEN_PURPOSES:
            raise SignatureError(f"{name}: extendedKeyUsage must not have {_FORBIDDEN_PURPOSES[purpose]}")
    _check_key(certificate)


def _check_key(certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        _select_rsa(key)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        _select_curve(key)
    else:
        raise SignatureError(f"{describe_certificate(certificate)}: the key is neither RSA nor ECDSA")


def _list_excess(usage: x509.KeyUsage) -> tuple[tuple[str, bool], ...]:
    return (
        ("keyEncipherment", usage.key_encipherment),
        ("dataEncipherment", usage.data_encipherment),
        ("keyAgreement", usage.key_agreement),
        ("keyCertSign", usage.key_cert_sign),
        ("cRLSign", usage.crl_sign),
        ("encipherOnly", usage.key_agreement and usage.encipher_only),
        ("decipherOnly", usage.key_agreement and usage.decipher_only),
    )


def check_validity(chain: Sequence[x509.Certificate], earliest: dt.datetime, latest: dt.datetime, event: str) -> None:
    """Raise SignatureError unless every certificate is valid from `earliest` to `latest`, the time of `event`."""
    for certificate in chain:
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if earliest < start:
            raise SignatureError(
                f"{describe_certificate(certificate)} is not valid before {utc_text(start)}; {event} is {utc_text(earliest)}"
            )
        if latest > end:
            raise SignatureError(
                f"{describe_certificate(certificate)} expired on {utc_text(end)}; {event} is {utc_text(latest)}"
            )


def has_revocation_data(chain: Sequence[x509.Certificate]) -> bool:
    """Return True if a certificate names a service or list for its revocation (OCSP or CRL)."""
    for certificate in chain:
        if find_extension(certificate, x509.CRLDistributionPoints) is not None:
            return True
        access = find_extension(certificate, x509.AuthorityInformationAccess)
        if access is not None and any(
            entry.access_method == AuthorityInformationAccessOID.OCSP for entry in access.value
        ):
            return True
    return False


def find_extension(certificate: x509.Certificate, kind: type[T]) -> x509.Extension[T] | None:
    """Return an extension of a certificate; None if it has none of this kind."""
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def describe_certificate(certificate: x509.Certificate) -> str:
    """Return the subject of a certificate for messages."""
    return f"certificate {visible(certificate.subject.rfc4514_string()[:200]) or '(without a subject)'}"
