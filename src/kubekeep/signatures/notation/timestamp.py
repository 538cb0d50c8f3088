"""Timestamp countersignatures (RFC 3161) of notation signatures: the time range in which a signature existed.

Needs the package `rfc3161-client` of the extra `signatures`. Never checks revocation.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kubekeep.model.text import visible
from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.notation.certificates import (
    PARSE_ERRORS,
    check_timestamp_chain,
    check_validity,
    load_certificates,
)

_BASELINE: Final = "0.4.0.2023.1.1"
"""The baseline policy of RFC 3628, whose timestamps are accurate to one second."""
_SIGNING_CERTIFICATE: Final = bytes.fromhex("060b2a864886f70d010910020c")
_SIGNING_CERTIFICATE_V2: Final = bytes.fromhex("060b2a864886f70d010910022f")
_HASHES: Final = {
    bytes.fromhex("0609608648016503040201"): "sha256",
    bytes.fromhex("0609608648016503040202"): "sha384",
    bytes.fromhex("0609608648016503040203"): "sha512",
}
_SEQUENCE, _OCTETS, _CONTEXT_0 = 0x30, 0x04, 0xA0
_LARGEST: Final = 1 << 20
_MOST_CERTIFICATES: Final = 16


class TimestampRange(msgspec.Struct, frozen=True):
    """The time of a timestamp, less and plus its accuracy."""

    earliest: dt.datetime
    latest: dt.datetime


def verify_timestamp(token: bytes, signature: bytes, roots: Sequence[x509.Certificate]) -> TimestampRange:
    """Return the time proved for `signature` by an authority below `roots`. Raises SignatureError."""
    from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response  # noqa: PLC0415

    if len(token) > _LARGEST:
        raise SignatureError(f"the timestamp has {len(token):,} bytes; the limit is {_LARGEST:,}")
    granted = _encode(_SEQUENCE, b"\x02\x01\x00")
    try:
        response = decode_timestamp_response(_encode(_SEQUENCE, granted + _sort_certificates(token)))
        encoded = response.signed_data.certificates
        if len(encoded) > _MOST_CERTIFICATES:
            raise SignatureError(f"the timestamp has {len(encoded)} certificates; the limit is {_MOST_CERTIFICATES}")
        # Certificates of the token must not be passed on: the library trusts every certificate that it is given.
        VerifierBuilder(roots=list(roots)).build().verify_message(response, signature)
        signers = [(entry.issuer, entry.serial_number) for entry in response.signed_data.signer_infos]
        chain = _build_chain(signers, load_certificates(sorted(encoded)), roots)
        information = response.tst_info
    except (VerificationError, *PARSE_ERRORS) as error:
        raise SignatureError(f"the timestamp is not valid: {visible(str(error))}") from error
    check_timestamp_chain(chain)
    _check_signing_certificate(token, chain[0])
    accuracy = _read_accuracy(information)
    time = information.gen_time.astimezone(dt.UTC)
    check_validity(chain, time, time, "the time of the timestamp")
    return TimestampRange(time - accuracy, time + accuracy)


def _read_accuracy(information: object) -> dt.timedelta:
    """Return the accuracy of a TSTInfo; it is that of the policy, or exact, if the authority states none."""
    accuracy = getattr(information, "accuracy", None)
    if accuracy is not None:
        return dt.timedelta(
            seconds=accuracy.seconds or 0, milliseconds=accuracy.millis or 0, microseconds=accuracy.micros or 0
        )
    policy = getattr(information, "policy", None)
    is_baseline = policy is not None and policy.dotted_string == _BASELINE
    return dt.timedelta(seconds=1 if is_baseline else 0)


def _build_chain(
    signers: Sequence[tuple[x509.Name, int]],
    certificates: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
) -> list[x509.Certificate]:
    """Return the chain from the signer's certificate to a root."""
    candidates = [*roots, *certificates]
    chain = [entry for entry in candidates if (entry.issuer, entry.serial_number) in signers][:1]
    if not chain:
        raise SignatureError("the timestamp does not contain the certificate of its signer")
    while chain[-1] not in roots and len(chain) <= _MOST_CERTIFICATES:
        issuer = next((entry for entry in candidates if _is_issuer(entry, chain[-1])), None)
        if issuer is None:
            break
        chain.append(issuer)
    if chain[-1] not in roots:
        raise SignatureError("the certificates of the timestamp do not lead to a trusted timestamp authority")
    return chain


