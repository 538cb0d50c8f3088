"""Trusted roots of Sigstore (trusted_root.json): authorities and logs with their periods of validity.

Reads the built-in root of the public instance, or the content of a file. Never uses the network, and never selects a root.
"""

from __future__ import annotations

import datetime as dt
import functools
import importlib.resources
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from kubekeep.registry.errors import KeyFileError
from kubekeep.registry.keys import PublicKey, check_public_key
from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.sigstore.bundle import CertificateChain, LogId
from kubekeep.signatures.verification import RootOrigin

_TYPES: Final = (
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot+json;version=0.2",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
)
_LARGEST: Final = 4 << 20
_MOST_PARTS: Final = 256


class Period(msgspec.Struct, frozen=True):
    """A period that includes its start and its end."""

    start: dt.datetime
    end: dt.datetime | None = None

    def includes(self, time: dt.datetime) -> bool:
        """Return True if `time` is in the period."""
        return self.start <= time and (self.end is None or time <= self.end)


class CertificateAuthority(msgspec.Struct, frozen=True):
    """An authority: its certificates, the root last, when it was in use, and its URL as the root states it."""

    certificates: tuple[Any, ...]
    period: Period
    url: str = ""


class TransparencyLog(msgspec.Struct, frozen=True):
    """A log. hints: first four bytes of the identities that checkpoints may use. url: as the root states it."""

    log_id: bytes
    hints: tuple[bytes, ...]
    key: Any
    period: Period
    url: str = ""


class TrustedRoot(msgspec.Struct, frozen=True):
    """Authorities for certificates and timestamps, logs for signatures and for certificates."""

    authorities: tuple[CertificateAuthority, ...] = ()
    timestamp_authorities: tuple[CertificateAuthority, ...] = ()
    logs: tuple[TransparencyLog, ...] = ()
    certificate_logs: tuple[TransparencyLog, ...] = ()
    origin: RootOrigin = RootOrigin(kind="file", name="")


class _PeriodDocument(msgspec.Struct, frozen=True):
    start: dt.datetime | None = None
    end: dt.datetime | None = None


class _KeyDocument(msgspec.Struct, frozen=True, rename="camel"):
    raw_bytes: bytes = b""
    valid_for: _PeriodDocument = _PeriodDocument()


class _LogDocument(msgspec.Struct, frozen=True, rename="camel"):
    public_key: _KeyDocument
    log_id: LogId = LogId()
    checkpoint_key_id: LogId | None = None
    base_url: str = ""


class _AuthorityDocument(msgspec.Struct, frozen=True, rename="camel"):
    cert_chain: CertificateChain = CertificateChain()
    valid_for: _PeriodDocument = _PeriodDocument()
    uri: str = ""


class _RootDocument(msgspec.Struct, frozen=True, rename="camel"):
    media_type: str
    tlogs: tuple[_LogDocument, ...] = ()
    certificate_authorities: tuple[_AuthorityDocument, ...] = ()
    ctlogs: tuple[_LogDocument, ...] = ()
    timestamp_authorities: tuple[_AuthorityDocument, ...] = ()


@functools.cache
def load_public_root() -> TrustedRoot:
    """Return the root of Sigstore's public instance as it was when Kubekeep was released."""
    return read_trusted_root(read_public_document("public_good.json"), "the built-in trusted root", kind="built-in")


def read_public_document(name: str) -> bytes:
    """Return a document of Sigstore's public instance: its trusted root, its signing configuration or the root of TUF."""
    return importlib.resources.files("kubekeep.signatures.sigstore").joinpath(name).read_bytes()


def read_trusted_root(content: bytes, name: str, *, kind: str = "file") -> TrustedRoot:
    """Read a trusted root; `name` is its file in messages. kind: of the origin. Raises TrustError."""
    if len(content) > _LARGEST:
        raise TrustError(f"{name}: larger than {_LARGEST:,} bytes")
    try:
        document = msgspec.json.decode(content, type=_RootDocument, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TrustError(f"{name}: not a trusted root of Sigstore: {error}") from error
    if document.media_type not in _TYPES:
        raise TrustError(f"{name}: the unsupported type {document.media_type[:100]!r}; expected {_TYPES[0]}")
    parts = (document.tlogs, document.certificate_authorities, document.ctlogs, document.timestamp_authorities)
    if sum(map(len, parts)) > _MOST_PARTS:
        raise TrustError(f"{name}: more than {_MOST_PARTS} authorities and logs")
    root = TrustedRoot(
        authorities=tuple(
            _read_authority(entry, f"{name}: certificateAuthorities[{number}]")
            for number, entry in enumerate(document.certificate_authorities)
        ),
        timestamp_authorities=tuple(
            _read_authority(entry, f"{name}: timestampAuthorities[{number}]")
            for number, entry in enumerate(document.timestamp_authorities)
        ),
        logs=tuple(_read_log(entry, f"{name}: tlogs[{number}]") for number, entry in enumerate(document.tlogs)),
        certificate_logs=tuple(
            _read_log(entry, f"{name}: ctlogs[{number}]") for number, entry in enumerate(document.ctlogs)
        ),
    )
    authorities, logs = (*root.authorities, *root.timestamp_authorities), (*root.logs, *root.certificate_logs)
    starts = [*(authority.period.start for authority in authorities), *(log.period.start for log in logs)]
    newest = max(starts, default=None)
    return msgspec.structs.replace(root, origin=RootOrigin(kind=kind, name=name, newest=newest))


def _read_period(document: _PeriodDocument, name: str) -> Period:
    """Return a period with time zones. A start is required: without one, a log would be trusted for all time."""
    if document.start is None:
        raise TrustError(f"{name}: validFor has no start")
    return Period(_with_zone(document.start), None if document.end is None else _with_zone(document.end))


def _with_zone(time: dt.datetime) -> dt.datetime:
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)


def _read_authority(document: _AuthorityDocument, name: str) -> CertificateAuthority:
    try:
        certificates = tuple(
            x509.load_der_x509_certificate(certificate.raw_bytes) for certificate in document.cert_chain.certificates
        )
    except ValueError as error:
        raise TrustError(f"{name}: an invalid certificate: {error}") from error
    return CertificateAuthority(certificates, _read_period(document.valid_for, name), document.uri)


def _read_log(document: _LogDocument, name: str) -> TransparencyLog:
    try:
        key: PublicKey = check_public_key(serialization.load_der_public_key(document.public_key.raw_bytes))
    except (KeyFileError, ValueError, UnsupportedAlgorithm) as error:
        raise TrustError(f"{name}: an invalid key: {error}") from error
    identities = [document.log_id.key_id, (document.checkpoint_key_id or LogId()).key_id]
    return TransparencyLog(
        log_id=document.log_id.key_id,
        hints=tuple(identity[:4] for identity in identities if len(identity) >= 4),
        key=key,
        period=_read_period(document.public_key.valid_for, name),
        url=document.base_url,
    )
