"""Revocation of the certificates of a signer: OCSP, then lists (CRL), as notation's specification prescribes.

Uses the network only with a client. Never reports a certificate as valid without an answer that its issuer has signed and
that is current.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from kubekeep.model.text import utc_text, visible
from kubekeep.signatures.errors import SignatureError, TrustError
from kubekeep.signatures.notation.certificates import ISSUER_HASHES, PARSE_ERRORS, describe_certificate, find_extension
from kubekeep.signatures.notation.ocsp_response import OcspAnswer, check_period, read_answer
from kubekeep.signatures.service_client import ServiceClient, ServiceError

LARGEST_LIST: Final = 32 << 20
_MOST_ADDRESSES: Final = 4


class RevocationError(SignatureError):
    """A certificate is revoked, or its status is not known."""


class RevocationSources(msgspec.Struct, frozen=True):
    """Sources of the status of certificates. client: for OCSP and lists; None without permission to use the network."""

    lists: tuple[Any, ...] = ()
    client: ServiceClient | None = None


def load_list(content: bytes, name: str) -> x509.CertificateRevocationList:
    """Return the list in a file, in PEM or DER. Raises TrustError."""
    if len(content) > LARGEST_LIST:
        raise TrustError(f"{name}: larger than {LARGEST_LIST:,} bytes")
    try:
        return _decode_list(content)
    except ValueError as error:
        raise TrustError(f"{name}: not a certificate revocation list: {visible(str(error))}") from error


def check_revocation(
    chain: Sequence[x509.Certificate], sources: RevocationSources, now: dt.datetime, signed: dt.datetime | None
) -> None:
    """Raise RevocationError if a certificate of the chain, except its root, is revoked or its status is unknown.

    signed: proven time of signing; a certificate that was revoked as invalid since a later time is accepted.
    """
    for certificate, issuer in itertools.pairwise(chain):
        try:
            _check(certificate, issuer, sources, now, signed)
        except PARSE_ERRORS as error:
            raise RevocationError(
                f"{describe_certificate(certificate)}: the revocation status is unknown: {visible(str(error))}"
            ) from error


def _check(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    sources: RevocationSources,
    now: dt.datetime,
    signed: dt.datetime | None,
) -> None:
    """Accept the first answer. A certificate without addresses cannot be revoked, unless a given list is of its issuer."""
    reasons: list[str] = []
    services, addresses = _list_services(certificate), _list_addresses(certificate)
    lists = [entry for entry in sources.lists if entry.issuer == certificate.issuer]
    if not services and not addresses and not lists:
        return
    for answer in _iterate_answers(certificate, issuer, sources.client, services, addresses, lists, now, reasons):
        if answer.revoked is None:
            return
        if signed is not None and answer.invalid_since is not None and signed < answer.invalid_since:
            return
        raise RevocationError(f"{describe_certificate(certificate)} was revoked on {utc_text(answer.revoked)}")
    detail = "; ".join(reasons) or "the network is not allowed, and no list of its issuer is given"
    raise RevocationError(f"{describe_certificate(certificate)}: the revocation status is unknown: {detail}")


def _iterate_answers(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    client: ServiceClient | None,
    services: list[str],
    addresses: list[str],
    lists: list[x509.CertificateRevocationList],
    now: dt.datetime,
    reasons: list[str],
) -> Iterator[OcspAnswer]:
    """Yield answers: of given lists, of OCSP, of lists of the issuer. Collects the reasons why others are not usable."""
    for entry in lists:
        try:
            yield _read_list(entry, certificate, issuer, now)
        except SignatureError as error:
            reasons.append(f"given list: {error}")
    if client is None:
        return
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1()).build()  # noqa: S303 - identifies the issuer (RFC 6960)
    content = request.public_bytes(Encoding.DER)
    for url in services:
        try:
            reply = client.post(url, content, "application/ocsp-request", "application/ocsp-response")
            yield read_answer(reply, certificate, issuer, now)
        except (SignatureError, ServiceError) as error:
            reasons.append(f"OCSP: {error}")
    for url in addresses:
        try:
            entry = _decode_list(client.get(url, {"Accept": "application/pkix-crl"}, LARGEST_LIST))
            yield _read_list(entry, certificate, issuer, now)
        except (SignatureError, ServiceError, ValueError) as error:
            reasons.append(f"CRL {visible(url)}: {visible(str(error))}")


def _read_list(
    revoked: x509.CertificateRevocationList, certificate: x509.Certificate, issuer: x509.Certificate, now: dt.datetime
) -> OcspAnswer:
    """Return the answer of a list. Raises SignatureError if it proves nothing about the certificate."""
    if revoked.issuer != certificate.issuer:
        raise RevocationError("it is of another authority")
    usage = find_extension(issuer, x509.KeyUsage)
    if usage is None or not usage.value.crl_sign:
        raise RevocationError(f"{describe_certificate(issuer)} may not sign lists: keyUsage has no cRLSign")
    key: Any = issuer.public_key()
    if not isinstance(revoked.signature_hash_algorithm, ISSUER_HASHES) or not revoked.is_signature_valid(key):
        raise RevocationError("its signature is not valid")
    check_period(revoked.last_update_utc, revoked.next_update_utc, now)
    # A critical extension may restrict the list to some certificates or reasons, or make it a delta.
    if any(extension.critical for extension in revoked.extensions):
        raise RevocationError("it has a critical extension, which is not supported")
    if find_extension(certificate, x509.FreshestCRL) or _has_extension(revoked, x509.FreshestCRL):
        raise RevocationError("it has deltas, which are not supported")
    entry = revoked.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None:
        return OcspAnswer()
    invalid_since = None
    if _has_extension(entry, x509.InvalidityDate):
        invalid_since = entry.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc
    return OcspAnswer(entry.revocation_date_utc, invalid_since)


def _has_extension(holder: Any, kind: type[x509.ExtensionType]) -> bool:
    return any(isinstance(extension.value, kind) for extension in holder.extensions)


def _decode_list(content: bytes) -> x509.CertificateRevocationList:
    if content.lstrip().startswith(b"-----BEGIN"):
        return x509.load_pem_x509_crl(content)
    return x509.load_der_x509_crl(content)


def _list_services(certificate: x509.Certificate) -> list[str]:
    """Return the URLs of OCSP services."""
    access = find_extension(certificate, x509.AuthorityInformationAccess)
    return _select_urls(
        entry.access_location
        for entry in (access.value if access else ())
        if entry.access_method == AuthorityInformationAccessOID.OCSP
    )


def _list_addresses(certificate: x509.Certificate) -> list[str]:
    """Return the URLs of lists for all reasons of revocation."""
    points = find_extension(certificate, x509.CRLDistributionPoints)
    return _select_urls(
        name
        for point in (points.value if points else ())
        if point.reasons is None and point.crl_issuer is None
        for name in point.full_name or ()
    )


def _select_urls(names: Any) -> list[str]:
    urls = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    return [url for url in urls if url.lower().startswith(("http://", "https://"))][:_MOST_ADDRESSES]