def _is_issuer(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    return issuer.subject == certificate.issuer and issuer != certificate


def _check_signing_certificate(token: bytes, certificate: x509.Certificate) -> None:
    """Check that the signed attributes name the certificate (RFC 2634 and RFC 5035), so that it cannot be replaced."""
    encoded = certificate.public_bytes(Encoding.DER)
    attributes = dict(_list_attributes(token))
    try:
        if _SIGNING_CERTIFICATE_V2 in attributes:
            parts = _first_certificate(attributes[_SIGNING_CERTIFICATE_V2])
            name = "sha256"
            if parts and parts[0][0] == _SEQUENCE:
                identifier = _list_values(parts.pop(0)[1])[0]
                name = _HASHES[_encode(*identifier)]
        elif _SIGNING_CERTIFICATE in attributes:
            parts, name = _first_certificate(attributes[_SIGNING_CERTIFICATE]), "sha1"
        else:
            raise SignatureError("the timestamp does not name its certificate (signing-certificate attribute)")
        matches = parts[0] == (_OCTETS, hashlib.new(name, encoded, usedforsecurity=name != "sha1").digest())
    except (IndexError, KeyError) as error:
        raise SignatureError("the signing-certificate attribute of the timestamp is not valid") from error
    if not matches:
        raise SignatureError("the signing-certificate attribute of the timestamp names another certificate")


def _first_certificate(attribute: bytes) -> list[tuple[int, bytes]]:
    """Return the parts of the first ESSCertID in an attribute's set of values."""
    content = attribute
    for _ in range(4):  # the set, SigningCertificate, its list, ESSCertID
        content = _list_values(content)[0][1]
    return _list_values(content)


def _list_attributes(token: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the identifier and the set of values, both encoded, of each signed attribute of a token's only signer."""
    try:
        signed_data = _list_values(_list_values(_list_values(_list_values(token)[0][1])[1][1])[0][1])
        (signer,) = _list_values(signed_data[-1][1])
        signed = next(content for tag, content in _list_values(signer[1]) if tag == _CONTEXT_0)
        for _, attribute in _list_values(signed):
            identifier, values = _list_values(attribute)
            yield _encode(*identifier), _encode(*values)
    except (IndexError, ValueError, StopIteration) as error:
        raise SignatureError("the signed attributes of the timestamp cannot be read") from error


def _sort_certificates(token: bytes) -> bytes:
    """Return a token with its certificates in the order of DER, which authorities do not keep and the parser requires.

    The certificates are not signed, so that the token stays valid. Raises SignatureError.
    """
    try:
        content_type, content = _list_values(_list_values(token)[0][1])
        parts = [
            (tag, b"".join(sorted(_encode(*entry) for entry in _list_values(value))) if tag == _CONTEXT_0 else value)
            for tag, value in _list_values(_list_values(content[1])[0][1])
        ]
    except (IndexError, ValueError) as error:
        raise SignatureError("the timestamp is not a TimeStampToken of RFC 3161") from error
    encoded = b"".join(_encode(*part) for part in parts)
    return _encode(_SEQUENCE, _encode(*content_type) + _encode(_CONTEXT_0, _encode(_SEQUENCE, encoded)))


def _list_values(content: bytes) -> list[tuple[int, bytes]]:
    """Return the tag and content of each DER value in `content`. Raises IndexError for truncated ones."""
    values = []
    position = 0
    while position < len(content):
        tag, size = content[position], content[position + 1]
        position += 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(content[position : position + count])
            position += count
        if position + size > len(content):
            raise IndexError(position)
        values.append((tag, content[position : position + size]))
        position += size
    return values


def _encode(tag: int, content: bytes) -> bytes:
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(size))) + size + content
