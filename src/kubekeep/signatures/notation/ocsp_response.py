"""Responses of OCSP (RFC 6960): signature, responder, period and status. No I/O."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from kubekeep.model.text import utc_text, visible
from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.notation.certificates import ISSUER_HASHES, PARSE_ERRORS, find_extension

_SKEW: Final = dt.timedelta(minutes=5)
"""Accepted difference between the clocks of responder and verifier."""


class OcspAnswer(msgspec.Struct, frozen=True):
    """The status of a certificate. revoked: time of revocation; None if it is not revoked. invalid_since: if stated."""

    revoked: dt.datetime | None = None
    invalid_since: dt.datetime | None = None


def read_answer(
    content: bytes, certificate: x509.Certificate, issuer: x509.Certificate, now: dt.datetime
) -> OcspAnswer:
    """Return the answer about a certificate. Raises SignatureError if the response proves nothing about it."""
    try:
        response = ocsp.load_der_ocsp_response(content)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise SignatureError(f"the responder failed: {response.response_status.name.lower()}")
        single = _find_single(response, certificate, issuer)
        _verify(response, issuer, now)
        check_period(single.this_update_utc, single.next_update_utc, now)
        return _read_status(response, single)
    except PARSE_ERRORS as error:
        raise SignatureError(f"the response cannot be read: {visible(str(error))}") from error


def _find_single(response: ocsp.OCSPResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> Any:
    """Return the part of the response about the certificate: serial numbers are unique for an issuer only."""
    for single in response.responses:
        if single.serial_number == certificate.serial_number and _is_issuer(single, issuer):
            return single
    raise SignatureError("the response is about another certificate")


def _is_issuer(single: Any, issuer: x509.Certificate) -> bool:
    name = hashes.Hash(single.hash_algorithm)
    name.update(issuer.subject.public_bytes())
    key = hashes.Hash(single.hash_algorithm)
    key.update(_encode_key(issuer))
    return bool(single.issuer_name_hash == name.finalize() and single.issuer_key_hash == key.finalize())


def _encode_key(certificate: x509.Certificate) -> bytes:
    """Return the bits of the public key, without its algorithm."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    raise SignatureError("the key of the authority is neither RSA nor ECDSA")


def _verify(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: dt.datetime) -> None:
    """Raise SignatureError unless the issuer, or a responder that it has certified, has signed the response."""
    for signer in (issuer, *response.certificates):
        if (signer is issuer or _is_responder(signer, issuer, now)) and _is_signed(response, signer):
            return
    raise SignatureError("the response is not signed by the authority or its responder")


def _is_responder(signer: x509.Certificate, issuer: x509.Certificate, now: dt.datetime) -> bool:
    purposes = find_extension(signer, x509.ExtendedKeyUsage)
    if purposes is None or ExtendedKeyUsageOID.OCSP_SIGNING not in purposes.value:
        return False
    if not signer.not_valid_before_utc <= now <= signer.not_valid_after_utc:
        return False
    try:
        signer.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _is_signed(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    algorithm = response.signature_hash_algorithm
    if not isinstance(algorithm, ISSUER_HASHES):
        return False
    key = signer.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def check_period(start: dt.datetime, end: dt.datetime | None, now: dt.datetime) -> None:
    """Raise SignatureError unless an answer is current. One without an end could be repeated for all time."""
    if start > now + _SKEW or end is None or end < now - _SKEW:
        period = f"from {utc_text(start)} to {utc_text(end)}" if end else f"from {utc_text(start)}, without an end"
        raise SignatureError(f"it is not current: valid {period}")


def _read_status(response: ocsp.OCSPResponse, single: Any) -> OcspAnswer:
    if single.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        raise SignatureError("the responder does not know the certificate")
    if single.certificate_status is ocsp.OCSPCertStatus.GOOD:
        return OcspAnswer()
    # The library returns the extensions of the first answer only.
    extensions = response.single_extensions if len(list(response.responses)) == 1 else ()
    dates = [entry.value for entry in extensions if isinstance(entry.value, x509.InvalidityDate)]
    return OcspAnswer(single.revocation_time_utc, dates[0].invalidity_date_utc if dates else None)
