"""Signature envelopes of the Notary Project (signature specification 1.1): contents and rules of both encodings.

Never verifies a signature and never trusts a certificate.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.text import visible
from kubekeep.signatures.errors import SignatureError

PAYLOAD_TYPE: Final = "application/vnd.cncf.notary.payload.v1+json"
X509: Final = "notary.x509"
SIGNING_AUTHORITY: Final = "notary.x509.signingAuthority"

SCHEME_HEADER: Final = "io.cncf.notary.signingScheme"
TIME_HEADER: Final = "io.cncf.notary.signingTime"
AUTHENTIC_TIME_HEADER: Final = "io.cncf.notary.authenticSigningTime"
EXPIRY_HEADER: Final = "io.cncf.notary.expiry"
TIMESTAMP_HEADER: Final = "io.cncf.notary.timestampSignature"
PLUGIN_HEADERS: Final = ("io.cncf.notary.verificationPlugin", "io.cncf.notary.verificationPluginMinVersion")

LARGEST_ENVELOPE: Final = 4 << 20
"""Maximum size of an envelope in bytes; a chain of certificates needs a few kilobytes."""
MOST_CERTIFICATES: Final = 16
LARGEST_CERTIFICATE: Final = 64 << 10


class TargetArtifact(msgspec.Struct, frozen=True, rename="camel"):
    """The descriptor that is signed. annotations: of the signer, and of the Notary Project."""

    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] = {}


class _SignedPayload(msgspec.Struct, frozen=True, rename="camel"):
    target_artifact: TargetArtifact


class SignedHeaders(msgspec.Struct, frozen=True):
    """The signed attributes of an envelope. algorithm: the name in JWS, as "PS256"; times are in UTC."""

    algorithm: str
    scheme: str
    signing_time: dt.datetime | None
    authentic_time: dt.datetime | None
    expiry: dt.datetime | None


class NotationEnvelope(msgspec.Struct, frozen=True):
    """A decoded envelope. signed: the bytes that the signature covers; chain: certificates in DER, the signer's first.

    timestamp: a TimeStampToken of RFC 3161; empty without a countersignature.
    """

    headers: SignedHeaders
    payload: bytes
    signed: bytes
    signature: bytes
    chain: tuple[bytes, ...]
    timestamp: bytes = b""


def read_headers(
    fields: Mapping[Any, Any], critical: Any, algorithm: str, content_type: Any, times: Mapping[str, dt.datetime]
) -> SignedHeaders:
    """Return the signed attributes of `fields`, with the decoded `times`. Raises SignatureError.

    An attribute is accepted only if it is valid for the signing scheme; every critical one must be known.
    """
    if content_type != PAYLOAD_TYPE:
        raise SignatureError(f"the content type is {_show(content_type)}, not {PAYLOAD_TYPE}")
    for name in PLUGIN_HEADERS:
        if name in fields:
            raise SignatureError(f"the signature requires a plugin of notation ({name}), which is not supported")
    scheme = fields.get(SCHEME_HEADER)
    if scheme not in (X509, SIGNING_AUTHORITY):
        raise SignatureError(f"the signing scheme {_show(scheme)} is unknown")
    required, excluded = (TIME_HEADER, AUTHENTIC_TIME_HEADER)[:: 1 if scheme == X509 else -1]
    if required not in fields:
        raise SignatureError(f"{required} is missing, which the scheme {scheme} requires")
    if excluded in fields:
        raise SignatureError(f"{excluded} is not allowed in the scheme {scheme}")
    _check_critical(fields, critical)
    return SignedHeaders(
        algorithm, scheme, times.get(TIME_HEADER), times.get(AUTHENTIC_TIME_HEADER), times.get(EXPIRY_HEADER)
    )


def _check_critical(fields: Mapping[Any, Any], critical: Any) -> None:
    """Check the list of critical attributes: complete, present and known."""
    if not isinstance(critical, list | tuple) or not critical:
        raise SignatureError("the list of critical headers (crit) is missing")
    must_be_critical = (SCHEME_HEADER, AUTHENTIC_TIME_HEADER, EXPIRY_HEADER)
    for name in critical:
        if name not in must_be_critical:
            raise SignatureError(f"the critical header {_show(name)} is unknown")
        if name not in fields:
            raise SignatureError(f"the critical header {_show(name)} is missing")
    for name in must_be_critical:
        if name in fields and name not in critical:
            raise SignatureError(f"the header {name} is not marked as critical")


def check_chain(certificates: Iterable[Any]) -> tuple[bytes, ...]:
    """Return the certificates of an envelope. Raises SignatureError for none, too many or too large ones."""
    chain = tuple(certificates)
    if not chain:
        raise SignatureError("the signature has no certificates")
    if len(chain) > MOST_CERTIFICATES:
        raise SignatureError(f"the signature has {len(chain)} certificates; the limit is {MOST_CERTIFICATES}")
    for certificate in chain:
        if not isinstance(certificate, bytes):
            raise SignatureError("a certificate is not a byte string")
        if len(certificate) > LARGEST_CERTIFICATE:
            raise SignatureError(f"a certificate has {len(certificate):,} bytes; the limit is {LARGEST_CERTIFICATE:,}")
    return chain


def decode_target(payload: bytes) -> TargetArtifact:
    """Return the artifact that a payload names. Raises SignatureError."""
    try:
        return msgspec.json.decode(payload, type=_SignedPayload).target_artifact
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SignatureError(f"the payload has no valid targetArtifact: {visible(str(error))}") from error


def _show(value: Any) -> str:
    return visible(repr(value)[:120])
